package bearerguard_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// What the compiler refuses already: Public and Optional are no Requirements, so that neither can be an alternative or a
// part, nor be tried out.
//
//	bearerguard.Any(bearerguard.Public("x"), bearerguard.Scope("a"))           // does not compile
//	bearerguard.All(bearerguard.Optional(bearerguard.Scope("a")))              // does not compile
//	bearerguard.Optional(bearerguard.Public("x"))                              // does not compile
//	bearerguard.Trial{Enforce: …, Report: bearerguard.Optional(bearerguard.Scope("a"))} // does not compile
func TestPublicIsNoRequirement(t *testing.T) {
	for _, p := range []bearerguard.Policy{
		bearerguard.Public("x"), bearerguard.Optional(bearerguard.Scope("a")), bearerguard.EncodedSlash(bearerguard.Scope("a")),
		bearerguard.Trial{Enforce: bearerguard.Scope("a"), Report: bearerguard.Scope("a")},
	} {
		if _, ok := p.(bearerguard.Requirement); ok {
			t.Errorf("%v is a Requirement, so Any could take it", p)
		}
	}
}

// Anonymous is who shows nothing at all; whoever shows credentials must show good ones.
func TestOptional(t *testing.T) {
	s := newService(t)
	var got *bearerguard.Token
	calls := 0
	spy := bearerguard.Func(func(w http.ResponseWriter, r *http.Request, token *bearerguard.Token) {
		calls++
		got = token
		s.handle(w, r, token)
	})
	mux := s.guard.NewMux()
	p := bearerguard.Optional(bearerguard.Scope("items:read"))
	mux.Handle("GET /x", p, spy)
	plain := s.guard.Require(p)(spy)
	tok, weak := s.iss.Token(good), s.iss.Token(nil)
	const authorization = "Authorization: "
	for router, handler := range map[string]http.Handler{"Mux": mux, "Require": plain} {
		serveInstead(s, handler)
		for _, tc := range []struct {
			name      string
			want      answer
			anonymous bool
			lines     []string
		}{
			{"anonymous", ok200, true, nil},
			{"a good token", ok200, false, []string{authorization + "Bearer " + tok}},
			{"H-15 a header that is another", ok200, true, []string{"X-Authorization: Bearer " + tok, "Proxy-Authorization: Bearer " + tok}},
			{"H-18 a cookie", ok200, true, []string{"Cookie: access_token=" + tok}},
			{"R6750-14 a token without the scope", noScp, false, []string{authorization + "Bearer " + weak}},
			{"H-08 an empty field", noCrd, false, []string{authorization}},
			{"H-08 a blank field", noCrd, false, []string{authorization + "  "}},
			{"R9110-15 Basic", noCrd, false, []string{authorization + "Basic YTpi"}},
			{"another scheme", noCrd, false, []string{authorization + "Negotiate abc"}},
			{"H-06 the scheme of DPoP", noCrd, false, []string{authorization + "DPoP " + tok}},
			{"H-04 no blank after the scheme", noCrd, false, []string{authorization + "Bearer" + tok}},
			{"H-08 the scheme alone", badRq, false, []string{authorization + "Bearer"}},
			{"H-10 quotes", badRq, false, []string{authorization + `Bearer "` + tok + `"`}},
			{"H-09 the scheme twice", badRq, false, []string{authorization + "Bearer Bearer " + tok}},
			{"H-01 a good token twice", badRq, false, []string{authorization + "Bearer " + tok, authorization + "Bearer " + tok}},
			{"H-01 a good token and an empty field", badRq, false, []string{authorization + "Bearer " + tok, authorization}},
			{"H-01 two empty fields", badRq, false, []string{authorization, authorization}},
			{"H-01 Basic and a good token", badRq, false, []string{authorization + "Basic YTpi", authorization + "Bearer " + tok}},
			{"garbage", badTk, false, []string{authorization + "Bearer abc"}},
			{"an expired token", badTk, false, []string{authorization + "Bearer " + s.iss.Token(guardtest.Claims{"iat": 900, "exp": 1000})}},
			{"another audience", badTk, false, []string{authorization + "Bearer " + s.iss.Token(guardtest.Claims{"aud": "x"})}},
			{"a forgery", badTk, false, []string{authorization + "Bearer " + tok[:len(tok)-8] + "AAAAAAAA"}},
			{"a bound token", badTk, false, []string{authorization + "Bearer " + s.iss.Token(guardtest.Claims{"cnf": guardtest.Claims{"jkt": "x"}})}},
			{"a token of nobody's", badTk, false, []string{authorization + "Bearer " + s.other.Token(good)}},
			{"a good token over cleartext", noHTS, false, []string{authorization + "Bearer " + tok, "X-Forwarded-Proto: http"}},
			{"a bad token over cleartext", noHTS, false, []string{authorization + "Bearer abc", "X-Forwarded-Proto: http"}},
			{"anonymous over cleartext: there is nothing to steal", ok200, true, []string{"X-Forwarded-Proto: http"}},
		} {
			t.Run(router+": "+tc.name, func(t *testing.T) {
				got, calls = nil, 0
				s.lines(t, tc.want, "GET", "/x", tc.lines...)
				if tc.want == ok200 && (calls != 1 || (got == nil) != tc.anonymous || got.HasScope("items:read") == tc.anonymous) {
					t.Errorf("%d calls, the last with %v", calls, got)
				}
				if d := s.last(); (d.Token == nil) != (tc.anonymous || tc.want != noScp && tc.want != ok200) {
					t.Errorf("decision %+v", d)
				}
			})
		}
		t.Run(router+": the path is judged for anonymous callers too", func(t *testing.T) {
			s.lines(t, badPa, "GET", "/%2e%2e/x")
		})
	}
	t.Run("Verify and Check", func(t *testing.T) {
		for token, want := range map[string]bearerguard.Cause{"": causeNone, tok: causeNone, weak: causeScope, "abc": causeMalformed, " ": causeCredential, "a b": causeCredential, "Bearer " + tok: causeCredential} {
			verified, err := s.guard.Verify(t.Context(), token, p)
			if want == causeNone && (err != nil || (verified == nil) != (token == "")) || want != causeNone && !errors.Is(err, want) {
				t.Errorf("%.10q: %v, %v", token, verified, err)
			}
		}
		if token, err := s.guard.Check(guardtest.NewRequest("GET", "/x", ""), p); token != nil || err != nil {
			t.Errorf("%v, %v", token, err)
		}
		r := guardtest.NewRequest("GET", "/x", "")
		r.Header["Authorization"] = []string{""}
		if token, err := s.guard.Check(r, p); token != nil || !errors.Is(err, causeNoToken) {
			t.Errorf("%v, %v", token, err)
		}
	})
}

// Public reads no credentials: neither can bad ones spoil the answer, nor can good ones come through.
func TestPublic(t *testing.T) {
	s := newService(t)
	var got *bearerguard.Token
	p := bearerguard.Public("load balancer")
	spy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = bearerguard.FromContext(r.Context())
		s.handle(w, r, got)
	})
	mux := s.guard.NewMux()
	mux.Handle("GET /x", p, spy)
	tok := s.iss.Token(good)
	for router, handler := range map[string]http.Handler{"Mux": mux, "Require": s.guard.Require(p)(spy)} {
		serveInstead(s, handler)
		for name, lines := range map[string][]string{
			"anonymous": nil, "a good token": {"Authorization: Bearer " + tok}, "garbage": {"Authorization: Bearer abc"}, "malformed": {"Authorization: Bearer a b"},
			"Basic": {"Authorization: Basic YTpi"}, "H-01 two fields": {"Authorization: Bearer " + tok, "Authorization: Bearer " + tok}, "cleartext": {"Authorization: Bearer " + tok, "X-Forwarded-Proto: http"},
			"too long": {"Authorization: Bearer " + fmt.Sprintf("%020000d", 0)},
		} {
			t.Run(router+": "+name, func(t *testing.T) {
				s.lines(t, ok200, "GET", "/x", lines...)
				if d := s.last(); got != nil || d.Token != nil || d.Verified || !d.Allowed() {
					t.Errorf("token %v, decision %+v", got, d)
				}
			})
		}
		t.Run(router+": the path is still judged", func(t *testing.T) {
			s.lines(t, badPa, "GET", "/%2e%2e/x")
			s.lines(t, badPa, "GET", "/x%2Fy")
		})
	}
	t.Run("Verify and Check", func(t *testing.T) {
		for _, token := range []string{"", tok, "abc", "a b"} {
			if got, err := s.guard.Verify(t.Context(), token, p); got != nil || err != nil {
				t.Errorf("%v, %v", got, err)
			}
			if got, err := s.guard.Check(guardtest.NewRequest("GET", "/x", token), p); got != nil || err != nil {
				t.Errorf("%v, %v", got, err)
			}
		}
	})
	t.Run("also when the guard is closed", func(t *testing.T) {
		g := staticGuard(t)
		_ = g.Close()
		if w, _ := serve(t, g.Require(p), guardtest.NewRequest("GET", "/x", tok)); w.Code != 200 {
			t.Error(w.Code)
		}
		if w, _ := serve(t, g.Require(bearerguard.Optional(bearerguard.Authenticated())), guardtest.NewRequest("GET", "/x", "")); w.Code != 200 {
			t.Error(w.Code)
		}
		if w, _ := serve(t, g.Require(bearerguard.Optional(bearerguard.Authenticated())), guardtest.NewRequest("GET", "/x", tok)); w.Code != 503 {
			t.Error(w.Code)
		}
	})
}

// TestOpenWithin nests open guards and strict ones: the strict one always has its say.
func TestOpenWithin(t *testing.T) {
	g := newRuled(t)
	strip := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
		})
	}
	pass := func(next http.Handler) http.Handler { return http.HandlerFunc(next.ServeHTTP) }
	signedIn, public, optional := bearerguard.Authenticated(), bearerguard.Public("x"), bearerguard.Optional(bearerguard.Scope("items:read"))
	tok, weak := issuers()[0].Token(good), issuers()[0].Token(nil)
	for _, tc := range []struct {
		name         string
		outer, inner bearerguard.Policy
		between      func(http.Handler) http.Handler
		token        string
		want         int
		known        bool // the handler gets a token
	}{
		{"a strict guard within Optional, anonymous", optional, signedIn, nil, "", 401, false},
		{"a strict guard within Optional, with a token", optional, signedIn, nil, tok, 200, true},
		{"a strict guard within Optional, garbage", optional, signedIn, nil, "abc", 401, false},
		{"a strict guard within Optional, too weak for the outer one", optional, signedIn, nil, weak, 403, false},
		{"Optional within a strict guard, anonymous", signedIn, optional, nil, "", 401, false},
		{"Optional within a strict guard, with a token", signedIn, optional, nil, tok, 200, true},
		{"Optional within a strict guard, too weak for the inner one", signedIn, optional, nil, weak, 403, false},
		{"Optional within a strict guard, the field is gone: anonymous, and not the outer one's caller", signedIn, optional, strip, tok, 200, false},
		{"a strict guard within a strict guard, the field is gone", signedIn, signedIn, strip, tok, 401, false},
		{"a strict guard within Public, anonymous", public, signedIn, nil, "", 401, false},
		{"a strict guard within Public, garbage", public, signedIn, nil, "abc", 401, false},
		{"a strict guard within Public, with a token", public, signedIn, nil, tok, 200, true},
		{"Optional within Public, garbage", public, optional, nil, "abc", 401, false},
		{"Optional within Public, anonymous", public, optional, nil, "", 200, false},
		{"Public within a strict guard, anonymous", signedIn, public, nil, "", 401, false},
		{"Public within a strict guard, and a layer between: the outer one's caller", signedIn, public, pass, tok, 200, true},
		{"Public within Optional, garbage", optional, public, nil, "abc", 401, false},
		{"Public within Optional, anonymous", optional, public, nil, "", 200, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			between := tc.between
			if between == nil {
				between = func(next http.Handler) http.Handler { return next }
			}
			nested := func(next http.Handler) http.Handler { return g.Require(tc.outer)(between(g.Require(tc.inner)(next))) }
			if w, token := serve(t, nested, guardtest.NewRequest("GET", "/x", tc.token)); w.Code != tc.want || (token != nil) != tc.known {
				t.Errorf("%d %v", w.Code, token)
			}
		})
	}
}

// A Func wants a Token. Under Public there is never one, which is found when the route is made.
func TestFuncUnderPublic(t *testing.T) {
	g := staticGuard(t)
	f := bearerguard.Func(func(http.ResponseWriter, *http.Request, *bearerguard.Token) { t.Error("reached") })
	for name, p := range map[string]bearerguard.Policy{"Public": bearerguard.Public("x"), "Public behind %2F": bearerguard.EncodedSlash(bearerguard.Public("x"))} {
		for where, do := range map[string]func(){"Require": func() { g.Require(p)(f) }, "Mux": func() { g.NewMux().Handle("GET /x", p, f) }} {
			if panicText(do) == "" {
				t.Errorf("%s takes a Func under %s", where, name)
			}
		}
	}
	if panicText(func() { bearerguard.Public("") }) == "" || panicText(func() { bearerguard.Optional(nil) }) == "" || panicText(func() { bearerguard.Optional(embeddedPolicy{bearerguard.Scope("a")}) }) == "" {
		t.Error("Public without a reason, Optional of nothing, or of a foreign type")
	}
	t.Run("below another middleware there is none either", func(t *testing.T) {
		w := httptest.NewRecorder()
		g.Require(bearerguard.Public("x"))(http.StripPrefix("/", f)).ServeHTTP(w, guardtest.NewRequest("GET", "/x", issuers()[0].Token(good)))
		if w.Code != 500 {
			t.Error(w.Code)
		}
	})
}
