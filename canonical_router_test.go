package bearerguard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// rawRouter finds its handlers as chi does: by the path as it was sent, if that was kept, and by prefix.
type rawRouter map[string]http.Handler

func (m rawRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	longest := ""
	for prefix := range m {
		if strings.HasPrefix(path, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	m[longest].ServeHTTP(w, r)
}

// TestCanonicalPathRouter is about a router that matches the raw path, with /files/ guarded and everything else not.
func TestCanonicalPathRouter(t *testing.T) {
	s := newService(t)
	files := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // what serves files everywhere, as they decode
		if strings.HasPrefix(r.URL.Path, "/files/") || strings.Contains(r.URL.Path, "/../files/") {
			s.handle(w, r, nil)
			return
		}
		http.NotFound(w, r)
	})
	router := rawRouter{"": files, "/files/": s.guard.Require(bearerguard.Authenticated())(files)}
	token := "Authorization: Bearer " + s.iss.Token(nil)
	hostile := []struct {
		name, target string
		want         answer // with CanonicalPath
		leaks        bool   // without it
	}{
		{"I-07 a letter escaped", "/%66iles/a", noCrd, true},
		{"I-07 another letter escaped", "/file%73/a", noCrd, true},
		{"I-07 all letters escaped", "/%66%69%6c%65%73/a", noCrd, true},
		{"I-04 the slash escaped", "/files%2fa", badPa, true},
		{"I-04 the slash escaped in capitals", "/files%2Fa", badPa, true},
		{"I-03 dots", "/x/../files/a", badPa, true},
		{"I-03 dots escaped", "/x/%2e%2e/files/a", badPa, true},
		{"I-01 two slashes", "//files/a", badPa, false},
		{"I-05 a backslash", "/x%5c..%5cfiles/a", badPa, false},
		{"I-05 NUL", "/files%00/a", badPa, false},
		{"as it should be", "/files/a", noCrd, false},
		{"an escape that is needed", "/files/a%20b", noCrd, false},
	}
	for _, row := range hostile {
		t.Run(row.name, func(t *testing.T) {
			serveInstead(s, router)
			before := s.count()
			if hearRaw(t, s, "GET "+row.target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); (s.count() > before) != row.leaks {
				t.Errorf("without CanonicalPath: leaks is %t, want %t", s.count() > before, row.leaks)
			}
			serveInstead(s, bearerguard.CanonicalPath(router))
			s.lines(t, row.want, "GET", row.target)
			if row.want == noCrd {
				s.lines(t, ok200, "GET", row.target, token)
			} else {
				s.lines(t, badPa, "GET", row.target, token)
			}
		})
	}
	t.Run("RawPath is cleared, and the caller's request is not changed", func(t *testing.T) {
		for target, raw := range map[string]string{"/%66iles/a": "/%66iles/a", "/files/a": "", "/caf%c3%a9/": "/caf%c3%a9/"} {
			u, err := url.ParseRequestURI(target)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "https://api.example.com/", nil)
			r.URL = u
			was, calls := *u, 0
			bearerguard.CanonicalPath(http.HandlerFunc(func(_ http.ResponseWriter, inner *http.Request) {
				calls++
				if inner.URL.RawPath != "" || inner.URL.Path != was.Path || (inner == r) != (raw == "") || inner.Context() != r.Context() {
					t.Errorf("%s: the handler sees %q, %q", target, inner.URL.Path, inner.URL.RawPath)
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
			if *u != was || r.URL != u || u.RawPath != raw || calls != 1 {
				t.Errorf("%s: the caller's is now %+v; %d calls", target, *u, calls)
			}
		}
	})
	t.Run("nil", func(t *testing.T) {
		if text := panicText(func() { bearerguard.CanonicalPath(nil) }); !strings.Contains(text, "canonical_router_test.go:") {
			t.Error(text)
		}
	})
}

// TestFileServer is about one file server behind a public and a guarded route.
func TestFileServer(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"public/logo.txt": "a logo", "private.txt": "a secret", "public/admin/secret.txt": "a secret"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newService(t)
	files := http.StripPrefix("/files", http.FileServer(http.Dir(root)))
	plain := http.NewServeMux()
	plain.Handle("GET /files/public/", files)
	plain.Handle("GET /files/public/admin/{p...}", s.guard.Require(bearerguard.Authenticated())(files))
	plain.Handle("GET /files/", s.guard.Require(bearerguard.Authenticated())(files))
	mux := s.guard.NewMux()
	mux.Handle("GET /files/public/", public, files)
	mux.Handle("GET /files/public/admin/{p...}", bearerguard.Authenticated(), files)
	mux.Handle("GET /files/", bearerguard.Authenticated(), files)
	for _, row := range []struct {
		name, target  string
		leaks         bool // with plain net/http
		status, token int  // with Mux: without a token, and with one
	}{
		{"I-03 escaped dots", "/files/public/%2e%2e/private.txt", true, 400, 400},
		{"I-03 one dot escaped", "/files/public/.%2e/private.txt", true, 400, 400},
		{"I-04 dots and an escaped slash", "/files/public/..%2fprivate.txt", true, 400, 400},
		{"I-04 dots and an escaped slash in capitals", "/files/public/..%2Fprivate.txt", true, 400, 400},
		{"I-04 an escaped slash past a guarded subtree", "/files/public/admin%2Fsecret.txt", true, 400, 400},
		{"I-02 a dot segment past a guarded subtree", "/files/public/%2e/admin/secret.txt", true, 400, 400},
		{"I-01 an empty segment past a guarded subtree", "/files/public/%2fadmin/secret.txt", true, 400, 400},
		{"I-02 dots", "/files/public/../private.txt", false, 400, 400},
		{"I-07 a letter escaped", "/files/public/%61dmin/secret.txt", false, 401, 200},
		{"I-07 another letter escaped", "/%66iles/private.txt", false, 401, 404},
		{"the file itself", "/files/private.txt", false, 401, 200},
		{"the guarded subtree itself", "/files/public/admin/secret.txt", false, 401, 200},
		{"a public file", "/files/public/logo.txt", false, 200, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			ask := func(handler http.Handler, lines string) (int, string) {
				serveInstead(s, handler)
				response, body := hearRaw(t, s, "GET "+row.target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+lines+"\r\n")
				return response.StatusCode, body
			}
			if _, body := ask(plain, ""); strings.Contains(body, "secret") != row.leaks {
				t.Errorf("plain net/http: %s, leaks want %t", body, row.leaks)
			}
			if status, body := ask(mux, ""); status != row.status || strings.Contains(body, "a secret") {
				t.Errorf("Mux: %d %s", status, body)
			}
			status, body := ask(mux, "Authorization: Bearer "+s.iss.Token(nil)+"\r\n")
			if status != row.token {
				t.Errorf("Mux, with a token: %d %s", status, body)
			}
		})
	}
}

// TestEncodedSlash is about routes with ids that contain slashes.
func TestEncodedSlash(t *testing.T) {
	s := newService(t)
	echo := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) }
	mux := s.guard.NewMux()
	slash := bearerguard.EncodedSlash(scoped)
	mux.HandleFunc("GET /obj/{id}", slash, echo)
	mux.HandleFunc("GET /obj/{id}/parts", scoped, echo)
	mux.HandleFunc("GET /plain/{id}", scoped, echo)
	mux.HandleFunc("GET /open/{id}", bearerguard.EncodedSlash(public), echo)
	mux.Handle("GET /nested/{id}", slash, s.guard.Require(scoped)(http.HandlerFunc(echo)))
	mux.Handle("GET /twice/{id}", slash, s.guard.Require(slash)(http.HandlerFunc(echo)))
	plain := http.NewServeMux()
	plain.Handle("GET /obj/{id}", s.guard.Require(slash)(http.HandlerFunc(echo)))
	plain.Handle("GET /obj/{id}/parts", s.guard.Require(scoped)(http.HandlerFunc(echo)))
	plain.Handle("GET /plain/{id}", s.guard.Require(scoped)(http.HandlerFunc(echo)))
	plain.Handle("GET /open/{id}", s.guard.Require(bearerguard.EncodedSlash(public))(http.HandlerFunc(echo)))
	plain.Handle("GET /nested/{id}", s.guard.Require(slash)(s.guard.Require(scoped)(http.HandlerFunc(echo))))
	plain.Handle("GET /twice/{id}", s.guard.Require(slash)(s.guard.Require(slash)(http.HandlerFunc(echo))))
	for _, row := range []struct {
		name, target    string
		anonymous, with int
		value           string
	}{
		{"I-04 its route", "/obj/a%2Fb", 401, 200, "a/b"},
		{"I-04 its route, small letters", "/obj/a%2fb%2fc", 401, 200, "a/b/c"},
		{"I-04 its route, at the end", "/obj/a%2f", 401, 200, "a/"},
		{"I-04 its route, public", "/open/a%2Fb", 200, 200, "a/b"},
		{"I-04 within another of its kind", "/twice/a%2Fb", 401, 200, "a/b"},
		{"I-04 its route, without", "/obj/a", 401, 200, "a"},
		{"I-04 another route", "/plain/a%2Fb", 400, 400, ""},
		{"I-04 a route below", "/obj/a%2Fb/parts", 400, 400, ""},
		{"I-04 within a guard that was not told", "/nested/a%2Fb", 401, 400, ""},
		{"I-04 at the front", "/obj/%2Fa", 400, 400, ""},
		{"I-04 two of them", "/obj/a%2F%2Fb", 400, 400, ""},
		{"I-03 dots in front", "/obj/..%2Fa", 400, 400, ""},
		{"I-03 dots behind", "/obj/a%2F..", 400, 400, ""},
		{"I-03 dots between", "/obj/a%2F..%2Fb", 400, 400, ""},
		{"I-03 dots, escaped, between", "/obj/a%2F%2e%2e%2Fb", 400, 400, ""},
		{"I-03 a dot between", "/obj/a%2F.%2Fb", 400, 400, ""},
		{"I-03 escaped dots alone", "/obj/%2e%2e", 400, 400, ""},
		{"I-05 an escaped backslash", "/obj/a%5Cb", 400, 400, ""},
		{"I-05 an escaped backslash behind the slash", "/obj/a%2Fb%5cc", 400, 400, ""},
		{"I-05 NUL", "/obj/a%2F%00", 400, 400, ""},
		{"I-03 dots, public", "/open/..%2Fa", 400, 400, ""},
		{"I-05 an escaped backslash, public", "/open/a%2Fb%5C", 400, 400, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			for name, handler := range map[string]http.Handler{"Mux": mux, "Require": plain} {
				serveInstead(s, handler)
				head := "GET " + row.target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
				response, _ := hearRaw(t, s, head+"\r\n")
				if response.StatusCode != row.anonymous {
					t.Errorf("%s: %d, want %d", name, response.StatusCode, row.anonymous)
				}
				response, body := hearRaw(t, s, head+"Authorization: Bearer "+s.iss.Token(good)+"\r\n\r\n")
				if response.StatusCode != row.with || row.with == 200 && body != row.value {
					t.Errorf("%s with a token: %d %s, want %d %s", name, response.StatusCode, body, row.with, row.value)
				}
			}
		})
	}
	t.Run("I-04 what Mux answers by itself", func(t *testing.T) {
		serveInstead(s, mux)
		auth := "Authorization: Bearer " + s.iss.Token(good)
		for _, target := range []string{"/nowhere%2Fa", "/nowhere/a%2Fb", "/%2Fobj/a", "/obj%2Fa", "/.well-known%2Foauth-protected-resource", "/%2Ewell-known/oauth-protected-resource%2F"} {
			s.lines(t, badPa, "GET", target)
			s.lines(t, badPa, "GET", target, auth)
		}
		s.lines(t, badPa, "POST", "/obj/a%2Fb", auth)
	})
}
