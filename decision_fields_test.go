package bearerguard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// Pattern and Resource tell which route of which view decided.
func TestDecisionPattern(t *testing.T) {
	g := newRuled(t)
	admin := g.For("https://admin.example.com")
	hello := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux, plain := g.NewMux(), http.NewServeMux()
	signedIn := bearerguard.Authenticated()
	mux.Handle("GET /x", signedIn, hello)
	mux.Handle("GET /x/{id}", signedIn, hello)
	mux.Handle("GET /open", bearerguard.Public("test"), hello)
	mux.With(admin).Handle("GET /admin/{id}", signedIn, hello)
	plain.Handle("/p/{id}", g.Require(signedIn)(hello))
	plain.Handle("/s/", admin.Require(signedIn)(hello))
	both := issuers()[0].Token(guardtest.Claims{"aud": []string{resource, "https://admin.example.com"}})
	for _, tc := range []struct {
		name     string
		handler  http.Handler
		target   string
		token    string
		status   int
		pattern  string
		resource string
	}{
		{"a literal", mux, "/x", both, 200, "GET /x", resource},
		{"a literal, refused", mux, "/x", "", 401, "GET /x", resource},
		{"a wildcard", mux, "/x/1", both, 200, "GET /x/{id}", resource},
		{"a wildcard, refused", mux, "/x/1", "abc", 401, "GET /x/{id}", resource},
		{"public", mux, "/open", both, 200, "GET /open", resource},
		{"another view", mux, "/admin/1", both, 200, "GET /admin/{id}", "https://admin.example.com"},
		{"another view, refused", mux, "/admin/1", "", 401, "GET /admin/{id}", "https://admin.example.com"},
		{"no route", mux, "/none", both, 200, "", resource},
		{"no route, refused", mux, "/none", "", 401, "", resource},
		{"no canonical path", mux, "/x/%2e%2e/x", both, 400, "", resource},
		{"ServeMux", plain, "/p/1", both, 200, "/p/{id}", resource},
		{"ServeMux, refused", plain, "/p/1", "", 401, "/p/{id}", resource},
		{"ServeMux, another view", plain, "/s/a", "", 401, "/s/", "https://admin.example.com"},
		{"around the router", g.Require(signedIn)(plain), "/none", both, 200, "", resource},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(g.decisions)
			r := guardtest.NewRequest("GET", tc.target, tc.token)
			tc.handler.ServeHTTP(httptest.NewRecorder(), r)
			if len(g.decisions) != before+1 {
				t.Fatalf("%d decisions", len(g.decisions)-before)
			}
			if d := g.last(); d.Status != tc.status || d.Pattern != tc.pattern || d.Resource != tc.resource || d.Method != "GET" || d.Path != r.URL.Path || d.Allowed() != (tc.status == 200) {
				t.Errorf("%+v", d)
			}
		})
	}
	t.Run("Verify has no request", func(t *testing.T) {
		_, _ = admin.Verify(t.Context(), both, signedIn)
		if d := g.last(); d.Method != "" || d.Path != "" || d.Pattern != "" || d.Resource != "https://admin.example.com" || d.Token.Subject() != "alice" {
			t.Errorf("%+v", d)
		}
	})
}

// Failed is the very requirement that was not met: of All that which weighs most, of Any the one that lacks least.
func TestDecisionFailed(t *testing.T) {
	g := newRuled(t)
	scope, role, all, either := bearerguard.Scope, bearerguard.Role, bearerguard.All, bearerguard.Any
	for _, tc := range []struct {
		policy bearerguard.Policy
		failed string
	}{
		{bearerguard.Authenticated(), ""},
		{scope("a"), ""},
		{either(scope("b"), scope("a")), ""},
		{scope("b"), "scope b"},
		{bearerguard.AnyScope("b", "c"), "any scope of b c"},
		{role("admin"), "role admin"},
		{bearerguard.AnyRole("admin", "owner"), "any role of admin owner"},
		{bearerguard.Audience("x"), "audience x"},
		{bearerguard.IssuedBy("https://x.example"), "issued by https://x.example"},
		{bearerguard.ACR("gold"), "acr gold"},
		{bearerguard.AuthAge(time.Minute), "authenticated within 1m0s"},
		{bearerguard.TokenAge(time.Second), "issued within 1s"},
		{bearerguard.Claim("org", "acme"), `claim org="acme"`},
		{bearerguard.PathClaim("tenant", "org"), "path {tenant}=claim org"},
		{all(scope("a"), scope("b")), "scope b"},
		{all(scope("b"), role("admin")), "role admin"},
		{all(role("admin"), scope("b")), "role admin"},
		{all(scope("b"), bearerguard.ACR("gold")), "acr gold"},
		{either(role("admin"), scope("b")), "scope b"},
		{all(scope("a"), either(role("admin"), all(scope("b"), scope("a")))), "scope b"},
		{bearerguard.Optional(scope("b")), "scope b"},
		{bearerguard.EncodedSlash(bearerguard.Optional(scope("b"))), "scope b"},
		{bearerguard.Trial{Enforce: scope("b"), Report: role("admin")}, "scope b"},
		{bearerguard.Trial{Enforce: scope("a"), Report: role("admin")}, ""},
	} {
		t.Run(tc.policy.String(), func(t *testing.T) {
			g.cause(t, tc.policy, issuers()[0].Token(guardtest.Claims{"scope": "a", "iat": time.Now().Unix() - 60}))
			for _, d := range g.decisions[len(g.decisions)-3:] {
				if (d.Failed == nil) != (tc.failed == "") || d.Failed != nil && (d.Failed.String() != tc.failed || !strings.Contains(d.Err.Error(), tc.failed)) || d.Policy.String() != tc.policy.String() {
					t.Errorf("failed %v, policy %v, %v", d.Failed, d.Policy, d.Err)
				}
			}
		})
	}
	t.Run("none when the policy was not reached", func(t *testing.T) {
		for _, token := range []string{"", "abc", "a b", issuers()[0].Token(guardtest.Claims{"aud": "x"})} {
			if g.cause(t, scope("b"), token); g.last().Failed != nil {
				t.Errorf("%v", g.last().Failed)
			}
		}
	})
}

// A refused token writes no name into the record, however good it looks.
func TestDecisionIdentity(t *testing.T) {
	iss := issuers()[0]
	g := newRuled(t)
	const name = "mallory-was-here"
	claims := func(more guardtest.Claims) guardtest.Claims {
		return with(guardtest.Claims{"sub": name, "client_id": name, "jti": name, "scope": name, "acr": name, "roles": []string{name}}, more)
	}
	tok := iss.Token(claims(nil))
	for _, tc := range []struct {
		name             string
		token            string
		verified, holder bool
	}{
		{"a good token, allowed", iss.Token(claims(guardtest.Claims{"scope": "a"})), true, true},
		{"a good token, refused", tok, true, true},
		{"a bad signature", tok[:len(tok)-8] + "AAAAAAAA", false, false},
		{"unsecured", guardtest.Unsecured(claims(guardtest.Claims{"iss": iss.URL()})), false, false},
		{"another issuer's key", issuers()[1].Token(claims(guardtest.Claims{"iss": iss.URL()})), false, false},
		{"another issuer", issuers()[1].Token(claims(nil)), false, false},
		{"expired", iss.Token(claims(guardtest.Claims{"iat": 900, "exp": 1000})), false, false},
		{"another audience", iss.Token(claims(guardtest.Claims{"aud": "x"})), false, false},
		{"an ID token", iss.TokenWith("ES256", guardtest.Claims{"typ": "JWT"}, claims(nil)), true, false},
		{"bound", iss.Token(claims(guardtest.Claims{"cnf": guardtest.Claims{}})), true, false},
		{"a claim is missing", iss.Token(claims(guardtest.Claims{"jti": nil})), true, false},
		{"for too long", iss.Token(claims(guardtest.Claims{"exp": time.Now().Unix() + 1e6})), true, false},
		{"garbage", name, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g.cause(t, bearerguard.Trial{Enforce: bearerguard.Scope("a"), Report: bearerguard.Role("x")}, tc.token)
			for _, d := range g.decisions[len(g.decisions)-3:] {
				if d.Verified != tc.verified || (d.Token != nil) != tc.holder || (d.Trial != nil) != tc.holder {
					t.Errorf("%+v", d)
				}
				if !tc.holder && strings.Contains(fmt.Sprintf("%+v %v %v", d, d.Err, d.Trial), name) {
					t.Errorf("the name is there: %+v", d)
				}
			}
		})
	}
}
