package bearerguard_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// BenchmarkColdStart is the time from New to the first token that is accepted, over a real connection.
func BenchmarkColdStart(b *testing.B) {
	for _, keys := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			iss := guardtest.NewIssuer(b, "ES256")
			for range keys - 1 {
				iss.Rotate("ES256")
			}
			token := iss.Token(nil)
			b.ReportAllocs()
			for b.Loop() {
				guard, err := bearerguard.New(iss.Config(resource))
				if err != nil {
					b.Fatal(err)
				}
				if cause := causeOf(guard, token); cause != "" {
					b.Fatal(cause)
				}
				b.StopTimer()
				_ = guard.Close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkKeys is a token that was never seen before, by one of many keys, of one of many issuers: no slower than one.
func BenchmarkKeys(b *testing.B) {
	for _, row := range []struct{ keys, issuers int }{{1, 1}, {1000, 1}, {1, 1000}} {
		b.Run(fmt.Sprintf("keys=%d/issuers=%d", row.keys, row.issuers), func(b *testing.B) {
			var realms []*guardtest.Issuer
			for n := range row.issuers {
				realms = append(realms, guardtest.NewIssuerAt(b, fmt.Sprintf("https://login%d.example.com", n), "ES256"))
			}
			last := realms[len(realms)-1]
			for range row.keys - 1 {
				last.Rotate("ES256")
			}
			guard, token := mustNew(b, realmsConfig(realms...)), last.Token(nil)
			if err := guard.Ready(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if cause := causeOf(guard, token); cause != "" {
					b.Fatal(cause)
				}
			}
		})
	}
}

// BenchmarkIssuers is what a thousand issuers cost that nobody uses, and that all are used.
func BenchmarkIssuers(b *testing.B) {
	const many = 1000
	var realms []*guardtest.Issuer
	for n := range many {
		realms = append(realms, guardtest.NewIssuerAt(b, fmt.Sprintf("https://login%d.example.com/realms/a", n), "Ed25519"))
	}
	for _, used := range []bool{false, true} {
		b.Run(map[bool]string{false: "idle", true: "used"}[used], func(b *testing.B) {
			goroutines, before := runtime.NumGoroutine(), heap()
			var guard *bearerguard.Guard
			for b.Loop() {
				if guard != nil {
					_ = guard.Close()
				}
				var err error
				if guard, err = bearerguard.New(realmsConfig(realms...)); err != nil {
					b.Fatal(err)
				}
				if used {
					if err := guard.Ready(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/many, "heap-B/issuer")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/many, "goroutines/issuer")
			_ = guard.Close()
		})
	}
}

// BenchmarkFlood is L-09: a kid that nobody has, with every request, over a real connection to the issuer.
func BenchmarkFlood(b *testing.B) {
	const cooldown = 50 * time.Millisecond
	iss := guardtest.NewIssuer(b, "Ed25519")
	cfg := iss.Config(resource)
	cfg.Issuers[0].RefreshCooldown = cooldown
	guard := mustNew(b, cfg)
	if err := guard.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	tokens := make([]string, 10_000)
	for i := range tokens {
		tokens[i] = forgedKid(iss, fmt.Sprint(i))
	}
	iss.ResetRequests()
	begin, n := time.Now(), 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; causeOf(guard, tokens[n%len(tokens)]) == "" {
			b.Fatal("accepted")
		}
	}
	b.ReportMetric(float64(iss.Requests()), "fetches")
	b.ReportMetric(float64(iss.Requests())*float64(cooldown)/float64(time.Since(begin)), "fetches/cool-down")
}

// BenchmarkIssuerFlood is an iss that nobody has, with every request, on a tenants' host.
func BenchmarkIssuerFlood(b *testing.B) {
	guard, x := newTenants(b, noTenant)
	var tokens []string
	for i := range 10_000 {
		tokens = append(tokens, forgeInput(forgeHeader("EdDSA", "ed"), forgePayload(fmt.Sprintf("https://%s/%d", tenantHost, i)))+"."+strings.Repeat("A", 86))
	}
	begin, n := time.Now(), 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; causeOf(guard, tokens[n%len(tokens)]) == "" {
			b.Fatal("accepted")
		}
	}
	b.ReportMetric(float64(x.count())/time.Since(begin).Seconds(), "questions/s")
}
