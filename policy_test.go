package bearerguard_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/challenge"
)

func panicText(f func()) (text string) {
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}

// refusalOf verifies a token for a policy: nil if it passes.
func refusalOf(t *testing.T, g *bearerguard.Guard, token string, p bearerguard.Policy) *bearerguard.Error {
	t.Helper()
	tok, err := g.Verify(t.Context(), token, p)
	if err == nil {
		if tok == nil {
			t.Error("neither a token nor an error")
		}
		return nil
	}
	var refusal *bearerguard.Error
	if !errors.As(err, &refusal) || tok != nil {
		t.Fatalf("got %v, %v", tok, err)
	}
	return refusal
}

const mfa = "urn:interop:mfa"

func TestPolicyEvaluates(t *testing.T) {
	s := newService(t)
	var (
		scope, anyScope = bearerguard.Scope, bearerguard.AnyScope
		role, anyRole   = bearerguard.Role, bearerguard.AnyRole
		all, either     = bearerguard.All, bearerguard.Any
		acr, aud        = bearerguard.ACR, bearerguard.Audience
		signedIn        = bearerguard.Authenticated()
	)
	type claims = guardtest.Claims
	token := func(c claims) string { return s.iss.TokenWith("Ed25519", nil, c) }
	var (
		nothing = token(nil)
		a       = token(claims{"scope": "a"})
		ab      = token(claims{"scope": "a b"})
		asAdmin = token(claims{"roles": []string{"admin"}})
		aAdmin  = token(claims{"scope": "a", "roles": []string{"admin"}})
		strong  = token(claims{"acr": mfa})
		aStrong = token(claims{"scope": "a", "acr": mfa})
		two     = token(claims{"aud": []string{resource, "https://two.example"}})
	)
	const (
		passes = bearerguard.Cause("")
		noScop = bearerguard.ErrScope
		forbid = bearerguard.ErrForbidden
		stepUp = bearerguard.ErrAuthentication
	)
	for _, tc := range []struct {
		name   string
		token  string
		policy bearerguard.Policy
		cause  bearerguard.Cause
		scopes string
		acrs   string
	}{
		{"anybody with a token", nothing, signedIn, passes, "", ""},
		{"all of authenticated", nothing, all(signedIn), passes, "", ""},
		{"the scope", a, scope("a"), passes, "", ""},
		{"no scope", nothing, scope("a"), noScop, "a", ""},
		{"one of two scopes: both are named", a, scope("a", "b"), noScop, "a b", ""},
		{"both scopes, in another order", ab, scope("b", "a"), passes, "", ""},
		{"any scope, the second", ab, anyScope("x", "b"), passes, "", ""},
		{"any scope, none: the first is named", nothing, anyScope("x", "b"), noScop, "x", ""},
		{"the role", asAdmin, role("admin"), passes, "", ""},
		{"no role: no other token would help, so no scope is named", nothing, role("admin"), forbid, "", ""},
		{"one of two roles", asAdmin, role("admin", "owner"), forbid, "", ""},
		{"any role, the second", asAdmin, anyRole("owner", "admin"), passes, "", ""},
		{"any role, none", nothing, anyRole("owner", "admin"), forbid, "", ""},
		{"the audience that it must have anyway", nothing, aud(resource), passes, "", ""},
		{"an audience more", two, aud("https://two.example"), passes, "", ""},
		{"an audience that is missing", nothing, aud("https://two.example"), forbid, "", ""},
		{"an audience with a slash more", two, aud("https://two.example/"), forbid, "", ""},
		{"the authentication", strong, acr(mfa), passes, "", ""},
		{"the authentication, second choice", strong, acr("gold", mfa), passes, "", ""},
		{"R9470-02 R9470-05 no authentication: the choices in order", nothing, acr("gold", mfa), stepUp, "", "gold " + mfa},
		{"R9470-07 another authentication", token(claims{"acr": "loa3"}), acr("loa2"), stepUp, "", "loa2"},
		{"an authentication in another case", token(claims{"acr": strings.ToUpper(mfa)}), acr(mfa), stepUp, "", mfa},
		{"R9470-05 an authentication in an array", token(claims{"acr": []string{mfa}}), acr(mfa), stepUp, "", mfa},
		{"an authentication that is empty", token(claims{"acr": ""}), acr(mfa), stepUp, "", mfa},
		{"all of one", a, all(scope("a")), passes, "", ""},
		{"all: the second scope is missing, all are named", a, all(scope("a"), scope("b")), noScop, "a b", ""},
		{"all: the first scope is missing, all are named", a, all(scope("b"), scope("a")), noScop, "b a", ""},
		{"all: a scope that is wanted twice is named once", nothing, all(scope("a"), scope("a", "b")), noScop, "a b", ""},
		{"all within all: every level is named", a, all(scope("a"), all(scope("b"), all(scope("c")))), noScop, "a b c", ""},
		{"all: scope there, role missing: no scope is named", a, all(scope("a"), role("admin")), forbid, "", ""},
		{"all: role there, scope missing", asAdmin, all(scope("a"), role("admin")), noScop, "a", ""},
		{"all: both", aAdmin, all(role("admin"), scope("a")), passes, "", ""},
		{"all: a role missing weighs more than an authentication", a, all(acr(mfa), role("admin")), forbid, "", ""},
		{"all: an audience missing weighs more than a scope", nothing, all(scope("a"), aud("x")), forbid, "a", ""},
		{"R9470-04 all: scope and authentication missing, both are named", nothing, all(scope("a"), acr(mfa)), stepUp, "a", mfa},
		{"R9470-04 all: the authentication alone is missing, no scope is named", a, all(scope("a"), acr(mfa)), stepUp, "", mfa},
		{"all: the scope alone is missing, no authentication is named", strong, all(scope("a"), acr(mfa)), noScop, "a", ""},
		{"all: both are there", aStrong, all(scope("a"), acr(mfa)), passes, "", ""},
		{"all: one authentication must do for both, so only that one is named", nothing, all(acr("x", "y"), acr("y", "z")), stepUp, "", "y"},
		{"all: an authentication that does for one must do for both", token(claims{"acr": "x"}), all(acr("x", "y"), acr("y", "z")), stepUp, "", "y"},
		{"all: the scope that already serves an alternative is named too", a, all(either(scope("a"), scope("b")), scope("c")), noScop, "a c", ""},
		{"all: the scope that already serves any scope is named too", ab, all(anyScope("x", "b"), scope("c")), noScop, "b c", ""},
		{"all: an alternative and a scope, both missing", nothing, all(either(scope("a"), scope("b")), scope("c")), noScop, "a c", ""},
		{"any: the second does", ab, either(scope("x"), scope("b")), passes, "", ""},
		{"any: equals, so the first is named, and no union", nothing, either(scope("x"), scope("y")), noScop, "x", ""},
		{"any: a scope is less than a role", nothing, either(role("admin"), scope("a")), noScop, "a", ""},
		{"any: a scope is less than a role, in the other order", nothing, either(scope("a"), role("admin")), noScop, "a", ""},
		{"any: a scope is less than an authentication", nothing, either(acr(mfa), scope("a")), noScop, "a", ""},
		{"any: an authentication is less than a role", nothing, either(role("admin"), acr(mfa)), stepUp, "", mfa},
		{"any: an authentication is less than one with a scope", nothing, either(all(scope("a"), acr("gold")), acr(mfa)), stepUp, "", mfa},
		{"any: roles alone", nothing, either(role("admin"), role("owner")), forbid, "", ""},
		{"any: the alternative whose role is there lacks less", asAdmin, either(all(scope("a"), role("owner")), all(scope("b"), role("admin"))), noScop, "b", ""},
		{"any within all: what lacks least of each", a, all(scope("a"), either(role("admin"), acr(mfa))), stepUp, "", mfa},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refusal := refusalOf(t, s.guard, tc.token, tc.policy)
			if refusal == nil {
				refusal = new(bearerguard.Error)
			}
			if refusal.Cause != tc.cause || strings.Join(refusal.Scopes, " ") != tc.scopes || strings.Join(refusal.ACRValues, " ") != tc.acrs {
				t.Errorf("%v: cause %q, scopes %q, acr %q", tc.policy, refusal.Cause, refusal.Scopes, refusal.ACRValues)
			}
		})
	}
}

// What the client reads of it.
func TestPolicyChallenges(t *testing.T) {
	s := newService(t)
	for _, tc := range []struct {
		name, path string
		want       answer
		claims     guardtest.Claims
		scope, acr string
	}{
		{"R6750-14 a missing scope", "/items", noScp, nil, "items:read", ""},
		{"a missing scope and a missing role", "/admin", noScp, nil, "admin:reset", ""},
		{"a missing role", "/admin", noScp, guardtest.Claims{"scope": "admin:reset"}, "", ""},
		{"R9470-01 a weak authentication", "/stepup", weakA, guardtest.Claims{"scope": "items:read"}, "", mfa},
		{"R9470-04 a weak authentication and a missing scope", "/stepup", weakA, nil, "items:read", mfa},
		{"R9470-01 a missing scope after a good authentication", "/stepup", noScp, guardtest.Claims{"acr": mfa}, "items:read", ""},
		{"R9470-08 a bad token learns nothing", "/stepup", badTk, guardtest.Claims{"aud": "x"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := s.get(t, tc.want, tc.path, s.iss.Token(tc.claims))
			challenges, ok := challenge.Parse(response.Header.Get("WWW-Authenticate"))
			if !ok {
				t.Fatal("no challenge")
			}
			if p := challenges[0].Parameters; p["scope"] != tc.scope || p["acr_values"] != tc.acr {
				t.Errorf("parameters %q", p)
			}
		})
	}
}

func TestPolicyPrints(t *testing.T) {
	for want, p := range map[string]bearerguard.Policy{
		"authenticated":                      bearerguard.Authenticated(),
		"scope a b":                          bearerguard.Scope("a", "b"),
		"any scope of a b":                   bearerguard.AnyScope("a", "b"),
		"role admin":                         bearerguard.Role("admin"),
		`role "two words" "\u0430dmin"`:      bearerguard.Role("two words", "\u0430dmin"),
		`role "a) OR (b"`:                    bearerguard.Role("a) OR (b"),
		`role "line\nbreak"`:                 bearerguard.Role("line\nbreak"),
		"any role of admin owner":            bearerguard.AnyRole("admin", "owner"),
		"audience https://x.example":         bearerguard.Audience("https://x.example"),
		"acr gold or silver":                 bearerguard.ACR("gold", "silver"),
		"(scope admin:reset AND role admin)": bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.Role("admin")),
		"((scope a AND acr x) OR role r)":    bearerguard.Any(bearerguard.All(bearerguard.Scope("a"), bearerguard.ACR("x")), bearerguard.Role("r")),
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

type embeddedPolicy struct{ bearerguard.Requirement }

// A mistake is found while the program starts, and says where it was made.
func TestPolicyMisuse(t *testing.T) {
	s := newService(t)
	a := bearerguard.Scope("a")
	place := regexp.MustCompile(`^bearerguard: .+ \(.*/policy_test\.go:\d+\)$`)
	for name, f := range map[string]func(){
		"R6750-15 a scope with a quote":        func() { bearerguard.Scope(`a"b`) },
		"R6750-15 a scope with a backslash":    func() { bearerguard.Scope(`a\b`) },
		"R6750-15 a scope with a space":        func() { bearerguard.Scope("a b") },
		"R6750-15 a scope beyond ASCII":        func() { bearerguard.AnyScope("a", "é") },
		"R6750-15 a scope with a line break":   func() { bearerguard.Scope("a\r\nX: y") },
		"R6750-15 a scope with DEL":            func() { bearerguard.Scope("a\x7f") },
		"H-21 an acr with a line break":        func() { bearerguard.ACR("a\r\nSet-Cookie: a=b") },
		"H-21 an acr with a quote":             func() { bearerguard.ACR(`a"`) },
		"H-21 a resource with a line break":    func() { s.guard.For("https://x.example/\r\nSet-Cookie:") },
		"no acr":                               func() { bearerguard.ACR() },
		"an empty acr":                         func() { bearerguard.ACR("x", "") },
		"an empty audience":                    func() { bearerguard.Audience("") },
		"no role":                              func() { bearerguard.Role() },
		"an empty role":                        func() { bearerguard.AnyRole("") },
		"all of nothing":                       func() { bearerguard.All() },
		"any of nothing":                       func() { bearerguard.Any([]bearerguard.Requirement{}...) },
		"all of nil":                           func() { bearerguard.All(a, nil) },
		"any of nil":                           func() { bearerguard.Any(nil, a) },
		"a nil policy":                         func() { s.guard.Require(nil) },
		"a policy from outside":                func() { s.guard.Require(embeddedPolicy{a}) },
		"a pointer to a policy from outside":   func() { s.guard.Require(&embeddedPolicy{a}) },
		"a policy from outside within all":     func() { bearerguard.All(a, embeddedPolicy{a}) },
		"a policy from outside within any":     func() { bearerguard.Any(embeddedPolicy{}) },
		"a policy from outside in Verify":      func() { _, _ = s.guard.Verify(t.Context(), "", embeddedPolicy{a}) },
		"no handler":                           func() { s.guard.Require(a)(nil) },
		"no function":                          func() { bearerguard.Func(nil) },
		"a view without a resource":            func() { s.guard.For("") },
		"a view of a resource with a fragment": func() { s.guard.For("https://x.example#f") },
	} {
		t.Run(name, func(t *testing.T) {
			if text := panicText(f); !place.MatchString(text) {
				t.Errorf("panic %q", text)
			}
		})
	}
	t.Run("what a policy was made of can be changed without effect", func(t *testing.T) {
		scopes, parts := []string{"a", "b"}, []bearerguard.Requirement{a, bearerguard.Role("r")}
		p, q := bearerguard.Scope(scopes...), bearerguard.All(parts...)
		scopes[1], parts[1] = "a", a
		token := s.iss.Token(guardtest.Claims{"scope": "a"})
		if refusalOf(t, s.guard, token, p) == nil || refusalOf(t, s.guard, token, q) == nil {
			t.Error("a policy was changed from outside")
		}
	})
	t.Run("what a refusal lists can be changed without effect", func(t *testing.T) {
		p := bearerguard.Scope("a", "b")
		token := s.iss.Token(nil)
		refusalOf(t, s.guard, token, p).Scopes[0] = "changed"
		if got := refusalOf(t, s.guard, token, p).Scopes[0]; got != "a" {
			t.Errorf("the policy now says %q", got)
		}
		q := bearerguard.ACR("a", "b")
		refusalOf(t, s.guard, token, q).ACRValues[0] = "changed"
		if got := refusalOf(t, s.guard, token, q).ACRValues[0]; got != "a" {
			t.Errorf("the policy now says %q", got)
		}
	})
}

// policyFrom makes a requirement of any bytes.
func policyFrom(plan *[]byte, depth int) bearerguard.Requirement {
	var b byte
	if len(*plan) > 0 {
		b, *plan = (*plan)[0], (*plan)[1:]
	}
	names := []string{"a", "b", "c", "d"}
	one, two := names[b>>3&3], names[b>>5&3]
	switch kind := b & 7; {
	case kind == 0 && depth > 0:
		return bearerguard.All(policyFrom(plan, depth-1), policyFrom(plan, depth-1))
	case kind == 1 && depth > 0:
		return bearerguard.Any(policyFrom(plan, depth-1), policyFrom(plan, depth-1))
	case kind == 2:
		return bearerguard.AnyScope(one, two)
	case kind == 3:
		return bearerguard.Role(one)
	case kind == 4:
		return bearerguard.ACR(one, two)
	case kind == 5:
		return bearerguard.AnyRole(one, two)
	case kind == 6:
		return bearerguard.Authenticated()
	}
	return bearerguard.Scope(one, two)
}

// Adding a requirement to All never turns deny into allow; adding one to Any never turns allow into deny; and both are
// what logic says.
func FuzzPolicyOnlyNarrows(f *testing.F) {
	iss := issuers()[0]
	tokens := sync.OnceValue(func() (tokens []string) {
		for i := range 8 {
			tokens = append(tokens, iss.TokenWith("Ed25519", nil, guardtest.Claims{
				"scope": []string{"", "a", "a b", "c"}[i&3], "roles": []string{"d", "a"}[:i>>1&1+i>>2&1], "acr": []string{"a", "c"}[i>>2],
			}))
		}
		return tokens
	})()
	guard, err := bearerguard.New(iss.Config(resource))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = guard.Close() })
	for i := range 256 {
		f.Add([]byte{byte(i * 37), byte(i), byte(i * 11), byte(i * 5), byte(i >> 2), byte(i * 3)}, byte(i))
	}
	f.Fuzz(func(t *testing.T, plan []byte, which byte) {
		token := tokens[which%8]
		p, q := policyFrom(&plan, 3), policyFrom(&plan, 3)
		allows := func(r bearerguard.Requirement) bool {
			refusal := refusalOf(t, guard, token, r)
			if refusal != nil && refusal.Cause == bearerguard.ErrScope && (len(refusal.Scopes) == 0 || slices.Contains(refusal.Scopes, "")) {
				t.Errorf("%v: a scope is missing, and the refusal names %q", r, refusal.Scopes)
			}
			return refusal == nil
		}
		first, second := allows(p), allows(q)
		if got := allows(bearerguard.All(p, q)); got != (first && second) {
			t.Errorf("%v is %v, %v is %v, all is %v", p, first, q, second, got)
		}
		if got := allows(bearerguard.Any(p, q)); got != (first || second) {
			t.Errorf("%v is %v, %v is %v, any is %v", p, first, q, second, got)
		}
	})
}
