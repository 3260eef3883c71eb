package bearerguard

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Route is a line of the policy table: what a pattern demands. Its JSON form is for programs that compare tables.
type Route struct {
	Pattern  string `json:"pattern"`
	Policy   string `json:"policy"`
	Resource string `json:"resource"` // of the view that checks it
}

// Routes is the policy table, sorted by path and method.
func (m *Mux) Routes() []Route {
	m.table.mu.RLock()
	defer m.table.mu.RUnlock()
	sorted := slices.SortedFunc(slices.Values(m.table.routes), func(a, b *route) int {
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return strings.Compare(a.method, b.method)
	})
	routes := make([]Route, len(sorted))
	for i, r := range sorted {
		routes[i] = Route{r.pattern, r.plan.policy.String(), r.guard.resource}
	}
	return routes
}

// WritePolicies writes the policy table as text, a line for each route, that changes only where the policies do. It is
// meant to be read by people and kept under version control: see guardtest.GoldenPolicies.
func (m *Mux) WritePolicies(w io.Writer) error {
	for _, r := range m.Routes() {
		if _, err := fmt.Fprintf(w, "%s: %s, for %s\n", r.Pattern, r.Policy, r.Resource); err != nil {
			return err
		}
	}
	return nil
}

// scopes lists the scopes that the routes of a view ask for, for its metadata.
func (t *table) scopes(g *Guard) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var scopes []string
	for _, r := range t.routes {
		if r.guard.resource != g.resource || r.plan.require == nil {
			continue
		}
		walk(r.plan.require, func(part Requirement) {
			switch part := part.(type) {
			case scopeRequirement:
				scopes = append(scopes, part.scopes...)
			case anyScopeRequirement:
				scopes = append(scopes, part.scopes...)
			}
		})
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// MarshalJSON implements [json.Marshaler] with the policy table.
func (m *Mux) MarshalJSON() ([]byte, error) { return json.Marshal(m.Routes()) }
