package bearerguard_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// newMuxService serves a Mux: /public/, /healthz and /open/ are public, for GET; /admin/ asks for scope admin:reset, and
// /items, /tree/ and /t/{id} for items:read.
func newMuxService(t *testing.T, change ...func(*bearerguard.Config)) (*service, *bearerguard.Mux) {
	t.Helper()
	s := newService(t, change...)
	mux := s.guard.NewMux()
	anyone := func(w http.ResponseWriter, _ *http.Request) { s.handle(w, nil, nil) }
	for _, pattern := range []string{"GET /healthz", "GET /public/", "GET /open/"} {
		mux.HandleFunc(pattern, public, anyone)
	}
	for _, pattern := range []string{"GET /items", "POST /items", "/tree/", "GET /t/{id}", "CONNECT /c"} {
		mux.Handle(pattern, scoped, bearerguard.Func(s.handle))
	}
	mux.Handle("GET /admin/", bearerguard.Scope("admin:reset"), bearerguard.Func(s.handle))
	mux.Handle("POST /admin/", bearerguard.Scope("admin:reset"), bearerguard.Func(s.handle))
	serveInstead(s, mux)
	return s, mux
}

// muxRow is a request, what it gets without a token, and the status it gets with one that has scope items:read.
type muxRow struct {
	name      string
	anonymous answer
	with      int
	method    string
	target    string
	lines     []string
}

var muxRows = []muxRow{
	{"control: a public route", ok200, 200, "GET", "/healthz", nil},
	{"control: a public subtree", ok200, 200, "GET", "/public/a/b", nil},
	{"control: a guarded route", noCrd, 200, "GET", "/items", nil},
	{"control: a guarded subtree", noCrd, 200, "GET", "/tree/a", nil},
	{"control: a wildcard", noCrd, 200, "GET", "/t/1", nil},
	{"control: another scope", noCrd, 403, "GET", "/admin/x", nil},
	{"I-01 two slashes at the front", badPa, 400, "GET", "//admin/x", nil},
	{"I-01 two slashes in the middle", badPa, 400, "GET", "/public//admin/x", nil},
	{"I-01 two slashes at the end", badPa, 400, "GET", "/admin//", nil},
	{"I-02 a dot segment", badPa, 400, "GET", "/./admin", nil},
	{"I-02 two dots", badPa, 400, "GET", "/public/../admin/x", nil},
	{"I-02 two dots at the end", badPa, 400, "GET", "/public/x/..", nil},
	{"I-03 two dots, escaped", badPa, 400, "GET", "/public/%2e%2e/admin/x", nil},
	{"I-03 two dots, escaped in capitals", badPa, 400, "GET", "/public/%2E%2E/admin/x", nil},
	{"I-03 two dots, one of them escaped", badPa, 400, "GET", "/public/.%2e/admin/x", nil},
	{"I-04 an escaped slash", badPa, 400, "GET", "/public/..%2fadmin/x", nil},
	{"I-04 an escaped slash behind a name", badPa, 400, "GET", "/admin%2fx", nil},
	{"I-04 an escaped slash in a public subtree", badPa, 400, "GET", "/public/a%2Fb", nil},
	{"I-04 an escaped slash in a wildcard", badPa, 400, "GET", "/t/a%2Fb", nil},
	{"I-05 an escaped backslash", badPa, 400, "GET", "/public/..%5cadmin", nil},
	{"I-05 an escaped NUL", badPa, 400, "GET", "/public/a%00", nil},
	{"I-05 an escaped semicolon", noCrd, 404, "GET", "/admin%3bx", nil},
	{"I-05 an escaped question mark", noCrd, 404, "GET", "/healthz%3fx", nil},
	{"I-05 an escaped number sign", noCrd, 404, "GET", "/healthz%23", nil},
	{"I-05 an escaped semicolon in a wildcard", noCrd, 200, "GET", "/t/a%3bb", nil},
	{"I-06 two dots, escaped twice", noCrd, 404, "GET", "/%252e%252e/admin", nil},
	{"I-06 two dots, escaped twice, in a public subtree stay there", ok200, 200, "GET", "/public/%252e%252e/admin", nil},
	{"I-06 a slash, escaped twice", noCrd, 404, "GET", "/admin%252fx", nil},
	{"I-07 a letter escaped", noCrd, 403, "GET", "/%61dmin/x", nil},
	{"I-07 every letter escaped", noCrd, 200, "GET", "/%69%74%65%6d%73", nil},
	{"I-07 a public letter escaped", ok200, 200, "GET", "/%68ealthz", nil},
	{"I-08 capitals", noCrd, 404, "GET", "/ADMIN/x", nil},
	{"I-08 a capital", noCrd, 404, "GET", "/Healthz", nil},
	{"I-08 a capital in a public subtree's name", noCrd, 404, "GET", "/Public/a", nil},
	{"I-09 a path parameter", noCrd, 404, "GET", "/admin;x=1", nil},
	{"I-09 a path parameter behind a public name", noCrd, 404, "GET", "/healthz;/", nil},
	{"I-09 a path parameter in a segment of its own", noCrd, 403, "GET", "/admin/;a=b/", nil},
	{"I-09 two dots and a semicolon", noCrd, 404, "GET", "/..;/admin", nil},
	{"I-09 two dots and a semicolon in a public subtree stay there", ok200, 200, "GET", "/public/..;/admin", nil},
	{"I-10 no slash", noCrd, 307, "GET", "/tree", nil},
	{"I-10 no slash, POST", noCrd, 307, "POST", "/tree", []string{"Content-Length: 0"}},
	{"I-10 no slash, before a public subtree", noCrd, 307, "GET", "/open", nil},
	{"I-10 a slash too many", noCrd, 404, "GET", "/items/", nil},
	{"I-10 a slash behind a public path", noCrd, 404, "GET", "/healthz/", nil},
	{"I-11 CONNECT to a path that nobody cleans", badPa, 400, "CONNECT", "/public/../admin/x", nil},
	{"I-11 CONNECT to a public path", noCrd, 405, "CONNECT", "/public/x", nil},
	{"I-11 CONNECT to a host", badPa, 400, "CONNECT", "h:443", nil},
	{"I-11 CONNECT to a guarded path", noCrd, 405, "CONNECT", "/items", nil},
	{"I-11 CONNECT to its own route", noCrd, 200, "CONNECT", "/c", nil},
	{"I-11 CONNECT without the slash", noCrd, 307, "CONNECT", "/tree", nil},
	{"I-12 HEAD", noCrd, 200, "HEAD", "/items", nil},
	{"I-12 HEAD of another scope", noCrd, 403, "HEAD", "/admin/x", nil},
	{"I-12 HEAD of no route", noCrd, 404, "HEAD", "/nowhere", nil},
	{"I-12 HEAD of a public route", ok200, 200, "HEAD", "/healthz", nil},
	{"I-13 OPTIONS", noCrd, 405, "OPTIONS", "/items", nil},
	{"I-13 H-22 a preflight", noCrd, 405, "OPTIONS", "/items", []string{"Origin: https://app.example", "Access-Control-Request-Method: GET"}},
	{"I-13 OPTIONS of a public route", noCrd, 405, "OPTIONS", "/healthz", nil},
	{"I-13 OPTIONS of no route", noCrd, 404, "OPTIONS", "/nowhere", nil},
	{"I-13 TRACE", noCrd, 405, "TRACE", "/items", nil},
	{"I-13 PATCH", noCrd, 405, "PATCH", "/items", []string{"Content-Length: 0"}},
	{"I-13 DELETE of a public route", noCrd, 405, "DELETE", "/healthz", nil},
	{"I-13 POST of a public subtree", noCrd, 405, "POST", "/public/a", []string{"Content-Length: 0"}},
	{"I-13 R9110-16 get", noCrd, 405, "get", "/items", nil},
	{"I-13 R9110-16 get of a public route", noCrd, 405, "get", "/healthz", nil},
	{"I-13 FOO", noCrd, 405, "FOO", "/items", nil},
	{"I-13 PROPFIND", noCrd, 405, "PROPFIND", "/items", nil},
	{"I-13 H-25 an overridden method", noCrd, 405, "DELETE", "/items", []string{"X-HTTP-Method-Override: GET"}},
	{"I-13 H-25 an overriding method", noCrd, 200, "GET", "/items", []string{"X-HTTP-Method-Override: OPTIONS"}},
	{"I-15 another host", noCrd, 403, "GET", "http://internal/admin/x", nil},
	{"I-15 another host and a public path", ok200, 200, "GET", "http://internal/healthz", nil},
	{"I-15 no path but a host", badPa, 400, "GET", "http://internal", nil},
	{"I-16 no such route", noCrd, 404, "GET", "/nowhere", nil},
	{"I-16 no such route, at the root", noCrd, 404, "GET", "/", nil},
	{"I-16 no such route, POST", noCrd, 404, "POST", "/nowhere", []string{"Content-Length: 0"}},
	{"I-17 dots behind a name", noCrd, 404, "GET", "/public../admin", nil},
	{"I-17 dots and an escaped slash behind a name", badPa, 400, "GET", "/public%2f..", nil},
	{"I-18 a wildcard that climbs", badPa, 400, "GET", "/t/..%2f..%2fetc%2fpasswd", nil},
	{"I-18 a wildcard that is two dots", badPa, 400, "GET", "/t/%2e%2e", nil},
	{"I-19 a query before the slash", noCrd, 307, "GET", "/tree?x=y", nil},
	{"I-19 a token in the query", noCrd, 400, "GET", "/tree?access_token=eyJhbGciOiJub25lIn0xyzzy", nil},
	{"I-20 another method of a guarded path", noCrd, 405, "PUT", "/admin/x", []string{"Content-Length: 0"}},
	{"I-24 an upgrade of a guarded path", noCrd, 200, "GET", "/items", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}},
	{"I-24 an upgrade of no route", noCrd, 404, "GET", "/ws", []string{"Upgrade: websocket"}},
	{"H-27 another path in a field", noCrd, 403, "GET", "/admin/x", []string{"X-Original-URL: /healthz", "X-Rewrite-URL: /healthz"}},
}

// TestMuxRoutes sends each row over a raw socket, once without a token and once with one.
func TestMuxRoutes(t *testing.T) {
	s, _ := newMuxService(t)
	token := "Authorization: Bearer " + s.iss.Token(good)
	for _, row := range muxRows {
		t.Run(row.name, func(t *testing.T) {
			response := s.lines(t, row.anonymous, row.method, row.target, row.lines...)
			if row.anonymous != ok200 && (response.Header.Get("Location") != "" || response.Header.Get("Allow") != "") {
				t.Errorf("I-10 I-19: tells an anonymous caller of routes: %v", response.Header)
			}
			if row.anonymous == noCrd {
				s.lines(t, badTk, row.method, strings.Split(row.target, "?")[0], append(row.lines, "Authorization: Bearer a.b.c")...)
			}
			before := s.count()
			head := append([]string{row.method + " " + row.target + " HTTP/1.1", "Host: api.example.com", "Connection: close", token}, row.lines...)
			response, body := hearRaw(t, s, strings.Join(head, "\r\n")+"\r\n\r\n")
			got := response.StatusCode
			if got == http.StatusMovedPermanently {
				got = http.StatusTemporaryRedirect // as Go says since 1.26
			}
			if got != row.with || (s.count() == before+1) != (row.with == 200) {
				t.Errorf("with a token: %d %s, want %d", response.StatusCode, body, row.with)
			}
			if allow := response.Header.Get("Allow"); (allow != "") != (row.with == 405) {
				t.Errorf("with a token: Allow %q", allow)
			}
			if location := response.Header.Get("Location"); (location != "") != (row.with/100 == 3) {
				t.Errorf("with a token: Location %q", location)
			}
		})
	}
	t.Run("I-14 OPTIONS * is answered by net/http, without data", func(t *testing.T) {
		netHTTPRefuses(t, s, 200, "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	})
	t.Run("I-19 the redirect has nothing of a token", func(t *testing.T) {
		response, _ := hearRaw(t, s, "GET /tree HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+token+"\r\n\r\n")
		if location := response.Header.Get("Location"); location != "/tree/" {
			t.Errorf("Location %q", location)
		}
	})
	t.Run("I-21 H-34 the body of an anonymous caller is not read", func(t *testing.T) {
		s.lines(t, noCrd, "POST", "/items", "Content-Length: 1000000", "Expect: 100-continue")
		s.lines(t, noCrd, "POST", "/nowhere", "Content-Length: 1000000", "Expect: 100-continue")
		s.lines(t, badPa, "POST", "/a//b", "Content-Length: 1000000", "Expect: 100-continue")
	})
	t.Run("I-14 OPTIONS * that comes through", func(t *testing.T) {
		s, mux := newMuxService(t)
		s.server.Close()
		s.server = httptest.NewUnstartedServer(mux)
		s.server.Config.DisableGeneralOptionsHandler = true
		s.server.Start()
		s.lines(t, badPa, "OPTIONS", "*")
		s.lines(t, badPa, "OPTIONS", "*", "Authorization: Bearer "+s.iss.Token(good))
	})
}

// TestMuxRoutesHTTP2 sends the rows that HTTP/2 can say, and those that only HTTP/2 can say.
func TestMuxRoutesHTTP2(t *testing.T) {
	s, mux := newMuxService(t)
	p := newH2Peer(t, s, mux)
	token := []string{"authorization", "Bearer " + s.iss.Token(good)}
	for _, row := range muxRows {
		if row.lines != nil || row.method == "CONNECT" || row.method == "HEAD" || strings.HasPrefix(row.target, "http:") {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			fields := h2Fields(row.target)
			fields[1] = row.method
			p.check(t, row.anonymous, fields...)
			before := s.count()
			p.ask(t, append(fields, token...)...)
			if (s.count() == before+1) != (row.with == 200) {
				t.Error("with a token: reached, or not")
			}
		})
	}
	for _, row := range []struct {
		name   string
		fields []string
	}{
		{"I-23 H-23 a path with an authority", h2Fields("http://evil.example/admin/x")},
		{"I-23 H-23 a path with an authority, of a public name", h2Fields("http://healthz/admin/x")},
		{"I-23 H-23 a path without a slash", h2Fields("admin/x")},
		{"I-23 H-23 a star", h2Fields("*")},
		{"I-23 H-23 another host", append(h2Fields("/admin/x"), "host", "internal")},
		{"I-23 H-23 two slashes and a host", h2Fields("//healthz/admin/x")},
		{"I-23 I-11 CONNECT with a path", []string{":method", "CONNECT", ":scheme", "http", ":authority", "h", ":path", "/public/../admin/x"}},
		{"I-23 I-11 CONNECT without a path", []string{":method", "CONNECT", ":authority", "h"}},
		{"I-23 I-13 a method with a path in it", []string{":method", "GET /healthz", ":scheme", "http", ":authority", "h", ":path", "/admin/x"}},
		{"I-24 an extended CONNECT", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "h", ":path", "/items"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := s.count()
			if status, body := p.ask(t, row.fields...); status != 0 && status != 400 && status != 401 || s.count() != before {
				t.Errorf("status %d, body %q, handler reached %d times", status, body, s.count()-before)
			}
		})
	}
}

// TestMuxViews is about routes of two audiences in one table.
func TestMuxViews(t *testing.T) {
	s := newService(t)
	const adminResource = "https://admin.example.com/v1"
	admin := s.guard.For(adminResource)
	mux := s.guard.NewMux()
	mux.Handle("GET /items", scoped, bearerguard.Func(s.handle))
	mux.With(admin).Handle("GET /reset", scoped, bearerguard.Func(s.handle))
	mux.With(s.guard.For(adminResource)).Handle("GET /again/{x}", scoped, bearerguard.Func(s.handle))
	mux.With(s.guard.For("urn:example:admin")).Handle("GET /urn", scoped, bearerguard.Func(s.handle))
	serveInstead(s, mux)
	tokenFor := func(audience any) string {
		return "Authorization: Bearer " + s.iss.Token(guardtest.Claims{"aud": audience, "scope": "items:read"})
	}
	user, administrator, both := tokenFor(resource), tokenFor(adminResource), tokenFor([]string{resource, adminResource})
	for _, row := range []struct {
		name, token, target string
		want                answer
	}{
		{"R8707-02 a user's token on a user's route", user, "/items", ok200},
		{"R8707-02 an admin's token on an admin's route", administrator, "/reset", ok200},
		{"R8707-02 an admin's token on another admin's route", administrator, "/again/x", ok200},
		{"R8707-02 a token for both", both, "/reset", ok200},
		{"R8707-02 a user's token on an admin's route", user, "/reset", badTk},
		{"R8707-02 a user's token on another admin's route", user, "/again/x", badTk},
		{"R8707-02 a user's token on a URN's route", user, "/urn", badTk},
		{"R8707-02 an admin's token on a user's route", administrator, "/items", badTk},
		{"R8707-02 an admin's token on a URN's route", administrator, "/urn", badTk},
		{"R8707-02 an admin's token on no route", administrator, "/nowhere", badTk},
		{"R8707-02 an admin's token on no method", administrator, "/again/", badTk},
		{"R8707-02 anonymous on an admin's route", "X: y", "/reset", noCrd},
		{"R8707-02 anonymous on no route", "X: y", "/nowhere", noCrd},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 2 { // a verdict that is remembered must not cross
				response := s.lines(t, row.want, "GET", row.target, row.token)
				of := map[string]string{"/reset": `resource_metadata="https://admin.example.com/.well-known/oauth-protected-resource/v1"`, "/urn": `realm="urn:example:admin"`}[row.target]
				if strings.HasPrefix(row.target, "/again/x") {
					of = `resource_metadata="https://admin.example.com/.well-known/oauth-protected-resource/v1"`
				} else if of == "" {
					of = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
				}
				if got := response.Header.Get("WWW-Authenticate"); row.want != ok200 && !strings.HasPrefix(got, "Bearer "+of) {
					t.Errorf("R9728-14: %s, want %s", got, of)
				}
			}
		})
	}
	t.Run("served as the view, what lands on no route is the view's", func(t *testing.T) {
		serveInstead(s, mux.With(admin))
		s.lines(t, badTk, "GET", "/nowhere", user)
		if response, _ := hearRaw(t, s, "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+administrator+"\r\n\r\n"); response.StatusCode != 404 {
			t.Errorf("status %d", response.StatusCode)
		}
		s.lines(t, ok200, "GET", "/items", user)
	})
}

// TestMuxOptional is about routes that anonymous callers may use too.
func TestMuxOptional(t *testing.T) {
	s := newService(t)
	mux := s.guard.NewMux()
	mux.Handle("GET /list/{x}", openAlso, bearerguard.Func(s.handle))
	serveInstead(s, mux)
	auth := "Authorization: Bearer "
	s.lines(t, ok200, "GET", "/list/1")
	s.lines(t, ok200, "GET", "/list/1", auth+s.iss.Token(good))
	s.lines(t, noScp, "GET", "/list/1", auth+s.iss.Token(nil))
	s.lines(t, badTk, "GET", "/list/1", auth+"a.b.c")
	s.lines(t, noCrd, "GET", "/list/1", "Authorization: Basic x")
	s.lines(t, noCrd, "POST", "/list/1")
	s.lines(t, badPa, "GET", "/list/%2e%2e")
}

// TestMuxPattern holds that handlers and decisions learn of the pattern and the wildcards, as under ServeMux.
func TestMuxPattern(t *testing.T) {
	s := newService(t)
	mux := s.guard.NewMux()
	for _, pattern := range []string{"GET /a", "GET /a/{x}", "GET /b/{y...}", "/c/"} {
		mux.HandleFunc(pattern, scoped, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, fmt.Sprint(r.Pattern, "|", r.PathValue("x"), "|", r.PathValue("y")))
		})
	}
	serveInstead(s, mux)
	for target, want := range map[string]string{"/a": "GET /a||", "/a/1": "GET /a/{x}|1|", "/b/1/2": "GET /b/{y...}||1/2", "/c/1": "/c/||"} {
		response, body := hearRaw(t, s, "GET "+target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer "+s.iss.Token(good)+"\r\n\r\n")
		if response.StatusCode != 200 || body != want || s.last().Pattern != want[:strings.Index(want, "|")] {
			t.Errorf("%s: %d %s, decision on %q", target, response.StatusCode, body, s.last().Pattern)
		}
	}
	s.lines(t, badPa, "GET", "/a//b")
	if d := s.last(); d.Cause != bearerguard.ErrPath || d.Resource != resource || d.Policy == nil || d.Verified {
		t.Errorf("decision %+v", d)
	}
}
