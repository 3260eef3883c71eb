package bearerguard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

type claimRequirement struct{ name, value string }

// Claim requires that a top-level claim of exactly this name is exactly this string. A claim of another type never is:
// "true" and true are not the same, and an array does not count for its elements.
func Claim(name, value string) Requirement {
	checkedNames("Claim", []string{name, value})
	return claimRequirement{name, value}
}

func (c claimRequirement) policy() {}
func (c claimRequirement) String() string {
	return "claim " + quoteNames([]string{c.name}) + "=" + strconv.QuoteToASCII(c.value)
}

func (c claimRequirement) evaluate(e evaluation) shortfall {
	if value, ok := e.token.String(c.name); ok && value == c.value {
		return shortfall{}
	}
	return shortfall{lack: lackForbidden, failed: c}
}

type pathClaimRequirement struct{ wildcard, claim string }

// PathClaim requires that the part of the path that a wildcard of the pattern matched is exactly the string in a
// top-level claim: the tenant in the path is the tenant in the token. In a [Mux] a pattern without the wildcard panics;
// elsewhere a request without it is refused.
func PathClaim(wildcard, claim string) Requirement {
	checkedNames("PathClaim", []string{wildcard, claim})
	return pathClaimRequirement{wildcard, claim}
}

func (c pathClaimRequirement) policy() {}
func (c pathClaimRequirement) String() string {
	return "path {" + c.wildcard + "}=claim " + quoteNames([]string{c.claim})
}

func (c pathClaimRequirement) evaluate(e evaluation) shortfall {
	if e.request != nil {
		if value, ok := e.token.String(c.claim); ok && value != "" && value == e.request.PathValue(c.wildcard) {
			return shortfall{}
		}
	}
	return shortfall{lack: lackForbidden, failed: c}
}

type issuedByRequirement struct{ issuers []string }

// IssuedBy requires that the token is from one of these issuers. With several issuers configured, a privileged route
// should say whose tokens it means: a subject, a role or a scope of one issuer says nothing about another's.
func IssuedBy(urls ...string) Requirement {
	return issuedByRequirement{checkedNames("IssuedBy", urls)}
}

func (i issuedByRequirement) policy()        {}
func (i issuedByRequirement) String() string { return "issued by " + quoteNames(i.issuers) }

func (i issuedByRequirement) evaluate(e evaluation) shortfall {
	if slices.Contains(i.issuers, e.token.Issuer()) {
		return shortfall{}
	}
	return shortfall{lack: lackForbidden, failed: i}
}

type satisfiesRequirement struct {
	name string
	ask  func(context.Context, *Token, *http.Request) (bool, error)
}

// Satisfies requires what a function decides; the name stands for it in the policy table. The request is nil for
// [Guard.Verify], and the function must not change it. False refuses with 403. An error means that it could not be
// decided: 503, unless another branch of [Any] grants. A panic refuses with 500. It may be called more than once for a
// request that is refused, and concurrently.
func Satisfies(name string, ask func(ctx context.Context, t *Token, r *http.Request) (bool, error)) Requirement {
	checkedNames("Satisfies", []string{name})
	if ask == nil {
		misuse("Satisfies %q: nil function", name)
	}
	return &satisfiesRequirement{name, ask}
}

func (s *satisfiesRequirement) policy()        {}
func (s *satisfiesRequirement) String() string { return "satisfies " + quoteNames([]string{s.name}) }

func (s *satisfiesRequirement) evaluate(e evaluation) (out shortfall) {
	defer func() {
		if cause := recover(); cause != nil {
			out = shortfall{lack: lackBroken, failed: s, err: fmt.Errorf("%v: %w", s, describePanic(cause))}
		}
	}()
	granted, err := s.ask(e.ctx, e.token, e.request)
	switch {
	case err != nil:
		return shortfall{lack: lackUnknown, failed: s, err: fmt.Errorf("%v: %w", s, err)}
	case !granted:
		return shortfall{lack: lackForbidden, failed: s}
	}
	return shortfall{}
}
