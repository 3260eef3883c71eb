package keys_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/keys"
)

// told collects events.
type told struct {
	mu     sync.Mutex
	events []keys.Event
}

func (o *told) hook(c *keys.Config) {
	c.OnEvent = func(e keys.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events = append(o.events, e)
	}
}

// take empties the collection, when all fetches are through.
func (o *told) take() []keys.Event {
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.events
	o.events = nil
	return taken
}

// lines are events without their errors, one a line.
func lines(events []keys.Event) (all []string) {
	names := map[keys.EventKind]string{
		keys.KeyAdded: "added", keys.KeyRemoved: "removed", keys.KeyReplaced: "replaced",
		keys.KeyRefused: "refused", keys.SetRefused: "set refused",
	}
	for _, e := range events {
		all = append(all, strings.TrimSpace(names[e.Kind]+" "+e.KeyID+" "+e.Algorithm))
	}
	return all
}

func TestEvents(t *testing.T) {
	var noise [3000]string
	for n := range noise {
		noise[n] = fmt.Sprintf("noise-%04d", n)
	}
	for _, tc := range []struct {
		name         string
		before, then answer
		want         []string
	}{
		{"the first set", down, serves(jwks("a", "b")), []string{"added a EdDSA", "added b EdDSA"}},
		{"nothing new", serves(jwks("a")), serves(jwks("a")), nil},
		{"another order", serves(jwks("a", "b")), serves(jwks("b", "a")), nil},
		{"a rotation", serves(jwks("a")), serves(jwks("b")), []string{"added b EdDSA", "removed a EdDSA"}},
		{"L-14 a withdrawal", serves(jwks("a", "b")), serves(jwks("a")), []string{"removed b EdDSA"}},
		{"other material under the same kid", serves(jwks("a")), serves(jwks("a~other")), []string{"replaced a EdDSA"}},
		{"D-09 a key that is passed over", serves(jwks("a")), serves(strings.Replace(jwks("a"), "[", `[{"kty":"oct","k":"c2VjcmV0"},`, 1)), []string{"refused"}},
		{"a key that is passed over is told of once", serves(strings.Replace(jwks("a"), "[", `[{"kty":"oct","k":"c2VjcmV0"},`, 1)), serves(strings.Replace(jwks("a"), "[", `[{"kty":"oct","k":"c2VjcmV0"},`, 1)), nil},
		{"L-12 two keys under one kid", serves(jwks("a", "b")), serves(jwks("a", "b", "b~other")), []string{"removed b EdDSA", "refused"}},
		{"a key that loses its kid", serves(jwks("a")), serves(`{"keys":[` + jwk("a", nil) + `]}`), []string{"added  EdDSA", "removed a EdDSA"}},
		{"keys without kid", serves(`{"keys":[` + jwk("a", nil) + `]}`), serves(`{"keys":[` + jwk("b", nil) + "," + jwk("a", nil) + `]}`), []string{"added  EdDSA"}},
		{"L-08 an empty set", serves(jwks("a")), serves(`{"keys":[]}`), []string{"set refused"}},
		{"L-07 no set", serves(jwks("a")), serves("<html>"), []string{"set refused"}},
		{"no answer", serves(jwks("a")), down, []string{"set refused"}},
		{"304", serves(jwks("a"), "ETag", `"1"`), responds(http.StatusNotModified, ""), nil},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			var o told
			i := &issuer{script: tc.before}
			store := newStore(t, i, o.hook)
			_ = store.Refresh(t.Context())
			o.take()
			i.answers(tc.then)
			err := store.Refresh(t.Context())
			events := o.take()
			require.Equal(t, tc.want, lines(events))
			for _, e := range events {
				require.Equal(t, issuerURL, e.Issuer)
				switch e.Kind {
				case keys.SetRefused:
					require.Equal(t, err, e.Err)
				case keys.KeyRefused:
					require.Error(t, e.Err)
					require.NotContains(t, e.Err.Error(), "c2VjcmV0")
				default:
					require.NoError(t, e.Err)
				}
			}
		})
	}
	bubble(t, "L-18 at most 65 of one fetch", func(t *testing.T) {
		var o told
		i := &issuer{script: serves(jwks(noise[:64]...))}
		store := newStore(t, i, o.hook)
		require.NoError(t, store.Refresh(t.Context()))
		require.Len(t, o.take(), 64, "so many are told in full")
		i.answers(serves(jwks(noise[64:1000]...)))
		require.NoError(t, store.Refresh(t.Context()))
		events := o.take()
		require.Len(t, events, 65)
		last := events[64]
		require.Equal(t, keys.KeyRefused, last.Kind)
		require.Empty(t, last.KeyID)
		require.Equal(t, "and 936 more changes", last.Err.Error())
		i.answers(serves(strings.Replace(jwks("a"), "[", "["+strings.Repeat("{},", 1000), 1)))
		require.NoError(t, store.Refresh(t.Context()))
		require.Len(t, o.take(), 65)
	})
	bubble(t, "L-18 a set of nothing but bad keys is one event, and a short one", func(t *testing.T) {
		var o told
		store := newStore(t, &issuer{script: serves(`{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 1000) + `{}]}`)}, o.hook)
		_, err := find(store, "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		events := o.take()
		require.Equal(t, []string{"set refused"}, lines(events))
		require.Less(t, len(events[0].Err.Error()), 2048)
		require.Contains(t, events[0].Err.Error(), "and 985 more keys")
	})
	bubble(t, "a hook that panics, or ends its goroutine, costs nothing", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a", "b"))}
		calls := 0
		store := newStore(t, i, func(c *keys.Config) {
			c.OnEvent = func(keys.Event) { calls++; panic("hook") }
		})
		mustFind(t, store, "a")
		synctest.Wait()
		require.Equal(t, 2, calls, "one panic does not swallow the next event")
		i.publishes("a", "c")
		time.Sleep(longest)
		mustFind(t, store, "c")
	})
	bubble(t, "nobody waits for a hook", func(t *testing.T) {
		release := make(chan struct{})
		i := &issuer{script: serves(jwks("a"))}
		store := newStore(t, i, func(c *keys.Config) {
			c.OnEvent = func(keys.Event) { <-release }
		})
		require.Zero(t, took(func() { mustFind(t, store, "a") }))
		i.publishes("a", "b")
		time.Sleep(longest)
		require.Zero(t, took(func() { mustFind(t, store, "b") }))
		require.Zero(t, took(func() { require.NoError(t, store.Refresh(t.Context())) }))
		close(release)
	})
	bubble(t, "a hook may ask the store", func(t *testing.T) {
		var store *keys.Store
		answers := make(chan error, 1)
		store = newStore(t, &issuer{script: serves(jwks("a"))}, func(c *keys.Config) {
			c.OnEvent = func(keys.Event) {
				_, err := find(store, "a")
				answers <- err
				_ = store.Status()
			}
		})
		mustFind(t, store, "a")
		require.NoError(t, <-answers)
	})
	bubble(t, "an attacker's kid arrives as it is", func(t *testing.T) {
		var o told
		store := newStore(t, &issuer{script: serves(jwksWith(guardtest.Claims{"kid": "a\nb\x1b[0m"}, "x"))}, o.hook)
		require.NoError(t, store.Refresh(t.Context()))
		require.Equal(t, "a\nb\x1b[0m", o.take()[0].KeyID)
	})
}
