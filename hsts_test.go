package bearerguard_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// Strict-Transport-Security goes with everything that is answered over TLS, once, and with nothing in the clear.
func TestHSTS(t *testing.T) {
	hsts := func(cfg *bearerguard.Config) { cfg.HSTS = 365 * 24 * time.Hour }
	insecure := func(cfg *bearerguard.Config) { cfg.InsecureAllowHTTP = true }
	from := func(cfg *bearerguard.Config) { cfg.InsecureAllowHTTPFrom = prefixesOf("10.1.0.0/16", "192.0.2.0/24") }
	config := map[string]*bearerguard.Guard{
		"none": staticGuard(t), "plain": staticGuard(t, hsts), "xfp": staticGuard(t, hsts, behindProxy(xfpName, "10.1.0.0/16")), "fwd": staticGuard(t, hsts, behindProxy(fwdName, "10.1.0.0/16")),
		"l4": staticGuard(t, hsts, behindProxy(bearerguard.NoProxyHeader, "10.1.0.0/16")), "local": staticGuard(t, hsts, behindProxy(xfpName, "127.0.0.0/8")),
		"insecure": staticGuard(t, hsts, insecure), "insecure xfp": staticGuard(t, hsts, insecure, behindProxy(xfpName, "10.1.0.0/16")), "from": staticGuard(t, hsts, from),
	}
	tok := issuers()[0].Token(good)
	scope, public := bearerguard.Scope("items:read"), bearerguard.Public("x")
	for _, tc := range []struct {
		name    string
		config  string
		tls     bool
		peer    string
		more    http.Header
		present bool
	}{
		{"R6797-01 TLS", "plain", true, farOff, nil, true},
		{"R6797-01 TLS, with proxies elsewhere", "xfp", true, farOff, nil, true},
		{"R6797-01 TLS, and cleartext is allowed", "insecure", true, farOff, nil, true},
		{"R6797-01 a proxy that says https", "xfp", false, proxyPeer, http.Header{xfpName: {"https"}}, true},
		{"R6797-01 a proxy that says https in Forwarded", "fwd", false, proxyPeer, http.Header{fwdName: {"proto=https"}}, true},
		{"R6797-01 a proxy that says https, over TLS", "xfp", true, proxyPeer, http.Header{xfpName: {"https"}}, true},
		{"R6797-01 a proxy on layer 4", "l4", false, proxyPeer, nil, true},
		{"R6797-01 a proxy on this machine that says https", "local", false, "127.0.0.1:1", http.Header{xfpName: {"https"}}, true},
		{"it is off by default", "none", true, farOff, nil, false},
		{"R6797-04 cleartext", "plain", false, farOff, nil, false},
		{"R6797-04 loopback", "plain", false, "127.0.0.1:1", nil, false},
		{"R6797-04 loopback that says https", "plain", false, "127.0.0.1:1", http.Header{xfpName: {"https"}}, false},
		{"R6797-04 cleartext that says https", "plain", false, farOff, http.Header{xfpName: {"https"}, fwdName: {"proto=https"}}, false},
		{"R6797-04 no proxy, and says https", "xfp", false, farOff, http.Header{xfpName: {"https"}}, false},
		{"R6797-04 a proxy that says http", "xfp", false, proxyPeer, http.Header{xfpName: {"http"}}, false},
		{"R6797-04 a proxy that says http, over TLS", "xfp", true, proxyPeer, http.Header{xfpName: {"http"}}, false},
		{"R6797-04 a proxy that says nothing", "xfp", false, proxyPeer, nil, false},
		{"R6797-04 a proxy that says nothing, over TLS", "xfp", true, proxyPeer, nil, false},
		{"R6797-04 a proxy that says it elsewhere", "fwd", false, proxyPeer, http.Header{xfpName: {"https"}}, false},
		{"R6797-04 a proxy on this machine that says nothing", "local", false, "127.0.0.1:1", nil, false},
		{"R6797-04 layer 4, another peer", "l4", false, farOff, nil, false},
		{"R6797-04 cleartext is allowed", "insecure", false, farOff, nil, false},
		{"R6797-04 cleartext is allowed, and a proxy says http", "insecure xfp", false, proxyPeer, http.Header{xfpName: {"http"}}, false},
		{"R6797-04 cleartext is allowed, and a proxy says nothing", "insecure xfp", false, proxyPeer, nil, false},
		{"R6797-04 cleartext is allowed, and a proxy says http over TLS", "insecure xfp", true, proxyPeer, http.Header{xfpName: {"http"}}, false},
		{"R6797-04 cleartext is allowed from there", "from", false, farOff, nil, false},
	} {
		for kind, ask := range map[string]struct {
			policy bearerguard.Policy
			target string
			token  string
		}{
			"success": {scope, "/x", tok}, "no token": {scope, "/x", ""}, "a bad token": {scope, "/x", "abc"}, "malformed": {scope, "/x", "a b"}, "forbidden": {bearerguard.Role("admin"), "/x", tok},
			"a path": {scope, "/%2e%2e/x", tok}, "public": {public, "/x", ""}, "anonymous": {bearerguard.Optional(scope), "/x", ""},
		} {
			t.Run(tc.name+", "+kind, func(t *testing.T) {
				r := arriving(tc.peer, "http://api.example.com"+ask.target, ask.token, tc.more)
				if tc.tls {
					r.TLS = new(tls.ConnectionState)
				}
				w, _ := serve(t, config[tc.config].Require(ask.policy), r)
				lines := w.Header()["Strict-Transport-Security"]
				if tc.present && (len(lines) != 1 || lines[0] != "max-age=31536000") || !tc.present && lines != nil {
					t.Errorf("%d: %q", w.Code, lines)
				}
			})
		}
	}
	t.Run("R6797-02 once, within guards and an outer layer that sends it too", func(t *testing.T) {
		g := config["plain"]
		handler := g.Require(scope)(http.HandlerFunc(g.Require(scope)(g.Require(public)(http.NotFoundHandler())).ServeHTTP))
		w := httptest.NewRecorder()
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		handler.ServeHTTP(w, guardtest.NewRequest("GET", "/x", tok))
		if lines := w.Header().Values("Strict-Transport-Security"); w.Code != 404 || len(lines) != 1 {
			t.Errorf("%d %q", w.Code, lines)
		}
	})
	t.Run("R6797-01 Mux: routes and what lands on none", func(t *testing.T) {
		mux := config["plain"].NewMux()
		mux.Handle("GET /x", scope, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for target, want := range map[string]int{"/x": 200, "/none": 404} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, guardtest.NewRequest("GET", target, tok))
			if lines := w.Header()["Strict-Transport-Security"]; w.Code != want || len(lines) != 1 {
				t.Errorf("%s: %d %q", target, w.Code, lines)
			}
		}
	})
	t.Run("R6797-01 over a real TLS connection, and R6797-07 R6797-04 not over a real cleartext one", func(t *testing.T) {
		handler := config["plain"].Require(scope)(http.NotFoundHandler())
		for _, server := range []*httptest.Server{httptest.NewTLSServer(handler), httptest.NewServer(handler)} {
			response, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if got := response.Header.Get("Strict-Transport-Security"); (got != "") != (response.TLS != nil) || response.StatusCode != 401 || response.Header.Get("Location") != "" {
				t.Errorf("%d %q over TLS: %v", response.StatusCode, got, response.TLS != nil)
			}
			server.Close()
		}
	})
}
