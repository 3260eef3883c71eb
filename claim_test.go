package bearerguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const (
	causeNone       = bearerguard.Cause("")
	causeForbidden  = bearerguard.ErrForbidden
	causeInternal   = bearerguard.ErrInternal
	causeUndecided  = bearerguard.ErrUndecided
	causeNoToken    = bearerguard.ErrNoToken
	causeScope      = bearerguard.ErrScope
	causeClaims     = bearerguard.ErrClaims
	causeWeak       = bearerguard.ErrAuthentication
	causeOldToken   = bearerguard.ErrTokenAge
	causeAudience   = bearerguard.ErrAudience
	causeMalformed  = bearerguard.ErrMalformed
	causeCredential = bearerguard.ErrCredentials
)

// ruled is a guard in process with all of its decisions.
type ruled struct {
	*bearerguard.Guard
	decisions []bearerguard.Decision
}

func newRuled(t *testing.T, change ...func(*bearerguard.Config)) *ruled {
	t.Helper()
	g := new(ruled)
	g.Guard = staticGuard(t, append(change, func(cfg *bearerguard.Config) {
		cfg.OnDecision = func(_ context.Context, d bearerguard.Decision) { g.decisions = append(g.decisions, d) }
	})...)
	return g
}

// last is the newest decision.
func (g *ruled) last() bearerguard.Decision { return g.decisions[len(g.decisions)-1] }

// serve lets a guard answer over a handler that must be reached by what passes, and by nothing else.
func serve(t *testing.T, guard func(http.Handler) http.Handler, r *http.Request) (*httptest.ResponseRecorder, *bearerguard.Token) {
	t.Helper()
	reached := 0
	var token *bearerguard.Token
	w := httptest.NewRecorder()
	guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached++
		token, _ = bearerguard.FromContext(r.Context())
	})).ServeHTTP(w, r)
	if (w.Code == 200) != (reached == 1) {
		t.Errorf("%d, handler reached %d times", w.Code, reached)
	}
	return w, token
}

// cause asks Check, Verify and Require, which must agree.
func (g *ruled) cause(t *testing.T, p bearerguard.Policy, token string) bearerguard.Cause {
	t.Helper()
	before := len(g.decisions)
	checked, checkErr := g.Check(guardtest.NewRequest("GET", "/x", token), p)
	verified, verifyErr := g.Verify(t.Context(), token, p)
	serve(t, g.Require(p), guardtest.NewRequest("GET", "/x", token))
	made := g.decisions[before:]
	if len(made) != 3 || made[0].Cause != made[1].Cause || made[0].Cause != made[2].Cause {
		t.Fatalf("%d decisions that do not agree: %+v", len(made), made)
	}
	for _, err := range []error{checkErr, verifyErr} {
		if made[0].Allowed() != (err == nil) || err != nil && !errors.Is(err, made[0].Cause) {
			t.Errorf("%v for %+v", err, made[0])
		}
	}
	if (checkErr != nil && checked != nil) || (verifyErr != nil && verified != nil) {
		t.Error("a token beside an error")
	}
	return made[0].Cause
}

func TestClaim(t *testing.T) {
	g := newRuled(t)
	claim := bearerguard.Claim
	acme := claim("org_id", "acme")
	for _, tc := range []struct {
		name   string
		want   bearerguard.Cause
		policy bearerguard.Requirement
		claims []string
	}{
		{"exactly", causeNone, acme, []string{"org_id", `"acme"`}},
		{"with escapes", causeNone, acme, []string{"org\\u005fid", `"\u0061cme"`}},
		{"a name with a dot is a name", causeNone, claim("a.b", "x"), []string{"a.b", `"x"`}},
		{"a name that is a URL", causeNone, claim("https://x.example/org", "x"), []string{"https://x.example/org", `"x"`}},
		{"a registered claim", causeNone, claim("sub", "alice"), nil},
		{"missing", causeForbidden, acme, nil},
		{"empty", causeForbidden, acme, []string{"org_id", `""`}},
		{"another", causeForbidden, acme, []string{"org_id", `"umbrella"`}},
		{"G-01 one that begins so", causeForbidden, acme, []string{"org_id", `"acme-evil"`}},
		{"G-01 one that ends so", causeForbidden, acme, []string{"org_id", `"not-acme"`}},
		{"G-01 a beginning of it", causeForbidden, acme, []string{"org_id", `"acm"`}},
		{"G-02 a pattern", causeForbidden, acme, []string{"org_id", `"*"`}},
		{"G-03 in another case", causeForbidden, acme, []string{"org_id", `"Acme"`}},
		{"G-07 a blank more", causeForbidden, acme, []string{"org_id", `"acme "`}},
		{"G-07 a list in a string", causeForbidden, acme, []string{"org_id", `"acme umbrella"`}},
		{"a NUL more", causeForbidden, acme, []string{"org_id", `"acme\u0000"`}},
		{"G-10 a look-alike", causeForbidden, acme, []string{"org_id", `"\u0430cme"`}},
		{"G-04 an array of it", causeForbidden, acme, []string{"org_id", `["acme"]`}},
		{"an array of it and others", causeForbidden, acme, []string{"org_id", `["umbrella","acme"]`}},
		{"an object", causeForbidden, acme, []string{"org_id", `{"acme":true}`}},
		{"an object with value", causeForbidden, acme, []string{"org_id", `{"value":"acme"}`}},
		{"null", causeForbidden, acme, []string{"org_id", `null`}},
		{"G-19 true is not a string", causeForbidden, claim("admin", "true"), []string{"admin", `true`}},
		{"G-19 a string that says true", causeNone, claim("admin", "true"), []string{"admin", `"true"`}},
		{"G-19 false in a string is not true", causeForbidden, claim("admin", "true"), []string{"admin", `"false"`}},
		{"a number is not a string", causeForbidden, claim("n", "5"), []string{"n", `5`}},
		{"null is not the string", causeForbidden, claim("n", "null"), []string{"n", `null`}},
		{"an array is not its text", causeForbidden, claim("n", "[]"), []string{"n", `[]`}},
		{"G-14 a nested name", causeForbidden, claim("a.b", "x"), []string{"a", `{"b":"x"}`}},
		{"G-14 a pointer", causeForbidden, claim("/a/b", "x"), []string{"a", `{"b":"x"}`}},
		{"the name of a member further in", causeForbidden, claim("b", "x"), []string{"a", `{"b":"x"}`}},
		{"the name in another case", causeForbidden, acme, []string{"ORG_ID", `"acme"`}},
		{"the name and a blank", causeForbidden, acme, []string{"org_id ", `"acme"`}},
		{"scopes are one string", causeForbidden, claim("scope", "items:read"), []string{"scope", `"items:read items:write"`}},
		{"a date", causeForbidden, claim("exp", "1"), nil},
		{"an aud in an array", causeForbidden, claim("aud", resource), []string{"aud", `["` + resource + `"]`}},
		{"all: the other is missing", causeForbidden, bearerguard.All(acme, claim("tier", "gold")), []string{"org_id", `"acme"`}},
		{"any: neither", causeForbidden, bearerguard.Any(acme, claim("tier", "gold")), []string{"tier", `"silver"`}},
		{"any: the second", causeNone, bearerguard.Any(acme, claim("tier", "gold")), []string{"tier", `"gold"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := g.cause(t, tc.policy, wordedToken(issuers()[0], tc.claims...)); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// The tenant in the path is the tenant in the token.
func TestPathClaim(t *testing.T) {
	s := newService(t)
	policy := bearerguard.All(bearerguard.Authenticated(), bearerguard.PathClaim("tenant", "org_id"))
	const pattern, slashed, rest = "GET /t/{tenant}/files/{path...}", "GET /s/{tenant}/x", "GET /r/{tenant...}"
	plain, mux := http.NewServeMux(), s.guard.NewMux()
	plain.Handle(pattern, s.guard.Require(policy)(bearerguard.Func(s.handle)))
	plain.Handle(slashed, s.guard.Require(bearerguard.EncodedSlash(policy))(bearerguard.Func(s.handle)))
	plain.Handle(rest, s.guard.Require(policy)(bearerguard.Func(s.handle)))
	mux.Handle(pattern, policy, bearerguard.Func(s.handle))
	mux.Handle(slashed, bearerguard.EncodedSlash(policy), bearerguard.Func(s.handle))
	mux.Handle(rest, policy, bearerguard.Func(s.handle))
	for router, handler := range map[string]http.Handler{"ServeMux": plain, "Mux": mux} {
		serveInstead(s, handler)
		for _, tc := range []struct {
			name   string
			want   answer
			target string
			orgID  string
		}{
			{"the own tenant", ok200, "/t/acme/files/a", `"acme"`},
			{"the own tenant, in escapes", ok200, "/t/%61c%6De/files/a", `"acme"`},
			{"a tenant with a blank", ok200, "/t/ac%20me/files/a", `"ac me"`},
			{"a tenant beyond ASCII", ok200, "/t/%C3%A4/files/a", `"\u00e4"`},
			{"another tenant's path further on", ok200, "/t/acme/files/t/umbrella", `"acme"`},
			{"another tenant", noScp, "/t/umbrella/files/a", `"acme"`},
			{"another tenant, the own further on", noScp, "/t/umbrella/files/t/acme", `"acme"`},
			{"another tenant, the own in the query", noScp, "/t/umbrella/files/a?tenant=acme", `"acme"`},
			{"another tenant, the own in a fragment of a segment", noScp, "/t/acme;umbrella/files/a", `"acme"`},
			{"G-03 another case", noScp, "/t/Acme/files/a", `"acme"`},
			{"G-01 one that begins so", noScp, "/t/acme2/files/a", `"acme"`},
			{"G-01 a beginning of it", noScp, "/t/acm/files/a", `"acme"`},
			{"G-07 a blank more", noScp, "/t/acme%20/files/a", `"acme"`},
			{"G-10 composed and decomposed", noScp, "/t/a%CC%88/files/a", `"\u00e4"`},
			{"escapes twice", noScp, "/t/%2561cme/files/a", `"acme"`},
			{"escapes twice, as the claim says", noScp, "/t/acme/files/a", `"%61cme"`},
			{"missing", noScp, "/t/acme/files/a", ``},
			{"empty", noScp, "/t/acme/files/a", `""`},
			{"an array", noScp, "/t/acme/files/a", `["acme"]`},
			{"an object", noScp, "/t/acme/files/a", `{"acme":1}`},
			{"a number", noScp, "/t/5/files/a", `5`},
			{"a bool", noScp, "/t/true/files/a", `true`},
			{"null", noScp, "/t/null/files/a", `null`},
			{"the text of an array", noScp, "/t/%5B%22acme%22%5D/files/a", `["acme"]`},
			{"an escaped slash", badPa, "/t/acme%2Fx/files/a", `"acme"`},
			{"an escaped slash, as the claim says", badPa, "/t/acme%2Fx/files/a", `"acme/x"`},
			{"escaped dots that lead away", badPa, "/t/acme/files/%2e%2e/%2e%2e/umbrella/files/a", `"acme"`},
			{"a NUL", badPa, "/t/acme%00/files/a", `"acme"`},
			{"EncodedSlash: the own, decoded", ok200, "/s/a%2Fb/x", `"a/b"`},
			{"EncodedSlash: the own, encoded", noScp, "/s/a%2Fb/x", `"a%2Fb"`},
			{"EncodedSlash: the first half", noScp, "/s/a%2Fb/x", `"a"`},
			{"EncodedSlash: the second half", noScp, "/s/a%2Fb/x", `"b"`},
			{"EncodedSlash: dots", badPa, "/s/a%2F..%2Fb/x", `"b"`},
			{"a wildcard of many segments", ok200, "/r/a/b", `"a/b"`},
			{"a wildcard of many segments, one more", noScp, "/r/a/b/c", `"a/b"`},
			{"a wildcard of no segments", noScp, "/r/", `""`},
		} {
			t.Run(router+": "+tc.name, func(t *testing.T) {
				var claims []string
				if tc.orgID != "" {
					claims = []string{"org_id", tc.orgID}
				}
				s.lines(t, tc.want, "GET", tc.target, "Authorization: Bearer "+wordedToken(s.iss, claims...), "X-Tenant: acme", "X-Original-URL: /t/acme/files/a")
			})
		}
	}
}

func TestPathClaimWithoutWildcard(t *testing.T) {
	g := newRuled(t)
	p := bearerguard.PathClaim("tenant", "org_id")
	acme, empty := wordedToken(issuers()[0], "org_id", `"acme"`), wordedToken(issuers()[0], "org_id", `""`)
	for name, token := range map[string]string{"no router at all": acme, "no router, an empty claim": empty} {
		if got := g.cause(t, p, token); got != causeForbidden {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, tc := range []struct {
		name, pattern string
		status        int
	}{
		{"the wildcard", "/t/{tenant}/x", 200}, {"another name", "/t/{Tenant}/x", 403}, {"a literal", "/t/acme/x", 403}, {"a subtree", "/t/", 403},
	} {
		mux := http.NewServeMux()
		w, _ := serve(t, func(next http.Handler) http.Handler {
			mux.Handle(tc.pattern, g.Require(p)(next))
			return mux
		}, guardtest.NewRequest("GET", "/t/acme/x", acme))
		if w.Code != tc.status {
			t.Errorf("%s: %d", tc.name, w.Code)
		}
	}
	t.Run("around the router that would find it", func(t *testing.T) {
		w, _ := serve(t, func(next http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/t/{tenant}/x", next)
			return g.Require(p)(mux)
		}, guardtest.NewRequest("GET", "/t/acme/x", acme))
		if w.Code != 403 {
			t.Errorf("%d", w.Code)
		}
	})
	t.Run("another router that sets path values", func(t *testing.T) {
		for tenant, want := range map[string]int{"acme": 200, "umbrella": 403, "": 403} {
			r := guardtest.NewRequest("GET", "/x", acme)
			r.SetPathValue("tenant", tenant)
			if w, _ := serve(t, g.Require(p), r); w.Code != want {
				t.Errorf("%q: %d", tenant, w.Code)
			}
		}
	})
	for name, bad := range map[string]bearerguard.Policy{"alone": p, "in All in Any": bearerguard.Any(bearerguard.Scope("a"), bearerguard.All(p)), "Optional": bearerguard.Optional(p)} {
		if panicText(func() { g.NewMux().Handle("GET /t/{other}/x", bad, http.NotFoundHandler()) }) == "" {
			t.Errorf("Mux took it, %s", name)
		}
	}
}

func TestIssuedBy(t *testing.T) {
	first, second := issuers()[0], issuers()[1]
	g := newRuled(t, func(cfg *bearerguard.Config) {
		cfg.Issuers = append(cfg.Issuers, second.Config(resource).Issuers[0])
		cfg.Issuers[1].JWKS = second.JWKS()
	})
	by := bearerguard.IssuedBy
	admin := guardtest.Claims{"scope": "admin", "sub": "alice"}
	ofFirst, ofSecond := first.TokenWith("Ed25519", nil, admin), second.TokenWith("Ed25519", nil, admin)
	for _, tc := range []struct {
		name   string
		want   bearerguard.Cause
		policy bearerguard.Requirement
		token  string
	}{
		{"the first", causeNone, by(first.URL()), ofFirst},
		{"the second", causeNone, by(second.URL()), ofSecond},
		{"either", causeNone, by(first.URL(), second.URL()), ofSecond},
		{"no requirement: either will do", causeNone, bearerguard.Scope("admin"), ofSecond},
		{"the other", causeForbidden, by(first.URL()), ofSecond},
		{"the other, the other way round", causeForbidden, by(second.URL()), ofFirst},
		{"the same scope of the other", causeForbidden, bearerguard.All(bearerguard.Scope("admin"), by(first.URL())), ofSecond},
		{"a slash more", causeForbidden, by(first.URL() + "/"), ofFirst},
		{"a beginning of it", causeForbidden, by(first.URL()[:len(first.URL())-1]), ofFirst},
		{"nobody's", causeForbidden, by("https://nobody.example"), ofFirst},
		{"the claim is what was signed, not another", causeForbidden, by(second.URL()), first.TokenWith("Ed25519", nil, guardtest.Claims{"issuer": second.URL(), "iss_": second.URL()})},
		{"one issuer's name with the other's key", bearerguard.ErrUnknownKey, by(second.URL()), first.TokenWith("Ed25519", nil, guardtest.Claims{"iss": second.URL()})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := g.cause(t, tc.policy, tc.token); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestClaimMisuse(t *testing.T) {
	ask := func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { return true, nil }
	for name, f := range map[string]func(){
		"a claim without a name": func() { bearerguard.Claim("", "x") }, "a claim without a value": func() { bearerguard.Claim("x", "") },
		"a path claim without a wildcard": func() { bearerguard.PathClaim("", "x") }, "a path claim without a claim": func() { bearerguard.PathClaim("x", "") },
		"issued by nobody": func() { bearerguard.IssuedBy() }, "issued by nothing": func() { bearerguard.IssuedBy("https://x.example", "") },
		"a function without a name": func() { bearerguard.Satisfies("", ask) }, "a name without a function": func() { bearerguard.Satisfies("x", nil) },
	} {
		if text := panicText(f); text == "" {
			t.Error(name)
		}
	}
	for want, p := range map[string]fmt.Stringer{
		`claim org_id="acme"`: bearerguard.Claim("org_id", "acme"), `claim "a b"="c\" OR \u0430"`: bearerguard.Claim("a b", "c\" OR \u0430"), "path {tenant}=claim org_id": bearerguard.PathClaim("tenant", "org_id"),
		"issued by https://a.example https://b.example": bearerguard.IssuedBy("https://a.example", "https://b.example"), `satisfies "office hours"`: bearerguard.Satisfies("office hours", ask),
	} {
		if got := p.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
