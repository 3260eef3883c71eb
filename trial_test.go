package bearerguard_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// A policy on trial decides nothing, and the decision tells what it would have refused.
func TestTrial(t *testing.T) {
	g := newRuled(t)
	signedIn, scope, role := bearerguard.Authenticated(), bearerguard.Scope, bearerguard.Role
	optional := bearerguard.Optional(scope("a"))
	panics := bearerguard.Satisfies("panics", func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { panic("secret") })
	a, nothing := issuers()[0].TokenWith("Ed25519", nil, guardtest.Claims{"scope": "a"}), issuers()[0].TokenWith("Ed25519", nil, nil)
	for _, tc := range []struct {
		name            string
		enforce         bearerguard.Policy
		report          bearerguard.Requirement
		token           string
		cause, reported bearerguard.Cause
	}{
		{"both pass", signedIn, scope("a"), a, causeNone, causeNone},
		{"the new one would refuse: a scope", signedIn, scope("b"), a, causeNone, causeScope},
		{"the new one would refuse: a role", scope("a"), role("admin"), a, causeNone, causeForbidden},
		{"the new one would refuse: an authentication", scope("a"), bearerguard.ACR("gold"), a, causeNone, causeWeak},
		{"the new one would refuse: an age", scope("a"), bearerguard.AuthAge(time.Minute), a, causeNone, causeWeak},
		{"the new one would refuse: a path claim", scope("a"), bearerguard.PathClaim("tenant", "org_id"), a, causeNone, causeForbidden},
		{"the old one refuses, the new one would not", scope("b"), scope("a"), a, causeScope, causeNone},
		{"the old one refuses, and so would the new one", scope("b"), role("admin"), a, causeScope, causeForbidden},
		{"the new one panics", signedIn, panics, a, causeNone, causeInternal},
		{"the new one panics, and the old one refuses", scope("b"), panics, a, causeScope, causeInternal},
		{"the old one panics", panics, signedIn, a, causeInternal, causeNone},
		{"a bad token is tried on nothing", signedIn, role("admin"), "abc", causeMalformed, causeNone},
		{"no token", signedIn, role("admin"), "", causeNoToken, causeNone},
		{"Optional: anonymous callers would be refused", optional, signedIn, "", causeNone, causeNoToken},
		{"Optional: anonymous callers, whatever is reported", optional, bearerguard.Any(panics, scope("a")), "", causeNone, causeNoToken},
		{"Optional: a good token, both pass", optional, signedIn, a, causeNone, causeNone},
		{"Optional: a good token, the new one would refuse", optional, role("admin"), a, causeNone, causeForbidden},
		{"Optional: a weak token", optional, signedIn, nothing, causeScope, causeNone},
		{"Optional: garbage", optional, signedIn, "abc", causeMalformed, causeNone},
	} {
		for name, p := range map[string]bearerguard.Policy{"": bearerguard.Trial{Enforce: tc.enforce, Report: tc.report}, ", behind %2F": bearerguard.EncodedSlash(bearerguard.Trial{Enforce: tc.enforce, Report: tc.report})} {
			t.Run(tc.name+name, func(t *testing.T) {
				if got := g.cause(t, p, tc.token); got != tc.cause {
					t.Errorf("%q, want %q", got, tc.cause)
				}
				for _, d := range g.decisions[len(g.decisions)-3:] {
					if (d.Trial == nil) != (tc.reported == causeNone) || d.Trial != nil && (d.Trial.Cause != tc.reported || strings.Contains(d.Trial.Error(), "secret")) {
						t.Errorf("trial %v, want %q", d.Trial, tc.reported)
					}
					if d.Policy.String() != p.String() || d.Failed != nil && strings.Contains(d.Failed.String(), tc.report.String()) && tc.cause != causeInternal {
						t.Errorf("policy %v, failed %v", d.Policy, d.Failed)
					}
				}
			})
		}
	}
}

// What is on trial shows in no answer: the answers are those of Enforce alone, byte for byte.
func TestTrialIsNotTold(t *testing.T) {
	iss := issuers()[0]
	g := newRuled(t, func(cfg *bearerguard.Config) { cfg.AdvertiseScopes = true })
	enforce := bearerguard.All(bearerguard.Scope("a"), bearerguard.ACR("gold"))
	trial := bearerguard.Trial{Enforce: enforce, Report: bearerguard.All(bearerguard.Scope("secret"), bearerguard.ACR("secret"), bearerguard.AuthAge(time.Second))}
	for name, token := range map[string]string{
		"no token": "", "garbage": "abc", "nothing": iss.Token(nil), "the scope": iss.Token(guardtest.Claims{"scope": "a"}), "the acr": iss.Token(guardtest.Claims{"acr": "gold"}), "both": iss.Token(guardtest.Claims{"scope": "a", "acr": "gold"}),
	} {
		plain, _ := serve(t, g.Require(enforce), guardtest.NewRequest("GET", "/x", token))
		tried, _ := serve(t, g.Require(trial), guardtest.NewRequest("GET", "/x", token))
		if plain.Code != tried.Code || plain.Body.String() != tried.Body.String() || plain.Header().Get("WWW-Authenticate") != tried.Header().Get("WWW-Authenticate") {
			t.Errorf("%s: %d %v %s", name, tried.Code, tried.Header(), tried.Body)
		}
	}
	mux := g.NewMux()
	mux.Handle("GET /x", trial, http.NotFoundHandler())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, guardtest.NewRequest("GET", g.MetadataPath(), ""))
	if w.Code != 200 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), `"a"`) {
		t.Errorf("metadata %d %s", w.Code, w.Body)
	}
	if routes := mux.Routes(); len(routes) != 1 || routes[0].Policy != "(scope a AND acr gold), on trial (scope secret AND acr secret AND authenticated within 1s)" {
		t.Errorf("the table: %v", routes)
	}
	t.Run("the log line says it", func(t *testing.T) {
		var out bytes.Buffer
		hook := bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		hook(t.Context(), bearerguard.Decision{Status: 200, Trial: &bearerguard.Error{Cause: bearerguard.ErrScope}})
		if !strings.Contains(out.String(), `trial="bearerguard: scope missing"`) {
			t.Error(out.String())
		}
	})
}

func TestTrialMisuse(t *testing.T) {
	g := staticGuard(t)
	a := bearerguard.Scope("a")
	type wrapper struct{ bearerguard.Trial }
	for name, p := range map[string]bearerguard.Policy{
		"the zero Trial": bearerguard.Trial{}, "no Enforce": bearerguard.Trial{Report: a}, "no Report": bearerguard.Trial{Enforce: a}, "Public": bearerguard.Trial{Enforce: bearerguard.Public("x"), Report: a},
		"Trial within Trial": bearerguard.Trial{Enforce: bearerguard.Trial{Enforce: a, Report: a}, Report: a}, "EncodedSlash within Trial": bearerguard.Trial{Enforce: bearerguard.EncodedSlash(a), Report: a},
		"a pointer": &bearerguard.Trial{Enforce: a, Report: a}, "a wrapper": wrapper{bearerguard.Trial{Enforce: a, Report: a}}, "a foreign Report": bearerguard.Trial{Enforce: a, Report: embeddedPolicy{a}},
		"a foreign Enforce": bearerguard.Trial{Enforce: embeddedPolicy{a}, Report: a}, "EncodedSlash within EncodedSlash": bearerguard.EncodedSlash(bearerguard.EncodedSlash(a)),
	} {
		for where, do := range map[string]func(){
			"Require": func() { g.Require(p) }, "Mux": func() { g.NewMux().Handle("GET /x", p, http.NotFoundHandler()) },
			"Check": func() { _, _ = g.Check(guardtest.NewRequest("GET", "/x", ""), p) }, "Verify": func() { _, _ = g.Verify(t.Context(), "", p) },
		} {
			if text := panicText(do); !strings.HasPrefix(text, "bearerguard: ") {
				t.Errorf("%s in %s: %q", name, where, text)
			}
		}
	}
	for name, do := range map[string]func(){
		"the zero Trial": func() { bearerguard.EncodedSlash(bearerguard.Trial{}) }, "nil": func() { bearerguard.EncodedSlash(nil) }, "a foreign type": func() { bearerguard.EncodedSlash(embeddedPolicy{a}) },
	} {
		if panicText(do) == "" {
			t.Errorf("EncodedSlash takes %s", name)
		}
	}
}
