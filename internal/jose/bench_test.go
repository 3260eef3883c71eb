package jose_test

import (
	"encoding/base64"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

const sampleClaims = `{"iss":"https://login.example.com","aud":"https://api.example.com","sub":"5ba552d67","client_id":"s6BhdRkqt3","exp":1893456000,"iat":1693452400,"nbf":1693452400,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","scope":"items:read items:write admin:reset","roles":["admin","auditor"],"acr":"urn:mace:incommon:iap:silver","auth_time":1693452000,"org_id":"org_1234567890","email":"someone@example.com","realm_access":{"roles":["a","b"]}}`

func BenchmarkParse(b *testing.B) {
	e := base64.RawURLEncoding
	sig := make([]byte, 256)
	token := e.EncodeToString([]byte(`{"typ":"at+jwt","alg":"RS256","kid":"2026-01"}`)) + "." + e.EncodeToString([]byte(sampleClaims)) + "." + e.EncodeToString(sig)
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.Parse(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("claims", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.ParseObject(sampleClaims); err != nil {
				b.Fatal(err)
			}
		}
	})
}
