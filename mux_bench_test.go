package bearerguard_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// judged is a request as it is within a guard: its verdict is used again, so that what comes is not about the token.
func judged(b *testing.B, guard *bearerguard.Guard, r *http.Request) (within *http.Request) {
	b.Helper()
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { within = r })
	guard.Require(bearerguard.Authenticated())(handler).ServeHTTP(&nobody{http.Header{}}, r)
	if within == nil {
		b.Fatal("refused")
	}
	return within
}

// BenchmarkMux sets a Mux beside a plain ServeMux with the same patterns.
func BenchmarkMux(b *testing.B) {
	iss := issuers()[0]
	guard := benchGuard(b, iss)
	request := func(target string, token bool) *http.Request {
		if !token {
			return guardtest.NewRequest(http.MethodGet, target, "")
		}
		return judged(b, guard, guardtest.NewRequest(http.MethodGet, target, iss.Token(guardtest.Claims{"iss": "https://login.example.com", "scope": "items:read"})))
	}
	nothing := func(http.ResponseWriter, *http.Request) {}
	for _, row := range []struct {
		name   string
		target string
		policy bearerguard.Policy
		token  bool
	}{
		{"public/literal", "/items/all", public, false},
		{"public/wildcard", "/users/17", public, false},
		{"guarded/literal", "/items/all", scoped, true},
		{"guarded/wildcard", "/users/17", scoped, true},
	} {
		plain, mux := http.NewServeMux(), guard.NewMux()
		for _, pattern := range []string{"GET /items/all", "GET /users/{id}", "GET /orders/{id}/lines", "POST /orders", "GET /files/{path...}"} {
			plain.HandleFunc(pattern, nothing)
			if row.token {
				mux.Handle(pattern, row.policy, bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) {}))
			} else {
				mux.HandleFunc(pattern, row.policy, nothing)
			}
		}
		b.Run(row.name+"/ServeMux", func(b *testing.B) { benchServe(b, plain, request(row.target, row.token), 0) })
		b.Run(row.name+"/Mux", func(b *testing.B) { benchServe(b, mux, request(row.target, row.token), 0) })
	}
}

// BenchmarkPolicy is a guard within a guard: a verdict that is used again, and a policy of so many requirements.
func BenchmarkPolicy(b *testing.B) {
	iss := issuers()[0]
	guard := benchGuard(b, iss)
	scopes := ""
	for i := range 20 {
		scopes += fmt.Sprintf("scope:%d ", i)
	}
	token := iss.Token(guardtest.Claims{"iss": "https://login.example.com", "scope": scopes[:len(scopes)-1]})
	for _, n := range []int{1, 5, 20} {
		var parts []bearerguard.Requirement
		for i := range n {
			parts = append(parts, bearerguard.Scope(fmt.Sprintf("scope:%d", i)))
		}
		b.Run(fmt.Sprintf("All/%d", n), func(b *testing.B) {
			handler := guard.Require(bearerguard.All(parts...))(bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) {}))
			benchServe(b, handler, judged(b, guard, guardtest.NewRequest(http.MethodGet, "/x", token)), 0)
		})
	}
}

// TestMuxAllocations pins what a Mux may add to a ServeMux.
func TestMuxAllocations(t *testing.T) {
	guard := staticGuard(t)
	mux, plain := guard.NewMux(), http.NewServeMux()
	for _, pattern := range []string{"GET /literal", "GET /wild/{x}"} {
		mux.HandleFunc(pattern, public, func(http.ResponseWriter, *http.Request) {})
		plain.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	w := &nobody{http.Header{}}
	for target, most := range map[string]float64{"/literal": 0, "/wild/1": 1} {
		r := guardtest.NewRequest(http.MethodGet, target, "")
		above := testing.AllocsPerRun(100, func() { mux.ServeHTTP(w, r) }) - testing.AllocsPerRun(100, func() { plain.ServeHTTP(w, r) })
		if above > most {
			t.Errorf("%s: %v allocations above ServeMux, want at most %v", target, above, most)
		}
	}
}
