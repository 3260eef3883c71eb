package bearerguard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// probeMethods are the methods that callers can be expected to try.
var probeMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// findHole panics if, now that r is there, some request for the path of a guarded route lands on a route that lets
// anonymous callers in, and that was written for another path: guarded "GET /admin" under public "POST /", or guarded
// "GET /users/me" beside public "POST /users/{id}".
func (t *table) findHole(r *route) {
	guarded := []*route{r}
	if r.open() {
		guarded = t.routes
	}
	for _, candidate := range guarded {
		if candidate.open() {
			continue
		}
		for _, target := range probes(candidate.path) {
			for _, method := range probeMethods {
				hit := t.land(method, target)
				if hit == nil || !hit.open() || hit.path == candidate.path {
					continue
				}
				panic(fmt.Sprintf("bearerguard: %s %s, a path of the guarded %q (%s), would be let in by %q (%s), which is %v. If nobody "+
					"should get in there, add a fence: mux.Handle(%q, bearerguard.Authenticated(), http.NotFoundHandler())",
					method, target, candidate.pattern, candidate.place, hit.pattern, hit.place, hit.plan.policy, candidate.path))
			}
		}
	}
}

// open tells whether the route lets anonymous callers in.
func (r *route) open() bool { return r.plan.require == nil || r.plan.optional }

func (t *table) land(method, target string) *route {
	found, _ := t.serve.Handler(&http.Request{Method: method, URL: &url.URL{Path: target}})
	hit, _ := found.(*route)
	return hit
}

// probes fills the wildcards of a pattern's path with what no other pattern will have thought of.
func probes(path string) []string {
	const word = "bearerguard-probe"
	var filled []string
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "{$}":
			segment = ""
		case strings.HasSuffix(segment, "...}"):
			segment = word + "/" + word
		case strings.HasPrefix(segment, "{"):
			segment = word
		}
		filled = append(filled, segment)
	}
	target := strings.Join(filled, "/")
	if strings.HasSuffix(path, "/") {
		return []string{target, target + word, target + word + "/" + word}
	}
	if short, ok := strings.CutSuffix(target, word+"/"+word); ok && strings.HasSuffix(path, "...}") {
		return []string{target, short + word, short}
	}
	return []string{target}
}
