package bearerguard_test

import (
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/guardtest"
)

// All validly signed, so that it is the header alone that refuses them.
func TestAttackHeaderExtensions(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	claims := forgePayload(ownURL)
	// with adds members to a header that is good without them.
	with := func(members string) string {
		return forgeSigned("RS256", k.rs, `{"typ":"at+jwt","alg":"RS256","kid":"rs"`+members+`}`, claims)
	}
	acceptForged(t, s,
		forged{"R7515-13 an unknown parameter", with(`,"foo":1`)},
		forged{"R7515-13 many unknown parameters of all types", with(`,"a":null,"b":[1,{}],"c":{"d":"e"},"mfa":true,"exp":9,"iss":"x","none":"alg"`)},
	)
	refuseForged(t, s,
		forged{"B-11 R7515-11 crit mfa", with(`,"crit":["mfa"],"mfa":1`)},
		forged{"B-11 R7515-11 crit exp", with(`,"crit":["exp"],"exp":9`)},
		forged{"B-11 crit first", forgeSigned("RS256", k.rs, `{"crit":["mfa"],"mfa":1,"typ":"at+jwt","alg":"RS256","kid":"rs"}`, claims)},
		forged{"B-11 crit escaped", with(`,"\u0063rit":["mfa"],"mfa":1`)},
		forged{"B-11 crit with a URI", with(`,"crit":["http://example.invalid/UNDEFINED"],"http://example.invalid/UNDEFINED":true`)},
		forged{"B-12 R7515-12 crit empty", with(`,"crit":[]`)},
		forged{"B-12 R7515-12 crit a string", with(`,"crit":"x","x":1`)},
		forged{"B-12 R7515-12 crit the string b64", with(`,"crit":"b64","b64":true`)},
		forged{"B-12 crit of numbers", with(`,"crit":[1]`)},
		forged{"B-12 crit null", with(`,"crit":null`)},
		forged{"B-12 crit an object", with(`,"crit":{"mfa":1},"mfa":1`)},
		forged{"B-12 crit false", with(`,"crit":false`)},
		forged{"B-12 R7515-12 crit alg", with(`,"crit":["alg"]`)},
		forged{"B-12 crit typ", with(`,"crit":["typ"]`)},
		forged{"B-12 R7515-12 crit twice the same", with(`,"crit":["x","x"],"x":1`)},
		forged{"B-12 R7515-12 crit that is not there", with(`,"crit":["x"]`)},
		forged{"B-12 crit of an empty name", with(`,"crit":[""],"":1`)},
		forged{"B-12 crit exp that is not there", with(`,"crit":["exp"]`)},
		forged{"B-13 R7797-01 b64 false, no crit", with(`,"b64":false`)},
		forged{"B-13 R7797-01 b64 false, crit", with(`,"b64":false,"crit":["b64"]`)},
		forged{"B-13 R7797-01 b64 true, crit", with(`,"b64":true,"crit":["b64"]`)},
		forged{"B-13 b64 true, no crit", with(`,"b64":true`)},
		forged{"B-13 b64 of a wrong type", with(`,"b64":"false"`)},
		forged{"B-16 zip DEF", with(`,"zip":"DEF"`)},
		forged{"B-16 zip of another kind", with(`,"zip":"GZIP"`)},
		forged{"B-16 zip null", with(`,"zip":null`)},
		forged{"B-14 R7515-05 alg twice, the good one last", forgeRS256(k.rs, `{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-14 R7515-05 alg twice, the good one first", with(`,"alg":"none"`)},
		forged{"B-14 alg twice the same", with(`,"alg":"RS256"`)},
		forged{"B-14 alg twice, once escaped", with(`,"\u0061lg":"none"`)},
		forged{"B-14 kid twice", with(`,"kid":"ps"`)},
		forged{"B-14 typ twice", with(`,"typ":"JWT"`)},
		forged{"B-14 crit twice", with(`,"crit":["x"],"x":1,"crit":[]`)},
		forged{"B-14 an unknown parameter twice", with(`,"foo":1,"foo":1`)},
		forged{"B-14 twice within an unknown parameter", with(`,"foo":{"a":1,"a":2}`)},
		forged{"B-15 R7515-06 ALG beside alg, before", forgeRS256(k.rs, `{"ALG":"none","alg":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 ALG beside alg, behind", with(`,"ALG":"none"`)},
		forged{"B-15 Kid beside kid", with(`,"Kid":"ps"`)},
		forged{"B-15 K sign beside kid", with(`,"\u212Aid":"ps"`)},
		forged{"B-15 TYP beside typ", with(`,"TYP":"JWT"`)},
		forged{"B-15 R7515-06 only ALG", forgeRS256(k.rs, `{"ALG":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 R7515-06 only Alg", forgeRS256(k.rs, `{"Alg":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 R7515-06 only al\\u0047", forgeRS256(k.rs, `{"al\u0047":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 only TYP", forgeRS256(k.rs, `{"alg":"RS256","TYP":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 only alg with NUL behind", forgeRS256(k.rs, `{"alg\u0000":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
	)
	// A foreign spelling on its own is just another name.
	acceptForged(t, s,
		forged{"B-15 R7515-06 escaped alg is alg", forgeRS256(k.rs, `{"\u0061lg":"RS256","typ":"at+jwt","kid":"rs"}`, claims)},
		forged{"B-15 only Kid: as without kid", forgeRS256(k.rs, `{"alg":"RS256","typ":"at+jwt","Kid":"ps"}`, claims)},
		forged{"B-15 only the K sign: as without kid", forgeRS256(k.rs, `{"alg":"RS256","typ":"at+jwt","\u212Aid":"ps"}`, claims)},
		forged{"B-15 CRIT is not crit", with(`,"CRIT":["mfa"]`)},
		forged{"B-15 Jwk is not jwk", with(`,"Jwk":1`)},
	)

	raw := func(header, payload string) string { // RFC 7797: the payload itself is what is signed
		input := forge64([]byte(header)) + "." + payload
		return input + "." + forge64(forgeSignature("RS256", k.rs, input))
	}
	unencoded := `{"typ":"at+jwt","alg":"RS256","kid":"rs","b64":false,"crit":["b64"]}`
	signedRaw, signedEncoded := raw(unencoded, claims), forgeInput(unencoded, claims)
	_, rawSignature := forgeCut(signedRaw)
	refuseForged(t, s, forged{"B-13 R7797-01 signed over the raw payload, sent encoded", signedEncoded + "." + forge64(rawSignature)})
	refuseForged(t, s, forged{"B-13 R7797-01 a raw payload that is a token68", raw(unencoded, "claims")})

	token := forgeOwn(nil, nil)
	input, signature := forgeCut(token)
	header, payload, _ := strings.Cut(input, ".")
	flat := `{"protected":"` + header + `","payload":"` + payload + `","signature":"` + forge64(signature) + `"}`
	general := `{"payload":"` + payload + `","signatures":[{"protected":"` + header + `","signature":"` + forge64(signature) + `"}]}`
	for _, row := range []forged{
		{"B-13 R7797-01 R8725-16 a raw payload", signedRaw},
		{"B-17 R7515-18 R8725-16 flattened JSON", flat},
		{"B-17 R7515-18 general JSON", general},
		{"B-17 R7515-18 an unprotected header", `{"header":{"alg":"none"},"payload":"` + payload + `","signature":""}`},
		{"B-17 R8725-16 a token in a JSON string", `"` + token + `"`},
		{"B-17 R8725-16 a token in a JSON object", `{"` + token + `":"x"}`},
		{"B-17 R8725-16 JSON around a token, with its dots", `{"` + header + `.":` + `"."` + `,"payload":"` + payload + `"}`},
		{"B-17 a token in a JSON array", `["` + token + `"]`},
	} {
		t.Run(row.name, func(t *testing.T) { s.get(t, badRq, "/any", row.token) })
	}
	refuseForged(t, s,
		forged{"B-17 R7515-18 flattened JSON in base64url", forge64([]byte(flat))},
		forged{"B-17 flattened JSON as the header", forge64([]byte(flat)) + "." + payload + "." + forge64(signature)},
		forged{"B-17 R8725-16 a token with ~ behind", token + "~"},
		forged{"B-17 R8725-16 a token with + in it", strings.Replace(token, ".", "+.", 1)},
		forged{"B-18 R7515-01 payload detached", header + ".." + forge64(signature)},
		forged{"B-18 payload detached, signature over nothing", header + ".." + forge64(forgeSignature("RS256", k.rs, header+"."))},
		forged{"B-18 payload detached, b64 false", forge64([]byte(unencoded)) + ".." + forge64(rawSignature)},
	)
}

func forgeRS256(key *rsa.PrivateKey, header, payload string) string {
	return forgeSigned("RS256", key, header, payload)
}

// Trust in a key ends with its issuer and with its use.
func TestAttackHeaderKeyOwner(t *testing.T) {
	const a, b = "https://a.example.com", "https://b.example.com"
	k := own()
	keyOf := func(public *rsa.PublicKey) guardtest.Claims {
		return guardtest.JWK(public, guardtest.Claims{"kid": "k1", "alg": "RS256", "use": "sig"})
	}
	s := newService(t, trustSet(a, keyOf(&k.rs.PublicKey)), trustSet(b, keyOf(&k.spare.PublicKey)))
	made := func(key *rsa.PrivateKey, iss string) string {
		return forgeSigned("RS256", key, forgeHeader("RS256", "k1"), forgePayload(iss))
	}
	acceptForged(t, s, forged{"B-19 the key of A for A", made(k.rs, a)}, forged{"B-19 the key of B for B", made(k.spare, b)})
	refuseForged(t, s,
		forged{"B-19 R8725-09 same kid, says A, by B", made(k.spare, a)},
		forged{"B-19 R8725-09 same kid, says B, by A", made(k.rs, b)},
		forged{"B-19 no kid, says A, by B", forgeSigned("RS256", k.spare, forgeHeader("RS256", "", guardtest.Claims{"kid": nil}), forgePayload(a))},
		forged{"B-19 says A in the payload and B in the header, by B", forgeSigned("RS256", k.spare, forgeHeader("RS256", "k1", guardtest.Claims{"iss": b}), forgePayload(a))},
	)

	// Only what is published for signatures may verify one.
	published := func(more guardtest.Claims) *service {
		return newService(t, trustOwn(guardtest.JWK(&k.spare.PublicKey, more)))
	}
	sign := func(kid string) string {
		return forgeSigned("RS256", k.spare, forgeHeader("RS256", kid), forgePayload(ownURL))
	}
	for _, row := range []struct {
		name string
		want answer
		more guardtest.Claims
	}{
		{"B-20 R7517-06 use enc", badTk, guardtest.Claims{"use": "enc"}},
		{"B-20 R7517-06 use enc, alg RS256", badTk, guardtest.Claims{"use": "enc", "alg": "RS256"}},
		{"B-20 use enc, alg RSA-OAEP-256", badTk, guardtest.Claims{"use": "enc", "alg": "RSA-OAEP-256"}},
		{"B-20 no use, alg RSA-OAEP-256", badTk, guardtest.Claims{"alg": "RSA-OAEP-256"}},
		{"B-20 R7517-06 use SIG", badTk, guardtest.Claims{"use": "SIG"}},
		{"B-20 use empty", badTk, guardtest.Claims{"use": ""}},
		{"B-20 use of a wrong type", badTk, guardtest.Claims{"use": []string{"sig"}}},
		{"B-20 R7517-07 key_ops encrypt", badTk, guardtest.Claims{"key_ops": []string{"encrypt"}}},
		{"B-20 R7517-07 use enc, key_ops verify", badTk, guardtest.Claims{"use": "enc", "key_ops": []string{"verify"}}},
		{"B-20 use sig, key_ops wrapKey", badTk, guardtest.Claims{"use": "sig", "key_ops": []string{"wrapKey"}}},
		{"B-20 use sig", ok200, guardtest.Claims{"use": "sig"}},
		{"B-20 use sig, key_ops verify", ok200, guardtest.Claims{"use": "sig", "key_ops": []string{"verify"}}},
		{"B-20 neither use nor key_ops", ok200, guardtest.Claims{}},
	} {
		row.more["kid"] = "spare"
		t.Run(row.name, func(t *testing.T) { published(row.more).get(t, row.want, "/any", sign("spare")) })
	}
}
