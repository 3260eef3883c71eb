package bearerguard

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Policy says what a request must bring to pass. Policies are immutable values, safe for concurrent use, and print as
// they read: "(scope admin:reset AND role admin)". The set of policies is closed: a type from outside this package, also
// one that embeds a Policy, makes [Guard.Require] panic.
type Policy interface {
	fmt.Stringer
	policy()
}

// Requirement is a Policy that asks something of a verified token; [All] and [Any] combine requirements. There is no
// negation: adding a requirement to All only ever narrows.
type Requirement interface {
	Policy
	// evaluate judges a verified token; r is nil outside of a request. now is the time of the decision.
	evaluate(t *Token, r *http.Request, now time.Time) shortfall
}

// shortfall is what a token lacks. The zero value says: nothing.
type shortfall struct {
	lack      lack
	missing   int      // how many scopes, for comparing alternatives
	scopes    []string // all that the failed requirement needs
	acrValues []string
	failed    Policy // for the log
	err       error
}

// lack is a set of ways to fall short. Their order, as numbers, is that of how little is missing, so Any reports its
// smallest.
type lack uint8

const (
	lackScope     lack = 1 << iota // another token with more scopes would do
	lackStepUp                     // another token after another authentication would do
	lackForbidden                  // nothing that the client can ask for would do
	lackUnknown                    // could not be decided, through a fault of ours
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
	case s.lack&lackUnknown != 0:
		return refuse(ErrUnavailable, reason)
	case s.lack&lackStepUp != 0:
		e = refuse(ErrAuthentication, reason)
		e.ACRValues = slices.Clone(s.acrValues)
	default:
		e = refuse(ErrScope, reason)
	}
	if s.lack&lackScope != 0 {
		e.Scopes = slices.Clone(s.scopes)
	}
	return e
}

type allOf struct{ parts []Requirement }

// All requires every one of its parts. All of nothing is refused with a panic: see [Authenticated].
func All(parts ...Requirement) Requirement { return allOf{sealed("All", parts)} }

func (a allOf) policy()        {}
func (a allOf) String() string { return join(a.parts, " AND ") }

func (a allOf) evaluate(t *Token, r *http.Request, now time.Time) shortfall {
	var (
		sum   shortfall
		worst lack
	)
	for _, part := range a.parts {
		s := part.evaluate(t, r, now)
		if s.lack == 0 {
			continue
		}
		if s.lack > worst {
			worst, sum.failed, sum.err = s.lack, s.failed, s.err
		}
		sum.lack |= s.lack
		sum.missing += s.missing
	}
	if sum.lack&^lackUnknown != 0 {
		sum.lack &^= lackUnknown // refused for certain, whatever the undecided part would have said
	}
	if sum.lack != 0 {
		// A client that asks only for what is missing would lose what it has: name all that is needed together.
		sum.scopes, sum.acrValues = needs(a, t, r, now)
	}
	return sum
}

type anyOf struct{ parts []Requirement }

// Any requires one of its parts. When none is met, the answer names what is missing of the part that lacks least, the
// first of equals; never a union, which would ask for more than is needed.
func Any(parts ...Requirement) Requirement { return anyOf{sealed("Any", parts)} }

func (a anyOf) policy()        {}
func (a anyOf) String() string { return join(a.parts, " OR ") }

func (a anyOf) evaluate(t *Token, r *http.Request, now time.Time) shortfall {
	_, least := a.least(t, r, now)
	return least
}

// least finds the part that lacks least, with what it lacks.
func (a anyOf) least(t *Token, r *http.Request, now time.Time) (part Requirement, least shortfall) {
	for i, candidate := range a.parts {
		s := candidate.evaluate(t, r, now)
		if s.lack == 0 {
			return candidate, s
		}
		undecided := s.lack&lackUnknown != 0 // it might have granted, so nobody was refused for certain
		if i == 0 || undecided || least.lack&lackUnknown == 0 && s.less(least) {
			part, least = candidate, s
		}
	}
	return part, least
}

// needs lists what satisfies the requirement as a whole, met or not: all its scopes, and the authentication context
// classes that each of its parts accepts. Of alternatives it takes the one that is met, or else lacks least.
func needs(requirement Requirement, t *Token, r *http.Request, now time.Time) (scopes, acrValues []string) {
	switch requirement := requirement.(type) {
	case scopeRequirement:
		return requirement.scopes, nil
	case anyScopeRequirement:
		held := max(slices.IndexFunc(requirement.scopes, t.HasScope), 0)
		return requirement.scopes[held : held+1], nil
	case acrRequirement:
		return nil, requirement.values
	case anyOf:
		part, _ := requirement.least(t, r, now)
		return needs(part, t, r, now)
	case allOf:
		for _, part := range requirement.parts {
			more, accepted := needs(part, t, r, now)
			for _, scope := range more {
				if !slices.Contains(scopes, scope) {
					scopes = append(scopes, scope)
				}
			}
			if acrValues == nil {
				acrValues = slices.Clone(accepted)
			} else if accepted != nil {
				acrValues = slices.DeleteFunc(acrValues, func(acr string) bool { return !slices.Contains(accepted, acr) })
			}
		}
	}
	return scopes, acrValues
}

type authenticated struct{}

// Authenticated requires a valid token and nothing more of it.
func Authenticated() Requirement { return authenticated{} }

func (authenticated) policy()                                             {}
func (authenticated) String() string                                      { return "authenticated" }
func (authenticated) evaluate(*Token, *http.Request, time.Time) shortfall { return shortfall{} }

// sealed copies the parts of a combination and refuses what could make it mean nothing.
func sealed(name string, parts []Requirement) []Requirement {
	if len(parts) == 0 {
		misuse("%s without a requirement: an empty list would let everybody or nobody in", name)
	}
	for _, part := range parts {
		checkPolicy(part)
	}
	return slices.Clone(parts)
}

// checkPolicy panics unless p is one of this package's own policies. A wrapper that embeds a Policy has its methods,
// but what else it does, nobody has checked.
func checkPolicy(p Policy) {
	switch p := p.(type) {
	case nil:
		misuse("nil Policy")
	case allOf, anyOf, authenticated, scopeRequirement, anyScopeRequirement, roleRequirement, anyRoleRequirement,
		audienceRequirement, acrRequirement:
	default:
		misuse("%T is not a Policy of this package", p)
	}
}

func join(parts []Requirement, operator string) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.String()
	}
	return "(" + strings.Join(texts, operator) + ")"
}

// misuse reports a mistake of the programmer, with the place in his code, while the program starts.
func misuse(format string, args ...any) {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	own, _ := frames.Next()
	place := "unknown place"
	for {
		frame, more := frames.Next()
		// Not by the function's name: a closure that is inlined has that of its caller.
		if filepath.Dir(frame.File) != filepath.Dir(own.File) || strings.HasSuffix(frame.File, "_test.go") {
			place = fmt.Sprintf("%s:%d", frame.File, frame.Line)
			break
		}
		if !more {
			break
		}
	}
	panic("bearerguard: " + fmt.Sprintf(format, args...) + " (" + place + ")")
}
