package bearerguard_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const (
	tenantA  = "11111111-aaaa-4bbb-8ccc-0123456789ab"
	tenantB  = "22222222-aaaa-4bbb-8ccc-0123456789ab"
	entraAPI = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
	entraApp = "0f1e2d3c-aaaa-4bbb-8ccc-ba9876543210"
	typJWT   = "JWT"
	none     = "" // no typ at all
)

// provided is what a provider issues: its access token, and what else its keys sign. A nil claim leaves one out of it.
type provided struct {
	name, url string
	profile   bearerguard.Profile
	audience  string // accepted beside resource
	typ       string
	access    guardtest.Claims
	others    []otherKind
	required  []string // without one of these a token is no good
	client    string
	id        string
	scopes    []string
	roles     []string
}

// otherKind is how another token of the provider differs from the access token.
type otherKind struct {
	name  string
	typ   string
	claim guardtest.Claims
}

type claimSet = guardtest.Claims

// providers are the samples, in the shapes that the providers document.
func providers() []provided {
	now := time.Now().Unix()
	entra := claimSet{
		"aud": entraAPI, "ver": "2.0", "azp": entraApp, "azpacr": "1", "tid": tenantA, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
		"scp": "items:read extra.one", "roles": []string{"admin"}, "uti": "fqiBqXLPj0eQa82S-IYFAA", "name": "Abe Lincoln", "preferred_username": "abeli@microsoft.com", "rh": "0.ATgAZ3X6", "aio": "AXQAi/8", "nbf": now,
	}
	return []provided{
		{
			name: "rfc9068", url: "https://login.example.com", profile: bearerguard.RFC9068(), typ: "at+jwt",
			access:   claimSet{"aud": resource, "sub": "alice", "client_id": "app", "jti": "1", "scope": "items:read", "roles": []string{"admin"}},
			others:   []otherKind{{"an ID token", typJWT, claimSet{"aud": "app", "client_id": nil, "nonce": "n"}}, {"an ID token for us", typJWT, claimSet{"client_id": nil, "nonce": "n"}}, {"a logout token for us", "logout+jwt", claimSet{"events": claimSet{}}}},
			required: []string{"aud", "sub", "client_id", "jti", "iat", "exp"}, client: "app", id: "1", scopes: []string{"items:read"}, roles: []string{"admin"},
		},
		{
			name: "keycloak", url: "https://sso.example.com/realms/shop", profile: bearerguard.Keycloak("api.example"), typ: typJWT,
			access: claimSet{
				"aud": []string{resource, "account"}, "sub": "7f22fd6a-3d46-4d5a-ae56-6de3c53e1873", "typ": "Bearer", "azp": "web", "jti": "onrtac:b3a1", "sid": "s-1", "acr": "1", "auth_time": now - 5, "scope": "openid items:read",
				"allowed-origins": []string{"https://web.example.com"}, "realm_access": claimSet{"roles": []string{"realm-admin"}}, "resource_access": claimSet{"api.example": claimSet{"roles": []string{"admin"}}, "account": claimSet{"roles": []string{"view-profile"}}},
			},
			others: []otherKind{
				{"E-01 an ID token", typJWT, claimSet{"typ": "ID", "aud": "web", "nonce": "n", "at_hash": "h"}}, {"E-02 an ID token for us too", typJWT, claimSet{"typ": "ID"}},
				{"E-04 a refresh token", typJWT, claimSet{"typ": "Refresh", "aud": "https://sso.example.com/realms/shop"}}, {"E-04 a refresh token for us", typJWT, claimSet{"typ": "Refresh"}},
				{"E-04 an offline token", typJWT, claimSet{"typ": "Offline"}}, {"E-03 a logout token", "logout+jwt", claimSet{"typ": "Logout", "events": claimSet{}}}, {"E-03 a logout token that says JWT", typJWT, claimSet{"typ": "Logout"}},
				{"E-01 a lightweight token", typJWT, claimSet{"sub": nil}},
			},
			required: []string{"aud", "sub", "azp", "jti", "iat", "exp", "typ"}, client: "web", id: "onrtac:b3a1", scopes: []string{"openid", "items:read"}, roles: []string{"admin"},
		},
		{
			name: "auth0, own profile", url: "https://shop.eu.auth0.com/", profile: bearerguard.Auth0(), typ: typJWT,
			access:   claimSet{"aud": []string{resource, "https://shop.eu.auth0.com/userinfo"}, "sub": "auth0|123456", "azp": "my_client_id", "scope": "openid items:read", "gty": "password", "permissions": []string{"admin"}},
			others:   auth0Others(),
			required: []string{"aud", "sub", "azp", "iat", "exp"}, client: "my_client_id", scopes: []string{"openid", "items:read"}, roles: []string{"admin"},
		},
		{
			name: "auth0, RFC 9068 profile", url: "https://shop.eu.auth0.com/", profile: bearerguard.Auth0(), typ: "at+jwt",
			access:   claimSet{"aud": resource, "sub": "awZfdIir8Y@clients", "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmhQtEeDv", "scope": "items:read"},
			others:   auth0Others(),
			required: []string{"aud", "sub", "client_id", "iat", "exp"}, client: "my_client_id", id: "73WakrfVbNJBaAmhQtEeDv", scopes: []string{"items:read"},
		},
		{
			name: "okta", url: "https://shop.okta.com/oauth2/default", profile: bearerguard.Okta(), audience: "api://default", typ: none,
			access: claimSet{"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default", "sub": "alice@example.com", "cid": "0oabcdef", "uid": "00u1", "scp": []string{"openid", "items:read"}, "auth_time": now - 5, "groups": []string{"admin"}},
			others: []otherKind{
				{"E-01 an ID token", none, claimSet{"jti": "ID.4eAWJOCMB3SX8XewDfVR", "aud": "0oabcdef", "cid": nil, "scp": nil, "amr": []string{"pwd"}, "idp": "00o1", "at_hash": "h"}},
				{"E-02 an ID token for us, of which one claim tells", none, claimSet{"jti": "ID.4eAWJOCMB3SX8XewDfVR"}}, {"E-01 an ID token for us, without client id", none, claimSet{"cid": nil}},
				{"E-01 a jti of the prefix alone", none, claimSet{"jti": "AT."}}, {"E-01 a jti with the prefix inside", none, claimSet{"jti": "ID.AT.1"}}, {"E-01 another case of the prefix", none, claimSet{"jti": "at.1"}},
				{"the organization's own server", "application/okta-internal-at+jwt", nil},
			},
			required: []string{"aud", "sub", "cid", "jti", "iat", "exp"}, client: "0oabcdef", id: "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", scopes: []string{"openid", "items:read"}, roles: []string{"admin"},
		},
		{
			name: "entra v2", url: "https://login.microsoftonline.com/" + tenantA + "/v2.0", profile: bearerguard.EntraV2(tenantA), audience: entraAPI, typ: typJWT, access: entra,
			others: []otherKind{
				{"E-01 an ID token", typJWT, claimSet{"aud": entraApp, "azp": nil, "azpacr": nil, "scp": nil, "nonce": "n"}}, {"E-02 an ID token for an API that signs users in", typJWT, claimSet{"azp": nil, "azpacr": nil, "scp": nil}},
				{"E-01 a token that grants nothing", typJWT, claimSet{"scp": nil, "roles": nil}}, {"E-01 a token that grants null", typJWT, claimSet{"scp": jsonNull, "roles": jsonNull}},
				{"E-01 a token of version 1.0", typJWT, claimSet{"ver": "1.0", "azp": nil, "appid": entraApp}}, {"E-01 a version that is a number", typJWT, claimSet{"ver": 2.0}},
			},
			required: []string{"aud", "sub", "azp", "uti", "iat", "exp", "ver", "tid"}, client: entraApp, id: "fqiBqXLPj0eQa82S-IYFAA", scopes: []string{"items:read", "extra.one"}, roles: []string{"admin"},
		},
		{
			name: "entra v2, an app for itself", url: "https://login.microsoftonline.com/" + tenantA + "/v2.0", profile: bearerguard.EntraV2(tenantA), audience: entraAPI, typ: typJWT,
			access: with(entra, claimSet{"azp": entraAPI, "scp": nil, "sub": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "name": nil, "preferred_username": nil, "idtyp": "app"}),
			client: entraAPI, id: "fqiBqXLPj0eQa82S-IYFAA", roles: []string{"admin"},
		},
		{
			name: "entra v1", url: "https://sts.windows.net/" + tenantA + "/", profile: bearerguard.EntraV1(tenantA), audience: "api://" + entraAPI, typ: typJWT,
			access: with(entra, claimSet{"aud": "api://" + entraAPI, "ver": "1.0", "azp": nil, "azpacr": nil, "appid": entraApp, "appidacr": "1", "amr": []string{"pwd"}, "acr": "1"}),
			others: []otherKind{
				{"E-01 an ID token", typJWT, claimSet{"aud": entraApp, "appid": nil, "scp": nil, "nonce": "n"}}, {"E-02 an ID token for us, without scp", typJWT, claimSet{"appid": nil, "scp": nil}},
				{"E-01 a token of version 2.0", typJWT, claimSet{"ver": "2.0", "azp": entraApp}}, {"E-18 a client id where version 2.0 has it", typJWT, claimSet{"appid": nil, "azp": entraApp}},
			},
			required: []string{"aud", "sub", "appid", "uti", "iat", "exp", "ver", "tid"}, client: entraApp, id: "fqiBqXLPj0eQa82S-IYFAA", scopes: []string{"items:read", "extra.one"}, roles: []string{"admin"},
		},
		{
			name: "cognito", url: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI", profile: bearerguard.Cognito("5jk2web", "5jk2cli"), typ: none,
			access: claimSet{
				"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "d", "cognito:groups": []string{"admin"}, "client_id": "5jk2web", "origin_jti": "o", "event_id": "e", "token_use": "access",
				"scope": "aws.cognito.signin.user.admin api/items", "auth_time": now - 5, "version": 2, "jti": "j", "username": "alice",
			},
			others: []otherKind{
				{"E-01 an ID token", none, claimSet{"token_use": "id", "aud": "5jk2web", "client_id": nil, "scope": nil, "cognito:username": "alice", "at_hash": "h"}}, {"E-01 an ID token with everything else", none, claimSet{"token_use": "id"}},
				{"E-02 an ID token for us", none, claimSet{"token_use": "id", "aud": resource}}, {"E-04 token_use refresh", none, claimSet{"token_use": "refresh"}}, {"E-01 token_use in another case", none, claimSet{"token_use": "Access"}},
				{"E-09 another client", none, claimSet{"client_id": "5jk2other"}}, {"E-09 no client, but an azp", none, claimSet{"client_id": nil, "azp": "5jk2web"}}, {"E-09 a client that is an array", none, claimSet{"client_id": []string{"5jk2web"}}},
				{"E-09 a client in another case", none, claimSet{"client_id": "5JK2WEB"}}, {"E-09 an empty client", none, claimSet{"client_id": ""}}, {"E-09 our resource for a client", none, claimSet{"client_id": resource}},
				{"E-06 bound to another resource", none, claimSet{"aud": "https://sister.example.com"}}, {"E-08 an aud that is null", none, claimSet{"aud": jsonNull}}, {"E-08 an empty aud", none, claimSet{"aud": []string{}}},
				{"E-06 aud is the client", none, claimSet{"aud": "5jk2web"}}, {"E-09 bound to us, but another client", none, claimSet{"aud": resource, "client_id": "5jk2other"}},
			},
			required: []string{"sub", "client_id", "token_use", "jti", "iat", "exp"}, client: "5jk2web", id: "j", scopes: []string{"aws.cognito.signin.user.admin", "api/items"}, roles: []string{"admin"},
		},
		{
			name: "hydra", url: "https://hydra.example.com/", profile: bearerguard.Hydra(), typ: typJWT,
			access: claimSet{"aud": []string{resource}, "sub": "alice", "client_id": "c-1", "jti": "j", "nbf": now, "scp": []string{"offline", "items:read"}, "ext": claimSet{"roles": []string{"admin"}}},
			others: []otherKind{
				{"E-01 an ID token", typJWT, claimSet{"aud": []string{"c-1"}, "client_id": nil, "scp": nil, "ext": nil, "nonce": "", "at_hash": "h", "rat": now, "sid": "s"}}, {"E-02 an ID token for us, told by rat alone", typJWT, claimSet{"rat": now}},
				{"E-02 an ID token for us, told by its client id alone", typJWT, claimSet{"client_id": nil}}, {"E-03 a logout token", typJWT, claimSet{"aud": []string{"c-1"}, "events": claimSet{"http://schemas.openid.net/event/backchannel-logout": claimSet{}}}},
				{"E-08 a token for nobody", typJWT, claimSet{"aud": []string{}}}, {"an empty client id, as the JWT bearer grant gives", typJWT, claimSet{"client_id": ""}},
			},
			required: []string{"aud", "sub", "client_id", "jti", "iat", "exp"}, client: "c-1", id: "j", scopes: []string{"offline", "items:read"}, roles: []string{"admin"},
		},
		{
			name: "zitadel", url: "https://shop.zitadel.cloud", profile: bearerguard.Zitadel("186", "187"), audience: "218521650236358657", typ: typJWT,
			access: claimSet{
				"aud": []string{"218521650236358658@shop", "218521650236358657"}, "sub": "165467338479501313", "client_id": "218521650236358658@shop", "jti": "V2_1", "nbf": now,
				"urn:zitadel:iam:org:project:roles": claimSet{"admin": claimSet{"187": "shop.zitadel.cloud"}}, "urn:zitadel:iam:user:resourceowner:id": "187",
			},
			others: []otherKind{
				{"E-02 an ID token", typJWT, claimSet{"jti": nil, "azp": "218521650236358658@shop", "amr": []string{"pwd"}, "at_hash": "h"}}, {"E-02 an ID token without at_hash", typJWT, claimSet{"jti": nil}},
				{"E-02 an ID token with a jti of null", typJWT, claimSet{"jti": jsonNull}}, {"E-01 a token for clients only", typJWT, claimSet{"aud": []string{"218521650236358658@shop"}}},
			},
			required: []string{"aud", "sub", "client_id", "jti", "iat", "exp"}, client: "218521650236358658@shop", id: "V2_1", roles: []string{"admin"},
		},
		{
			name: "kubernetes", url: "https://kubernetes.default.svc.cluster.local", profile: bearerguard.Kubernetes(), typ: none,
			access: claimSet{
				"aud": []string{resource}, "sub": "system:serviceaccount:shop:worker", "nbf": now,
				"kubernetes.io": claimSet{"namespace": "shop", "serviceaccount": claimSet{"name": "worker", "uid": "14ee3fa4"}, "pod": claimSet{"name": "worker-0", "uid": "1a2b"}, "warnafter": now + 3607},
			},
			others: []otherKind{
				{"a legacy token", none, claimSet{"aud": nil, "exp": nil, "iat": nil, "kubernetes.io": nil, "kubernetes.io/serviceaccount/namespace": "shop"}}, {"a legacy token for us", none, claimSet{"kubernetes.io": nil, "kubernetes.io/serviceaccount/namespace": "shop"}},
				{"a user", none, claimSet{"sub": "system:masters"}}, {"a node", none, claimSet{"sub": "system:node:worker"}}, {"the prefix inside of the subject", none, claimSet{"sub": "x:system:serviceaccount:shop:worker"}},
				{"the prefix alone", none, claimSet{"sub": "system:serviceaccount:"}}, {"kubernetes.io is a string", none, claimSet{"kubernetes.io": "shop"}}, {"kubernetes.io is an array", none, claimSet{"kubernetes.io": []claimSet{{"namespace": "shop"}}}},
				{"kubernetes.io is null", none, claimSet{"kubernetes.io": jsonNull}}, {"a token for the API server", none, claimSet{"aud": []string{"https://kubernetes.default.svc.cluster.local"}}}, {"a life of a year", none, claimSet{"exp": now + 365*24*3600}},
				{"an empty client id", none, claimSet{"client_id": ""}}, {"a jti that is a number", none, claimSet{"jti": 5}},
			},
			required: []string{"aud", "sub", "iat", "exp", "kubernetes.io"},
		},
		{
			name: "github actions", url: "https://token.actions.githubusercontent.com", profile: bearerguard.GitHubActions("octo-org", "octo-lab"), typ: typJWT,
			access: claimSet{
				"aud": resource, "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "jti": "example-id", "nbf": now, "ref": "refs/heads/main", "repository": "octo-org/octo-repo", "repository_owner": "octo-org",
				"repository_owner_id": "65", "actor": "octocat", "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
			},
			others: []otherKind{
				{"another owner", typJWT, claimSet{"repository_owner": "evil", "repository": "evil/octo-repo"}}, {"another owner with our repository's name", typJWT, claimSet{"repository_owner": "evil"}}, {"an owner whose name begins alike", typJWT, claimSet{"repository_owner": "octo-org-evil"}},
				{"an owner in another case", typJWT, claimSet{"repository_owner": "Octo-Org"}}, {"an array of owners", typJWT, claimSet{"repository_owner": []string{"octo-org"}}}, {"two owners in a string", typJWT, claimSet{"repository_owner": "octo-org,octo-lab"}},
				{"an empty owner", typJWT, claimSet{"repository_owner": ""}}, {"an owner of null", typJWT, claimSet{"repository_owner": jsonNull}}, {"the owner in the subject only", typJWT, claimSet{"repository_owner": nil}},
				{"the default audience", typJWT, claimSet{"aud": "https://github.com/octo-org"}}, {"no jti", typJWT, claimSet{"jti": nil}},
			},
			required: []string{"aud", "sub", "jti", "iat", "exp", "repository_owner"}, id: "example-id",
		},
		{
			name: "gitlab, by PlainJWT", url: "https://gitlab.example.com", profile: optional(bearerguard.PlainJWT("namespace_path", "shop"), "client_id"), typ: typJWT,
			access:   claimSet{"aud": resource, "sub": "project_path:shop/api:ref_type:branch:ref:main", "jti": "j", "nbf": now, "namespace_path": "shop", "project_path": "shop/api", "ref_protected": "true", "runner_id": 1},
			others:   []otherKind{{"another namespace", typJWT, claimSet{"namespace_path": "evil"}}, {"a namespace below ours", typJWT, claimSet{"namespace_path": "shop/evil"}}, {"a namespace that is a number", typJWT, claimSet{"namespace_path": 5}}},
			required: []string{"aud", "sub", "jti", "iat", "exp", "namespace_path"}, id: "j",
		},
	}
}

func auth0Others() []otherKind {
	id := claimSet{"aud": "my_client_id", "azp": nil, "client_id": nil, "scope": nil, "permissions": nil, "name": "Alice", "email": "alice@example.com"}
	return []otherKind{
		{"E-01 an ID token", typJWT, with(id, claimSet{"nonce": "n", "sid": "s"})}, {"E-01 an ID token of a refresh", typJWT, id}, {"E-02 an ID token for us", typJWT, with(id, claimSet{"aud": resource})},
		{"E-02 an ID token for us, told by sid alone", typJWT, claimSet{"sid": "s"}}, {"E-02 an ID token for us, told by nonce alone", typJWT, claimSet{"nonce": "n"}}, {"E-03 a logout token", "logout+jwt", with(id, claimSet{"events": claimSet{}, "sid": "s"})},
		{"E-01 an azp that is a list", typJWT, claimSet{"client_id": nil, "azp": []string{"my_client_id"}}}, {"E-18 an empty client_id beside azp", typJWT, claimSet{"client_id": "", "azp": "my_client_id"}},
	}
}

func optional(p bearerguard.Profile, claims ...string) bearerguard.Profile {
	p.OptionalClaims = claims
	return p
}

// with is the claims with others changed, added or, if nil, left out.
func with(base, more guardtest.Claims) guardtest.Claims {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// token is the access token with changes, signed by the provider.
func (p provided) token(typ string, more guardtest.Claims) string {
	header := claimSet{"typ": typ}
	if typ == none {
		header["typ"] = nil
	}
	base := claimSet{"iss": p.url, "aud": nil, "sub": nil, "client_id": nil, "jti": nil}
	return issuers()[0].TokenWith("RS256", header, with(with(base, p.access), more))
}

// service trusts the provider, with keys that are at hand.
func (p provided) service(t *testing.T) *service {
	t.Helper()
	return newService(t, func(cfg *bearerguard.Config) {
		cfg.Issuers = []bearerguard.Issuer{{URL: p.url, JWKS: issuers()[0].JWKS(), Profile: p.profile}}
		cfg.Audiences = []string{resource}
		if p.audience != "" {
			cfg.Audiences = append(cfg.Audiences, p.audience)
		}
	})
}

// check holds what the guard reads from the access token to what is in it.
func (p provided) check(t *testing.T, guard *bearerguard.Guard) {
	t.Helper()
	got, err := guard.Verify(t.Context(), p.token(p.typ, nil), bearerguard.Authenticated())
	if err != nil {
		t.Fatal(err)
	}
	if got.Issuer() != p.url || got.Subject() != p.access["sub"] || got.ClientID() != p.client || got.ID() != p.id || !slices.Equal(got.Scopes(), p.scopes) || !slices.Equal(got.Roles(), p.roles) {
		t.Errorf("got %v, jti %q, scopes %q, roles %q", got, got.ID(), got.Scopes(), got.Roles())
	}
}

func TestProviders(t *testing.T) {
	for _, p := range providers() {
		t.Run(p.name, func(t *testing.T) {
			s := p.service(t)
			acceptForged(t, s, forged{"the access token", p.token(p.typ, nil)}, forged{"R8725-15 the access token that says at+jwt", p.token("at+jwt", nil)})
			p.check(t, s.guard)
			for _, other := range p.others {
				refuseForged(t, s, forged{"R9068-19 R8725-14 " + other.name, p.token(other.typ, other.claim)})
			}
			for _, claim := range p.required {
				refuseForged(t, s, forged{"R9068-07 without " + claim, p.token(p.typ, claimSet{claim: nil})}, forged{"R9068-07 with a " + claim + " of another type", p.token(p.typ, claimSet{claim: []int{5}})})
			}
			for _, aud := range []string{"https://sister.example.com", resource + "/", p.url, "account"} {
				refuseForged(t, s, forged{"E-06 aud " + aud, p.token(p.typ, claimSet{"aud": aud})})
			}
			if p.access["aud"] != nil {
				refuseForged(t, s,
					forged{"E-09 no aud, client ids are us", p.token(p.typ, claimSet{"aud": nil, "client_id": resource, "azp": resource, "cid": resource, "appid": resource})},
					forged{"E-09 a foreign aud, client ids are us", p.token(p.typ, claimSet{"aud": "x", "client_id": resource, "azp": resource, "cid": resource, "appid": resource})},
				)
			}
			for _, near := range []string{strings.TrimSuffix(p.url, "/") + "2", p.url + "x", strings.ToUpper(p.url), "https://evil.test/" + p.url, p.url + "/realms/other"} {
				refuseForged(t, s, forged{"E-11 E-15 iss " + near, p.token(p.typ, claimSet{"iss": near})})
			}
			parts := strings.Split(p.token(p.typ, nil), ".")
			foreign := strings.Split(issuers()[1].TokenWith("RS256", claimSet{"kid": issuers()[0].KeyID("RS256")}, with(p.access, claimSet{"iss": p.url})), ".")
			refuseForged(t, s,
				forged{"signed by another issuer", strings.Join(foreign, ".")}, forged{"the signature of another token", parts[0] + "." + parts[1] + "." + foreign[2]},
				forged{"R9068-02 alg none", guardtest.Unsecured(with(p.access, claimSet{"iss": p.url}))}, forged{"a binding that nobody checks", p.token(p.typ, claimSet{"cnf": claimSet{"jkt": "x"}})},
			)
			for _, typ := range []string{"logout+jwt", "secevent+jwt", "dpop+jwt", "id_token+jwt", "statuslist+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "rt+jwt", "JWS", "text/JWT", "JWT ", "at"} {
				refuseForged(t, s, forged{"R8725-14 R8725-15 E-03 typ " + typ, p.token(typ, nil)})
			}
			for _, typ := range []string{none, typJWT} {
				if row := (forged{"R8725-15 typ " + typ, p.token(typ, nil)}); slices.Contains(p.profile.Types, typ) {
					acceptForged(t, s, row)
				} else {
					refuseForged(t, s, row)
				}
			}
			if len(p.profile.Types) == 0 {
				return
			}
			for _, claim := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
				refuseForged(t, s,
					forged{"R9068-19 E-01 " + claim, p.token(p.typ, claimSet{claim: "x"})}, forged{"R9068-19 E-01 an empty " + claim, p.token(p.typ, claimSet{claim: ""})},
					forged{"R9068-19 E-01 a null " + claim, p.token(p.typ, claimSet{claim: jsonNull})}, forged{"R9068-19 E-02 " + claim + " and typ at+jwt", p.token("at+jwt", claimSet{claim: "x"})},
				)
			}
			for claim, values := range map[string][]string{"token_use": {"id", "refresh"}, "typ": {"ID", "Refresh", "Offline", "Logout"}} {
				for _, value := range values {
					refuseForged(t, s, forged{"R9068-19 E-04 " + claim + " " + value, p.token(p.typ, claimSet{claim: value})}, forged{"R9068-19 E-04 " + claim + " " + value + ", typ at+jwt", p.token("at+jwt", claimSet{claim: value})})
				}
			}
		})
	}
}

// TestOnlyAudienceIsTheClient is what R9068-19 says of aud: with typ gone, a token for its own client is an ID token.
func TestOnlyAudienceIsTheClient(t *testing.T) {
	for name, clientClaim := range map[string]string{"keycloak": "azp", "auth0, own profile": "azp", "okta": "cid", "hydra": "client_id", "zitadel": "client_id", "github actions": "client_id"} {
		p := providers()[slices.IndexFunc(providers(), func(p provided) bool { return p.name == name })]
		s := p.service(t)
		refuseForged(t, s,
			forged{"R9068-19 " + name + ": aud is the client", p.token(p.typ, claimSet{"aud": resource, clientClaim: resource})},
			forged{"R9068-19 " + name + ": aud is the client, in an array", p.token(p.typ, claimSet{"aud": []string{resource}, clientClaim: resource})},
		)
		acceptForged(t, s, forged{"R9068-19 " + name + ": aud is the client and more", p.token(p.typ, claimSet{"aud": []string{resource, "more"}, clientClaim: resource})})
		p.profile.ClientAudience = true
		acceptForged(t, p.service(t), forged{"R9068-19 " + name + ": aud is the client, and may be", p.token(p.typ, claimSet{"aud": resource, clientClaim: resource})})
	}
	strict := providers()[0]
	acceptForged(t, strict.service(t), forged{"R9068-19 with typ at+jwt, aud may be the client", strict.token("at+jwt", claimSet{"client_id": resource})})
}

// TestProviderView shows that a token without aud opens no view: nothing in it says for which of the resources it is.
func TestProviderView(t *testing.T) {
	p := providers()[slices.IndexFunc(providers(), func(p provided) bool { return p.name == "cognito" })]
	guard := p.service(t).guard
	view := guard.For("https://admin.example.com")
	for _, tc := range []struct {
		name  string
		guard *bearerguard.Guard
		aud   any
		good  bool
	}{
		{"no aud, the guard itself", guard, nil, true},
		{"no aud, a view", view, nil, false},
		{"no aud, a view of the same resource", guard.For(resource), nil, false},
		{"bound to the view", view, "https://admin.example.com", true},
		{"bound to the guard, a view", view, resource, false},
		{"bound to the guard, the guard", guard, resource, true},
		{"bound to the view, the guard", guard, "https://admin.example.com", false},
	} {
		t.Run("E-09 "+tc.name, func(t *testing.T) {
			if _, err := tc.guard.Verify(t.Context(), p.token(none, claimSet{"aud": tc.aud}), bearerguard.Authenticated()); (err == nil) != tc.good {
				t.Error(err)
			}
		})
	}
	t.Run("no aud, a route that wants one", func(t *testing.T) {
		if _, err := guard.Verify(t.Context(), p.token(none, nil), bearerguard.Audience(resource)); err == nil {
			t.Error("accepted")
		}
	})
}
