package bearerguard_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func TestAttackAlgorithmNone(t *testing.T) {
	s := newService(t, trustOwn())
	goodToken := forgeOwn(nil, nil)
	goodInput, goodSignature := forgeCut(goodToken)
	t.Run("R7518-11 the token that all others are forged from is good", func(t *testing.T) { s.get(t, ok200, "/any", goodToken) })

	unsigned := func(alg string) string { return forgeInput(forgeHeader(alg, "rs"), forgePayload(ownURL)) + "." }
	kept := func(alg string) string {
		_, payload, _ := strings.Cut(goodInput, ".")
		return forge64([]byte(forgeHeader(alg, "rs"))) + "." + payload + "." + forge64(goodSignature)
	}
	bare := forgeInput(`{"alg":"none"}`, forgePayload(ownURL))
	refuseForged(t, s,
		forged{"A-01 R7515-01 R7519-14 R9068-02 none, no signature", unsigned("none")},
		forged{"A-01 none, nothing else in the header", bare + "."},
		forged{"A-01 none, no last dot", bare},
		forged{"A-04 R7518-09 none, signature of a good token kept", kept("none")},
		forged{"A-04 none, a signature of one octet", unsigned("none") + "AA"},
		forged{"A-04 none, signature by a good key", forgeSigned("RS256", own().rs, forgeHeader("none", "rs"), forgePayload(ownURL))},
		forged{"A-05 signature stripped", goodInput + "."},
		forged{"A-05 signature and dot stripped", goodInput},
	)
	for _, alg := range []string{"None", "NONE", "nOnE", "noNe", "noNE", "nonE"} {
		refuseForged(t, s,
			forged{"A-02 R8725-03 R7518-09 " + alg + ", no signature", unsigned(alg)},
			forged{"A-02 R8725-03 R7518-09 " + alg + ", signature kept", kept(alg)},
		)
	}
	for name, alg := range map[string]string{
		"blank behind": `none `, "blank before": ` none`, "NUL behind": `none\u0000`, "Cyrillic o": `nоne`, "escaped": `n\u006fne`,
		"all escaped": `\u006e\u006f\u006e\u0065`, "tab behind": `none\t`, "zero width": `no\u200bne`,
	} {
		header := `{"typ":"at+jwt","kid":"rs","alg":"` + alg + `"}`
		refuseForged(t, s,
			forged{"A-03 R8725-03 none dressed, " + name + ", no signature", forgeInput(header, forgePayload(ownURL)) + "."},
			forged{"A-03 R8725-03 none dressed, " + name + ", signature by a good key", forgeSigned("RS256", own().rs, header, forgePayload(ownURL))},
		)
	}
}

// Every signature algorithm with every kind of rubbish for a signature.
func TestAttackAlgorithmGarbageSignature(t *testing.T) {
	s := newService(t)
	for _, alg := range allRS {
		token, other := s.iss.TokenWith(alg, nil, nil), s.iss.TokenWith(alg, nil, nil)
		input, signature := forgeCut(token)
		_, otherSignature := forgeCut(other)
		header, payload, _ := strings.Cut(input, ".")
		random, flipped := make([]byte, len(signature)), bytes.Clone(signature)
		_, _ = rand.Read(random)
		flipped[len(flipped)/2] ^= 1
		_, admin, _ := strings.Cut(forgeInput("", forgePayload(s.iss.URL(), guardtest.Claims{"sub": "root"})), ".")
		kid := s.iss.KeyID(alg)
		t.Run("A-06 "+alg+" unaltered", func(t *testing.T) { s.get(t, ok200, "/any", token) })
		refuseForged(t, s,
			forged{"A-06 " + alg + " random octets", forgeWith(token, random)},
			forged{"A-06 " + alg + " all zero", forgeWith(token, make([]byte, len(signature)))},
			forged{"A-06 " + alg + " all 0xff", forgeWith(token, bytes.Repeat([]byte{0xff}, len(signature)))},
			forged{"A-06 " + alg + " signature of another token", forgeWith(token, otherSignature)},
			forged{"A-06 R9068-06 " + alg + " one bit flipped", forgeWith(token, flipped)},
			forged{"A-06 R9068-06 " + alg + " payload exchanged", header + "." + admin + "." + forge64(signature)},
			forged{"A-06 " + alg + " header changed", forge64([]byte(forgeHeader(alg, kid, guardtest.Claims{"x": 1}))) + "." + payload + "." + forge64(signature)},
			forged{"A-06 " + alg + " one octet short", forgeWith(token, signature[1:])},
			forged{"A-06 " + alg + " one octet", forgeWith(token, []byte{0})},
			forged{"A-06 " + alg + " by the key of an issuer that is not trusted", s.other.TokenWith(alg, guardtest.Claims{"kid": kid}, guardtest.Claims{"iss": s.iss.URL()})},
			forged{"A-28 " + alg + " expired and a bad signature", forgeWith(s.iss.TokenWith(alg, nil, guardtest.Claims{"iat": 1600000000, "exp": 1600000300}), random)},
			forged{"A-28 " + alg + " not yet valid and a bad signature", forgeWith(s.iss.TokenWith(alg, nil, guardtest.Claims{"nbf": time.Now().Unix() + 250}), random)},
			forged{"A-28 " + alg + " a foreign audience and a bad signature", forgeWith(s.iss.TokenWith(alg, nil, guardtest.Claims{"aud": "x"}), random)},
			forged{"A-28 " + alg + " expired, else good", s.iss.TokenWith(alg, nil, guardtest.Claims{"iat": 1600000000, "exp": 1600000300})},
			forged{"A-28 " + alg + " expired and of another kind", s.iss.TokenWith(alg, guardtest.Claims{"typ": "JWT"}, guardtest.Claims{"iat": 1600000000, "exp": 1600000300})},
		)
	}
}

// publicForms are the texts in which a public key lies about, each of which somebody has taken for an HMAC key.
func publicForms(public crypto.PublicKey) []struct {
	name string
	key  []byte
} {
	var forms []struct {
		name string
		key  []byte
	}
	add := func(name string, key []byte) {
		forms = append(forms, struct {
			name string
			key  []byte
		}{name, key})
	}
	addDER := func(name, block string, der []byte) {
		text := string(pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}))
		add(name+" DER", der)
		add(name+" base64", []byte(base64.StdEncoding.EncodeToString(der)))
		add(name+" PEM", []byte(text))
		add(name+" PEM without final newline", []byte(strings.TrimSpace(text)))
		add(name+" PEM with CRLF", []byte(strings.ReplaceAll(text, "\n", "\r\n")))
		add(name+" PEM with leading blank", []byte(" "+text))
		add(name+" PEM with leading newline", []byte("\n"+text))
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	addDER("PKIX", "PUBLIC KEY", der)
	addJWK := func(more guardtest.Claims) {
		add("JWK "+forgeJSON(more), []byte(forgeJSON(guardtest.JWK(public, more))))
	}
	addJWK(guardtest.Claims{})
	switch public := public.(type) {
	case *rsa.PublicKey:
		addDER("PKCS1", "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(public))
		addJWK(guardtest.Claims{"kid": "rs", "alg": "RS256", "use": "sig"})
		add("raw n", public.N.Bytes())
		add("n in base64url", []byte(forge64(public.N.Bytes())))
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		addJWK(guardtest.Claims{"kid": "es256", "alg": "ES256", "use": "sig"})
		add("point", point)
		add("x", point[1:33])
		add("x and y", point[1:])
		add("point compressed", append([]byte{2 + point[64]&1}, point[1:33]...))
		add("OpenSSH", opensshForm("ecdsa-sha2-nistp256", "nistp256", string(point)))
	default:
		raw := der[len(der)-32:]
		add("raw", raw)
		add("OpenSSH", opensshForm("ssh-ed25519", string(raw)))
	}
	return forms
}

func opensshForm(kind string, parts ...string) []byte {
	var wire []byte
	for _, part := range append([]string{kind}, parts...) {
		wire = append(binary.BigEndian.AppendUint32(wire, uint32(len(part))), part...)
	}
	return []byte(kind + " " + base64.StdEncoding.EncodeToString(wire))
}

// A public key must never serve as a shared secret, whichever form of it the attacker takes, and however it is published.
func TestAttackAlgorithmConfusion(t *testing.T) {
	k := own()
	s := newService(t, trustOwn(guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "rs-bare"}), guardtest.JWK(&k.es256.PublicKey, guardtest.Claims{"kid": "es-bare"})))
	hmac := func(alg, kid string, key []byte) string {
		return forgeSigned(alg, key, forgeHeader(alg, kid), forgePayload(ownURL))
	}
	none := guardtest.Claims{"kid": nil}
	for _, form := range publicForms(&k.rs.PublicKey) {
		refuseForged(t, s,
			forged{"A-07 R8725-03 RS→HS confusion, " + form.name, hmac("HS256", "rs", form.key)},
			forged{"A-07 R7517-08 RS→HS confusion, a JWK without alg, " + form.name, hmac("HS256", "rs-bare", form.key)},
			forged{"A-07 RS→HS confusion, no kid, " + form.name, forgeSigned("HS256", form.key, forgeHeader("HS256", "", none), forgePayload(ownURL))},
			forged{"A-07 RS→HS384 confusion, " + form.name, hmac("HS384", "rs", form.key)},
			forged{"A-07 RS→HS512 confusion, " + form.name, hmac("HS512", "rs", form.key)},
			forged{"A-07 R8725-02 an HMAC that says RS256, " + form.name, forgeSigned("HS256", form.key, forgeHeader("RS256", "rs"), forgePayload(ownURL))},
		)
	}
	for _, form := range publicForms(&k.es256.PublicKey) {
		refuseForged(t, s,
			forged{"A-08 R8725-03 EC→HS confusion, " + form.name, hmac("HS256", "es256", form.key)},
			forged{"A-08 R7517-08 EC→HS confusion, a JWK without alg, " + form.name, hmac("HS256", "es-bare", form.key)},
			forged{"A-08 EC→HS512 confusion, " + form.name, hmac("HS512", "es256", form.key)},
		)
	}
	for _, form := range publicForms(k.ed.Public()) {
		refuseForged(t, s, forged{"A-08 R8725-03 Ed25519→HS confusion, " + form.name, hmac("HS256", "ed", form.key)})
	}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		refuseForged(t, s,
			forged{"A-09 empty key, " + alg, hmac(alg, "rs", []byte{})},
			forged{"A-09 empty key, a kid that is not there, " + alg, hmac(alg, "nobody", []byte{})},
			forged{"A-09 a key of 32 zeros, " + alg, hmac(alg, "rs", make([]byte, 32))},
		)
	}
}

func TestAttackAlgorithmSwap(t *testing.T) {
	k := own()
	all := trustOwn(guardtest.JWK(&k.spare.PublicKey, guardtest.Claims{"kid": "bare"}))
	s := newService(t, all)
	signed := func(method string, key any, alg, kid string) string {
		return forgeSigned(method, key, forgeHeader(alg, kid), forgePayload(ownURL))
	}
	acceptForged(t, s,
		forged{"A-10 PS256 by a PS256 key", signed("PS256", k.ps, "PS256", "ps")},
		forged{"R7517-08 RS256 by a key without alg, which is pinned to the first that fits", signed("RS256", k.spare, "RS256", "bare")},
	)
	refuseForged(t, s,
		forged{"A-10 made as RS256, says PS256, key of RS256", signed("RS256", k.rs, "PS256", "rs")},
		forged{"A-10 made as RS256, says PS256, key of PS256", signed("RS256", k.ps, "PS256", "ps")},
		forged{"A-10 made as PS256, says RS256, key of PS256", signed("PS256", k.ps, "RS256", "ps")},
		forged{"A-10 made as PS256, says RS256, key of RS256", signed("PS256", k.rs, "RS256", "rs")},
		forged{"A-10 R8725-02 good PS256 by a key of RS256", signed("PS256", k.rs, "PS256", "rs")},
		forged{"A-10 R8725-02 good RS256 by a key of PS256", signed("RS256", k.ps, "RS256", "ps")},
		forged{"A-10 R9864-03 good PS256 by a key without alg, which is pinned to RS256", signed("PS256", k.spare, "PS256", "bare")},
	)
	for _, alg := range []string{"RS384", "RS512", "PS384", "PS512"} {
		refuseForged(t, s,
			forged{"A-11 R8725-01 good " + alg + " outside of the allow-list", signed(alg, k.rs, alg, "rs")},
			forged{"A-11 R8725-01 good " + alg + " outside of the allow-list, key without alg", signed(alg, k.spare, alg, "bare")},
			forged{"A-11 R7515-16 made as " + alg + ", says RS256", signed(alg, k.rs, "RS256", "rs")},
		)
	}
	wide := newService(t, all, func(cfg *bearerguard.Config) {
		cfg.Issuers[1].Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	})
	for _, alg := range []string{"RS384", "RS512", "PS256", "PS384", "PS512"} {
		refuseForged(t, wide,
			forged{"A-11 R8725-02 good " + alg + " in the allow-list, by a key of RS256", signed(alg, k.rs, alg, "rs")},
			forged{"A-11 R9864-03 good " + alg + " in the allow-list, by a key without alg that is pinned to RS256", signed(alg, k.spare, alg, "bare")},
		)
	}

	// Unknown and misspelt names, all signed by the key that the kid names.
	for _, alg := range []string{
		`"HS257"`, `"foo"`, `"RS256K"`, `"RS25"`, `"ES256K"`, `"RS1"`, `"Ed448"`, `"ML-DSA-44"`, `"dir"`, `""`, `5`, `null`, `["RS256"]`, `{"RS256":1}`, `true`,
	} {
		refuseForged(t, s, forged{"A-12 R7515-07 unknown alg " + alg, forgeSigned("RS256", k.rs, `{"typ":"at+jwt","kid":"rs","alg":`+alg+`}`, forgePayload(ownURL))})
	}
	refuseForged(t, s, forged{"A-12 R7515-07 no alg", forgeOwn(guardtest.Claims{"alg": nil}, nil)})
	for _, alg := range []string{"rs256", "Rs256", "rS256", "RS256 ", " RS256", "RS256\x00", "ＲＳ256", "RS256,none", "SHA256withRSA"} {
		refuseForged(t, s, forged{"A-13 R7515-07 R8725-03 misspelt alg " + forgeJSON(alg), forgeOwn(guardtest.Claims{"alg": alg}, nil)})
	}
	refuseForged(t, s, forged{"A-13 misspelt es256", signed("ES256", k.es256, "es256", "es256")}, forged{"A-13 misspelt ed25519", signed("EdDSA", k.ed, "ed25519", "ed")}, forged{"A-13 misspelt EDDSA", signed("EdDSA", k.ed, "EDDSA", "ed")})
}

// What is encrypted, or holds another token, is refused by its looks: nothing is decrypted, no key is derived.
func TestAttackAlgorithmEnvelopes(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	contentKey := make([]byte, 32)
	oaep, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.rs.PublicKey, contentKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := forgeInput(`{"alg":"none"}`, forgePayload(ownURL)) + "."
	nested := forgeOwn(nil, nil)
	jwe := func(header guardtest.Claims, wrapped []byte, plaintext string) string {
		header["enc"] = "A256GCM"
		return forgeJWE(header, contentKey, wrapped, plaintext)
	}
	started := time.Now()
	refuseForged(t, s,
		forged{"A-14 R8725-05 R9068-08 forged claims encrypted to the public key", jwe(guardtest.Claims{"alg": "RSA-OAEP-256", "kid": "rs", "typ": "at+jwt"}, oaep, forgePayload(ownURL))},
		forged{"A-14 R8725-05 a good token encrypted to the public key", jwe(guardtest.Claims{"alg": "RSA-OAEP-256", "kid": "rs", "cty": "JWT"}, oaep, nested)},
		forged{"A-14 R7515-01 alg dir, no wrapped key", jwe(guardtest.Claims{"alg": "dir", "kid": "rs", "typ": "at+jwt"}, nil, forgePayload(ownURL))},
		forged{"A-14 a JWE that says RS256", jwe(guardtest.Claims{"alg": "RS256", "kid": "rs", "typ": "at+jwt"}, oaep, forgePayload(ownURL))},
		forged{"A-14 RSA1_5", jwe(guardtest.Claims{"alg": "RSA1_5", "kid": "rs", "typ": "at+jwt"}, oaep, forgePayload(ownURL))},
		forged{"A-15 R8725-05 an unsigned token encrypted to the public key", jwe(guardtest.Claims{"alg": "RSA-OAEP-256", "kid": "rs", "cty": "JWT"}, oaep, plain)},
		forged{"A-15 an unsigned token in a JWE without cty", jwe(guardtest.Claims{"alg": "RSA-OAEP-256", "kid": "rs"}, oaep, plain)},
		forged{"A-17 R8725-17 PBES2 with two thousand million rounds", jwe(guardtest.Claims{"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "p2s": "AAAAAAAAAAAAAAAAAAAAAA"}, make([]byte, 40), forgePayload(ownURL))},
		forged{"A-17 R8725-17 PBES2 as alg of three parts", forgeOwn(guardtest.Claims{"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "p2s": "AA"}, nil)},
		forged{"A-16 R7519-13 a signed token as payload, cty JWT", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs", guardtest.Claims{"cty": "JWT"}), nested)},
		forged{"A-16 a signed token as payload, no cty", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs"), nested)},
		forged{"A-16 a signed token as payload, as a JSON string", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs"), `"`+nested+`"`)},
		forged{"A-16 R7519-13 an unsigned token as payload, cty JWT", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs", guardtest.Claims{"cty": "JWT"}), plain)},
		forged{"A-16 an unsigned token as payload, no cty", forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs"), plain)},
		forged{"A-16 R7519-13 claims as payload, cty JWT", forgeOwn(guardtest.Claims{"cty": "JWT"}, nil)},
		forged{"A-16 R7519-13 claims as payload, cty jwt", forgeOwn(guardtest.Claims{"cty": "jwt"}, nil)},
		forged{"A-16 R7519-13 claims as payload, cty application/JWT", forgeOwn(guardtest.Claims{"cty": "application/JWT"}, nil)},
		forged{"A-16 cty of a wrong type", forgeOwn(guardtest.Claims{"cty": []string{"JWT"}}, nil)},
	)
	if spent := time.Since(started); spent > 10*time.Second {
		t.Errorf("A-17: %v for a few tokens", spent)
	}
}
