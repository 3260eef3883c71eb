package bearerguard_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// serveGuarded puts one policy, and no router, in front of the service's handler.
func serveGuarded(t *testing.T, p bearerguard.Policy, change ...func(*bearerguard.Config)) *service {
	t.Helper()
	s := newService(t, change...)
	serveInstead(s, s.guard.Require(p)(bearerguard.Func(s.handle)))
	return s
}

// serveInstead gives the service a new server: the handler of one that runs must not be changed.
func serveInstead(s *service, h http.Handler) {
	s.server.Close()
	s.server = httptest.NewServer(h)
}

func shapedLike(p bearerguard.Profile) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) { cfg.Issuers[0].Profile = p }
}

type scopeAttack struct {
	name   string
	want   answer
	claims guardtest.Claims
}

func runScopeAttacks(t *testing.T, s *service, header guardtest.Claims, rows []scopeAttack) {
	t.Helper()
	for _, tc := range rows {
		t.Run(tc.name, func(t *testing.T) {
			response := s.get(t, tc.want, "/admin", s.iss.TokenWith("Ed25519", header, tc.claims))
			if challenge := response.Header.Get("WWW-Authenticate"); tc.want == badTk && strings.Contains(challenge, "scope=") {
				t.Errorf("a bad token learns what the route wants: %s", challenge)
			}
		})
	}
}

var (
	jsonNull  = json.RawMessage("null")
	adminRole = []string{"admin"}
)

// All tokens are validly signed: only what they grant is wrong. /admin wants scope admin:reset and role admin.
func TestAttackScopes(t *testing.T) {
	scope := func(value any) guardtest.Claims { return guardtest.Claims{"scope": value, "roles": adminRole} }
	runScopeAttacks(t, newService(t), nil, []scopeAttack{
		{"G-01 control: exactly the scope and the role", ok200, scope("admin:reset")},
		{"G-01 control: among other scopes", ok200, scope("x admin:reset y")},
		{"G-01 the scope inside of a longer one", noScp, scope("not-admin:reset-x")},
		{"G-01 the scope with something behind it", noScp, scope("admin:reset2")},
		{"G-01 the scope with something before it", noScp, scope("xadmin:reset")},
		{"G-01 a prefix of the scope", noScp, scope("admin")},
		{"G-01 a prefix of the scope, with the colon", noScp, scope("admin:")},
		{"G-01 both halves as scopes", noScp, scope("admin: reset")},
		{"G-02 a wildcard for the action", noScp, scope("admin:*")},
		{"G-02 a wildcard for everything", noScp, scope("*")},
		{"G-02 a regular expression", noScp, scope(".*")},
		{"G-02 a wildcard for one letter", noScp, scope("admin:rese?")},
		{"G-03 capitals at the front", noScp, scope("Admin:Reset")},
		{"G-03 all capitals", noScp, scope("ADMIN:RESET")},
		{"G-04 an array where a string belongs", badTk, scope([]string{"admin:reset"})},
		{"G-05 an array with a space in its element, where a string belongs", badTk, scope([]string{"read admin:reset"})},
		{"G-06 an object", badTk, scope(guardtest.Claims{"admin:reset": true})},
		{"G-06 a number", badTk, scope(1)},
		{"G-06 true", badTk, scope(true)},
		{"G-06 null", badTk, scope(jsonNull)},
		{"G-07 R6750-18 a tab splits nothing", noScp, scope("items:read\tadmin:reset")},
		{"G-07 R6750-18 a no-break space splits nothing", noScp, scope("items:read\u00a0admin:reset")},
		{"G-07 an em space splits nothing", noScp, scope("items:read\u2003admin:reset")},
		{"G-07 a comma splits nothing", noScp, scope("items:read,admin:reset")},
		{"G-07 a plus splits nothing", noScp, scope("items:read+admin:reset")},
		{"G-07 an escaped space splits nothing", noScp, scope("items:read%20admin:reset")},
		{"G-07 a newline splits nothing", noScp, scope("items:read\nadmin:reset")},
		{"G-07 a carriage return splits nothing", noScp, scope("items:read\radmin:reset")},
		{"G-07 a vertical tab splits nothing", noScp, scope("items:read\vadmin:reset")},
		{"G-07 a trailing tab is part of the scope", noScp, scope("admin:reset\t")},
		{"G-07 two spaces are as good as one", ok200, scope("items:read  admin:reset")},
		{"G-07 a leading and a trailing space are as good as none", ok200, scope(" admin:reset ")},
		{"G-08 the scope is in scp alone", noScp, guardtest.Claims{"scp": "admin:reset", "roles": adminRole}},
		{"G-08 scp as an array adds nothing to scope", noScp, guardtest.Claims{"scope": "items:read", "scp": []string{"admin:reset"}, "roles": adminRole}},
		{"G-08 scp takes nothing from scope", ok200, guardtest.Claims{"scope": "admin:reset", "scp": "none", "roles": adminRole}},
		{"G-08 scopes is another claim", noScp, guardtest.Claims{"scopes": "admin:reset", "roles": adminRole}},
		{"G-08 Scope is another claim", noScp, guardtest.Claims{"Scope": "admin:reset", "roles": adminRole}},
		{"G-08 permissions is another claim", noScp, guardtest.Claims{"permissions": []string{"admin:reset"}, "roles": adminRole}},
		{"G-09 no scope claim", noScp, guardtest.Claims{"roles": adminRole}},
		{"G-09 an empty scope", noScp, scope("")},
		{"G-09 a scope of one space", noScp, scope(" ")},
		{"G-10 a Cyrillic letter", noScp, scope("\u0430dmin:reset")},
		{"G-10 a fullwidth letter", noScp, scope("\uff41dmin:reset")},
		{"G-10 a fullwidth colon", noScp, scope("admin\uff1areset")},
		{"G-10 a zero-width joiner", noScp, scope("admin:\u200dreset")},
		{"G-10 a zero-width space at the end", noScp, scope("admin:reset\u200b")},
		{"G-10 a combining accent", noScp, scope("admin:rese\u0301t")},
		{"G-10 a NUL at the end", noScp, scope("admin:reset\x00")},
		{"G-20 rights in authorization_details are no scopes", noScp, guardtest.Claims{"roles": adminRole,
			"authorization_details": []guardtest.Claims{{"type": "admin", "actions": []string{"admin:reset"}, "locations": []string{resource}}}}},
		{"G-20 authorization_details of a wrong shape give nothing", noScp, guardtest.Claims{"roles": adminRole, "authorization_details": "admin:reset"}},
	})
	t.Run("G-09 an empty scope opens a route that needs none", func(t *testing.T) {
		s := newService(t)
		s.get(t, ok200, "/any", s.iss.Token(guardtest.Claims{"scope": ""}))
		s.get(t, ok200, "/any", s.iss.Token(guardtest.Claims{"scope": " "}))
	})
	t.Run("G-09 a requirement of nothing must be spelt out", func(t *testing.T) {
		for name, f := range map[string]func(){
			"Scope": func() { bearerguard.Scope() }, "AnyScope": func() { bearerguard.AnyScope() }, "All": func() { bearerguard.All() },
			"Any": func() { bearerguard.Any() }, "Role": func() { bearerguard.Role() }, "empty scope": func() { bearerguard.Scope("") },
		} {
			if text := panicText(f); !strings.Contains(text, "attack_scope_test.go:") {
				t.Errorf("%s: %q", name, text)
			}
		}
	})
}

func TestAttackScopeList(t *testing.T) {
	scp := func(value any) guardtest.Claims { return guardtest.Claims{"scp": value, "roles": adminRole} }
	runScopeAttacks(t, newService(t, shapedLike(bearerguard.Profile{ScopeClaim: "scp", ScopeList: true})), nil, []scopeAttack{
		{"G-04 control: the array that the profile names", ok200, scp([]string{"x", "admin:reset"})},
		{"G-04 a string where an array belongs", badTk, scp("admin:reset")},
		{"G-04 a string of several where an array belongs", badTk, scp("x admin:reset")},
		{"G-05 a space in an element splits nothing", noScp, scp([]string{"read admin:reset"})},
		{"G-05 a space around an element stays", noScp, scp([]string{" admin:reset"})},
		{"G-06 an object where an array belongs", badTk, scp(guardtest.Claims{"0": "admin:reset"})},
		{"G-06 null where an array belongs", badTk, scp(jsonNull)},
		{"G-06 an array with a number in it", badTk, scp([]any{"admin:reset", 1})},
		{"G-06 an array in the array", badTk, scp([]any{[]string{"admin:reset"}})},
		{"G-09 an empty array", noScp, scp([]string{})},
		{"G-09 an empty element", noScp, scp([]string{""})},
		{"G-08 scope does not count where scp is configured", noScp, guardtest.Claims{"scope": "admin:reset", "roles": adminRole}},
		{"G-08 scope adds nothing to scp", noScp, guardtest.Claims{"scope": "admin:reset", "scp": []string{"x"}, "roles": adminRole}},
		{"G-08 scope takes nothing from scp", ok200, guardtest.Claims{"scope": 7, "scp": []string{"admin:reset"}, "roles": adminRole}},
	})
}

func TestAttackRoles(t *testing.T) {
	roles := func(value any) guardtest.Claims { return guardtest.Claims{"scope": "admin:reset", "roles": value} }
	runScopeAttacks(t, newService(t), nil, []scopeAttack{
		{"G-11 a string", noScp, roles("admin")},
		{"G-11 a string of several", noScp, roles("user,admin")},
		{"G-11 a longer role that has the name in it", noScp, roles([]string{"administrator"})},
		{"G-11 several roles in one element", noScp, roles([]string{"user,admin"})},
		{"G-11 several roles in one element, by a space", noScp, roles([]string{"user admin"})},
		{"G-11 G-03 another case", noScp, roles([]string{"Admin"})},
		{"G-11 G-02 a wildcard", noScp, roles([]string{"*"})},
		{"G-11 G-10 a Cyrillic letter", noScp, roles([]string{"\u0430dmin"})},
		{"G-11 no roles", noScp, guardtest.Claims{"scope": "admin:reset"}},
		{"G-11 an empty list", noScp, roles([]string{})},
		{"G-11 role is another claim", noScp, guardtest.Claims{"scope": "admin:reset", "role": "admin"}},
		{"G-11 Roles is another claim", noScp, guardtest.Claims{"scope": "admin:reset", "Roles": adminRole}},
		{"G-11 groups is another claim", noScp, guardtest.Claims{"scope": "admin:reset", "groups": adminRole}},
		{"G-12 an array in the array", noScp, roles([]any{[]string{"admin"}})},
		{"G-12 objects with a value, as SCIM has them", noScp, roles([]guardtest.Claims{{"value": "admin"}})},
		{"G-12 objects with a name", noScp, roles([]guardtest.Claims{{"name": "admin"}})},
		{"G-12 an object with the role as a name", noScp, roles(guardtest.Claims{"admin": true})},
		{"G-12 an object with numbers as names", noScp, roles(guardtest.Claims{"0": "admin"})},
		{"G-12 null", noScp, roles(jsonNull)},
		{"G-12 true", noScp, roles(true)},
		{"G-13 a number and a null among strings", noScp, roles([]any{"admin", 5, nil})},
		{"G-13 a null before the role", noScp, roles([]any{nil, "admin"})},
		{"G-13 a list behind the role", noScp, roles([]any{"admin", []string{}})},
		{"G-16 overage: the list is elsewhere", noScp, guardtest.Claims{"scope": "admin:reset", "_claim_names": guardtest.Claims{"roles": "src1"},
			"_claim_sources": guardtest.Claims{"src1": guardtest.Claims{"endpoint": "http://127.0.0.1:1/", "roles": adminRole}}}},
		{"G-16 overage: hasgroups", noScp, guardtest.Claims{"scope": "admin:reset", "hasgroups": true}},
	})
	role := "urn:zitadel:iam:org:project:roles"
	zitadel := func(value any) guardtest.Claims { return guardtest.Claims{"scope": "admin:reset", role: value} }
	runScopeAttacks(t, newService(t, shapedLike(bearerguard.Profile{RoleClaims: [][]string{{role}}})), nil, []scopeAttack{
		{"G-17 a role object without an organisation", noScp, zitadel(guardtest.Claims{"admin": guardtest.Claims{}})},
		{"G-17 a role object with an organisation nobody asked for", noScp, zitadel(guardtest.Claims{"admin": guardtest.Claims{"999": "evil.example"}})},
		{"G-17 control: the shape that is configured", ok200, zitadel(adminRole)},
	})
}

func TestAttackKeycloakRoles(t *testing.T) {
	type object = guardtest.Claims
	token := func(more object) object {
		claims := object{"typ": "Bearer", "scope": "admin:reset"}
		for name, value := range more {
			claims[name] = value
		}
		return claims
	}
	inRoles := object{"roles": adminRole}
	for client, rows := range map[string][]scopeAttack{
		"api": {
			{"G-14 control: the client's role", ok200, token(object{"resource_access": object{"api": inRoles}})},
			{"G-14 a top-level claim named like the path", noScp, token(object{"resource_access.api.roles": adminRole})},
			{"G-14 a member named like the rest of the path", noScp, token(object{"resource_access": object{"api.roles": adminRole}})},
			{"G-14 the path in another claim", noScp, token(object{"x": object{"resource_access": object{"api": inRoles}}})},
			{"G-14 an array on the path", noScp, token(object{"resource_access": []object{{"api": inRoles}}})},
			{"G-14 roles at the top", noScp, token(object{"roles": adminRole})},
			{"G-14 an escaped path", noScp, token(object{"resource_access": object{"api/roles": adminRole, "~1api": inRoles}})},
			{"G-15 the role of another client", noScp, token(object{"resource_access": object{"other": inRoles}})},
			{"G-15 the role of a client whose id begins alike", noScp, token(object{"resource_access": object{"api2": inRoles, "ap": inRoles}})},
			{"G-15 the role of a client whose id differs in case", noScp, token(object{"resource_access": object{"API": inRoles}})},
			{"G-15 a realm role", noScp, token(object{"realm_access": inRoles})},
			{"G-15 a realm role beside another role of the client", noScp, token(object{"realm_access": inRoles, "resource_access": object{"api": object{"roles": []string{"user"}}}})},
			{"G-11 a string for the client's roles", noScp, token(object{"resource_access": object{"api": object{"roles": "admin"}}})},
			{"G-13 a number among the client's roles", noScp, token(object{"resource_access": object{"api": object{"roles": []any{"admin", 5}}}})},
		},
		"api.example.com": {
			{"G-14 control: a client id with dots", ok200, token(object{"resource_access": object{"api.example.com": inRoles}})},
			{"G-14 a client id with dots is no path", noScp, token(object{"resource_access": object{"api": object{"example": object{"com": inRoles}}}})},
		},
	} {
		runScopeAttacks(t, newService(t, shapedLike(bearerguard.Keycloak(client))), object{"typ": "JWT"}, rows)
	}
}

func TestAttackCombinations(t *testing.T) {
	a, b := bearerguard.Scope("a"), bearerguard.Scope("b")
	for _, tc := range []struct {
		name   string
		want   answer
		policy bearerguard.Policy
		claims guardtest.Claims
	}{
		{"G-18 two scopes wanted, the first given", noScp, bearerguard.Scope("a", "b"), guardtest.Claims{"scope": "a"}},
		{"G-18 two scopes wanted, the last given", noScp, bearerguard.Scope("a", "b"), guardtest.Claims{"scope": "b"}},
		{"G-18 two scopes wanted, one given twice", noScp, bearerguard.Scope("a", "b"), guardtest.Claims{"scope": "a a"}},
		{"G-18 two scopes wanted and given", ok200, bearerguard.Scope("a", "b"), guardtest.Claims{"scope": "b a"}},
		{"G-18 all of two, one given", noScp, bearerguard.All(a, b), guardtest.Claims{"scope": "a"}},
		{"G-18 all of two, the other given", noScp, bearerguard.All(a, b), guardtest.Claims{"scope": "b"}},
		{"G-18 any of two, none given", noScp, bearerguard.Any(a, b), guardtest.Claims{"scope": "c"}},
		{"G-18 any of two, one given", ok200, bearerguard.Any(a, b), guardtest.Claims{"scope": "b"}},
		{"G-18 any scope of two, none given", noScp, bearerguard.AnyScope("a", "b"), guardtest.Claims{"scope": "ab"}},
		{"G-18 two roles wanted, one given", noScp, bearerguard.Role("r", "s"), guardtest.Claims{"roles": []string{"r"}}},
		{"G-18 a role is no scope", noScp, bearerguard.Role("a"), guardtest.Claims{"scope": "a"}},
		{"G-18 a scope is no role", noScp, bearerguard.Scope("a"), guardtest.Claims{"roles": []string{"a"}}},
		{"G-18 the scope of one alternative and the role of the other", noScp, bearerguard.Any(bearerguard.All(a, bearerguard.Role("r")),
			bearerguard.All(b, bearerguard.Role("s"))), guardtest.Claims{"scope": "a", "roles": []string{"s"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serveGuarded(t, tc.policy)
			s.get(t, tc.want, "/", s.iss.TokenWith("Ed25519", nil, tc.claims))
		})
	}

	gitlab := bearerguard.Profile{Types: []string{"JWT"}, Expect: map[string]string{"ref_protected": "true"}}
	s := newService(t, shapedLike(gitlab))
	for _, tc := range []struct {
		name  string
		want  answer
		value any
	}{
		{"G-19 control: the string that is expected", ok200, "true"},
		{"G-19 the string false", badTk, "false"},
		{"G-19 another case", badTk, "True"},
		{"G-19 a boolean is not the string", badTk, true},
		{"G-19 a number is not the string", badTk, 1},
		{"G-19 an array is not the string", badTk, []string{"true"}},
		{"G-19 null is not the string", badTk, jsonNull},
		{"G-19 the claim is missing", badTk, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.get(t, tc.want, "/any", s.iss.TokenWith("Ed25519", nil, guardtest.Claims{"ref_protected": tc.value}))
		})
	}
	t.Run("G-19 a handler cannot read the string false into a bool", func(t *testing.T) {
		s := newService(t)
		token, err := s.guard.Verify(t.Context(), s.iss.Token(guardtest.Claims{"email_verified": "false"}), bearerguard.Authenticated())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := bearerguard.ClaimsAs[struct {
			EmailVerified bool `json:"email_verified"`
		}](token)
		if err == nil || claims.EmailVerified {
			t.Errorf("got %+v, %v", claims, err)
		}
	})
}

func TestAttackHugeLists(t *testing.T) {
	s := newService(t)
	names := func(n int) []string { return strings.Split(strings.Repeat("r ", n-1)+"r", " ") }
	sized := func(n int) string {
		return s.iss.TokenWith("Ed25519", nil, guardtest.Claims{"scope": strings.Repeat("x ", n) + "x"})
	}
	for _, tc := range []struct {
		name  string
		want  answer
		token string
	}{
		{"G-21 50,000 scopes are over the size cap", badTk, sized(50_000)},
		{"G-21 50,000 roles are over the size cap", badTk, s.iss.TokenWith("Ed25519", nil, guardtest.Claims{"roles": names(50_000)})},
		{"G-21 as many scopes as fit", noScp, sized(5_700)},
		{"G-21 as many roles as fit", noScp, s.iss.TokenWith("Ed25519", nil, guardtest.Claims{"roles": names(2_800)})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			s.get(t, tc.want, "/admin", tc.token)
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	huge := sized(500_000)
	t.Run("G-21 500,000 scopes do not come through the server's own cap", func(t *testing.T) {
		netHTTPRefuses(t, s, http.StatusRequestHeaderFieldsTooLarge, "GET /admin HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+huge+"\r\n\r\n")
	})
	t.Run("G-21 500,000 scopes that came in another way are not even parsed", func(t *testing.T) {
		start := time.Now()
		if _, err := s.guard.Verify(context.Background(), huge, bearerguard.Authenticated()); err == nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
