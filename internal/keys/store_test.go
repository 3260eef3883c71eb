package keys_test

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

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

func TestFirstLookup(t *testing.T) {
	bubble(t, "L-10 ten thousand at once share one fetch", func(t *testing.T) {
		i := &issuer{script: late(time.Second, serves(jwks("a")))}
		store := newStore(t, i)
		var (
			all  sync.WaitGroup
			good atomic.Int32
		)
		for range 10_000 {
			all.Go(func() {
				start := time.Now()
				if _, err := find(store, "a"); err == nil && time.Since(start) == time.Second {
					good.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 10_000, good.Load())
		require.Equal(t, 1, i.count())
	})
	bubble(t, "L-11 who hangs up fails nobody else", func(t *testing.T) {
		i := &issuer{script: late(time.Second, serves(jwks("a")))}
		store := newStore(t, i)
		ctx, hangUp := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() { // it begins the fetch
			start := time.Now()
			_, err := store.Key(ctx, "EdDSA", "a", true)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.NotErrorIs(t, err, keys.ErrUnknown)
			require.Equal(t, 100*time.Millisecond, time.Since(start))
		})
		synctest.Wait()
		for range 10 {
			all.Go(func() { mustFind(t, store, "a") })
		}
		time.Sleep(100 * time.Millisecond)
		hangUp()
		all.Wait()
		require.Equal(t, 1, i.count())
	})
	bubble(t, "L-02 an issuer that hangs holds nobody for longer than 2 s", func(t *testing.T) {
		i := &issuer{script: hangs}
		store := newStore(t, i)
		var all sync.WaitGroup
		for _, tc := range []struct{ after, wait time.Duration }{
			{0, patience}, {time.Second, time.Second}, {1999 * time.Millisecond, time.Millisecond}, {patience, 0}, {4 * time.Second, 0},
		} {
			all.Go(func() {
				time.Sleep(tc.after)
				require.Equal(t, tc.wait, took(func() {
					_, err := find(store, "a")
					require.ErrorIs(t, err, keys.ErrUnavailable)
					require.NotErrorIs(t, err, keys.ErrUnknown)
				}), "begun after %v", tc.after)
			})
		}
		all.Wait()
		require.Equal(t, 1, i.count())
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, store.Status().Err, context.DeadlineExceeded, "the fetch itself ends after 5 s")
		require.Zero(t, took(func() { _, _ = find(store, "a") }), "in the cool-down")
		require.Equal(t, 1, i.count())
	})
	bubble(t, "the key that comes with the first set is unknown only when it is not in it", func(t *testing.T) {
		store := newStore(t, &issuer{script: late(time.Second, serves(jwks("a")))})
		_, err := find(store, "forged")
		require.ErrorIs(t, err, keys.ErrUnknown)
		require.NotErrorIs(t, err, keys.ErrUnavailable)
	})
	bubble(t, "no kid: the only key of the algorithm", func(t *testing.T) {
		store := newStore(t, &issuer{script: serves(jwks("a"))})
		key, err := store.Key(t.Context(), "EdDSA", "", false)
		require.NoError(t, err)
		require.Same(t, mustFind(t, store, "a"), key)
		_, err = store.Key(t.Context(), "ES256", "", false)
		require.ErrorIs(t, err, keys.ErrUnknown)
	})
}

func TestUnknownKey(t *testing.T) {
	warm := func(t *testing.T) (*issuer, *keys.Store) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		mustFind(t, store, "a")
		return i, store
	}
	unknown := func(t *testing.T, store *keys.Store, kid string, wait time.Duration) {
		t.Helper()
		require.Equal(t, wait, took(func() {
			_, err := find(store, kid)
			require.ErrorIs(t, err, keys.ErrUnknown)
		}))
	}
	bubble(t, "L-09 ten thousand forged kids: a fetch a cool-down, and a new key is seen within one", func(t *testing.T) {
		i, store := warm(t)
		rotated := time.Time{}
		start := time.Now()
		for n := range 60_000 { // a minute
			_, err := find(store, fmt.Sprint("forged-", n))
			require.ErrorIs(t, err, keys.ErrUnknown)
			if n == 31_234 {
				i.publishes("a", "b")
				rotated = time.Now()
			}
			if _, err := find(store, "b"); err == nil && !rotated.IsZero() {
				require.LessOrEqual(t, time.Since(rotated), longest+time.Millisecond)
				break
			}
			time.Sleep(time.Millisecond)
		}
		mustFind(t, store, "b")
		require.LessOrEqual(t, i.count(), 2+int(time.Since(start)/shortest))
		different := make(map[time.Duration]bool)
		for _, gap := range gaps(i.seen()) {
			require.GreaterOrEqual(t, gap, shortest)
			require.LessOrEqual(t, gap, longest+time.Millisecond)
			different[gap] = true
		}
		require.Greater(t, len(different), 1, "nobody can tell when the next one will be allowed")
	})
	bubble(t, "L-09 a key that is new right after the flood", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		for n := range 10_000 {
			_, err := find(store, fmt.Sprint("forged-", n))
			require.ErrorIs(t, err, keys.ErrUnknown)
		}
		require.Equal(t, 2, i.count())
		i.publishes("a", "b")
		unknown(t, store, "b", 0)
		time.Sleep(longest)
		mustFind(t, store, "b")
		require.Equal(t, 3, i.count())
	})
	bubble(t, "a set fetched within the cool-down answers for itself", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(shortest - time.Nanosecond)
		i.answers(hangs)
		unknown(t, store, "b", 0)
		require.Equal(t, 1, i.count())
		go func() { _ = store.Refresh(t.Context()) }()
		synctest.Wait()
		unknown(t, store, "b", 0)
		require.Equal(t, 2, i.count(), "also while another fetch is under way")
	})
	bubble(t, "64 wait, all others are answered at once, and known keys never wait", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		i.answers(late(time.Second, serves(jwks("a", "b"))))
		var (
			all                     sync.WaitGroup
			waited, atOnce, foundIt atomic.Int32
		)
		for n := range 1000 {
			kid := "b"
			if n%2 == 0 {
				kid = fmt.Sprint("forged-", n)
			}
			all.Go(func() {
				start := time.Now()
				_, err := find(store, kid)
				switch wait := time.Since(start); {
				case wait == 0 && errors.Is(err, keys.ErrUnavailable):
					atOnce.Add(1)
				case wait == time.Second && (err == nil && kid == "b" || errors.Is(err, keys.ErrUnknown) && kid != "b"):
					waited.Add(1)
				}
			})
			all.Go(func() {
				if took(func() { mustFind(t, store, "a") }) == 0 {
					foundIt.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 64, waited.Load())
		require.EqualValues(t, 1000-64, atOnce.Load())
		require.EqualValues(t, 1000, foundIt.Load())
		require.Equal(t, 2, i.count())

		// The places are free again.
		time.Sleep(longest)
		i.publishes("a", "c")
		mustFind(t, store, "c")
	})
	bubble(t, "L-02 a refetch that hangs: 2 s from its start, then nobody waits", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		i.answers(hangs)
		for n, wait := range []time.Duration{patience, 0, 0} {
			require.Equal(t, wait, took(func() {
				_, err := find(store, fmt.Sprint("forged-", n))
				require.ErrorIs(t, err, keys.ErrUnavailable)
			}))
		}
		require.Zero(t, took(func() { mustFind(t, store, "a") }))
		require.Equal(t, 2, i.count())
	})
	bubble(t, "a refetch that fails is our fault, not the token's", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		i.answers(down)
		for range 2 { // the second one in the cool-down of the failure
			_, err := find(store, "b")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.ErrorIs(t, err, errDown)
		}
		require.Equal(t, 2, i.count())
	})
	bubble(t, "who asked in vain does not wait again, until a fetch has succeeded", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		i.answers(late(time.Second, serves(jwks("a"))))
		unknown(t, store, "x", time.Second)
		time.Sleep(longest)
		unknown(t, store, "x", 0) // and begins a fetch
		unknown(t, store, "y", time.Second)
		require.Equal(t, 3, i.count())
		time.Sleep(longest)
		unknown(t, store, "x", time.Second) // that fetch was not x's
		time.Sleep(longest)
		i.answers(down)
		unknown(t, store, "x", 0)
		synctest.Wait()
		_, err := find(store, "x")
		require.ErrorIs(t, err, keys.ErrUnavailable, "the last fetch failed")
	})
	bubble(t, "who asked in vain asks for a fetch, and has the key from it", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		unknown(t, store, "b", 0)
		i.publishes("a", "b")
		time.Sleep(longest)
		unknown(t, store, "b", 0)
		synctest.Wait()
		mustFind(t, store, "b")
		require.Equal(t, 3, i.count())
	})
	bubble(t, "a kid asked for under one algorithm is not in vain under another", func(t *testing.T) {
		i, store := warm(t)
		time.Sleep(longest)
		_, err := store.Key(t.Context(), "ES256", "x", true)
		require.ErrorIs(t, err, keys.ErrUnknown)
		time.Sleep(longest)
		i.answers(late(time.Second, serves(jwks("a"))))
		unknown(t, store, "x", time.Second)
	})
	bubble(t, "the memory of kids asked for in vain is bounded", func(t *testing.T) {
		i := &issuer{script: late(time.Second, serves(jwks("a")))}
		store := newStore(t, i)
		long := strings.Repeat("k", 257)
		var all sync.WaitGroup
		all.Go(func() { _, _ = find(store, long) })
		for n := range 2000 {
			all.Go(func() { _, _ = find(store, fmt.Sprint("forged-", n)) })
		}
		all.Wait()
		time.Sleep(longest)
		i.answers(hangs)
		_, err := find(store, long)
		require.ErrorIs(t, err, keys.ErrUnavailable)
		remembered := 0
		for n := range 2000 {
			if _, err := find(store, fmt.Sprint("forged-", n)); errors.Is(err, keys.ErrUnknown) {
				remembered++
			}
		}
		require.Equal(t, 1024, remembered)
	})
}

// hesitant is the context of somebody who is held up before waiting, and then hangs up.
type hesitant struct{ context.Context }

func (h hesitant) Done() <-chan struct{} {
	time.Sleep(time.Second)
	return h.Context.Done()
}

func TestWaitInVain(t *testing.T) {
	bubble(t, "what another wait has brought is the answer all the same", func(t *testing.T) {
		ctx, hangUp := context.WithCancel(t.Context())
		hangUp()
		for range 50 { // either end of the wait may come first
			store := newStore(t, &issuer{script: late(time.Second/2, serves(jwks("a")))})
			_, err := store.Key(hesitant{ctx}, "EdDSA", "a", true)
			require.NoError(t, err)
			store = newStore(t, &issuer{script: late(time.Second/2, serves(jwks("a")))})
			_, err = store.Key(hesitant{ctx}, "EdDSA", "forged", true)
			require.ErrorIs(t, err, keys.ErrUnknown)
		}
	})
}

// TestFloodLeavesNothing floods fetches that hang. Nobody waits for them, so nothing may pile up behind them.
func TestFloodLeavesNothing(t *testing.T) {
	flood := func(t *testing.T, store *keys.Store) {
		before := heap()
		for range 100_000 {
			if _, err := find(store, "forged"); err == nil {
				t.Fatal("found")
			}
		}
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(store)
	}
	bubble(t, "before the first set", func(t *testing.T) {
		store := newStore(t, &issuer{script: hangs})
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		flood(t, store)
	})
	bubble(t, "of a kid asked for in vain", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		_, err := find(store, "forged")
		require.ErrorIs(t, err, keys.ErrUnknown)
		time.Sleep(longest)
		i.answers(hangs)
		flood(t, store)
		require.Equal(t, 2, i.count())
	})
	bubble(t, "of callers that hang up", func(t *testing.T) {
		store := newStore(t, &issuer{script: hangs})
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		before := heap()
		for range 100_000 {
			if _, err := store.Key(gone, "EdDSA", "a", true); err == nil {
				t.Fatal("found")
			}
		}
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(store)
	})
}

func TestStatic(t *testing.T) {
	i := &issuer{script: down}
	static := func(c *keys.Config) { c.Static, c.JWKSURL = jwks("a"), "" }
	bubble(t, "a static set never ages and never fetches", func(t *testing.T) {
		store := newStore(t, i, static)
		require.NoError(t, store.Ready(t.Context()))
		time.Sleep(1000 * time.Hour)
		mustFind(t, store, "a")
		_, err := find(store, "b")
		require.ErrorIs(t, err, keys.ErrUnknown)
		require.ErrorContains(t, store.Refresh(t.Context()), "configuration")
		require.Equal(t, keys.Status{Keys: 1, Usable: true}, store.Status())
		require.Zero(t, i.count())
		store.Close()
		_, err = find(store, "a")
		require.ErrorIs(t, err, keys.ErrClosed)
	})
	t.Run("a static set without a usable key is a mistake", func(t *testing.T) {
		_, err := keys.New(keys.Config{Static: `{"keys":[]}`, Algorithms: every})
		require.Error(t, err)
	})
}
