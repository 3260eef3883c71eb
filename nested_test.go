package bearerguard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

func TestContext(t *testing.T) {
	token, other := verifiedToken(t), verifiedToken(t, "sub", `"bob"`)
	if got, ok := bearerguard.FromContext(t.Context()); ok || got != nil {
		t.Error("a token out of nothing")
	}
	ctx := bearerguard.NewContext(t.Context(), token)
	below, cancel := context.WithCancel(context.WithValue(ctx, struct{ x int }{}, "y"))
	defer cancel()
	for name, c := range map[string]context.Context{"itself": ctx, "below": below, "without cancel": context.WithoutCancel(below), "below another": bearerguard.NewContext(bearerguard.NewContext(below, other), token)} {
		if got, ok := bearerguard.FromContext(c); !ok || got != token {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	if got, ok := bearerguard.FromContext(bearerguard.NewContext(ctx, other)); !ok || got != other {
		t.Error("not the innermost token")
	}
	if got, ok := bearerguard.FromContext(bearerguard.NewContext(ctx, nil)); ok || got != nil {
		t.Error("an anonymous caller got the outer token")
	}
	if below.Value(struct{ x int }{}) != "y" || bearerguard.NewContext(below, other).Value(struct{ x int }{}) != "y" {
		t.Error("other values are hidden")
	}
}

func TestFuncUnderNoGuard(t *testing.T) {
	handler := bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) { t.Error("reached") })
	for name, prepare := range map[string]func(*http.Request) *http.Request{
		"no credentials": func(r *http.Request) *http.Request { return r },
		"a good token": func(r *http.Request) *http.Request {
			r.Header.Set("Authorization", "Bearer "+issuers()[0].Token(nil))
			return r
		},
		"an anonymous context": func(r *http.Request) *http.Request {
			return r.WithContext(bearerguard.NewContext(r.Context(), nil))
		},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, prepare(httptest.NewRequest("GET", "https://api.example.com/x", nil)))
		if w.Code != 500 || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v", name, w.Code, w.Header())
		}
	}
}

// askInProcess sends a request with one Authorization line through a handler, in process.
func askInProcess(handler http.Handler, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "https://api.example.com/x", nil)
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// TestNested is about guards within guards: which Token the handler gets, and when a verdict may be used again.
func TestNested(t *testing.T) {
	iss := issuers()[0]
	var decisions []bearerguard.Decision
	guard := staticGuard(t, func(cfg *bearerguard.Config) {
		cfg.OnDecision = func(_ context.Context, d bearerguard.Decision) { decisions = append(decisions, d) }
	})
	both := fmt.Sprintf(`["%s","https://admin.example.com"]`, resource)
	var (
		view    = guard.For("https://admin.example.com")
		same    = guard.For(resource)
		alice   = "Bearer " + wordedToken(iss)
		bob     = "Bearer " + wordedToken(iss, "sub", `"bob"`, "scope", `"admin:reset"`)
		toBoth  = "Bearer " + wordedToken(iss, "aud", both)
		toView  = "Bearer " + wordedToken(iss, "aud", `"https://admin.example.com"`)
		foreign = "Bearer " + wordedToken(issuers()[1])
		stale   = "Bearer " + wordedToken(iss, "exp", "1000000000")
		any     = bearerguard.Authenticated()
		set     = func(lines ...string) func(*http.Request) {
			return func(r *http.Request) { r.Header["Authorization"] = lines }
		}
		nothing = func(*http.Request) {}
	)
	for _, row := range []struct {
		name         string
		outer, inner *bearerguard.Guard
		sent         string
		between      func(*http.Request)
		policy       bearerguard.Policy
		status       int
		subject      string
	}{
		{"the same line: reused", guard, guard, alice, nothing, any, 200, "alice"},
		{"the same line: the policy is asked all the same", guard, guard, alice, nothing, bearerguard.Scope("admin:reset"), 403, ""},
		{"the same line, put there again", guard, guard, alice, set(alice), any, 200, "alice"},
		{"another user's token: his is the one", guard, guard, alice, set(bob), any, 200, "bob"},
		{"another user's token: his scopes count", guard, guard, alice, set(bob), bearerguard.Scope("admin:reset"), 200, "bob"},
		{"another user's token: the first one's scopes do not", guard, guard, alice, set(bob), bearerguard.Scope("items:read"), 403, ""},
		{"an altered signature", guard, guard, alice, set(alice[:len(alice)-6] + "AAAAAA"), any, 401, ""},
		{"a foreign token", guard, guard, alice, set(foreign), any, 401, ""},
		{"an expired token", guard, guard, alice, set(stale), any, 401, ""},
		{"cut short", guard, guard, alice, set(alice[:len(alice)-1]), any, 401, ""},
		{"a letter more", guard, guard, alice, set(alice + "A"), any, 401, ""},
		{"a blank behind", guard, guard, alice, set(alice + " "), any, 400, ""},
		{"one more space: verified anew", guard, guard, alice, set("Bearer  " + alice[len("Bearer "):]), any, 200, "alice"},
		{"the scheme in another case: verified anew", guard, guard, alice, set("bearer " + alice[len("Bearer "):]), any, 200, "alice"},
		{"another scheme", guard, guard, alice, set("Basic YWxpY2U6eA=="), any, 401, ""},
		{"an empty line", guard, guard, alice, set(""), any, 401, ""},
		{"taken away", guard, guard, alice, func(r *http.Request) { r.Header.Del("Authorization") }, any, 401, ""},
		{"twice", guard, guard, alice, set(alice, alice), any, 400, ""},
		{"another line before", guard, guard, alice, set(bob, alice), any, 400, ""},
		{"a path that is no longer canonical", guard, guard, alice, func(r *http.Request) { r.URL.Path = "/a/../b" }, any, 400, ""},
		{"a query token that was not there", guard, guard, alice, func(r *http.Request) { r.URL.RawQuery = "access_token=x" }, any, 400, ""},
		{"cleartext by now", guard, guard, alice, func(r *http.Request) { r.TLS = nil }, any, 403, ""},
		{"a view below the guard: its audience counts", guard, view, alice, nothing, any, 401, ""},
		{"a guard below the view: its audience counts", view, guard, toView, nothing, any, 401, ""},
		{"a view below the guard, a token for both", guard, view, toBoth, nothing, any, 200, "alice"},
		{"a guard below the view, a token for both", view, guard, toBoth, nothing, any, 200, "alice"},
		{"a view below another view", same, view, alice, nothing, any, 401, ""},
		{"a view below itself", view, view, toView, nothing, any, 200, "alice"},
		{"another guard altogether", guard, staticGuard(t, func(cfg *bearerguard.Config) { cfg.Audiences = []string{"x"} }), alice, nothing, any, 401, ""},
		{"a token put into the context grants nothing", guard, guard, alice, func(r *http.Request) {
			*r = *r.WithContext(bearerguard.NewContext(r.Context(), verifiedToken(t, "sub", `"mallory"`)))
		}, any, 200, "alice"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var outer, inner *bearerguard.Token
			handler := row.inner.Require(row.policy)(bearerguard.Func(func(_ http.ResponseWriter, _ *http.Request, t *bearerguard.Token) { inner = t }))
			middle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				outer, _ = bearerguard.FromContext(r.Context())
				row.between(r)
				handler.ServeHTTP(w, r)
			})
			decisions = nil
			w := askInProcess(row.outer.Require(any)(middle), row.sent)
			if w.Code != row.status || inner.Subject() != row.subject || (inner == nil) != (row.status != 200) {
				t.Errorf("%d, %q, want %d, %q", w.Code, inner.Subject(), row.status, row.subject)
			}
			if strings.HasSuffix(row.name, ": reused") && (inner != outer || inner == nil) {
				t.Error("verified again")
			}
			if row.inner == row.outer && (len(decisions) != 2 || decisions[0].Status != 200 || decisions[1].Status != row.status) {
				t.Errorf("decisions: %v", decisions)
			}
		})
	}
}

// TestFuncGetsTheInnermostToken crosses the ways in which a Func may stand below guards.
func TestFuncGetsTheInnermostToken(t *testing.T) {
	guard := staticGuard(t)
	require := guard.Require(bearerguard.Authenticated())
	type layer = func(http.Handler) http.Handler
	plain := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	}
	copying := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.Clone(context.WithValue(r.Context(), struct{ x int }{}, 1)))
		})
	}
	for name, layers := range map[string][]layer{
		"directly under Require": {require}, "below a middleware": {plain, require}, "below a copying middleware": {copying, require}, "below StripPrefix": {func(h http.Handler) http.Handler { return http.StripPrefix("/", h) }, require},
		"under two guards": {require, require}, "under two guards and a middleware": {require, plain, require}, "below two middlewares and two guards": {plain, require, copying, require}, "under three guards": {require, require, require},
	} {
		calls := 0
		var handler http.Handler = bearerguard.Func(func(_ http.ResponseWriter, r *http.Request, t2 *bearerguard.Token) {
			if calls++; t2.Subject() != "alice" {
				t.Errorf("%s: %v", name, t2)
			}
			if _, ok := bearerguard.FromContext(bearerguard.NewContext(r.Context(), t2)); !ok {
				t.Errorf("%s: the token cannot be handed on", name)
			}
		})
		for _, l := range layers {
			handler = l(handler)
		}
		good := "Bearer " + issuers()[0].Token(nil)
		if w := askInProcess(handler, good); w.Code != 200 || calls != 1 {
			t.Errorf("%s: %d, %d calls", name, w.Code, calls)
		}
		if w := askInProcess(handler, good[:len(good)-6]+"AAAAAA"); w.Code != 401 || calls != 1 {
			t.Errorf("%s, forged: %d, %d calls", name, w.Code, calls)
		}
	}
}
