package bearerguard_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// benchClaims make a token of about 1.1 kB, as issuers send them.
var benchClaims = guardtest.Claims{
	"scope": "items:read items:write reports:read", "roles": []string{"user", "auditor"}, "acr": "urn:example:silver",
	"auth_time": 1_700_000_000, "org_id": "org_0123456789abcdef", "email": "someone@example.com", "email_verified": true,
	"name": "Someone Somewhere", "locale": "en-GB", "sid": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
}

// nobody is a ResponseWriter that costs nothing.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { clear(n.header); return n.header }
func (n *nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n *nobody) WriteHeader(int)             {}

func benchGuard(b *testing.B, iss *guardtest.Issuer) *bearerguard.Guard {
	b.Helper()
	guard, err := bearerguard.New(bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{{URL: "https://login.example.com", JWKS: iss.JWKS()}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = guard.Close() })
	return guard
}

func benchRequest(token string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.example.com/items", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// BenchmarkFirstSight sets a whole guarded request with a token never seen before beside the bare signature check of the
// same algorithm, in one run: the ratio is what the guard costs.
func BenchmarkFirstSight(b *testing.B) {
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "Ed25519"} {
		iss := issuers()[0]
		claims := guardtest.Claims{"iss": "https://login.example.com"}
		for name, value := range benchClaims {
			claims[name] = value
		}
		token := iss.TokenWith(algorithm, nil, claims)
		input := token[:strings.LastIndexByte(token, '.')]
		signature, err := base64.RawURLEncoding.DecodeString(token[len(input)+1:])
		if err != nil {
			b.Fatal(err)
		}
		method := jwt.GetSigningMethod(strings.Replace(algorithm, "Ed25519", "EdDSA", 1))
		b.Run(algorithm+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := method.Verify(input, signature, iss.PublicKey(algorithm)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(algorithm+"/guarded", func(b *testing.B) {
			handler := benchGuard(b, iss).Require(bearerguard.Scope("items:read"))(bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) {}))
			benchServe(b, handler, benchRequest(token), 0)
		})
	}
}

// BenchmarkRefusal is what an attacker can make us do.
func BenchmarkRefusal(b *testing.B) {
	iss := issuers()[0]
	claims := func(more guardtest.Claims) guardtest.Claims {
		all := guardtest.Claims{"iss": "https://login.example.com"}
		for _, set := range []guardtest.Claims{benchClaims, more} {
			for name, value := range set {
				all[name] = value
			}
		}
		return all
	}
	valid := iss.Token(claims(nil))
	for _, row := range []struct {
		name, token string
		status      int
	}{
		{"missing", "", 401},
		{"malformed", strings.Repeat("x", 1100), 401},
		{"unknown issuer", iss.Token(claims(guardtest.Claims{"iss": "https://evil.example.com"})), 401},
		{"unknown kid", iss.TokenWith("RS256", guardtest.Claims{"kid": "other"}, claims(nil)), 401},
		{"expired", iss.Token(claims(guardtest.Claims{"exp": 1_700_000_100, "iat": 1_700_000_000})), 401},
		{"wrong audience", iss.Token(claims(guardtest.Claims{"aud": "https://other.example.com"})), 401},
		{"bad signature", valid[:strings.LastIndexByte(valid, '.')+1] + strings.Repeat("A", 342), 401},
		{"scope missing", iss.Token(claims(guardtest.Claims{"scope": "other"})), 403},
	} {
		b.Run(row.name, func(b *testing.B) {
			handler := benchGuard(b, iss).Require(bearerguard.Scope("items:read"))(http.NotFoundHandler())
			benchServe(b, handler, benchRequest(row.token), row.status)
		})
	}
}

func benchServe(b *testing.B, handler http.Handler, r *http.Request, status int) {
	b.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	if want := max(status, 200); recorder.Code != want {
		b.Fatalf("status %d, want %d", recorder.Code, want)
	}
	w := &nobody{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
}
