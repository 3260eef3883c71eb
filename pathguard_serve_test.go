package bearerguard_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard"
)

// fileRequest sends the target as it is and returns the answer as it is, without its date.
func fileRequest(t *testing.T, server *httptest.Server, method, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, method+" "+target+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return regexp.MustCompile(`\r\nDate: [^\r]+`).ReplaceAllString(string(answer), "")
}

func newFileServer(t *testing.T, dir *bearerguard.Dir) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/files/{path...}", dir.Handler("path"))
	mux.Handle("/t/{tenant}/{path...}", dir.Handler("tenant", "path"))
	mux.Handle("/typo/{path...}", dir.Handler("file"))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

const fileNotFound = "HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nContent-Length: 34\r\n" +
	"Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" +
	`{"title":"Not Found","status":404}`

// OW-10: nothing in an answer tells a refusal from another, or from an absent file.
func TestRefusalsAreOneAnswer(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	server := newFileServer(t, dir)
	head, _, _ := strings.Cut(fileNotFound, "{")
	for _, tc := range slices.Concat(closedNames, makeSpecialFiles(t, root)) {
		t.Run(tc.recipe, func(t *testing.T) {
			target := "/files/" + (&url.URL{Path: tc.name}).EscapedPath()
			require.Equal(t, fileNotFound, fileRequest(t, server, "GET", target))
			require.Equal(t, head, fileRequest(t, server, "HEAD", target))
		})
	}
	for _, tc := range badNames {
		t.Run(tc.recipe, func(t *testing.T) {
			// Every byte is escaped, so that nobody on the way cleans the name.
			var target strings.Builder
			for i := range len(tc.name) {
				target.WriteString("%" + string("0123456789abcdef"[tc.name[i]>>4]) + string("0123456789ABCDEF"[tc.name[i]&15]))
			}
			require.Equal(t, fileNotFound, fileRequest(t, server, "GET", "/files/"+target.String()))
			recorder := httptest.NewRecorder()
			dir.ServeFile(recorder, httptest.NewRequest("GET", "/?file=x", nil), tc.name)
			require.Equal(t, http.StatusNotFound, recorder.Code)
			require.Equal(t, `{"title":"Not Found","status":404}`, recorder.Body.String())
		})
	}
	for _, tc := range []struct{ recipe, target string }{
		{"P-04 encoded dots", "/files/%2e%2e/secret.txt"},
		{"P-05 encoded slash", "/files/..%2fsecret.txt"},
		{"P-06 both", "/files/%2e%2e%2fsecret.txt"},
		{"P-07 half-encoded", "/files/.%2e/secret.txt"},
		{"P-08 double encoding", "/files/%252e%252e%252fsecret.txt"},
		{"P-09 triple encoding", "/files/%25252e%25252e%25252fsecret.txt"},
		{"P-10 encoded backslash", "/files/..%5csecret.txt"},
		{"P-11 double-encoded backslash", "/files/..%255csecret.txt"},
		{"P-20 overlong", "/files/%c0%ae%c0%ae%c0%afsecret.txt"},
		{"P-29 NUL", "/files/ok.txt%00.png"},
		{"P-41 link and slash", "/files/link/"},
		{"P-52 nothing", "/files/"},
		{"P-52 directory and slash", "/files/sub/"},
		{"P-73 encoded dot file", "/files/%2eenv"},
		{"P-73 encoded dot directory", "/files/%2egit/config"},
		{"P-75 long element", "/files/" + strings.Repeat("a", 256)},
		{"P-80 encoded question mark", "/files/ok.txt%3f"},
		{"P-82 absolute form", "http://evil.example.com/files/..%2fsecret.txt"},
		{"GO-05 a slash that the mux did not see", "/files/sub%2Fok.txt"},
		{"GO-05 between wildcards", "/t/sub%2fok.txt/x"},
		{"GO-05 empty wildcard", "/t/sub/"},
		{"GO-05 dots in a wildcard", "/t/%2e%2e/secret.txt"},
		{"unknown wildcard", "/typo/ok.txt"},
	} {
		t.Run(tc.recipe, func(t *testing.T) {
			require.Equal(t, fileNotFound, fileRequest(t, server, "GET", tc.target))
		})
	}
	for _, tc := range []struct{ recipe, target string }{ // answered before us
		{"P-03 plain dots", "/files/../secret.txt"},
		{"P-24 percent u", "/files/%uff0e%uff0e%u2215secret.txt"},
		{"P-35 empty segment", "/files//etc/passwd"},
	} {
		t.Run(tc.recipe, func(t *testing.T) {
			require.Regexp(t, `^HTTP/1.1 (307|400) `, fileRequest(t, server, "GET", tc.target))
		})
	}
}

func TestFileMethods(t *testing.T) {
	dir, _ := newFileDir(t, bearerguard.DirConfig{})
	server := newFileServer(t, dir)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "get", "PROPFIND"} {
		t.Run("OW-12 "+method, func(t *testing.T) {
			for _, target := range []string{"/files/ok.txt", "/files/none"} {
				answer := fileRequest(t, server, method, target)
				require.Equal(t, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nCache-Control: no-store\r\nContent-Length: 43\r\n"+
					"Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"+
					`{"title":"Method Not Allowed","status":405}`, answer)
			}
		})
	}
	t.Run("P-81 CONNECT", func(t *testing.T) {
		require.Contains(t, fileRequest(t, server, "CONNECT", "/files/../secret.txt"), " 405 ")
	})
}

func TestClosedDirIsUnavailable(t *testing.T) {
	dir, _ := newFileDir(t, bearerguard.DirConfig{})
	server := newFileServer(t, dir)
	require.NoError(t, dir.Close())
	require.Equal(t, strings.NewReplacer("404 Not Found", "503 Service Unavailable", "Length: 34", "Length: 44",
		"Not Found", "Service Unavailable", "404}", "503}").Replace(fileNotFound), fileRequest(t, server, "GET", "/files/ok.txt"))
}

func TestServeFile(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	server := newFileServer(t, dir)
	writeTestFile(t, filepath.Join(root, "Größe", "100% 資料's.txt"), "0123456789")
	do := func(t *testing.T, method, header, value string) *http.Response {
		r, err := http.NewRequest(method, server.URL+"/t/Gr%C3%B6%C3%9Fe/100%25%20%E8%B3%87%E6%96%99's.txt", nil)
		require.NoError(t, err)
		r.Header.Set(header, value)
		resp, err := server.Client().Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	body := func(t *testing.T, resp *http.Response) string {
		content, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(content)
	}
	whole := do(t, "GET", "Accept", "*/*")
	etag := whole.Header.Get("ETag")
	t.Run("OW-11 whole", func(t *testing.T) {
		require.Equal(t, http.StatusOK, whole.StatusCode)
		require.Equal(t, "0123456789", body(t, whole))
		require.Equal(t, "text/plain; charset=utf-8", whole.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", whole.Header.Get("X-Content-Type-Options"))
		require.Equal(t, `inline; filename="100_ __'s.txt"; filename*=UTF-8''100%25%20%E8%B3%87%E6%96%99%27s.txt`, whole.Header.Get("Content-Disposition"))
		require.Regexp(t, `^"[0-9a-f]+-a"$`, etag)
		require.NotContains(t, whole.Header, "Cache-Control")
		require.NotContains(t, whole.Header, "Content-Security-Policy")
	})
	t.Run("HEAD", func(t *testing.T) {
		resp := do(t, "HEAD", "Accept", "*/*")
		require.Equal(t, int64(10), resp.ContentLength)
		require.Equal(t, etag, resp.Header.Get("ETag"))
		require.Empty(t, body(t, resp))
	})
	t.Run("range", func(t *testing.T) {
		resp := do(t, "GET", "Range", "bytes=2-4")
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		require.Equal(t, "234", body(t, resp))
	})
	t.Run("range beyond the end", func(t *testing.T) {
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, do(t, "GET", "Range", "bytes=20-").StatusCode)
	})
	t.Run("unchanged", func(t *testing.T) {
		require.Equal(t, http.StatusNotModified, do(t, "GET", "If-None-Match", etag).StatusCode)
	})
	t.Run("changed", func(t *testing.T) {
		require.Equal(t, http.StatusPreconditionFailed, do(t, "GET", "If-Match", `"x"`).StatusCode)
		writeTestFile(t, filepath.Join(root, "Größe", "100% 資料's.txt"), "other content")
		require.Equal(t, http.StatusOK, do(t, "GET", "If-None-Match", etag).StatusCode)
	})
}

func TestActiveContentIsAnAttachment(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	for _, tc := range []struct{ base, contentType, disposition, policy string }{
		{"a.html", "text/html; charset=utf-8", "attachment", "sandbox"},
		{"a.HTM", "text/html; charset=utf-8", "attachment", "sandbox"},
		{"a.txt.xhtml", "application/xhtml+xml", "attachment", "sandbox"},
		{"a.svg", "image/svg+xml", "attachment", "sandbox"},
		{"a.xml", "application/xml", "attachment", "sandbox"},
		{"a.pdf", "application/pdf", "attachment", "sandbox"},
		{"a.js", "application/octet-stream", "attachment", "sandbox"},
		{"a.css", "application/octet-stream", "attachment", "sandbox"},
		{"a.wasm", "application/octet-stream", "attachment", "sandbox"},
		{"a.unknown", "application/octet-stream", "attachment", "sandbox"},
		{"png", "application/octet-stream", "attachment", "sandbox"},
		{"a.png", "image/png", "inline", ""},
		{"a.JSON", "application/json", "inline", ""},
	} {
		t.Run(tc.base, func(t *testing.T) {
			writeTestFile(t, filepath.Join(root, "active", tc.base), "<script>alert(1)</script>")
			recorder := httptest.NewRecorder()
			dir.ServeFile(recorder, httptest.NewRequest("GET", "/", nil), "active/"+tc.base)
			require.Equal(t, http.StatusOK, recorder.Code)
			require.Equal(t, tc.contentType, recorder.Header().Get("Content-Type"))
			require.Equal(t, tc.disposition+`; filename="`+tc.base+`"`, recorder.Header().Get("Content-Disposition"))
			require.Equal(t, tc.policy, recorder.Header().Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", recorder.Header().Get("X-Content-Type-Options"))
		})
	}
}

func TestOnRefuse(t *testing.T) {
	var refusals []string
	dir, _ := newFileDir(t, bearerguard.DirConfig{OnRefuse: func(r *http.Request, name string, err error) {
		refusals = append(refusals, r.URL.Path+" "+name+": "+err.Error())
		var bad *bearerguard.NameError
		if errors.As(err, &bad) {
			panic("contained")
		}
	}})
	server := newFileServer(t, dir)
	for _, target := range []string{"/files/%2eenv", "/files/inlink", "/t/sub/ok.txt/x", "/t/sub/ok.txt", "/t/a%2fb/c"} {
		answer := fileRequest(t, server, "GET", target)
		require.Equal(t, target != "/t/sub/ok.txt", answer == fileNotFound, target)
	}
	require.Equal(t, []string{
		"/files/.env .env: bearerguard: file name refused: leading dot",
		"/files/inlink inlink: open inlink: bearerguard: symbolic link",
		"/t/sub/ok.txt/x sub/ok.txt/x: open sub/ok.txt/x: bearerguard: not a regular file in a plain directory",
		"/t/a/b/c a/b/c: bearerguard: file name refused: reserved character",
	}, refusals)
}

func TestHandlerWantsWildcards(t *testing.T) {
	var dir bearerguard.Dir
	for _, wildcards := range [][]string{nil, {""}, {"path..."}, {"{path}"}, {"tenant", "a/b"}} {
		require.Panics(t, func() { dir.Handler(wildcards...) }, "%q", wildcards)
	}
	names := []string{"path"}
	handler := dir.Handler(names...)
	names[0] = "changed"
	r := httptest.NewRequest("GET", "/", nil)
	r.SetPathValue("path", "ok.txt")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code) // the zero Dir is closed; the name arrived
}

func TestReadersShareADirUntilItCloses(t *testing.T) {
	dir, _ := newFileDir(t, bearerguard.DirConfig{})
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 200 {
				recorder := httptest.NewRecorder()
				dir.ServeFile(recorder, httptest.NewRequest("GET", "/", nil), "sub/ok.txt")
				if recorder.Code != http.StatusOK && recorder.Code != http.StatusServiceUnavailable {
					t.Errorf("status %d", recorder.Code)
				}
			}
		}()
	}
	require.NoError(t, dir.Close())
	for range 4 {
		<-done
	}
}
