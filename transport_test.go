package bearerguard_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// arriving makes a request that came from a peer, in the clear.
func arriving(peer, target, token string, more http.Header) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.TLS, r.RemoteAddr = nil, peer
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, values := range more {
		r.Header[name] = values
	}
	return r
}

// serveHere lets the handler answer a request that no socket can bring: from another machine.
func serveHere(t *testing.T, s *service, want answer, r *http.Request) *http.Response {
	t.Helper()
	before := s.count()
	w := httptest.NewRecorder()
	s.server.Config.Handler.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	checkAnswer(t, want, response, w.Body.String())
	if reached := s.count() - before; (want.status == 200) != (reached == 1) {
		t.Errorf("handler reached %d times on a wanted %d", reached, want.status)
	}
	s.checkNoLeak(t, "Authorization: "+r.Header.Get("Authorization"), response, w.Body.String())
	return response
}

func TestTransportPeers(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	xfp := func(values ...string) http.Header { return http.Header{"X-Forwarded-Proto": values} }
	fwd := func(values ...string) http.Header { return http.Header{"Forwarded": values} }
	const far, near = "192.0.2.1:1234", "127.0.0.1:1234"
	for _, tc := range []struct {
		name string
		want answer
		peer string
		more http.Header
	}{
		{"R6750-19 R6797-07 from another machine", noHTS, far, nil},
		{"from another machine in IPv6", noHTS, "[2001:db8::1]:1", nil},
		{"from a private network", noHTS, "10.2.3.4:1", nil},
		{"from a link-local address", noHTS, "169.254.1.1:1", nil},
		{"from a unique local address", noHTS, "[fd00::1]:1", nil},
		{"from the unspecified address", noHTS, "0.0.0.0:1", nil},
		{"from loopback", ok200, near, nil},
		{"from loopback in another form", ok200, "127.8.9.10:1", nil},
		{"from loopback in IPv6", ok200, "[::1]:1", nil},
		{"from loopback mapped into IPv6", ok200, "[::ffff:127.0.0.1]:1", nil},
		{"from another machine mapped into IPv6", noHTS, "[::ffff:192.0.2.1]:1", nil},
		{"from nowhere", noHTS, "", nil},
		{"from a name", noHTS, "localhost:1", nil},
		{"from loopback without a port, as middleware writes it", noHTS, "127.0.0.1", nil},
		{"from a list", noHTS, "127.0.0.1, 192.0.2.1", nil},
		{"from a name that begins like loopback", noHTS, "127.0.0.1.evil.example:1", nil},
		{"from a number", noHTS, "2130706433:1", nil},
		{"from an octal number", noHTS, "0177.0.0.1:1", nil},
		{"from a path", noHTS, "@", nil},
		{"from garbage", noHTS, "\x00garbage\r\n", nil},
		{"H-26 R7239-01 R7239-02 X-Forwarded-Proto: https is not believed", noHTS, far, xfp("https")},
		{"H-26 R7239-01 R7239-02 Forwarded: proto=https is not believed", noHTS, far, fwd("proto=https")},
		{"H-26 R7239-06 a list of https", noHTS, far, xfp("https, https")},
		{"H-26 X-Forwarded-Ssl and its like are not believed", noHTS, far, http.Header{"X-Forwarded-Ssl": {"on"}, "Front-End-Https": {"on"}, "X-Url-Scheme": {"https"}, "X-Forwarded-Port": {"443"}}},
		{"H-26 X-Forwarded-For: 127.0.0.1 is not believed", noHTS, far, http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"127.0.0.1"}, "True-Client-Ip": {"::1"}}},
		{"H-26 Forwarded: for=127.0.0.1 is not believed", noHTS, far, fwd("for=127.0.0.1;proto=https")},
		{"H-28 a client certificate in a field is no TLS", noHTS, far, http.Header{"X-Forwarded-Client-Cert": {"By=x"}, "Client-Cert": {":AA==:"}, "X-Ssl-Client-Verify": {"SUCCESS"}}},
		{"H-26 http from loopback", noHTS, near, xfp("http")},
		{"H-26 HTTP in capitals from loopback", noHTS, near, xfp("HTTP")},
		{"H-26 https from loopback", ok200, near, xfp("https")},
		{"H-26 HTTPS in capitals from loopback", ok200, near, xfp("HTTPS")},
		{"H-26 R7239-06 http behind https", noHTS, near, xfp("https, http")},
		{"H-26 R7239-06 http before https", noHTS, near, xfp("http,https")},
		{"H-26 R7239-06 http in the second line", noHTS, near, xfp("https", "http")},
		{"H-26 R7239-04 another scheme", noHTS, near, xfp("javascript")},
		{"H-26 a scheme that begins with https", noHTS, near, xfp("https-not")},
		{"H-26 Forwarded says http", noHTS, near, fwd("for=192.0.2.1;proto=http")},
		{"H-26 Forwarded says http in quotes", noHTS, near, fwd(`proto="http"`)},
		{"H-26 Forwarded says http in capitals", noHTS, near, fwd("PROTO=HTTP")},
		{"H-26 Forwarded says http with blanks", noHTS, near, fwd("for=x ; proto=http")},
		{"H-26 Forwarded says http with blanks around the equals sign", noHTS, near, fwd("for=x;proto = http")},
		{"H-26 Forwarded says http in the second element", noHTS, near, fwd("proto=https, proto=http")},
		{"H-26 Forwarded says http in the second line", noHTS, near, fwd("proto=https", "proto=http")},
		{"H-26 R7239-03 Forwarded says both in one element", noHTS, near, fwd("proto=https;proto=http")},
		{"H-26 Forwarded says https", ok200, near, fwd("for=192.0.2.1;proto=https")},
		{"H-26 Forwarded says nothing of it", ok200, near, fwd("for=192.0.2.1")},
		{"H-26 the two fields disagree", noHTS, near, http.Header{"X-Forwarded-Proto": {"https"}, "Forwarded": {"proto=http"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := serveHere(t, s, tc.want, arriving(tc.peer, "http://api.example.com/items", tok, tc.more))
			if tc.want == noHTS {
				if response.Header.Get("Location") != "" || response.Header.Get("WWW-Authenticate") != "" || response.Header.Get("Strict-Transport-Security") != "" {
					t.Errorf("headers %v", response.Header)
				}
				if d := s.last(); d.Cause != bearerguard.ErrCleartext || d.Err == nil || d.Token != nil || d.Verified || strings.ContainsAny(d.Err.Error(), "\r\n\x00") {
					t.Errorf("decision %+v", d)
				}
			}
		})
	}
	t.Run("R6797-07 without a token it is refused as well, and before the field is read", func(t *testing.T) {
		serveHere(t, s, noHTS, arriving(far, "http://api.example.com/items", "", nil))
		serveHere(t, s, noHTS, arriving(far, "http://api.example.com/items", "x y", nil))
	})
	t.Run("the path is judged before", func(t *testing.T) {
		serveHere(t, s, badPa, arriving(far, "http://api.example.com/files/%2e%2e/a", tok, nil))
	})
	t.Run("H-23 https in the target is no TLS", func(t *testing.T) {
		serveHere(t, s, noHTS, arriving(far, "https://api.example.com/items", tok, nil))
	})
	t.Run("the log says that the forwarded fields are not believed", func(t *testing.T) {
		serveHere(t, s, noHTS, arriving("10.2.3.4:5", "http://api.example.com/items", tok, xfp("https")))
		if text := fmt.Sprint(s.last().Err); !strings.Contains(text, "10.2.3.4") || !strings.Contains(text, "not believed") {
			t.Errorf("%s", text)
		}
	})
	t.Run("TLS from anywhere", func(t *testing.T) {
		r := arriving(far, "https://api.example.com/items", tok, nil)
		r.TLS = &tls.ConnectionState{}
		serveHere(t, s, ok200, r)
	})
	t.Run("TLS behind a proxy that took the token in the clear", func(t *testing.T) {
		r := arriving(far, "https://api.example.com/items", tok, xfp("http"))
		r.TLS = &tls.ConnectionState{}
		serveHere(t, s, noHTS, r)
	})
	t.Run("InsecureAllowHTTP", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) { cfg.InsecureAllowHTTP = true })
		serveHere(t, s, ok200, arriving(far, "http://api.example.com/items", tok, nil))
		serveHere(t, s, ok200, arriving("", "http://api.example.com/items", tok, xfp("http")))
		serveHere(t, s, noCrd, arriving(far, "http://api.example.com/items", "", nil))
	})
	t.Run("Check says so too", func(t *testing.T) {
		if _, err := s.guard.Check(arriving(far, "http://h/items", tok, nil), bearerguard.Authenticated()); !errors.Is(err, bearerguard.ErrCleartext) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an inner guard judges the transport again", func(t *testing.T) {
		inner := s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle))
		handler := s.guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = far // as a middleware does that believes X-Forwarded-For
			inner.ServeHTTP(w, r)
		}))
		w := httptest.NewRecorder()
		before := s.count()
		if handler.ServeHTTP(w, arriving(near, "http://h/items", tok, nil)); w.Code != 403 || s.count() != before {
			t.Errorf("status %d", w.Code)
		}
	})
}

// The same over real sockets.
func TestTransportSockets(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	ask := func(t *testing.T, server *httptest.Server, dial func(context.Context) (net.Conn, error), want answer, lines ...string) {
		t.Helper()
		client := server.Client()
		if dial != nil {
			client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
			defer client.CloseIdleConnections()
		}
		address := server.URL
		if dial != nil {
			address = "http://api.example.com"
		}
		r, err := http.NewRequestWithContext(t.Context(), "GET", address+"/items", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		checkAnswer(t, want, response, string(body))
	}
	t.Run("a unix socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(s.server.Config.Handler)
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		defer server.Close()
		dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", path) }
		ask(t, server, dial, ok200, "Authorization: Bearer "+tok)
		ask(t, server, dial, noCrd)
		ask(t, server, dial, noHTS, "Authorization: Bearer "+tok, "X-Forwarded-Proto: http")
		ask(t, server, dial, ok200, "Authorization: Bearer "+tok, "X-Forwarded-Proto: https")
	})
	t.Run("TLS", func(t *testing.T) {
		server := httptest.NewTLSServer(s.server.Config.Handler)
		defer server.Close()
		ask(t, server, nil, ok200, "Authorization: Bearer "+tok)
		ask(t, server, nil, noCrd)
		ask(t, server, nil, noHTS, "Authorization: Bearer "+tok, "Forwarded: proto=http")
	})
	t.Run("H-26 R7239-01 another address of this machine, in the clear", func(t *testing.T) {
		addresses, _ := net.InterfaceAddrs()
		for _, address := range addresses {
			ip, ok := address.(*net.IPNet)
			if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
				continue
			}
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(ip.IP.String(), "0"))
			if err != nil {
				continue
			}
			server := httptest.NewUnstartedServer(s.server.Config.Handler)
			server.Listener.Close()
			server.Listener = listener
			server.Start()
			defer server.Close()
			ask(t, server, nil, noHTS, "Authorization: Bearer "+tok)
			ask(t, server, nil, noHTS, "Authorization: Bearer "+tok, "X-Forwarded-Proto: https", "Forwarded: proto=https", "X-Forwarded-For: 127.0.0.1")
			return
		}
		t.Skip("this machine has no other address")
	})
	t.Run("H-26 a Forwarded field of many pairs costs no time to speak of", func(t *testing.T) {
		s.lines(t, ok200, "GET", "/items", "Authorization: Bearer "+tok, "Forwarded: "+strings.Repeat("for=x;", 100_000))
		s.lines(t, noHTS, "GET", "/items", "Authorization: Bearer "+tok, fmt.Sprintf("X-Forwarded-Proto: %shttp", strings.Repeat("https,", 100_000)))
	})
}
