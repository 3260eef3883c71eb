package bearerguard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy says what a request must bring to pass. Policies are immutable values, safe for concurrent use, and print as
// they read: "(scope admin:reset AND role admin)". The set of policies is closed: a type from outside this package, also
// one that embeds a Policy, makes [Mux.Handle] and [Guard.Require] panic.
type Policy interface {
	fmt.Stringer
	policy()
}

// Requirement is a Policy that asks something of a verified token; [All] and [Any] combine requirements. There is no
// negation: adding a requirement to All only ever narrows.
type Requirement interface {
	Policy
	evaluate(evaluation) shortfall
}

// evaluation is what a requirement is judged on.
type evaluation struct {
	ctx     context.Context
	token   *Token        // verified; nil for an anonymous caller on trial
	request *http.Request // nil outside of a request
	now     time.Time
	leeway  time.Duration
}

// shortfall is what a token lacks. The zero value says: nothing.
type shortfall struct {
	lack      lack
	missing   int      // how many scopes, for comparing alternatives
	scopes    []string // all that the failed requirement needs
	acrValues []string
	maxAge    time.Duration // since the user was authenticated
	failed    Policy        // for the log
	err       error
}

// lack is a set of ways to fall short. Their order, as numbers, is that of how little is missing, so Any reports its
// smallest.
type lack uint8

const (
	lackScope     lack = 1 << iota // another token with more scopes would do
	lackFresh                      // a fresh token would do
	lackStepUp                     // another token after another authentication would do
	lackForbidden                  // nothing that the client can ask for would do
	lackUnknown                    // could not be decided, through a fault of ours
	lackBroken                     // could not be decided, as our code panicked

	undecided = lackUnknown | lackBroken
)

// less compares what two alternatives lack: first the ways, then the number of scopes.
func (s shortfall) less(other shortfall) bool {
	if s.lack != other.lack {
		return s.lack < other.lack
	}
	return s.missing < other.missing
}

// refusal turns a shortfall into the answer: what no other token mends is 403; a scope alone is 403
// insufficient_scope; an authentication too weak is 401 with the missing scopes beside it (RFC 9470, Section 3).
func (s shortfall) refusal() *Error {
	var e *Error
	reason := s.err
	if reason == nil && s.failed != nil {
		reason = fmt.Errorf("need %v", s.failed)
	}
	switch {
	case s.lack&lackForbidden != 0:
		e = refuse(ErrForbidden, reason)
	case s.lack&lackBroken != 0:
		return refuse(ErrInternal, reason)
	case s.lack&lackUnknown != 0:
		return refuse(ErrUndecided, reason)
	case s.lack&lackStepUp != 0:
		e = refuse(ErrAuthentication, reason)
		e.ACRValues, e.MaxAge = slices.Clone(s.acrValues), s.maxAge
	case s.lack&lackFresh != 0:
		e = refuse(ErrTokenAge, reason)
	default:
		e = refuse(ErrScope, reason)
	}
	if s.lack&lackScope != 0 {
		e.Scopes = slices.Clone(s.scopes)
	}
	e.failed = s.failed
	return e
}

type allOf struct{ parts []Requirement }

// All requires every one of its parts. All of nothing is refused with a panic: see [Authenticated].
func All(parts ...Requirement) Requirement { return allOf{sealed("All", parts)} }

func (a allOf) policy()        {}
func (a allOf) String() string { return join(a.parts, " AND ") }

func (a allOf) evaluate(e evaluation) shortfall {
	var (
		sum   shortfall
		worst lack
	)
	for _, part := range a.parts {
		s := part.evaluate(e)
		if s.lack == 0 {
			continue
		}
		if certain := s.lack &^ undecided; sum.failed == nil || certain > worst {
			worst, sum.failed, sum.err = certain, s.failed, s.err
		}
		sum.lack |= s.lack
		sum.missing += s.missing
	}
	if sum.lack&^undecided != 0 {
		sum.lack &^= undecided // refused for certain, whatever the undecided part would have said
	}
	if sum.lack != 0 {
		// A client that asks only for what is missing would lose what it has: name all that is needed together.
		n := needs(a, e)
		sum.scopes, sum.acrValues, sum.maxAge = n.scopes, n.acrValues, n.maxAge
	}
	return sum
}

type anyOf struct{ parts []Requirement }

// Any requires one of its parts. When none is met, the answer names what is missing of the part that lacks least, the
// first of equals; never a union, which would ask for more than is needed.
func Any(parts ...Requirement) Requirement { return anyOf{sealed("Any", parts)} }

func (a anyOf) policy()        {}
func (a anyOf) String() string { return join(a.parts, " OR ") }

func (a anyOf) evaluate(e evaluation) shortfall {
	_, least := a.least(e)
	return least
}

// least finds the part that lacks least, with what it lacks.
func (a anyOf) least(e evaluation) (part Requirement, least shortfall) {
	for i, candidate := range a.parts {
		s := candidate.evaluate(e)
		if s.lack == 0 {
			return candidate, s
		}
		// An undecided part might have granted, so nobody was refused for certain.
		if i == 0 || s.lack&undecided > least.lack&undecided || least.lack&undecided == 0 && s.less(least) {
			part, least = candidate, s
		}
	}
	return part, least
}

// need is what satisfies a requirement as a whole, met or not, as far as a client can ask for it.
type need struct {
	scopes    []string
	acrValues []string // nil: any
	maxAge    time.Duration
}

// needs lists all scopes of the requirement, the authentication context classes that each of its parts accepts, and the
// shortest age. Of alternatives it takes the one that is met, or else lacks least.
func needs(requirement Requirement, e evaluation) (n need) {
	switch requirement := requirement.(type) {
	case scopeRequirement:
		n.scopes = requirement.scopes
	case anyScopeRequirement:
		held := max(slices.IndexFunc(requirement.scopes, e.token.HasScope), 0)
		n.scopes = requirement.scopes[held : held+1]
	case acrRequirement:
		n.acrValues = requirement.values
	case authAgeRequirement:
		n.maxAge = requirement.most
	case anyOf:
		part, _ := requirement.least(e)
		return needs(part, e)
	case allOf:
		for _, part := range requirement.parts {
			n.add(needs(part, e))
		}
	}
	return n
}

// add takes in what is needed besides.
func (n *need) add(more need) {
	for _, scope := range more.scopes {
		if !slices.Contains(n.scopes, scope) {
			n.scopes = append(n.scopes, scope)
		}
	}
	if n.acrValues == nil {
		n.acrValues = slices.Clone(more.acrValues)
	} else if more.acrValues != nil {
		n.acrValues = slices.DeleteFunc(n.acrValues, func(acr string) bool { return !slices.Contains(more.acrValues, acr) })
	}
	if n.maxAge == 0 || more.maxAge != 0 && more.maxAge < n.maxAge {
		n.maxAge = more.maxAge
	}
}

type authenticated struct{}

// Authenticated requires a valid token and nothing more of it.
func Authenticated() Requirement { return authenticated{} }

func (authenticated) policy()        {}
func (authenticated) String() string { return "authenticated" }

func (a authenticated) evaluate(e evaluation) shortfall {
	if e.token == nil { // only on trial
		return shortfall{lack: lackForbidden, failed: a}
	}
	return shortfall{}
}

// sealed copies the parts of a combination and refuses what could make it mean nothing.
func sealed(name string, parts []Requirement) []Requirement {
	if len(parts) == 0 {
		misuse("%s without a requirement: an empty list would let everybody or nobody in", name)
	}
	for _, part := range parts {
		checkRequirement(name, part)
	}
	return slices.Clone(parts)
}

// checkRequirement panics unless r is one of this package's own requirements.
func checkRequirement(where string, r Requirement) {
	switch r := r.(type) {
	case nil:
		misuse("%s: nil Policy", where)
	case allOf, anyOf, authenticated, scopeRequirement, anyScopeRequirement, roleRequirement, anyRoleRequirement,
		audienceRequirement, issuedByRequirement, acrRequirement, authAgeRequirement, tokenAgeRequirement, claimRequirement,
		pathClaimRequirement, *satisfiesRequirement:
	default:
		misuse("%s: %T is not a Requirement of this package", where, r)
	}
}

func join(parts []Requirement, operator string) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.String()
	}
	return "(" + strings.Join(texts, operator) + ")"
}
