package bearerguard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// tenantHost is where the tenants' issuers are. All of them sign with the key own().ed, unless a test says otherwise.
const tenantHost = "tenants.example.com"

// tenants are an operator's function, as the test wants it, and what it has been asked.
type tenants struct {
	mu     sync.Mutex
	asked  []string
	answer func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error)
}

func (x *tenants) ask(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
	x.mu.Lock()
	x.asked = append(x.asked, iss)
	answer := x.answer
	x.mu.Unlock()
	return answer(ctx, iss)
}

// answers changes the answer.
func (x *tenants) answers(f func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answer = f
}

func (x *tenants) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.asked)
}

// tenant is a good answer, with keys that need no fetch.
func tenant(_ context.Context, iss string) (bearerguard.Issuer, bool, error) {
	return bearerguard.Issuer{URL: iss, JWKS: []byte(forgeJSON(guardtest.Claims{"keys": []guardtest.Claims{own().ed25519JWK}}))}, true, nil
}

func noTenant(context.Context, string) (bearerguard.Issuer, bool, error) {
	return bearerguard.Issuer{}, false, nil
}

func tenantToken(iss string) string {
	return forgeSigned("EdDSA", own().ed, forgeHeader("EdDSA", "ed"), forgePayload(iss, guardtest.Claims{"exp": time.Now().Unix() + 24*3600}))
}

// newTenants is a guard that asks for its issuers, and fetches nothing but from these.
func newTenants(t testing.TB, answer func(context.Context, string) (bearerguard.Issuer, bool, error), issuers ...*guardtest.Issuer) (*bearerguard.Guard, *tenants) {
	t.Helper()
	x := &tenants{answer: answer}
	return mustNew(t, bearerguard.Config{
		Resource: resource, IssuerFor: x.ask, IssuerHosts: []string{tenantHost, "ports.example.com:8443"}, HTTPClient: &http.Client{Transport: guardtest.Transport(issuers...)},
	}), x
}

// TestAttackIssuerForNotAsked sends issuers that the operator's function must never see: E-11 E-13.
func TestAttackIssuerForNotAsked(t *testing.T) {
	guard, x := newTenants(t, tenant)
	const good = "https://" + tenantHost
	for _, iss := range []string{
		"", " ", good + "?", good + "#", good + "/a?b=c", good + "/a#b", "http://" + tenantHost, "http://" + tenantHost + "/a", "HTTPS://" + tenantHost, "Https://" + tenantHost + "/a", "ftp://" + tenantHost, "wss://" + tenantHost, "//" + tenantHost,
		tenantHost, "https:" + tenantHost, "https:/" + tenantHost, "https:///" + tenantHost, "https:\\\\" + tenantHost, "javascript://" + tenantHost, "file://" + tenantHost + "/etc/passwd", "https+http://" + tenantHost,
		"https://TENANTS.example.com", "https://Tenants.example.com/a", good + ".", good + "./a", good + ":443", good + ":", good + ":/a", good + ":8443", good + ":99999", good + ":x", "https://ports.example.com", "https://ports.example.com:443/a", "https://ports.example.com:08443",
		"https://user@" + tenantHost, "https://user:pass@" + tenantHost + "/a", "https://@" + tenantHost, "https://" + tenantHost + "@evil.test", "https://" + tenantHost + ":8443@evil.test", "https://evil.test@" + tenantHost,
		"https://evil.test", "https://evil.test/" + tenantHost, "https://evil.test/https://" + tenantHost, "https://evil.test?" + tenantHost, "https://evil.test#" + tenantHost, "https://evil.test\\@" + tenantHost, "https://evil.test\\." + tenantHost,
		"https://a." + tenantHost, "https://x" + tenantHost, "https://" + tenantHost + ".evil.test", "https://example.com", "https://.example.com", "https://*.example.com", "https://tenants.example.co",
		"https://tenants%2eexample.com", "https://tenants.example%2ecom/a", "https://%74enants.example.com", "https://tenants.ex%61mple.com", "https://tenants.exаmple.com", "https://ｔenants.example.com", "https://tenants。example.com", "https://xn--tenants-9za.example.com", "https://tenants.example.com\u200b",
		good + "/..", good + "/../a", good + "/a/../b", good + "/./a", good + "//a", good + "/a//b", good + "/%2e%2e/a", good + "/%2E%2E", good + "/a%2fb", good + "/a%5cb", good + "/a\\b", good + "/%00", good + "/a\x00", good + "/\x7f", good + "/%zz", good + "/a%",
		good + "/a\n", good + "\n", "\n" + good, good + "\t", "\t" + good, good + " ", " " + good, good + "/a b\r\nX: y", good + "/%0d%0a",
		"https://127.0.0.1", "https://localhost", "https://[::1]", "http://169.254.169.254/", "https://169.254.169.254", "https://2130706433", "https://0x7f000001", "https://0", "https://[::ffff:127.0.0.1]:8443",
		good + "/" + strings.Repeat("a", 512-len(good)), good + "/" + strings.Repeat("a", 10_000), strings.Repeat("a", 10_000), "https://" + strings.Repeat("a.", 4000) + tenantHost, "[]", `["` + good + `"]`, "null", "{}",
	} {
		t.Run(fmt.Sprintf("E-11 E-13 iss %.80q of %d", iss, len(iss)), func(t *testing.T) {
			hold(t, guard, badTk, tenantToken(iss))
			if cause := causeOf(guard, tenantToken(iss)); cause != bearerguard.ErrUnknownIssuer && cause != bearerguard.ErrMalformed {
				t.Errorf("cause %v", cause)
			}
		})
	}
	for _, iss := range []any{nil, 5, true, nullClaim{}, []string{good}, guardtest.Claims{"https": good}} {
		t.Run("E-12 iss "+forgeJSON(iss), func(t *testing.T) {
			hold(t, guard, badTk, forgeSigned("EdDSA", own().ed, forgeHeader("EdDSA", "ed"), forgePayload(good, guardtest.Claims{"iss": iss})))
		})
	}
	if n := x.count(); n != 0 {
		t.Errorf("asked %d times: %q", n, x.asked)
	}
	for i, iss := range []string{good, good + "/", good + "/a", good + "/realms/a-b_c.d~e", good + "/a;b=c", good + "/a%20b", "https://ports.example.com:8443/a", good + "/" + strings.Repeat("a", 511-len(good))} {
		t.Run(fmt.Sprintf("asked for %.80q of %d", iss, len(iss)), func(t *testing.T) {
			hold(t, guard, ok200, tenantToken(iss))
			hold(t, guard, badTk, forgeSigned("EdDSA", own().evilEd, forgeHeader("EdDSA", "ed"), forgePayload(iss)))
			if n := x.count(); n != i+1 || x.asked[i] != iss {
				t.Errorf("asked %d times, at last for %q", n, x.asked[len(x.asked)-1])
			}
		})
	}
}

// TestAttackIssuerForAnswer has the operator's function give answers that must not open the service.
func TestAttackIssuerForAnswer(t *testing.T) {
	const iss = "https://" + tenantHost + "/a"
	own()
	issuers()
	with := func(change func(*bearerguard.Issuer)) func(context.Context, string) (bearerguard.Issuer, bool, error) {
		return func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
			i, ok, err := tenant(ctx, iss)
			change(&i)
			return i, ok, err
		}
	}
	secret := errors.New("no such tenant")
	for _, row := range []struct {
		name   string
		want   bearerguard.Cause
		again  int // questions for two tokens
		answer func(context.Context, string) (bearerguard.Issuer, bool, error)
	}{
		{"true", "", 1, tenant},
		{"false", bearerguard.ErrUnknownIssuer, 1, noTenant},
		{"false, with a good issuer", bearerguard.ErrUnknownIssuer, 1, func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
			i, _, _ := tenant(ctx, iss)
			return i, false, nil
		}},
		{"an error", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) {
			return bearerguard.Issuer{}, false, secret
		}},
		{"an error, with a good issuer", bearerguard.ErrUnavailable, 2, func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
			i, _, _ := tenant(ctx, iss)
			return i, true, secret
		}},
		{"a panic", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) { panic("secret") }},
		{"a panic with nil", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) { panic(any(nil)) }},
		{"a panic of the run-time", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) {
			return bearerguard.Issuer{}, true, []error{}[len(secret.Error())]
		}},
		{"the goroutine ends", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) { runtime.Goexit(); panic(0) }},
		{"nothing of it is set", bearerguard.ErrUnavailable, 2, func(context.Context, string) (bearerguard.Issuer, bool, error) {
			return bearerguard.Issuer{}, true, nil
		}},
		{"another URL", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.URL = "https://" + tenantHost + "/b" })},
		{"another host", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.URL = "https://evil.test/a" })},
		{"URL with a slash", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.URL += "/" })},
		{"URL in upper case", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.URL = "https://TENANTS.example.com/a" })},
		{"InsecureAllowHTTP", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.InsecureAllowHTTP = true })},
		{"JWKSURL by http", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.JWKS, i.JWKSURL = nil, "http://"+tenantHost+"/jwks" })},
		{"JWKSURL of a file", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.JWKS, i.JWKSURL = nil, "file:///etc/passwd" })},
		{"JWKS that is none", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.JWKS = []byte("{}") })},
		{"Algorithms with HS256", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.Algorithms = []string{"HS256"} })},
		{"a negative MaxStale", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.MaxStale = -1 })},
		{"a relaxed profile without a discriminator", bearerguard.ErrUnavailable, 2, with(func(i *bearerguard.Issuer) { i.Profile.Types = []string{"JWT"} })},
		{"R8725-04 other Algorithms", bearerguard.ErrAlgorithm, 1, with(func(i *bearerguard.Issuer) { i.Algorithms = []string{"RS256", "ES256"}; i.JWKS = issuers()[0].JWKS() })},
		{"R8725-09 other keys", bearerguard.ErrUnknownKey, 1, with(func(i *bearerguard.Issuer) { i.JWKS = issuers()[0].JWKS() })},
		{"other Audiences", bearerguard.ErrAudience, 1, with(func(i *bearerguard.Issuer) { i.Audiences = []string{"https://other.example.com"} })},
		{"nobody there", bearerguard.ErrUnavailable, 1, with(func(i *bearerguard.Issuer) { i.JWKS = nil })},
		{"as long as it may, and heeded", bearerguard.ErrUnavailable, 2, func(ctx context.Context, _ string) (bearerguard.Issuer, bool, error) {
			<-ctx.Done()
			return bearerguard.Issuer{}, false, ctx.Err()
		}},
		{"a minute, whatever the context says", bearerguard.ErrUnavailable, 1, func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
			time.Sleep(time.Minute)
			return tenant(ctx, iss)
		}},
		{"almost two seconds", "", 1, func(ctx context.Context, iss string) (bearerguard.Issuer, bool, error) {
			time.Sleep(2*time.Second - 1)
			return tenant(ctx, iss)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guard, x := newTenants(t, row.answer)
				for range 2 {
					token, begin := tenantToken(iss), time.Now()
					_, err := guard.Verify(t.Context(), token, bearerguard.Authenticated())
					if took := time.Since(begin); took > 2*time.Second {
						t.Errorf("answered after %v", took)
					}
					if row.want == "" != (err == nil) || row.want != "" && !errors.Is(err, row.want) {
						t.Errorf("%v, want %v", err, row.want)
					}
					synctest.Wait() // a question may end with the patience of who asked it
					if err != nil && (strings.Contains(err.Error(), "secret") || len(err.Error()) > 1000) {
						t.Errorf("tells %v", err)
					}
				}
				if n := x.count(); n != row.again {
					t.Errorf("asked %d times, want %d", n, row.again)
				}
				status := map[bearerguard.Cause]answer{"": ok200, bearerguard.ErrUnavailable: ourFt}
				want, ours := status[row.want]
				if !ours {
					want = badTk
				}
				hold(t, guard, want, tenantToken(iss))
			})
		})
	}
}

// TestAttackIssuerForPrivate is L-04 R8725-12: a name that a tenant may choose must not lead into our own network.
func TestAttackIssuerForPrivate(t *testing.T) {
	port := newCanaryPort(t)
	_, canary, _ := net.SplitHostPort(port.address)
	hosts := []string{"localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "10.0.0.1", "192.168.0.1", "172.31.0.1", "169.254.169.254", "[fd00::1]", "[fe80::1]"}
	for _, host := range hosts {
		for _, from := range []string{"discovery", "JWKSURL"} {
			t.Run("L-04 "+host+" by "+from, func(t *testing.T) {
				t.Parallel()
				target := "https://" + host + ":" + canary
				x := &tenants{answer: func(_ context.Context, iss string) (bearerguard.Issuer, bool, error) {
					i := bearerguard.Issuer{URL: iss}
					if from == "JWKSURL" {
						i.JWKSURL = target + "/jwks"
					}
					return i, true, nil
				}}
				guard := mustNew(t, bearerguard.Config{Resource: resource, IssuerFor: x.ask, IssuerHosts: []string{host + ":" + canary}})
				hold(t, guard, ourFt, tenantToken(target))
				err := guard.Stats().Issuers[0].LastError
				if x.count() != 1 || err == nil || !strings.Contains(err.Error(), "address not allowed") {
					t.Errorf("asked %d times: %v", x.count(), err)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := port.calls.Load(); n != 0 {
			t.Errorf("L-04 %d connections", n)
		}
	})
}

// TestIssuerForMistakes is what New refuses.
func TestIssuerForMistakes(t *testing.T) {
	for _, host := range []string{
		"", " ", "https://tenants.example.com", "tenants.example.com/", "tenants.example.com/a", "tenants.example.com?", "tenants.example.com#a", "user@tenants.example.com", "Tenants.example.com", "TENANTS.EXAMPLE.COM", "tenants.example.com:",
		"tenants.example.com:https", "*.example.com", "*", "a.example.com,b.example.com", "a.example.com b.example.com", "a.example.com;b", " tenants.example.com", "tenants.example.com ", "tenants.example.com\n", "tenänts.example.com", "tenants%2eexample.com",
		"t%C3%A4nants.example.com", "[::1", "::1", "[tenants]", ":8443", "//tenants.example.com", "tenants.example.com\\", "(tenants)", "a'b", "a\"b", "$host", "\x00",
	} {
		t.Run(fmt.Sprintf("host %q", host), func(t *testing.T) {
			_, err := bearerguard.New(bearerguard.Config{Resource: resource, IssuerFor: tenant, IssuerHosts: []string{tenantHost, host}})
			if err == nil || !strings.HasPrefix(err.Error(), "bearerguard: Config.IssuerHosts: ") || !strings.Contains(err.Error(), fmt.Sprintf("%q", host)) {
				t.Errorf("%v", err)
			}
		})
	}
	for name, row := range map[string]struct {
		change func(*bearerguard.Config)
		want   string
	}{
		"hosts without function":                {func(c *bearerguard.Config) { c.IssuerFor = nil }, "without IssuerFor"},
		"hosts without function, and no issuer": {func(c *bearerguard.Config) { c.IssuerFor, c.Issuers = nil, nil }, "Config.Issuers is empty"},
		"function without hosts":                {func(c *bearerguard.Config) { c.IssuerHosts = nil }, "Config.IssuerHosts is empty"},
		"function with no hosts":                {func(c *bearerguard.Config) { c.IssuerHosts = []string{} }, "Config.IssuerHosts is empty"},
		"two bad hosts":                         {func(c *bearerguard.Config) { c.IssuerHosts = []string{"A", "B"} }, `"B" is not a host`},
		"neither issuers nor function":          {func(c *bearerguard.Config) { c.IssuerFor, c.IssuerHosts, c.Issuers = nil, nil, nil }, "Config.Issuers is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := goodConfig()
			cfg.IssuerFor, cfg.IssuerHosts = tenant, []string{tenantHost}
			row.change(&cfg)
			if _, err := bearerguard.New(cfg); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, hosts := range [][]string{{tenantHost}, {"tenants.example.com:8443", "a_b.example.com"}, {"localhost"}, {"xn--tennts-bua.example.com"}, {"127.0.0.1:1"}, {"[::1]", "[::1]:8443"}, {tenantHost, tenantHost}} {
		t.Run(fmt.Sprintf("good %q", hosts), func(t *testing.T) {
			mustNew(t, bearerguard.Config{Resource: resource, IssuerFor: tenant, IssuerHosts: hosts})
		})
	}
}
