package bearerguard_test

import (
	"context"
	"fmt"
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

// realmsConfig trusts all of these, which it reaches in process.
func realmsConfig(realms ...*guardtest.Issuer) bearerguard.Config {
	cfg := bearerguard.Config{Resource: resource, HTTPClient: &http.Client{Transport: guardtest.Transport(realms...)}}
	for _, iss := range realms {
		cfg.Issuers = append(cfg.Issuers, iss.Issuer())
	}
	return cfg
}

// TestAttackIssuersMixed has each of two issuers on one host make tokens for the other: the same kid, for each algorithm,
// and every rule of the one that is not the other's.
func TestAttackIssuersMixed(t *testing.T) {
	const urlA, urlB = "https://login.example.com/realms/a", "https://login.example.com/realms/b"
	k := own()
	a, b := guardtest.NewIssuerAt(t, urlA, "ES256"), guardtest.NewIssuerAt(t, urlB, "ES256")
	jwk := func(key any, alg, kid string) guardtest.Claims {
		return guardtest.JWK(key, guardtest.Claims{"kid": kid, "alg": alg})
	}
	a.PublishJWKS(forgeJSON(guardtest.Claims{"keys": []any{jwk(&k.rs.PublicKey, "RS256", "k1"), jwk(k.ed.Public(), "EdDSA", "k1"), jwk(&k.es256.PublicKey, "ES256", "only-a")}}))
	b.PublishJWKS(forgeJSON(guardtest.Claims{"keys": []any{jwk(&k.spare.PublicKey, "RS256", "k1"), jwk(k.spareEd.Public(), "EdDSA", "k1"), jwk(&k.evilEC.PublicKey, "ES256", "only-b")}}))
	cfg := realmsConfig(a, b)
	cfg.Issuers[0].Algorithms, cfg.Issuers[1].Algorithms = []string{"RS256", "ES256"}, []string{"RS256", "EdDSA", "ES256"}
	cfg.Issuers[0].Audiences = []string{"https://a.example.com"}
	cfg.Issuers[1].Profile = bearerguard.Profile{Types: []string{"JWT", "at+jwt"}, Expect: map[string]string{"kind": "access"}, OptionalClaims: []string{"jti"}}
	guard := mustNew(t, cfg)
	type claims = guardtest.Claims
	forA, forB := claims{"aud": "https://a.example.com"}, claims{"kind": "access"}
	both := claims{"aud": []string{"https://a.example.com", resource}, "kind": "access"}
	made := func(alg string, key any, header, payload claims, iss string) string {
		return forgeSigned(alg, key, forgeHeader(alg, "k1", header), forgePayload(iss, payload))
	}
	onlyA, onlyB, noKid := claims{"kid": "only-a"}, claims{"kid": "only-b"}, claims{"kid": nil}
	for _, row := range []struct {
		name  string
		want  bearerguard.Cause
		token string
	}{
		{"a token of A", "", made("RS256", k.rs, nil, forA, urlA)},
		{"a token of B", "", made("RS256", k.spare, nil, forB, urlB)},
		{"a token of A by ES256", "", made("ES256", k.es256, onlyA, forA, urlA)},
		{"a token of B by EdDSA", "", made("EdDSA", k.spareEd, nil, forB, urlB)},
		{"a token of B with typ JWT and no jti", "", made("RS256", k.spare, claims{"typ": "JWT"}, claims{"kind": "access", "jti": nil}, urlB)},
		{"B-19 E-15 same kid, by B, says A", bearerguard.ErrSignature, made("RS256", k.spare, nil, both, urlA)},
		{"B-19 E-15 same kid, by A, says B", bearerguard.ErrSignature, made("RS256", k.rs, nil, both, urlB)},
		{"B-19 by EdDSA of A, says B", bearerguard.ErrSignature, made("EdDSA", k.ed, nil, both, urlB)},
		{"E-10 R8725-09 the kid of B, says A", bearerguard.ErrUnknownKey, made("ES256", k.evilEC, onlyB, both, urlA)},
		{"E-10 R8725-09 the kid of A, says B", bearerguard.ErrUnknownKey, made("ES256", k.es256, onlyA, both, urlB)},
		{"E-10 the key of B under the kid of A, says A", bearerguard.ErrSignature, made("ES256", k.evilEC, onlyA, both, urlA)},
		{"E-10 no kid, by B, says A", bearerguard.ErrSignature, made("RS256", k.spare, noKid, both, urlA)},
		{"E-10 no kid, by A, says B", bearerguard.ErrSignature, made("RS256", k.rs, noKid, both, urlB)},
		{"E-10 iss of A in the header, B in the payload, by A", bearerguard.ErrSignature, made("RS256", k.rs, claims{"iss": urlA}, both, urlB)},
		{"R8725-04 EdDSA is not for A", bearerguard.ErrAlgorithm, made("EdDSA", k.ed, nil, forA, urlA)},
		{"R8725-04 PS256 is for neither", bearerguard.ErrAlgorithm, made("PS256", k.rs, nil, forA, urlA)},
		{"the audience of B, of A", bearerguard.ErrAudience, made("RS256", k.rs, nil, nil, urlA)},
		{"the audience of A, of B", bearerguard.ErrAudience, made("RS256", k.spare, nil, claims{"aud": "https://a.example.com", "kind": "access"}, urlB)},
		{"typ JWT is not for A", bearerguard.ErrType, made("RS256", k.rs, claims{"typ": "JWT"}, both, urlA)},
		{"jti must be there for A", bearerguard.ErrClaims, made("RS256", k.rs, nil, claims{"aud": "https://a.example.com", "jti": nil}, urlA)},
		{"kind must be there for B", bearerguard.ErrType, made("RS256", k.spare, nil, nil, urlB)},
		{"a third realm", bearerguard.ErrUnknownIssuer, made("RS256", k.rs, nil, both, "https://login.example.com/realms/c")},
		{"the host itself", bearerguard.ErrUnknownIssuer, made("RS256", k.rs, nil, both, "https://login.example.com")},
		{"both realms in one iss", bearerguard.ErrUnknownIssuer, made("RS256", k.rs, nil, both, urlA+" "+urlB)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if cause := causeOf(guard, row.token); cause != row.want {
				t.Errorf("%q, want %q", cause, row.want)
			}
			want := badTk
			if row.want == "" {
				want = ok200
			}
			hold(t, guard, want, row.token)
		})
	}
}

// TestIssuersApart has an issuer fail in every way that takes long, while the others must not notice.
func TestIssuersApart(t *testing.T) {
	for name, fail := range map[string]func(*guardtest.Issuer){
		"hangs": (*guardtest.Issuer).Hang, "drips": func(i *guardtest.Issuer) { i.Drip(time.Hour) }, "is down": (*guardtest.Issuer).GoDown, "has no end": (*guardtest.Issuer).Endless,
		"redirects": func(i *guardtest.Issuer) { i.Redirect("/jwks") }, "asks for patience": func(i *guardtest.Issuer) { i.Fail(503, http.Header{"Retry-After": {"3600"}}) },
	} {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("one %s, it was well before: %v", name, warm), func(t *testing.T) {
				t.Parallel()
				bad, good := guardtest.NewIssuer(t, "Ed25519"), guardtest.NewIssuer(t, "Ed25519")
				cfg := bad.Config(resource)
				cfg.Issuers = append(cfg.Issuers, good.Issuer())
				for i := range cfg.Issuers {
					cfg.Issuers[i].RefreshCooldown = time.Millisecond
				}
				guard := mustNew(t, cfg)
				if warm {
					hold(t, guard, ok200, bad.Token(nil))
				}
				fail(bad)
				ctx, stop := context.WithCancel(t.Context())
				var waiting sync.WaitGroup
				for range 100 { // they wait as long as they like for what does not come
					waiting.Go(func() {
						for ctx.Err() == nil {
							_, _ = guard.Verify(ctx, forgedKid(bad, "x"), bearerguard.Authenticated())
							time.Sleep(5 * time.Millisecond)
						}
					})
				}
				eventually(t, "the bad one is asked", func() bool { return bad.Requests() > 0 || name == "is down" })
				rotations := 0
				eventually(t, "three keys of the good one are taken", func() bool {
					if causeOf(guard, good.Token(nil)) == "" {
						rotations++
						good.Rotate("Ed25519")
					}
					return rotations == 3
				})
				want := ourFt
				if warm {
					want = ok200
				}
				hold(t, guard, want, bad.Token(nil))
				stop()
				bad.Recover()
				waiting.Wait()
			})
		}
	}
}

// TestIssuersIdle is about a thousand issuers that nobody uses, and then a thousand that all are used.
func TestIssuersIdle(t *testing.T) {
	const many = 1000
	realms := make([]*guardtest.Issuer, many)
	for i := range realms {
		realms[i] = guardtest.NewIssuerAt(t, fmt.Sprintf("https://login%d.example.com/realms/a", i), "Ed25519")
	}
	cfg := realmsConfig(realms...)
	for i := range cfg.Issuers {
		cfg.Issuers[i].Lazy = i > 0
	}
	fetched := func() (n int) {
		for _, iss := range realms {
			if iss.Requests() > 0 {
				n++
			}
		}
		return n
	}
	goroutines, before := settled(0), heap()
	guard := mustNew(t, cfg)
	if per := (heap() - before) / many; per > 4<<10 {
		t.Errorf("%d bytes for each idle issuer", per)
	} else {
		t.Logf("%d bytes for each idle issuer", per)
	}
	if n := fetched(); n != 0 {
		t.Errorf("New fetched for %d issuers", n)
	}
	if err := guard.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold(t, guard, badTk, forgedKid(realms[0], "x"))
	hold(t, guard, badTk, realms[7].Token(guardtest.Claims{"exp": 1}))
	hold(t, guard, badTk, realms[7].Token(guardtest.Claims{"aud": "https://other.example.com"}))
	hold(t, guard, badTk, realms[7].TokenWith("Ed25519", guardtest.Claims{"alg": "HS256"}, nil))
	if n := fetched(); n != 1 {
		t.Errorf("fetched for %d issuers, want the one that is not lazy", n)
	}
	hold(t, guard, ok200, realms[7].Token(nil))
	if n := fetched(); n != 2 {
		t.Errorf("fetched for %d issuers, want the lazy one too that had a token", n)
	}
	together(8, many, func(i int) {
		if cause := causeOf(guard, realms[i-1].Token(nil)); cause != "" {
			t.Errorf("issuer %d: %v", i-1, cause)
		}
	})
	if n := fetched(); n != many {
		t.Errorf("fetched for %d issuers", n)
	}
	if n := settled(goroutines + 5); n > goroutines+5 {
		t.Errorf("%d goroutines, before %d", n, goroutines)
	}
	if per := (heap() - before) / many; per > 24<<10 {
		t.Errorf("%d bytes for each issuer with its keys", per)
	} else {
		t.Logf("%d bytes for each issuer with its keys", per)
	}
	if err := guard.Close(); err != nil {
		t.Error(err)
	}
	if n := settled(goroutines); n > goroutines {
		t.Errorf("%d goroutines after Close, before %d", n, goroutines)
	}
}

// settled is the number of goroutines, when it has come down to what is wanted or does not come down any more.
func settled(want int) int {
	n := runtime.NumGoroutine()
	for deadline := time.Now().Add(2 * time.Second); n > want && want > 0 && time.Now().Before(deadline); n = runtime.NumGoroutine() {
		time.Sleep(time.Millisecond)
	}
	return n
}

// TestIssuersReady is about who is waited for.
func TestIssuersReady(t *testing.T) {
	for _, row := range []struct {
		name       string
		lazy, down [3]bool
		failing    []int // that Ready names
	}{
		{"all are well", [3]bool{}, [3]bool{}, nil},
		{"one is down", [3]bool{}, [3]bool{false, true, false}, []int{1}},
		{"two are down", [3]bool{}, [3]bool{true, false, true}, []int{0, 2}},
		{"one that is lazy is down", [3]bool{false, true, false}, [3]bool{false, true, false}, nil},
		{"one that is lazy is down, and one that is not", [3]bool{false, true, false}, [3]bool{false, true, true}, []int{2}},
		{"all are lazy and down", [3]bool{true, true, true}, [3]bool{true, true, true}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var realms []*guardtest.Issuer
				for i := range 3 {
					realms = append(realms, guardtest.NewIssuerAt(t, fmt.Sprintf("https://login.example.com/realms/%d", i), "Ed25519"))
				}
				cfg := realmsConfig(realms...)
				for i := range realms {
					if cfg.Issuers[i].Lazy = row.lazy[i]; row.down[i] {
						realms[i].GoDown()
					}
				}
				guard := mustNew(t, cfg)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin, err := time.Now(), guard.Ready(ctx)
				if (err == nil) != (row.failing == nil) || err == nil && time.Since(begin) != 0 {
					t.Fatalf("%v after %v", err, time.Since(begin))
				}
				for i, iss := range realms {
					named := err != nil && strings.Contains(err.Error(), fmt.Sprintf("%q", iss.URL()))
					if wanted := len(row.failing) > 0 && (row.failing[0] == i || row.failing[len(row.failing)-1] == i); named != wanted {
						t.Errorf("issuer %d named: %v in %v", i, named, err)
					}
					if row.lazy[i] && iss.Requests() != 0 {
						t.Errorf("lazy issuer %d was fetched from", i)
					}
					iss.ComeBack()
				}
				if err := guard.Ready(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCloseLeavesNothing closes guards in the middle of everything that runs in the background.
func TestCloseLeavesNothing(t *testing.T) {
	for name, fail := range map[string]func(*guardtest.Issuer){
		"hanging": (*guardtest.Issuer).Hang, "dripping": func(i *guardtest.Issuer) { i.Drip(time.Hour) }, "well": func(*guardtest.Issuer) {}, "down": (*guardtest.Issuer).GoDown, "without end": (*guardtest.Issuer).Endless,
	} {
		t.Run(name, func(t *testing.T) {
			iss := guardtest.NewIssuer(t, "Ed25519")
			fail(iss)
			goroutines := runtime.NumGoroutine()
			transport := &http.Transport{DisableKeepAlives: true} // idle connections are the transport's
			cfg := iss.Config(resource)
			cfg.HTTPClient = &http.Client{Transport: transport}
			guard := mustNew(t, cfg)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() { causeOf(guard, iss.Token(nil)) })
				all.Go(func() { _ = guard.Ready(t.Context()) })
				all.Go(func() { _ = guard.Refresh(t.Context(), iss.URL()) })
				all.Go(func() { guard.Stats() })
			}
			eventually(t, "a fetch is under way", func() bool { return iss.Requests() > 0 || name == "down" })
			for range 3 {
				all.Go(func() { _ = guard.Close() })
			}
			all.Wait()
			_ = guard.Close()
			if cause := causeOf(guard, iss.Token(nil)); cause != bearerguard.ErrClosed {
				t.Error(cause)
			}
			iss.Close()
			if n := settled(goroutines); n > goroutines {
				t.Errorf("%d goroutines, before %d", n, goroutines)
			}
		})
	}
}

// TestCloseLeavesNoConnection has the guard dial in its own way. An idle connection has two goroutines.
func TestCloseLeavesNoConnection(t *testing.T) {
	iss := guardtest.NewIssuer(t, "Ed25519")
	goroutines := runtime.NumGoroutine()
	for range 5 {
		guard := mustNew(t, iss.Config(resource))
		hold(t, guard, ok200, iss.Token(nil))
		_ = guard.Close()
	}
	if n := settled(goroutines + 2); n > goroutines+2 { // the issuer may see the end of a connection later
		t.Errorf("%d goroutines, before %d", n, goroutines)
	}
}
