package bearerguard

import (
	"net/http"
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

func (a acrRequirement) evaluate(t *Token, _ *http.Request, _ time.Time) shortfall {
	if acr := t.ACR(); acr != "" && slices.Contains(a.values, acr) {
		return shortfall{}
	}
	return shortfall{lack: lackStepUp, acrValues: a.values, failed: a}
}
