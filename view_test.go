package bearerguard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const adminResource = "https://admin.example.com/v1"

// A user's token opens nothing of the administrators' view, and theirs nothing of the users'.
func TestViewRoutes(t *testing.T) {
	s := newService(t)
	admin := s.guard.For(adminResource)
	mux, plain := s.guard.NewMux(), http.NewServeMux()
	handler, signedIn := bearerguard.Func(s.handle), bearerguard.Authenticated()
	mux.Handle("GET /items", signedIn, handler)
	mux.Handle("GET /maybe", bearerguard.Optional(signedIn), handler)
	mux.With(admin).Handle("GET /admin", signedIn, handler)
	mux.With(admin).Handle("GET /admin/maybe", bearerguard.Optional(signedIn), handler)
	plain.Handle("GET /items", s.guard.Require(signedIn)(handler))
	plain.Handle("GET /maybe", s.guard.Require(bearerguard.Optional(signedIn))(handler))
	plain.Handle("GET /admin", admin.Require(signedIn)(handler))
	plain.Handle("GET /admin/maybe", admin.Require(bearerguard.Optional(signedIn))(handler))
	forAud := func(aud any) string { return "Bearer " + s.iss.Token(guardtest.Claims{"aud": aud}) }
	user, root := forAud(resource), forAud(adminResource)
	for router, h := range map[string]http.Handler{"Mux": mux, "ServeMux": plain} {
		serveInstead(s, h)
		for _, tc := range []struct {
			name, token string
			user, admin answer
		}{
			{"a user", user, ok200, badTk},
			{"an administrator", root, badTk, ok200},
			{"R8707-04 both, in one token", forAud([]string{resource, adminResource}), ok200, ok200},
			{"R8707-02 a slash more", forAud([]string{resource + "/", adminResource + "/"}), badTk, badTk},
			{"R8707-02 the host alone", forAud("https://admin.example.com"), badTk, badTk},
			{"R8707-02 a path further in", forAud(adminResource + "/users"), badTk, badTk},
			{"in another case", forAud(strings.ToUpper(adminResource)), badTk, badTk},
			{"one string that names both", forAud(resource + " " + adminResource), badTk, badTk},
			{"nobody's", forAud("x"), badTk, badTk},
			{"of none", forAud([]string{}), badTk, badTk},
			{"no aud", forAud(nil), badTk, badTk},
			{"no bearer token", "Basic YTpi", noCrd, noCrd},
		} {
			t.Run(router+": "+tc.name, func(t *testing.T) {
				for target, want := range map[string]answer{"/items": tc.user, "/maybe": tc.user, "/admin": tc.admin, "/admin/maybe": tc.admin} {
					response := s.lines(t, want, "GET", target, "Authorization: "+tc.token)
					view := "https://api.example.com/.well-known/oauth-protected-resource"
					if strings.HasPrefix(target, "/admin") {
						view = "https://admin.example.com/.well-known/oauth-protected-resource/v1"
					}
					if got := response.Header.Get("WWW-Authenticate"); want != ok200 && !strings.Contains(got, `resource_metadata="`+view+`"`) {
						t.Errorf("%s: challenge %s", target, got)
					}
				}
			})
		}
	}
	t.Run("metadata of each view", func(t *testing.T) {
		for view, want := range map[*bearerguard.Guard]string{s.guard: resource, admin: adminResource} {
			for _, h := range []http.Handler{mux, view.Metadata()} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, guardtest.NewRequest("GET", view.MetadataPath(), ""))
				var document struct{ Resource string }
				if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || document.Resource != want {
					t.Errorf("%s: %d %s", want, w.Code, w.Body)
				}
			}
		}
	})
}

// TestViewsNested nests views: each judges the token for itself, whatever the one around it has found.
func TestViewsNested(t *testing.T) {
	g := newRuled(t)
	admin, twin := g.For(adminResource), g.For(adminResource)
	deep := admin.For(resource) // a view of a view, for the first one's resource
	signedIn := bearerguard.Authenticated()
	forAud := func(aud any) string { return issuers()[0].Token(guardtest.Claims{"aud": aud}) }
	user, root, both := forAud(resource), forAud(adminResource), forAud([]string{resource, adminResource})
	pass := func(next http.Handler) http.Handler { return http.HandlerFunc(next.ServeHTTP) }
	for _, tc := range []struct {
		name   string
		guards []*bearerguard.Guard // from the outermost
		token  string
		want   int
	}{
		{"both, of both", []*bearerguard.Guard{g.Guard, admin}, both, 200},
		{"the other way round", []*bearerguard.Guard{admin, g.Guard}, both, 200},
		{"a user within", []*bearerguard.Guard{g.Guard, admin}, user, 401},
		{"a user without", []*bearerguard.Guard{admin, g.Guard}, user, 401},
		{"an administrator within", []*bearerguard.Guard{admin, g.Guard}, root, 401},
		{"an administrator without", []*bearerguard.Guard{g.Guard, admin}, root, 401},
		{"between two of the users' guards", []*bearerguard.Guard{g.Guard, admin, g.Guard}, user, 401},
		{"between two of the administrators' guards", []*bearerguard.Guard{admin, g.Guard, admin}, root, 401},
		{"two views of one resource", []*bearerguard.Guard{admin, twin}, root, 200},
		{"two views of one resource, a user", []*bearerguard.Guard{admin, twin}, user, 401},
		{"a view of a view", []*bearerguard.Guard{g.Guard, deep}, user, 200},
		{"a view of a view, an administrator", []*bearerguard.Guard{admin, deep}, root, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, between := range []func(http.Handler) http.Handler{func(h http.Handler) http.Handler { return h }, pass} {
				before := len(g.decisions)
				w, _ := serve(t, func(next http.Handler) http.Handler {
					for i := len(tc.guards) - 1; i >= 0; i-- {
						next = between(tc.guards[i].Require(signedIn)(next))
					}
					return next
				}, guardtest.NewRequest("GET", "/x", tc.token))
				if w.Code != tc.want {
					t.Errorf("status %d", w.Code)
				}
				if made := g.decisions[before:]; (w.Code == 200) != made[len(made)-1].Allowed() || w.Code == 200 && len(made) != len(tc.guards) {
					t.Errorf("%+v", made)
				}
			}
		})
	}
	t.Run("a verdict in the context crosses to no other view", func(t *testing.T) {
		for i, token := range []string{user, root} {
			outer, inner := []*bearerguard.Guard{g.Guard, admin}[i], []*bearerguard.Guard{admin, g.Guard}[i]
			var checked, forged error
			h := outer.Require(signedIn)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, checked = inner.Check(r, signedIn)
				verified, _ := bearerguard.FromContext(r.Context())
				_, forged = inner.Check(r.WithContext(bearerguard.NewContext(r.Context(), verified)), signedIn)
			}))
			h.ServeHTTP(httptest.NewRecorder(), guardtest.NewRequest("GET", "/x", token))
			if checked == nil || forged == nil {
				t.Errorf("%v, %v", checked, forged)
			}
		}
	})
	t.Run("a token put into the context is no verdict", func(t *testing.T) {
		verified, err := g.Verify(t.Context(), user, signedIn)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{"", "abc", root} {
			r := guardtest.NewRequest("GET", "/x", token)
			if w, _ := serve(t, g.Require(signedIn), r.WithContext(bearerguard.NewContext(r.Context(), verified))); w.Code != 401 {
				t.Errorf("%.10q: %d", token, w.Code)
			}
		}
	})
}

// The audiences of the configuration, and of an issuer, are those of the guard, and of no view.
func TestViewAudiences(t *testing.T) {
	const own, alias = "https://own.example.com", "https://alias.example.com"
	withOwn := newRuled(t, func(cfg *bearerguard.Config) { cfg.Issuers[0].Audiences = []string{own, adminResource} })
	withAlias := newRuled(t, func(cfg *bearerguard.Config) { cfg.Audiences = []string{alias} })
	for _, tc := range []struct {
		name  string
		guard *bearerguard.Guard
		aud   string
		want  bool
	}{
		{"the issuer's at the guard", withOwn.Guard, own, true},
		{"the issuer's at a view", withOwn.For("https://view.example.com"), own, false},
		{"the issuer's at a view that it names", withOwn.For(adminResource), adminResource, true},
		{"the issuer's other at a view that it names", withOwn.For(adminResource), own, false},
		{"the guard's own, replaced by the issuer's", withOwn.Guard, resource, false},
		{"the guard's own at a view of it", withOwn.For(resource), resource, true},
		{"the issuer's at a view of the guard's own", withOwn.For(resource), own, false},
		{"the configuration's at the guard", withAlias.Guard, alias, true},
		{"the configuration's at a view", withAlias.For(adminResource), alias, false},
		{"the configuration's at a view of the guard's own", withAlias.For(resource), alias, false},
		{"the guard's own, replaced by the configuration's", withAlias.Guard, resource, false},
		{"a view of the configuration's", withAlias.For(alias), alias, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := issuers()[0].Token(guardtest.Claims{"aud": tc.aud})
			token, err := tc.guard.Verify(t.Context(), raw, bearerguard.Authenticated())
			w, _ := serve(t, tc.guard.Require(bearerguard.Authenticated()), guardtest.NewRequest("GET", "/x", raw))
			if (err == nil) != tc.want || (token != nil) != tc.want || (w.Code == 200) != tc.want {
				t.Errorf("%v, %d", err, w.Code)
			}
		})
	}
}
