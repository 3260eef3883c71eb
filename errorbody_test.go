package bearerguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func bodyFrom(f func(int, bearerguard.Code) (string, []byte)) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) { cfg.ErrorBody = f }
}

// ErrorBody gets a status and a code, which the client gets too, and changes the body alone.
func TestErrorBody(t *testing.T) {
	type call struct {
		status int
		code   bearerguard.Code
	}
	var calls []call
	g := newRuled(t, bodyFrom(func(status int, code bearerguard.Code) (string, []byte) {
		calls = append(calls, call{status, code})
		return "application/json", fmt.Appendf(nil, `{"fault":%d}`, status)
	}))
	plain := newRuled(t)
	down := bearerguard.Satisfies("database", func(context.Context, *bearerguard.Token, *http.Request) (bool, error) {
		return false, errors.New("secret cause")
	})
	tok, far := issuers()[0].Token(good), guardtest.NewRequest("GET", "/x", "")
	far.TLS = nil
	for _, tc := range []struct {
		name   string
		want   answer
		policy bearerguard.Policy
		r      *http.Request
	}{
		{"a path", badPa, bearerguard.Authenticated(), guardtest.NewRequest("GET", "/%2e%2e/x", tok)},
		{"cleartext", noHTS, bearerguard.Authenticated(), far},
		{"no token", noCrd, bearerguard.Authenticated(), guardtest.NewRequest("GET", "/x", "")},
		{"malformed", badRq, bearerguard.Authenticated(), guardtest.NewRequest("GET", "/x", "a b")},
		{"a bad token", badTk, bearerguard.Authenticated(), guardtest.NewRequest("GET", "/x", "abc")},
		{"a scope", noScp, bearerguard.Scope("none"), guardtest.NewRequest("GET", "/x", tok)},
		{"an authentication", weakA, bearerguard.ACR("none"), guardtest.NewRequest("GET", "/x", tok)},
		{"our fault", ourFt, down, guardtest.NewRequest("POST", "/x", tok)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls = nil
			w, _ := serve(t, g.Require(tc.policy), tc.r)
			standard, _ := serve(t, plain.Require(tc.policy), tc.r)
			if len(calls) != 1 || calls[0] != (call{tc.want.status, bearerguard.Code(tc.want.code)}) {
				t.Errorf("calls %v", calls)
			}
			if body := fmt.Sprintf(`{"fault":%d}`, tc.want.status); w.Code != tc.want.status || w.Body.String() != body || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != fmt.Sprint(len(body)) {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			for _, name := range []string{"WWW-Authenticate", "Cache-Control", "X-Content-Type-Options", "Retry-After"} {
				if got, want := w.Header().Get(name), standard.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if strings.Contains(standard.Body.String(), "secret") {
				t.Errorf("the cause: %s", standard.Body)
			}
		})
	}
	t.Run("not for what passes, and not for what the handler answers", func(t *testing.T) {
		calls = nil
		w := httptest.NewRecorder()
		g.Require(bearerguard.Authenticated())(http.NotFoundHandler()).ServeHTTP(w, guardtest.NewRequest("GET", "/x", tok))
		if w.Code != 404 || len(calls) != 0 {
			t.Errorf("%d %v", w.Code, calls)
		}
	})
	t.Run("WriteError, of a refusal and of a foreign error", func(t *testing.T) {
		_, refusal := g.Check(guardtest.NewRequest("GET", "/x", tok), bearerguard.Scope("none"))
		for _, err := range []error{refusal, errors.New("secret"), nil, fmt.Errorf("wrapped: %w", refusal)} {
			calls = nil
			w := httptest.NewRecorder()
			g.WriteError(w, nil, err)
			if len(calls) != 1 || w.Body.String() != fmt.Sprintf(`{"fault":%d}`, w.Code) || (w.Header().Get("WWW-Authenticate") != "") != (w.Code == 403) {
				t.Errorf("%v: %v %s", err, calls, w.Body)
			}
		}
	})
}

// What is wrong with it is answered with the standard body: no refusal is lost, nor turned into a pass.
func TestErrorBodyFails(t *testing.T) {
	for name, f := range map[string]func(int, bearerguard.Code) (string, []byte){
		"a panic": func(int, bearerguard.Code) (string, []byte) { panic("secret") }, "a panic with nil": func(int, bearerguard.Code) (string, []byte) { panic(nil) },
		"H-33 a panic that net/http knows": func(int, bearerguard.Code) (string, []byte) { panic(http.ErrAbortHandler) },
		"nothing":                          func(int, bearerguard.Code) (string, []byte) { return "", nil }, "a body without a type": func(int, bearerguard.Code) (string, []byte) { return "", []byte("secret") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, bodyFrom(f))
			s.lines(t, noCrd, "GET", "/items")
			s.get(t, badTk, "/items", "abc")
			s.get(t, noScp, "/admin", s.iss.Token(good))
			s.get(t, ok200, "/items", s.iss.Token(good))
			w := httptest.NewRecorder()
			s.guard.WriteError(w, nil, errors.New("secret"))
			if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("a type and no body", func(t *testing.T) {
		g := newRuled(t, bodyFrom(func(int, bearerguard.Code) (string, []byte) { return "text/plain", nil }))
		if w, _ := serve(t, g.Require(bearerguard.Authenticated()), guardtest.NewRequest("GET", "/x", "")); w.Code != 401 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" || w.Header().Get("Content-Type") != "text/plain" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}
