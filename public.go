package bearerguard

import (
	"fmt"
	"slices"
	"strconv"
)

type publicPolicy struct{ reason string }

// Public lets everybody in and reads no credentials; only the path is still checked. The reason is for those who review
// the policy table. In a [Mux] a public pattern must name a method and no host. Public is a Policy and no Requirement:
// it cannot be an alternative within [Any]. An empty reason panics.
func Public(reason string) Policy {
	return publicPolicy{checkedNames("Public", []string{reason})[0]}
}

func (p publicPolicy) policy()        {}
func (p publicPolicy) String() string { return "public " + strconv.QuoteToASCII(p.reason) }

type optionalPolicy struct{ requirement Requirement }

// Optional lets anonymous callers in, and of the others those who meet the requirement. Anonymous is who sends no
// Authorization line at all: whoever shows a token must show a good one. A handler tells them apart by the Token, which is
// nil for anonymous callers.
func Optional(requirement Requirement) Policy {
	checkRequirement("Optional", requirement)
	return optionalPolicy{requirement}
}

func (p optionalPolicy) policy()        {}
func (p optionalPolicy) String() string { return fmt.Sprintf("optional %v", p.requirement) }

// Trial tries a policy out on a live route: requests are judged by Enforce alone, and the Decision tells what Report would
// have refused, in its field Trial. Report is never advertised to clients, and a panic in it is contained. Enforce may be
// a Requirement or an Optional; Public is refused with a panic, as there is no token to try anything on.
type Trial struct {
	Enforce Policy
	Report  Requirement
}

func (p Trial) policy() {}

// String implements [fmt.Stringer].
func (p Trial) String() string { return fmt.Sprintf("%v, on trial %v", p.Enforce, p.Report) }

type encodedSlashPolicy struct{ inner Policy }

// EncodedSlash lets a route take %2F within a path segment, as in ids that contain slashes; everywhere else such a path
// is refused. Dot segments and encoded backslashes stay refused. The handler sees the segment decoded, so it must not use
// it as a path. EncodedSlash has an effect in a [Mux] and in [Guard.Require], as the outermost policy.
func EncodedSlash(policy Policy) Policy {
	compile(policy)
	return encodedSlashPolicy{policy}
}

func (p encodedSlashPolicy) policy()        {}
func (p encodedSlashPolicy) String() string { return fmt.Sprintf("%v, with %%2F", p.inner) }

// plan is a Policy taken apart, once, into what the chain asks of it.
type plan struct {
	policy       Policy      // as it was given
	require      Requirement // nil: public
	optional     bool
	encodedSlash bool
	trial        Requirement // nil: none
}

// compile takes a policy apart. It panics unless p and all its parts are this package's own: a wrapper that embeds a
// Policy has its methods, but what else it does, nobody has checked.
func compile(p Policy) plan {
	out := plan{policy: p}
	if slash, ok := p.(encodedSlashPolicy); ok {
		out.encodedSlash, p = true, slash.inner
	}
	if trial, ok := p.(Trial); ok {
		checkRequirement("Trial.Report", trial.Report)
		out.trial, p = trial.Report, trial.Enforce
		if _, public := p.(publicPolicy); public {
			misuse("Trial.Enforce is %v: there is no token to try anything on", p)
		}
	}
	switch p := p.(type) {
	case publicPolicy:
	case optionalPolicy:
		out.require, out.optional = p.requirement, true
	case nil:
		misuse("nil Policy")
	case encodedSlashPolicy, Trial:
		misuse("%T within another Policy that it must be around", p)
	case Requirement:
		checkRequirement("Policy", p)
		out.require = p
	default:
		misuse("%T is not a Policy of this package", p)
	}
	return out
}

// try evaluates the policy on trial. A panic in it is no refusal of anything.
func (p *plan) try(e evaluation) (refusal *Error) {
	if p.trial == nil {
		return nil
	}
	defer func() {
		if cause := recover(); cause != nil {
			refusal = refuse(ErrInternal, describePanic(cause))
		}
	}()
	if e.token == nil {
		return refuse(ErrNoToken, nil)
	}
	if s := p.trial.evaluate(e); s.lack != 0 {
		return s.refusal()
	}
	return nil
}

// advertised lists the scopes that satisfy a requirement, as far as it can be told without a token: of alternatives, the
// first.
func advertised(requirement Requirement) (scopes []string) {
	switch requirement := requirement.(type) {
	case scopeRequirement:
		return slices.Clone(requirement.scopes)
	case anyScopeRequirement:
		return slices.Clone(requirement.scopes[:1])
	case anyOf:
		return advertised(requirement.parts[0])
	case allOf:
		for _, part := range requirement.parts {
			for _, scope := range advertised(part) {
				if !slices.Contains(scopes, scope) { // the challenge names each once
					scopes = append(scopes, scope)
				}
			}
		}
	}
	return scopes
}

// walk visits a requirement and all its parts.
func walk(requirement Requirement, visit func(Requirement)) {
	visit(requirement)
	switch requirement := requirement.(type) {
	case allOf:
		for _, part := range requirement.parts {
			walk(part, visit)
		}
	case anyOf:
		for _, part := range requirement.parts {
			walk(part, visit)
		}
	}
}
