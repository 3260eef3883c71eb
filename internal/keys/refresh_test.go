package keys_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

// gaps are the times between the requests.
func gaps(requests []request) (all []time.Duration) {
	for n := range len(requests) - 1 {
		all = append(all, requests[n+1].at.Sub(requests[n].at))
	}
	return all
}

func requireAbout(t *testing.T, want, got time.Duration, jitter float64) {
	t.Helper()
	require.InDelta(t, want.Seconds(), got.Seconds(), want.Seconds()*jitter+1e-6)
}

func TestSchedule(t *testing.T) {
	bubble(t, "every five minutes, and not in step", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		mustFind(t, store, "a")
		require.Equal(t, time.Now(), store.Status().Fetched)
		time.Sleep(20 * time.Hour)
		seen := make(map[time.Duration]bool)
		sum := time.Duration(0)
		for _, gap := range gaps(i.seen()) {
			requireAbout(t, interval, gap, 0.1)
			seen[gap] = true
			sum += gap
		}
		require.Greater(t, len(seen), 200)
		requireAbout(t, interval, sum/time.Duration(len(gaps(i.seen()))), 0.02)
		next := store.Status().NextRefresh
		before := i.count()
		time.Sleep(time.Until(next) - 1)
		synctest.Wait()
		require.Equal(t, before, i.count())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, before+1, i.count())
	})
	bubble(t, "L-15 an issuer that is down at the start: keys arrive by themselves", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.ErrorIs(t, err, errDown)
		require.False(t, store.Status().Usable)
		time.Sleep(time.Hour)
		all := gaps(i.seen())
		for n, want := range []time.Duration{cooldown, 2 * cooldown, 4 * cooldown, 8 * cooldown, 16 * cooldown, 32 * cooldown, interval, interval, interval} {
			requireAbout(t, want, all[n], 0.1)
		}
		i.publishes("a")
		time.Sleep(interval * 11 / 10)
		i.answers(hangs)
		require.Zero(t, took(func() { mustFind(t, store, "a") }))
		require.NoError(t, store.Status().Err)
	})
	bubble(t, "the back-off begins anew after a success", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		_, _ = find(store, "a")
		time.Sleep(time.Hour)
		i.publishes("a")
		require.NoError(t, store.Refresh(t.Context()))
		i.forget()
		i.answers(down)
		require.ErrorIs(t, store.Refresh(t.Context()), errDown)
		time.Sleep(2 * cooldown)
		requireAbout(t, cooldown, gaps(i.seen())[0], 0.1)
	})
	bubble(t, "a long outage overflows nothing", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		_, _ = find(store, "a")
		time.Sleep(24 * time.Hour)
		for _, gap := range gaps(i.seen())[7:] {
			requireAbout(t, interval, gap, 0.1)
		}
	})
	bubble(t, "the back-off never exceeds the interval", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i, func(c *keys.Config) { c.RefreshInterval, c.RefreshCooldown = time.Second, time.Minute })
		_, _ = find(store, "a")
		time.Sleep(time.Minute)
		for _, gap := range gaps(i.seen()) {
			requireAbout(t, time.Second, gap, 0.1)
		}
	})
}

func TestMaxAge(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header []string
		want   time.Duration
	}{
		{"absent", nil, interval},
		{"L-17 zero", []string{"Cache-Control", "max-age=0"}, time.Minute},
		{"L-17 one second", []string{"Cache-Control", "max-age=1"}, time.Minute},
		{"L-17 two minutes", []string{"Cache-Control", "public, MAX-AGE=120, must-revalidate"}, 2 * time.Minute},
		{"L-17 of a second field", []string{"Cache-Control", "public", "Cache-Control", "max-age=120"}, 2 * time.Minute},
		{"L-17 ten years", []string{"Cache-Control", "max-age=315360000"}, interval},
		{"L-17 beyond all numbers", []string{"Cache-Control", "max-age=99999999999999999999"}, interval},
		{"L-17 negative", []string{"Cache-Control", "max-age=-1"}, interval},
		{"L-17 garbage", []string{"Cache-Control", "max-age=soon"}, interval},
		{"L-17 empty", []string{"Cache-Control", "max-age="}, interval},
		{"L-17 s-maxage is for others", []string{"Cache-Control", "s-maxage=60"}, interval},
		{"no-store is no reason to be without keys", []string{"Cache-Control", "no-store"}, interval},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			i := &issuer{script: serves(jwks("a"), tc.header...)}
			mustFind(t, newStore(t, i), "a")
			time.Sleep(time.Hour)
			for _, gap := range gaps(i.seen()) {
				requireAbout(t, tc.want, gap, 0.1)
			}
			require.Greater(t, i.count(), 10)
		})
	}
	bubble(t, "a shorter interval of the operator's own stays", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"), "Cache-Control", "max-age=3600")}
		mustFind(t, newStore(t, i, func(c *keys.Config) { c.RefreshInterval = 10 * time.Second }), "a")
		time.Sleep(time.Minute)
		for _, gap := range gaps(i.seen()) {
			requireAbout(t, 10*time.Second, gap, 0.1)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	text := func(value string) func() string { return func() string { return value } }
	date := func(in time.Duration) func() string {
		return func() string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }
	}
	const quick, slow, low, high = cooldown * 9 / 10, cooldown * 11 / 10, interval * 9 / 10, interval * 11 / 10
	for _, tc := range []struct {
		name        string
		value       func() string
		least, most time.Duration // until the scheduled fetch
		blind       time.Duration // until a token may provoke one
	}{
		{"seconds", text("60"), 60 * time.Second, 75 * time.Second, 60 * time.Second},
		{"a date", date(90 * time.Second), 90 * time.Second, 112 * time.Second, 90 * time.Second},
		{"a date that has passed", date(-time.Hour), quick, slow, shortest},
		{"shorter than the cool-down", text("1"), quick, slow, shortest},
		{"ten years are capped", text("315360000"), low, high, interval},
		{"beyond all numbers", text("99999999999999999999"), quick, slow, shortest},
		{"a date in the year 9999 is capped", text("Fri, 31 Dec 9999 23:59:59 GMT"), low, high, interval},
		{"negative", text("-5"), quick, slow, shortest},
		{"garbage", text("later"), quick, slow, shortest},
		{"empty", text(""), quick, slow, shortest},
	} {
		busy := func(r *http.Request) (*http.Response, error) {
			return responds(http.StatusServiceUnavailable, "", "Retry-After", tc.value())(r)
		}
		bubble(t, tc.name+", scheduled", func(t *testing.T) {
			for range 20 {
				i := &issuer{script: busy}
				store := newStore(t, i)
				_, err := find(store, "a")
				require.ErrorIs(t, err, keys.ErrUnavailable)
				time.Sleep(time.Until(store.Status().NextRefresh))
				synctest.Wait()
				gap := gaps(i.seen())[0]
				require.GreaterOrEqual(t, gap, tc.least)
				require.LessOrEqual(t, gap, tc.most)
				store.Close()
			}
		})
		bubble(t, tc.name+", provoked", func(t *testing.T) {
			i := &issuer{script: serves(jwks("a"))}
			store := newStore(t, i)
			mustFind(t, store, "a")
			time.Sleep(longest)
			i.answers(busy)
			for range 2 {
				_, err := find(store, "b")
				require.ErrorIs(t, err, keys.ErrUnavailable)
				require.Equal(t, 2, i.count())
				time.Sleep(min(tc.blind, time.Until(store.Status().NextRefresh)) - 1)
			}
		})
	}
	bubble(t, "it can be provoked before the scheduled one", func(t *testing.T) {
		i := &issuer{script: responds(http.StatusTooManyRequests, "", "Retry-After", "60")}
		store := newStore(t, i)
		_, _ = find(store, "a")
		i.publishes("a")
		time.Sleep(60 * time.Second)
		mustFind(t, store, "a")
	})
	bubble(t, "what is capped is capped for tokens, too", func(t *testing.T) {
		for range 20 {
			i := &issuer{script: responds(http.StatusTooManyRequests, "", "Retry-After", "315360000")}
			store := newStore(t, i)
			_, _ = find(store, "a")
			i.publishes("a")
			if time.Until(store.Status().NextRefresh) > interval { // the other ones come first
				time.Sleep(interval)
				mustFind(t, store, "a")
			}
			store.Close()
		}
	})
	bubble(t, "only an answer that is a failure is heeded", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"), "Retry-After", "60")}
		store := newStore(t, i)
		mustFind(t, store, "a")
		time.Sleep(longest)
		i.publishes("b")
		mustFind(t, store, "b")
	})
}

func TestValidators(t *testing.T) {
	const tag = `"v1"`
	tagged := func(kids ...string) answer {
		return func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") == tag {
				return responds(http.StatusNotModified, "", "Cache-Control", "max-age=120")(r)
			}
			return serves(jwks(kids...), "ETag", tag)(r)
		}
	}
	bubble(t, "304 keeps the set and extends its freshness", func(t *testing.T) {
		i := &issuer{script: tagged("a")}
		store := newStore(t, i)
		key := mustFind(t, store, "a")
		time.Sleep(3 * maxStale)
		i.answers(down)
		require.Same(t, key, mustFind(t, store, "a"))
		require.Less(t, time.Since(store.Status().Fetched), 3*time.Minute, "the max-age of the 304 counts")
		requests := i.seen()
		require.Empty(t, requests[0].header.Get("If-None-Match"))
		for _, r := range requests[1:] {
			require.Equal(t, tag, r.header.Get("If-None-Match"))
		}
		time.Sleep(maxStale + 3*time.Minute)
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
	})
	bubble(t, "304 that nobody asked for is a failure", func(t *testing.T) {
		i := &issuer{script: responds(http.StatusNotModified, "")}
		store := newStore(t, i)
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		i.publishes("a") // without a tag
		require.NoError(t, store.Refresh(t.Context()))
		i.answers(responds(http.StatusNotModified, ""))
		require.Error(t, store.Refresh(t.Context()))
	})
	bubble(t, "after a failure the whole set is asked for", func(t *testing.T) {
		i := &issuer{script: tagged("a")}
		store := newStore(t, i)
		key := mustFind(t, store, "a")
		i.answers(down)
		require.Error(t, store.Refresh(t.Context()))
		i.answers(tagged("a"))
		require.NoError(t, store.Refresh(t.Context()))
		require.Empty(t, i.seen()[2].header.Get("If-None-Match"))
		require.Same(t, key, mustFind(t, store, "a"))
	})
	bubble(t, "a tag goes with its document", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"), "ETag", tag)}
		store := newStore(t, i)
		for _, next := range []answer{
			serves(jwks("a"), "ETag", `"v2"`),                           // the same document
			serves(jwks("b")),                                           // no tag
			serves(jwks("c"), "ETag", `"`+fmt.Sprintf("%0300d", 0)+`"`), // too long
			serves(jwks("d"), "ETag", `W/"weak"`),
			serves(jwks("d")), // the same document, without its tag
			serves(jwks("e")),
		} {
			require.NoError(t, store.Refresh(t.Context()))
			i.answers(next)
		}
		require.NoError(t, store.Refresh(t.Context()))
		var sent []string
		for _, r := range i.seen() {
			sent = append(sent, r.header.Get("If-None-Match"))
		}
		require.Equal(t, []string{"", tag, `"v2"`, "", "", `W/"weak"`, ""}, sent)
	})
	bubble(t, "a key is one pointer for as long as it is published", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a", "b"))}
		store := newStore(t, i)
		a, b := mustFind(t, store, "a"), mustFind(t, store, "b")
		for _, names := range [][]string{{"a", "b"}, {"b", "a"}, {"c", "b", "a"}, {"a", "b~other"}, {"a"}} {
			i.publishes(names...)
			require.NoError(t, store.Refresh(t.Context()))
			require.Same(t, a, mustFind(t, store, "a"))
		}
		alone, err := store.Key(t.Context(), "EdDSA", "", false)
		require.NoError(t, err)
		require.Same(t, a, alone)
		i.publishes("a", "b")
		require.NoError(t, store.Refresh(t.Context()))
		require.NotSame(t, b, mustFind(t, store, "b"), "it was away: what it verified before is void")
	})
	bubble(t, "a key without kid is one pointer too", func(t *testing.T) {
		i := &issuer{script: serves(`{"keys":[` + jwk("a", nil) + `]}`)}
		store := newStore(t, i)
		a, err := store.Key(t.Context(), "EdDSA", "", false)
		require.NoError(t, err)
		i.answers(serves(`{"keys":[{},` + jwk("a", nil) + `]}`))
		require.NoError(t, store.Refresh(t.Context()))
		again, err := store.Key(t.Context(), "EdDSA", "", false)
		require.NoError(t, err)
		require.Same(t, a, again)
		i.answers(serves(`{"keys":[` + jwk("b", nil) + `]}`))
		require.NoError(t, store.Refresh(t.Context()))
		other, err := store.Key(t.Context(), "EdDSA", "", false)
		require.NoError(t, err)
		require.NotSame(t, a, other)
	})
}
