package bearerguard_test

import (
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// wired is a line of a set-up.
type wired struct {
	pattern string
	policy  bearerguard.Policy
}

var (
	public   = bearerguard.Public("a test")
	openAlso = bearerguard.Optional(bearerguard.Scope("items:read"))
	scoped   = bearerguard.Scope("items:read")
)

func pub(pattern string) wired   { return wired{pattern, public} }
func maybe(pattern string) wired { return wired{pattern, openAlso} }
func held(pattern string) wired  { return wired{pattern, scoped} }

// wire registers the lines and gives the text of the panic that ends it, if any.
func wire(guard *bearerguard.Guard, lines ...wired) (*bearerguard.Mux, string) {
	mux := guard.NewMux()
	return mux, panicText(func() {
		for _, line := range lines {
			mux.Handle(line.pattern, line.policy, http.NotFoundHandler())
		}
	})
}

// TestMuxMisuse is about single lines that no route can be made of.
func TestMuxMisuse(t *testing.T) {
	guard := staticGuard(t)
	handler := http.NotFoundHandler()
	withFunc := bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) {})
	tenant := bearerguard.PathClaim("tenant", "org_id")
	for _, row := range []struct {
		name, pattern string
		policy        bearerguard.Policy
		handler       http.Handler
		want          string
	}{
		{"I-16 nil policy", "GET /a", nil, handler, "nil Policy"},
		{"I-16 a wrapped policy", "GET /a", wrappedPolicy{scoped}, handler, "wrappedPolicy"},
		{"I-16 a wrapped requirement", "GET /a", wrappedRequirement{scoped}, handler, "wrappedRequirement"},
		{"I-16 EncodedSlash within Trial", "GET /a", bearerguard.Trial{Enforce: bearerguard.EncodedSlash(scoped), Report: scoped}, handler, "must be around"},
		{"I-16 Trial of Public", "GET /a", bearerguard.Trial{Enforce: public, Report: scoped}, handler, "no token to try"},
		{"I-16 an empty Trial", "GET /a", bearerguard.Trial{}, handler, "nil Policy"},
		{"nil handler", "GET /a", scoped, nil, "nil handler"},
		{"no pattern", "", scoped, handler, "host patterns"},
		{"a method alone", "GET", scoped, handler, "host patterns"},
		{"a method and a space", "GET ", scoped, handler, "host patterns"},
		{"I-15 a host", "internal/a", scoped, handler, "host patterns"},
		{"I-15 a method and a host", "GET internal.example/a", scoped, handler, "host patterns"},
		{"I-15 a public host", "GET internal.example/a", public, handler, "host patterns"},
		{"a TAB behind the method", "GET\t/a", scoped, handler, "host patterns"},
		{"public with a space for a method", " /a", public, handler, "must name its method"},
		{"a bad method", "G(T /a", scoped, handler, "method"},
		{"a bad wildcard", "GET /{", scoped, handler, "wildcard"},
		{"a wildcard without a name", "GET /{}", scoped, handler, "wildcard"},
		{"a wildcard twice", "GET /{x}/{x}", scoped, handler, "duplicate wildcard"},
		{"a wildcard within a segment", "GET /a{x}", scoped, handler, "wildcard"},
		{"a rest that is not last", "GET /{x...}/a", scoped, handler, "not at end"},
		{"I-01 two slashes", "GET /a//b", scoped, handler, "not canonical"},
		{"I-01 two slashes at the front", "GET //a", scoped, handler, "not canonical"},
		{"I-02 a dot segment", "GET /a/./b", scoped, handler, "not canonical"},
		{"I-02 two dots", "GET /a/../b", scoped, handler, "not canonical"},
		{"I-02 two dots at the end", "GET /a/..", scoped, handler, "not canonical"},
		{"public for all methods", "/healthz", public, handler, "must name its method"},
		{"public for all methods, with %2F", "/healthz", bearerguard.EncodedSlash(public), handler, "must name its method"},
		{"public everywhere", "/", public, handler, "must name its method"},
		{"Func under Public", "GET /a", public, withFunc, "a public route has none"},
		{"Func under Public with %2F", "GET /a", bearerguard.EncodedSlash(public), withFunc, "a public route has none"},
		{"PathClaim without its wildcard", "GET /t/{org}", tenant, handler, "needs the wildcard {tenant}"},
		{"PathClaim without any wildcard", "GET /t", tenant, handler, "needs the wildcard {tenant}"},
		{"PathClaim and the end of a path", "GET /t/{$}", bearerguard.PathClaim("$", "org_id"), handler, "needs the wildcard {$}"},
		{"PathClaim within All", "GET /t", bearerguard.All(scoped, tenant), handler, "needs the wildcard {tenant}"},
		{"PathClaim within Any within All", "GET /t", bearerguard.All(scoped, bearerguard.Any(scoped, tenant)), handler, "needs the wildcard {tenant}"},
		{"PathClaim within Optional", "GET /t", bearerguard.Optional(tenant), handler, "needs the wildcard {tenant}"},
		{"PathClaim within Trial", "GET /t", bearerguard.Trial{Enforce: tenant, Report: scoped}, handler, "needs the wildcard {tenant}"},
		{"PathClaim on trial", "GET /t", bearerguard.Trial{Enforce: scoped, Report: tenant}, handler, "needs the wildcard {tenant}"},
		{"PathClaim with %2F", "GET /t", bearerguard.EncodedSlash(tenant), handler, "needs the wildcard {tenant}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, file, line, _ := runtime.Caller(0)
			text := panicText(func() { guard.NewMux().Handle(row.pattern, row.policy, row.handler) })
			checkPlaces(t, text, row.want, file, line+1)
		})
	}
	t.Run("HandleFunc with nil", func(t *testing.T) {
		_, file, line, _ := runtime.Caller(0)
		checkPlaces(t, panicText(func() { guard.NewMux().HandleFunc("GET /a", scoped, nil) }), "nil function", file, line+1)
	})
	t.Run("With a view of nothing, or of another guard", func(t *testing.T) {
		_, file, line, _ := runtime.Caller(0)
		checkPlaces(t, panicText(func() { guard.NewMux().With(nil) }), "not a view", file, line+1)
		checkPlaces(t, panicText(func() { guard.NewMux().With(staticGuard(t)) }), "not a view", file, line+2)
	})
	t.Run("I-20 a conflict names both places", func(t *testing.T) {
		for _, pair := range [][2]string{{"GET /a", "GET /a"}, {"GET /a/{x}", "GET /a/{y}"}, {"/a/{x}", "GET /{y}/b"}, {"/a", "GET /"}, {"GET /a/", "GET /a/{x...}"}} {
			mux := guard.NewMux()
			mux.Handle("GET /elsewhere", scoped, handler)
			_, file, line, _ := runtime.Caller(0)
			mux.Handle(pair[0], scoped, handler)
			text := panicText(func() { mux.Handle(pair[1], scoped, handler) })
			checkPlaces(t, text, "conflicts with", file, line+1, line+2)
			if strings.Contains(text, "elsewhere") {
				t.Errorf("%q blames another", text)
			}
		}
	})
	t.Run("legitimate lines", func(t *testing.T) {
		for _, line := range []wired{held("/"), held("GET /a/"), held("GET  /a"), held(" /a"), held("GET /{$}"), held("GET /a/{x}/{rest...}"), held("/caf\u00e9"), held("/caf%C3%A9/"), {"GET /t/{tenant}", tenant}, {"GET /t/{tenant...}", tenant}, pub("GET /"), maybe("/a"), {"GET /a", bearerguard.Authenticated()}} {
			if _, text := wire(guard, line); text != "" {
				t.Errorf("%q: %s", line.pattern, text)
			}
		}
	})
}

func checkPlaces(t *testing.T, text, want, file string, lines ...int) {
	t.Helper()
	if !strings.HasPrefix(text, "bearerguard: ") || !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
	for _, line := range lines {
		if place := file[strings.LastIndexByte(file, '/'):] + ":" + strconv.Itoa(line); !strings.Contains(text, place+")") {
			t.Errorf("%q does not name %s", text, place)
		}
	}
}

// TestHoles is about routes that would let in what another one guards. The panic must come in whichever order they are
// registered, name both, and the fence that it names must mend it.
func TestHoles(t *testing.T) {
	guard := staticGuard(t)
	fence := regexp.MustCompile(`mux\.Handle\("([^"]+)"`)
	for _, row := range []struct {
		name  string
		lines []wired // guarded, then open
	}{
		{"I-20 guarded GET under public POST /", []wired{held("GET /admin"), pub("POST /")}},
		{"I-20 guarded POST under public GET /", []wired{held("POST /admin"), pub("GET /")}},
		{"I-12 guarded POST under public HEAD /", []wired{held("POST /admin"), pub("HEAD /")}},
		{"I-12 guarded GET under public HEAD / is open to HEAD beside it", []wired{held("PUT /admin"), pub("HEAD /{x}")}},
		{"I-13 guarded GET under public OPTIONS /", []wired{held("GET /admin"), pub("OPTIONS /")}},
		{"I-13 guarded GET under public TRACE /", []wired{held("GET /admin"), pub("TRACE /")}},
		{"I-11 guarded GET under public CONNECT /", []wired{held("GET /admin"), pub("CONNECT /")}},
		{"I-13 guarded GET under a public method of its own", []wired{held("GET /admin"), pub("PROPFIND /")}},
		{"I-13 guarded GET under public get /", []wired{held("GET /admin"), pub("get /")}},
		{"I-20 guarded GET under optional POST /", []wired{held("GET /admin"), maybe("POST /")}},
		{"I-20 guarded GET under optional /", []wired{held("GET /admin"), maybe("/")}},
		{"I-20 guarded GET under optional on trial", []wired{held("GET /admin"), {"/", bearerguard.Trial{Enforce: openAlso, Report: scoped}}}},
		{"I-20 guarded GET under public with %2F", []wired{held("GET /admin"), {"POST /", bearerguard.EncodedSlash(public)}}},
		{"I-20 a word beside a wildcard", []wired{held("GET /users/me"), pub("POST /users/{id}")}},
		{"I-20 a word beside an optional wildcard", []wired{held("GET /users/me"), maybe("/users/{id}")}},
		{"I-20 a word beside a rest", []wired{held("GET /users/me"), pub("POST /users/{id...}")}},
		{"I-20 a wildcard under a subtree", []wired{held("GET /users/{id}"), pub("POST /users/")}},
		{"I-20 a wildcard in the middle", []wired{held("GET /users/{id}/keys"), pub("POST /users/{rest...}")}},
		{"I-20 two wildcards", []wired{held("GET /{a}/{b}"), pub("POST /")}},
		{"I-20 a subtree under a subtree", []wired{held("GET /files/private/"), pub("POST /files/")}},
		{"I-20 a rest under a rest", []wired{held("GET /files/private/{p...}"), pub("POST /files/{p...}")}},
		{"I-20 the end of a path", []wired{held("GET /files/{$}"), pub("POST /files/")}},
		{"I-20 the root", []wired{held("GET /{$}"), pub("POST /")}},
		{"I-20 across: wildcard and word", []wired{held("GET /{tenant}/admin"), pub("POST /acme/{page}")}},
		{"I-20 across: wildcard and rest", []wired{held("GET /{tenant}/admin"), pub("POST /acme/{page...}")}},
		{"I-20 across: wildcard and subtree", []wired{held("GET /{tenant}/admin/"), pub("POST /acme/")}},
		{"I-20 across: rest and wildcard", []wired{held("GET /acme/{page...}"), pub("POST /{tenant}/admin")}},
		{"I-07 spelt with escapes", []wired{held("GET /caf%C3%A9/a"), pub("POST /café/{x}")}},
		{"I-04 an escaped slash", []wired{{"GET /a%2Fb", bearerguard.EncodedSlash(scoped)}, {"POST /{x}", bearerguard.EncodedSlash(public)}}},
		{"I-20 only below the path that another guards", []wired{held("GET /a/{x...}"), pub("POST /"), held("POST /a/{x}"), held("POST /a/{$}")}},
		{"I-20 only at the root of a subtree", []wired{held("GET /a/"), pub("POST /"), held("POST /a/{x}/{y...}"), held("POST /a/{x}")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			backwards := []wired{row.lines[1], row.lines[0]}
			for _, lines := range [][]wired{append(row.lines[2:len(row.lines):len(row.lines)], row.lines[:2]...), append(row.lines[2:len(row.lines):len(row.lines)], backwards...)} {
				_, text := wire(guard, lines...)
				checkPlaces(t, text, "add a fence", "")
				if !strings.Contains(text, `"`+row.lines[0].pattern+`" (`) || !strings.Contains(text, `"`+row.lines[1].pattern+`" (`) || strings.Count(text, "hole_test.go:") != 2 || !strings.Contains(text, row.lines[1].policy.String()) {
					t.Errorf("%s does not name both", text)
				}
				named := fence.FindStringSubmatch(text)
				if named == nil {
					t.Fatal("no fence")
				}
				fenced := append([]wired{{named[1], bearerguard.Authenticated()}}, lines...)
				mux, again := wire(guard, fenced...)
				if again != "" {
					t.Fatalf("fence %q does not mend it: %s", named[1], again)
				}
				if _, text := wire(guard, append(lines[:len(lines)-1:len(lines)-1], fenced[0], lines[len(lines)-1])...); text != "" && len(row.lines) == 2 && lines[0].pattern == row.lines[0].pattern {
					t.Errorf("fence %q as the second line: %s", named[1], text)
				}
				if routes := mux.Routes(); len(routes) != len(fenced) {
					t.Errorf("%d routes", len(routes))
				}
			}
		})
	}
}

// TestNoHoles is about set-ups that are meant.
func TestNoHoles(t *testing.T) {
	guard := staticGuard(t)
	for name, lines := range map[string][]wired{
		"public GET beside guarded POST":            {pub("GET /items"), held("POST /items")},
		"public GET beside guarded others":          {pub("GET /items"), held("/items")},
		"optional GET beside guarded POST":          {maybe("GET /items"), held("POST /items")},
		"public GET beside guarded POST, wildcards": {pub("GET /items/{id}"), held("POST /items/{id}")},
		"wildcards with other names":                {pub("GET /items/{id}"), held("POST /items/{item}")},
		"a rest and a subtree":                      {pub("GET /items/{id...}"), held("POST /items/")},
		"one path spelt in two ways":                {pub("GET /caf%C3%A9"), held("POST /café")},
		"a public subtree under a guarded one":      {pub("GET /files/public/"), held("/files/")},
		"a public subtree under a guarded rest":     {pub("GET /files/public/{p...}"), held("GET /files/{p...}")},
		"a public word beside guarded wildcards":    {pub("POST /users/login"), held("GET /users/{id}")},
		"a public word beside a guarded wildcard":   {pub("GET /users/login"), held("GET /users/{id}")},
		"a public wildcard under a guarded subtree": {pub("POST /files/{name}"), held("GET /files/")},
		"everything public and a guarded path":      {pub("GET /"), held("GET /admin")},
		"other trees":                               {pub("GET /a/"), held("POST /b/"), maybe("/c/")},
		"a public end beside a guarded subtree":     {pub("GET /{$}"), held("/")},
		"a subtree beside a wildcard":               {held("GET /a/"), pub("POST /{x}")},
		"a word and its subtree":                    {held("GET /a"), pub("POST /a/")},
		"a fence of all methods under optional":     {maybe("/"), held("/admin"), held("GET /admin")},
		"nothing public":                            {held("/"), held("GET /admin"), held("POST /{x}")},
		"nothing guarded":                           {pub("GET /"), pub("POST /a"), maybe("GET /b"), maybe("PUT /c/{x}")},
	} {
		for _, order := range [][]wired{lines, backwardsOf(lines)} {
			if _, text := wire(guard, order...); text != "" {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

func backwardsOf(lines []wired) []wired {
	var out []wired
	for i := len(lines) - 1; i >= 0; i-- {
		out = append(out, lines[i])
	}
	return out
}
