package bearerguard_test

import (
	"math"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/challenge"
)

// TestAges holds AuthAge and TokenAge to the sixteenth of a second, on a clock that stands still. Dates are in seconds
// from now.
func TestAges(t *testing.T) {
	iss := issuers()[0] // its servers must not live in the bubble
	auth, token := bearerguard.AuthAge(5*time.Minute), bearerguard.TokenAge(2*time.Minute)
	const none = bearerguard.NoLeeway
	for _, row := range []struct {
		name   string
		leeway time.Duration
		policy bearerguard.Requirement
		claim  string
		date   float64
		want   bearerguard.Cause
	}{
		{"just now", none, auth, "auth_time", 0, causeNone},
		{"R9470-06 exactly as old as may be, no leeway", none, auth, "auth_time", -300, causeNone},
		{"R9470-06 a sixteenth older, no leeway", none, auth, "auth_time", -300.0625, causeWeak},
		{"R9470-06 exactly as old as may be with the default leeway", 0, auth, "auth_time", -330, causeNone},
		{"R9470-06 a sixteenth older than the default leeway", 0, auth, "auth_time", -330.0625, causeWeak},
		{"R9470-06 exactly as old as may be with the longest leeway", 2 * time.Minute, auth, "auth_time", -420, causeNone},
		{"R9470-06 a second older than the longest leeway", 2 * time.Minute, auth, "auth_time", -421, causeWeak},
		{"R9470-06 yesterday", 0, auth, "auth_time", -86400, causeWeak},
		{"in the year 1970", 0, auth, "auth_time", -float64(946684800), causeWeak},
		{"F-16 R9470-06 in the future by the leeway", 0, auth, "auth_time", 30, causeNone},
		{"F-16 R9470-06 a sixteenth further in the future", 0, auth, "auth_time", 30.0625, causeWeak},
		{"F-16 R9470-06 in the future by a sixteenth, no leeway", none, auth, "auth_time", 0.0625, causeWeak},
		{"F-16 R9470-06 tomorrow", 0, auth, "auth_time", 86400, causeWeak},
		{"F-16 R9470-06 in the future, longest leeway", 2 * time.Minute, auth, "auth_time", 121, causeWeak},
		{"iat does not stand in for auth_time", 0, auth, "iat", 0, causeWeak},
		{"TokenAge: just now", none, token, "iat", 0, causeNone},
		{"TokenAge: exactly as old as may be, no leeway", none, token, "iat", -120, causeNone},
		{"TokenAge: a sixteenth older, no leeway", none, token, "iat", -120.0625, causeOldToken},
		{"TokenAge: exactly as old as may be with the default leeway", 0, token, "iat", -150, causeNone},
		{"TokenAge: a sixteenth older than the default leeway", 0, token, "iat", -150.0625, causeOldToken},
		{"TokenAge: hours", 0, token, "iat", -7200, causeOldToken},
		{"TokenAge: auth_time does not stand in for iat", none, bearerguard.TokenAge(30 * time.Second), "auth_time", 0, causeOldToken},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRuled(t, func(cfg *bearerguard.Config) { cfg.Leeway = row.leeway })
				raw := wordedToken(iss, row.claim, strconv.FormatFloat(float64(time.Now().Unix())+row.date, 'f', -1, 64))
				if got := g.cause(t, row.policy, raw); got != row.want {
					t.Errorf("%q, want %q", got, row.want)
				}
			})
		})
	}
	t.Run("what passes now is too old later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newRuled(t, func(cfg *bearerguard.Config) { cfg.Leeway = bearerguard.NoLeeway })
			now := strconv.FormatInt(time.Now().Unix(), 10)
			raw := wordedToken(iss, "auth_time", now, "iat", now)
			for _, want := range []bearerguard.Cause{causeNone, causeOldToken, causeWeak} { // after 0, 121 and 242 seconds
				if got := g.cause(t, bearerguard.All(bearerguard.AuthAge(4*time.Minute), bearerguard.TokenAge(2*time.Minute)), raw); got != want {
					t.Errorf("%q, want %q", got, want)
				}
				time.Sleep(121 * time.Second)
			}
		})
	})
}

func TestStepUpBadClaims(t *testing.T) {
	g := newRuled(t)
	auth, acr := bearerguard.AuthAge(time.Hour), bearerguard.ACR("loa2")
	for _, tc := range []struct {
		name   string
		want   bearerguard.Cause
		policy bearerguard.Requirement
		claims []string
	}{
		{"F-16 R9470-05 auth_time is missing", causeWeak, auth, nil},
		{"F-16 R9470-05 auth_time is a string", causeClaims, auth, []string{"auth_time", strconv.Quote(strconv.FormatInt(time.Now().Unix(), 10))}},
		{"F-16 auth_time is null", causeClaims, auth, []string{"auth_time", "null"}},
		{"F-16 auth_time is an array", causeClaims, auth, []string{"auth_time", "[4000000000]"}},
		{"F-16 auth_time is true", causeClaims, auth, []string{"auth_time", "true"}},
		{"F-16 auth_time is negative", causeClaims, auth, []string{"auth_time", "-1"}},
		{"F-16 auth_time is beyond all years", causeClaims, auth, []string{"auth_time", "1e18"}},
		{"F-16 auth_time is beyond all numbers", causeMalformed, auth, []string{"auth_time", "1e999"}},
		{"F-16 auth_time in milliseconds", causeClaims, auth, []string{"auth_time", strconv.FormatInt(time.Now().UnixMilli(), 10)}},
		{"F-16 auth_time in another case", causeWeak, auth, []string{"Auth_Time", strconv.FormatInt(time.Now().Unix(), 10)}},
		{"F-16 auth_time is zero", causeWeak, auth, []string{"auth_time", "0"}},
		{"R9470-07 exactly", causeNone, acr, []string{"acr", `"loa2"`}},
		{"F-17 R9470-05 acr is missing", causeWeak, acr, nil},
		{"F-17 R9470-05 acr is an array", causeWeak, acr, []string{"acr", `["loa2"]`}},
		{"F-17 acr is a number", causeWeak, bearerguard.ACR("2"), []string{"acr", "2"}},
		{"F-17 acr is a bool", causeWeak, bearerguard.ACR("true"), []string{"acr", "true"}},
		{"F-17 acr is null", causeWeak, bearerguard.ACR("null"), []string{"acr", "null"}},
		{"F-17 acr is empty", causeWeak, acr, []string{"acr", `""`}},
		{"F-17 acr is a beginning of it", causeWeak, acr, []string{"acr", `"loa"`}},
		{"F-17 acr begins with it", causeWeak, acr, []string{"acr", `"loa2x"`}},
		{"F-17 acr in another case", causeWeak, acr, []string{"acr", `"LOA2"`}},
		{"F-17 acr in a list", causeWeak, acr, []string{"acr", `"loa1 loa2"`}},
		{"F-17 acr with a blank", causeWeak, acr, []string{"acr", `"loa2 "`}},
		{"R9470-07 a higher one", causeWeak, acr, []string{"acr", `"loa3"`}},
		{"amr is not acr", causeWeak, acr, []string{"amr", `["loa2"]`}},
		{"acr_values is not acr", causeWeak, acr, []string{"acr_values", `"loa2"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := g.cause(t, tc.policy, wordedToken(issuers()[0], tc.claims...)); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	t.Run("TokenAge without iat", func(t *testing.T) {
		g := newRuled(t, shapedLike(bearerguard.Profile{OptionalClaims: []string{"iat"}}))
		raw := wordedToken(issuers()[0], "iat", "")
		if got := g.cause(t, bearerguard.Authenticated(), raw); got != causeNone {
			t.Fatalf("%q", got)
		}
		if got := g.cause(t, bearerguard.TokenAge(time.Hour), raw); got != causeOldToken {
			t.Errorf("%q", got)
		}
	})
	for _, age := range []time.Duration{0, -1, -time.Hour, time.Second - 1, math.MinInt64} {
		for name, make := range map[string]func(time.Duration) bearerguard.Requirement{"AuthAge": bearerguard.AuthAge, "TokenAge": bearerguard.TokenAge} {
			if panicText(func() { make(age) }) == "" {
				t.Errorf("R9470-03 %s(%v) is accepted", name, age)
			}
		}
	}
}

// One challenge says all that another token, or another authentication, would mend; and only when the token is valid.
func TestStepUpChallenge(t *testing.T) {
	g := newRuled(t)
	scope, acr, all, either := bearerguard.Scope, bearerguard.ACR, bearerguard.All, bearerguard.Any
	auth, tokenAge := bearerguard.AuthAge, bearerguard.TokenAge
	route := all(scope("a", "b"), acr("gold", "silver"), auth(5*time.Minute), tokenAge(time.Minute), bearerguard.Role("admin"))
	mendable := all(scope("a", "b"), acr("gold", "silver"), auth(5*time.Minute), tokenAge(time.Minute))
	now := strconv.FormatInt(time.Now().Unix(), 10)
	old := strconv.FormatInt(time.Now().Unix()-200, 10)
	type list = []string
	for _, tc := range []struct {
		name               string
		want               answer
		policy             bearerguard.Requirement
		claims             []string
		scope, acr, maxAge string
	}{
		{"R9470-04 everything is missing", weakA, mendable, list{"iat", old}, "a b", "gold silver", "300"},
		{"R9470-01 the authentication is missing", weakA, mendable, list{"iat", now, "scope", `"a b"`}, "", "gold silver", "300"},
		{"R9470-04 one scope is missing: all are named", weakA, mendable, list{"iat", now, "scope", `"b"`}, "a b", "gold silver", "300"},
		{"R9470-04 the age alone: the acr is named too", weakA, mendable, list{"iat", now, "scope", `"a b"`, "acr", `"gold"`}, "", "gold silver", "300"},
		{"R9470-04 the acr alone: the age is named too", weakA, mendable, list{"iat", now, "scope", `"a b"`, "auth_time", now}, "", "gold silver", "300"},
		{"MCP-06 R6750-14 the scopes alone", noScp, mendable, list{"iat", now, "acr", `"silver"`, "auth_time", now}, "a b", "", ""},
		{"R6750-13 the token is too old", badTk, mendable, list{"iat", old, "scope", `"a b"`, "acr", `"gold"`, "auth_time", now}, "", "", ""},
		{"the token is too old and has no scope", badTk, mendable, list{"iat", old, "acr", `"gold"`, "auth_time", now}, "a b", "", ""},
		{"nothing is missing", ok200, mendable, list{"iat", now, "scope", `"b a"`, "acr", `"silver"`, "auth_time", now}, "", "", ""},
		{"a role is missing: no authentication would help", noScp, route, list{"iat", now, "scope", `"a b"`}, "", "", ""},
		{"a role is missing, and scopes", noScp, route, list{"iat", now}, "a b", "", ""},
		{"R9470-03 the shortest of two ages", weakA, all(auth(time.Hour), auth(10*time.Minute)), nil, "", "", "600"},
		{"R9470-03 the shortest of two ages, in the other order", weakA, all(auth(10*time.Minute), auth(time.Hour)), nil, "", "", "600"},
		{"R9470-03 the shortest of ages at every level", weakA, all(auth(time.Hour), all(auth(30*time.Minute), all(auth(2*time.Minute)))), nil, "", "", "120"},
		{"R9470-03 whole seconds, rounded down", weakA, auth(1999 * time.Millisecond), nil, "", "", "1"},
		{"R9470-02 one acr that does for both", weakA, all(acr("a", "b", "c"), acr("d", "c", "b")), nil, "", "b c", ""},
		{"no acr does for both: none is named", weakA, all(acr("a"), acr("b")), nil, "", "", ""},
		{"no acr does for all three: none is named", weakA, all(acr("a"), acr("b"), acr("b")), nil, "", "", ""},
		{"any: no union of ages", weakA, either(auth(time.Hour), auth(time.Minute)), nil, "", "", "3600"},
		{"any: no union of acr", weakA, either(acr("a"), acr("b")), nil, "", "a", ""},
		{"any: a fresh token is less than an authentication", badTk, either(acr("a"), tokenAge(time.Second)), list{"iat", old}, "", "", ""},
		{"any: a scope is less than a fresh token", noScp, either(tokenAge(time.Second), scope("a")), list{"iat", old}, "a", "", ""},
		{"any in all: the age of the chosen one", weakA, all(scope("a"), either(all(acr("x"), scope("z")), auth(time.Minute))), list{"scope", `"a"`}, "", "", "60"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := guardtest.NewRequest("GET", "/x", wordedToken(issuers()[0], tc.claims...))
			w, _ := serve(t, g.Require(tc.policy), r)
			response := w.Result()
			response.Request = r
			checkAnswer(t, tc.want, response, w.Body.String())
			if tc.want != ok200 {
				checkParameters(t, response, tc.scope, tc.acr, tc.maxAge)
			}
		})
	}
	for name, change := range map[string][]string{
		"no token": nil, "expired": {"exp", "1000", "iat", "900"}, "another audience": {"aud", `"x"`}, "another issuer": {"iss", `"https://x.example"`}, "no subject": {"sub", ""}, "bound": {"cnf", "{}"},
	} {
		t.Run("R9470-08 R6750-11 nothing of it before the token is valid: "+name, func(t *testing.T) {
			raw := ""
			if change != nil {
				raw = wordedToken(issuers()[0], change...)
			}
			for _, p := range []bearerguard.Policy{route, mendable, bearerguard.Optional(mendable), bearerguard.Trial{Enforce: mendable, Report: route}} {
				r := guardtest.NewRequest("GET", "/x", raw)
				if raw == "" {
					r.Header.Set("Authorization", "Basic YTpi")
				}
				w, _ := serve(t, g.Require(p), r)
				if w.Code != 401 {
					t.Errorf("status %d", w.Code)
				}
				checkParameters(t, w.Result(), "", "", "")
			}
		})
	}
}

func checkParameters(t *testing.T, response *http.Response, scope, acr, maxAge string) {
	t.Helper()
	lines := response.Header.Values("WWW-Authenticate")
	if len(lines) != 1 {
		t.Fatalf("%d challenges %q", len(lines), lines)
	}
	parsed, ok := challenge.Parse(lines[0])
	if !ok || len(parsed) != 1 {
		t.Fatalf("challenge %q", lines[0])
	}
	if p := parsed[0].Parameters; p["scope"] != scope || p["acr_values"] != acr || p["max_age"] != maxAge || p["resource_metadata"] == "" {
		t.Errorf("parameters %q", p)
	}
}

func TestAdvertiseScopes(t *testing.T) {
	g := newRuled(t, func(cfg *bearerguard.Config) { cfg.AdvertiseScopes = true })
	quiet := newRuled(t)
	scope, all, either := bearerguard.Scope, bearerguard.All, bearerguard.Any
	for _, tc := range []struct {
		name   string
		policy bearerguard.Policy
		scopes string
	}{
		{"MCP-06 the scopes", scope("b", "a"), "b a"},
		{"MCP-06 all of All, each once", all(scope("a"), scope("b", "a"), all(scope("c"), scope("b"))), "a b c"},
		{"MCP-06 the first alternative", either(scope("a"), scope("b")), "a"},
		{"the first alternative that is a role", either(bearerguard.Role("admin"), scope("b")), ""},
		{"the first of any scope", bearerguard.AnyScope("b", "a"), "b"},
		{"scopes, but no role, no acr and no age", all(scope("a"), bearerguard.Role("admin"), bearerguard.ACR("x"), bearerguard.AuthAge(time.Minute)), "a"},
		{"no scopes", bearerguard.Authenticated(), ""},
		{"what is on trial is not advertised", bearerguard.Trial{Enforce: scope("a"), Report: scope("secret")}, "a"},
		{"what is on trial is not advertised, behind %2F", bearerguard.EncodedSlash(bearerguard.Trial{Enforce: bearerguard.Authenticated(), Report: scope("secret")}), ""},
		{"Optional, of who comes with another scheme", bearerguard.Optional(scope("a")), "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := guardtest.NewRequest("GET", "/x", "")
			r.Header.Set("Authorization", "Basic YTpi")
			w, _ := serve(t, g.Require(tc.policy), r)
			checkParameters(t, w.Result(), tc.scopes, "", "")
			w, _ = serve(t, quiet.Require(tc.policy), r)
			checkParameters(t, w.Result(), "", "", "")
			for _, line := range []string{"Bearer abc", "Bearer " + wordedToken(issuers()[0], "aud", `"x"`), "Bearer", "Bearer a b"} {
				r.Header.Set("Authorization", line)
				w, _ = serve(t, g.Require(tc.policy), r)
				checkParameters(t, w.Result(), "", "", "") // R9470-08: who shows a bad token learns nothing
			}
		})
	}
}
