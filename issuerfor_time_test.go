package bearerguard_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// withTenants runs a test in a bubble.
func withTenants(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	own()
	issuers()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestIssuerForInTime(t *testing.T) {
	const a, b = "https://" + tenantHost + "/a", "https://" + tenantHost + "/b"
	type issuer = bearerguard.Issuer
	failing := func(context.Context, string) (issuer, bool, error) { return issuer{}, false, errors.New("down") }
	asked := func(t *testing.T, x *tenants, want int) {
		t.Helper()
		if n := x.count(); n != want {
			t.Errorf("asked %d times, want %d: %q", n, want, x.asked)
		}
	}
	withTenants(t, "no is remembered for 30 seconds, for that issuer", func(t *testing.T) {
		guard, x := newTenants(t, noTenant)
		hold(t, guard, badTk, tenantToken(a))
		x.answers(tenant)
		time.Sleep(30*time.Second - 1)
		hold(t, guard, badTk, tenantToken(a))
		asked(t, x, 1)
		hold(t, guard, ok200, tenantToken(b))
		time.Sleep(time.Nanosecond)
		hold(t, guard, ok200, tenantToken(a))
		asked(t, x, 3)
	})
	withTenants(t, "an error is not remembered", func(t *testing.T) {
		guard, x := newTenants(t, failing)
		hold(t, guard, ourFt, tenantToken(a))
		x.answers(tenant)
		hold(t, guard, ok200, tenantToken(a))
		asked(t, x, 2)
	})
	withTenants(t, "an answer that is late for one serves the next", func(t *testing.T) {
		guard, x := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			time.Sleep(3 * time.Second)
			return tenant(ctx, iss)
		})
		hold(t, guard, ourFt, tenantToken(a))
		time.Sleep(time.Second)
		hold(t, guard, ok200, tenantToken(a))
		asked(t, x, 1)
	})
	withTenants(t, "yes is believed for five minutes", func(t *testing.T) {
		guard, x := newTenants(t, tenant)
		hold(t, guard, ok200, tenantToken(a))
		for i := range 3 {
			time.Sleep(5*time.Minute - 1)
			hold(t, guard, ok200, tenantToken(a))
			asked(t, x, i+1)
			time.Sleep(time.Nanosecond)
			hold(t, guard, ok200, tenantToken(a))
			asked(t, x, i+2)
		}
	})
	withTenants(t, "a tenant who is gone is refused, with a token that was good", func(t *testing.T) {
		guard, x := newTenants(t, tenant)
		token := tenantToken(a)
		hold(t, guard, ok200, token)
		x.answers(noTenant)
		time.Sleep(5 * time.Minute)
		hold(t, guard, badTk, token)
		if n := len(guard.Stats().Issuers); n != 0 {
			t.Errorf("%d issuers", n)
		}
		x.answers(tenant)
		time.Sleep(30 * time.Second)
		hold(t, guard, ok200, token)
	})
	withTenants(t, "an outage of the function is 503 and asks once a second, and costs no keys", func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, a, "Ed25519")
		guard, x := newTenants(t, func(context.Context, string) (issuer, bool, error) { return issuer{URL: a}, true, nil }, iss)
		token, good := longLived(iss), x.answer
		hold(t, guard, ok200, token)
		x.answers(failing)
		time.Sleep(5 * time.Minute)
		before := x.count()
		for range 1000 {
			hold(t, guard, ourFt, token)
			time.Sleep(10 * time.Millisecond)
		}
		if n := x.count() - before; n < 9 || n > 11 {
			t.Errorf("asked %d times in 10 seconds", n)
		}
		iss.GoDown()
		x.answers(good)
		time.Sleep(time.Second)
		hold(t, guard, ok200, token) // by the keys that are there
	})
	withTenants(t, "the same answer keeps the keys", func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, a, "Ed25519")
		guard, _ := newTenants(t, func(context.Context, string) (issuer, bool, error) {
			return issuer{URL: a, Algorithms: []string{"Ed25519"}, Profile: bearerguard.Profile{OptionalClaims: []string{"jti"}, Expect: map[string]string{"sub": "alice"}}}, true, nil
		}, iss)
		hold(t, guard, ok200, longLived(iss))
		iss.GoDown()
		time.Sleep(5*time.Minute + 1)
		hold(t, guard, ok200, longLived(iss))
	})
	for name, change := range map[string]func(*issuer){
		"other keys":            func(i *issuer) { i.JWKS = issuers()[0].JWKS() },
		"other algorithms":      func(i *issuer) { i.Algorithms = []string{"RS256"}; i.JWKS = issuers()[0].JWKS() },
		"other audiences":       func(i *issuer) { i.Audiences = []string{"https://other.example.com"} },
		"another profile":       func(i *issuer) { i.Profile.Expect = map[string]string{"kind": "access"} },
		"keys by discovery":     func(i *issuer) { i.JWKS = nil },
		"the key in place":      func(i *issuer) { copy(i.JWKS, strings.ReplaceAll(string(i.JWKS), `"ed"`, `"de"`)) },
		"the audience in place": func(i *issuer) { i.Audiences[0] = "https://other.example.com" },
		"the profile in place":  func(i *issuer) { i.Profile.Expect["sub"] = "bob" },
		"the roles in place":    func(i *issuer) { i.Profile.Forbid[0] = "sub" },
	} {
		withTenants(t, "another answer counts: "+name, func(t *testing.T) {
			current, _, _ := tenant(t.Context(), a) // the operator's own, which is given out again and again
			current.Audiences = []string{resource}
			current.Profile = bearerguard.Profile{Expect: map[string]string{"sub": "alice"}, Forbid: []string{"nonce"}}
			guard, x := newTenants(t, func(context.Context, string) (issuer, bool, error) { return current, true, nil })
			token := tenantToken(a)
			hold(t, guard, ok200, token)
			change(&current)
			time.Sleep(5*time.Minute - 1)
			hold(t, guard, ok200, token)
			time.Sleep(time.Nanosecond)
			if cause := causeOf(guard, token); cause == "" {
				t.Error("still accepted")
			}
			asked(t, x, 2)
			if n := len(guard.Stats().Issuers); n != 1 {
				t.Errorf("%d issuers", n)
			}
		})
	}
	withTenants(t, "one question for an issuer at a time", func(t *testing.T) {
		guard, x := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			time.Sleep(time.Second)
			return tenant(ctx, iss)
		})
		token := tenantToken(a)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if cause := causeOf(guard, token); cause != "" {
					t.Error(cause)
				}
			})
		}
		all.Wait()
		asked(t, x, 1)
	})
	withTenants(t, "L-11 the first caller hangs up, the others are answered", func(t *testing.T) {
		guard, x := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return issuer{}, false, ctx.Err()
			}
			if _, ok := ctx.Deadline(); !ok || ctx.Value(callerKey{}) != nil {
				return issuer{}, false, errors.New("not a context of its own")
			}
			return tenant(ctx, iss)
		})
		first, hangUp := context.WithCancel(context.WithValue(t.Context(), callerKey{}, "secret"))
		var all sync.WaitGroup
		all.Go(func() {
			begin := time.Now()
			if _, err := guard.Verify(first, tenantToken(a), bearerguard.Authenticated()); !errors.Is(err, bearerguard.ErrUnavailable) || time.Since(begin) != 0 {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		})
		synctest.Wait()
		all.Go(func() { hold(t, guard, ok200, tenantToken(a)) })
		synctest.Wait()
		hangUp()
		all.Wait()
		asked(t, x, 1)
	})
	withTenants(t, "a slow tenant costs another nothing", func(t *testing.T) {
		guard, _ := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			if iss == a {
				<-ctx.Done()
			}
			return tenant(ctx, iss)
		})
		var all sync.WaitGroup
		all.Go(func() { hold(t, guard, ourFt, tenantToken(a)) })
		synctest.Wait()
		begin := time.Now()
		hold(t, guard, ok200, tenantToken(b))
		if took := time.Since(begin); took != 0 {
			t.Errorf("waited %v", took)
		}
		all.Wait()
	})
	withTenants(t, "all views share what was found, and a configured issuer is never asked for", func(t *testing.T) {
		cfg := goodConfig()
		x := &tenants{answer: tenant}
		cfg.Issuers[0].URL, cfg.IssuerFor, cfg.IssuerHosts = b, x.ask, []string{tenantHost}
		guard := mustNew(t, cfg)
		hold(t, guard, ok200, issuers()[0].Token(guardtest.Claims{"iss": b}))
		hold(t, guard, badTk, tenantToken(b)) // by the key of a tenant
		asked(t, x, 0)
		hold(t, guard, ok200, tenantToken(a))
		hold(t, guard.For("https://admin.example.com"), badTk, tenantToken(a))
		asked(t, x, 1)
		if err := guard.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if s := guard.Stats().Issuers; len(s) != 2 || s[0].URL != b || s[1].URL != a || s[1].Keys != 1 || !s[1].Usable {
			t.Errorf("%+v", s)
		}
	})
	withTenants(t, "Refresh knows what was found", func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, a, "Ed25519")
		guard, _ := newTenants(t, func(context.Context, string) (issuer, bool, error) { return issuer{URL: a}, true, nil }, iss)
		if err := guard.Refresh(t.Context(), a); !errors.Is(err, bearerguard.ErrUnknownIssuer) {
			t.Error(err)
		}
		token, old := longLived(iss), iss.KeyID("Ed25519")
		hold(t, guard, ok200, token)
		iss.Rotate("Ed25519")
		iss.Withdraw(old)
		mustRefresh(t, guard, a)
		hold(t, guard, badTk, token)
	})
	withTenants(t, "Close ends fetches and questions, and nothing is asked after it", func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, a, "Ed25519")
		guard, x := newTenants(t, func(ctx context.Context, given string) (issuer, bool, error) {
			if given == b {
				<-ctx.Done()
			}
			return issuer{URL: given}, true, nil
		}, iss)
		token := longLived(iss)
		hold(t, guard, ok200, token)
		var all sync.WaitGroup
		all.Go(func() { hold(t, guard, ourFt, tenantToken(b)) })
		synctest.Wait()
		begin := time.Now()
		if err := guard.Close(); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		all.Wait()
		if took := time.Since(begin); took != 0 {
			t.Errorf("who had asked waited %v more", took)
		}
		requests := iss.Requests()
		time.Sleep(24 * time.Hour)
		hold(t, guard, ourFt, token)
		hold(t, guard, ourFt, tenantToken("https://"+tenantHost+"/c"))
		asked(t, x, 2)
		if iss.Requests() != requests {
			t.Error("fetches go on")
		}
		for _, s := range guard.Stats().Issuers {
			if s.Usable || s.Keys != 0 || !s.NextRefresh.IsZero() {
				t.Errorf("%+v", s)
			}
		}
	})
}

type callerKey struct{}

// TestAttackIssuerForFlood is what someone can do who may name any path on a tenants' host.
func TestAttackIssuerForFlood(t *testing.T) {
	const known = "https://" + tenantHost + "/known"
	type issuer = bearerguard.Issuer
	invented := func(i int) string {
		return fmt.Sprintf("https://%s/invented/%d/%s", tenantHost, i, strings.Repeat("x", 400))
	}
	only := func(ctx context.Context, iss string) (issuer, bool, error) {
		if iss != known {
			return issuer{}, false, nil
		}
		return tenant(ctx, iss)
	}
	withTenants(t, "20,000 issuers: ten questions a second", func(t *testing.T) {
		guard, x := newTenants(t, only)
		begin, before := time.Now(), heap()
		for i := range 20_000 {
			if cause := causeOf(guard, forgeInput(forgeHeader("EdDSA", "ed"), forgePayload(invented(i)))+".AAAA"); cause != bearerguard.ErrUnknownIssuer && cause != bearerguard.ErrUnavailable {
				t.Error(cause)
			}
			time.Sleep(time.Millisecond)
		}
		if n, most := x.count(), 10+10*int(time.Since(begin)/time.Second); n > most || n < most/2 {
			t.Errorf("asked %d times in %v, want at most %d", n, time.Since(begin), most)
		}
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%d bytes more", grown)
		}
	})
	withTenants(t, "a flood of inventions does not lock out a tenant who is known", func(t *testing.T) {
		guard, _ := newTenants(t, only)
		token := tenantToken(known)
		hold(t, guard, ok200, token)
		for i := range 10 * 60 * 40 { // ten minutes
			causeOf(guard, forgeInput(forgeHeader("EdDSA", "ed"), forgePayload(invented(i)))+".AAAA")
			if time.Sleep(25 * time.Millisecond); i%40 == 0 {
				if cause := causeOf(guard, token); cause != "" {
					t.Fatalf("after %d: %v", i, cause)
				}
			}
		}
	})
	withTenants(t, "a function that never returns: the questions under way are bounded", func(t *testing.T) {
		release := make(chan struct{})
		var underWay atomic.Int32
		guard, _ := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			if iss == known {
				return tenant(ctx, iss)
			}
			underWay.Add(1)
			<-release
			return issuer{}, false, nil
		})
		hold(t, guard, ok200, tenantToken(known))
		goroutines := runtime.NumGoroutine()
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				begin := time.Now()
				if cause := causeOf(guard, tenantToken(invented(i))); cause != bearerguard.ErrUnavailable || time.Since(begin) > 2*time.Second {
					t.Errorf("%v after %v", cause, time.Since(begin))
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		if n, more := underWay.Load(), runtime.NumGoroutine()-goroutines; n > 64 || more > 70 {
			t.Errorf("%d questions under way, %d goroutines", n, more)
		}
		time.Sleep(5 * time.Minute)
		hold(t, guard, ok200, tenantToken(known))
		close(release)
	})
	withTenants(t, "as many issuers as there can be, those in use stay", func(t *testing.T) {
		guard, x := newTenants(t, func(ctx context.Context, iss string) (issuer, bool, error) {
			if iss == known {
				return tenant(ctx, iss)
			}
			return issuer{URL: iss}, true, nil
		})
		token := tenantToken(known)
		for i := range 5000 {
			if i%50 == 0 {
				hold(t, guard, ok200, token)
			}
			expired := forgeInput(forgeHeader("EdDSA", "ed"), forgePayload(invented(i), guardtest.Claims{"exp": 1})) + ".AAAA" // refused before keys are looked for
			if cause := causeOf(guard, expired); cause != bearerguard.ErrExpired {
				t.Fatal(cause)
			}
			time.Sleep(100 * time.Millisecond)
		}
		questions := 0
		for _, iss := range x.asked {
			if iss == known {
				questions++
			}
		}
		if n := len(guard.Stats().Issuers); n != 4096 || questions > 3 {
			t.Errorf("%d issuers, asked %d times for the one in use", n, questions)
		}
	})
}
