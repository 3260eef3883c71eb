package bearerguard

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Profile says how a provider's access tokens differ from RFC 9068. It is a plain value whose fields name relaxations,
// and what is demanded in return: Profile{} is RFC 9068 itself, the strictest. [New] copies it.
//
// The keys that sign access tokens sign ID and logout tokens too, and the typ header of RFC 9068 is what tells them
// apart. So a profile with Types must have a discriminator: something that every access token of the provider has and no
// other token of it (one of the Expect fields), or the other way round (Forbid). In addition such a profile refuses
// every token with nonce, at_hash, c_hash, s_hash or events, with a token_use of id or refresh, with a typ claim of ID,
// Refresh, Offline or Logout, or whose only audience is the client that it was issued to.
type Profile struct {
	_ [0]func()

	// Name is what logs call the profile.
	Name string

	// Types are values of the typ header that are accepted beside at+jwt; "" stands for a token without typ.
	Types []string

	// OptionalClaims are those of sub, client_id, iat and jti that may be missing. One that is present must still be
	// well-formed.
	OptionalClaims []string

	// ClientIDClaims are the claims that may hold the client id; the first that is present counts, whatever the others
	// say. Default: client_id.
	ClientIDClaims []string

	// TokenIDClaims are the claims that may hold the token's id; the first that is present counts. Default: jti.
	TokenIDClaims []string

	// Clients replace the audience check, for providers whose access tokens have no aud: the client id must be one of
	// these. It is the weaker check: a token that such a client got for another API is accepted here. A token that has
	// an aud must be for an accepted audience nevertheless, and a view made by Guard.For refuses a token without one.
	Clients []string

	// ClientAudience accepts, in spite of Types, tokens whose only audience is the client that they were issued to.
	ClientAudience bool

	// Tenants are the accepted tenants of a provider that has one issuer for each of its tenants: lower-case GUIDs, one
	// of which the claim tid must hold. With several, Issuer.URL is the template of all their issuers, with {tenantid}
	// for a path segment: iss must be exactly the template with tid filled in. AnyTenant accepts every tenant of the
	// provider, which for a public one is anybody in the world: it is for services that check the tenant themselves.
	Tenants   []string
	AnyTenant bool

	// ScopeClaim holds the scopes as a string, separated by single spaces (a space too many is passed over); or as an
	// array of strings, if ScopeList is set. The other form is refused. Default: scope.
	ScopeClaim string
	ScopeList  bool

	// RoleClaims are paths to arrays of strings, whose elements are the roles. A path is a list of member names, as
	// client ids contain dots. What is no array of strings gives no role. Default: roles.
	RoleClaims [][]string

	// RoleObjects makes the paths lead to objects instead, whose member names are the roles, or to arrays of such
	// objects. A role's value is an object with a member for each organization that granted it; a role without any does
	// not count. What has another shape gives no role.
	RoleObjects bool

	// RoleOrganizations are the organizations whose grants count, with RoleObjects. Default: all.
	RoleOrganizations []string

	// Expect are top-level claims that must be there with exactly this string, ExpectOneOf with one of these strings,
	// and ExpectPrefix with a string that begins so and goes on. ExpectObject are top-level claims that must be there
	// and be objects. Of the claims in ExpectAny at least one must be there.
	Expect       map[string]string
	ExpectOneOf  map[string][]string
	ExpectPrefix map[string]string
	ExpectObject []string
	ExpectAny    []string

	// Forbid are claims that no access token of the provider has, but its ID, refresh or logout tokens have.
	Forbid []string

	// IDTokenClaims are those of nonce, at_hash, c_hash and s_hash that the provider puts into access tokens too, so
	// that they are not refused in spite of Types.
	IDTokenClaims []string
}

// requiredClaims are the claims of RFC 9068, Section 2.2.
var requiredClaims = []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}

// idTokenClaims are claims of ID tokens (OpenID Connect Core, Sections 2, 3.1.3.6 and 3.3.2.11; Financial-grade API,
// Part 2, Section 5.1) and, the last, of logout tokens (Back-Channel Logout, Section 2.4).
var idTokenClaims = []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}

// otherKinds are how providers name ID, refresh and logout tokens in their claims.
var otherKinds = []expectation{
	{"token_use", []string{"id", "refresh"}, false},
	{"typ", []string{"ID", "Refresh", "Offline", "Logout"}, false},
}

// universalClaims are in tokens of every kind, so they tell none from another.
var universalClaims = []string{"iss", "sub", "aud", "exp", "iat", "nbf", "azp", "tid", "ver"}

// shape is a Profile as it is used: a copy, complete, in the order in which it is checked.
type shape struct {
	name                      string
	types                     []string // in lower case
	optional                  map[string]bool
	clientID, id              []string
	clients                   []string // nil: the audience is checked
	clientAudience            bool
	scope                     string
	scopeList                 bool
	roles                     [][]string
	roleObjects               bool
	organizations             []string // nil: all
	expect                    []expectation
	objects, anyOf, forbidden []string
	others                    []expectation // what the token must not be
}

// expectation is a claim that must be one of the values, or begin with one of them.
type expectation struct {
	claim  string
	values []string
	prefix bool
}

// compiled checks the profile, copies everything and fills in the defaults; it reports every mistake.
func (p Profile) compiled() (*shape, error) {
	s := &shape{
		name: p.Name, optional: make(map[string]bool), clientID: slices.Clone(p.ClientIDClaims), id: slices.Clone(p.TokenIDClaims),
		clients: slices.Clone(p.Clients), clientAudience: p.ClientAudience || len(p.Types) == 0,
		scope: p.ScopeClaim, scopeList: p.ScopeList, roleObjects: p.RoleObjects, organizations: slices.Clone(p.RoleOrganizations),
		objects: slices.Clone(p.ExpectObject), anyOf: slices.Clone(p.ExpectAny), forbidden: slices.Clone(p.Forbid),
	}
	if len(s.clientID) == 0 {
		s.clientID = []string{"client_id"}
	}
	if len(s.id) == 0 {
		s.id = []string{"jti"}
	}
	if s.scope == "" {
		s.scope = "scope"
	}
	for _, path := range p.RoleClaims {
		s.roles = append(s.roles, slices.Clone(path))
	}
	if len(s.roles) == 0 {
		s.roles = [][]string{{"roles"}}
	}
	for _, name := range p.OptionalClaims {
		s.optional[name] = true
	}
	for _, claim := range slices.Sorted(maps.Keys(p.Expect)) {
		s.expect = append(s.expect, expectation{claim, []string{p.Expect[claim]}, false})
	}
	for _, claim := range slices.Sorted(maps.Keys(p.ExpectOneOf)) {
		s.expect = append(s.expect, expectation{claim, slices.Clone(p.ExpectOneOf[claim]), false})
	}
	for _, claim := range slices.Sorted(maps.Keys(p.ExpectPrefix)) {
		s.expect = append(s.expect, expectation{claim, []string{p.ExpectPrefix[claim]}, true})
	}
	for _, typ := range p.Types {
		s.types = append(s.types, strings.ToLower(typ))
	}
	if len(p.Types) > 0 {
		s.others = otherKinds
		for _, claim := range idTokenClaims {
			if !slices.Contains(p.IDTokenClaims, claim) && !slices.Contains(s.forbidden, claim) {
				s.forbidden = append(s.forbidden, claim)
			}
		}
	}
	return s, errors.Join(p.mistakes()...)
}

// mistakes lists what is wrong with the profile by itself.
func (p Profile) mistakes() []error {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf("Profile."+format, args...)) }
	for _, name := range p.OptionalClaims {
		if i := slices.Index(requiredClaims, name); i < 3 {
			mistake("OptionalClaims: %q is not one of %q", name, requiredClaims[3:])
		}
	}
	for _, list := range []struct {
		field string
		names []string
	}{
		{"ClientIDClaims", p.ClientIDClaims}, {"TokenIDClaims", p.TokenIDClaims}, {"ExpectObject", p.ExpectObject}, {"ExpectAny", p.ExpectAny},
		{"Forbid", p.Forbid}, {"RoleOrganizations", p.RoleOrganizations}, {"Clients", p.Clients},
	} {
		if slices.Contains(list.names, "") {
			mistake("%s %q has an empty name", list.field, list.names)
		}
	}
	if p.Clients != nil && len(p.Clients) == 0 {
		mistake("Clients is empty: name the clients whose tokens are accepted")
	}
	switch {
	case p.AnyTenant && len(p.Tenants) > 0:
		mistake("AnyTenant and Tenants %q contradict each other", p.Tenants)
	case !p.AnyTenant && p.Tenants != nil && len(p.Tenants) == 0:
		mistake("Tenants is empty: name the tenants whose tokens are accepted, or set AnyTenant")
	}
	for _, tenant := range p.Tenants {
		if !isTenantID(tenant) {
			mistake("Tenants: %q is no GUID in lower case", tenant)
		}
	}
	for _, path := range p.RoleClaims {
		if len(path) == 0 || slices.Contains(path, "") {
			mistake("RoleClaims: path %q has an empty name", path)
		}
	}
	if len(p.RoleOrganizations) > 0 && !p.RoleObjects {
		mistake("RoleOrganizations %q without RoleObjects", p.RoleOrganizations)
	}
	for _, claim := range slices.Sorted(maps.Keys(p.Expect)) {
		if value := p.Expect[claim]; claim == "" || value == "" {
			mistake("Expect: claim %q with the value %q: both must not be empty", claim, value)
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(p.ExpectOneOf)) {
		if values := p.ExpectOneOf[claim]; claim == "" || len(values) == 0 || slices.Contains(values, "") {
			mistake("ExpectOneOf: claim %q with the values %q: name and values must not be empty", claim, values)
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(p.ExpectPrefix)) {
		if prefix := p.ExpectPrefix[claim]; claim == "" || prefix == "" {
			mistake("ExpectPrefix: claim %q with the prefix %q: both must not be empty", claim, prefix)
		}
	}
	for _, claim := range p.IDTokenClaims {
		if i := slices.Index(idTokenClaims, claim); i < 0 || claim == "events" {
			mistake("IDTokenClaims: %q is not one of %q", claim, idTokenClaims[:4])
		}
	}
	if len(p.Types) > 0 && !p.discriminates() {
		mistake("Types %q without Expect, Forbid or another discriminator: an ID token would pass", p.Types)
	}
	return mistakes
}

// discriminates tells whether the profile tells access tokens from others that have the claims of RFC 9068. What is
// refused anyway, and what every token has, does not count.
func (p Profile) discriminates() bool {
	tells := func(claim string) bool { return claim != "" && !slices.Contains(universalClaims, claim) }
	return slices.ContainsFunc(slices.Collect(maps.Keys(p.Expect)), tells) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(p.ExpectOneOf)), tells) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(p.ExpectPrefix)), tells) ||
		slices.ContainsFunc(p.ExpectObject, tells) ||
		len(p.ExpectAny) > 0 && !slices.ContainsFunc(p.ExpectAny, func(claim string) bool { return !tells(claim) }) ||
		slices.ContainsFunc(p.Forbid, func(claim string) bool { return tells(claim) && !slices.Contains(idTokenClaims, claim) })
}
