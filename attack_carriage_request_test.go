package bearerguard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// What a request says about itself beside its credentials changes nothing.
func TestAttackRequestClaims(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	auth := "Authorization: Bearer " + tok
	for _, tc := range []struct {
		name   string
		want   answer
		method string
		target string
		lines  []string
	}{
		{"H-22 a preflight is not let in", noCrd, "OPTIONS", "/items", []string{"Origin: https://app.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"}},
		{"H-22 OPTIONS without a preflight's fields", noCrd, "OPTIONS", "/items", nil},
		{"H-22 OPTIONS with a token is a request like others", ok200, "OPTIONS", "/items", []string{auth}},
		{"H-24 a foreign authority in the target", noCrd, "GET", "http://evil.example/items", nil},
		{"H-24 a foreign authority in the target, with a token", ok200, "GET", "http://evil.example/items", []string{auth}},
		{"H-24 https in the target makes nothing better", noScp, "GET", "https://api.example.com/admin", []string{auth}},
		{"H-25 X-HTTP-Method-Override", noScp, "POST", "/admin", []string{auth, "X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET"}},
		{"H-25 _method", noScp, "POST", "/admin?_method=GET", []string{auth}},
		{"H-26 https for a list that has http in it", noHTS, "GET", "/items", []string{auth, "X-Forwarded-Proto: https,http"}},
		{"H-26 http for a list that begins with it", noHTS, "GET", "/items", []string{auth, "X-Forwarded-Proto: http, https"}},
		{"H-26 http in a second line", noHTS, "GET", "/items", []string{auth, "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"}},
		{"H-26 http in Forwarded", noHTS, "GET", "/items", []string{auth, "Forwarded: for=192.0.2.1;proto=http;host=x"}},
		{"H-26 a foreign host", ok200, "GET", "/items", []string{auth, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1"}},
		{"H-26 a foreign host does not get into the challenge", noCrd, "GET", "/items", []string{"X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil"}},
		{"H-27 X-Original-URL to the open route", noScp, "GET", "/admin", []string{auth, "X-Original-URL: /items", "X-Rewrite-URL: /items", "X-Forwarded-Uri: /items"}},
		{"H-27 X-Original-URL to the closed route", ok200, "GET", "/items", []string{auth, "X-Original-URL: /admin", "X-Rewrite-URL: /admin"}},
		{"H-27 X-Forwarded-Prefix", noScp, "GET", "/admin", []string{auth, "X-Forwarded-Prefix: /items", "X-Forwarded-Path: /items", "X-Original-URI: /items"}},
		{"H-27 without a token", noCrd, "GET", "/admin", []string{"X-Original-URL: /healthz", "X-Rewrite-URL: /healthz", "X-Forwarded-Uri: /healthz"}},
		{"H-28 roles in fields", noScp, "GET", "/admin", []string{auth, "X-Auth-Roles: admin", "X-Scope: admin:reset", "X-Roles: admin"}},
		{"H-29 Connection names Authorization: net/http keeps it", ok200, "GET", "/items", []string{auth, "Connection: Authorization, X-Real-User"}},
		{"H-31 a field that would skip a middleware", noScp, "GET", "/admin", []string{auth, "x-middleware-subrequest: src/middleware", "X-Internal: 1"}},
		{"H-21 a path of CR LF", badPa, "GET", "/files/%0d%0aSet-Cookie:%20a=b", []string{auth}},
		{"H-21 a query of CR LF", noCrd, "GET", "/items?x=%0d%0aSet-Cookie:%20a=b", nil},
		{"H-34 Expect: 100-continue is answered before the body comes", noCrd, "POST", "/items", []string{"Content-Length: 1000000", "Expect: 100-continue"}},
		{"H-34 Expect: 100-continue with a bad token", badTk, "POST", "/items", []string{"Content-Length: 1000000", "Expect: 100-continue", "Authorization: Bearer x.y.z"}},
		{"H-34 a body that never comes", noCrd, "POST", "/items", []string{"Transfer-Encoding: chunked", "Expect: 100-continue"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := s.lines(t, tc.want, tc.method, tc.target, tc.lines...)
			if all := fmt.Sprint(response.Header); strings.Contains(all, "evil") || response.Header.Get("Set-Cookie") != "" || response.Header.Get("Location") != "" {
				t.Errorf("the request shows in the answer: %s", all)
			}
		})
	}
	for _, host := range []string{"api.example.com:443", "api.example.com.", "API.EXAMPLE.COM", "localhost", "evil.example", ""} {
		t.Run("H-24 the host "+host, func(t *testing.T) {
			s.raw(t, ok200, "GET /items HTTP/1.0\r\nHost: "+host+"\r\n"+auth+"\r\n\r\n")
			response := s.raw(t, noCrd, "GET /items HTTP/1.0\r\nHost: "+host+"\r\n\r\n")
			if got, want := response.Header.Get("WWW-Authenticate"), `Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`; got != want {
				t.Errorf("challenge %s", got)
			}
		})
	}
	t.Run("H-24 HTTP/1.0 without a Host", func(t *testing.T) {
		s.raw(t, noCrd, "GET /items HTTP/1.0\r\n\r\n")
		s.raw(t, ok200, "GET /items HTTP/1.0\r\n"+auth+"\r\n\r\n")
	})
	t.Run("H-28 fields do not change who the caller is", func(t *testing.T) {
		_, body := hearRaw(t, s, "GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-User: mallory\r\nX-Remote-User: mallory\r\n"+auth+"\r\n\r\n")
		if body != "hello alice" {
			t.Errorf("body %q", body)
		}
	})
	t.Run("H-16 R6750-04 the query of a target with an authority", func(t *testing.T) {
		s.lines(t, noCrd, "GET", "http://evil.example/items?access_token="+tok)
		s.lines(t, badRq, "GET", "http://evil.example/items?access_token="+tok, auth)
	})
}

func TestAttackMethodOverride(t *testing.T) {
	s := newService(t)
	mux := http.NewServeMux()
	mux.Handle("GET /thing", s.guard.Require(bearerguard.Scope("items:read"))(bearerguard.Func(s.handle)))
	mux.Handle("POST /thing", s.guard.Require(bearerguard.Scope("items:write"))(bearerguard.Func(s.handle)))
	serveInstead(s, mux)
	auth := "Authorization: Bearer " + s.iss.Token(good)
	t.Run("H-25 POST stays POST", func(t *testing.T) {
		s.lines(t, ok200, "GET", "/thing", auth)
		s.lines(t, noScp, "POST", "/thing", auth)
		s.lines(t, noScp, "POST", "/thing?_method=GET", auth, "X-HTTP-Method-Override: GET", "X-Method-Override: GET")
	})
	t.Run("H-25 GET does not become POST", func(t *testing.T) {
		s.lines(t, ok200, "GET", "/thing?_method=POST", auth, "X-HTTP-Method-Override: POST")
		s.lines(t, noCrd, "GET", "/thing?_method=POST", "X-HTTP-Method-Override: POST")
	})
}

func TestAttackAroundTheGuard(t *testing.T) {
	s := newService(t)
	guarded := s.server.Config.Handler
	tok := s.iss.Token(good)
	t.Run("H-17 header and form: the header counts, and the body arrives whole", func(t *testing.T) {
		body := "access_token=x&a=b"
		var got string
		inner := func(w http.ResponseWriter, r *http.Request) {
			all, _ := io.ReadAll(r.Body)
			got = string(all)
		}
		serveInstead(s, s.guard.Require(bearerguard.Authenticated())(http.HandlerFunc(inner)))
		response, _ := hearRaw(t, s, fmt.Sprintf("POST /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
			"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", tok, len(body), body))
		if response.StatusCode != 200 || got != body {
			t.Errorf("status %d, body %q", response.StatusCode, got)
		}
	})
	t.Run("H-22 a CORS layer outside answers preflights, the handler is not reached", func(t *testing.T) {
		serveInstead(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			guarded.ServeHTTP(w, r)
		}))
		netHTTPRefuses(t, s, http.StatusNoContent, "OPTIONS /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccess-Control-Request-Method: GET\r\n\r\n")
		s.lines(t, noCrd, "GET", "/items", "Access-Control-Request-Method: GET")
	})
	t.Run("H-29 a proxy that strips what Connection names does not open the route", func(t *testing.T) {
		backend := httptest.NewServer(guarded)
		defer backend.Close()
		target, _ := url.Parse(backend.URL)
		serveInstead(s, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
		s.lines(t, ok200, "GET", "/items", "Authorization: Bearer "+tok)
		s.lines(t, noCrd, "GET", "/items", "Authorization: Bearer "+tok, "Connection: Authorization, X-Real-User")
	})
	t.Run("H-33 a handler that panics aborts its answer, and only its own", func(t *testing.T) {
		serveInstead(s, s.guard.Require(bearerguard.Scope("items:read"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
		s.lines(t, noCrd, "GET", "/items")
		s.lines(t, noScp, "GET", "/items", "Authorization: Bearer "+s.iss.Token(nil))
		conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /items HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+tok+"\r\n\r\n")
		if all, _ := io.ReadAll(conn); len(all) > 0 {
			t.Errorf("answer %q", all)
		}
		serveInstead(s, guarded)
		s.lines(t, ok200, "GET", "/items", "Authorization: Bearer "+tok)
	})
	t.Run("H-33 a panic inside of the guard is a 500 without a challenge", func(t *testing.T) {
		serveInstead(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL = nil // nothing that a server does; it makes the first check panic
			guarded := s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle))
			guarded.ServeHTTP(w, r)
		}))
		s.lines(t, answer{500, ""}, "GET", "/items", "Authorization: Bearer "+tok)
		serveInstead(s, guarded)
	})
}

// panickingTransport is a mistake of the operator, or of a library that he uses.
type panickingTransport struct{}

func (panickingTransport) RoundTrip(*http.Request) (*http.Response, error) { panic("transport") }

// A panic on another goroutine ends the process, so it is tried in another process.
func TestAttackPanickingTransport(t *testing.T) {
	const key = "BEARERGUARD_TEST_PANICKING_TRANSPORT"
	t.Run("H-33 a panic while fetching keys is our fault, and no end of the process", func(t *testing.T) {
		if os.Getenv(key) == "" {
			program := exec.Command(os.Args[0], "-test.run=^TestAttackPanickingTransport$", "-test.timeout=30s")
			program.Env = append(os.Environ(), key+"=1")
			if output, err := program.CombinedOutput(); err != nil {
				t.Errorf("%v: %.200s", err, output)
			}
			return
		}
		s := newService(t, func(cfg *bearerguard.Config) { cfg.HTTPClient = &http.Client{Transport: panickingTransport{}} })
		s.get(t, ourFt, "/items", s.iss.Token(good))
	})
}

func TestAttackSmuggling(t *testing.T) {
	s := newService(t)
	auth := "Authorization: Bearer " + s.iss.Token(good) + "\r\n"
	hidden := "GET /items HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tc := range []struct {
		name   string
		status int
		lines  string
	}{
		{"H-30 two lengths", 400, "Content-Length: 5\r\nContent-Length: 6\r\n"},
		{"H-30 a list of lengths", 400, "Content-Length: 5, 6\r\n"},
		{"H-30 a signed length", 400, "Content-Length: +5\r\n"},
		{"H-30 an unknown coding", 501, "Transfer-Encoding: xchunked\r\n"},
		{"H-30 two codings", 501, "Transfer-Encoding: identity, chunked\r\n"},
		{"H-30 two lines of codings", 501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			netHTTPRefuses(t, s, tc.status, "POST /items HTTP/1.1\r\nHost: h\r\n"+auth+tc.lines+"\r\n"+hidden)
		})
	}
	// However the server divides the bytes, only the request that carries the token is let in.
	for _, tc := range []struct{ name, request string }{
		{"H-30 a coding and a length, the hidden request behind the last chunk", "POST /items HTTP/1.1\r\nHost: h\r\n" + auth + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden},
		{"H-30 a length that ends before the hidden request", "POST /items HTTP/1.1\r\nHost: h\r\n" + auth + "Content-Length: 1\r\n\r\nx" + hidden},
		{"H-30 no state: a request without a token behind one with", "GET /items HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n" + hidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.count()
			conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, tc.request)
			reader := bufio.NewReader(conn)
			for _, status := range []int{200, 401} {
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					if status == 401 {
						break // the server closed the connection instead
					}
					t.Fatal(err)
				}
				if _, err := io.ReadAll(response.Body); err != nil || response.StatusCode != status {
					t.Errorf("status %d, want %d (%v)", response.StatusCode, status, err)
				}
			}
			if got := s.count() - before; got != 1 {
				t.Errorf("handler reached %d times", got)
			}
		})
	}
}

func TestAttackOracle(t *testing.T) {
	s := newService(t)
	now := time.Now().Unix()
	tok := s.iss.Token(good)
	var first string
	for _, tc := range []struct{ name, token string }{
		{"H-32 not a token", "abc"},
		{"H-32 not base64url", "x.y.z"},
		{"H-32 an unknown issuer", s.other.Token(good)},
		{"H-32 an unknown kid", s.iss.TokenWith("ES256", guardtest.Claims{"kid": "none"}, good)},
		{"H-32 an algorithm that is not allowed", s.iss.TokenWith("ES256", guardtest.Claims{"alg": "HS256"}, good)},
		{"H-32 a bad signature", tok[:len(tok)-8] + "AAAAAAAA"},
		{"H-32 another audience", s.iss.Token(guardtest.Claims{"aud": "https://other.example"})},
		{"H-32 expired", s.iss.Token(guardtest.Claims{"iat": now - 600, "exp": now - 300})},
		{"H-32 not yet valid", s.iss.Token(guardtest.Claims{"nbf": now + 3000})},
		{"H-32 an ID token", s.iss.TokenWith("ES256", guardtest.Claims{"typ": "JWT"}, good)},
		{"H-32 no subject", s.iss.Token(guardtest.Claims{"sub": nil})},
		{"H-32 bound to a key", s.iss.Token(guardtest.Claims{"cnf": guardtest.Claims{"jkt": "x"}})},
		{"H-32 too large", strings.Repeat("a", 17<<10)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, path := range []string{"/any", "/items", "/admin", "/stepup"} { // the routes do not show either: R9470-08
				response, body := hearRaw(t, s, "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer "+tc.token+"\r\n\r\n")
				response.Header.Del("Date")
				got := fmt.Sprint(response.Status, response.Header, body)
				if first == "" {
					first = got
				}
				if got != first || response.StatusCode != 401 {
					t.Errorf("%s tells\n%s\nand not\n%s", path, got, first)
				}
			}
		})
	}
}
