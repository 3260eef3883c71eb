package bearerguard_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// profileMistakes are profiles that New must refuse, naming the field and the value.
func profileMistakes() []mistake {
	type profile = bearerguard.Profile
	var rows []mistake
	add := func(name, field, value string, p profile) {
		rows = append(rows, mistake{name, "Config.Issuers[0]." + field, value, func(c *bearerguard.Config) { c.Issuers[0].Profile = p }})
	}
	jwtOnly := []string{typJWT}
	add("R9068-19 Types and what is refused anyway", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, Forbid: []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}})
	add("R9068-19 Types and an issuer", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, Expect: map[string]string{"iss": "https://login.example.com"}})
	add("R9068-19 Types and an audience", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, ExpectOneOf: map[string][]string{"aud": {resource}}})
	add("R9068-19 Types and a subject", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, ExpectPrefix: map[string]string{"sub": "user:"}})
	add("R9068-19 Types and one of two claims, of which all tokens have one", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, ExpectAny: []string{"scope", "sub"}})
	add("R9068-19 Types and clients", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, Clients: []string{"c"}})
	add("R9068-19 Types and another place for the client id", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, ClientIDClaims: []string{"azp"}})
	add("R9068-19 Types and tolerance for ID tokens", "Profile.Types ", `["JWT"]`, profile{Types: jwtOnly, IDTokenClaims: []string{"nonce"}})
	add("R9068-19 no typ, and an issuer", "Profile.Types ", `[""]`, profile{Types: []string{""}, Expect: map[string]string{"iss": "https://login.example.com"}})
	add("R9068-19 PlainJWT of an audience", "Profile.Types ", `["" "JWT"]`, bearerguard.PlainJWT("aud", resource))
	add("PlainJWT of nothing", "Profile.", `""`, bearerguard.PlainJWT("", ""))
	add("PlainJWT without a value", "Profile.Expect: ", `claim "token_use" with the value ""`, bearerguard.PlainJWT("token_use", ""))
	add("Cognito without a client", "Profile.Clients ", "is empty", bearerguard.Cognito())
	add("Cognito with an empty client", "Profile.Clients ", `["a" ""]`, bearerguard.Cognito("a", ""))
	add("EntraV2 without a tenant", "Profile.Tenants ", "is empty", bearerguard.EntraV2())
	add("EntraV1 without a tenant", "Profile.Tenants ", "is empty", bearerguard.EntraV1())
	add("GitHubActions without an owner", "Profile.ExpectOneOf: ", `"repository_owner" with the values []`, bearerguard.GitHubActions())
	add("GitHubActions with an empty owner", "Profile.ExpectOneOf: ", `"repository_owner" with the values ["a" ""]`, bearerguard.GitHubActions("a", ""))
	add("ExpectOneOf of nothing", "Profile.ExpectOneOf: ", `claim ""`, profile{ExpectOneOf: map[string][]string{"": {"a"}}})
	add("ExpectPrefix of nothing", "Profile.ExpectPrefix: ", `claim ""`, profile{ExpectPrefix: map[string]string{"": "a"}})
	add("ExpectPrefix without a prefix", "Profile.ExpectPrefix: ", `prefix ""`, profile{ExpectPrefix: map[string]string{"sub": ""}})
	add("ExpectObject of nothing", "Profile.ExpectObject ", `[""]`, profile{ExpectObject: []string{""}})
	add("ExpectAny of nothing", "Profile.ExpectAny ", `["a" ""]`, profile{ExpectAny: []string{"a", ""}})
	add("TokenIDClaims: one is empty", "Profile.TokenIDClaims ", `[""]`, profile{TokenIDClaims: []string{""}})
	add("RoleOrganizations: one is empty", "Profile.RoleOrganizations ", `["187" ""]`, bearerguard.Zitadel("187", ""))
	add("G-17 RoleOrganizations for arrays of strings", "Profile.RoleOrganizations ", `["187"]`, profile{RoleOrganizations: []string{"187"}})
	add("AnyTenant and Tenants", "Profile.AnyTenant ", tenantA, profile{AnyTenant: true, Tenants: []string{tenantA}})
	for _, claim := range []string{"events", "sid", "", "Nonce", "token_use"} {
		add(fmt.Sprintf("R9068-19 IDTokenClaims: %q", claim), "Profile.IDTokenClaims: ", fmt.Sprintf("%q", claim), profile{Types: jwtOnly, Expect: map[string]string{"a": "b"}, IDTokenClaims: []string{"nonce", claim}})
	}
	return rows
}

func TestNewNamesProfileMistakes(t *testing.T) {
	for _, row := range profileMistakes() {
		t.Run(row.name, func(t *testing.T) {
			cfg := goodConfig()
			row.change(&cfg)
			guard, err := bearerguard.New(cfg)
			if err == nil || guard != nil {
				t.Fatal("accepted")
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "bearerguard: "+row.field) || !strings.Contains(line, row.value) {
					t.Errorf("%q, want one that names %s and %s", line, row.field, row.value)
				}
			}
		})
	}
}

// TestDiscriminators shows that each field of a profile tells tokens apart by itself.
func TestDiscriminators(t *testing.T) {
	iss := issuers()[0]
	jwtOnly := []string{typJWT}
	kind, object := claimSet{"kind": "access"}, claimSet{"about": claimSet{"a": 1}}
	for _, tc := range []struct {
		name    string
		profile bearerguard.Profile
		good    []claimSet
		bad     []claimSet
	}{
		{"Expect", bearerguard.Profile{Types: jwtOnly, Expect: map[string]string{"kind": "access"}}, []claimSet{kind},
			[]claimSet{{}, {"kind": "id"}, {"kind": "Access"}, {"kind": "access "}, {"kind": ""}, {"kind": jsonNull}, {"kind": true}, {"kind": []string{"access"}}, {"kind": claimSet{"access": 1}}, {"Kind": "access"}}},
		{"two of Expect", bearerguard.Profile{Types: jwtOnly, Expect: map[string]string{"kind": "access", "use": "api"}}, []claimSet{{"kind": "access", "use": "api"}},
			[]claimSet{kind, {"use": "api"}, {"kind": "api", "use": "access"}}},
		{"ExpectOneOf", bearerguard.Profile{Types: jwtOnly, ExpectOneOf: map[string][]string{"kind": {"access", "api"}}}, []claimSet{kind, {"kind": "api"}},
			[]claimSet{{}, {"kind": "id"}, {"kind": "access api"}, {"kind": ""}, {"kind": jsonNull}, {"kind": []string{"access"}}, {"kind": 0}}},
		{"ExpectPrefix", bearerguard.Profile{Types: jwtOnly, ExpectPrefix: map[string]string{"kind": "AT."}}, []claimSet{{"kind": "AT.1"}, {"kind": "AT.AT."}},
			[]claimSet{{}, {"kind": "AT."}, {"kind": "AT"}, {"kind": "at.1"}, {"kind": " AT.1"}, {"kind": "xAT.1"}, {"kind": []string{"AT.1"}}, {"kind": jsonNull}}},
		{"ExpectObject", bearerguard.Profile{Types: jwtOnly, ExpectObject: []string{"about"}}, []claimSet{object, {"about": claimSet{}}},
			[]claimSet{{}, {"about": "{}"}, {"about": []claimSet{{}}}, {"about": jsonNull}, {"about": true}}},
		{"ExpectAny", bearerguard.Profile{Types: jwtOnly, ExpectAny: []string{"kind", "about"}}, []claimSet{kind, object, {"kind": false}},
			[]claimSet{{}, {"kind": jsonNull}, {"kind": jsonNull, "about": jsonNull}, {"Kind": 1}}},
		{"Forbid", bearerguard.Profile{Types: jwtOnly, Forbid: []string{"email"}}, []claimSet{{}},
			[]claimSet{{"email": "a"}, {"email": jsonNull}, {"email": false}, {"nonce": "n"}, {"at_hash": "h"}, {"c_hash": "h"}, {"s_hash": "h"}, {"events": claimSet{}}, {"token_use": "id"}, {"typ": "ID"}, {"typ": "Refresh"}}},
		{"IDTokenClaims, for Authentik or an older Keycloak", bearerguard.Profile{Types: jwtOnly, ExpectAny: []string{"uid"}, IDTokenClaims: []string{"nonce", "at_hash"}}, []claimSet{{"uid": "u", "nonce": "n", "at_hash": "h"}},
			[]claimSet{{"nonce": "n", "at_hash": "h"}, {"uid": "u", "c_hash": "h"}, {"uid": "u", "s_hash": "h"}, {"uid": "u", "events": claimSet{}}, {"uid": "u", "token_use": "id"}, {"uid": "u", "typ": "ID"}}},
		{"IDTokenClaims without Types, and Forbid", bearerguard.Profile{Forbid: []string{"nonce"}, IDTokenClaims: []string{"nonce"}}, nil, []claimSet{{"nonce": "n"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newService(t, withProfile(tc.profile))
			for _, good := range tc.good {
				acceptForged(t, s, forged{"R8725-15 " + forgeJSON(good), iss.TokenWith("Ed25519", claimSet{"typ": typJWT}, good)}, forged{"typ at+jwt " + forgeJSON(good), iss.TokenWith("Ed25519", nil, good)})
				refuseForged(t, s, forged{"R8725-15 no typ " + forgeJSON(good), iss.TokenWith("Ed25519", claimSet{"typ": nil}, good)}, forged{"R8725-14 a logout token " + forgeJSON(good), iss.TokenWith("Ed25519", claimSet{"typ": "logout+jwt"}, good)})
			}
			for _, bad := range tc.bad {
				refuseForged(t, s, forged{"R9068-19 " + forgeJSON(bad), iss.TokenWith("Ed25519", claimSet{"typ": typJWT}, bad)}, forged{"R9068-19 typ at+jwt " + forgeJSON(bad), iss.TokenWith("Ed25519", nil, bad)})
			}
		})
	}
}

// TestAttackProfileScopes and TestAttackProfileRoles send validly signed tokens whose rights have another shape, or are
// in another place, than the profile says. /admin wants scope admin:reset and role admin.
func TestAttackProfileScopes(t *testing.T) {
	entra := providers()[5]
	entra.profile.RoleClaims = [][]string{{"roles"}}
	okta := providers()[4]
	run := func(p provided, rows ...scopeAttack) {
		s := p.service(t)
		for _, tc := range rows {
			t.Run(p.name+": "+tc.name, func(t *testing.T) { s.get(t, tc.want, "/admin", p.token(p.typ, tc.claims)) })
		}
	}
	run(entra,
		scopeAttack{"G-04 control", ok200, claimSet{"scp": "x admin:reset"}},
		scopeAttack{"G-04 an array in string mode", badTk, claimSet{"scp": []string{"admin:reset"}}},
		scopeAttack{"G-08 scope beside scp", noScp, claimSet{"scope": "admin:reset"}},
		scopeAttack{"G-08 scope without scp", noScp, claimSet{"scp": nil, "scope": "admin:reset"}},
		scopeAttack{"G-08 a bad scope beside a good scp", ok200, claimSet{"scp": "admin:reset", "scope": 7}},
		scopeAttack{"G-05 a comma", noScp, claimSet{"scp": "x,admin:reset"}},
		scopeAttack{"G-07 a tab", noScp, claimSet{"scp": "x\tadmin:reset"}},
		scopeAttack{"G-06 an object", badTk, claimSet{"scp": claimSet{"admin:reset": true}}},
		scopeAttack{"G-11 the app role as a string", noScp, claimSet{"scp": "admin:reset", "roles": "admin"}},
		scopeAttack{"G-11 the app role as a scope", noScp, claimSet{"scp": "admin:reset admin", "roles": nil}},
		scopeAttack{"G-16 a directory role is no app role", noScp, claimSet{"scp": "admin:reset", "roles": nil, "wids": adminRole}},
		scopeAttack{"G-16 a group is no app role", noScp, claimSet{"scp": "admin:reset", "roles": nil, "groups": adminRole}},
	)
	run(okta,
		scopeAttack{"G-04 control", ok200, claimSet{"scp": []string{"x", "admin:reset"}}},
		scopeAttack{"G-04 a string in array mode", badTk, claimSet{"scp": "admin:reset"}},
		scopeAttack{"G-05 a space in an element", noScp, claimSet{"scp": []string{"x admin:reset"}}},
		scopeAttack{"G-08 scope beside scp", noScp, claimSet{"scope": "admin:reset"}},
		scopeAttack{"G-08 scope without scp", noScp, claimSet{"scp": nil, "scope": []string{"admin:reset"}}},
		scopeAttack{"G-06 a number among them", badTk, claimSet{"scp": []any{"admin:reset", 5}}},
		scopeAttack{"G-06 null", badTk, claimSet{"scp": jsonNull}},
		scopeAttack{"G-11 groups as a string", noScp, claimSet{"scp": []string{"admin:reset"}, "groups": "admin"}},
		scopeAttack{"G-15 roles instead of groups", noScp, claimSet{"scp": []string{"admin:reset"}, "groups": nil, "roles": adminRole}},
	)
}

func TestAttackProfileRoles(t *testing.T) {
	type object = claimSet
	const path = "urn:zitadel:iam:org:project:roles"
	org := object{"187": "shop.zitadel.cloud"}
	zitadel := func(value any) object { return object{"scope": "admin:reset", path: value, "jti": "j"} }
	for name, p := range map[string]bearerguard.Profile{"any organization": bearerguard.Zitadel(), "one organization": bearerguard.Zitadel("187", "188")} {
		other := noScp
		if name == "any organization" {
			other = ok200
		}
		runScopeAttacks(t, newService(t, shapedLike(p)), object{"typ": typJWT}, []scopeAttack{
			{"G-17 control: " + name, ok200, zitadel(object{"user": object{}, "admin": org})},
			{"G-17 control: an array of such objects, " + name, ok200, zitadel([]object{{"user": org}, {"admin": org}})},
			{"G-17 granted by another organization, " + name, other, zitadel(object{"admin": object{"999": "evil.example"}})},
			{"G-17 granted by another organization with our domain, " + name, other, zitadel(object{"admin": object{"999": "187"}})},
			{"G-17 the organization of another role, " + name, other, zitadel(object{"user": org, "admin": object{"999": "evil.example"}})},
			{"G-17 granted by two organizations, " + name, ok200, zitadel(object{"admin": object{"999": "evil.example", "188": "b"}})},
			{"G-17 no organization, " + name, noScp, zitadel(object{"admin": object{}})},
			{"G-17 no organization, in an array, " + name, noScp, zitadel([]object{{"admin": object{}}})},
			{"G-17 an organization without a name, " + name, noScp, zitadel(object{"admin": object{"": "shop.zitadel.cloud"}})},
			{"G-17 a domain that is null, " + name, noScp, zitadel(object{"admin": object{"187": nil}})},
			{"G-17 a domain that is an object, " + name, noScp, zitadel(object{"admin": object{"187": object{}}})},
			{"G-12 true for the organizations, " + name, noScp, zitadel(object{"admin": true})},
			{"G-12 null for the organizations, " + name, noScp, zitadel(object{"admin": nil})},
			{"G-12 a string for the organizations, " + name, noScp, zitadel(object{"admin": "187"})},
			{"G-12 an array of organizations, " + name, noScp, zitadel(object{"admin": []string{"187"}})},
			{"G-13 another role of a wrong shape, " + name, noScp, zitadel(object{"admin": org, "user": true})},
			{"G-13 a role of a wrong shape in another object, " + name, noScp, zitadel([]object{{"admin": org}, {"user": true}})},
			{"G-13 a string among the objects, " + name, noScp, zitadel([]any{object{"admin": org}, "user"})},
			{"G-13 an array among the objects, " + name, noScp, zitadel([]any{[]object{{"admin": org}}})},
			{"G-12 an array of strings, " + name, noScp, zitadel(adminRole)},
			{"G-11 a string, " + name, noScp, zitadel("admin")},
			{"G-12 null, " + name, noScp, zitadel(jsonNull)},
			{"G-12 the role one level down, " + name, noScp, zitadel(object{"roles": object{"admin": org}})},
			{"G-15 the roles of another project, " + name, noScp, object{"scope": "admin:reset", "urn:zitadel:iam:org:project:999:roles": object{"admin": org}}},
			{"G-14 the path in pieces, " + name, noScp, object{"scope": "admin:reset", "urn:zitadel:iam:org:project": object{"roles": object{"admin": org}}}},
			{"G-15 roles, " + name, noScp, object{"scope": "admin:reset", "roles": adminRole}},
		})
	}

	groups := func(more object) object { return with(object{"scope": "admin:reset", "groups": adminRole}, more) }
	sources := object{"src1": object{"endpoint": "https://graph.windows.net/t/users/u/getMemberObjects"}}
	runScopeAttacks(t, newService(t, shapedLike(bearerguard.Profile{RoleClaims: [][]string{{"roles"}, {"groups"}}})), nil, []scopeAttack{
		{"G-16 control: groups that fit", ok200, groups(nil)},
		{"G-16 control: something else did not fit", ok200, groups(object{"_claim_names": object{"photos": "src1"}, "_claim_sources": sources})},
		{"G-16 control: hasgroups says no", ok200, groups(object{"hasgroups": false})},
		{"G-16 control: the groups did not fit, the roles are there", ok200, object{"scope": "admin:reset", "roles": adminRole, "_claim_names": object{"groups": "src1"}, "_claim_sources": sources}},
		{"G-16 the groups did not fit", noScp, object{"scope": "admin:reset", "_claim_names": object{"groups": "src1"}, "_claim_sources": sources}},
		{"G-16 the groups did not fit, and some are there", noScp, groups(object{"_claim_names": object{"groups": "src1"}, "_claim_sources": sources})},
		{"G-16 the marker is null, and some are there", noScp, groups(object{"_claim_names": object{"groups": nil}})},
		{"G-16 hasgroups, and some are there", noScp, groups(object{"hasgroups": true})},
		{"G-16 hasgroups is a string", noScp, groups(object{"hasgroups": "true"})},
		{"G-16 groups in the source", noScp, object{"scope": "admin:reset", "_claim_names": object{"groups": "src1"}, "_claim_sources": object{"src1": object{"groups": adminRole}}}},
		{"G-11 groups as a string", noScp, groups(object{"groups": "admin"})},
		{"G-12 groups as objects", noScp, groups(object{"groups": []object{{"value": "admin"}}})},
	})
	runScopeAttacks(t, newService(t, shapedLike(bearerguard.Cognito("client-1"))), object{"typ": nil}, []scopeAttack{
		{"G-14 control: a claim with a colon", ok200, object{"scope": "admin:reset", "token_use": "access", "cognito:groups": adminRole}},
		{"G-14 the colon as a path", noScp, object{"scope": "admin:reset", "token_use": "access", "cognito": object{"groups": adminRole}}},
		{"G-13 a number among the groups", noScp, object{"scope": "admin:reset", "token_use": "access", "cognito:groups": []any{"admin", 5}}},
	})
}

// TestProfilesAreFresh changes everything that a constructor returns, and what it was given; the next one must not see it.
func TestProfilesAreFresh(t *testing.T) {
	names := []string{tenantA, "b"}
	for name, construct := range map[string]func() bearerguard.Profile{
		"RFC9068": bearerguard.RFC9068, "Keycloak": func() bearerguard.Profile { return bearerguard.Keycloak("api") }, "Auth0": bearerguard.Auth0, "Okta": bearerguard.Okta, "Hydra": bearerguard.Hydra, "Kubernetes": bearerguard.Kubernetes,
		"EntraV1": func() bearerguard.Profile { return bearerguard.EntraV1(names...) }, "EntraV2": func() bearerguard.Profile { return bearerguard.EntraV2(names...) }, "Cognito": func() bearerguard.Profile { return bearerguard.Cognito(names...) },
		"Zitadel": func() bearerguard.Profile { return bearerguard.Zitadel(names...) }, "GitHubActions": func() bearerguard.Profile { return bearerguard.GitHubActions(names...) }, "PlainJWT": func() bearerguard.Profile { return bearerguard.PlainJWT("a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			want, spoilt := fmt.Sprintf("%v", construct()), construct()
			spoil(reflect.ValueOf(spoilt))
			if got := fmt.Sprintf("%v", construct()); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if names[0] != tenantA || names[1] != "b" {
				t.Errorf("the caller's slice became %q", names)
			}
		})
	}
}

// TestNewCopiesProfiles changes every slice and map of a profile after New.
func TestNewCopiesProfiles(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			guard := p.service(t).guard
			spoil(reflect.ValueOf(p.profile))
			p.check(t, guard)
		})
	}
}

// spoil overwrites all strings in slices and maps.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			if element := v.Index(i); element.Kind() == reflect.String {
				element.SetString("spoilt")
			} else {
				spoil(element)
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if v.MapIndex(key).Kind() == reflect.String {
				v.SetMapIndex(key, reflect.ValueOf("spoilt"))
			} else {
				spoil(v.MapIndex(key))
			}
		}
	}
}

// TestAdvice shows what the log of a refusal tells the operator to set, and that only a good signature lets it.
func TestAdvice(t *testing.T) {
	iss := issuers()[0]
	plain := claimSet{"client_id": nil, "jti": nil, "azp": "web"}
	for _, tc := range []struct {
		name, url string
		profile   bearerguard.Profile
		typ       any
		claims    claimSet
		says      string // empty: no advice
	}{
		{"Keycloak", "https://sso.example.com/realms/shop", bearerguard.Profile{}, typJWT, plain, `bearerguard.Keycloak("your-client-id")`},
		{"Keycloak, old path", "https://sso.example.com/auth/realms/shop", bearerguard.Profile{}, typJWT, plain, `bearerguard.Keycloak("your-client-id")`},
		{"Keycloak, a claim", "https://sso.example.com/realms/shop", bearerguard.Profile{}, "at+jwt", plain, `bearerguard.Keycloak("your-client-id")`},
		{"Auth0", "https://shop.eu.auth0.com/", bearerguard.Profile{}, typJWT, plain, "bearerguard.Auth0()"},
		{"Okta", "https://shop.okta.com/oauth2/default", bearerguard.Profile{}, nil, plain, "bearerguard.Okta()"},
		{"Okta preview", "https://shop.oktapreview.com/oauth2/aus1", bearerguard.Profile{}, nil, plain, "bearerguard.Okta()"},
		{"Entra v2", "https://login.microsoftonline.com/" + tenantA + "/v2.0", bearerguard.Profile{}, typJWT, plain, `bearerguard.EntraV2("your-tenant-id")`},
		{"Entra v1", "https://sts.windows.net/" + tenantA + "/", bearerguard.Profile{}, typJWT, plain, `bearerguard.EntraV1("your-tenant-id")`},
		{"Cognito", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A", bearerguard.Profile{}, nil, plain, `bearerguard.Cognito("your-client-id")`},
		{"GitHub", "https://token.actions.githubusercontent.com", bearerguard.Profile{}, typJWT, plain, `bearerguard.GitHubActions("your-organization")`},
		{"an unlisted provider", "https://login.example.com", bearerguard.Profile{}, typJWT, plain, "bearerguard.PlainJWT(claim, value)"},
		{"the profile of another provider", "https://shop.okta.com/oauth2/default", bearerguard.Auth0(), nil, plain, "bearerguard.Okta()"},
		{"the right profile", "https://shop.eu.auth0.com/", bearerguard.Auth0(), typJWT, claimSet{"nonce": "n"}, ""},
		{"a profile of one's own", "https://login.example.com", bearerguard.PlainJWT("a", "b"), typJWT, plain, ""},
		{"the name of a provider elsewhere in the host", "https://auth0.com.evil.test", bearerguard.Profile{}, typJWT, plain, "bearerguard.PlainJWT(claim, value)"},
		{"no aud, Cognito", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A", bearerguard.Profile{}, nil, claimSet{"aud": nil}, `bearerguard.Cognito("your-client-id")`},
		{"no aud, Keycloak", "https://sso.example.com/realms/shop", bearerguard.Keycloak("api"), typJWT, claimSet{"aud": nil}, "audience mapper"},
		{"no aud, an unlisted provider", "https://login.example.com", bearerguard.Profile{}, typJWT, claimSet{"aud": nil}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var logged error
			cfg := goodConfig()
			cfg.Issuers[0].URL, cfg.Issuers[0].Profile = tc.url, tc.profile
			cfg.OnDecision = func(_ context.Context, d bearerguard.Decision) { logged = d.Err }
			guard, err := bearerguard.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			token := iss.TokenWith("Ed25519", claimSet{"typ": tc.typ}, with(tc.claims, claimSet{"iss": tc.url}))
			if _, err := guard.Verify(t.Context(), token, bearerguard.Authenticated()); err == nil {
				t.Fatal("accepted")
			}
			if says := fmt.Sprint(logged); tc.says == "" && strings.Contains(says, "Issuer.Profile =") || !strings.Contains(says, tc.says) {
				t.Errorf("logged %q, want %q", says, tc.says)
			}
			if _, ok := tc.claims["aud"]; ok {
				return // the one hint that is about the configuration alone
			}
			if _, err := guard.Verify(t.Context(), token[:len(token)-8]+"AAAAAAAA", bearerguard.Authenticated()); err == nil || strings.Contains(fmt.Sprint(logged), "Profile") {
				t.Errorf("with a bad signature: %v, %v", err, logged)
			}
		})
	}
}
