package bearerguard

import (
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/challenge"
)

type scopeRequirement struct{ scopes []string }

// Scope requires every one of the scopes. Scopes are compared whole and case-sensitively (RFC 6749, Section 3.3): no
// prefix, no wildcard, no substring. A scope that is empty or has characters outside of the grammar panics.
func Scope(scopes ...string) Requirement { return scopeRequirement{checkedScopes("Scope", scopes)} }

func (s scopeRequirement) policy()        {}
func (s scopeRequirement) String() string { return "scope " + strings.Join(s.scopes, " ") }

func (s scopeRequirement) evaluate(e evaluation) shortfall {
	missing := 0
	for _, scope := range s.scopes {
		if !e.token.HasScope(scope) {
			missing++
		}
	}
	if missing == 0 {
		return shortfall{}
	}
	return shortfall{lack: lackScope, missing: missing, scopes: s.scopes, failed: s}
}

type anyScopeRequirement struct{ scopes []string }

// AnyScope requires one of the scopes. The answer to a token that has none of them names the first.
func AnyScope(scopes ...string) Requirement {
	return anyScopeRequirement{checkedScopes("AnyScope", scopes)}
}

func (s anyScopeRequirement) policy()        {}
func (s anyScopeRequirement) String() string { return "any scope of " + strings.Join(s.scopes, " ") }

func (s anyScopeRequirement) evaluate(e evaluation) shortfall {
	if slices.ContainsFunc(s.scopes, e.token.HasScope) {
		return shortfall{}
	}
	return shortfall{lack: lackScope, missing: 1, scopes: s.scopes[:1], failed: s}
}

type roleRequirement struct{ roles []string }

// Role requires every one of the roles, which the issuer's [Profile] finds in the token. Roles are compared whole. An
// empty role panics.
func Role(roles ...string) Requirement { return roleRequirement{checkedNames("Role", roles)} }

func (p roleRequirement) policy()        {}
func (p roleRequirement) String() string { return "role " + quoteNames(p.roles) }

func (p roleRequirement) evaluate(e evaluation) shortfall {
	for _, role := range p.roles {
		if !e.token.HasRole(role) {
			return shortfall{lack: lackForbidden, failed: p}
		}
	}
	return shortfall{}
}

type anyRoleRequirement struct{ roles []string }

// AnyRole requires one of the roles.
func AnyRole(roles ...string) Requirement {
	return anyRoleRequirement{checkedNames("AnyRole", roles)}
}

func (p anyRoleRequirement) policy()        {}
func (p anyRoleRequirement) String() string { return "any role of " + quoteNames(p.roles) }

func (p anyRoleRequirement) evaluate(e evaluation) shortfall {
	if slices.ContainsFunc(p.roles, e.token.HasRole) {
		return shortfall{}
	}
	return shortfall{lack: lackForbidden, failed: p}
}

func checkedScopes(name string, scopes []string) []string {
	for _, scope := range checkedNames(name, scopes) {
		if !challenge.IsScopeToken(scope) {
			misuse("%s: %q is no scope: only printable ASCII without space, quote and backslash (RFC 6749, Section 3.3)", name, scope)
		}
	}
	return slices.Clone(scopes)
}

func checkedNames(name string, values []string) []string {
	if len(values) == 0 {
		misuse("%s without a value", name)
	}
	if slices.Contains(values, "") {
		misuse("%s: empty value", name)
	}
	return slices.Clone(values)
}
