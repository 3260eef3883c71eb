package bearerguard

// What a constructor's comment calls checked was compared with the document or the source code that it names. The rest
// is what the provider's tokens are known to look like. A profile that is too strict for a provider's tokens refuses
// them, and says in the log what it missed: take the value that the constructor returns and change the field.

// RFC9068 is the default profile.
func RFC9068() Profile { return Profile{} }

// PlainJWT is for a provider that is not listed here: tokens without typ or with the typ JWT, told from its other tokens
// by a claim that in every one of its access tokens, and in no other token of it, is this string. Beside that, the
// claims are those of RFC 9068. Where a provider has no such claim, set another Expect field of a Profile. What the
// provider in question issues is for the caller to check; Name it, too.
func PlainJWT(claim, value string) Profile {
	return Profile{Name: "plain-jwt", Types: []string{"", "JWT"}, Expect: map[string]string{claim: value}}
}

// Keycloak is the profile of Keycloak. Roles are those of the given client (resource_access); realm roles are read only
// if a path to them, {"realm_access", "roles"}, is added to RoleClaims. The client needs an audience mapper, as Keycloak
// puts nothing into aud by itself. Lightweight access tokens, which lack even sub, are refused.
//
// The payload claim typ tells access tokens from others. Before version 25 access tokens have a nonce: they need
// IDTokenClaims.
//
// Checked: nonce (upgrading guide of version 25), the shape of roles, the missing aud. Not checked: typ, azp.
func Keycloak(clientID string) Profile {
	return Profile{
		Name:           "keycloak",
		Types:          []string{"JWT"},
		ClientIDClaims: []string{"client_id", "azp"},
		RoleClaims:     [][]string{{"resource_access", clientID, "roles"}},
		Expect:         map[string]string{"typ": "Bearer"},
	}
}

// Auth0 is the profile of Auth0, both its default and its RFC 9068 token profile. Roles are the permissions that
// role-based access control adds. Issuer.URL has a trailing slash.
//
// ID tokens have a sid, and no client id; access tokens have one, in azp or client_id.
//
// Checked: typ, azp and client_id, jti, permissions (Auth0's "Access Token Profiles"). Not checked: that ID tokens have a
// sid and access tokens none.
func Auth0() Profile {
	return Profile{
		Name:           "auth0",
		Types:          []string{"JWT"},
		OptionalClaims: []string{"jti"},
		ClientIDClaims: []string{"client_id", "azp"},
		RoleClaims:     [][]string{{"permissions"}},
		Forbid:         []string{"sid"},
	}
}

// Okta is the profile of an authorization server in Okta, whose URL has a path such as /oauth2/default. Tokens of the
// organization's own authorization server are not for other APIs; Okta does not let others verify them. Scopes are an
// array. Roles are the groups claim, which an administrator has to add to access tokens; with another name, change
// RoleClaims.
//
// A jti that begins with "AT." and the client id in cid tell access tokens from ID tokens, whose jti begins with "ID."
//
// Checked: cid, scp, jti of both kinds, the missing typ (tokens that users have published). Not checked: that no server
// of Okta's sends another typ than JWT.
func Okta() Profile {
	return Profile{
		Name:           "okta",
		Types:          []string{"", "JWT"},
		ClientIDClaims: []string{"cid"},
		ScopeClaim:     "scp",
		ScopeList:      true,
		RoleClaims:     [][]string{{"groups"}},
		ExpectPrefix:   map[string]string{"jti": "AT."},
	}
}

// EntraV1 is the profile of Microsoft Entra ID for APIs that take tokens of version 1.0, the default of an app
// registration: Issuer.URL is https://sts.windows.net/ with the tenant's GUID and a slash. See EntraV2, which says
// everything else.
//
// Checked: typ, appid, uti, tid, ver, scp and roles (Microsoft's "Access token claims reference"). Not checked: that an ID
// token has no appid.
func EntraV1(tenants ...string) Profile {
	p := EntraV2(tenants...)
	p.Name = "entra-v1"
	p.ClientIDClaims = []string{"appid"}
	p.Expect = map[string]string{"ver": "1.0"}
	return p
}

// EntraV2 is the profile of Microsoft Entra ID for APIs that take tokens of version 2.0: Issuer.URL is
// https://login.microsoftonline.com/ with the tenant's GUID and /v2.0. For several tenants it is the template
// https://login.microsoftonline.com/{tenantid}/v2.0, and JWKSURL is
// https://login.microsoftonline.com/common/discovery/v2.0/keys. Without a tenant, New reports a mistake, unless
// AnyTenant is set: then everybody with a Microsoft account may have a token, if the app registration is for all of them.
//
// The audience is the API's client id, to be set in Audiences. Scopes are scp, which only tokens of users have; roles are
// app roles. Groups are roles only if {"groups"} is added to RoleClaims, and count for nothing if they did not fit into
// the token. Token.ID is uti.
//
// An ID token for an API that signs users in itself has the same audience and roles. The client id in azp tells access
// tokens from it, and scp or roles, which also refuses clients that have been granted nothing.
//
// The issuer that Microsoft's key set names for single keys is not compared with the token's: keys of all tenants in the
// set count for all of the accepted ones.
//
// Checked: typ, azp, uti, tid, ver, scp, roles and groups (Microsoft's "Access token claims reference"), the template
// (its "Access tokens"). Not checked: that an ID token has no azp; other clouds and external tenants, which have other
// hosts.
func EntraV2(tenants ...string) Profile {
	return Profile{
		Name:           "entra-v2",
		Types:          []string{"JWT"},
		ClientIDClaims: []string{"azp"},
		TokenIDClaims:  []string{"uti"},
		ClientAudience: true, // an app that calls its own API
		Tenants:        append([]string{}, tenants...),
		ScopeClaim:     "scp",
		Expect:         map[string]string{"ver": "2.0"},
		ExpectAny:      []string{"scp", "roles"},
	}
}

// Cognito is the profile of a user pool of Amazon Cognito. Its access tokens have no aud as a rule, so they are accepted
// by the app client that they were issued to: without one, New reports a mistake. See Profile.Clients for what that
// costs. Roles are the user's groups.
//
// The claim token_use tells access tokens from ID tokens; refresh tokens are encrypted.
//
// Checked: client_id, token_use, scope, groups, the missing typ and aud (Amazon's "Understanding the access token", and
// "the identity (ID) token"). Not checked: aud in tokens that are bound to a resource, where it must be ours.
func Cognito(clientIDs ...string) Profile {
	return Profile{
		Name:       "cognito",
		Types:      []string{"", "JWT"},
		Clients:    append([]string{}, clientIDs...),
		RoleClaims: [][]string{{"cognito:groups"}},
		Expect:     map[string]string{"token_use": "access"},
	}
}

// Hydra is the profile of Ory Hydra with the JWT strategy for access tokens. Scopes are the array scp; where Hydra is
// configured to send a string, set ScopeClaim to scope and ScopeList to false. Clients must ask for the audience, as
// Hydra puts nothing into aud by itself. Roles are {"ext", "roles"}: whatever the consent app puts there.
//
// Every ID token has the claim rat, and no client_id.
//
// Checked: scp, aud, jti, and rat and nonce of ID tokens (source code of fosite, an older copy); typ (a user's report).
// Not checked: client_id and ext.
func Hydra() Profile {
	return Profile{
		Name:       "hydra",
		Types:      []string{"JWT"},
		ScopeClaim: "scp",
		ScopeList:  true,
		RoleClaims: [][]string{{"ext", "roles"}},
		Forbid:     []string{"rat"},
	}
}

// Zitadel is the profile of Zitadel with JWT access tokens. Roles are those of the project that the token was asked for,
// granted by one of these organizations (ids); with none given, by any: then a role says nothing about whose data it
// is for. The audience is the project id, to be set in Audiences: aud has the client ids of the project too.
//
// Access tokens have a jti, ID tokens have none, and an at_hash.
//
// Checked: typ, at_hash, jti of access tokens (source code of Zitadel and its OpenID library), jti and azp (its page
// "Claims"), the shape of roles (an older copy of it). Not checked: client_id, and scope, which it may not send at all.
func Zitadel(organizations ...string) Profile {
	p := Profile{
		Name:           "zitadel",
		Types:          []string{"JWT"},
		ClientIDClaims: []string{"client_id", "azp"},
		RoleClaims:     [][]string{{"urn:zitadel:iam:org:project:roles"}},
		RoleObjects:    true,
		ExpectAny:      []string{"jti"},
	}
	if len(organizations) > 0 {
		p.RoleOrganizations = append([]string{}, organizations...)
	}
	return p
}

// Kubernetes is the profile of service account tokens that are bound to an audience (TokenRequest, or a projected
// volume with an audience). They have neither scopes nor roles: write policies about their subject, which is
// system:serviceaccount:namespace:name. Tokens that never expire are refused; tokens whose life the API server extends
// to a year are too, unless Config.MaxTokenLifetime allows it. That the pod is gone cannot be seen from its token.
//
// Checked: kubernetes.io, sub, aud and the dates (source code of Kubernetes), typ JWT of external signers (the same). Not
// checked: that without an external signer there is no typ; jti, which newer versions have.
func Kubernetes() Profile {
	return Profile{
		Name:           "kubernetes",
		Types:          []string{"", "JWT"},
		OptionalClaims: []string{"client_id", "jti"},
		ExpectPrefix:   map[string]string{"sub": "system:serviceaccount:"},
		ExpectObject:   []string{"kubernetes.io"},
	}
}

// GitHubActions is the profile of the tokens that a workflow of GitHub Actions can ask for. Everybody on GitHub can have
// one, for any audience, so the repository must belong to one of these owners (repository_owner, as GitHub spells it):
// without one, New reports a mistake. A name that its owner gives up can be taken by somebody else; the number in
// repository_owner_id cannot, so add it to ExpectOneOf. The tokens have neither scopes nor roles: write policies about
// their claims, such as repository and ref.
//
// Checked: typ, aud, jti, repository_owner and repository_owner_id (GitHub's "OpenID Connect reference").
func GitHubActions(owners ...string) Profile {
	return Profile{
		Name:           "github-actions",
		Types:          []string{"JWT"},
		OptionalClaims: []string{"client_id"},
		ExpectOneOf:    map[string][]string{"repository_owner": append([]string{}, owners...)},
	}
}
