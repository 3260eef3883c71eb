package bearerguard

import (
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/challenge"
)

type acrRequirement struct{ values []string }

// ACR requires that the user was authenticated at one of the authentication context classes, given in order of
// preference. Values are compared whole; no order among them is implied (RFC 9470, Section 3).
func ACR(values ...string) Requirement {
	for _, value := range checkedNames("ACR", values) {
		if !challenge.IsScopeToken(value) {
			misuse("ACR: %q cannot be listed in acr_values: only printable ASCII without space, quote and backslash", value)
		}
	}
	return acrRequirement{slices.Clone(values)}
}

func (a acrRequirement) policy()        {}
func (a acrRequirement) String() string { return "acr " + strings.Join(a.values, " or ") }

func (a acrRequirement) evaluate(e evaluation) shortfall {
	if acr := e.token.ACR(); acr != "" && slices.Contains(a.values, acr) {
		return shortfall{}
	}
	return shortfall{lack: lackStepUp, acrValues: a.values, failed: a}
}

type authAgeRequirement struct{ most time.Duration }

// AuthAge requires that the user was authenticated no longer ago than this, by the auth_time claim, give or take the
// leeway (RFC 9470, Section 6). A token without auth_time, or with one in the future, does not meet it. Clients are told
// in whole seconds. Less than a second panics.
func AuthAge(most time.Duration) Requirement {
	return authAgeRequirement{checkedAge("AuthAge", most)}
}

func (a authAgeRequirement) policy()        {}
func (a authAgeRequirement) String() string { return "authenticated within " + a.most.String() }

func (a authAgeRequirement) evaluate(e evaluation) shortfall {
	at := e.token.AuthTime()
	if !at.IsZero() && e.now.Sub(at) <= a.most+e.leeway && !at.After(e.now.Add(e.leeway)) {
		return shortfall{}
	}
	return shortfall{lack: lackStepUp, maxAge: a.most, failed: a}
}

type tokenAgeRequirement struct{ most time.Duration }

// TokenAge requires that the token was issued no longer ago than this, by the iat claim, give or take the leeway. A token
// that is too old is answered 401 invalid_token: a fresh one, of the same authentication, will do. Less than a second
// panics. Config.MaxTokenLifetime bounds what issuers may promise, this what a route accepts.
func TokenAge(most time.Duration) Requirement {
	return tokenAgeRequirement{checkedAge("TokenAge", most)}
}

func (a tokenAgeRequirement) policy()        {}
func (a tokenAgeRequirement) String() string { return "issued within " + a.most.String() }

func (a tokenAgeRequirement) evaluate(e evaluation) shortfall {
	at := e.token.IssuedAt()
	if !at.IsZero() && e.now.Sub(at) <= a.most+e.leeway {
		return shortfall{}
	}
	return shortfall{lack: lackFresh, failed: a}
}

func checkedAge(name string, age time.Duration) time.Duration {
	if age < time.Second {
		misuse("%s: %v is less than a second", name, age)
	}
	return age
}
