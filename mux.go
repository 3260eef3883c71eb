package bearerguard

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mux is a router on which no route can be without a policy. It takes the patterns of [http.ServeMux], which it wraps, and
// is safe for concurrent use once its routes are registered.
//
// A request is answered in this order: a path that is not canonical with 400; the protected resource metadata of the
// guards; then by its route, guarded by the route's policy. What lands on no route needs a valid token for the Mux's own
// guard before it gets the 404, 405 or redirect of ServeMux, so nobody can look around without one. HEAD is guarded as
// GET is, and OPTIONS and CONNECT like any other method. Metadata that views on several hosts have at one path is chosen
// by the Host field among them; it is public all the same.
//
// Registration panics, naming both places in the code, when a pattern is bad or conflicts with another, and when a route
// opens a hole: when a request for the path of a guarded route would land, by its method or otherwise, on a public or
// optional route that was written for other paths too. A fence mends that: with a public "POST /" and a guarded "GET /admin",
// mux.Handle("POST /admin", Authenticated(), http.NotFoundHandler()).
type Mux struct {
	guard *Guard
	table *table
}

// table is what a Mux and those made from it by With share.
type table struct {
	core    *core
	serve   *http.ServeMux
	mu      sync.RWMutex
	routes  []*route
	guards  []*Guard // whose metadata is served
	slashes bool     // some route takes %2F
}

// route is one registered pattern. It is the handler that the ServeMux finds.
type route struct {
	guarded
	pattern      string
	method, path string
	shape        []string // of the path
	wildcards    []string
	place        string // in the code that registered it
}

// NewMux makes an empty Mux whose routes this guard or view checks.
func (g *Guard) NewMux() *Mux {
	return &Mux{g, &table{core: g.core, serve: http.NewServeMux(), guards: []*Guard{g}}}
}

// With is a Mux over the same routes whose new ones are checked by another view of the Guard. It panics for a view of
// another Guard.
func (m *Mux) With(view *Guard) *Mux {
	if view == nil || view.core != m.table.core {
		misuse("Mux.With: not a view of the Mux's Guard")
	}
	m.table.mu.Lock()
	defer m.table.mu.Unlock()
	known := false
	for _, g := range m.table.guards {
		known = known || g.resource == view.resource
	}
	if !known {
		m.table.guards = append(m.table.guards, view)
	}
	return &Mux{view, m.table}
}

// HandleFunc is Handle for a function.
func (m *Mux) HandleFunc(pattern string, p Policy, handler func(http.ResponseWriter, *http.Request)) {
	if handler == nil {
		misuse("Mux.HandleFunc %q: nil function", pattern)
	}
	m.Handle(pattern, p, http.HandlerFunc(handler))
}

// Handle registers a handler for a pattern, under a policy. See Mux for what makes it panic.
func (m *Mux) Handle(pattern string, p Policy, handler http.Handler) {
	r := m.newRoute(pattern, p, handler)
	m.table.mu.Lock()
	defer m.table.mu.Unlock()
	m.table.add(r)
	m.table.routes = append(m.table.routes, r)
	m.table.slashes = m.table.slashes || r.plan.encodedSlash
	m.table.findHole(r)
}

// newRoute checks all that can be checked without the other routes.
func (m *Mux) newRoute(pattern string, p Policy, handler http.Handler) *route {
	if handler == nil {
		misuse("Mux.Handle %q: nil handler", pattern)
	}
	r := &route{guarded: *newGuarded(m.guard, compile(p), handler), pattern: pattern, place: caller()}
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = "", pattern
	}
	r.method, r.path = method, strings.TrimLeft(rest, " \t")
	if !strings.HasPrefix(r.path, "/") {
		misuse("Mux.Handle %q: a pattern is an optional method and a path; host patterns are not for a Mux, as the caller chooses the host", pattern)
	}
	if clean := path.Clean(r.path); clean != r.path && clean+"/" != r.path {
		misuse("Mux.Handle %q: the path is not canonical, so nothing could ever match it", pattern)
	}
	r.shape, r.wildcards = shapeOf(r.path), wildcardsOf(r.path)
	if r.plan.require == nil {
		if r.method == "" {
			misuse("Mux.Handle %q: a public pattern must name its method", pattern)
		}
		return r
	}
	for _, asked := range []Requirement{r.plan.require, r.plan.trial} {
		walk(asked, func(part Requirement) {
			if needs, ok := part.(pathClaimRequirement); ok && !slices.Contains(r.wildcards, needs.wildcard) {
				misuse("Mux.Handle %q: %v needs the wildcard {%s}", pattern, p, needs.wildcard)
			}
		})
	}
	return r
}

// add puts the route into the ServeMux and turns its panic into one that names both places.
func (t *table) add(r *route) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		for _, other := range t.routes {
			if conflict(r.pattern, other.pattern) {
				panic(fmt.Sprintf("bearerguard: Mux.Handle %q (%s) conflicts with %q (%s)", r.pattern, r.place, other.pattern, other.place))
			}
		}
		panic(fmt.Sprintf("bearerguard: Mux.Handle %q (%s): %v", r.pattern, r.place, cause))
	}()
	t.serve.Handle(r.pattern, r)
}

func conflict(pattern, other string) (yes bool) {
	defer func() { yes = recover() != nil }()
	mux := http.NewServeMux()
	mux.Handle(other, http.NotFoundHandler())
	mux.Handle(pattern, http.NotFoundHandler())
	return false
}

var unrouted = plan{policy: authenticated{}, require: authenticated{}}

// ServeHTTP implements [http.Handler].
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := m.table
	err := checkPath(r.URL)
	if err != nil && (err != errPathSlash || !t.slashes) {
		m.refusePath(w, r, err)
		return
	}
	if g := t.metadataFor(r); g != nil && err == nil {
		m.guard.core.transport.setHSTS(w, r)
		g.metadataHandler(t.scopes(g)).ServeHTTP(w, r)
		return
	}
	found, _ := t.serve.Handler(r)
	h, ok := found.(*route)
	switch {
	case err != nil && (!ok || !h.plan.encodedSlash):
		m.refusePath(w, r, err)
	case !ok:
		// ServeMux answers by itself: 404, 405 or a redirect.
		newGuarded(m.guard, unrouted, t.serve).ServeHTTP(w, r)
	case len(h.wildcards) == 0:
		r.Pattern = h.pattern // as ServeMux does, which need not be asked twice
		h.ServeHTTP(w, r)
	default:
		t.serve.ServeHTTP(w, r)
	}
}

// metadataFor is the guard whose metadata a request asks for. Resources on different hosts may have it at one path.
func (t *table) metadataFor(r *http.Request) (found *Guard) {
	for _, g := range t.guards {
		if g.metadata == nil || r.URL.Path != g.metadata.Path {
			continue
		}
		if strings.EqualFold(r.Host, g.metadata.Host) {
			return g
		}
		if found == nil {
			found = g
		}
	}
	return found
}

func (m *Mux) refusePath(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refuse(ErrPath, err)
	m.guard.report(r.Context(), r, &unrouted, outcome{refusal: refusal}, time.Now())
	m.guard.core.transport.setHSTS(w, r)
	m.guard.answer(w, refusal)
}

// wildcardsOf lists the wildcards of a pattern's path.
func wildcardsOf(path string) []string {
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok && name != "$}" {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}
