package bearerguard_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const (
	entraTemplate   = "https://login.microsoftonline.com/{tenantid}/v2.0"
	entraV1Template = "https://sts.windows.net/{tenantid}/"
	tenantC         = "33333333-aaaa-4bbb-8ccc-0123456789ab"
	consumers       = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

func entraURL(tenant string) string { return strings.ReplaceAll(entraTemplate, "{tenantid}", tenant) }

// anyTenant is the profile with its tenants replaced by all.
func anyTenant(p bearerguard.Profile) bearerguard.Profile {
	p.Tenants, p.AnyTenant = nil, true
	return p
}

// entraToken is an access token of Entra ID, version 2.0, of a tenant.
func entraToken(iss, tid any, more ...claimSet) string {
	c := claimSet{
		"iss": iss, "tid": tid, "aud": entraAPI, "ver": "2.0", "azp": entraApp, "client_id": nil, "scp": "items:read", "jti": nil, "uti": "u", "roles": []string{"user"},
	}
	for _, m := range more {
		c = with(c, m)
	}
	return issuers()[0].TokenWith("RS256", claimSet{"typ": typJWT}, c)
}

func trustEntra(url string, p bearerguard.Profile) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) {
		cfg.Audiences = []string{entraAPI}
		cfg.Issuers = []bearerguard.Issuer{{URL: url, JWKS: issuers()[0].JWKS(), Profile: p}}
	}
}

func TestAttackTenant(t *testing.T) {
	for _, tc := range []struct {
		name     string
		trust    func(*bearerguard.Config)
		accepted []string
		refused  []string
	}{
		{"one tenant", trustEntra(entraURL(tenantA), bearerguard.EntraV2(tenantA)), []string{tenantA}, []string{tenantB, tenantC, consumers}},
		{"one tenant in a template", trustEntra(entraTemplate, bearerguard.EntraV2(tenantA)), []string{tenantA}, []string{tenantB, tenantC, consumers}},
		{"two tenants", trustEntra(entraTemplate, bearerguard.EntraV2(tenantA, tenantB)), []string{tenantA, tenantB}, []string{tenantC, consumers}},
		{"any tenant", trustEntra(entraTemplate, anyTenant(bearerguard.EntraV2())), []string{tenantA, tenantB, tenantC, consumers}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newService(t, tc.trust)
			for _, tenant := range tc.accepted {
				acceptForged(t, s, forged{"E-14 control: " + tenant, entraToken(entraURL(tenant), tenant)})
				for _, bad := range []any{
					nil, jsonNull, "", 5, true, []string{tenant}, claimSet{"tid": tenant}, strings.ToUpper(tenant), "{" + tenant + "}", " " + tenant, tenant + " ", tenant + "\x00", tenant[:35], tenant + "0", strings.ReplaceAll(tenant, "-", ""),
					"{tenantid}", "common", "organizations", "contoso.onmicrosoft.com", "../" + tenant, tenant[:35] + "g", tenant[:35] + "ａ", strings.Replace(tenant, "-", "a", 1), tenant + "-" + tenant,
				} {
					refuseForged(t, s, forged{fmt.Sprintf("E-14 iss of %s, tid %s", tenant, forgeJSON(bad)), entraToken(entraURL(tenant), bad)})
					if text, ok := bad.(string); ok {
						refuseForged(t, s, forged{fmt.Sprintf("E-14 iss and tid %s", forgeJSON(bad)), entraToken(entraURL(text), text)})
					}
				}
				for _, other := range []string{tenantA, tenantB, tenantC, consumers} {
					if other != tenant {
						refuseForged(t, s, forged{"E-14 R8725-09 iss of " + tenant + ", tid " + other, entraToken(entraURL(tenant), other)}, forged{"E-14 R8725-09 iss of " + other + ", tid " + tenant, entraToken(entraURL(other), tenant)})
					}
				}
				for _, near := range []string{
					entraTemplate, entraURL(""), entraURL("common"), entraURL("organizations"), entraURL("consumers"), entraURL(strings.ToUpper(tenant)), entraURL(tenant) + "/", strings.TrimSuffix(entraURL(tenant), ".0"), entraURL(tenant + "/" + tenant), entraURL("x/" + tenant),
					entraURL(tenant + "/x"), entraURL(tenant) + "/" + tenant, strings.Replace(entraURL(tenant), "https", "http", 1), strings.Replace(entraURL(tenant), "login", "LOGIN", 1), "https://login.microsoftonline.com.evil.test/" + tenant + "/v2.0", "https://evil.test/" + tenant + "/v2.0",
					"https://sts.windows.net/" + tenant + "/", tenant, "/" + tenant + "/v2.0", entraURL(tenant) + "?", entraURL(tenant) + "#", entraURL("%7Btenantid%7D"), entraURL(tenant[:35]), "https://" + tenant + "/v2.0", "https://login.microsoftonline.com//" + tenant + "/v2.0",
				} {
					refuseForged(t, s, forged{fmt.Sprintf("E-14 E-11 iss %q, tid %s", near, tenant), entraToken(near, tenant)})
				}
				refuseForged(t, s,
					forged{"E-14 the template as iss and tid", entraToken(entraTemplate, "{tenantid}")}, forged{"E-12 iss is an array", entraToken([]string{entraURL(tenant)}, tenant)},
					forged{"E-14 tid in the header only", issuers()[0].TokenWith("RS256", claimSet{"typ": typJWT, "tid": tenant}, claimSet{"iss": entraURL(tenant), "aud": entraAPI, "ver": "2.0", "azp": entraApp, "scp": "x", "uti": "u"})},
					forged{"E-14 TID", entraToken(entraURL(tenant), nil, claimSet{"TID": tenant})},
					forged{"E-14 signed by somebody else", issuers()[1].TokenWith("RS256", claimSet{"typ": typJWT, "kid": issuers()[0].KeyID("RS256")}, claimSet{"iss": entraURL(tenant), "tid": tenant, "aud": entraAPI, "ver": "2.0", "azp": entraApp, "scp": "x", "uti": "u"})},
				)
				token, err := s.guard.Verify(t.Context(), entraToken(entraURL(tenant), tenant), bearerguard.Authenticated())
				if err != nil || token.Issuer() != entraURL(tenant) {
					t.Errorf("E-14 issuer %q, %v: a subject means nothing without its tenant", token.Issuer(), err)
				}
			}
			for _, tenant := range tc.refused {
				refuseForged(t, s, forged{"E-14 a tenant that is not ours: " + tenant, entraToken(entraURL(tenant), tenant)})
			}
		})
	}
}

// TestTenantsAreNotFetched shows that a tenant that is not ours costs a look-up and no fetch, before and after the first.
func TestTenantsAreNotFetched(t *testing.T) {
	port := newCanaryPort(t)
	for _, p := range []bearerguard.Profile{bearerguard.EntraV2(tenantA, tenantB), anyTenant(bearerguard.EntraV2())} {
		cfg := bearerguard.Config{Resource: resource, Audiences: []string{entraAPI}, Issuers: []bearerguard.Issuer{{URL: entraTemplate, JWKSURL: "http://" + port.address + "/keys", InsecureAllowHTTP: true, Profile: p}}}
		guard, err := bearerguard.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{
			entraToken(entraTemplate, "{tenantid}"), entraToken(entraURL(tenantA), tenantB), entraToken(entraURL(tenantA), nil), entraToken(entraURL("common"), tenantA), entraToken("https://evil.test/"+tenantA+"/v2.0", tenantA),
		} {
			if _, err := guard.Verify(t.Context(), token, bearerguard.Authenticated()); !errors.Is(err, bearerguard.ErrUnknownIssuer) {
				t.Errorf("E-13 E-14 %v", err)
			}
		}
		if !p.AnyTenant {
			if _, err := guard.Verify(t.Context(), entraToken(entraURL(tenantC), tenantC), bearerguard.Authenticated()); !errors.Is(err, bearerguard.ErrUnknownIssuer) {
				t.Errorf("E-13 E-14 %v", err)
			}
		}
		_ = guard.Close()
	}
	if n := port.calls.Load(); n != 0 {
		t.Errorf("E-13 %d fetches", n)
	}
}

// TestTenantTemplate is what New says about the URLs of issuers with tenants.
func TestTenantTemplate(t *testing.T) {
	const keys = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	v2 := bearerguard.EntraV2
	for _, tc := range []struct {
		name    string
		issuer  bearerguard.Issuer
		problem string // empty: none
	}{
		{"one tenant", bearerguard.Issuer{URL: entraURL(tenantA), Profile: v2(tenantA)}, ""},
		{"one tenant, version 1.0", bearerguard.Issuer{URL: "https://sts.windows.net/" + tenantA + "/", Profile: bearerguard.EntraV1(tenantA)}, ""},
		{"one tenant at the end", bearerguard.Issuer{URL: "https://login.example.com/" + tenantA, Profile: v2(tenantA)}, ""},
		{"a template with keys", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2(tenantA, tenantB)}, ""},
		{"a template, version 1.0", bearerguard.Issuer{URL: entraV1Template, JWKSURL: keys, Profile: bearerguard.EntraV1(tenantA, tenantB)}, ""},
		{"a template with a key set", bearerguard.Issuer{URL: entraTemplate, JWKS: issuers()[0].JWKS(), Profile: v2(tenantA)}, ""},
		{"a template for any tenant", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: anyTenant(v2())}, ""},
		{"an empty list, and any tenant", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: bearerguard.Profile{Tenants: []string{}, AnyTenant: true}}, ""},
		{"a template without keys", bearerguard.Issuer{URL: entraTemplate, Profile: v2(tenantA, tenantB)}, "JWKSURL"},
		{"any tenant without keys", bearerguard.Issuer{URL: entraTemplate, Profile: anyTenant(v2())}, "JWKSURL"},
		{"a template without tenants", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys}, "placeholder"},
		{"a template, and a profile of another provider", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: bearerguard.Auth0()}, "placeholder"},
		{"another placeholder", bearerguard.Issuer{URL: "https://sso.example.com/realms/{realm}", Profile: bearerguard.Keycloak("api")}, "placeholder"},
		{"another placeholder with tenants", bearerguard.Issuer{URL: "https://login.microsoftonline.com/{tid}/v2.0", JWKSURL: keys, Profile: v2(tenantA)}, "segment"},
		{"two placeholders", bearerguard.Issuer{URL: "https://login.microsoftonline.com/{tenantid}/{tenantid}", JWKSURL: keys, Profile: v2(tenantA)}, "segment"},
		{"a placeholder in a segment", bearerguard.Issuer{URL: "https://login.microsoftonline.com/x{tenantid}/v2.0", JWKSURL: keys, Profile: v2(tenantA)}, "segment"},
		{"a placeholder in the host", bearerguard.Issuer{URL: "https://{tenantid}.ciamlogin.com/v2.0", JWKSURL: keys, Profile: v2(tenantA)}, "https://{tenantid}"},
		{"half a placeholder", bearerguard.Issuer{URL: "https://login.microsoftonline.com/{tenantid/v2.0", JWKSURL: keys, Profile: v2(tenantA)}, "segment"},
		{"an escaped placeholder", bearerguard.Issuer{URL: "https://login.microsoftonline.com/%7Btenantid%7D/v2.0", JWKSURL: keys, Profile: v2(tenantA, tenantB)}, "is not of the tenant"},
		{"the URL of another tenant", bearerguard.Issuer{URL: entraURL(tenantB), Profile: v2(tenantA)}, "is not of the tenant"},
		{"the tenant in part of a segment", bearerguard.Issuer{URL: entraURL("x" + tenantA), Profile: v2(tenantA)}, "is not of the tenant"},
		{"the URL of one of two tenants", bearerguard.Issuer{URL: entraURL(tenantA), Profile: v2(tenantA, tenantB)}, "is not of the tenant"},
		{"common", bearerguard.Issuer{URL: entraURL("common"), Profile: v2(tenantA)}, "is not of the tenant"},
		{"a domain for the tenant", bearerguard.Issuer{URL: entraURL("contoso.onmicrosoft.com"), Profile: v2(tenantA)}, "is not of the tenant"},
		{"any tenant and one URL", bearerguard.Issuer{URL: entraURL(tenantA), Profile: anyTenant(v2())}, "is of one tenant"},
		{"any tenant and common", bearerguard.Issuer{URL: entraURL("common"), Profile: anyTenant(v2())}, "is of one tenant"},
		{"no tenants", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2()}, "Profile.Tenants is empty"},
		{"a tenant in capitals", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2(strings.ToUpper(tenantA))}, "no GUID"},
		{"a tenant that is a domain", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2("contoso.onmicrosoft.com")}, "no GUID"},
		{"an empty tenant", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2("")}, "no GUID"},
		{"common for a tenant", bearerguard.Issuer{URL: entraTemplate, JWKSURL: keys, Profile: v2(tenantA, "common")}, "no GUID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			guard, err := bearerguard.New(bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{tc.issuer}})
			if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%v, want %q", err, tc.problem)
			}
			if guard != nil {
				_ = guard.Close()
			}
		})
	}
}

// TestTenantsTwice gives one tenant to two issuers.
func TestTenantsTwice(t *testing.T) {
	jwks := issuers()[0].JWKS()
	listed := bearerguard.Issuer{URL: entraTemplate, JWKS: jwks, Profile: bearerguard.EntraV2(tenantA, tenantB)}
	single := bearerguard.Issuer{URL: entraURL(tenantB), JWKS: jwks, Profile: bearerguard.EntraV2(tenantB)}
	plain := bearerguard.Issuer{URL: entraURL(tenantA), JWKS: jwks}
	every := bearerguard.Issuer{URL: entraTemplate, JWKS: jwks, Profile: anyTenant(bearerguard.EntraV2())}
	for _, tc := range []struct {
		name    string
		issuers []bearerguard.Issuer
		good    bool
	}{
		{"a list and one of it", []bearerguard.Issuer{listed, single}, false},
		{"one and a list with it", []bearerguard.Issuer{single, listed}, false},
		{"a list and one of it under another profile", []bearerguard.Issuer{listed, plain}, false},
		{"one template twice", []bearerguard.Issuer{listed, every}, false},
		{"one tenant twice in a list", []bearerguard.Issuer{{URL: entraTemplate, JWKS: jwks, Profile: bearerguard.EntraV2(tenantA, tenantA)}}, true},
		{"two tenants, one by one", []bearerguard.Issuer{single, {URL: entraURL(tenantA), JWKS: jwks, Profile: bearerguard.EntraV2(tenantA)}}, true},
		{"all, and one with rules of its own", []bearerguard.Issuer{every, single}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := bearerguard.New(bearerguard.Config{Resource: resource, Issuers: tc.issuers}); (err == nil) != tc.good || err != nil && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "already") {
				t.Error(err)
			}
		})
	}
	t.Run("the rules of the one hold for it", func(t *testing.T) {
		own := single
		own.Audiences = []string{"api://own"}
		s := newService(t, func(cfg *bearerguard.Config) {
			cfg.Audiences, cfg.Issuers = []string{entraAPI}, []bearerguard.Issuer{every, own}
		})
		acceptForged(t, s, forged{"E-14 another tenant", entraToken(entraURL(tenantA), tenantA)}, forged{"E-14 the tenant with its audience", entraToken(entraURL(tenantB), tenantB, guardtest.Claims{"aud": "api://own"})})
		refuseForged(t, s, forged{"E-14 the tenant with the audience of the others", entraToken(entraURL(tenantB), tenantB)})
	})
}

// TestTenantMetadata shows that the template, which is nobody's identifier, is not published as one.
func TestTenantMetadata(t *testing.T) {
	for name, tc := range map[string]struct {
		profile bearerguard.Profile
		want    string
	}{
		"two tenants": {bearerguard.EntraV2(tenantA, tenantB), `"authorization_servers":["` + entraURL(tenantA) + `","` + entraURL(tenantB) + `","https://login.example.com"]`},
		"any tenant":  {anyTenant(bearerguard.EntraV2()), `"authorization_servers":["https://login.example.com"]`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := goodConfig()
			cfg.Issuers = append([]bearerguard.Issuer{{URL: entraTemplate, JWKS: issuers()[0].JWKS(), Profile: tc.profile}}, cfg.Issuers...)
			guard, err := bearerguard.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			guard.Metadata().ServeHTTP(w, guardtest.NewRequest("GET", guard.MetadataPath(), ""))
			if !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("R9728 %s, want %s", w.Body, tc.want)
			}
		})
	}
}
