package bearerguard_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// inTime runs a test on a clock of its own, with an issuer in process and a guard with all defaults.
func inTime(t *testing.T, name string, test func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard), change ...func(*bearerguard.Config)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			iss := guardtest.NewIssuerAt(t, "https://login.example.com", "Ed25519")
			cfg := iss.Config(resource)
			for _, f := range change {
				f(&cfg)
			}
			test(t, iss, mustNew(t, cfg))
		})
	})
}

// longLived is a token for more than a test in a bubble.
func longLived(iss *guardtest.Issuer) string {
	return iss.Token(guardtest.Claims{"exp": time.Now().Unix() + 24*3600})
}

// age is the time since the last good fetch.
func age(guard *bearerguard.Guard) time.Duration { return guard.Stats().Issuers[0].Age }

func TestOutageInTime(t *testing.T) {
	inTime(t, "L-15 stale keys serve for MaxStale and not a moment longer", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		iss.GoDown()
		time.Sleep(30 * time.Minute)
		unknown := iss.TokenWith("Ed25519", guardtest.Claims{"kid": "new"}, guardtest.Claims{"exp": time.Now().Unix() + 24*3600})
		hold(t, guard, ourFt, unknown)
		time.Sleep(time.Hour - age(guard))
		hold(t, guard, ok200, token)
		time.Sleep(time.Nanosecond)
		hold(t, guard, ourFt, token) // never 401 for our fault, never a pass
		hold(t, guard, ourFt, unknown)
		if state := guard.Stats().Issuers[0]; state.Usable || state.LastError == nil {
			t.Errorf("state %+v", state)
		}
		time.Sleep(12 * time.Hour) // for days
		hold(t, guard, ourFt, token)
		iss.ComeBack()
		time.Sleep(6 * time.Minute) // nobody asks: the timer does
		requests := iss.Requests()
		hold(t, guard, ok200, token)
		if iss.Requests() != requests {
			t.Error("fetched for the request")
		}
	})
	inTime(t, "L-15 MaxStale of the configuration", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		iss.Fail(500)
		time.Sleep(30*time.Second - age(guard))
		hold(t, guard, ok200, token)
		time.Sleep(time.Nanosecond)
		hold(t, guard, ourFt, token)
	}, func(cfg *bearerguard.Config) {
		cfg.Issuers[0].RefreshInterval, cfg.Issuers[0].MaxStale = 10*time.Second, 30*time.Second
	})
	inTime(t, "start-up while the issuer is down, and never a request", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.GoDown()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := guard.Ready(ctx); err == nil || !strings.Contains(err.Error(), iss.URL()) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("ready: %v", err)
		}
		hold(t, guard, ourFt, longLived(iss))
		iss.ComeBack()
		time.Sleep(6 * time.Minute)
		if !guard.Stats().Issuers[0].Usable {
			t.Error("not back")
		}
		iss.GoDown()
		time.Sleep(2 * time.Hour)
		if err := guard.Ready(t.Context()); err != nil {
			t.Errorf("a later outage drains the pods: %v", err)
		}
	})
	inTime(t, "L-14 a withdrawn key is refused after the next refresh", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token, old := longLived(iss), iss.KeyID("Ed25519")
		hold(t, guard, ok200, token)
		iss.Rotate("Ed25519")
		iss.Withdraw(old)
		hold(t, guard, ok200, token) // not yet known
		time.Sleep(5*time.Minute + 30*time.Second)
		hold(t, guard, badTk, token)
		hold(t, guard, ok200, longLived(iss))
	})
	inTime(t, "L-14 a token of a new key brings the withdrawal of the old one", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token, old := longLived(iss), iss.KeyID("Ed25519")
		hold(t, guard, ok200, token)
		iss.Rotate("Ed25519")
		iss.Withdraw(old)
		time.Sleep(6 * time.Second)
		hold(t, guard, ok200, longLived(iss))
		hold(t, guard, badTk, token)
	})
	inTime(t, "L-14 other material under the same kid", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		iss.Replace(iss.KeyID("Ed25519"))
		hold(t, guard, badTk, longLived(iss))
		time.Sleep(5*time.Minute + 30*time.Second)
		hold(t, guard, badTk, token)
		hold(t, guard, ok200, longLived(iss))
	})
	inTime(t, "L-08 an empty list is a failed refresh", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		iss.PublishJWKS(`{"keys":[]}`)
		time.Sleep(30 * time.Minute)
		hold(t, guard, ok200, token)
		time.Sleep(31 * time.Minute)
		hold(t, guard, ourFt, token)
	})
	inTime(t, "a key set that is not modified is as good as a new one", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.EnableETag()
		token := longLived(iss)
		hold(t, guard, ok200, token)
		time.Sleep(3 * time.Hour)
		hold(t, guard, ok200, token)
		iss.FaultsOn("/jwks")
		iss.Fail(304)
		time.Sleep(3 * time.Hour)
		hold(t, guard, ok200, token)
	})
	inTime(t, "L-02 a hanging issuer costs those with known keys nothing, and others two seconds", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		time.Sleep(7 * time.Second)
		iss.Hang()
		begin := time.Now()
		hold(t, guard, ourFt, iss.TokenWith("Ed25519", guardtest.Claims{"kid": "new"}, nil))
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("waited %v", took)
		}
		begin = time.Now()
		hold(t, guard, ok200, token)
		hold(t, guard, ourFt, iss.TokenWith("Ed25519", guardtest.Claims{"kid": "newer"}, nil)) // the fetch is late already
		if took := time.Since(begin); took != 0 {
			t.Errorf("waited %v", took)
		}
		iss.Recover()
		time.Sleep(6 * time.Minute)
	})
	inTime(t, "R9110 no waiting beyond the caller's own patience", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := guard.Verify(ctx, longLived(iss), bearerguard.Authenticated())
		if took := time.Since(begin); !errors.Is(err, bearerguard.ErrUnavailable) || took != 100*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		iss.Recover()
	})
	inTime(t, "Ready waits for a slow issuer", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Delay(2 * time.Second)
		begin := time.Now()
		if err := guard.Ready(t.Context()); err != nil || time.Since(begin) != 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
	inTime(t, "Ready ends with Close", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Hang()
		time.AfterFunc(time.Second, func() { _ = guard.Close() })
		if err := guard.Ready(t.Context()); err == nil {
			t.Error("ready")
		}
		hold(t, guard, ourFt, longLived(iss))
		if state := guard.Stats().Issuers[0]; state.Usable || !state.NextRefresh.IsZero() {
			t.Errorf("state %+v", state)
		}
	})
	inTime(t, "Close ends what serves", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		if err := errors.Join(guard.Close(), guard.Close()); err != nil {
			t.Error(err)
		}
		requests := iss.Requests()
		hold(t, guard, ourFt, token)
		time.Sleep(24 * time.Hour)
		if iss.Requests() != requests {
			t.Error("fetches go on")
		}
		if err := guard.Refresh(t.Context(), iss.URL()); err == nil {
			t.Error("refreshed")
		}
	})
	inTime(t, "a transport that panics is a failed fetch", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ourFt, longLived(iss))
		if err := guard.Stats().Issuers[0].LastError; err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		hold(t, guard, ok200, longLived(iss))
	}, func(cfg *bearerguard.Config) {
		cfg.HTTPClient.Transport = panicking{cfg.HTTPClient.Transport, time.Now().Add(time.Minute)}
	})
}

// panicking panics until a time.
type panicking struct {
	http.RoundTripper
	until time.Time
}

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(p.until) {
		panic("secret")
	}
	return p.RoundTripper.RoundTrip(r)
}

// TestSupplyIntervals counts fetches: L-17 R8414-13, no answer of the issuer may make us blind, or its servant.
func TestSupplyIntervals(t *testing.T) {
	for _, row := range []struct {
		name, field, value string
		status             int
		after              time.Duration // that has gone by
		least, most        int           // fetches of keys in it
	}{
		{"L-17 nothing said: every 5 minutes", "", "", 0, 24 * time.Hour, 262, 320},
		{"L-17 max-age of 10 years", "Cache-Control", "public, max-age=315360000", 0, 24 * time.Hour, 262, 320},
		{"L-17 a max-age that overflows", "Cache-Control", "max-age=99999999999999999999", 0, 24 * time.Hour, 262, 320},
		{"L-17 a max-age of 2^31", "Cache-Control", "max-age=2147483648", 0, 24 * time.Hour, 262, 320},
		{"L-17 a negative max-age", "Cache-Control", "max-age=-1", 0, 24 * time.Hour, 262, 320},
		{"L-17 a max-age that is none", "Cache-Control", "max-age=soon", 0, 24 * time.Hour, 262, 320},
		{"L-17 s-maxage is not for us", "Cache-Control", "s-maxage=1", 0, 24 * time.Hour, 262, 320},
		{"L-17 Expires is not looked at", "Expires", "0", 0, 24 * time.Hour, 262, 320},
		{"L-17 immutable", "Cache-Control", "immutable", 0, 24 * time.Hour, 262, 320},
		{"L-17 a max-age of nothing: once a minute", "Cache-Control", "max-age=0", 0, time.Hour, 54, 68},
		{"L-17 no-store, max-age of a second", "Cache-Control", "no-store, MAX-AGE=1", 0, time.Hour, 54, 68},
		{"L-17 a max-age of two minutes", "Cache-Control", "max-age=120", 0, 2 * time.Hour, 54, 68},
		{"R8414-13 500: ever slower", "", "", 500, 24 * time.Hour, 262, 330},
		{"R8414-13 429 with a Retry-After of ten years", "Retry-After", "315360000", 429, 24 * time.Hour, 262, 330},
		{"R8414-13 503 with a Retry-After of nothing", "Retry-After", "0", 503, 24 * time.Hour, 262, 330},
		{"R8414-13 503 with a negative Retry-After", "Retry-After", "-5", 503, 24 * time.Hour, 262, 330},
		{"R8414-13 503 with a date of last year", "Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT", 503, 24 * time.Hour, 262, 330},
		{"R8414-13 503 with a Retry-After of two minutes", "Retry-After", "120", 503, 119 * time.Second, 1, 1},
	} {
		inTime(t, row.name, func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
			if row.status != 0 {
				iss.FaultsOn("/jwks")
				iss.Fail(row.status, http.Header{row.field: {row.value}})
			} else if row.field != "" {
				iss.SetHeader(row.field, row.value)
			}
			want := ok200
			if row.status != 0 {
				want = ourFt
			}
			hold(t, guard, want, longLived(iss))
			begin := time.Now()
			for time.Since(begin) < row.after {
				time.Sleep(row.after / 100)
				hold(t, guard, want, longLived(iss))
			}
			if n := iss.RequestsTo("/jwks"); n < row.least || n > row.most {
				t.Errorf("%d fetches in %v, want %d to %d", n, row.after, row.least, row.most)
			}
		})
	}
}
