package bearerguard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

type (
	wrappedPolicy      struct{ bearerguard.Policy }
	wrappedRequirement struct{ bearerguard.Requirement }
)

// Both would let everybody in, if they were asked.
func (wrappedPolicy) String() string      { return "authenticated" }
func (wrappedRequirement) String() string { return "authenticated" }

// TestMisuse is about mistakes that panic while the program starts, with the place of the mistake.
func TestMisuse(t *testing.T) {
	var (
		guard   = staticGuard(t)
		good    = bearerguard.Scope("items:read")
		wrapped = wrappedRequirement{good}
		none    []string
		request = httptest.NewRequest("GET", "https://api.example.com/x", nil)
		handler = http.NotFoundHandler()
	)
	rows := []struct {
		name, want string
		do         func()
	}{
		{"Scope of nothing", "Scope", func() { bearerguard.Scope() }},
		{"Scope of an empty list", "Scope", func() { bearerguard.Scope(none...) }},
		{"AnyScope of nothing", "AnyScope", func() { bearerguard.AnyScope() }},
		{"Role of nothing", "Role", func() { bearerguard.Role() }},
		{"AnyRole of nothing", "AnyRole", func() { bearerguard.AnyRole() }},
		{"ACR of nothing", "ACR", func() { bearerguard.ACR() }},
		{"All of nothing", "All", func() { bearerguard.All() }},
		{"Any of nothing", "Any", func() { bearerguard.Any() }},
		{"Role: one is empty", "Role", func() { bearerguard.Role("admin", "") }},
		{"AnyRole: one is empty", "AnyRole", func() { bearerguard.AnyRole("", "admin") }},
		{"Audience: empty", "Audience", func() { bearerguard.Audience("") }},
		{"All with nil", "nil Policy", func() { bearerguard.All(good, nil) }},
		{"Any with nil", "nil Policy", func() { bearerguard.Any(nil, good) }},
		{"All with a wrapper", "wrappedRequirement", func() { bearerguard.All(good, wrapped) }},
		{"Any with a wrapper", "wrappedRequirement", func() { bearerguard.Any(wrapped, good) }},
		{"All with a pointer to a wrapper", "wrappedRequirement", func() { bearerguard.All(&wrapped) }},
		{"All with a wrapper deep inside", "wrappedRequirement", func() { bearerguard.All(good, bearerguard.Any(good, bearerguard.All(wrapped))) }},
		{"All with a wrapper around nil", "wrappedRequirement", func() { bearerguard.All(wrappedRequirement{}) }},
		{"Require with nil", "nil Policy", func() { guard.Require(nil) }},
		{"Require with a wrapped policy", "wrappedPolicy", func() { guard.Require(wrappedPolicy{good}) }},
		{"Require with a wrapped requirement", "wrappedRequirement", func() { guard.Require(wrapped) }},
		{"Require with a pointer to a wrapper", "wrappedPolicy", func() { guard.Require(&wrappedPolicy{good}) }},
		{"Require around nil", "nil handler", func() { guard.Require(good)(nil) }},
		{"Check with nil", "nil Policy", func() { _, _ = guard.Check(request, nil) }},
		{"Check with a wrapper", "wrappedPolicy", func() { _, _ = guard.Check(request, wrappedPolicy{good}) }},
		{"Verify with nil", "nil Policy", func() { _, _ = guard.Verify(t.Context(), "x", nil) }},
		{"Verify with a wrapper", "wrappedRequirement", func() { _, _ = guard.Verify(t.Context(), "x", wrapped) }},
		{"Func of nil", "nil function", func() { bearerguard.Func(nil) }},
		{"Func of nil below Require", "nil function", func() { guard.Require(good)(bearerguard.Func(nil)) }},
		{"Require in a call of Require", "nil Policy", func() { guard.Require(good)(guard.Require(nil)(handler)) }},
	}
	type row = struct {
		name, want string
		do         func()
	}
	for _, bad := range []string{"", " ", "a b", "a ", " a", `a"b`, `a\b`, "a\tb", "a\nb", "a\x00", "a\x7f", "é", "a\u200b", "\xff"} {
		for name, make := range map[string]func(...string) bearerguard.Requirement{"Scope": bearerguard.Scope, "AnyScope": bearerguard.AnyScope, "ACR": bearerguard.ACR} {
			rows = append(rows, row{fmt.Sprintf("%s %q", name, bad), name, func() { make("good", bad) }})
		}
	}
	for _, bad := range []string{"", "admin", "/admin", "https://", "https:admin", "https://:8443", "https:///admin", "https://admin.example.com/#x", "https://u@admin.example.com", "https://admin.example.com/a b", "https://exämple.com"} {
		rows = append(rows, row{fmt.Sprintf("For %q", bad), fmt.Sprintf("%q", bad), func() { guard.For(bad) }})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := panicOf(row.do)
			file, line := runtime.FuncForPC(reflect.ValueOf(row.do).Pointer()).FileLine(reflect.ValueOf(row.do).Pointer())
			if !strings.HasPrefix(text, "bearerguard: ") || !strings.Contains(text, row.want) {
				t.Errorf("%q does not say %q", text, row.want)
			}
			if place := fmt.Sprintf("(%s:%d)", file, line); !strings.HasSuffix(text, place) {
				t.Errorf("%q does not end in %s", text, place)
			}
		})
	}
}

// panicOf is the text that f panics with.
func panicOf(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

// TestPoliciesKeepCopies changes the lists that policies were made of.
func TestPoliciesKeepCopies(t *testing.T) {
	guard, raw := staticGuard(t), wordedToken(issuers()[0], "roles", `["auditor"]`, "acr", `"bronze"`)
	for name, row := range map[string]struct {
		make func(...string) bearerguard.Requirement
		held string
	}{
		"Scope": {bearerguard.Scope, "items:read"}, "AnyScope": {bearerguard.AnyScope, "items:read"}, "Role": {bearerguard.Role, "auditor"},
		"AnyRole": {bearerguard.AnyRole, "auditor"}, "ACR": {bearerguard.ACR, "bronze"},
	} {
		list := []string{"other"}
		policy := row.make(list...)
		list[0] = row.held
		if _, err := guard.Verify(t.Context(), raw, policy); err == nil || strings.Contains(policy.String(), row.held) {
			t.Errorf("%s became %v", name, policy)
		}
	}
	for name, combine := range map[string]func(...bearerguard.Requirement) bearerguard.Requirement{"All": bearerguard.All, "Any": bearerguard.Any} {
		parts := []bearerguard.Requirement{bearerguard.Scope("other")}
		policy := combine(parts...)
		parts[0] = bearerguard.Authenticated()
		if _, err := guard.Verify(t.Context(), raw, policy); err == nil {
			t.Errorf("%s became %v", name, policy)
		}
	}
}

// TestViews is about audiences of views: a token for one opens no other.
func TestViews(t *testing.T) {
	iss := issuers()[0]
	guard := staticGuard(t, func(cfg *bearerguard.Config) { cfg.Audiences = []string{resource, "https://alias.example.com"} })
	admin, urn := guard.For("https://admin.example.com"), guard.For("urn:example:admin")
	views := map[string]*bearerguard.Guard{"guard": guard, "admin": admin, "urn": urn, "view of a view": admin.For("https://deeper.example.com")}
	for audience, opens := range map[string]string{
		resource: "guard", "https://alias.example.com": "guard", "https://admin.example.com": "admin", "urn:example:admin": "urn", "https://deeper.example.com": "view of a view",
		"https://admin.example.com/": "", "https://ADMIN.example.com": "",
	} {
		for name, view := range views {
			if _, err := view.Verify(t.Context(), wordedToken(iss, "aud", `"`+audience+`"`), bearerguard.Authenticated()); (err == nil) != (name == opens) {
				t.Errorf("a token for %s at %s: %v", audience, name, err)
			}
		}
	}
	own := staticGuard(t, func(cfg *bearerguard.Config) { cfg.Issuers[0].Audiences = []string{"https://own.example.com"} })
	for audience, opens := range map[string][2]bool{"https://own.example.com": {true, false}, "https://admin.example.com": {false, true}, resource: {false, false}} {
		raw := wordedToken(iss, "aud", `"`+audience+`"`)
		_, err := own.Verify(t.Context(), raw, bearerguard.Authenticated())
		_, viewErr := own.For("https://admin.example.com").Verify(t.Context(), raw, bearerguard.Authenticated())
		if (err == nil) != opens[0] || (viewErr == nil) != opens[1] {
			t.Errorf("a token for %s, of an issuer with its own audiences: %v; at a view: %v", audience, err, viewErr)
		}
	}
	for view, want := range map[*bearerguard.Guard]string{
		guard: `Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
		admin: `Bearer resource_metadata="https://admin.example.com/.well-known/oauth-protected-resource"`, urn: `Bearer realm="urn:example:admin"`,
	} {
		w := httptest.NewRecorder()
		view.Require(bearerguard.Authenticated())(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "https://api.example.com/x", nil))
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != want {
			t.Errorf("%d %s, want %s", w.Code, got, want)
		}
	}
}
