package keys_test

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

func TestKeyLifetime(t *testing.T) {
	bubble(t, "L-15 the last good set serves until MaxStale, then 503, then recovery", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		mustFind(t, store, "a")
		i.answers(responds(http.StatusInternalServerError, jwks("a")))
		time.Sleep(maxStale)
		mustFind(t, store, "a")
		require.True(t, store.Status().Usable)
		time.Sleep(time.Nanosecond)
		for range 3 {
			_, err := find(store, "a")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.NotErrorIs(t, err, keys.ErrUnknown)
			_, err = find(store, "never")
			require.ErrorIs(t, err, keys.ErrUnavailable)
		}
		require.False(t, store.Status().Usable)
		require.NoError(t, store.Ready(t.Context()), "it latches")
		i.publishes("a")
		time.Sleep(interval * 11 / 10)
		i.answers(hangs)
		mustFind(t, store, "a")
		require.True(t, store.Status().Usable)
	})
	bubble(t, "L-14 a withdrawn key is refused from the next refresh on", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a", "b"))}
		store := newStore(t, i)
		mustFind(t, store, "b")
		i.publishes("a")
		time.Sleep(interval * 11 / 10)
		_, err := find(store, "b")
		require.ErrorIs(t, err, keys.ErrUnknown)
		mustFind(t, store, "a")
	})
	bubble(t, "L-14 a replaced key is another key", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		before := mustFind(t, store, "a")
		i.publishes("a~stolen")
		time.Sleep(interval * 11 / 10)
		require.NotSame(t, before, mustFind(t, store, "a"))
	})
}

func TestRefresh(t *testing.T) {
	bubble(t, "it heeds no cool-down", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		for range 10 {
			require.NoError(t, store.Refresh(t.Context()))
		}
		require.Equal(t, 10, i.count())
		_, err := find(store, "b")
		require.ErrorIs(t, err, keys.ErrUnknown, "but opens none for tokens")
		require.Equal(t, 10, i.count())
	})
	bubble(t, "a fetch that began before is not enough", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a", "leaked"))}
		store := newStore(t, i)
		mustFind(t, store, "leaked")
		time.Sleep(longest)
		i.answers(late(time.Second, serves(jwks("a", "leaked"))))
		go func() { _, _ = find(store, "x") }()
		synctest.Wait()
		i.answers(late(time.Second, serves(jwks("a"))))
		require.Equal(t, 2*time.Second, took(func() { require.NoError(t, store.Refresh(t.Context())) }))
		_, err := find(store, "leaked")
		require.ErrorIs(t, err, keys.ErrUnknown)
		require.Equal(t, 3, i.count())
	})
	bubble(t, "many at once share the fetches", func(t *testing.T) {
		i := &issuer{script: late(time.Second, serves(jwks("a")))}
		store := newStore(t, i)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { require.NoError(t, store.Refresh(t.Context())) })
		}
		all.Wait()
		require.LessOrEqual(t, i.count(), 2)
	})
	bubble(t, "it says what went wrong, and who waits may go", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		require.ErrorIs(t, store.Refresh(t.Context()), errDown)
		i.answers(hangs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, store.Refresh(ctx), context.DeadlineExceeded)
		require.Equal(t, 4*time.Second, took(func() { _ = store.Refresh(t.Context()) })-5*time.Second, "the rest of that one, and one more")
	})
	bubble(t, "a refresh moves the schedule", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		mustFind(t, store, "a")
		for range 10 {
			time.Sleep(4 * time.Minute)
			require.NoError(t, store.Refresh(t.Context()))
		}
		require.Equal(t, 11, i.count())
	})
}

// TestRefreshRace has refreshes end while others begin: none may mistake the end for an error.
func TestRefreshRace(t *testing.T) {
	store := newStore(t, &issuer{script: serves(jwks("a"))})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if err := store.Refresh(context.Background()); err != nil {
					t.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			for range 500 {
				if _, err := find(store, "a"); err != nil {
					t.Error(err)
					return
				}
				_ = store.Status()
			}
		})
	}
	all.Wait()
}

func TestReady(t *testing.T) {
	bubble(t, "it begins the first fetch, and waits for later ones", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		go func() {
			time.Sleep(time.Minute)
			i.publishes("a")
		}()
		wait := took(func() { require.NoError(t, store.Ready(t.Context())) })
		require.Greater(t, wait, time.Minute)
		require.Less(t, wait, 3*time.Minute)
		i.answers(hangs)
		mustFind(t, store, "a")
		require.Zero(t, took(func() { require.NoError(t, store.Ready(t.Context())) }))
	})
	bubble(t, "it ends with its context, and names the cause", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, time.Second, took(func() {
			err := store.Ready(ctx)
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.ErrorIs(t, err, errDown)
		}))
		i.answers(hangs)
		hanging := newStore(t, i)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, hanging.Ready(ctx), context.DeadlineExceeded)
	})
	bubble(t, "it ends with the store", func(t *testing.T) {
		store := newStore(t, &issuer{script: hangs})
		go func() {
			time.Sleep(time.Second)
			store.Close()
		}()
		require.ErrorIs(t, store.Ready(t.Context()), keys.ErrClosed)
	})
}

func TestClose(t *testing.T) {
	refused := func(t *testing.T, store *keys.Store) {
		t.Helper()
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.ErrorIs(t, err, keys.ErrClosed)
		require.NotErrorIs(t, err, keys.ErrUnknown)
		require.ErrorIs(t, store.Refresh(t.Context()), keys.ErrClosed)
		status := store.Status()
		require.False(t, status.Usable)
		require.Zero(t, status.NextRefresh)
	}
	bubble(t, "a store that was never used", func(t *testing.T) {
		i := &issuer{script: down}
		store := newStore(t, i)
		store.Close()
		refused(t, store)
		require.ErrorIs(t, store.Ready(t.Context()), keys.ErrClosed)
		time.Sleep(time.Hour)
		require.Zero(t, i.count())
	})
	bubble(t, "no timer fires any more", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i)
		mustFind(t, store, "a")
		time.Sleep(time.Until(store.Status().NextRefresh) - 1)
		store.Close()
		store.Close()
		refused(t, store)
		require.NoError(t, store.Ready(t.Context()), "it latches")
		time.Sleep(24 * time.Hour)
		require.Equal(t, 1, i.count())
	})
	for name, script := range map[string]answer{"hangs": hangs, "is down": down} {
		bubble(t, "while the issuer "+name, func(t *testing.T) {
			i := &issuer{script: script}
			store := newStore(t, i)
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { _, _ = find(store, "a") })
				all.Go(func() { _ = store.Refresh(t.Context()) })
				all.Go(func() { require.ErrorIs(t, store.Ready(t.Context()), keys.ErrClosed) })
			}
			synctest.Wait()
			for range 3 {
				all.Go(func() { require.Zero(t, took(store.Close)) })
			}
			all.Wait()
			refused(t, store)
			before := i.count()
			time.Sleep(24 * time.Hour)
			require.Equal(t, before, i.count())
		})
	}
	bubble(t, "those who wait are told at once", func(t *testing.T) {
		store := newStore(t, &issuer{script: hangs})
		var all sync.WaitGroup
		all.Go(func() {
			require.Equal(t, time.Second, took(func() {
				_, err := find(store, "a")
				require.ErrorIs(t, err, keys.ErrClosed)
			}))
		})
		all.Go(func() { require.ErrorIs(t, store.Refresh(t.Context()), keys.ErrClosed) })
		time.Sleep(time.Second)
		store.Close()
		all.Wait()
	})
	bubble(t, "it waits for the fetch, and what that brings is not served", func(t *testing.T) {
		var told atomic.Bool
		stubborn := func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Minute) // whatever the context says
			return serves(jwks("a"))(r)
		}
		store := newStore(t, &issuer{script: stubborn}, func(c *keys.Config) {
			c.OnEvent = func(keys.Event) { told.Store(true) }
		})
		go func() { _, _ = find(store, "a") }()
		synctest.Wait()
		require.Equal(t, time.Minute, took(store.Close))
		refused(t, store)
		require.False(t, told.Load(), "an end of our own is nothing to tell of")
		time.Sleep(time.Hour)
	})
	t.Run("a thousand stores leave nothing behind", func(t *testing.T) {
		before := runtime.NumGoroutine()
		var stores []*keys.Store
		for range 1000 {
			store := newStore(t, &issuer{script: serves(jwks("a"))})
			mustFind(t, store, "a")
			stores = append(stores, store)
		}
		for _, store := range stores {
			store.Close()
		}
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			require.True(t, time.Now().Before(deadline), "%d goroutines", runtime.NumGoroutine())
		}
	})
}

// TestCloseRace closes stores amidst everything else.
func TestCloseRace(t *testing.T) {
	for range 200 {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i, func(c *keys.Config) {
			c.RefreshInterval, c.RefreshCooldown = 50*time.Microsecond, 10*time.Microsecond
		})
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { _, _ = find(store, "a") }, func() { _, _ = find(store, "forged") }, func() { _ = store.Refresh(context.Background()) },
			func() { _ = store.Ready(context.Background()) }, func() { _ = store.Status() }, store.Close, store.Close,
		} {
			all.Go(f)
		}
		all.Wait()
		after := i.count()
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrClosed)
		require.Equal(t, after, i.count())
	}
}

// TestTransportMisbehaves: a store must outlive what a caller's own Transport does to its goroutine.
func TestTransportMisbehaves(t *testing.T) {
	for name, script := range map[string]answer{
		"panic":         func(*http.Request) (*http.Response, error) { panic("token=secret") },
		"runtime error": func(r *http.Request) (*http.Response, error) { return nil, r.Response.Request.Context().Err() },
		"Goexit":        func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil },
		"nothing":       func(*http.Request) (*http.Response, error) { return nil, nil },
	} {
		bubble(t, name, func(t *testing.T) {
			i := &issuer{script: script}
			store := newStore(t, i)
			require.Zero(t, took(func() {
				_, err := find(store, "a")
				require.ErrorIs(t, err, keys.ErrUnavailable)
				require.NotContains(t, err.Error(), "secret")
			}))
			i.publishes("a")
			time.Sleep(longest)
			mustFind(t, store, "a")
			i.answers(script)
			require.Error(t, store.Refresh(t.Context()))
			mustFind(t, store, "a")
			i.publishes("a", "b")
			time.Sleep(longest)
			mustFind(t, store, "b")
		})
	}
}
