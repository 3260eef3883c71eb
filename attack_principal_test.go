package bearerguard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// Who a token is about: it is compared exactly, and never taken from where the caller can choose it.
func TestAttackKindPrincipal(t *testing.T) {
	s := newService(t)
	with := func(claims guardtest.Claims) string { return s.iss.Token(claims) }
	// told sends a good token and looks at what the handler would be told.
	told := func(name string, claims guardtest.Claims, check func(*bearerguard.Token) bool) {
		t.Run(name, func(t *testing.T) {
			s.get(t, ok200, "/any", with(claims))
			if token := s.last().Token; token == nil || !check(token) {
				t.Errorf("%v", token)
			}
		})
	}
	told("E-16 R9068-16 a client whose id is an admin's subject", guardtest.Claims{"sub": "root", "client_id": "root"}, func(token *bearerguard.Token) bool {
		return token.Subject() == "root" && token.ClientID() == "root" && token.Issuer() == s.iss.URL() && len(token.Roles()) == 0
	})
	t.Run("E-16 R9068-14 R9068-16 such a client has the scope and no role", func(t *testing.T) {
		s.get(t, noScp, "/admin", with(guardtest.Claims{"sub": "root", "client_id": "root", "scope": "admin:reset"}))
	})
	t.Run("E-16 R8725-09 the same subject of two issuers is two principals", func(t *testing.T) {
		two := newService(t, trustOwn())
		two.get(t, ok200, "/any", two.iss.Token(guardtest.Claims{"sub": "root"}))
		first := two.last().Token
		two.get(t, ok200, "/any", forgeOwn(nil, guardtest.Claims{"sub": "root"}))
		if second := two.last().Token; first.Issuer() == second.Issuer() || first.Subject() != second.Subject() {
			t.Errorf("%v and %v", first, second)
		}
	})
	for _, sub := range []any{"", 5, 0, []string{"a"}, []string{}, guardtest.Claims{"id": "a"}, true, nullClaim{}, nil} {
		refuseForged(t, s, forged{"E-17 R9068-07 sub " + forgeJSON(sub), with(guardtest.Claims{"sub": sub})})
	}
	large := newService(t)
	allowHugeHeaders(large)
	refuseForged(t, large, forged{"E-17 sub of 300 kB", with(guardtest.Claims{"sub": strings.Repeat("a", 300<<10)})})
	for _, sub := range []string{"admin\x00", "Admin", "admin ", " admin", "ａdmin", "admın", "admin\u200b", "a\u0308", "\u00e4", "admin\r\nX: y", "𝄞"} {
		told(fmt.Sprintf("E-17 sub %q is exactly that", sub), guardtest.Claims{"sub": sub}, func(token *bearerguard.Token) bool {
			return token.Subject() == sub && token.Subject() != "admin"
		})
	}
	told("E-18 client_id beside azp: client_id", guardtest.Claims{"client_id": "one", "azp": "two"}, func(token *bearerguard.Token) bool { return token.ClientID() == "one" })
	refuseForged(t, s,
		forged{"E-18 R9068-07 azp instead of client_id", with(guardtest.Claims{"client_id": nil, "azp": "two"})},
		forged{"E-18 client_id of a wrong type, azp good", with(guardtest.Claims{"client_id": 5, "azp": "two"})},
		forged{"E-18 client_id empty, azp good", with(guardtest.Claims{"client_id": "", "azp": "two"})},
	)
	t.Run("E-18 profile Keycloak, client_id beside azp: client_id", func(t *testing.T) {
		s := newService(t, withProfile(bearerguard.Keycloak("api")))
		s.get(t, ok200, "/any", with(guardtest.Claims{"typ": "Bearer", "client_id": "one", "azp": "two"}))
		if got := s.last().Token.ClientID(); got != "one" {
			t.Errorf("client %q", got)
		}
		s.get(t, badTk, "/any", with(guardtest.Claims{"typ": "Bearer", "client_id": nullClaim{}, "azp": "two"}))
	})

	alice := func(token *bearerguard.Token) bool { return token.Subject() == "alice" && len(token.Roles()) == 0 }
	deep := func(levels int) guardtest.Claims {
		act := guardtest.Claims{"sub": "root"}
		for range levels - 1 {
			act = guardtest.Claims{"sub": "x", "act": act}
		}
		return guardtest.Claims{"act": act}
	}
	told("E-19 an actor is not the subject", guardtest.Claims{"act": guardtest.Claims{"sub": "root", "roles": []string{"admin"}}}, alice)
	told("E-19 nor is the actor of an actor", deep(2), alice)
	told("E-19 nor is one who may act", guardtest.Claims{"may_act": guardtest.Claims{"sub": "root"}}, alice)
	told("E-19 actors as deep as JSON may be", deep(15), alice)
	refuseForged(t, s, forged{"E-19 actors deeper than JSON may be", with(deep(16))}, forged{"E-19 actors 500 deep", with(deep(500))})
	refuseForged(t, large, forged{"E-19 actors 10000 deep", with(deep(10000))}, forged{"E-19 arrays 10000 deep", s.iss.Sign("RS256", forgeHeader("RS256", s.iss.KeyID("RS256")), strings.Replace(forgePayload(s.iss.URL()), "{", `{"act":{"sub":"x","act":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+`},`, 1))})
	for _, act := range []any{"x", "", 5, true, []any{}, []any{guardtest.Claims{"sub": "root"}}, nullClaim{}} {
		refuseForged(t, s, forged{"E-19 act " + forgeJSON(act), with(guardtest.Claims{"act": act})})
	}
	t.Run("E-19 an actor's scope and role open nothing", func(t *testing.T) {
		s.get(t, noScp, "/admin", with(guardtest.Claims{"act": guardtest.Claims{"sub": "root", "scope": "admin:reset", "roles": []string{"admin"}}}))
	})
}
