package bearerguard_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// mistake is one that New must refuse: change makes one mistake in a good configuration; the error must name the
// field and the value.
type mistake struct {
	name, field, value string
	change             func(*bearerguard.Config)
}

func configMistakes() []mistake {
	type config = bearerguard.Config
	var rows []mistake
	for name, value := range map[string]string{
		"missing": "", "no URI": "api.example.com", "a path": "/items", "a scheme alone": "https:", "GO-12 no host": "https://", "GO-12 no host, but a path": "https:///items",
		"GO-12 no host, but a port": "https://:8443", "GO-12 no slashes": "https:api.example.com", "a fragment": "https://api.example.com/#top", "an empty fragment": "https://api.example.com#",
		"GO-12 a user": "https://user@api.example.com", "a blank": "https://api.example.com/a b", "a quote": `https://api.example.com/"`, "a backslash": `https://api.example.com\x`,
		"no ASCII": "https://api.exämple.com", "a line break": "https://api.example.com\r\nX: y", "a bad escape": "https://api.example.com/%zz", "a blank before": " https://api.example.com",
	} {
		rows = append(rows, mistake{"Resource: " + name, "Config.Resource ", fmt.Sprintf("%q", value), func(c *config) { c.Resource = value }})
	}
	for _, value := range []string{"a\r\nb", "é", "\x00", "\x7f", "\t"} {
		rows = append(rows, mistake{fmt.Sprintf("Realm %q", value), "Config.Realm ", fmt.Sprintf("%q", value), func(c *config) { c.Realm = value }})
	}
	for _, value := range []time.Duration{2*time.Minute + 1, time.Hour, math.MaxInt64} {
		rows = append(rows, mistake{"F-12 Leeway " + value.String(), "Config.Leeway ", value.String(), func(c *config) { c.Leeway = value }})
	}
	rows = append(rows, []mistake{
		{"Audiences: one is empty", "Config.Audiences ", `["a" ""]`, func(c *config) { c.Audiences = []string{"a", ""} }},
		{"Issuers: none", "Config.Issuers ", "empty", func(c *config) { c.Issuers = nil }},
		{"Issuers: twice", "Config.Issuers[1].URL ", `"https://login.example.com"`, func(c *config) { c.Issuers = append(c.Issuers, c.Issuers[0]) }},
		{"Issuers: nothing of it is set", "Config.Issuers[1].URL ", `""`, func(c *config) { c.Issuers = append(c.Issuers, bearerguard.Issuer{}) }},
	}...)
	issuer := func(name, field, value string, change func(*bearerguard.Issuer)) {
		rows = append(rows, mistake{name, "Config.Issuers[0]." + field, value, func(c *config) { change(&c.Issuers[0]) }})
	}
	for name, value := range map[string]string{
		"missing": "", "no URL": "login.example.com", "http": "http://login.example.com", "another scheme": "ftp://login.example.com", "GO-12 no host": "https://", "GO-12 no host, but a path": "https:///x",
		"GO-12 no host, but a port": "https://:8443", "GO-12 no slashes": "https:login.example.com", "GO-12 a user": "https://u@login.example.com", "a query": "https://login.example.com?x=1",
		"GO-12 an empty query": "https://login.example.com?", "a fragment": "https://login.example.com#x", "an empty fragment": "https://login.example.com#", "GO-12 a dot segment": "https://login.example.com/../x",
		"two slashes": "https://login.example.com//x", "an escaped slash": "https://login.example.com/a%2fb", "a bad escape": "https://login.example.com/%zz", "a blank": " https://login.example.com", "a line break": "https://login.example.com\n",
	} {
		issuer("Issuer.URL: "+name, "URL ", fmt.Sprintf("%q", value), func(i *bearerguard.Issuer) { i.URL = value })
	}
	for name, value := range map[string]string{
		"no URL": "jwks", "http": "http://login.example.com/jwks", "file": "file:///etc/passwd", "GO-12 a user": "https://u@login.example.com/jwks", "a fragment": "https://login.example.com/jwks#x",
		"GO-12 no host": "https://", "GO-12 no host, but a port": "https://:8443/jwks", "GO-12 no slashes": "https:login.example.com/jwks", "a bad escape": "https://login.example.com/%zz",
	} {
		issuer("Issuer.JWKSURL: "+name, "JWKSURL ", fmt.Sprintf("%q", value), func(i *bearerguard.Issuer) { i.JWKS, i.JWKSURL = nil, value })
	}
	issuer("Issuer.JWKSURL beside JWKS", "JWKSURL ", `"https://login.example.com/jwks"`, func(i *bearerguard.Issuer) { i.JWKSURL = "https://login.example.com/jwks" })
	for name, value := range map[string]string{
		"no JSON": "garbage", "a blank": " ", "an empty object": "{}", "an array": "[]", "no keys": `{"keys":[]}`, "keys is no array": `{"keys":{}}`, "a symmetric key": `{"keys":[{"kty":"oct","k":"AAAA","kid":"k"}]}`,
		"an RSA key for another algorithm": `{"keys":[` + guardJWK("RS256", guardtest.Claims{"alg": "RS512"}) + `]}`, "a key for encryption": `{"keys":[` + guardJWK("RS256", guardtest.Claims{"use": "enc"}) + `]}`,
		"cut short": string(issuers()[0].JWKS()[:300]), "two documents": string(issuers()[0].JWKS()) + "{}",
	} {
		issuer("Issuer.JWKS: "+name, "JWKS", "", func(i *bearerguard.Issuer) { i.JWKS = []byte(value) })
	}
	for _, value := range []string{"HS256", "none", "", "rs256", "RS257", "RS256 ", "ML-DSA-65", "Ed448", "ES256K", "RSA-OAEP"} {
		issuer(fmt.Sprintf("R9964-02 Issuer.Algorithms: %q", value), "Algorithms: ", fmt.Sprintf("%q", value), func(i *bearerguard.Issuer) { i.Algorithms = []string{"RS256", value} })
	}
	issuer("Issuer.Audiences: one is empty", "Audiences ", `["x" ""]`, func(i *bearerguard.Issuer) { i.Audiences = []string{"x", ""} })
	for _, d := range []time.Duration{-1, -time.Hour, math.MinInt64} {
		issuer("Issuer.RefreshInterval "+d.String(), "RefreshInterval ", d.String(), func(i *bearerguard.Issuer) { i.RefreshInterval = d })
		issuer("Issuer.RefreshCooldown "+d.String(), "RefreshCooldown ", d.String(), func(i *bearerguard.Issuer) { i.RefreshCooldown = d })
		issuer("Issuer.MaxStale "+d.String(), "MaxStale ", d.String(), func(i *bearerguard.Issuer) { i.MaxStale = d })
	}
	for _, d := range []time.Duration{time.Minute, 15*time.Minute - 1} {
		issuer("Issuer.MaxStale "+d.String(), "MaxStale ", d.String(), func(i *bearerguard.Issuer) { i.MaxStale = d })
	}
	for _, d := range []time.Duration{20*time.Minute + 1, math.MaxInt64 / 3, math.MaxInt64 / 2, math.MaxInt64} {
		issuer("Issuer.RefreshInterval "+d.String(), "MaxStale 1h0m0s ", d.String(), func(i *bearerguard.Issuer) { i.RefreshInterval = d })
	}
	profile := func(name, field, value string, change func(*bearerguard.Profile)) {
		issuer("Profile."+name, "Profile."+field, value, func(i *bearerguard.Issuer) { change(&i.Profile) })
	}
	profile("Types without a discriminator", "Types ", `["JWT"]`, func(p *bearerguard.Profile) { p.Types = []string{"JWT"} })
	profile("Types: no typ, without a discriminator", "Types ", `[""]`, func(p *bearerguard.Profile) { p.Types = []string{""} })
	profile("Types with empty discriminators", "Types ", `["JWT"]`, func(p *bearerguard.Profile) {
		p.Types, p.Expect, p.Forbid = []string{"JWT"}, map[string]string{}, []string{}
	})
	profile("Types with a Forbid of nothing", "", `""`, func(p *bearerguard.Profile) { p.Types, p.Forbid = []string{"JWT"}, []string{""} })
	profile("Expect of nothing", "", `""`, func(p *bearerguard.Profile) { p.Expect = map[string]string{"": "Bearer"} })
	profile("ClientIDClaims: one is empty", "ClientIDClaims", `""`, func(p *bearerguard.Profile) { p.ClientIDClaims = []string{"azp", ""} })
	for _, value := range []string{"iss", "exp", "aud", "scope", "", "Sub", "nbf", "cnf"} {
		profile(fmt.Sprintf("OptionalClaims: %q", value), "OptionalClaims: ", fmt.Sprintf("%q", value), func(p *bearerguard.Profile) { p.OptionalClaims = []string{"jti", value} })
	}
	profile("RoleClaims: an empty path", "RoleClaims: ", "[]", func(p *bearerguard.Profile) { p.RoleClaims = [][]string{{"roles"}, {}} })
	profile("RoleClaims: an empty name", "RoleClaims: ", `["realm_access" ""]`, func(p *bearerguard.Profile) { p.RoleClaims = [][]string{{"realm_access", ""}} })
	profile("Keycloak without a client", "RoleClaims: ", `["resource_access" "" "roles"]`, func(p *bearerguard.Profile) { *p = bearerguard.Keycloak("") })
	return rows
}

// guardJWK is a public key of the issuer as a JWK, with more members.
func guardJWK(algorithm string, more guardtest.Claims) string {
	text, err := json.Marshal(guardtest.JWK(issuers()[0].PublicKey(algorithm), more))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// goodConfig needs no network.
func goodConfig() bearerguard.Config {
	return bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{{URL: "https://login.example.com", JWKS: issuers()[0].JWKS()}}}
}

func TestNewNamesEveryMistake(t *testing.T) {
	if _, err := bearerguard.New(goodConfig()); err != nil {
		t.Fatal(err)
	}
	for _, row := range configMistakes() {
		t.Run(row.name, func(t *testing.T) {
			cfg := goodConfig()
			row.change(&cfg)
			guard, err := bearerguard.New(cfg)
			if err == nil || guard != nil {
				t.Fatal("accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if !strings.Contains(lines[0], row.value) {
				t.Errorf("%v, want one that names %s and %s", err, row.field, row.value)
			}
			for _, line := range lines { // a line without the prefix goes on with the one before
				if (line == lines[0] || strings.HasPrefix(line, "bearerguard: ")) && !strings.HasPrefix(line, "bearerguard: "+row.field) {
					t.Errorf("%s: is about another field than %s", line, row.field)
				}
			}
		})
	}
}

// TestNewNamesAllMistakes makes as many mistakes at once as fit into one configuration.
func TestNewNamesAllMistakes(t *testing.T) {
	cfg := bearerguard.Config{
		Resource: "api", Realm: "é", Leeway: time.Hour, Audiences: []string{""},
		Issuers: []bearerguard.Issuer{
			{
				URL: "login", JWKSURL: "keys", JWKS: []byte("garbage"), Algorithms: []string{"HS256", "none"}, Audiences: []string{""}, RefreshInterval: -1, RefreshCooldown: -2, MaxStale: -3,
				Profile: bearerguard.Profile{Types: []string{"JWT"}, OptionalClaims: []string{"iss", "exp"}, RoleClaims: [][]string{{}}},
			},
			{URL: "https://login.example.com", JWKS: []byte("garbage")},
			{URL: "https://twice.example.com"},
			{URL: "https://twice.example.com", Algorithms: []string{"HS512"}},
		},
	}
	_, err := bearerguard.New(cfg)
	if err == nil {
		t.Fatal("accepted")
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) < 15 {
		t.Errorf("not joined: %v", err)
	}
	for _, want := range []string{
		"Config.Resource \"api\"", "Config.Realm", "Config.Leeway 1h0m0s", "Config.Audiences", "Config.Issuers[0].URL \"login\"", "Config.Issuers[0].JWKSURL \"keys\"", `Config.Issuers[0].Algorithms: "HS256"`,
		`Config.Issuers[0].Algorithms: "none"`, "Config.Issuers[0].Audiences", "Config.Issuers[0].RefreshInterval -1ns", "Config.Issuers[0].RefreshCooldown -2ns", "Config.Issuers[0].MaxStale -3ns",
		`Config.Issuers[0].Profile.Types ["JWT"]`, `Config.Issuers[0].Profile.OptionalClaims: "iss"`, `Config.Issuers[0].Profile.OptionalClaims: "exp"`, "Config.Issuers[0].Profile.RoleClaims", "Config.Issuers[1].JWKS",
		"Config.Issuers[0].JWKS:", "Config.Issuers[3].Algorithms", `Config.Issuers[3].URL "https://twice.example.com" is configured twice`,
	} {
		t.Run(want, func(t *testing.T) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("not named in:\n%v", err)
			}
		})
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, "bearerguard: Config.") {
			t.Errorf("line without its field: %s", line)
		}
	}
}

// TestNewKeepsCopies changes everything in a configuration after New.
func TestNewKeepsCopies(t *testing.T) {
	iss := issuers()[0]
	cfg := goodConfig()
	client := &http.Client{Timeout: time.Second}
	cfg.Audiences, cfg.HTTPClient = []string{"https://first.example"}, client
	one := &cfg.Issuers[0]
	one.Algorithms, one.Audiences = []string{"Ed25519"}, []string{"https://own.example"}
	one.Profile = bearerguard.Profile{
		Types: []string{"JWT"}, OptionalClaims: []string{"jti"}, ClientIDClaims: []string{"azp"}, RoleClaims: [][]string{{"a", "b"}},
		Expect: map[string]string{"kind": "access"}, Forbid: []string{"nonce"},
	}
	second := bearerguard.Issuer{URL: "https://second.example.com", JWKS: iss.JWKS(), Algorithms: []string{"Ed25519"}}
	cfg.Issuers = append(cfg.Issuers, second)
	guard, err := bearerguard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	one = &cfg.Issuers[0]
	clear(one.JWKS)
	clear(cfg.Issuers[1].JWKS)
	cfg.Audiences[0], one.Algorithms[0], one.Audiences[0] = "https://evil.example", "RS256", "https://evil.example"
	cfg.Issuers[1].Algorithms[0] = "RS256"
	p := one.Profile
	p.Types[0], p.OptionalClaims[0], p.ClientIDClaims[0], p.RoleClaims[0][0], p.Forbid[0] = "evil", "sub", "sub", "evil", "sub"
	p.RoleClaims[0] = []string{"evil"}
	p.Expect["kind"], p.Expect["more"] = "evil", "evil"
	*client = http.Client{}
	cfg.Issuers[0], cfg.Issuers[1] = bearerguard.Issuer{}, bearerguard.Issuer{}

	header := guardtest.Claims{"typ": "JWT"}
	base := func(more guardtest.Claims) guardtest.Claims {
		claims := guardtest.Claims{"iss": "https://login.example.com", "aud": "https://own.example", "kind": "access", "azp": "c", "client_id": nil, "jti": nil, "a": map[string]any{"b": []string{"admin"}}}
		for name, value := range more {
			claims[name] = value
		}
		return claims
	}
	for name, row := range map[string]struct {
		good  bool
		token string
	}{
		"as configured":                      {true, iss.TokenWith("Ed25519", header, base(nil))},
		"the second issuer":                  {true, iss.TokenWith("Ed25519", nil, guardtest.Claims{"iss": "https://second.example.com", "aud": "https://first.example", "roles": []string{"admin"}})},
		"the second issuer, new audience":    {false, iss.TokenWith("Ed25519", nil, guardtest.Claims{"iss": "https://second.example.com", "aud": "https://evil.example", "roles": []string{"admin"}})},
		"the second issuer, a new algorithm": {false, iss.TokenWith("RS256", nil, guardtest.Claims{"iss": "https://second.example.com", "aud": "https://first.example", "roles": []string{"admin"}})},
		"a new algorithm":                    {false, iss.TokenWith("RS256", header, base(nil))},
		"a new audience":                     {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"aud": "https://evil.example"}))},
		"a new type":                         {false, iss.TokenWith("Ed25519", guardtest.Claims{"typ": "evil"}, base(nil))},
		"a new optional claim":               {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"sub": nil}))},
		"a new client id claim":              {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"azp": nil}))},
		"a new role claim":                   {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"a": nil, "evil": []string{"admin"}}))},
		"a new expected value":               {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"kind": "evil", "more": "evil"}))},
		"what was forbidden":                 {false, iss.TokenWith("Ed25519", header, base(guardtest.Claims{"nonce": "n"}))},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := guard.Verify(t.Context(), row.token, bearerguard.Role("admin")); (err == nil) != row.good {
				t.Error(err)
			}
		})
	}
}

// TestDefaults shows what zero means, by what the guard does.
func TestDefaults(t *testing.T) {
	iss := issuers()[0]
	const day = 24 * 60 * 60
	for _, row := range []struct {
		name   string
		change func(*bearerguard.Config)
		iat    int64 // seconds from now
		exp    int64
		wait   time.Duration
		good   bool
	}{
		{"Leeway is 30 seconds", nil, -60, 0, 30*time.Second - 1, true},
		{"Leeway is not more than 30 seconds", nil, -60, 0, 30 * time.Second, false},
		{"NoLeeway is none", func(c *bearerguard.Config) { c.Leeway = bearerguard.NoLeeway }, -60, 0, 0, false},
		{"a Leeway of 5 seconds", func(c *bearerguard.Config) { c.Leeway = 5 * time.Second }, -60, 0, 5*time.Second - 1, true},
		{"a Leeway of not more than 5 seconds", func(c *bearerguard.Config) { c.Leeway = 5 * time.Second }, -60, 0, 5 * time.Second, false},
		{"MaxTokenLifetime is 24 hours", nil, 0, day, 0, true},
		{"MaxTokenLifetime is not more than 24 hours", nil, 0, day + 1, 0, false},
		{"MaxTokenLifetime is about the whole life, not the rest", nil, -day, 1, 0, false},
		{"a negative MaxTokenLifetime is none", func(c *bearerguard.Config) { c.MaxTokenLifetime = -1 }, 0, 100 * 365 * day, 0, true},
		{"a MaxTokenLifetime of an hour", func(c *bearerguard.Config) { c.MaxTokenLifetime = time.Hour }, 0, 3600, 0, true},
		{"a MaxTokenLifetime of not more than an hour", func(c *bearerguard.Config) { c.MaxTokenLifetime = time.Hour }, 0, 3601, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := goodConfig()
				if row.change != nil {
					row.change(&cfg)
				}
				guard, err := bearerguard.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				now := time.Now().Unix()
				token := iss.TokenWith("Ed25519", nil, guardtest.Claims{"iss": "https://login.example.com", "iat": now + row.iat, "exp": now + row.exp})
				time.Sleep(row.wait)
				if _, err := guard.Verify(t.Context(), token, bearerguard.Authenticated()); (err == nil) != row.good {
					t.Error(err)
				}
			})
		})
	}
	own := guardtest.Claims{"iss": "https://login.example.com"}
	for name, row := range map[string]struct {
		change func(*bearerguard.Config)
		good   bool
		token  string
	}{
		"Audiences is Resource":             {nil, true, iss.Token(own)},
		"an empty Audiences is Resource":    {func(c *bearerguard.Config) { c.Audiences = []string{} }, true, iss.Token(own)},
		"Audiences replace Resource":        {func(c *bearerguard.Config) { c.Audiences = []string{"x"} }, false, iss.Token(own)},
		"an empty Issuer.Audiences is none": {func(c *bearerguard.Config) { c.Issuers[0].Audiences = []string{} }, true, iss.Token(own)},
		"an empty Algorithms is none":       {func(c *bearerguard.Config) { c.Issuers[0].Algorithms = []string{} }, true, iss.Token(own)},
		"Algorithms has RS256":              {nil, true, iss.TokenWith("RS256", nil, own)},
		"Algorithms has PS256":              {nil, true, iss.TokenWith("PS256", nil, own)},
		"Algorithms has ES256":              {nil, true, iss.TokenWith("ES256", nil, own)},
		"Algorithms has Ed25519":            {nil, true, iss.TokenWith("Ed25519", nil, own)},
		"Algorithms has EdDSA":              {nil, true, iss.TokenWith("Ed25519", guardtest.Claims{"alg": "EdDSA"}, own)},
		"Profile is RFC 9068":               {nil, false, iss.TokenWith("RS256", guardtest.Claims{"typ": "JWT"}, own)},
		"a profile that is RFC 9068":        {func(c *bearerguard.Config) { c.Issuers[0].Profile = bearerguard.RFC9068() }, true, iss.Token(own)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := goodConfig()
			if row.change != nil {
				row.change(&cfg)
			}
			guard, err := bearerguard.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := guard.Verify(t.Context(), row.token, bearerguard.Authenticated()); (err == nil) != row.good {
				t.Error(err)
			}
		})
	}
}
