package keys_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard/internal/keys"
)

// BenchmarkKey is the price of a request with a known key.
func BenchmarkKey(b *testing.B) {
	for _, n := range []int{1, 1000} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("key-%04d", i)
		}
		store := newStore(b, &issuer{script: serves(jwks(names...))})
		mustFind(b, store, names[n/2])
		ctx := b.Context()
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Key(ctx, "EdDSA", names[n/2], true); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d keys, in parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := store.Key(ctx, "EdDSA", names[n/2], true); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkUnknownKey is the price of a request with a forged kid, which must not pay for the attacker.
func BenchmarkUnknownKey(b *testing.B) {
	forged := make([]string, 1<<16)
	for n := range forged {
		forged[n] = fmt.Sprintf("forged-%05d", n)
	}
	flood := func(b *testing.B, store *keys.Store, kids []string) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if _, err := find(store, kids[n%len(kids)]); err == nil {
				b.Fatal("found")
			}
			n++
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/request")
	}
	warm := func(b *testing.B, change ...func(*keys.Config)) (*issuer, *keys.Store) {
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(b, i, change...)
		mustFind(b, store, "a")
		return i, store
	}
	b.Run("within the cool-down", func(b *testing.B) {
		_, store := warm(b, func(c *keys.Config) { c.RefreshCooldown = time.Hour })
		flood(b, store, forged)
	})
	b.Run("a fetch a cool-down", func(b *testing.B) {
		i, store := warm(b, func(c *keys.Config) { c.RefreshCooldown = 10 * time.Millisecond })
		flood(b, store, forged)
		b.ReportMetric(float64(i.count())/(b.Elapsed().Seconds()*100), "fetches/cool-down")
	})
	b.Run("the issuer is down", func(b *testing.B) {
		i, store := warm(b, func(c *keys.Config) { c.RefreshCooldown = time.Nanosecond; c.RefreshInterval = time.Hour })
		i.answers(responds(503, "", "Retry-After", "3600"))
		flood(b, store, forged)
	})
	b.Run("the issuer hangs", func(b *testing.B) {
		i, store := warm(b, func(c *keys.Config) { c.RefreshCooldown = time.Nanosecond; c.Timeout = 5 * time.Second })
		i.answers(hangs)
		_, _ = find(store, forged[0]) // the 2 s of the first
		flood(b, store, forged)
	})
}

// TestIdle pins the price of an issuer that nobody has asked for, and of one whose keys are there.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1000
		i := &issuer{script: serves(jwks("a"))}
		stores := make([]*keys.Store, most)
		before, routines := heap(), runtime.NumGoroutine()
		for n := range stores {
			stores[n] = newStore(t, i)
		}
		idle := (heap() - before) / most
		if idle > 4<<10 {
			t.Errorf("%d bytes a store", idle)
		}
		for _, store := range stores {
			mustFind(t, store, "a")
		}
		synctest.Wait()
		i.forget()
		if more := runtime.NumGoroutine() - routines; more > most/100 { // the runtime may have begun one of its own
			t.Errorf("%d goroutines", more)
		}
		t.Logf("%d bytes a store, %d with a key", idle, (heap()-before)/most)
		runtime.KeepAlive(stores)
	})
}

func BenchmarkIdle(b *testing.B) {
	const most = 1000
	i := &issuer{script: serves(jwks("a"))}
	stores := make([]*keys.Store, most)
	routines := runtime.NumGoroutine()
	var idle, warm int64
	for b.Loop() {
		clear(stores)
		before := heap()
		for n := range stores {
			stores[n] = newStore(b, i)
		}
		idle = heap() - before
		for _, store := range stores {
			mustFind(b, store, "a")
		}
		i.forget()
		warm = heap() - before
		for runtime.NumGoroutine() > routines {
			runtime.Gosched()
		}
		for _, store := range stores {
			store.Close()
		}
	}
	b.ReportMetric(float64(idle)/most, "B/idle-store")
	b.ReportMetric(float64(warm)/most, "B/warm-store")
	b.ReportMetric(float64(runtime.NumGoroutine()-routines), "goroutines")
}
