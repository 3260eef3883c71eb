package bearerguard_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// TestStatsCauses causes one decision after the other and wants exactly that one counted, by all views.
func TestStatsCauses(t *testing.T) {
	iss, down := guardtest.NewIssuer(t, "Ed25519"), guardtest.NewIssuer(t, "Ed25519")
	down.GoDown()
	cfg := iss.Config(resource)
	cfg.Issuers = append(cfg.Issuers, down.Issuer())
	guard := mustNew(t, cfg)
	admin := guard.For("https://admin.example.com")
	type claims = guardtest.Claims
	with := func(header, payload claims) *http.Request {
		return guardtest.NewRequest("GET", "/items", iss.TokenWith("Ed25519", header, payload))
	}
	bare := func(lines ...string) *http.Request {
		r := guardtest.NewRequest("GET", "/items", "")
		if lines != nil {
			r.Header["Authorization"] = lines
		}
		return r
	}
	path := guardtest.NewRequest("GET", "/items", iss.Token(nil))
	path.URL.Path = "/a/../items"
	broken := guardtest.NewRequest("GET", "/items", iss.Token(nil))
	broken.URL = nil
	clear := httptest.NewRequestWithContext(t.Context(), "GET", "http://api.example.com/items", nil)
	clear.Header.Set("Authorization", "Bearer "+iss.Token(nil))
	now := time.Now().Unix()
	any, items, reset := bearerguard.Authenticated(), bearerguard.Scope("items:read"), bearerguard.Role("admin")
	for _, row := range []struct {
		cause  bearerguard.Cause
		policy bearerguard.Policy
		r      *http.Request
	}{
		{"", any, with(nil, nil)},
		{"", items, with(nil, claims{"scope": "items:read"})},
		{bearerguard.ErrPath, any, path},
		{bearerguard.ErrCleartext, any, clear},
		{bearerguard.ErrCredentials, any, bare("Bearer a b")},
		{bearerguard.ErrCredentials, any, bare("Bearer a", "Bearer b")},
		{bearerguard.ErrNoToken, any, bare()},
		{bearerguard.ErrNoToken, any, bare("Basic YTpi")},
		{bearerguard.ErrTokenSize, any, bare("Bearer " + strings.Repeat("a", 20_000))},
		{bearerguard.ErrMalformed, any, bare("Bearer abc")},
		{bearerguard.ErrUnknownIssuer, any, with(nil, claims{"iss": "https://evil.test"})},
		{bearerguard.ErrAlgorithm, any, with(claims{"alg": "RS1"}, nil)},
		{bearerguard.ErrExpired, any, with(nil, claims{"exp": now - 100, "iat": now - 200})},
		{bearerguard.ErrNotYetValid, any, with(nil, claims{"nbf": now + 100})},
		{bearerguard.ErrLifetime, any, with(nil, claims{"exp": now + 100_000})},
		{bearerguard.ErrAudience, any, with(nil, claims{"aud": "https://other.example.com"})},
		{bearerguard.ErrUnknownKey, any, with(claims{"kid": "x"}, nil)},
		{bearerguard.ErrSignature, any, guardtest.NewRequest("GET", "/items", forgedKid(iss, iss.KeyID("Ed25519")))},
		{bearerguard.ErrType, any, with(claims{"typ": "JWT"}, nil)},
		{bearerguard.ErrClaims, any, with(nil, claims{"sub": nil})},
		{bearerguard.ErrConfirmation, any, with(nil, claims{"cnf": claims{"jkt": "x"}})},
		{bearerguard.ErrScope, items, with(nil, claims{"scope": "other"})},
		{bearerguard.ErrForbidden, reset, with(nil, nil)},
		{bearerguard.ErrAuthentication, bearerguard.ACR("urn:x"), with(nil, nil)},
		{bearerguard.ErrUnavailable, any, guardtest.NewRequest("GET", "/items", down.Token(nil))},
		{bearerguard.ErrInternal, any, broken},
		{bearerguard.ErrClosed, any, with(nil, nil)},
	} {
		t.Run("counts "+string(row.cause), func(t *testing.T) {
			if row.cause == bearerguard.ErrClosed {
				_ = guard.Close()
			}
			for n, g := range []*bearerguard.Guard{guard, admin} {
				want, cause := guard.Stats(), row.cause
				if n == 1 && (cause == "" || cause == bearerguard.ErrScope || cause == bearerguard.ErrForbidden || cause == bearerguard.ErrAuthentication || cause == bearerguard.ErrUnknownKey || cause == bearerguard.ErrSignature ||
					cause == bearerguard.ErrType || cause == bearerguard.ErrClaims || cause == bearerguard.ErrConfirmation || cause == bearerguard.ErrLifetime || cause == bearerguard.ErrUnavailable) {
					cause = bearerguard.ErrAudience // of the view
				}
				if want.Refused[cause]++; cause == "" {
					delete(want.Refused, cause)
					want.Allowed++
				}
				_, err := g.Check(row.r, row.policy)
				var refusal *bearerguard.Error
				if errors.As(err, &refusal); cause == "" != (err == nil) || err != nil && refusal.Cause != cause {
					t.Errorf("%v, want %q", err, cause)
				}
				for _, view := range []*bearerguard.Guard{guard, admin} {
					if got := view.Stats(); got.Allowed != want.Allowed || !maps.Equal(got.Refused, want.Refused) {
						t.Errorf("%d %v, want %d %v", got.Allowed, got.Refused, want.Allowed, want.Refused)
					}
				}
			}
		})
	}
	t.Run("a copy", func(t *testing.T) {
		s := guard.Stats()
		s.Refused[bearerguard.ErrPath] = 99
		s.Issuers[0].URL = "x"
		if again := guard.Stats(); again.Refused[bearerguard.ErrPath] == 99 || again.Issuers[0].URL == "x" {
			t.Error("not a copy")
		}
	})
}

// TestStatsCountsAll counts in many goroutines.
func TestStatsCountsAll(t *testing.T) {
	guard := staticGuard(t)
	good, bad := issuers()[0].TokenWith("Ed25519", nil, nil), issuers()[0].TokenWith("Ed25519", nil, guardtest.Claims{"aud": "x"})
	together(8, 2000, func(i int) {
		if i%4 == 0 {
			causeOf(guard, good)
		} else {
			causeOf(guard.For("https://view.example.com"), bad)
		}
		guard.Stats()
	})
	if s := guard.Stats(); s.Allowed != 500 || s.Refused[bearerguard.ErrAudience] != 1500 || len(s.Refused) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestStatsIssuers follows the state of an issuer through its life.
func TestStatsIssuers(t *testing.T) {
	inTime(t, "from nothing to an outage and back", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		state := func(step string, keys int, usable, failed bool, age time.Duration, planned bool) {
			t.Helper()
			all := guard.Stats().Issuers
			if len(all) != 1 || all[0].URL != iss.URL() {
				t.Fatalf("%s: %+v", step, all)
			}
			s := all[0]
			if s.Keys != keys || s.Usable != usable || (s.LastError != nil) != failed || s.Age != age || s.NextRefresh.After(time.Now()) != planned || s.NextRefresh.IsZero() == planned {
				t.Errorf("%s: %+v at %v", step, s, time.Now())
			}
		}
		state("new", 0, false, false, 0, false)
		iss.GoDown()
		hold(t, guard, ourFt, longLived(iss))
		state("never seen", 0, false, true, 0, true)
		iss.ComeBack()
		mustRefresh(t, guard, iss.URL())
		state("fetched", 1, true, false, 0, true)
		time.Sleep(time.Minute)
		state("a minute old", 1, true, false, time.Minute, true)
		iss.Rotate("Ed25519")
		mustRefresh(t, guard, iss.URL())
		state("rotated", 2, true, false, 0, true)
		iss.Fail(500)
		if err := guard.Refresh(t.Context(), iss.URL()); err == nil {
			t.Error("refreshed")
		}
		time.Sleep(time.Minute)
		state("stale", 2, true, true, time.Minute, true)
		time.Sleep(time.Hour - time.Minute)
		state("as stale as may be", 2, true, true, time.Hour, true)
		time.Sleep(time.Nanosecond)
		state("too stale", 2, false, true, time.Hour+1, true)
		_ = guard.Close()
		state("closed", 0, false, true, 0, false)
	})
	t.Run("static", func(t *testing.T) {
		guard := staticGuard(t)
		if s := guard.Stats().Issuers; len(s) != 1 || s[0].Keys != 4 || !s[0].Usable || s[0].Age != 0 || !s[0].NextRefresh.IsZero() || s[0].LastError != nil {
			t.Errorf("%+v", s)
		}
		if err := guard.Refresh(t.Context(), guard.Stats().Issuers[0].URL); err == nil {
			t.Error("refreshed what is configured")
		}
	})
}

func TestRefresh(t *testing.T) {
	t.Run("L-14 a withdrawn key is refused right after, over a real connection, by all views", func(t *testing.T) {
		iss := guardtest.NewIssuer(t, "Ed25519")
		s, _ := newSupplied(t, iss, func(cfg *bearerguard.Config) { cfg.Issuers[0].RefreshCooldown = 0 })
		old := iss.KeyID("Ed25519")
		both := guardtest.Claims{"aud": []string{resource, "https://admin.example.com"}}
		token := iss.Token(both)
		admin := s.guard.For("https://admin.example.com")
		s.get(t, ok200, "/any", token)
		hold(t, admin, ok200, token)
		iss.Rotate("Ed25519")
		iss.Withdraw(old)
		mustRefresh(t, admin, iss.URL())
		s.get(t, badTk, "/any", token)
		hold(t, admin, badTk, token)
		s.get(t, ok200, "/any", iss.Token(both))
	})
	for _, issuer := range []string{"", "https://evil.test", "https://login.example.com/", "https://LOGIN.example.com", "https://login.example.com:443", "http://login.example.com"} {
		inTime(t, "an issuer that is not there: "+issuer, func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
			if err := guard.Refresh(t.Context(), issuer); !errors.Is(err, bearerguard.ErrUnknownIssuer) || !strings.HasPrefix(err.Error(), "bearerguard: ") || iss.Requests() != 0 {
				t.Error(err)
			}
		})
	}
	inTime(t, "an outage is an error that names the issuer, and costs nothing", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		iss.GoDown()
		if err := guard.Refresh(t.Context(), iss.URL()); err == nil || !strings.Contains(err.Error(), iss.URL()) || !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
		hold(t, guard, ok200, token)
	})
	inTime(t, "it waits no longer than it may", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := guard.Refresh(ctx, iss.URL()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		iss.Recover()
	})
	inTime(t, "the cool-down does not count, and begins anew", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ok200, longLived(iss))
		for n := range 5 {
			mustRefresh(t, guard, iss.URL())
			if got := iss.RequestsTo("/jwks"); got != n+2 {
				t.Errorf("%d fetches", got)
			}
		}
		hold(t, guard, badTk, iss.TokenWith("Ed25519", guardtest.Claims{"kid": "x"}, nil))
		if got := iss.RequestsTo("/jwks"); got != 6 {
			t.Errorf("%d fetches", got)
		}
	})
	inTime(t, "a fetch that is under way does not count: it may be older than the withdrawal", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token, old := longLived(iss), iss.KeyID("Ed25519")
		hold(t, guard, ok200, token)
		time.Sleep(10 * time.Second)
		iss.Drip(time.Millisecond) // what is sent is what was published at the beginning
		var all sync.WaitGroup
		all.Go(func() { causeOf(guard, forgedKid(iss, "x")) })
		synctest.Wait()
		iss.Rotate("Ed25519")
		iss.Withdraw(old)
		before := iss.RequestsTo("/jwks")
		for range 3 {
			all.Go(func() {
				mustRefresh(t, guard, iss.URL())
				hold(t, guard, badTk, token)
			})
		}
		all.Wait()
		if n := iss.RequestsTo("/jwks") - before; n != 1 {
			t.Errorf("%d fetches for three callers", n)
		}
	})
}
