package bearerguard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// probeMethods are the methods that callers can be expected to try; those that routes name come on top.
var probeMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// findHole panics if, now that r is there, some request for the path of a guarded route lands on a route that lets
// anonymous callers in, and that was written for other paths too: guarded "GET /admin" under public "POST /", guarded
// "GET /users/me" beside public "POST /users/{id}", or guarded "GET /{tenant}/admin" across public "POST /acme/{page}".
// A public path within a guarded one is no hole: it was written for just that.
func (t *table) findHole(r *route) {
	for _, guarded := range t.routes {
		if guarded.open() {
			continue
		}
		for _, open := range t.routes {
			if open.open() && (guarded == r || open == r) {
				t.probe(guarded, open)
			}
		}
	}
}

// probe tries the paths that guarded and open may have in common.
func (t *table) probe(guarded, open *route) {
	methods := probeMethods
	if open.method != "" && !slices.Contains(methods, open.method) {
		methods = []string{open.method}
	}
	for _, target := range probes(guarded.shape, open.shape) {
		for _, method := range methods {
			hit := t.land(method, target)
			if hit == nil || !hit.open() || covers(guarded.shape, hit.shape) {
				continue
			}
			fence := strings.TrimSpace(hit.method + " " + common(guarded, hit)) // without the method it would conflict
			panic(fmt.Sprintf("bearerguard: %s %s, a path of the guarded %q (%s), would be let in by %q (%s), which is %v. If nobody "+
				"should get in there, add a fence: mux.Handle(%q, bearerguard.Authenticated(), http.NotFoundHandler())",
				method, target, guarded.pattern, guarded.place, hit.pattern, hit.place, hit.plan.policy, fence))
		}
	}
}

// open tells whether the route lets anonymous callers in.
func (r *route) open() bool { return r.plan.require == nil || r.plan.optional }

func (t *table) land(method, target string) *route {
	path, _ := url.PathUnescape(target)
	found, _ := t.serve.Handler(&http.Request{Method: method, URL: &url.URL{Path: path, RawPath: target}})
	hit, _ := found.(*route)
	return hit
}

// What stands in a shape for a wildcard, whatever it is called, and for a rest of the path. No literal can look like them.
const (
	anySegment = "{}"
	anyRest    = "{...}"
)

// shapeOf is a pattern's path as its segments, each in one spelling.
func shapeOf(path string) []string {
	shape := strings.Split(path[1:], "/")
	for i, segment := range shape {
		switch {
		case segment == "" || strings.HasSuffix(segment, "...}"):
			shape[i] = anyRest
		case segment == "{$}":
			shape[i] = ""
		case segment[0] == '{':
			shape[i] = anySegment
		default:
			if plain, err := url.PathUnescape(segment); err == nil {
				shape[i] = url.PathEscape(plain)
			}
		}
	}
	return shape
}

// covers tells whether each path of the shape part is also one of the shape whole.
func covers(whole, part []string) bool {
	for i, segment := range whole {
		switch {
		case i == len(part):
			return false
		case segment == anyRest:
			return true
		case segment == anySegment && part[i] != "" && part[i] != anyRest:
		case segment != part[i]:
			return false
		}
	}
	return len(whole) == len(part)
}

// probes are paths of a shape. They fill its wildcards with the words that another shape has there, or else with what no
// pattern will have thought of.
func probes(shape, other []string) []string {
	const word = "/bearerguard-probe"
	path := ""
	for i, segment := range shape {
		switch {
		case segment == anyRest:
			probes := []string{path + word + word, path + word, path + "/"}
			if i >= len(other) {
				return probes // the path without a slash is not the subtree's
			}
			for _, segment := range other[i:] {
				path += fill(segment, word)
			}
			return append(probes, path)
		case segment == anySegment && i < len(other) && other[i] != "":
			path += fill(other[i], word)
		default:
			path += fill(segment, word)
		}
	}
	return []string{path}
}

// common is a pattern for the paths that two routes have in common.
func common(guarded, hit *route) string {
	parts, others := strings.Split(guarded.path, "/")[1:], strings.Split(hit.path, "/")[1:]
	for i := range min(len(parts), len(hit.shape)) {
		switch {
		case hit.shape[i] == anyRest:
		case guarded.shape[i] == anyRest:
			parts = append(parts[:i], others[i:]...)
		case guarded.shape[i] == anySegment:
			parts[i] = others[i]
		}
	}
	return "/" + strings.Join(parts, "/")
}

func fill(segment, word string) string {
	if segment == anySegment || segment == anyRest {
		return word
	}
	return "/" + segment
}
