package bearerguard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func TestRFC9068(t *testing.T) {
	s := newService(t)
	with := func(claims guardtest.Claims) string { return s.iss.Token(claims) }
	for _, claim := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		refuseForged(t, s,
			forged{"R9068-07 no " + claim, with(guardtest.Claims{claim: nil})},
			forged{"R9068-07 " + claim + " null", with(guardtest.Claims{claim: nullClaim{}})},
			forged{"R9068-07 " + claim + " an object", with(guardtest.Claims{claim: guardtest.Claims{"value": "x"}})},
			forged{"R9068-07 " + claim + " true", with(guardtest.Claims{claim: true})},
			forged{"R9068-07 " + claim + " empty", with(guardtest.Claims{claim: ""})},
			forged{"R9068-07 " + claim + " in capitals only", with(guardtest.Claims{claim: nil, strings.ToUpper(claim): "x"})},
		)
	}
	for _, claim := range []string{"iss", "sub", "client_id", "jti"} {
		refuseForged(t, s, forged{"R9068-07 " + claim + " a number", with(guardtest.Claims{claim: 5})}, forged{"R9068-07 " + claim + " an array", with(guardtest.Claims{claim: []string{"x"}})})
	}
	refuseForged(t, s,
		forged{"R9068-06 iss with a slash", with(guardtest.Claims{"iss": s.iss.URL() + "/"})},
		forged{"R9068-06 a foreign aud", with(guardtest.Claims{"aud": "https://other.example.com"})},
		forged{"R9068-02 alg none", forgeInput(forgeHeader("none", s.iss.KeyID("RS256")), forgePayload(s.iss.URL())) + "."},
	)
	strict := newService(t, func(cfg *bearerguard.Config) { cfg.Leeway = bearerguard.NoLeeway })
	now := time.Now().Unix()
	refuseForged(t, strict, forged{"R9068-06 exp is now", with(guardtest.Claims{"iat": now - 60, "exp": now})})
	acceptForged(t, strict, forged{"R9068-06 exp is in a minute", with(guardtest.Claims{"exp": now + 60})})

	// Scopes and roles, as far as RFC 9068 has a word on them.
	acceptScoped := func(name string, want answer, path string, claims guardtest.Claims) {
		t.Run(name, func(t *testing.T) { s.get(t, want, path, with(claims)) })
	}
	acceptScoped("R9068-11 scope is a string", ok200, "/items", guardtest.Claims{"scope": "a items:read b"})
	acceptScoped("R9068-11 scope is an array", badTk, "/items", guardtest.Claims{"scope": []string{"items:read"}})
	acceptScoped("R9068-11 scope is a number", badTk, "/items", guardtest.Claims{"scope": 5})
	acceptScoped("R9068-11 scope as part of a longer one", noScp, "/items", guardtest.Claims{"scope": "items:readonly xitems:read"})
	acceptScoped("R9068-11 scp is not scope", noScp, "/items", guardtest.Claims{"scp": "items:read"})
	admin := func(roles any) guardtest.Claims { return guardtest.Claims{"scope": "admin:reset", "roles": roles} }
	acceptScoped("R9068-13 roles are strings", ok200, "/admin", admin([]string{"auditor", "admin"}))
	acceptScoped("R9068-13 roles is one string", noScp, "/admin", admin("admin"))
	acceptScoped("R9068-13 roles are objects", noScp, "/admin", admin([]guardtest.Claims{{"value": "admin"}}))
	acceptScoped("R9068-13 groups are no roles", noScp, "/admin", guardtest.Claims{"scope": "admin:reset", "groups": []string{"admin"}, "entitlements": []string{"admin"}})
	acceptScoped("R9068-14 no roles", noScp, "/admin", admin(nil))
	acceptScoped("R9068-14 roles empty", noScp, "/admin", admin([]string{}))
	acceptScoped("R9068-14 roles null", noScp, "/admin", admin(nullClaim{}))
	acceptScoped("R9068-15 acr as wanted", ok200, "/stepup", guardtest.Claims{"scope": "items:read", "acr": "urn:interop:mfa"})
	acceptScoped("R9068-15 another acr", weakA, "/stepup", guardtest.Claims{"scope": "items:read", "acr": "urn:interop:pwd"})
	acceptScoped("R9068-15 no acr", weakA, "/stepup", guardtest.Claims{"scope": "items:read"})
	acceptScoped("R9068-15 acr of a wrong type", weakA, "/stepup", guardtest.Claims{"scope": "items:read", "acr": []string{"urn:interop:mfa"}})
}

// Whatever is wrong with a token, its sender gets the same bytes.
func TestRFC9068SameAnswer(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	goodToken := forgeOwn(nil, nil)
	_, signature := forgeCut(goodToken)
	signature[9] ^= 1
	first := forgeExchange(t, s, forgeWith(goodToken, signature))
	if !strings.HasPrefix(first, "401 ") || !strings.Contains(first, "invalid_token") {
		t.Fatalf("%s", first)
	}
	old := guardtest.Claims{"iat": 1600000000, "exp": 1600000300}
	for _, row := range []forged{
		{"unknown issuer", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs"), forgePayload("https://evil.test"))},
		{"unknown kid", forgeOwn(guardtest.Claims{"kid": "nobody"}, nil)}, {"alg none", forgeInput(forgeHeader("none", "rs"), forgePayload(ownURL)) + "."},
		{"alg HS256", forgeSigned("HS256", []byte("x"), forgeHeader("HS256", "rs"), forgePayload(ownURL))}, {"another typ", forgeOwn(guardtest.Claims{"typ": "JWT"}, nil)},
		{"a foreign audience", forgeOwn(nil, guardtest.Claims{"aud": "x"})}, {"expired", forgeOwn(nil, old)}, {"not yet valid", forgeOwn(nil, guardtest.Claims{"nbf": time.Now().Unix() + 250})},
		{"living too long", forgeOwn(nil, guardtest.Claims{"exp": time.Now().Unix() + 1e7})}, {"no jti", forgeOwn(nil, guardtest.Claims{"jti": nil})}, {"bound", forgeOwn(nil, guardtest.Claims{"cnf": guardtest.Claims{"jkt": "x"}})},
		{"crit", forgeOwn(guardtest.Claims{"crit": []string{"x"}, "x": 1}, nil)}, {"no token at all", "abc"}, {"five parts", "a.b.c.d.e"}, {"scope of a wrong type", forgeOwn(nil, guardtest.Claims{"scope": 5})},
		{"too large", forgeOwn(nil, guardtest.Claims{"x": strings.Repeat("a", 20<<10)})}, {"act of a wrong type", forgeOwn(nil, guardtest.Claims{"act": 5})},
	} {
		t.Run("R9068-09 "+row.name, func(t *testing.T) {
			if got := forgeExchange(t, s, row.token); got != first {
				t.Errorf("%s\nother than\n%s", got, first)
			}
		})
	}
}
