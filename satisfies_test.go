package bearerguard_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func TestSatisfies(t *testing.T) {
	g := newRuled(t)
	token := issuers()[0].TokenWith("Ed25519", nil, guardtest.Claims{"scope": "a"})
	down := errors.New("database is down")
	means := func(name string, ok bool, err error) bearerguard.Requirement {
		return bearerguard.Satisfies(name, func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { return ok, err })
	}
	panics := func(cause any) bearerguard.Requirement {
		return bearerguard.Satisfies("panics", func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { panic(cause) })
	}
	yes, no, unsure, sureAndUnsure := means("yes", true, nil), means("no", false, nil), means("unsure", false, down), means("both", true, down)
	broken, all, either := panics("secret"), bearerguard.All, bearerguard.Any
	a, b, admin := bearerguard.Scope("a"), bearerguard.Scope("b"), bearerguard.Role("admin")
	for _, tc := range []struct {
		name   string
		want   bearerguard.Cause
		policy bearerguard.Requirement
	}{
		{"true", causeNone, yes},
		{"false", causeForbidden, no},
		{"an error", causeUndecided, unsure},
		{"true with an error", causeUndecided, sureAndUnsure},
		{"a panic", causeInternal, broken},
		{"a panic with an error", causeInternal, panics(down)},
		{"a panic with nil", causeInternal, panics(nil)},
		{"H-33 a panic that net/http knows", causeInternal, panics(http.ErrAbortHandler)},
		{"all: true and the scope", causeNone, all(a, yes)},
		{"all: false and the scope", causeForbidden, all(a, no)},
		{"all: true, no scope", causeScope, all(yes, b)},
		{"all: an error, and the scope", causeUndecided, all(a, unsure)},
		{"all: an error after true", causeUndecided, all(yes, unsure)},
		{"all: an error, but refused for certain", causeForbidden, all(unsure, no)},
		{"all: an error, but no scope", causeScope, all(unsure, b)},
		{"all: a panic, but no role", causeForbidden, all(broken, admin)},
		{"all: a panic and the scope", causeInternal, all(a, broken)},
		{"all: a panic after true", causeInternal, all(yes, broken)},
		{"all: a panic and an error", causeInternal, all(unsure, broken)},
		{"any: an error, another grants", causeNone, either(unsure, a)},
		{"any: another grants, an error", causeNone, either(a, unsure)},
		{"any: a panic, another grants", causeNone, either(broken, a)},
		{"any: false, another grants", causeNone, either(no, a)},
		{"any: false twice", causeForbidden, either(no, no)},
		{"any: an error might have granted", causeUndecided, either(unsure, b)},
		{"any: an error might have granted, in the other order", causeUndecided, either(b, unsure)},
		{"any: an error and false", causeUndecided, either(no, unsure)},
		{"any: a panic and no scope", causeInternal, either(b, broken)},
		{"any: a panic and an error", causeInternal, either(unsure, broken)},
		{"any: an error in an alternative that cannot be", causeScope, either(all(unsure, admin), b)},
		{"all of any: an error beside a grant", causeNone, all(either(unsure, a), yes)},
		{"all of any: an error beside a refusal", causeUndecided, all(either(unsure, b), yes)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := g.cause(t, tc.policy, token); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if d := g.last(); d.Err != nil && strings.Contains(d.Err.Error(), "secret") {
				t.Errorf("the text of a panic: %v", d.Err)
			}
		})
	}
	t.Run("what the client gets, and what the operator", func(t *testing.T) {
		for policy, want := range map[bearerguard.Requirement]answer{no: noScp, unsure: ourFt, broken: {500, ""}} {
			r := guardtest.NewRequest("GET", "/x", token)
			w, _ := serve(t, g.Require(policy), r)
			response := w.Result()
			response.Request = r
			checkAnswer(t, want, response, w.Body.String())
			if strings.Contains(w.Body.String(), "database") || (response.Header.Get("Retry-After") != "") != (want == ourFt) {
				t.Errorf("%v: %v %s", policy, response.Header, w.Body)
			}
			if d := g.last(); d.Err == nil || !strings.Contains(d.Err.Error(), policy.String()) || policy == unsure && !errors.Is(d.Err, down) {
				t.Errorf("%v: %+v", policy, d)
			}
		}
	})
}

// What the function gets, and that nothing else than a verified token gets to it.
func TestSatisfiesIsAsked(t *testing.T) {
	type key struct{}
	g := newRuled(t)
	var asked int
	var gotCtx context.Context
	var gotToken *bearerguard.Token
	var gotRequest *http.Request
	p := bearerguard.Satisfies("spy", func(ctx context.Context, token *bearerguard.Token, r *http.Request) (bool, error) {
		asked++
		gotCtx, gotToken, gotRequest = ctx, token, r
		return true, nil
	})
	token := issuers()[0].TokenWith("Ed25519", nil, nil)
	ctx := context.WithValue(t.Context(), key{}, "mine")
	t.Run("Verify: no request", func(t *testing.T) {
		if _, err := g.Verify(ctx, token, p); err != nil || gotRequest != nil || gotCtx.Value(key{}) != "mine" || gotToken.Subject() != "alice" {
			t.Errorf("%v %v %v", err, gotRequest, gotToken)
		}
	})
	t.Run("Check and Require: the request and its context", func(t *testing.T) {
		r := guardtest.NewRequest("POST", "/y", token).WithContext(ctx)
		if _, err := g.Check(r, p); err != nil || gotRequest != r || gotCtx != r.Context() {
			t.Errorf("%v %v", err, gotRequest)
		}
		gotRequest, gotCtx = nil, nil
		if serve(t, g.Require(p), r); gotRequest != r || gotCtx.Value(key{}) != "mine" {
			t.Error(gotRequest)
		}
	})
	t.Run("once for what passes", func(t *testing.T) {
		asked = 0
		if g.cause(t, bearerguard.All(p, bearerguard.Any(p, p)), token); asked != 6 {
			t.Errorf("asked %d times by three guards", asked)
		}
	})
	far := guardtest.NewRequest("GET", "/x", token)
	far.TLS = nil
	asked = 0
	iss := issuers()[0]
	for name, r := range map[string]*http.Request{
		"no token": guardtest.NewRequest("GET", "/x", ""), "garbage": guardtest.NewRequest("GET", "/x", "abc"), "malformed": guardtest.NewRequest("GET", "/x", "a b"), "cleartext": far,
		"expired": guardtest.NewRequest("GET", "/x", iss.Token(guardtest.Claims{"exp": 1000, "iat": 900})), "audience": guardtest.NewRequest("GET", "/x", iss.Token(guardtest.Claims{"aud": "x"})),
		"a forgery": guardtest.NewRequest("GET", "/x", token[:len(token)-8]+"AAAAAAAA"), "bound": guardtest.NewRequest("GET", "/x", iss.Token(guardtest.Claims{"cnf": guardtest.Claims{}})),
		"the path": guardtest.NewRequest("GET", "/a/%2e%2e/x", token), "an ID token": guardtest.NewRequest("GET", "/x", iss.TokenWith("ES256", guardtest.Claims{"typ": "JWT"}, nil)),
		"unsecured": guardtest.NewRequest("GET", "/x", guardtest.Unsecured(guardtest.Claims{"iss": iss.URL()})), "another issuer": guardtest.NewRequest("GET", "/x", issuers()[1].Token(nil)),
	} {
		for _, policy := range []bearerguard.Policy{p, bearerguard.Any(p, bearerguard.Authenticated()), bearerguard.Trial{Enforce: p, Report: p}, bearerguard.Trial{Enforce: bearerguard.Authenticated(), Report: p}} {
			if w, _ := serve(t, g.Require(policy), r); w.Code == 200 || asked != 0 {
				t.Errorf("%s, %v: %d, asked %d times", name, policy, w.Code, asked)
			}
		}
	}
	for _, policy := range []bearerguard.Policy{bearerguard.Optional(p), bearerguard.Trial{Enforce: bearerguard.Optional(p), Report: p}} {
		if w, got := serve(t, g.Require(policy), guardtest.NewRequest("GET", "/x", "")); w.Code != 200 || got != nil || asked != 0 {
			t.Errorf("anonymous under %v: %d, asked %d times", policy, w.Code, asked)
		}
	}
}

// What refuses for certain is what the operator is told of, whatever could not be decided beside it.
func TestCertainRefusalIsNamed(t *testing.T) {
	s := newService(t)
	failing := bearerguard.Satisfies("database", func(context.Context, *bearerguard.Token, *http.Request) (bool, error) {
		return false, errors.New("down")
	})
	for _, policy := range []bearerguard.Policy{
		bearerguard.All(failing, bearerguard.Role("admin")), bearerguard.All(bearerguard.Role("admin"), failing),
	} {
		_, err := s.guard.Verify(t.Context(), s.iss.Token(nil), policy)
		var refusal *bearerguard.Error
		if !errors.As(err, &refusal) || refusal.Cause != bearerguard.ErrForbidden || !strings.Contains(refusal.Error(), "role admin") {
			t.Errorf("%v: %v", policy, err)
		}
	}
}

// A Public directly under Require keeps the Token that the outer layer has found.
func TestPublicUnderRequireKeepsTheToken(t *testing.T) {
	s := newService(t)
	seen := ""
	inner := s.guard.Require(bearerguard.Public("inner"))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if token, ok := bearerguard.FromContext(r.Context()); ok {
			seen = token.Subject()
		}
	}))
	s.guard.Require(bearerguard.Authenticated())(inner).ServeHTTP(httptest.NewRecorder(), guardtest.NewRequest("GET", "/", s.iss.Token(nil)))
	if seen != "alice" {
		t.Errorf("the handler sees %q", seen)
	}
}
