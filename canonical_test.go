package bearerguard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard"
)

// Request targets as they stand in the request line, over a socket, to a guard with no router before it.
func TestCanonicalTargets(t *testing.T) {
	s := serveGuarded(t, bearerguard.Authenticated())
	auth := "Authorization: Bearer " + s.iss.Token(good)
	for _, tc := range []struct {
		name   string
		want   answer
		target string
	}{
		{"the root", ok200, "/"},
		{"a name", ok200, "/a"},
		{"several names", ok200, "/a/b/c"},
		{"a slash at the end", ok200, "/a/b/"},
		{"a semicolon", ok200, "/a;v=1/b;w"},
		{"an escaped space", ok200, "/a%20b"},
		{"an escaped letter", ok200, "/%61dmin"},
		{"an escaped percent sign", ok200, "/100%25"},
		{"an escape of an escape: decoded once, it is a name", ok200, "/a%252fb"},
		{"an escape of escaped dots: decoded once, it is a name", ok200, "/a/%252e%252e/b"},
		{"a dot inside of a name", ok200, "/a.b/c"},
		{"two dots inside of a name", ok200, "/a..b"},
		{"a dot before a name", ok200, "/.well-known/x"},
		{"two dots before a name", ok200, "/..a"},
		{"two dots behind a name", ok200, "/a../b"},
		{"three dots", ok200, "/.../a"},
		{"two dots and a semicolon are a name to Go", ok200, "/a/..;/b"},
		{"letters of UTF-8, raw", ok200, "/caf\u00e9"},
		{"letters of UTF-8, escaped", ok200, "/caf%C3%A9"},
		{"a fullwidth slash is no slash", ok200, "/a\uff0fb"},
		{"a colon", ok200, "/a:b"},
		{"an at sign", ok200, "/@a"},
		{"a tilde", ok200, "/~a"},
		{"a plus", ok200, "/a+b"},
		{"a question mark, escaped", ok200, "/a%3fb"},
		{"a number sign, escaped", ok200, "/a%23b"},
		{"dots in the query", ok200, "/a?x=/../b"},
		{"slashes in the query", ok200, "/a?x=//b%2f"},
		{"an absolute target", ok200, "http://h/a/b"},
		{"two slashes at the front", badPa, "//a"},
		{"two slashes alone", badPa, "//"},
		{"two slashes in the middle", badPa, "/a//b"},
		{"two slashes at the end", badPa, "/a//"},
		{"three slashes", badPa, "/a///b"},
		{"a dot segment", badPa, "/./a"},
		{"a dot segment in the middle", badPa, "/a/./b"},
		{"a dot segment at the end", badPa, "/a/."},
		{"a dot segment alone", badPa, "/."},
		{"a dot segment and a slash", badPa, "/a/./"},
		{"two dots at the front", badPa, "/../a"},
		{"two dots in the middle", badPa, "/a/../b"},
		{"two dots at the end", badPa, "/a/.."},
		{"two dots alone", badPa, "/.."},
		{"two dots and a slash", badPa, "/a/../"},
		{"escaped dots", badPa, "/a/%2e%2e/b"},
		{"escaped dots in capitals", badPa, "/a/%2E%2E/b"},
		{"one dot escaped, one not", badPa, "/a/.%2e/b"},
		{"one dot not escaped, one escaped", badPa, "/a/%2e./b"},
		{"one escaped dot", badPa, "/a/%2e/b"},
		{"escaped dots at the end", badPa, "/a/%2e%2e"},
		{"escaped dots before a query", badPa, "/a/%2e%2e?x=y"},
		{"an escaped slash", badPa, "/a%2fb"},
		{"an escaped slash in capitals", badPa, "/a%2Fb"},
		{"an escaped slash at the front", badPa, "/%2fa"},
		{"an escaped slash at the end", badPa, "/a%2f"},
		{"an escaped slash alone", badPa, "/%2f"},
		{"an escaped slash behind another escape", badPa, "/%61%20%2fb"},
		{"escaped dots and slash", badPa, "/a/..%2fb"},
		{"everything escaped", badPa, "/a/%2e%2e%2fb"},
		{"an escaped backslash", badPa, "/a%5cb"},
		{"an escaped backslash in capitals", badPa, "/a%5Cb"},
		{"a backslash", badPa, `/a\b`},
		{"a backslash at the front", badPa, `/\a`},
		{"dots and a backslash", badPa, `/a/..\b`},
		{"NUL", badPa, "/a%00b"},
		{"NUL at the end", badPa, "/a.txt%00"},
		{"CR LF", badPa, "/a%0d%0ab"},
		{"TAB", badPa, "/a%09b"},
		{"escape", badPa, "/a%1b[31m"},
		{"unit separator", badPa, "/a%1fb"},
		{"DEL", badPa, "/a%7fb"},
		{"an overlong dot", badPa, "/a/%c0%ae%c0%ae/b"},
		{"an overlong slash", badPa, "/a%c0%afb"},
		{"a byte that begins nothing, escaped", badPa, "/a%ffb"},
		{"a byte that begins nothing, raw", badPa, "/a\xffb"},
		{"half a letter at the end", badPa, "/a%c3"},
		{"a surrogate", badPa, "/a%ed%a0%80"},
		{"an absolute target with two slashes", badPa, "http://h//a"},
		{"an absolute target with dots", badPa, "http://h/a/../b"},
		{"an absolute target without a path", badPa, "http://h"},
		{"an absolute target without a path, with a query", badPa, "http://h?x"},
		{"an opaque target", badPa, "http:a"},
		{"an opaque target of another scheme", badPa, "mailto:a@b"},
		{"a star, with GET", badPa, "*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.lines(t, tc.want, "GET", tc.target, auth)
			anonymous := noCrd
			if tc.want == badPa {
				anonymous = badPa // the path is judged first
			}
			s.lines(t, anonymous, "GET", tc.target)
			if tc.want == badPa {
				s.lines(t, badPa, "GET", tc.target, auth, auth) // before the credentials too
				if d := s.last(); d.Cause != bearerguard.ErrPath || d.Err == nil || d.Verified || d.Token != nil {
					t.Errorf("decision %+v", d)
				}
			}
		})
	}
	t.Run("GO-06 CONNECT to a host", func(t *testing.T) { s.lines(t, badPa, "CONNECT", "h:443", auth) })
	t.Run("GO-06 CONNECT with a path that nobody cleans", func(t *testing.T) { s.lines(t, badPa, "CONNECT", "/public/../admin", auth) })
	t.Run("CONNECT with a clean path is a request like others", func(t *testing.T) {
		s.lines(t, ok200, "CONNECT", "/a", auth)
		s.lines(t, noCrd, "CONNECT", "/a")
	})
	t.Run("GO-07 OPTIONS * is answered by net/http", func(t *testing.T) {
		netHTTPRefuses(t, s, 200, "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	})
	for name, target := range map[string]string{"a raw NUL": "/a\x00", "a raw DEL": "/a\x7f", "a raw space": "/a b", "a bad escape": "/a%zz", "half an escape": "/a%2", "no slash": "a/b"} {
		t.Run("net/http refuses "+name, func(t *testing.T) {
			netHTTPRefuses(t, s, 400, "GET "+target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		})
	}
	t.Run("OPTIONS * that comes through", func(t *testing.T) {
		s.server.Close()
		s.server = httptest.NewUnstartedServer(s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle)))
		s.server.Config.DisableGeneralOptionsHandler = true
		s.server.Start()
		s.lines(t, badPa, "OPTIONS", "*", auth)
	})
}

// URLs that a router or a middleware has made.
func TestCanonicalURLs(t *testing.T) {
	s := newService(t)
	check := func(u *url.URL) error {
		r := httptest.NewRequest("GET", "https://api.example.com/", nil)
		r.URL = u
		_, err := s.guard.Check(r, bearerguard.Authenticated())
		return err
	}
	for _, tc := range []struct {
		name string
		url  url.URL
		want bearerguard.Cause
	}{
		{"a path", url.URL{Path: "/a"}, bearerguard.ErrNoToken},
		{"a path and how it was written", url.URL{Path: "/a b", RawPath: "/a%20b"}, bearerguard.ErrNoToken},
		{"no path", url.URL{}, bearerguard.ErrPath},
		{"no path but a host", url.URL{Host: "h"}, bearerguard.ErrPath},
		{"no slash, as StripPrefix leaves it", url.URL{Path: "a/b"}, bearerguard.ErrPath},
		{"a star", url.URL{Path: "*"}, bearerguard.ErrPath},
		{"opaque", url.URL{Opaque: "x"}, bearerguard.ErrPath},
		{"opaque beside a path", url.URL{Opaque: "//h/../b", Path: "/a"}, bearerguard.ErrPath},
		{"dots", url.URL{Path: "/a/../b"}, bearerguard.ErrPath},
		{"two slashes", url.URL{Path: "//a"}, bearerguard.ErrPath},
		{"a backslash", url.URL{Path: `/a\b`}, bearerguard.ErrPath},
		{"NUL", url.URL{Path: "/a\x00"}, bearerguard.ErrPath},
		{"DEL", url.URL{Path: "/a\x7f"}, bearerguard.ErrPath},
		{"invalid UTF-8", url.URL{Path: "/a\xff"}, bearerguard.ErrPath},
		{"an escaped slash", url.URL{Path: "/a/b", RawPath: "/a%2fb"}, bearerguard.ErrPath},
		{"an escaped slash in capitals", url.URL{Path: "/a/b", RawPath: "/a%2Fb"}, bearerguard.ErrPath},
		{"an escaped slash at the end", url.URL{Path: "/a/", RawPath: "/a%2f"}, bearerguard.ErrPath},
		{"an escaped backslash that the path does not show", url.URL{Path: "/a", RawPath: "/a%5c"}, bearerguard.ErrPath},
		{"an escape that is cut off", url.URL{Path: "/a%2", RawPath: "/a%2"}, bearerguard.ErrNoToken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := check(&tc.url); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	t.Run("an inner guard judges what a layer between has made of the URL", func(t *testing.T) {
		inner := s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle))
		serveInstead(s, s.guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			again := *r
			again.URL = &url.URL{Path: "/public/../admin"}
			inner.ServeHTTP(w, &again)
		})))
		s.lines(t, badPa, "GET", "/any", "Authorization: Bearer "+s.iss.Token(good))
	})
}

// What passes is one file to everybody: valid text, without segments that mean another directory, and what net/http's
// own cleaning would leave alone.
func FuzzCanonicalPath(f *testing.F) {
	guard, err := bearerguard.New(issuers()[0].Config(resource))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = guard.Close() })
	for _, target := range []string{"/", "/a/b/", "/a//b", "/%2e%2e/a", "/a%2fb", "/a%5Cb", "/a/..;/b", "/%00", "/caf%c3%a9", "/%c0%ae", "http:a", "//h/a", "/a%252f", "/.a", `/\`} {
		f.Add(target)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequest("GET", "https://api.example.com/", nil)
		r.URL = u
		if _, err := guard.Check(r, bearerguard.Authenticated()); !errors.Is(err, bearerguard.ErrNoToken) {
			if !errors.Is(err, bearerguard.ErrPath) {
				t.Errorf("%q: %v", target, err)
			}
			return
		}
		for segment := range strings.SplitSeq(strings.TrimSuffix(u.Path, "/")+"/x", "/") {
			if segment == "." || segment == ".." || strings.ContainsAny(segment, "\\\x00\x7f\r\n") {
				t.Errorf("%q passes with the segment %q", target, segment)
			}
		}
		if !strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "//") || !utf8.ValidString(u.Path) || strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/") {
			t.Errorf("%q passes as %q", target, u.Path)
		}
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, r); w.Code != http.StatusTeapot {
			t.Errorf("%q passes, and net/http cleans it: %d %s", target, w.Code, w.Header().Get("Location"))
		}
	})
}
