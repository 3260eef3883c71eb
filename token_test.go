package bearerguard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
)

// verifiedToken is the Token of a good token with these claims changed.
func verifiedToken(t *testing.T, change ...string) *bearerguard.Token {
	t.Helper()
	token, err := staticGuard(t).Verify(t.Context(), wordedToken(issuers()[0], change...), bearerguard.Authenticated())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var richClaims = []string{
	"aud", `["` + resource + `","https://other.example"]`, "scope", `"items:read items:write"`, "roles", `["admin","auditor"]`, "acr", `"urn:interop:mfa"`,
	"auth_time", "946684000", "email", `"secret@example.com"`, "n", "5", "list", `["secret-in-list"]`, "esc\\u0061ped", `"a\/b\u0000"`, "empty", `""`,
}

func TestTokenAccessors(t *testing.T) {
	issuers() // its servers must not live in the bubble
	synctest.Test(t, func(t *testing.T) {
		token := verifiedToken(t, richClaims...)
		for name, pair := range map[string][2]any{
			"Issuer": {token.Issuer(), issuers()[0].URL()}, "Subject": {token.Subject(), "alice"}, "ClientID": {token.ClientID(), "client-1"}, "ID": {token.ID(), "j1"},
			"ACR": {token.ACR(), "urn:interop:mfa"}, "Audience": {token.Audience(), []string{resource, "https://other.example"}}, "Roles": {token.Roles(), []string{"admin", "auditor"}},
			"Scopes": {token.Scopes(), []string{"items:read", "items:write"}}, "Expiry": {token.Expiry().Unix(), time.Now().Unix() + 300},
			"IssuedAt": {token.IssuedAt().Unix(), time.Now().Unix() - 60}, "AuthTime": {token.AuthTime().Unix(), int64(946684000)},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
			}
		}
		for name, has := range map[string]func(string) bool{"items:read": token.HasScope, "items:write": token.HasScope, "admin": token.HasRole, "auditor": token.HasRole, resource: token.HasAudience} {
			for _, other := range []string{"", strings.ToUpper(name), name + " ", name[1:], name[:len(name)-1], name + "x", "items:read items:write", "*"} {
				if !has(name) || has(other) {
					t.Errorf("%q, or not %q", other, name)
				}
			}
		}
		for name, want := range map[string]string{"email": "secret@example.com", "escaped": "a/b\x00", "empty": "", "sub": "alice", "scope": "items:read items:write"} {
			if got, ok := token.String(name); !ok || got != want {
				t.Errorf("String(%q): %q, %v", name, got, ok)
			}
		}
		for _, name := range []string{"", "Email", "EMAIL", "email ", "n", "list", "roles", "exp", "none", `esc\u0061ped`, "\u017fub"} {
			if got, ok := token.String(name); ok || got != "" {
				t.Errorf("String(%q): %q, %v", name, got, ok)
			}
		}
	})
}

func TestNilToken(t *testing.T) {
	var token *bearerguard.Token
	if token.Issuer()+token.Subject()+token.ClientID()+token.ID()+token.ACR() != "" || len(token.Audience())+len(token.Scopes())+len(token.Roles()) > 0 {
		t.Error("an anonymous caller has an identity")
	}
	if !token.Expiry().IsZero() || !token.IssuedAt().IsZero() || !token.AuthTime().IsZero() {
		t.Error("an anonymous caller has dates")
	}
	if token.HasScope("") || token.HasRole("") || token.HasAudience("") || token.HasScope("x") || token.HasRole("x") || token.HasAudience("x") {
		t.Error("an anonymous caller has something")
	}
	if text, ok := token.String("sub"); ok || text != "" {
		t.Error("an anonymous caller has a claim")
	}
	if err := token.Claims(new(map[string]any)); err == nil {
		t.Error("an anonymous caller has claims")
	}
	if _, err := bearerguard.ClaimsAs[map[string]any](token); err == nil {
		t.Error("an anonymous caller has claims")
	}
	if got := fmt.Sprintf("%v %+v %s %q %d", token, token, token, token, token); strings.Contains(got, "%!") || strings.Contains(got, "PANIC") {
		t.Error(got)
	}
	if got := token.LogValue().String(); got != "anonymous" {
		t.Error(got)
	}
}

func TestTokenIsImmutable(t *testing.T) {
	guard, token := staticGuard(t), verifiedToken(t, richClaims...)
	for name, list := range map[string]func() []string{"Audience": token.Audience, "Scopes": token.Scopes, "Roles": token.Roles} {
		t.Run("writing into what "+name+" returned", func(t *testing.T) {
			before, own := list(), list()
			_ = append(own[:1], "admin:reset")
			for i := range own {
				own[i] = "admin:reset"
			}
			if after := list(); !slices.Equal(before, after) || token.HasScope("admin:reset") || token.HasRole("admin:reset") || token.HasAudience("admin:reset") {
				t.Errorf("%q, was %q", after, before)
			}
		})
	}
	t.Run("writing into what Claims stored", func(t *testing.T) {
		type claims struct {
			List []string       `json:"list"`
			All  map[string]any `json:"-"`
			Text json.RawMessage
		}
		first, _ := bearerguard.ClaimsAs[claims](token)
		raw, _ := bearerguard.ClaimsAs[json.RawMessage](token)
		all, _ := bearerguard.ClaimsAs[map[string]json.RawMessage](token)
		first.List[0] = "changed"
		all["sub"][1] = 'X'
		for i := range raw {
			raw[i] = 'X'
		}
		second, err := bearerguard.ClaimsAs[claims](token)
		if text, _ := token.String("sub"); err != nil || second.List[0] != "secret-in-list" || text != "alice" {
			t.Errorf("%v, %v, %q", second, err, text)
		}
	})
	t.Run("writing into the Error of a Check changes no policy", func(t *testing.T) {
		for name, policy := range map[string]bearerguard.Requirement{
			"Scope": bearerguard.Scope("admin:reset"), "AnyScope": bearerguard.AnyScope("admin:reset", "admin:all"), "ACR": bearerguard.ACR("gold", "silver"),
			"All": bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.ACR("gold")), "Any": bearerguard.Any(bearerguard.Scope("admin:reset"), bearerguard.ACR("gold")),
			"All of one": bearerguard.All(bearerguard.Scope("admin:reset")), "All of one ACR": bearerguard.All(bearerguard.ACR("gold")),
		} {
			text, raw := policy.String(), wordedToken(issuers()[0], "acr", `"bronze"`)
			_, err := guard.Verify(t.Context(), raw, policy)
			var refusal *bearerguard.Error
			if !errors.As(err, &refusal) || len(refusal.Scopes)+len(refusal.ACRValues) == 0 {
				t.Fatal(err)
			}
			for i := range refusal.Scopes {
				refusal.Scopes[i] = "items:read"
			}
			for i := range refusal.ACRValues {
				refusal.ACRValues[i] = "bronze"
			}
			if _, err := guard.Verify(t.Context(), raw, policy); err == nil || policy.String() != text {
				t.Errorf("%s became %v: %v", name, policy, err)
			}
		}
	})
}

func TestClaimsMatchExactly(t *testing.T) {
	token := verifiedToken(t, "ORG_ID", `"evil"`, "Plan", `"evil"`, "acct", `{"ID":"evil","id_":"x","tags":[{"NAME":"evil"},{"name":"ok"}],"map":{"k":{"Name":"evil"}}}`, "big", "9007199254740993")
	type named struct {
		Name string `json:"name"`
	}
	type account struct {
		OrgID string `json:"org_id"`
		Plan  string `json:"plan"`
		Sub   string `json:"sub"`
		Acct  struct {
			ID   string           `json:"id"`
			Tags []named          `json:"tags"`
			Map  map[string]named `json:"map"`
		} `json:"acct"`
		Big int64 `json:"big"`
	}
	stored := account{OrgID: "left over"}
	if err := token.Claims(&stored); err != nil {
		t.Fatal(err)
	}
	if stored.OrgID+stored.Plan+stored.Acct.ID+stored.Acct.Tags[0].Name+stored.Acct.Map["k"].Name != "" {
		t.Errorf("names were folded, or old content survived: %+v", stored)
	}
	if stored.Sub != "alice" || stored.Acct.Tags[1].Name != "ok" || stored.Big != 9007199254740993 {
		t.Errorf("names of exactly that spelling are missing: %+v", stored)
	}
	if again, err := bearerguard.ClaimsAs[account](token); err != nil || !reflect.DeepEqual(again, stored) {
		t.Errorf("ClaimsAs: %+v, %v", again, err)
	}
	for name, target := range map[string]any{"nil": nil, "a value": account{}, "a nil pointer": (*account)(nil), "another type": new(int), "a field of another type": new(struct{ ORG_ID int })} {
		if err := token.Claims(target); err == nil || !strings.HasPrefix(err.Error(), "bearerguard: ") || strings.Contains(err.Error(), "evil") {
			t.Errorf("into %s: %v", name, err)
		}
	}
}

// TestTokenIsSecretive looks for claims that are nobody's business in everything that prints a Token.
func TestTokenIsSecretive(t *testing.T) {
	token := verifiedToken(t, richClaims...)
	secrets := []string{"secret", "items:read", "auditor", "interop", "email", "other.example", "signature"}
	check := func(t *testing.T, name, got string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Errorf("%s shows %q: %.300s", name, secret, got)
			}
		}
	}
	type hidden struct{ token *bearerguard.Token }
	holder := struct{ Token *bearerguard.Token }{token}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%10.3v", "% x"} {
		check(t, verb, fmt.Sprintf(verb, token))
		check(t, verb+" in a struct", fmt.Sprintf(verb, holder))
		check(t, verb+" in a slice", fmt.Sprintf(verb, []*bearerguard.Token{token}))
		check(t, verb+" in a map", fmt.Sprintf(verb, map[string]any{"t": token}))
	}
	for name, holder := range map[string]any{
		"without its pointer": *token, "in a field without its pointer": struct{ Token bearerguard.Token }{*token}, "in an unexported field": hidden{token},
		"in an unexported field, behind a pointer": &hidden{token}, "in a slice of such": []hidden{{token}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%t"} {
				if got := fmt.Sprintf(verb, holder); strings.Contains(got, "secret") || strings.Contains(got, "interop") {
					t.Errorf("%s shows claims: %.300s", verb, got)
				}
			}
		})
	}
	t.Run("the context of a guarded handler", func(t *testing.T) {
		raw := wordedToken(issuers()[0], richClaims...)
		askInProcess(staticGuard(t).Require(bearerguard.Authenticated())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			below, cancel := context.WithCancel(r.Context())
			defer cancel()
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
				if got := fmt.Sprintf(verb, r.Context()) + fmt.Sprintf(verb, below); strings.Contains(got, raw) || strings.Contains(got, "secret") {
					t.Errorf("%s shows the token: %.300s", verb, got)
				}
			}
		})), "Bearer "+raw)
	})
	text, _ := json.Marshal(holder)
	check(t, "encoding/json", string(text))
	t.Run("log/slog", func(t *testing.T) {
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("x", "token", token, slog.Group("g", "token", token))
			slog.New(handler).With("token", token).Info("x", "holder", holder)
			slog.New(handler).WithGroup("g").Info("x", "list", []any{token})
		}
		check(t, "log/slog", log.String())
		if !strings.Contains(log.String(), "token.sub=alice") || !strings.Contains(log.String(), `"sub":"alice"`) {
			t.Errorf("who it was is not logged: %s", log.String())
		}
	})
	check(t, "context", fmt.Sprintf("%v %+v %#v", bearerguard.NewContext(t.Context(), token), bearerguard.NewContext(t.Context(), token), bearerguard.NewContext(t.Context(), token)))
}
