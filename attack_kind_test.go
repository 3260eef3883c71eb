package bearerguard_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// withProfile reads the shared issuer's tokens by a profile.
func withProfile(p bearerguard.Profile) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) { cfg.Issuers[0].Profile = p }
}

// All of these are validly signed by the issuer that we trust, for something else than access.
func TestAttackKind(t *testing.T) {
	iss, now := issuers()[0], time.Now().Unix()
	made := func(typ any, claims guardtest.Claims) string {
		return iss.TokenWith("RS256", guardtest.Claims{"typ": typ}, claims)
	}
	id := guardtest.Claims{"aud": "client-1", "client_id": nil, "azp": "client-1", "nonce": "n", "at_hash": "h", "auth_time": now, "jti": nil}
	both := guardtest.Claims{"aud": []string{"client-1", resource}, "azp": "client-1", "nonce": "n", "at_hash": "h"}
	s := newService(t)
	refuseForged(t, s,
		forged{"E-01 R9068-01 R8725-14 ID token", made("JWT", id)},
		forged{"E-01 ID token without typ", made(nil, id)},
		forged{"E-01 ID token that says id_token+jwt", made("id_token+jwt", id)},
		forged{"E-01 ID token with the audience of the client, typ at+jwt", made("at+jwt", id)},
		forged{"E-02 R8725-14 ID token whose audience is the client and we", made("JWT", both)},
		forged{"E-02 the same without typ", made(nil, both)},
		forged{"E-02 an ID token with every claim of an access token", made("JWT", guardtest.Claims{"nonce": "n"})},
		forged{"R9068-01 an access token without typ", made(nil, nil)},
		forged{"R9068-01 an access token that says JWT", made("JWT", nil)},
		forged{"E-03 signed metadata, no typ", made(nil, guardtest.Claims{"resource": resource, "authorization_servers": []string{iss.URL()}})},
		forged{"E-04 refresh token of Keycloak", made("JWT", guardtest.Claims{"typ": "Refresh", "aud": iss.URL()})},
		forged{"E-04 refresh token of Keycloak, our audience", made("JWT", guardtest.Claims{"typ": "Refresh"})},
	)
	kinds := []string{
		"logout+jwt", "secevent+jwt", "dpop+jwt", "statuslist+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "client-authentication+jwt",
		"id_token+jwt", "kb+jwt", "vc+sd-jwt", "dc+sd-jwt", "oauth-client-attestation+jwt", "entity-statement+jwt", "resource-metadata+jwt", "passport", "JOSE", "JOSE+JSON", "rt+jwt",
	}
	for _, kind := range kinds {
		refuseForged(t, s,
			forged{"E-03 R9068-01 R8725-14 " + kind, made(kind, nil)},
			forged{"E-03 application/" + kind, made("application/"+kind, nil)},
		)
	}
	for _, typ := range []any{
		"at+jwt;x=1", "at+JWT ", " at+jwt", "text/at+jwt", []string{"at+jwt"}, "application/at+jwt;v=1", "application//at+jwt", "application/application/at+jwt", "/at+jwt",
		"at+jwt/", "at+jwt,JWT", "JWT,at+jwt", "at jwt", "at%2Bjwt", "at+jwt\x00", "at+jw", "xat+jwt", "at+jwts", "AT", "x/at+jwt", "applicatıon/at+jwt", "at＋jwt", "", 5, true, guardtest.Claims{"at+jwt": 1},
	} {
		refuseForged(t, s, forged{"E-05 R9068-01 R7515-14 typ " + forgeJSON(typ), made(typ, nil)})
	}
	refuseForged(t, s, forged{"E-05 typ null", iss.Sign("RS256", `{"typ":null,"alg":"RS256","kid":"`+iss.KeyID("RS256")+`"}`, forgePayload(iss.URL()))})
	for _, typ := range []string{"at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "APPLICATION/AT+JWT", "Application/At+Jwt"} {
		acceptForged(t, s, forged{"E-05 R9068-01 R7515-14 typ " + typ, made(typ, nil)})
	}

	// A profile that lets go of typ must hold on to something else.
	keycloak := guardtest.Claims{"typ": "Bearer", "azp": "client-1", "client_id": nil}
	for _, profile := range []struct {
		name  string
		value bearerguard.Profile
		basis guardtest.Claims // of a good access token
	}{
		{"Keycloak", bearerguard.Keycloak("api"), keycloak},
		{"Auth0", bearerguard.Auth0(), guardtest.Claims{"azp": "client-1", "client_id": nil}},
		{"own", bearerguard.Profile{Types: []string{"JWT", ""}, Forbid: []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}, Expect: map[string]string{"token_use": "access"}}, guardtest.Claims{"token_use": "access"}},
	} {
		s := newService(t, withProfile(profile.value))
		with := func(name string, value any) guardtest.Claims {
			claims := guardtest.Claims{name: value}
			for own, value := range profile.basis {
				if _, set := claims[own]; !set {
					claims[own] = value
				}
			}
			return claims
		}
		prefix := "profile " + profile.name + ", "
		acceptForged(t, s,
			forged{"R8725-15 " + prefix + "access token that says JWT", made("JWT", profile.basis)},
			forged{"R8725-15 " + prefix + "access token that says at+jwt", made("at+jwt", profile.basis)},
		)
		for _, claim := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
			refuseForged(t, s,
				forged{"E-01 R9068-19 " + prefix + "ID or logout token with " + claim, made("JWT", with(claim, "x"))},
				forged{"E-01 R9068-19 " + prefix + claim + " is null", made("JWT", with(claim, nullClaim{}))},
				forged{"E-02 R9068-19 " + prefix + claim + ", typ at+jwt", made("at+jwt", with(claim, "x"))},
			)
		}
		for _, kind := range kinds {
			refuseForged(t, s, forged{"E-03 R8725-15 R8725-14 " + prefix + kind, made(kind, profile.basis)})
		}
	}
	s = newService(t, withProfile(bearerguard.Keycloak("api")))
	for _, typ := range []any{"ID", "Refresh", "Offline", "Logout", "bearer", "Bearer ", "", []string{"Bearer"}, 5, nil, nullClaim{}, true} {
		claims := guardtest.Claims{"typ": typ, "azp": "client-1"}
		refuseForged(t, s,
			forged{fmt.Sprintf("E-04 R9068-19 profile Keycloak, typ claim %s", forgeJSON(typ)), made("JWT", claims)},
			forged{fmt.Sprintf("E-04 R9068-19 profile Keycloak, typ claim %s, typ at+jwt", forgeJSON(typ)), made("at+jwt", claims)},
		)
	}
	refuseForged(t, s, forged{"R8725-15 profile Keycloak, no typ at all", made(nil, keycloak)})
	use := newService(t, withProfile(bearerguard.Profile{Types: []string{"", "JWT"}, Expect: map[string]string{"token_use": "access"}}))
	acceptForged(t, use, forged{"R8725-15 a profile that allows no typ", made(nil, guardtest.Claims{"token_use": "access"})})
	refuseForged(t, use, forged{"E-01 R9068-19 token_use id", made(nil, guardtest.Claims{"token_use": "id"})}, forged{"E-01 R9068-19 no token_use", made("JWT", nil)})
	t.Run("E-01 R9068-19 R8725-15 a profile without a discriminator is refused", func(t *testing.T) {
		cfg := iss.Config(resource)
		cfg.Issuers[0].Profile = bearerguard.Profile{Types: []string{"JWT"}}
		if _, err := bearerguard.New(cfg); err == nil || !strings.Contains(err.Error(), "ID token") {
			t.Errorf("%v", err)
		}
	})
}

// nullClaim is a claim that is there and null; a plain nil leaves it out.
type nullClaim struct{}

func (nullClaim) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func TestAttackKindAudience(t *testing.T) {
	iss := issuers()[0]
	s := newService(t)
	with := func(aud any) string { return iss.Token(guardtest.Claims{"aud": aud}) }
	acceptForged(t, s,
		forged{"E-06 our audience", with(resource)}, forged{"E-08 our audience in an array", with([]string{resource})},
		forged{"E-08 our audience among others", with([]string{"https://sister.example.com", resource})},
	)
	refuseForged(t, s,
		forged{"E-06 R9068-06 R8725-10 a sister API", with("https://sister.example.com")}, forged{"E-06 several sister APIs", with([]string{"https://sister.example.com", "https://admin.example.com"})},
		forged{"E-06 the issuer itself", with(iss.URL())}, forged{"E-06 the client", with("client-1")},
		forged{"E-09 R8725-10 R9068-07 no aud", with(nil)}, forged{"E-09 R8725-10 aud null", with(nullClaim{})},
		forged{"E-09 no aud, client_id is us", iss.Token(guardtest.Claims{"aud": nil, "client_id": resource})},
		forged{"E-09 no aud, azp is us", iss.Token(guardtest.Claims{"aud": nil, "azp": resource})},
		forged{"E-09 no aud, resource is us", iss.Token(guardtest.Claims{"aud": nil, "resource": resource})},
		forged{"E-09 foreign aud, client_id is us", iss.Token(guardtest.Claims{"aud": "x", "client_id": resource, "azp": resource})},
		forged{"E-09 aud in the header only", iss.TokenWith("RS256", guardtest.Claims{"aud": resource}, guardtest.Claims{"aud": nil})},
	)
	for _, near := range []string{
		resource + "/", "https://API.example.com", "HTTPS://api.example.com", "https://api.example.com.evil", "https://api.example.com.evil.test", resource + "/v1", resource + ":443",
		"http://api.example.com", "https://apiXexample.com", "https://api.example.com.", "api.example.com", "https://api.example.co", "https://evil/" + resource, resource + "#", resource + "?",
		" " + resource, resource + " ", resource + "\x00", "https://api.example.com/../", "https://%61pi.example.com", "https://api.example.com@evil", "https://ａpi.example.com", "*", "https://*.example.com", ".*", "https://",
	} {
		refuseForged(t, s,
			forged{fmt.Sprintf("E-07 R9068-06 aud %q", near), with(near)},
			forged{fmt.Sprintf("E-07 aud %q in an array", near), with([]string{near})},
		)
	}
	for _, aud := range []any{
		[]string{}, "", []string{""}, []any{nil}, [][]string{{resource}}, []any{resource, 5}, []any{5, resource}, []any{resource, nil}, []any{resource, []string{"x"}}, guardtest.Claims{"0": resource},
		guardtest.Claims{resource: true}, 5, true, false, resource + " other", resource + ",other", "other " + resource, `["` + resource + `"]`, []any{guardtest.Claims{"aud": resource}},
	} {
		refuseForged(t, s, forged{"E-08 R8725-10 aud " + forgeJSON(aud), with(aud)})
	}
}

// The issuer is looked up by its exact name, and only its own keys vouch for it; nobody is asked about the others.
func TestAttackKindIssuer(t *testing.T) {
	k := own()
	s, port, watch := newWatched(t, trustOwn(), func(cfg *bearerguard.Config) { // E-10: two issuers over the network too
		cfg.Issuers = append(cfg.Issuers, bearerguard.Issuer{URL: "https://login.example.com/tenant", JWKS: []byte(forgeJSON(guardtest.Claims{"keys": []guardtest.Claims{k.psJWK}}))})
	})
	iss, other := s.iss, s.other
	fetched := func() int { watch.mu.Lock(); defer watch.mu.Unlock(); return watch.own }
	before := fetched()
	as := func(url any) string { return iss.Token(guardtest.Claims{"iss": url}) }
	refuseForged(t, s,
		forged{"E-10 R8725-09 says the own issuer, key of the fetched one", as(ownURL)},
		forged{"E-10 R8725-09 says the own issuer, key of the fetched one, kid of the own", iss.TokenWith("RS256", guardtest.Claims{"kid": "rs"}, guardtest.Claims{"iss": ownURL})},
		forged{"E-10 R8725-09 says the fetched issuer, key of the own one", forgeSigned("RS256", k.rs, forgeHeader("RS256", iss.KeyID("RS256")), forgePayload(iss.URL()))},
		forged{"E-10 says the fetched issuer, key and kid of the own one", forgeSigned("PS256", k.ps, forgeHeader("PS256", "ps"), forgePayload(iss.URL()))},
		forged{"E-10 an issuer that is not trusted, its own good token", other.Token(nil)},
		forged{"E-10 an issuer that is not trusted says the trusted one", other.Token(guardtest.Claims{"iss": iss.URL()})},
		forged{"E-12 iss missing", as(nil)}, forged{"E-12 iss null", as(nullClaim{})},
		forged{"E-12 iss in the header only", iss.TokenWith("RS256", guardtest.Claims{"iss": iss.URL()}, guardtest.Claims{"iss": nil})},
		forged{"E-12 an array with the good one", as([]string{iss.URL()})}, forged{"E-12 an array with a bad and the good one", as([]string{"https://evil.test", iss.URL()})},
		forged{"E-12 an array with the good one and a bad one", as([]string{iss.URL(), "https://evil.test"})},
		forged{"E-12 an object", as(guardtest.Claims{iss.URL(): 1})}, forged{"E-12 a number", as(5)}, forged{"E-12 true", as(true)}, forged{"E-12 empty", as("")}, forged{"E-12 an empty array", as([]string{})},
		forged{"E-14 a tenant that is not ours, same keys", as(iss.URL() + "/B/v2.0")}, forged{"E-14 the template itself", as("https://login.microsoftonline.com/{tenantid}/v2.0")},
	)
	const trusted = "https://login.example.com/tenant"
	acceptForged(t, s, forged{"E-11 R9068-06 the exact issuer", forgeSigned("PS256", k.ps, forgeHeader("PS256", "ps"), forgePayload(trusted))})
	for _, near := range []string{
		trusted + "/", "https://LOGIN.example.com/tenant", "https://login.example.com:443/tenant", "http://login.example.com/tenant", "https://login.example.com%2ftenant",
		"https://login.example.com/%74enant", "https://user@login.example.com/tenant", "https://login.example.com./tenant", "https://login.example.com/ｔenant", " " + trusted,
		trusted + " ", trusted + "\x00", "HTTPS://login.example.com/tenant", "https://login.example.com/Tenant", trusted + "#", trusted + "?", "https://login.example.com//tenant",
		"https://login.example.com/x/../tenant", "https://login.example.com/./tenant", "https://login.example.com/tenant/B", "https://login.example.com", "login.example.com/tenant", "//login.example.com/tenant", trusted + ".evil.test",
	} {
		refuseForged(t, s, forged{fmt.Sprintf("E-11 R9068-06 iss %q", near), forgeSigned("PS256", k.ps, forgeHeader("PS256", "ps"), forgePayload(near))})
	}
	escaped := strings.ReplaceAll(url.QueryEscape(iss.URL()), "%", "%25")
	for _, evil := range []string{
		"http://169.254.169.254/", "https://169.254.169.254", "http://" + port.address, "https://" + port.address, "http://" + port.address + "/.well-known/openid-configuration", iss.URL() + "@" + port.address,
		"http://user:pass@" + port.address, "file:///etc/passwd", "gopher://" + port.address, "http://localhost", "http://[::1]", "http://0.0.0.0", "https://evil.test/" + escaped, iss.URL() + "/redirect?to=http://" + port.address, other.URL(),
	} {
		short := strings.ReplaceAll(evil, port.address, "evil")
		refuseForged(t, s,
			forged{"E-13 R9068-10 iss " + short, forgeSigned("RS256", k.evil, forgeHeader("RS256", "evil"), forgePayload(evil))},
			forged{"E-13 iss " + short + ", no kid", forgeSigned("RS256", k.evil, forgeHeader("RS256", "", guardtest.Claims{"kid": nil}), forgePayload(evil))},
			forged{"E-13 iss " + short + ", with a jku", forgeSigned("RS256", k.evil, forgeHeader("RS256", "evil", guardtest.Claims{"jku": "http://" + port.address}), forgePayload(evil))},
		)
	}
	if after := fetched(); after != before {
		t.Errorf("E-11 E-12 E-13: %d fetches", after-before)
	}

	// Two realms of one host, with one kid.
	const a, b = "https://kc.example.com/realms/a", "https://kc.example.com/realms/b"
	keyA, keyB := guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "k1", "alg": "RS256"}), guardtest.JWK(&k.spare.PublicKey, guardtest.Claims{"kid": "k1", "alg": "RS256"})
	of := func(key any, iss string) string {
		return forgeSigned("RS256", key, forgeHeader("RS256", "k1"), forgePayload(iss))
	}
	only := newService(t, trustSet(b, keyB))
	acceptForged(t, only, forged{"E-15 realm B where B is trusted", of(k.spare, b)})
	refuseForged(t, only, forged{"E-15 R8725-09 realm A where B is trusted", of(k.rs, a)}, forged{"E-15 realm A that says B", of(k.rs, b)}, forged{"E-15 realm B that says A", of(k.spare, a)})
	split := newService(t, trustSet(a, keyA), trustSet(b, keyB), func(cfg *bearerguard.Config) { cfg.Issuers[1].Audiences = []string{"https://a-only.example.com"} })
	refuseForged(t, split, forged{"E-15 realm A with the audience of realm B, both trusted", of(k.rs, a)})
	acceptForged(t, split, forged{"E-15 realm B with its audience, both trusted", of(k.spare, b)})
}
