package bearerguard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// tenantSegment stands for the tenant in the URL of an issuer that has several, as in Microsoft's metadata.
const tenantSegment = "{tenantid}"

// tenancy binds the tenant that a token names in tid to its iss. Two tenants of a provider have the same keys, so only
// iss and tid tell their tokens apart, and only together.
type tenancy struct {
	before, after string   // what iss has around the tenant
	tenants       []string // nil: any
}

// newTenancy checks that the issuer's URL and the tenants of its profile fit together; nil if there are none.
func newTenancy(i Issuer) (*tenancy, error) {
	p := i.Profile
	template := strings.ContainsAny(i.URL, "{}")
	switch {
	case p.AnyTenant && len(p.Tenants) > 0, p.Tenants != nil && len(p.Tenants) == 0 && !p.AnyTenant:
		return nil, nil // the profile's own mistake
	case p.Tenants == nil && !p.AnyTenant:
		if template {
			return nil, fmt.Errorf("URL %q: has a placeholder: only a profile with Tenants or AnyTenant can fill in %s", i.URL, tenantSegment)
		}
		return nil, nil
	case !template && p.AnyTenant:
		return nil, fmt.Errorf("URL %q: is of one tenant, but the profile has AnyTenant: write %s for the tenant", i.URL, tenantSegment)
	case !template && (len(p.Tenants) != 1 || !hasSegment(i.URL, p.Tenants[0])):
		return nil, fmt.Errorf("URL %q: is not of the tenant in Profile.Tenants %q: with several tenants write %s for the tenant", i.URL, p.Tenants, tenantSegment)
	case template && (strings.Count(i.URL, "{")+strings.Count(i.URL, "}") != 2 || !hasSegment(i.URL, tenantSegment)):
		return nil, fmt.Errorf("URL %q: %s must be there once, and be a whole path segment", i.URL, tenantSegment)
	case template && i.JWKSURL == "" && i.JWKS == nil:
		return nil, fmt.Errorf("URL %q: is a template, which has no metadata of its own: set JWKSURL to where the provider publishes the keys of all its tenants", i.URL)
	}
	segment := tenantSegment
	if !template {
		segment = p.Tenants[0]
	}
	n := &tenancy{tenants: slices.Clone(p.Tenants)}
	n.before, n.after, _ = strings.Cut(i.URL, "/"+segment)
	n.before += "/"
	if p.AnyTenant {
		n.tenants = nil
	}
	return n, nil
}

// hasSegment tells whether a path segment of the URL is exactly this.
func hasSegment(url, segment string) bool {
	return strings.Contains(url+"/", "/"+segment+"/")
}

// issuers lists the values of iss that lead to this issuer: those of the tenants, or the template if they are not known.
func (t *trust) issuers() []string {
	if t.tenancy == nil {
		return []string{t.url}
	}
	if t.tenancy.tenants == nil {
		return []string{t.tenancy.before + tenantSegment + t.tenancy.after}
	}
	var all []string
	for _, tenant := range t.tenancy.tenants {
		all = append(all, t.tenancy.before+tenant+t.tenancy.after)
	}
	return all
}

// lookUp finds the configured issuer for an iss, in at most two map accesses: by all of it, then by the template that it
// may be made from.
func (c *core) lookUp(iss string) (*trust, bool) {
	if t, ok := c.issuers[iss]; ok {
		return t, true
	}
	for start := 0; start < len(iss); {
		end := len(iss)
		if slash := strings.IndexByte(iss[start:], '/'); slash >= 0 {
			end = start + slash
		}
		if isTenantID(iss[start:end]) {
			t, ok := c.issuers[iss[:start]+tenantSegment+iss[end:]]
			return t, ok
		}
		start = end + 1
	}
	return nil, false
}

// check demands that iss is the issuer of the very tenant that tid names. That the tenant is accepted follows: iss was
// found by its whole text, or by a template that is for any tenant.
func (n *tenancy) check(iss string, claims jose.Object) error {
	if n == nil {
		return nil
	}
	value, _ := claims.Get("tid")
	tenant, _ := value.Text()
	if !isTenantID(tenant) {
		return errors.New("tid is no GUID in lower case")
	}
	rest, ok := strings.CutPrefix(iss, n.before)
	if !ok || !strings.HasPrefix(rest, tenant) || rest[len(tenant):] != n.after {
		return fmt.Errorf("iss %s is not the issuer of tid %q", jose.Quote(iss), tenant)
	}
	return nil
}

// isTenantID tells whether it is a GUID in lower case: 8-4-4-4-12 hexadecimal digits.
func isTenantID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && c != '-', !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
