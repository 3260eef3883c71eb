package bearerguard

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Profile says how a provider's access tokens differ from RFC 9068. It is a plain value whose fields name relaxations:
// Profile{} is RFC 9068 itself, the strictest. [New] copies it.
type Profile struct {
	_ [0]func()

	// Name is what logs call the profile.
	Name string

	// Types are values of the typ header that are accepted beside at+jwt; "" stands for a token without typ. A token
	// that does not say what it is might be an ID token, so New refuses Types without Expect or Forbid.
	Types []string

	// OptionalClaims are those of iss, exp, aud, sub, client_id, iat and jti that may be missing; iss, exp and aud
	// may not. One that is present must still be well-formed.
	OptionalClaims []string

	// ClientIDClaims are the claims that may hold the client id; the first that is present counts. Default: client_id.
	ClientIDClaims []string

	// ScopeClaim holds the scopes as a string, separated by single spaces (a space too many is passed over); or as an array of strings, if ScopeList is set. The
	// other form is refused. Default: scope.
	ScopeClaim string
	ScopeList  bool

	// RoleClaims are paths to arrays of strings, whose elements are the roles. A path is a list of member names, as
	// client ids contain dots. What is no array of strings gives no role. Default: roles.
	RoleClaims [][]string

	// Expect are top-level claims that must be there with exactly this string.
	Expect map[string]string

	// Forbid are claims that no access token of the provider has, but its ID, refresh or logout tokens have.
	Forbid []string
}

// requiredClaims are the claims of RFC 9068, Section 2.2.
var requiredClaims = []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}

// idTokenClaims are claims of ID tokens and logout tokens (OpenID Connect Core, Section 3.1.3.6 and 3.3.2.11;
// Back-Channel Logout, Section 2.4).
var idTokenClaims = []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}

// RFC9068 is the default profile.
func RFC9068() Profile { return Profile{} }

// Keycloak is the profile of Keycloak. Roles are those of the given client (resource_access); realm roles are read only
// if a path to them is added to RoleClaims. The client needs an audience mapper, as Keycloak puts nothing into aud by
// itself. Taken from claims seen in Keycloak 26; the payload claim typ is what tells access tokens from others.
func Keycloak(clientID string) Profile {
	return Profile{
		Name:           "keycloak",
		Types:          []string{"JWT"},
		ClientIDClaims: []string{"client_id", "azp"},
		RoleClaims:     [][]string{{"resource_access", clientID, "roles"}},
		Expect:         map[string]string{"typ": "Bearer"},
		Forbid:         slices.Clone(idTokenClaims),
	}
}

// Auth0 is the profile of Auth0, both its default and its RFC 9068 dialect. Roles are the permissions that role-based
// access control adds.
func Auth0() Profile {
	return Profile{
		Name:           "auth0",
		Types:          []string{"JWT"},
		OptionalClaims: []string{"jti"},
		ClientIDClaims: []string{"client_id", "azp"},
		RoleClaims:     [][]string{{"permissions"}},
		Forbid:         append(slices.Clone(idTokenClaims), "sid"),
	}
}

// compiled fills in the defaults and copies everything, or says what is wrong.
func (p Profile) compiled() (Profile, error) {
	var mistakes []error
	if len(p.Types) > 0 && len(p.Expect) == 0 && len(p.Forbid) == 0 {
		mistakes = append(mistakes, fmt.Errorf("Profile.Types %q without Expect or Forbid: an ID token would pass", p.Types))
	}
	for _, name := range p.OptionalClaims {
		if i := slices.Index(requiredClaims, name); i < 3 {
			mistakes = append(mistakes, fmt.Errorf("Profile.OptionalClaims: %q is not one of %q", name, requiredClaims[3:]))
		}
	}
	if _, empty := p.Expect[""]; empty {
		mistakes = append(mistakes, fmt.Errorf("Profile.Expect %q has an empty claim name", p.Expect))
	}
	for field, names := range map[string][]string{"Profile.Forbid": p.Forbid, "Profile.ClientIDClaims": p.ClientIDClaims} {
		if slices.Contains(names, "") {
			mistakes = append(mistakes, fmt.Errorf("%s %q has an empty claim name", field, names))
		}
	}
	p.Types, p.OptionalClaims, p.Forbid = slices.Clone(p.Types), slices.Clone(p.OptionalClaims), slices.Clone(p.Forbid)
	p.ClientIDClaims, p.Expect = slices.Clone(p.ClientIDClaims), maps.Clone(p.Expect)
	if len(p.ClientIDClaims) == 0 {
		p.ClientIDClaims = []string{"client_id"}
	}
	if p.ScopeClaim == "" {
		p.ScopeClaim = "scope"
	}
	paths := make([][]string, 0, len(p.RoleClaims)+1)
	for _, path := range p.RoleClaims {
		if len(path) == 0 || slices.Contains(path, "") {
			mistakes = append(mistakes, fmt.Errorf("Profile.RoleClaims: path %q has an empty name", path))
		}
		paths = append(paths, slices.Clone(path))
	}
	if len(paths) == 0 {
		paths = append(paths, []string{"roles"})
	}
	p.RoleClaims = paths
	return p, errors.Join(mistakes...)
}
