package bearerguard_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func prefixesOf(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func behindProxy(header string, proxies ...string) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) { cfg.ProxyHeader, cfg.TrustedProxies = header, prefixesOf(proxies...) }
}

const (
	xfpName, fwdName  = "X-Forwarded-Proto", "Forwarded"
	proxyPeer, farOff = "10.1.2.3:1234", "192.0.2.1:1234"
)

func TestProxy(t *testing.T) {
	config := map[string]*service{
		xfpName: newService(t, behindProxy(xfpName, "10.1.0.0/16", "2001:db8:1::/48", "fe80::/10")),
		fwdName: newService(t, behindProxy("forwarded", "10.1.0.0/16", "2001:db8:1::/48", "fe80::/10")),
		"none":  newService(t, behindProxy(bearerguard.NoProxyHeader, "10.1.0.0/16")),
		"local": newService(t, behindProxy(xfpName, "127.0.0.0/8", "::1/128")),
		"from":  newService(t, func(cfg *bearerguard.Config) { cfg.InsecureAllowHTTPFrom = prefixesOf("10.1.0.0/16", "fd00::/8") }),
		"both":  newService(t, behindProxy(xfpName, "10.1.0.0/16"), func(cfg *bearerguard.Config) { cfg.InsecureAllowHTTPFrom = prefixesOf("10.1.0.0/16") }),
	}
	tok := config[xfpName].iss.Token(good)
	xfp := func(values ...string) http.Header { return http.Header{xfpName: values} }
	fwd := func(values ...string) http.Header { return http.Header{fwdName: values} }
	both := func(xfp, fwd string) http.Header { return http.Header{xfpName: {xfp}, fwdName: {fwd}} }
	for _, tc := range []struct {
		name   string
		want   answer
		config string
		peer   string
		more   http.Header
	}{
		{"https", ok200, xfpName, proxyPeer, xfp("https")},
		{"HTTPS with blanks", ok200, xfpName, proxyPeer, xfp(" HTTPS ")},
		{"wss", ok200, xfpName, proxyPeer, xfp("wss")},
		{"R7239-06 a list of https", ok200, xfpName, proxyPeer, xfp("https,https")},
		{"R7239-01 from who is no proxy", noHTS, xfpName, farOff, xfp("https")},
		{"R7239-01 from a neighbour of the proxies", noHTS, xfpName, "10.2.0.1:1", xfp("https")},
		{"H-26 from who says that he comes from a proxy", noHTS, xfpName, farOff, http.Header{xfpName: {"https"}, "X-Forwarded-For": {"10.1.2.3"}, "X-Real-Ip": {"10.1.2.3"}}},
		{"http", noHTS, xfpName, proxyPeer, xfp("http")},
		{"ws", noHTS, xfpName, proxyPeer, xfp("ws")},
		{"no header", noHTS, xfpName, proxyPeer, nil},
		{"an empty header", noHTS, xfpName, proxyPeer, xfp("")},
		{"R7239-02 R7239-06 https by the client, http by the proxy", noHTS, xfpName, proxyPeer, xfp("https, http")},
		{"R7239-06 http by the client, https by the proxy", noHTS, xfpName, proxyPeer, xfp("http, https")},
		{"R7239-06 an empty last element", noHTS, xfpName, proxyPeer, xfp("https,")},
		{"R7239-06 an empty first element", noHTS, xfpName, proxyPeer, xfp(",https")},
		{"R7239-06 two lines", noHTS, xfpName, proxyPeer, xfp("https", "https")},
		{"R7239-06 two lines, the last is http", noHTS, xfpName, proxyPeer, xfp("https", "http")},
		{"R7239-04 quotes", noHTS, xfpName, proxyPeer, xfp(`"https"`)},
		{"R7239-04 a scheme that begins so", noHTS, xfpName, proxyPeer, xfp("https-not")},
		{"R7239-04 a URL", noHTS, xfpName, proxyPeer, xfp("https://")},
		{"R7239-04 another scheme", noHTS, xfpName, proxyPeer, xfp("javascript")},
		{"R7239-04 semicolons", noHTS, xfpName, proxyPeer, xfp("https;http")},
		{"R7239-04 blanks", noHTS, xfpName, proxyPeer, xfp("https http")},
		{"the other header only", noHTS, xfpName, proxyPeer, fwd("proto=https")},
		{"both headers say https", ok200, xfpName, proxyPeer, both("https", "proto=https")},
		{"the other header says http", noHTS, xfpName, proxyPeer, both("https", "proto=http")},
		{"the other header says https, ours http", noHTS, xfpName, proxyPeer, both("http", "proto=https")},
		{"other names of the like", noHTS, xfpName, proxyPeer, http.Header{"X-Forwarded-Ssl": {"on"}, "X-Forwarded-Scheme": {"https"}, "X-Url-Scheme": {"https"}, "X_forwarded_proto": {"https"}}},
		{"IPv4 mapped into IPv6", ok200, xfpName, "[::ffff:10.1.2.3]:1", xfp("https")},
		{"IPv4 mapped into IPv6, no proxy", noHTS, xfpName, "[::ffff:10.2.2.3]:1", xfp("https")},
		{"IPv6", ok200, xfpName, "[2001:db8:1::5]:1", xfp("https")},
		{"IPv6, no proxy", noHTS, xfpName, "[2001:db8:2::5]:1", xfp("https")},
		{"a zone", ok200, xfpName, "[fe80::1%eth0]:1", xfp("https")},
		{"a zone, no proxy", noHTS, xfpName, "[2001:db8:2::1%eth0]:1", xfp("https")},
		{"an address without a port", noHTS, xfpName, "10.1.2.3", xfp("https")},
		{"no address", noHTS, xfpName, "", xfp("https")},
		{"an address in another notation", noHTS, xfpName, "10.1.515:1", xfp("https")},
		{"an address with a zero before", noHTS, xfpName, "010.1.2.3:1", xfp("https")},
		{"loopback needs no header, with proxies elsewhere", ok200, xfpName, "127.0.0.1:1", nil},
		{"loopback that says http", noHTS, xfpName, "127.0.0.1:1", xfp("http")},

		{"proto", ok200, fwdName, proxyPeer, fwd("proto=https")},
		{"R7239-03 among others, in capitals", ok200, fwdName, proxyPeer, fwd(`For="[2001:db8::1]:5";PROTO=HTTPS;By=_hidden`)},
		{"R7239-03 in quotes", ok200, fwdName, proxyPeer, fwd(`for=192.0.2.1;proto="https"`)},
		{"R7239-02 the last of two elements", ok200, fwdName, proxyPeer, fwd("for=192.0.2.9, for=192.0.2.1;proto=https")},
		{"R7239-02 an element of the client that leaves a quote open", ok200, fwdName, proxyPeer, fwd(`for="x, for=192.0.2.1;proto=https`)},
		{"R7239-01 from who is no proxy", noHTS, fwdName, farOff, fwd("proto=https")},
		{"no header", noHTS, fwdName, proxyPeer, nil},
		{"an empty header", noHTS, fwdName, proxyPeer, fwd("")},
		{"no proto", noHTS, fwdName, proxyPeer, fwd("for=192.0.2.1")},
		{"http", noHTS, fwdName, proxyPeer, fwd("for=192.0.2.1;proto=http")},
		{"R7239-02 https by the client, http by the proxy", noHTS, fwdName, proxyPeer, fwd("proto=https, for=192.0.2.1;proto=http")},
		{"R7239-02 https by the client, nothing by the proxy", noHTS, fwdName, proxyPeer, fwd("proto=https, for=192.0.2.1")},
		{"R7239-02 https by the client, an empty element", noHTS, fwdName, proxyPeer, fwd("proto=https, ")},
		{"R7239-06 two lines", noHTS, fwdName, proxyPeer, fwd("proto=https", "proto=https")},
		{"R7239-03 proto twice", noHTS, fwdName, proxyPeer, fwd("proto=https;proto=https")},
		{"R7239-03 proto twice, in another case", noHTS, fwdName, proxyPeer, fwd("proto=https;Proto=https")},
		{"R7239-04 wss", noHTS, fwdName, proxyPeer, fwd("proto=wss")},
		{"R7239-04 another scheme", noHTS, fwdName, proxyPeer, fwd("proto=javascript")},
		{"R7239-04 empty", noHTS, fwdName, proxyPeer, fwd("proto=")},
		{"R7239-04 a scheme with a slash", noHTS, fwdName, proxyPeer, fwd("proto=https/1")},
		{"malformed: no pair", noHTS, fwdName, proxyPeer, fwd("https")},
		{"malformed: a word beside", noHTS, fwdName, proxyPeer, fwd("proto=https;secure")},
		{"malformed: blanks around the equals sign", noHTS, fwdName, proxyPeer, fwd("proto = https")},
		{"malformed: an open quote", noHTS, fwdName, proxyPeer, fwd(`proto="https`)},
		{"malformed: an open quote elsewhere", noHTS, fwdName, proxyPeer, fwd(`for="x;proto=https`)},
		{"malformed: a closing quote alone", noHTS, fwdName, proxyPeer, fwd(`proto=https"`)},
		{"malformed: a quote alone", noHTS, fwdName, proxyPeer, fwd(`proto=https;for="`)},
		{"malformed: quotes twice", noHTS, fwdName, proxyPeer, fwd(`proto=""https""`)},
		{"malformed: quotes at the end", noHTS, fwdName, proxyPeer, fwd(`proto=https""`)},
		{"malformed: quotes in the midst", noHTS, fwdName, proxyPeer, fwd(`proto=ht""tps`)},
		{"malformed: an escape", noHTS, fwdName, proxyPeer, fwd(`proto="h\ttps"`)},
		{"a comma within quotes", noHTS, fwdName, proxyPeer, fwd(`for=192.0.2.1;host="a,proto=https"`)},
		{"a comma within quotes, and more after it", noHTS, fwdName, proxyPeer, fwd(`for=192.0.2.1;host="a,proto=https;x="`)},
		{"a comma within quotes, with quotes escaped", noHTS, fwdName, proxyPeer, fwd(`for=192.0.2.1;host="a,z=\"\";proto=https;y=\""`)},
		{"a semicolon within quotes", noHTS, fwdName, proxyPeer, fwd(`for=192.0.2.1;host="a;proto=https;x="`)},
		{"proto within the value of another", noHTS, fwdName, proxyPeer, fwd(`for="proto=https"`)},
		{"the other header only", noHTS, fwdName, proxyPeer, xfp("https")},
		{"the other header says http", noHTS, fwdName, proxyPeer, both("http", "proto=https")},

		{"L4: a trusted peer", ok200, "none", proxyPeer, nil},
		{"L4: a trusted peer passes on what a client says", ok200, "none", proxyPeer, xfp("https")},
		{"L4: a client that says http", noHTS, "none", proxyPeer, xfp("http")},
		{"L4: another peer", noHTS, "none", farOff, nil},
		{"L4: another peer that says https", noHTS, "none", farOff, xfp("https")},
		{"L4: no header of that name", noHTS, "none", farOff, http.Header{"None": {"https"}}},

		{"a proxy on this machine", ok200, "local", "127.0.0.1:1", xfp("https")},
		{"a proxy on this machine, in IPv6", ok200, "local", "[::1]:1", xfp("https")},
		{"a proxy on this machine that says nothing", noHTS, "local", "127.0.0.1:1", nil},
		{"a proxy on this machine, in IPv6, that says nothing", noHTS, "local", "[::1]:1", nil},
		{"a proxy on this machine that says both", noHTS, "local", "127.0.0.1:1", xfp("https, http")},

		{"InsecureAllowHTTPFrom", ok200, "from", proxyPeer, nil},
		{"InsecureAllowHTTPFrom: IPv4 mapped into IPv6", ok200, "from", "[::ffff:10.1.2.3]:1", nil},
		{"InsecureAllowHTTPFrom: IPv6 with a zone", ok200, "from", "[fd00::1%eth0]:1", nil},
		{"InsecureAllowHTTPFrom: another peer", noHTS, "from", "10.2.0.1:1", nil},
		{"InsecureAllowHTTPFrom: another peer that says https", noHTS, "from", "10.2.0.1:1", xfp("https")},
		{"InsecureAllowHTTPFrom: no address", noHTS, "from", "", nil},
		{"InsecureAllowHTTPFrom: a peer that says http", noHTS, "from", proxyPeer, xfp("http")},
		{"in both lists: the proxy must say it", noHTS, "both", proxyPeer, nil},
		{"in both lists: the proxy says it", ok200, "both", proxyPeer, xfp("https")},
	} {
		for _, secured := range []bool{false, true} { // TLS between the proxy and us changes nothing of what the proxy says
			if secured && !strings.HasPrefix(tc.peer, "10.1.2.3:") || secured && tc.config == "from" && tc.want == ok200 {
				continue
			}
			t.Run(fmt.Sprintf("%s: %s (TLS to us %v)", tc.config, tc.name, secured), func(t *testing.T) {
				s := config[tc.config]
				r := arriving(tc.peer, "http://api.example.com/items", tok, tc.more)
				if secured {
					r.TLS = new(tls.ConnectionState)
				}
				serveHere(t, s, tc.want, r)
				if d := s.last(); (d.Cause == bearerguard.ErrCleartext) != (tc.want == noHTS) {
					t.Errorf("%+v", d)
				}
			})
		}
	}
	for _, s := range config {
		r := arriving(farOff, "https://api.example.com/items", tok, nil)
		r.TLS = new(tls.ConnectionState)
		serveHere(t, s, ok200, r) // TLS from who is no proxy
	}
}

// The log of a refusal says which field to set.
func TestProxyHints(t *testing.T) {
	none, xfp, fwd := newService(t), newService(t, behindProxy(xfpName, "10.1.0.0/16")), newService(t, behindProxy(fwdName, "10.1.0.0/16"))
	tok := none.iss.Token(good)
	for _, tc := range []struct {
		name  string
		s     *service
		peer  string
		more  http.Header
		parts []string
	}{
		{"nothing is configured, and a header is there", none, proxyPeer, http.Header{xfpName: {"https"}}, []string{"10.1.2.3", `X-Forwarded-Proto: "https" not believed`, "TrustedProxies", "ProxyHeader"}},
		{"nothing is configured, and the other header is there", none, proxyPeer, http.Header{fwdName: {"proto=https"}}, []string{`Forwarded: "proto=https" not believed`, "TrustedProxies", "ProxyHeader"}},
		{"nothing is configured, and no header is there", none, proxyPeer, nil, []string{"10.1.2.3", "TrustedProxies", "ProxyHeader"}},
		{"a peer that is not in the list", xfp, farOff, http.Header{xfpName: {"https"}}, []string{"192.0.2.1", `"https" not believed`, "TrustedProxies"}},
		{"a peer that is not in the list, with no header", xfp, farOff, nil, []string{"192.0.2.1", "TrustedProxies"}},
		{"a proxy that says it elsewhere", fwd, proxyPeer, http.Header{xfpName: {"https"}}, []string{"TrustedProxies", "ProxyHeader"}},
		{"a proxy that says nothing", xfp, proxyPeer, nil, []string{"TrustedProxies", "ProxyHeader"}},
		{"a proxy that says http", xfp, proxyPeer, http.Header{xfpName: {"http"}}, []string{"10.1.2.3", "X-Forwarded-Proto is not https"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := serveHere(t, tc.s, noHTS, arriving(tc.peer, "http://api.example.com/items", tok, tc.more))
			text := fmt.Sprint(tc.s.last().Err)
			for _, part := range tc.parts {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
			if len(response.Header.Values("WWW-Authenticate")) != 0 {
				t.Error("a challenge")
			}
		})
	}
	t.Run("what a caller sends is clipped and quoted", func(t *testing.T) {
		serveHere(t, none, noHTS, arriving(proxyPeer, "http://api.example.com/items", tok, http.Header{xfpName: {"https," + strings.Repeat("https,", 9000) + "https"}}))
		serveHere(t, none, noHTS, arriving(proxyPeer, "http://api.example.com/items", tok, http.Header{fwdName: {"proto=https;x=\"\n\x1b[31m" + strings.Repeat("Z", 9000)}}))
		if text := fmt.Sprint(none.last().Err); strings.ContainsAny(text, "\n\x1b") || len(text) > 400 {
			t.Errorf("%d bytes: %.200q", len(text), text)
		}
	})
}

func TestProxyMistakes(t *testing.T) {
	proxies := prefixesOf("10.0.0.0/8")
	for _, tc := range []struct {
		name, want string
		change     func(*bearerguard.Config)
	}{
		{"proxies and no header", "Config.ProxyHeader is empty", func(c *bearerguard.Config) { c.TrustedProxies = proxies }},
		{"a header and no proxies", `Config.ProxyHeader "Forwarded" without TrustedProxies`, func(c *bearerguard.Config) { c.ProxyHeader = fwdName }},
		{"no header and no proxies", `Config.ProxyHeader "none" without TrustedProxies`, func(c *bearerguard.Config) { c.ProxyHeader = bearerguard.NoProxyHeader }},
		{"another header", `"X-Forwarded-For" is none of`, func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = proxies, "X-Forwarded-For" }},
		{"two headers", `"Forwarded, X-Forwarded-Proto" is none of`, func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = proxies, "Forwarded, X-Forwarded-Proto" }},
		{"a header with a blank", `"Forwarded " is none of`, func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = proxies, "Forwarded " }},
		{"NoProxyHeader in another case", `"NONE" is none of`, func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = proxies, "NONE" }},
		{"the zero prefix", "Config.TrustedProxies: invalid Prefix is no prefix", func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = make([]netip.Prefix, 1), fwdName }},
		{"bits behind the prefix", "Config.TrustedProxies: 10.1.2.3/8 has bits set behind the prefix: did you mean 10.0.0.0/8?", func(c *bearerguard.Config) { c.TrustedProxies, c.ProxyHeader = prefixesOf("10.1.2.3/8"), fwdName }},
		{"a mapped prefix", "Config.TrustedProxies: ::ffff:10.0.0.0/104 is an IPv4 prefix written as IPv6", func(c *bearerguard.Config) {
			c.TrustedProxies, c.ProxyHeader = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)}, fwdName
		}},
		{"InsecureAllowHTTPFrom: the zero prefix", "Config.InsecureAllowHTTPFrom: ", func(c *bearerguard.Config) { c.InsecureAllowHTTPFrom = make([]netip.Prefix, 1) }},
		{"InsecureAllowHTTPFrom: bits behind the prefix", "Config.InsecureAllowHTTPFrom: fd00::1/8 has", func(c *bearerguard.Config) { c.InsecureAllowHTTPFrom = prefixesOf("fd00::1/8") }},
		{"R6797-03 HSTS that is negative", "Config.HSTS -1s", func(c *bearerguard.Config) { c.HSTS = -time.Second }},
		{"R6797-03 HSTS in parts of a second", "Config.HSTS 1.5s", func(c *bearerguard.Config) { c.HSTS = 1500 * time.Millisecond }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := goodConfig()
			tc.change(&cfg)
			guard, err := bearerguard.New(cfg)
			if guard != nil || err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("what the configuration was made of can be changed without effect", func(t *testing.T) {
		list := prefixesOf("10.1.0.0/16")
		g := staticGuard(t, func(c *bearerguard.Config) {
			c.TrustedProxies, c.ProxyHeader, c.InsecureAllowHTTPFrom = list, fwdName, list
		})
		list[0] = netip.MustParsePrefix("192.0.2.0/24")
		r := arriving(farOff, "http://api.example.com/x", issuers()[0].Token(nil), http.Header{fwdName: {"proto=https"}})
		if w, _ := serve(t, g.Require(bearerguard.Authenticated()), r); w.Code != 403 {
			t.Error(w.Code)
		}
	})
}

// Headers that other software takes for the real path, method or host, or for an identity, decide nothing.
func TestOverrideHeaders(t *testing.T) {
	s := newService(t, func(cfg *bearerguard.Config) {
		cfg.TrustedProxies, cfg.ProxyHeader = prefixesOf("127.0.0.0/8"), xfpName
	})
	mux := s.guard.NewMux()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handle(w, r, nil) })
	mux.Handle("GET /open", bearerguard.Public("test"), handler)
	mux.Handle("GET /admin", bearerguard.Scope("admin"), handler)
	mux.Handle("POST /admin", bearerguard.Scope("admin:write"), handler)
	serveInstead(s, mux)
	viewer := "Authorization: Bearer " + s.iss.Token(guardtest.Claims{"scope": "admin"})
	const https = "X-Forwarded-Proto: https"
	for _, line := range []string{
		"X-Original-URL: /open", "X-Rewrite-URL: /open", "X-Original-Url: http://localhost/open", "X-Forwarded-Uri: /open", "X-Forwarded-Prefix: /open", "X-Forwarded-Path: /open", "X-Original-Uri: /open",
		"X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET", "X-Forwarded-Method: GET", "X-Forwarded-Host: localhost", "X-Forwarded-Server: localhost", "X-Host: localhost",
		"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "X-User: admin", "X-Remote-User: admin", "X-Auth-Roles: admin", "X-Forwarded-User: admin", "X-Forwarded-Access-Token: x", "X-Forwarded-Client-Cert: By=x;Subject=admin",
		"x-middleware-subrequest: middleware:middleware:middleware", "X-Internal: true", "X-Skip-Auth: 1", "Connection: Authorization, X-Real-User", "Upgrade: websocket", "Purpose: prefetch", "User-Agent: kube-probe/1.30",
	} {
		t.Run("H-25 H-27 H-28 H-29 H-31 R7239-07 "+line, func(t *testing.T) {
			s.lines(t, noCrd, "GET", "/admin", https, line)
			s.lines(t, noCrd, "GET", "/none", https, line)
			s.lines(t, noCrd, "POST", "/admin?_method=GET", https, line)
			s.lines(t, noScp, "POST", "/admin", https, line, viewer)
			s.lines(t, ok200, "GET", "/admin", https, line, viewer)
			s.lines(t, ok200, "GET", "/open", https, strings.Replace(line, "/open", "/admin", 1))
		})
	}
	for _, host := range []string{"localhost", "admin.example.com", "api.example.com:443", "API.EXAMPLE.COM.", "127.0.0.1", "open"} {
		t.Run("H-24 Host: "+host, func(t *testing.T) {
			s.raw(t, noCrd, "GET /admin HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+https+"\r\n\r\n")
			s.raw(t, noScp, "POST http://"+host+"/admin HTTP/1.1\r\nHost: other\r\nConnection: close\r\n"+https+"\r\n"+viewer+"\r\n\r\n")
			s.raw(t, ok200, "GET http://"+host+"/open HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
		})
	}
	t.Run("H-24 HTTP/1.0 without a Host", func(t *testing.T) {
		s.raw(t, noCrd, "GET /admin HTTP/1.0\r\n"+https+"\r\n\r\n")
	})
	t.Run("H-30 a request smuggled in a body is no request with the token of the one before", func(t *testing.T) {
		s.raw(t, noScp, "POST /admin HTTP/1.1\r\nHost: a\r\n"+https+"\r\n"+viewer+"\r\nContent-Length: 60\r\nConnection: close\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
	})
}
