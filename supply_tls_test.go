package bearerguard_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// certificateOf is a certificate of any key, as x5c has it.
func certificateOf(t *testing.T, key crypto.Signer) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(certified(t, key, func(*x509.Certificate) {}).Certificate[0])
}

// certified makes a certificate that is its own root, for 127.0.0.1 and today.
func certified(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// overTLS is an issuer behind a TLS socket on loopback, of which a service is told with no http allowed.
type overTLS struct {
	*guardtest.Issuer
	host string
	cfg  bearerguard.Config

	mu      sync.Mutex
	headers []http.Header // of the requests
}

func newOverTLS(t *testing.T, path string, change ...func(*tls.Config)) *overTLS {
	t.Helper()
	o := new(overTLS)
	server := httptest.NewUnstartedServer(nil)
	o.host = server.Listener.Addr().String()
	o.Issuer = guardtest.NewIssuerAt(t, "https://"+o.host+path, "Ed25519")
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.headers = append(o.headers, r.Header.Clone())
		o.mu.Unlock()
		o.ServeHTTP(w, r)
	})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certified(t, own().es256, func(*x509.Certificate) {})}}
	for _, f := range change {
		f(server.TLS)
	}
	roots := x509.NewCertPool()
	for _, c := range server.TLS.Certificates {
		if leaf, err := x509.ParseCertificate(c.Certificate[0]); err == nil {
			roots.AddCert(leaf)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	o.cfg = bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{{URL: o.URL(), RefreshCooldown: 1}}}
	o.cfg.HTTPClient = &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return o
}

// TestAttackSupplyTLS is L-19 R8414-06: nobody without a good certificate is an issuer.
func TestAttackSupplyTLS(t *testing.T) {
	certificate := func(change func(*x509.Certificate)) func(*tls.Config) {
		return func(c *tls.Config) { c.Certificates = []tls.Certificate{certified(t, own().es256, change)} }
	}
	for _, row := range []struct {
		name   string
		want   answer
		server func(*tls.Config)
		client func(*bearerguard.Config)
	}{
		{"L-19 a good certificate", ok200, func(*tls.Config) {}, nil},
		{"L-19 self-signed, in no store", ourFt, func(*tls.Config) {}, func(c *bearerguard.Config) { c.HTTPClient = nil }},
		{"L-19 self-signed, a client of the operator's", ourFt, func(*tls.Config) {}, func(c *bearerguard.Config) { c.HTTPClient = &http.Client{} }},
		{"L-19 expired", ourFt, certificate(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), nil},
		{"L-19 not valid yet", ourFt, certificate(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), nil},
		{"L-19 of another host", ourFt, certificate(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"evil.test"} }), nil},
		{"L-19 the host only as the common name", ourFt, certificate(func(c *x509.Certificate) { c.IPAddresses, c.Subject.CommonName = nil, "127.0.0.1" }), nil},
		{"L-19 for clients only", ourFt, certificate(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil},
		{"L-19 TLS 1.0", ourFt, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, nil},
		{"L-19 TLS 1.1", ourFt, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, nil},
		{"L-19 TLS 1.2", ok200, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss := newOverTLS(t, "", row.server)
			if row.client != nil {
				row.client(&iss.cfg)
			}
			guard := mustNew(t, iss.cfg)
			hold(t, guard, row.want, iss.Token(nil))
			if reached := iss.Requests() > 0; reached != (row.want.status == 200) {
				t.Errorf("the issuer was asked: %v", reached)
			}
		})
	}
}

// TestAttackSupplyMetadata publishes metadata that must not be used.
func TestAttackSupplyMetadata(t *testing.T) {
	port := newCanaryPort(t)
	_, canary, _ := net.SplitHostPort(port.address)
	other := guardtest.NewIssuer(t, "Ed25519")
	type rowOf = func(iss *overTLS) (issuer, jwksURI any)
	rows := map[string]rowOf{
		"L-06 R8414-06 issuer with a slash":        func(i *overTLS) (any, any) { return i.URL() + "/", i.JWKSURL() },
		"L-06 issuer of another host":              func(i *overTLS) (any, any) { return "https://evil.test/r", i.JWKSURL() },
		"L-06 issuer of another realm":             func(i *overTLS) (any, any) { return "https://" + i.host + "/s", i.JWKSURL() },
		"L-06 issuer in upper case":                func(i *overTLS) (any, any) { return "HTTPS://" + i.host + "/r", i.JWKSURL() },
		"L-06 issuer by http":                      func(i *overTLS) (any, any) { return "http://" + i.host + "/r", i.JWKSURL() },
		"L-06 issuer by another name":              func(i *overTLS) (any, any) { return strings.Replace(i.URL(), "127.0.0.1", "localhost", 1), i.JWKSURL() },
		"L-06 issuer with a query":                 func(i *overTLS) (any, any) { return i.URL() + "?", i.JWKSURL() },
		"L-06 issuer with a blank":                 func(i *overTLS) (any, any) { return i.URL() + " ", i.JWKSURL() },
		"L-06 no issuer":                           func(i *overTLS) (any, any) { return nil, i.JWKSURL() },
		"L-06 issuer in an array":                  func(i *overTLS) (any, any) { return []string{i.URL()}, i.JWKSURL() },
		"L-06 an empty issuer":                     func(i *overTLS) (any, any) { return "", i.JWKSURL() },
		"L-05 R8414-07 no jwks_uri":                func(i *overTLS) (any, any) { return i.URL(), nil },
		"L-05 an empty jwks_uri":                   func(i *overTLS) (any, any) { return i.URL(), "" },
		"L-05 jwks_uri in an array":                func(i *overTLS) (any, any) { return i.URL(), []string{i.JWKSURL()} },
		"L-05 jwks_uri is a number":                func(i *overTLS) (any, any) { return i.URL(), 5 },
		"L-05 R8414-07 relative":                   func(i *overTLS) (any, any) { return i.URL(), "/r/jwks" },
		"L-05 R8414-07 without a scheme":           func(i *overTLS) (any, any) { return i.URL(), "//" + i.host + "/r/jwks" },
		"L-05 R8414-07 http, good keys":            func(i *overTLS) (any, any) { return i.URL(), other.JWKSURL() },
		"L-05 http on the own host":                func(i *overTLS) (any, any) { return i.URL(), "http://" + i.host + "/r/jwks" },
		"L-05 R8414-07 file":                       func(i *overTLS) (any, any) { return i.URL(), "file:///etc/passwd" },
		"L-05 ftp":                                 func(i *overTLS) (any, any) { return i.URL(), "ftp://" + port.address + "/jwks" },
		"L-05 data":                                func(i *overTLS) (any, any) { return i.URL(), "data:application/json," + string(i.JWKS()) },
		"L-05 a user":                              func(i *overTLS) (any, any) { return i.URL(), strings.Replace(i.JWKSURL(), "//", "//user:pass@", 1) },
		"L-05 no host":                             func(i *overTLS) (any, any) { return i.URL(), "https:///r/jwks" },
		"L-05 does not parse":                      func(i *overTLS) (any, any) { return i.URL(), "https://%zz/" },
		"L-05 a line break":                        func(i *overTLS) (any, any) { return i.URL(), i.JWKSURL() + "\r\nX: y" },
		"L-04 R8725-12 the own host, another port": func(i *overTLS) (any, any) { return i.URL(), "https://127.0.0.1:" + canary + "/jwks" },
	}
	for _, host := range []string{"localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1.2.3", "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "[fd00::1]", "[fe80::1]", "224.0.0.1", "255.255.255.255"} {
		rows["L-04 R8725-12 jwks_uri on "+host] = func(i *overTLS) (any, any) { return i.URL(), "https://" + host + ":" + canary + "/jwks" }
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss := newOverTLS(t, "/r")
			issuer, jwksURI := row(iss)
			iss.PublishMetadata(forgeMerge(guardtest.Claims{"issuer": issuer, "jwks_uri": jwksURI}, nil))
			guard := mustNew(t, iss.cfg)
			hold(t, guard, ourFt, iss.Token(nil))
			if iss.RequestsTo(iss.JWKSURL()) != 0 {
				t.Error("the keys were fetched all the same")
			}
			if err := guard.Stats().Issuers[0].LastError; err == nil {
				t.Error("no error")
			} else if strings.Contains(name, "L-04") && strings.Contains(err.Error(), "timeout") {
				t.Errorf("dialled: %v", err)
			}
			iss.PublishMetadata("")
			mustRefresh(t, guard, iss.URL())
			hold(t, guard, ok200, iss.Token(nil))
		})
	}
	t.Cleanup(func() {
		if port.calls.Load() != 0 || other.Requests() != 0 {
			t.Errorf("L-04 L-05: %d connections to the canary, %d requests over http", port.calls.Load(), other.Requests())
		}
	})
}

// TestAttackSupplyMetadataDocument spoils the whole document.
func TestAttackSupplyMetadataDocument(t *testing.T) {
	good := func(i *guardtest.Issuer) string {
		return forgeJSON(guardtest.Claims{"issuer": i.URL(), "jwks_uri": i.JWKSURL()})
	}
	for _, row := range []spoilt{
		{"L-07 R8414-05 an HTML page", func(i *guardtest.Issuer) { i.Garbage() }},
		{"L-07 R8414-05 204", func(i *guardtest.Issuer) { i.Fail(204) }},
		{"L-07 304", func(i *guardtest.Issuer) { i.Fail(304) }},
		{"L-07 500 with the good document", func(i *guardtest.Issuer) { i.Fail(500) }},
		{"L-07 cut off", func(i *guardtest.Issuer) { i.Truncate() }},
		{"L-07 R8414-05 an array", func(i *guardtest.Issuer) { i.PublishMetadata("[" + good(i) + "]") }},
		{"L-07 empty", func(i *guardtest.Issuer) { i.PublishMetadata(" ") }},
		{"L-07 issuer twice", func(i *guardtest.Issuer) { i.PublishMetadata(`{"issuer":"https://evil.test",` + good(i)[1:]) }},
		{"L-07 issuer and ISSUER", func(i *guardtest.Issuer) { i.PublishMetadata(`{"ISSUER":"https://evil.test",` + good(i)[1:]) }},
		{"L-07 jwks_uri twice, by an escape", func(i *guardtest.Issuer) {
			i.PublishMetadata(`{"jwks\u005furi":"https://evil.test",` + good(i)[1:])
		}},
		{"L-07 something behind it", func(i *guardtest.Issuer) { i.PublishMetadata(good(i) + good(i)) }},
		{"L-01 a byte too many", func(i *guardtest.Issuer) { i.Oversize(512<<10 + 1) }},
		{"L-02 it stalls", func(i *guardtest.Issuer) { i.Hang() }},
		{"L-03 to the good one of another host", func(i *guardtest.Issuer) {
			i.Redirect(issuers()[1].URL() + "/.well-known/oauth-authorization-server")
		}},
		{"L-15 nobody there", func(i *guardtest.Issuer) { i.GoDown() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss := guardtest.NewIssuer(t, "Ed25519")
			row.spoil(iss)
			s, _ := newSupplied(t, iss)
			checkRetryAfter(t, s.get(t, ourFt, "/any", iss.Token(nil)))
			if n := iss.RequestsTo("/jwks"); n != 0 {
				t.Errorf("the keys were fetched %d times all the same", n)
			}
			heal(iss)
			mustRefresh(t, s.guard, iss.URL())
			s.get(t, ok200, "/any", iss.Token(nil))
			row.spoil(iss)
			s.get(t, ok200, "/any", iss.Token(nil))
		})
	}
}

// TestSupplyMetadata is R8414-02 to R8414-04 and L-21: where metadata is looked for, and how little it says.
func TestSupplyMetadata(t *testing.T) {
	const rfc, inserted, appended = "/.well-known/oauth-authorization-server/r", "/.well-known/openid-configuration/r", "/r/.well-known/openid-configuration"
	for _, row := range []struct {
		name, path string
		failing    []string
		want       []int // requests to the three places
	}{
		{"R8414-02 RFC 8414 first", "/r", nil, []int{1, 0, 0}},
		{"R8414-02 a terminating slash is dropped", "/r/", nil, []int{1, 0, 0}},
		{"R8414-04 then the inserted form", "/r", []string{rfc}, []int{1, 1, 0}},
		{"R8414-03 R8414-04 then the appended form", "/r", []string{rfc, inserted}, []int{1, 1, 1}},
		{"R8414-03 a terminating slash, appended", "/r/", []string{rfc, inserted}, []int{1, 1, 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss := newOverTLS(t, row.path)
			if row.failing != nil {
				iss.Fail(404)
				iss.FaultsOn(row.failing...)
			}
			hold(t, mustNew(t, iss.cfg), ok200, iss.Token(nil))
			for i, target := range []string{rfc, inserted, appended} {
				if n := iss.RequestsTo(target); n != row.want[i] {
					t.Errorf("%d requests to %s, want %d", n, target, row.want[i])
				}
			}
		})
	}
	t.Run("L-21 R8414-12 it widens nothing", func(t *testing.T) {
		iss := newOverTLS(t, "")
		iss.Rotate("ES256")
		iss.cfg.Issuers[0].Algorithms = []string{"Ed25519"}
		all := []string{"none", "HS256", "RS256", "ES256"}
		iss.PublishMetadata(forgeJSON(guardtest.Claims{
			"issuer": iss.URL(), "jwks_uri": iss.JWKSURL(), "id_token_signing_alg_values_supported": all, "token_endpoint_auth_signing_alg_values_supported": all,
			"access_token_signing_alg_values_supported": all, "audience": "https://evil.test", "jwks": guardtest.Claims{"keys": []any{own().esJWK}}, "scopes_supported": []string{"admin:reset"},
		}))
		guard := mustNew(t, iss.cfg)
		hold(t, guard, ok200, iss.TokenWith("Ed25519", nil, nil))
		hold(t, guard, badTk, iss.TokenWith("ES256", nil, nil))
		hold(t, guard, badTk, guardtest.Unsecured(guardtest.Claims{"iss": iss.URL(), "aud": resource, "exp": time.Now().Unix() + 60}))
		hold(t, guard, badTk, iss.Token(guardtest.Claims{"aud": "https://evil.test"}))
		hold(t, guard, badTk, forgeSigned("ES256", own().es256, forgeHeader("ES256", "es256"), forgePayload(iss.URL())))
	})
	t.Run("L-20 no cookies, and nothing of the caller's", func(t *testing.T) {
		iss := newOverTLS(t, "")
		iss.SetHeader("Set-Cookie", "session=1; Path=/; Secure")
		iss.cfg.HTTPClient.Jar, _ = cookiejar.New(nil)
		guard := mustNew(t, iss.cfg)
		for range 3 {
			mustRefresh(t, guard, iss.URL())
			hold(t, guard, ok200, iss.Token(nil))
		}
		iss.mu.Lock()
		defer iss.mu.Unlock()
		if len(iss.headers) != 4 {
			t.Errorf("%d requests", len(iss.headers))
		}
		for _, h := range iss.headers {
			for _, name := range []string{"Cookie", "Authorization", "Referer", "Proxy"} {
				if h.Get(name) != "" {
					t.Errorf("%s: %q", name, h.Get(name))
				}
			}
		}
	})
	t.Run("L-20 a Proxy field of the request is nobody's environment", func(t *testing.T) {
		port := newCanaryPort(t)
		iss := newOverTLS(t, "")
		guard := mustNew(t, iss.cfg)
		r, w := guardtest.NewRequest("GET", "/any", iss.Token(nil)), httptest.NewRecorder()
		r.Header.Set("Proxy", "http://"+port.address)
		guard.Require(bearerguard.Authenticated())(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != 404 || port.calls.Load() != 0 {
			t.Errorf("status %d, %d connections", w.Code, port.calls.Load())
		}
	})
	for _, path := range []string{"/a/../b", "/%2e%2e", "/a//b", "?x=1", "?", "#x", "/%2f", "/a/./b", "\\b", "/%00", "/%5c"} {
		t.Run(fmt.Sprintf("L-22 R8414-01 issuer with %q", path), func(t *testing.T) {
			cfg := goodConfig()
			cfg.Issuers[0].URL += path
			if _, err := bearerguard.New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
	for _, u := range []string{"https://u:p@login.example.com", "http://login.example.com", "https://", "login.example.com"} {
		t.Run(fmt.Sprintf("L-22 R8414-01 issuer %q", u), func(t *testing.T) {
			cfg := goodConfig()
			cfg.Issuers[0].URL = u
			if _, err := bearerguard.New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
}
