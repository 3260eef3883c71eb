package bearerguard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

type audienceRequirement struct{ audience string }

// Audience requires that the token was issued for this audience too. It narrows: the token must be for an audience of
// the Guard in any case. For routes whose tokens no other route may accept, use a view: [Guard.For].
func Audience(audience string) Requirement {
	return audienceRequirement{checkedNames("Audience", []string{audience})[0]}
}

func (a audienceRequirement) policy()        {}
func (a audienceRequirement) String() string { return "audience " + quoteNames([]string{a.audience}) }

func (a audienceRequirement) evaluate(e evaluation) shortfall {
	if e.token.HasAudience(a.audience) {
		return shortfall{}
	}
	return shortfall{lack: lackForbidden, failed: a}
}

// parseAudience reads the aud claim: a string, or an array of strings and nothing else (RFC 7519, Section 4.1.3).
func parseAudience(v jose.Value) ([]string, error) {
	if one, ok := v.Text(); ok {
		return []string{one}, nil
	}
	audience, ok := stringList(v)
	if !ok {
		return nil, fmt.Errorf("aud is no string and no array of strings")
	}
	return audience, nil
}

// meets tells whether the token is for one of the accepted audiences. They are compared whole, octet by octet: no
// prefix, no trailing slash made up, no case folded (RFC 8707, Section 2).
func meets(audience, accepted []string) bool {
	for _, one := range audience {
		if slices.Contains(accepted, one) {
			return true
		}
	}
	return false
}

// quoteFirst prints the first of an audience for the log.
func quoteFirst(audience []string) string {
	if len(audience) == 0 {
		return "none"
	}
	return jose.Quote(audience[0])
}

// stringList reads an array of strings; false if it is anything else, or holds anything else.
func stringList(v jose.Value) ([]string, bool) {
	if v.Kind() != jose.Array {
		return nil, false
	}
	var list []string
	for element := range v.Elements() {
		text, ok := element.Text()
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// quoteNames prints names for people: as they are if that is unmistakable, else quoted.
func quoteNames(names []string) string {
	printed := make([]string, len(names))
	for i, name := range names {
		printed[i] = name
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '"' || r == '(' || r == ')' || r > '~' }) {
			printed[i] = strconv.QuoteToASCII(name)
		}
	}
	return strings.Join(printed, " ")
}
