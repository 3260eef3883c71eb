package bearerguard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const (
	adminView = "https://admin.example.com"
	wellKnown = "/.well-known/oauth-protected-resource"
)

// tableLines are the lines of a policy table in its order.
var tableLines = []struct {
	wired
	view bool
	text string
}{
	{held("/"), false, `/: scope items:read, for https://api.example.com`},
	{wired{"POST /admin/reset", bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.Role("admin"))}, true, `POST /admin/reset: (scope admin:reset AND role admin), for https://admin.example.com`},
	{wired{"GET /b/{x}", bearerguard.Any(scoped, bearerguard.AnyScope("b:read", "b:all"))}, false, `GET /b/{x}: (scope items:read OR any scope of b:read b:all), for https://api.example.com`},
	{wired{"POST /b/{x}", bearerguard.EncodedSlash(scoped)}, false, `POST /b/{x}: scope items:read, with %2F, for https://api.example.com`},
	{pub("GET /healthz"), false, `GET /healthz: public "a test", for https://api.example.com`},
	{maybe("GET /list"), false, `GET /list: optional scope items:read, for https://api.example.com`},
	{wired{"GET /t/{tenant}/{rest...}", bearerguard.PathClaim("tenant", "org_id")}, false, `GET /t/{tenant}/{rest...}: path {tenant}=claim org_id, for https://api.example.com`},
	{wired{"GET /trial", bearerguard.Trial{Enforce: bearerguard.Authenticated(), Report: bearerguard.Scope("new:scope")}}, false, `GET /trial: authenticated, on trial scope new:scope, for https://api.example.com`},
}

func TestPolicyTable(t *testing.T) {
	guard := staticGuard(t)
	var want string
	orders := [2][]int{}
	for i, line := range tableLines {
		want += line.text + "\n"
		orders[0] = append(orders[0], i)
	}
	orders[1] = slices.Clone(orders[0])
	slices.Reverse(orders[1])
	for _, order := range orders {
		mux := guard.NewMux()
		view := mux.With(guard.For(adminView))
		for _, i := range order {
			on := mux
			if tableLines[i].view {
				on = view
			}
			on.Handle(tableLines[i].pattern, tableLines[i].policy, http.NotFoundHandler())
		}
		for name, m := range map[string]*bearerguard.Mux{"the Mux": mux, "its view": view} {
			var text strings.Builder
			if err := m.WritePolicies(&text); err != nil || text.String() != want {
				t.Errorf("%s, in order %v: %v\n%s", name, order, err, text.String())
			}
			printed, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var routes []bearerguard.Route
			if err := json.Unmarshal(printed, &routes); err != nil || !slices.Equal(routes, m.Routes()) || len(routes) != len(tableLines) {
				t.Errorf("%s: %v, %s", name, err, printed)
			}
			if first := `[{"pattern":"/","policy":"scope items:read","resource":"https://api.example.com"},`; !strings.HasPrefix(string(printed), first) {
				t.Errorf("%s", printed)
			}
			routes[0].Policy = "changed"
			if m.Routes()[0].Policy == "changed" {
				t.Error("the table can be changed from outside")
			}
		}
	}
	empty, err := json.Marshal(guard.NewMux())
	if err != nil || string(empty) != "[]" {
		t.Errorf("an empty table: %s, %v", empty, err)
	}
	mux, _ := wire(guard, held("/a"))
	if err := mux.WritePolicies(brokenWriter{}); err == nil {
		t.Error("an error of the writer is lost")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// reviewer is a testing.TB that remembers what it is told.
type reviewer struct {
	testing.TB
	comments []string
}

func (r *reviewer) Helper()           {}
func (r *reviewer) Error(args ...any) { r.comments = append(r.comments, fmt.Sprint(args...)) }
func (r *reviewer) Fatalf(f string, args ...any) {
	r.comments = append(r.comments, "fatal: "+fmt.Sprintf(f, args...))
	panic(r)
}

// review runs GoldenPolicies and gives its comments.
func review(mux *bearerguard.Mux, file string) []string {
	r := new(reviewer)
	func() {
		defer func() { _ = recover() }()
		guardtest.GoldenPolicies(r, mux, file)
	}()
	return r.comments
}

func TestGoldenPolicies(t *testing.T) {
	guard := staticGuard(t)
	var (
		reset   = bearerguard.Scope("admin:reset")
		both    = bearerguard.All(reset, bearerguard.Role("admin"))
		three   = bearerguard.All(reset, bearerguard.Role("admin"), bearerguard.ACR("gold"))
		anyone  = bearerguard.Authenticated()
		either  = bearerguard.Any(reset, bearerguard.Role("admin"))
		onTrial = bearerguard.Trial{Enforce: reset, Report: scoped}
		forAPI  = ", for " + resource
	)
	route := func(p bearerguard.Policy) *bearerguard.Mux {
		mux, _ := wire(guard, wired{"POST /x", p})
		return mux
	}
	elsewhere := guard.NewMux()
	elsewhere.With(guard.For(adminView)).Handle("POST /x", reset, http.NotFoundHandler())
	none := guard.NewMux()
	changed := func(was, now, judgement string) []string {
		return []string{"POST /x: was " + was + forAPI + ", now " + now + forAPI + judgement}
	}
	for _, row := range []struct {
		name     string
		was, now *bearerguard.Mux
		want     []string
	}{
		{"nothing changed", route(both), route(both), nil},
		{"a part less", route(both), route(reset), changed("(scope admin:reset AND role admin)", "scope admin:reset", " — weaker")},
		{"a part less of three", route(three), route(both), changed("(scope admin:reset AND role admin AND acr gold)", "(scope admin:reset AND role admin)", " — weaker")},
		{"all parts less", route(both), route(anyone), changed("(scope admin:reset AND role admin)", "authenticated", " — weaker")},
		{"the one part less", route(reset), route(anyone), changed("scope admin:reset", "authenticated", " — weaker")},
		{"a choice less", route(either), route(anyone), changed("(scope admin:reset OR role admin)", "authenticated", " — weaker")},
		{"public", route(both), route(public), changed("(scope admin:reset AND role admin)", `public "a test"`, " — weaker: anonymous callers get in")},
		{"public, of authenticated", route(anyone), route(public), changed("authenticated", `public "a test"`, " — weaker: anonymous callers get in")},
		{"optional", route(scoped), route(openAlso), changed("scope items:read", "optional scope items:read", " — weaker: anonymous callers get in")},
		{"a part more", route(reset), route(both), changed("scope admin:reset", "(scope admin:reset AND role admin)", " — stronger")},
		{"a part more than anyone", route(anyone), route(reset), changed("authenticated", "scope admin:reset", " — stronger")},
		{"no longer public", route(public), route(reset), changed(`public "a test"`, "scope admin:reset", " — stronger")},
		{"no longer optional", route(openAlso), route(scoped), changed("optional scope items:read", "scope items:read", " — stronger")},
		{"another scope", route(reset), route(scoped), changed("scope admin:reset", "scope items:read", "")},
		{"a choice, which text alone does not judge", route(both), route(either), changed("(scope admin:reset AND role admin)", "(scope admin:reset OR role admin)", "")},
		{"on trial is no change of who gets in", route(reset), route(onTrial), changed("scope admin:reset", "scope admin:reset, on trial scope items:read", "")},
		{"the trial of authenticated is over", route(bearerguard.Trial{Enforce: anyone, Report: reset}), route(anyone), changed("authenticated, on trial scope admin:reset", "authenticated", "")},
		{"the trial ends, and with it a part", route(bearerguard.Trial{Enforce: both, Report: scoped}), route(reset), changed("(scope admin:reset AND role admin), on trial scope items:read", "scope admin:reset", " — weaker")},
		{"%2F", route(reset), route(bearerguard.EncodedSlash(reset)), changed("scope admin:reset", "scope admin:reset, with %2F", "")},
		{"another audience", route(reset), elsewhere, []string{"POST /x: was scope admin:reset, for https://api.example.com, now scope admin:reset, for https://admin.example.com — for another audience"}},
		{"a new route", none, route(both), []string{"POST /x: new, (scope admin:reset AND role admin)" + forAPI}},
		{"a new public route", none, route(public), []string{`POST /x: new, public "a test"` + forAPI}},
		{"a route gone", route(both), none, []string{"POST /x: was (scope admin:reset AND role admin)" + forAPI + ", now there is no such route"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "deep", "policies.golden")
			if got := review(row.was, file); len(got) != 1 || !strings.Contains(got[0], "GOLDEN_POLICIES=write makes the file") {
				t.Fatalf("without a file: %q", got)
			}
			t.Setenv("GOLDEN_POLICIES", "write")
			if got := review(row.was, file); got != nil {
				t.Fatalf("writing: %q", got)
			}
			t.Setenv("GOLDEN_POLICIES", "")
			if got := review(row.was, file); got != nil {
				t.Errorf("the same table: %q", got)
			}
			if got := review(row.now, file); !slices.Equal(got, row.want) {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
		})
	}
	t.Run("several changes come in order", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "policies.golden")
		t.Setenv("GOLDEN_POLICIES", "write")
		was, _ := wire(guard, held("/a"), held("/b"), held("/c"))
		review(was, file)
		t.Setenv("GOLDEN_POLICIES", "")
		now, _ := wire(guard, held("/d"), wired{"/b", anyone}, held("/c"))
		got := review(now, file)
		if len(got) != 3 || !slices.IsSorted(got) || !strings.HasPrefix(got[0], "/a: was") || !strings.HasPrefix(got[1], "/b: was") || !strings.HasPrefix(got[2], "/d: new") {
			t.Errorf("%q", got)
		}
	})
	t.Run("a file that cannot be written", func(t *testing.T) {
		t.Setenv("GOLDEN_POLICIES", "write")
		for _, file := range []string{t.TempDir(), "/dev/null/x/policies.golden"} {
			if got := review(none, file); len(got) != 1 || !strings.HasPrefix(got[0], "fatal: guardtest: ") {
				t.Errorf("%s: %q", file, got)
			}
		}
	})
}

// TestMuxMetadata is about the metadata that a Mux serves by itself.
func TestMuxMetadata(t *testing.T) {
	s := newService(t)
	const pathful = "https://api.example.com/v1/"
	mux := s.guard.NewMux()
	handler := http.NotFoundHandler()
	mux.Handle("GET /items", bearerguard.All(scoped, bearerguard.Any(bearerguard.AnyScope("b:read", "b:all"), bearerguard.Role("r"))), handler)
	mux.Handle("POST /items", bearerguard.Any(scoped, bearerguard.Scope("a:write")), handler)
	mux.Handle("GET /list", bearerguard.Optional(bearerguard.Scope("list:all")), handler)
	mux.Handle("GET /trial", bearerguard.Trial{Enforce: bearerguard.Scope("trial:now"), Report: bearerguard.Scope("trial:later")}, handler)
	mux.Handle("GET /slash/{x}", bearerguard.EncodedSlash(bearerguard.Scope("slash:read")), handler)
	mux.Handle("GET /healthz", public, handler)
	mux.With(s.guard.For(adminView)).Handle("POST /reset", bearerguard.Scope("admin:reset"), handler)
	mux.With(s.guard.For(pathful)).Handle("GET /v1/x", bearerguard.Scope("v1:read"), handler)
	mux.With(s.guard.For("https://bare.example.com/bare")).Handle("GET /bare", bearerguard.Authenticated(), handler)
	serveInstead(s, mux)
	const own, admin, v1, bare = `a:write","b:all","b:read","items:read","list:all","slash:read","trial:now`, "admin:reset", "v1:read", ""
	for _, row := range []struct {
		name, method, target, host string
		status                     int
		resource, scopes           string
	}{
		{"R9728-08 the scopes of the routes, sorted, once each", "GET", wellKnown, "api.example.com", 200, resource, own},
		{"R9728-17 another host", "GET", wellKnown, "evil.example", 200, resource, own},
		{"R9728-17 a host in capitals", "GET", wellKnown, "ADMIN.example.com", 200, adminView, admin},
		{"R9728-16 a view on another host", "GET", wellKnown, "admin.example.com", 200, adminView, admin},
		{"R9728-02 R9728-03 R9728-05 a view with a path", "GET", wellKnown + "/v1", "api.example.com", 200, pathful, v1},
		{"R9728-02 a view with a path, another host", "GET", wellKnown + "/v1", "evil.example", 200, pathful, v1},
		{"R9728-04 a view without scopes", "GET", wellKnown + "/bare", "h", 200, "https://bare.example.com/bare", bare},
		{"R9728-17 HEAD", "HEAD", wellKnown, "h", 200, "", ""},
		{"R9728-17 a preflight", "OPTIONS", wellKnown, "h", 204, "", ""},
		{"R9728-17 POST", "POST", wellKnown, "h", 405, "", ""},
		{"R9110-16 get", "get", wellKnown, "h", 405, "", ""},
		{"R9728-02 a slash too many", "GET", wellKnown + "/", "h", 401, "", ""},
		{"R9728-02 a path too many", "GET", wellKnown + "/v2", "h", 401, "", ""},
		{"R9728-02 a path and a slash", "GET", wellKnown + "/v1/", "h", 401, "", ""},
		{"R9728-02 the path without the well-known part", "GET", "/v1" + wellKnown, "h", 401, "", ""},
		{"R9728-02 part of the path", "GET", "/.well-known", "h", 401, "", ""},
		{"R9728-02 another well-known document", "GET", "/.well-known/openid-configuration", "h", 401, "", ""},
		{"I-08 capitals", "GET", "/.WELL-KNOWN/oauth-protected-resource", "h", 401, "", ""},
		{"I-01 two slashes", "GET", "/" + wellKnown, "h", 400, "", ""},
		{"I-03 dots", "GET", "/x/%2e%2e" + wellKnown, "h", 400, "", ""},
		{"I-04 an escaped slash", "GET", "/.well-known%2foauth-protected-resource", "h", 400, "", ""},
		{"I-04 an escaped slash in the resource", "GET", wellKnown + "%2fv1", "h", 400, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			response, body := hearRaw(t, s, row.method+" "+row.target+" HTTP/1.1\r\nHost: "+row.host+"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			if response.StatusCode != row.status {
				t.Fatalf("%d %s, want %d", response.StatusCode, body, row.status)
			}
			if served := row.status == 200 || row.status == 204 || row.status == 405; served != (response.Header.Get("Access-Control-Allow-Origin") == "*") {
				t.Errorf("headers %v", response.Header)
			}
			if row.resource == "" {
				return
			}
			if !strings.Contains(body, `{"resource":"`+row.resource+`",`) || strings.Contains(body, "evil") || response.Header.Get("Cache-Control") != "public, max-age=3600" {
				t.Errorf("%s, %v", body, response.Header)
			}
			if wanted := `"scopes_supported":["` + row.scopes + `"]`; strings.Contains(body, wanted) == (row.scopes == "") || row.scopes == "" && strings.Contains(body, "scopes_supported") {
				t.Errorf("%s, want %s", body, wanted)
			}
		})
	}
	t.Run("R9728-08 Guard.Metadata knows of no routes", func(t *testing.T) {
		serveInstead(s, s.guard.Metadata())
		if _, body := hearRaw(t, s, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); strings.Contains(body, "scopes_supported") {
			t.Error(body)
		}
	})
}
