package bearerguard_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// forgedKid is a token that nobody has signed, with a kid that nobody has.
func forgedKid(iss *guardtest.Issuer, kid string) string {
	return forgeInput(forgeHeader("Ed25519", kid), forgePayload(iss.URL())) + "." + strings.Repeat("_", 85) + "w" // S is out of range, so it costs little
}

// together runs f so many times, in so many goroutines.
func together(workers, times int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(times); i = next.Add(1) {
				f(int(i))
			}
		})
	}
	all.Wait()
}

// TestFlood is L-09 B-07 over a real connection to the issuer: 10,000 forged kids, and then a rotation.
func TestFlood(t *testing.T) {
	const cooldown = 20 * time.Millisecond
	iss := guardtest.NewIssuer(t, "Ed25519")
	cfg := iss.Config(resource)
	cfg.Issuers[0].RefreshCooldown = cooldown
	guard := mustNew(t, cfg)
	token := iss.Token(nil)
	if err := guard.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	iss.ResetRequests()
	begin := time.Now()
	var worst, worstGood atomic.Int64
	together(32, 10_000, func(i int) {
		raw, slowest := forgedKid(iss, fmt.Sprintf("kid-%d", i)), &worst
		if i%100 == 0 {
			raw, slowest = token, &worstGood
		}
		began := time.Now()
		switch cause := causeOf(guard, raw); {
		case i%100 == 0 && cause != "":
			t.Errorf("good token: %v", cause)
		case i%100 != 0 && cause != bearerguard.ErrUnknownKey && cause != bearerguard.ErrUnavailable:
			t.Errorf("forged token: %v", cause)
		}
		for took := int64(time.Since(began)); ; {
			if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
				break
			}
		}
	})
	took := time.Since(begin)
	if n, most := iss.RequestsTo("/jwks"), int(took/(cooldown*8/10))+1; n > most {
		t.Errorf("%d fetches in %v, want at most %d", n, took, most)
	}
	if iss.Requests() != iss.RequestsTo("/jwks") {
		t.Error("discovery goes on")
	}
	if d := time.Duration(worst.Load()); d > 3*time.Second {
		t.Errorf("a forged token was answered after %v", d)
	}
	t.Logf("10,000 forged kids in %v: %d fetches, slowest answers %v, of a good token %v", took, iss.Requests(), time.Duration(worst.Load()), time.Duration(worstGood.Load()))

	iss.Rotate("Ed25519")
	rotated, since := iss.Token(nil), time.Now()
	flood, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for flood.Err() == nil {
			causeOf(guard, forgedKid(iss, rand.Text()))
		}
	})
	eventually(t, "the new key is taken, though the flood goes on", func() bool { return causeOf(guard, rotated) == "" })
	t.Logf("rotation accepted after %v", time.Since(since))
	stop()
	flooding.Wait()
	if cause := causeOf(guard, token); cause != "" {
		t.Error(cause)
	}
}

func TestFloodInTime(t *testing.T) {
	inTime(t, "L-09 one fetch a cool-down, and a rotation is seen within one", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ok200, longLived(iss))
		iss.ResetRequests()
		begin, kid := time.Now(), 0
		flood := func() {
			for range 20 {
				kid++
				if cause := causeOf(guard, forgedKid(iss, fmt.Sprint(kid))); cause != bearerguard.ErrUnknownKey {
					t.Errorf("%v", cause)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		for range 500 {
			flood() // 10,000 in 50 seconds
		}
		if n, most := iss.Requests(), int(time.Since(begin)/(4*time.Second))+1; n > most || n < 8 {
			t.Errorf("%d fetches in %v, want at most %d", n, time.Since(begin), most)
		}
		iss.Rotate("Ed25519")
		rotated, since := longLived(iss), time.Now()
		for causeOf(guard, rotated) != "" {
			if flood(); time.Since(since) > 6*time.Second+100*time.Millisecond {
				t.Fatal("not accepted within a cool-down")
			}
		}
	})
	inTime(t, "L-09 a key that was asked for in vain is taken within a cool-down of its publication", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ok200, longLived(iss))
		iss.PublishJWKS(string(iss.JWKS()))
		iss.Rotate("Ed25519") // and signs with it, before it is published
		early := longLived(iss)
		for range 300 {
			hold(t, guard, badTk, early)
			time.Sleep(100 * time.Millisecond)
		}
		iss.PublishJWKS("")
		since := time.Now()
		for causeOf(guard, early) != "" {
			if time.Sleep(100 * time.Millisecond); time.Since(since) > 6*time.Second+100*time.Millisecond {
				t.Fatal("not accepted within a cool-down")
			}
		}
	})
	inTime(t, "L-09 the same kid over and over", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ok200, longLived(iss))
		iss.ResetRequests()
		iss.Delay(time.Second)
		for range 600 {
			begin := time.Now()
			if cause := causeOf(guard, forgedKid(iss, "x")); cause != bearerguard.ErrUnknownKey || time.Since(begin) > time.Second {
				t.Errorf("%v after %v", cause, time.Since(begin))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := iss.Requests(); n > 16 {
			t.Errorf("%d fetches in a minute", n)
		}
	})
	inTime(t, "L-09 B-07 kids of all sizes, bounded memory", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		hold(t, guard, ok200, longLived(iss))
		before := heap()
		for i := range 4_000 {
			if i%40 == 0 {
				time.Sleep(7 * time.Second) // so that fetches are made for some of them
			}
			causeOf(guard, forgedKid(iss, rand.Text()+strings.Repeat("x", i%20*450)))
		}
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%d bytes more", grown)
		}
	})
	inTime(t, "L-09 64 may wait for a slow issuer, the others are answered at once", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		token := longLived(iss)
		hold(t, guard, ok200, token)
		time.Sleep(7 * time.Second)
		iss.Hang()
		begin := time.Now()
		var at [500]time.Duration
		var all sync.WaitGroup
		for i := range at {
			all.Go(func() {
				if cause := causeOf(guard, forgedKid(iss, fmt.Sprint(i))); cause != bearerguard.ErrUnavailable {
					t.Error(cause)
				}
				at[i] = time.Since(begin)
			})
		}
		synctest.Wait()
		hold(t, guard, ok200, token)
		if time.Since(begin) != 0 {
			t.Error("a good token had to wait")
		}
		all.Wait()
		slices.Sort(at[:])
		if at[500-64-1] != 0 || at[500-64] != 2*time.Second || at[499] != 2*time.Second {
			t.Errorf("answered after %v, %v, %v", at[500-64-1], at[500-64], at[499])
		}
		iss.Recover()
	})
	inTime(t, "L-10 10,000 first requests, one fetch", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Delay(500 * time.Millisecond)
		token := forgedKid(iss, iss.KeyID("Ed25519"))
		var all sync.WaitGroup
		for range 10_000 {
			all.Go(func() {
				if cause := causeOf(guard, token); cause != bearerguard.ErrSignature {
					t.Error(cause)
				}
			})
		}
		all.Wait()
		if n := iss.Requests(); n != 2 {
			t.Errorf("%d requests, want one for metadata and one for keys", n)
		}
	})
	inTime(t, "L-10 10,000 first requests, the issuer is down", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.FaultsOn("/jwks")
		iss.Fail(500)
		token := forgedKid(iss, iss.KeyID("Ed25519"))
		together(100, 10_000, func(int) {
			if cause := causeOf(guard, token); cause != bearerguard.ErrUnavailable {
				t.Error(cause)
			}
		})
		if n := iss.RequestsTo("/jwks"); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
	inTime(t, "L-11 the first caller hangs up, the others are served", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		iss.Hang()
		token := longLived(iss)
		first, hangUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := guard.Verify(first, token, bearerguard.Authenticated()); err == nil {
				t.Error("served")
			}
		})
		synctest.Wait()
		for range 50 {
			all.Go(func() { hold(t, guard, ok200, token) })
		}
		synctest.Wait()
		hangUp()
		synctest.Wait()
		iss.Recover()
		all.Wait()
		if n := iss.Requests(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
	inTime(t, "L-11 a caller who is gone from the start begins a fetch for the others", func(t *testing.T, iss *guardtest.Issuer, guard *bearerguard.Guard) {
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		_, _ = guard.Verify(gone, longLived(iss), bearerguard.Authenticated())
		synctest.Wait()
		iss.GoDown()
		hold(t, guard, ok200, longLived(iss))
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAttackSupplyKeyIDs is L-12 and L-13: which key of a set it is.
func TestAttackSupplyKeyIDs(t *testing.T) {
	k := own()
	jwk := func(key any, more guardtest.Claims) guardtest.Claims { return guardtest.JWK(key, more) }
	type claims = guardtest.Claims
	rs, other := jwk(&k.rs.PublicKey, claims{"kid": "k", "alg": "RS256"}), jwk(&k.spare.PublicKey, claims{"kid": "k", "alg": "RS256"})
	es, nameless, nameless2 := jwk(&k.es256.PublicKey, claims{"kid": "k", "alg": "ES256"}), jwk(&k.rs.PublicKey, claims{"alg": "RS256"}), jwk(&k.spare.PublicKey, claims{"alg": "RS256"})
	named := jwk(&k.spare.PublicKey, claims{"kid": "other", "alg": "RS256"})
	enc := jwk(&k.evil.PublicKey, claims{"kid": "enc", "use": "enc"})
	esUse := jwk(&k.es256.PublicKey, claims{"kid": "k", "use": "sig"})
	rsUse := jwk(&k.rs.PublicKey, claims{"kid": "k", "alg": "RS256", "use": "sig"})
	for _, row := range []struct {
		name string
		set  []guardtest.Claims
		alg  string
		key  any
		kid  any
		want answer
	}{
		{"L-12 R7517-09 same kid, RSA and EC: the RSA one", []claims{rs, es}, "RS256", k.rs, "k", ok200},
		{"L-12 R7517-09 same kid, RSA and EC: the EC one", []claims{rs, es}, "ES256", k.es256, "k", ok200},
		{"L-12 R7517-09 same kid, two RSA keys: the first", []claims{rs, other, es}, "RS256", k.rs, "k", badTk},
		{"L-12 R7517-09 same kid, two RSA keys: the last", []claims{rs, other, es}, "RS256", k.spare, "k", badTk},
		{"L-12 same kid, two RSA keys: the first, without kid", []claims{rs, other, es}, "RS256", k.rs, nil, badTk},
		{"L-12 same kid, two RSA keys: the EC key goes on", []claims{rs, other, es}, "ES256", k.es256, "k", ok200},
		{"L-12 the same key twice", []claims{rs, rs, es}, "RS256", k.rs, "k", ok200},
		{"L-12 the same key twice, without kid", []claims{rs, rs, es}, "RS256", k.rs, nil, ok200},
		{"L-12 the same key twice and another", []claims{rs, other, rs, es}, "RS256", k.rs, "k", badTk},
		{"L-13 a key without kid, a token with one", []claims{nameless}, "RS256", k.rs, "k", badTk},
		{"L-13 a key without kid, a token with an empty one", []claims{nameless}, "RS256", k.rs, "", badTk},
		{"L-13 B-10 a key without kid, a token without", []claims{nameless, es}, "RS256", k.rs, nil, ok200},
		{"L-13 B-10 two keys without kid", []claims{nameless, nameless2}, "RS256", k.rs, nil, badTk},
		{"L-13 B-10 a key with kid, one without", []claims{nameless, named}, "RS256", k.rs, nil, badTk},
		{"B-10 two keys with kid, a token without", []claims{rs, named}, "RS256", k.rs, nil, badTk},
		{"B-10 two keys with kid, a token without, by the last", []claims{rs, named}, "RS256", k.spare, nil, badTk},
		{"L-13 B-10 two keys without kid, by the last", []claims{nameless, nameless2}, "RS256", k.spare, nil, badTk},
		{"L-13 B-10 a key with kid, one without, by the last", []claims{nameless, named}, "RS256", k.spare, nil, badTk},
		{"B-08 the kid in another case", []claims{rs}, "RS256", k.rs, "K", badTk},
		{"B-08 the kid with a NUL", []claims{rs}, "RS256", k.rs, "k\x00", badTk},
		{"B-08 the kid with a blank", []claims{rs}, "RS256", k.rs, " k", badTk},
		{"B-20 the key for encryption", []claims{rsUse, enc}, "RS256", k.evil, "enc", badTk},
		{"B-20 the key for encryption, without kid", []claims{esUse, enc}, "RS256", k.evil, nil, badTk},
		{"R8414-08 a key without use beside one for encryption", []claims{rs, enc, esUse}, "RS256", k.rs, "k", badTk},
		{"R8414-08 a key with use beside one for encryption", []claims{rsUse, enc}, "RS256", k.rs, "k", ok200},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss := guardtest.NewIssuer(t, "Ed25519")
			iss.PublishJWKS(forgeJSON(claims{"keys": row.set}))
			s, _ := newSupplied(t, iss, func(cfg *bearerguard.Config) { cfg.HTTPClient = &http.Client{} })
			s.get(t, row.want, "/any", forgeSigned(row.alg, row.key, forgeHeader(row.alg, "", claims{"kid": row.kid}), forgePayload(iss.URL())))
		})
	}
}
