package bearerguard_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// What RFC 7515 says of the compact form and of the header, where no attack has been named after it.
func TestRFC7515(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	token := forgeOwn(nil, nil)
	input, signature := forgeCut(token)
	header, payload, _ := strings.Cut(input, ".")
	last := forge64(signature)
	parts := func(parts ...string) string { return strings.Join(parts, ".") }
	acceptForged(t, s, forged{"R7515-01 three parts", parts(header, payload, last)})
	refuseForged(t, s,
		forged{"R7515-01 one part", header}, forged{"R7515-01 two parts", parts(header, payload)}, forged{"R7515-01 four parts", parts(header, payload, last, last)},
		forged{"R7515-01 five parts", parts(header, "", "", payload, last)}, forged{"R7515-01 six parts", parts(header, payload, last, header, payload, last)},
		forged{"R7515-01 empty header", parts("", payload, last)}, forged{"R7515-01 empty payload", parts(header, "", last)}, forged{"R7515-01 empty signature", parts(header, payload, "")},
		forged{"R7515-01 two dots alone", ".."}, forged{"R7515-01 a dot before", "." + token}, forged{"R7515-01 a dot behind", token + "."},
		forged{"R7515-02 padding behind the token", token + "="}, forged{"R7515-02 padding behind the signature", token + "=="},
		forged{"R7515-03 set bits behind the signature", parts(header, payload, last[:len(last)-1]+nextSextet(last))},
	)
	for _, blanks := range []string{"", " ", "  "} { // signed over the very text that is sent, with bits set that carry no octet
		h, p := forge64([]byte(forgeHeader("RS256", "rs")+blanks)), forge64([]byte(forgePayload(ownURL)+blanks))
		for name, input := range map[string]string{"header": h[:len(h)-1] + nextSextet(h) + "." + p, "payload": h + "." + p[:len(p)-1] + nextSextet(p)} {
			if before := h + "." + p; input != before && (name == "header" && len(h)%4 != 0 || name == "payload" && len(p)%4 != 0) {
				refuseForged(t, s, forged{fmt.Sprintf("R7515-03 set bits behind the %s, %d blanks", name, len(blanks)), input + "." + forge64(forgeSignature("RS256", k.rs, input))})
			}
		}
	}
	// In each of the three parts, each character that some decoder lets pass.
	for _, where := range []struct {
		name string
		with func(string) string
	}{
		{"header", func(c string) string { return parts(header[:8]+c+header[8:], payload, last) }},
		{"payload", func(c string) string { return parts(header, payload[:8]+c+payload[8:], last) }},
		{"signature", func(c string) string { return parts(header, payload, last[:8]+c+last[8:]) }},
		{"start", func(c string) string { return parts(c+header, payload, last) }},
		{"end of the header", func(c string) string { return parts(header+c, payload, last) }},
		{"end of the payload", func(c string) string { return parts(header, payload+c, last) }},
	} {
		for _, c := range []string{"+", "/", "~", "A", "AAAA"} {
			refuseForged(t, s, forged{"R7515-02 R8725-16 " + c + " in the " + where.name, where.with(c)})
		}
		for _, c := range []string{"=", "x x", "?", "%3D", `"`, "{", "\t", "!", "ä", "\xff"} {
			t.Run(fmt.Sprintf("R7515-02 R8725-16 %q in the %s", c, where.name), func(t *testing.T) { s.get(t, badRq, "/any", where.with(c)) })
		}
	}

	signed := func(header, payload string) string { return forgeSigned("RS256", k.rs, header, payload) }
	goodHeader, goodPayload := forgeHeader("RS256", "rs"), forgePayload(ownURL)
	acceptForged(t, s,
		forged{"R7515-15 odd white space in the header", signed(" {\r\n \"alg\" : \"RS256\",\t\"kid\":\"rs\" , \"typ\":\"at+jwt\"}\n ", goodPayload)},
		forged{"R7515-15 odd white space in the payload", signed(goodHeader, " "+strings.ReplaceAll(goodPayload, ",", " ,\n"))},
		forged{"R7515-15 escapes in the payload", signed(goodHeader, strings.ReplaceAll(goodPayload, "alice", `\u0061lice`))},
		forged{"R7515-14 typ in capitals", signed(forgeHeader("RS256", "rs", guardtest.Claims{"typ": "AT+JWT"}), goodPayload)},
	)
	for name, text := range map[string]string{
		"data behind": goodHeader + "x", "a second object behind": goodHeader + "{}", "byte order mark": "\ufeff" + goodHeader, "invalid UTF-8": strings.Replace(goodHeader, "rs", "r\xff", 1),
		"array": "[" + goodHeader + "]", "empty array": "[]", "null": "null", "string": `"RS256"`, "number": "5", "comment": strings.Replace(goodHeader, "{", "{/**/", 1), "trailing comma": strings.Replace(goodHeader, "}", ",}", 1),
		"empty object": "{}", "unquoted name": `{alg:"RS256","kid":"rs","typ":"at+jwt"}`, "single quotes": strings.ReplaceAll(goodHeader, `"`, "'"), "not closed": strings.TrimSuffix(goodHeader, "}"), "NUL behind": goodHeader + "\x00",
		"raw newline in a string": strings.Replace(goodHeader, "rs", "r\ns", 1), "overlong UTF-8": strings.Replace(goodHeader, "rs", "\xc1\xb2s", 1), "nested 17 deep": strings.Replace(goodHeader, "{", `{"x":`+strings.Repeat("[", 17)+strings.Repeat("]", 17)+",", 1),
	} {
		refuseForged(t, s, forged{"R7515-04 R8725-08 header, " + name, signed(text, goodPayload)})
	}
	wide := func(text string, high bool) string {
		var out bytes.Buffer
		for _, unit := range utf16.Encode([]rune(text)) {
			if high {
				out.WriteByte(byte(unit >> 8))
			}
			out.WriteByte(byte(unit))
			if !high {
				out.WriteByte(byte(unit >> 8))
			}
		}
		return out.String()
	}
	refuseForged(t, s,
		forged{"R8725-08 payload in UTF-16BE", signed(goodHeader, wide(goodPayload, true))}, forged{"R8725-08 payload in UTF-16LE", signed(goodHeader, wide(goodPayload, false))},
		forged{"R8725-08 payload in UTF-16 with byte order mark", signed(goodHeader, "\xfe\xff"+wide(goodPayload, true))}, forged{"R8725-08 payload with byte order mark", signed(goodHeader, "\ufeff"+goodPayload)},
		forged{"R8725-08 header in UTF-16", signed(wide(goodHeader, true), goodPayload)}, forged{"R8725-08 payload in Latin-1", signed(goodHeader, strings.Replace(goodPayload, "alice", "\xe4", 1))},
		forged{"R8725-08 an overlong slash", signed(goodHeader, strings.Replace(goodPayload, "alice", "\xc0\xaf", 1))}, forged{"R8725-08 a surrogate in UTF-8", signed(goodHeader, strings.Replace(goodPayload, "alice", "\xed\xa0\x80", 1))},
	)
}

// nextSextet is the last character of a text with one bit set that carries no octet.
func nextSextet(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, text[len(text)-1])|1])
}

// A key that RFC 7518 or RFC 8037 does not allow verifies nothing, and costs the good keys beside it nothing.
func TestRFC7518Keys(t *testing.T) {
	k := own()
	b64 := func(n *big.Int) string { return forge64(n.Bytes()) }
	n, e := k.spare.N, big.NewInt(int64(k.spare.E))
	weak := func(bits, e int64) *rsa.PrivateKey { // crypto/rsa would not make such a key
		one, exponent := big.NewInt(1), big.NewInt(e)
		for {
			p, err := rand.Prime(rand.Reader, int(bits/2))
			if err != nil {
				t.Fatal(err)
			}
			q, err := rand.Prime(rand.Reader, int(bits-bits/2))
			if err != nil {
				t.Fatal(err)
			}
			n, phi := new(big.Int).Mul(p, q), new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
			if d := new(big.Int).ModInverse(exponent, phi); d != nil && n.BitLen() == int(bits) {
				return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e)}, D: d}
			}
		}
	}
	bareRS := func(key *rsa.PrivateKey) string { // crypto/rsa would not sign with such a key
		input := forgeInput(forgeHeader("RS256", "odd"), forgePayload(ownURL))
		block := pkcs1Block(input, (key.N.BitLen()+7)/8)
		return input + "." + forge64(new(big.Int).Exp(new(big.Int).SetBytes(block), key.D, key.N).FillBytes(make([]byte, len(block))))
	}
	byRS := forgeSigned("RS256", k.spare, forgeHeader("RS256", "odd"), forgePayload(ownURL))
	byES := forgeSigned("ES256", k.es256, forgeHeader("ES256", "odd"), forgePayload(ownURL))
	byEd := forgeSigned("EdDSA", k.spareEd, forgeHeader("EdDSA", "odd"), forgePayload(ownURL))
	point, err := k.es256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y, offCurve := point[1:33], point[33:], bytes.Clone(point[33:])
	offCurve[31] ^= 1
	rsaKey := func(n, e string, more ...string) guardtest.Claims {
		key := guardtest.Claims{"kty": "RSA", "kid": "odd", "n": n, "e": e}
		for i := 0; i < len(more); i += 2 {
			key[more[i]] = more[i+1]
		}
		return key
	}
	ecKey := func(crv string, x, y any) guardtest.Claims {
		return guardtest.Claims{"kty": "EC", "kid": "odd", "crv": crv, "x": x, "y": y}
	}
	okpKey := func(more guardtest.Claims) guardtest.Claims {
		return guardtest.JWK(k.spareEd.Public(), more)
	}
	w1024, w2047, w3 := weak(1024, 65537), weak(2047, 65537), weak(2048, 3)
	for _, row := range []struct {
		name  string
		want  answer
		key   guardtest.Claims
		token string
	}{
		{"R7518-01 RSA 1024", badTk, rsaKey(b64(w1024.N), b64(e)), bareRS(w1024)},
		{"R7518-01 RSA 2047", badTk, rsaKey(b64(w2047.N), b64(e)), bareRS(w2047)},
		{"R7518-01 RSA 2048", ok200, rsaKey(b64(n), b64(e)), byRS},
		{"R7518-02 e=0", badTk, rsaKey(b64(n), "AA"), byRS}, {"R7518-02 e empty", badTk, rsaKey(b64(n), ""), byRS}, {"R7518-02 e=1", badTk, rsaKey(b64(n), "AQ"), forgeInput(forgeHeader("RS256", "odd"), forgePayload(ownURL))},
		{"R7518-02 e=2", badTk, rsaKey(b64(n), "Ag"), byRS}, {"R7518-02 e=3", badTk, rsaKey(b64(w3.N), "Aw"), bareRS(w3)}, {"R7518-02 e=65536", badTk, rsaKey(b64(n), "AQAA"), byRS}, {"R7518-02 e=2^32+65537", badTk, rsaKey(b64(n), "AQABAAE"), byRS},
		{"R7518-02 e=2^64+65537", badTk, rsaKey(b64(n), "AQAAAAAAAQAB"), byRS}, {"R7518-02 e with a leading zero", badTk, rsaKey(b64(n), "AAEAAQ"), byRS}, {"R7518-02 e with padding", badTk, rsaKey(b64(n), "AQAB="), byRS}, {"R7518-02 e a number", badTk, guardtest.Claims{"kty": "RSA", "kid": "odd", "n": b64(n), "e": 65537}, byRS},
		{"R7518-02 n even", badTk, rsaKey(b64(new(big.Int).Add(n, big.NewInt(1))), b64(e)), byRS}, {"R7518-02 n with a leading zero", badTk, rsaKey(forge64(append([]byte{0}, n.Bytes()...)), b64(e)), byRS}, {"R7518-02 n in hexadecimal", badTk, rsaKey(n.Text(16), b64(e)), byRS},
		{"R7518-05 EC of full length", ok200, ecKey("P-256", forge64(x), forge64(y)), byES},
		{"R7518-05 x one octet short", badTk, ecKey("P-256", forge64(x[1:]), forge64(y)), byES}, {"R7518-05 x one octet long", badTk, ecKey("P-256", forge64(append([]byte{0}, x...)), forge64(y)), byES},
		{"R7518-05 a point off the curve", badTk, ecKey("P-256", forge64(x), forge64(offCurve)), byES}, {"R7518-05 the point at infinity", badTk, ecKey("P-256", forge64(make([]byte, 32)), forge64(make([]byte, 32))), byES},
		{"R7518-05 a compressed point", badTk, ecKey("P-256", forge64(append([]byte{2 + y[31]&1}, x...)), nullClaim{}), byES}, {"R7518-05 no y", badTk, guardtest.Claims{"kty": "EC", "kid": "odd", "crv": "P-256", "x": forge64(x)}, byES}, {"R7518-05 y true", badTk, ecKey("P-256", forge64(x), true), byES},
		{"R7518-04 a point of P-256 published as P-384", badTk, ecKey("P-384", forge64(x), forge64(y)), byES}, {"R7518-04 crv p-256", badTk, ecKey("p-256", forge64(x), forge64(y)), byES}, {"R7518-04 crv secp256k1", badTk, ecKey("secp256k1", forge64(x), forge64(y)), byES},
		{"R8037-01 Ed25519", ok200, okpKey(guardtest.Claims{"kid": "odd"}), byEd}, {"R8037-01 no crv", badTk, okpKey(guardtest.Claims{"kid": "odd", "crv": nil}), byEd}, {"R8037-01 no x", badTk, okpKey(guardtest.Claims{"kid": "odd", "x": nil}), byEd}, {"R8037-01 no kty", badTk, okpKey(guardtest.Claims{"kid": "odd", "kty": nil}), byEd},
		{"R8037-01 with d", badTk, okpKey(guardtest.Claims{"kid": "odd", "d": forge64(k.spareEd.Seed())}), byEd}, {"R8037-01 kty EC", badTk, okpKey(guardtest.Claims{"kid": "odd", "kty": "EC"}), byEd}, {"R8037-02 x of 31 octets", badTk, okpKey(guardtest.Claims{"kid": "odd", "x": forge64(make([]byte, 31))}), byEd},
		{"R8037-02 x of 57 octets", badTk, okpKey(guardtest.Claims{"kid": "odd", "x": forge64(make([]byte, 57))}), byEd}, {"R8037-03 X25519", badTk, okpKey(guardtest.Claims{"kid": "odd", "crv": "X25519"}), byEd}, {"R8037-03 X448", badTk, okpKey(guardtest.Claims{"kid": "odd", "crv": "X448"}), byEd},
		{"R8037-02 R9864-02 Ed25519 as Ed448", badTk, okpKey(guardtest.Claims{"kid": "odd", "alg": "Ed448"}), byEd}, {"R9864-02 JWK says Ed25519, token EdDSA", ok200, okpKey(guardtest.Claims{"kid": "odd", "alg": "Ed25519"}), byEd},
		{"R9864-02 JWK says EdDSA, token Ed25519", ok200, okpKey(guardtest.Claims{"kid": "odd", "alg": "EdDSA"}), forgeSigned("EdDSA", k.spareEd, forgeHeader("Ed25519", "odd"), forgePayload(ownURL))},
		{"R9864-03 R8725-02 JWK says PS256, token RS256", badTk, rsaKey(b64(n), b64(e), "alg", "PS256"), byRS}, {"R8725-02 JWK says rs256", badTk, rsaKey(b64(n), b64(e), "alg", "rs256"), byRS}, {"R8725-02 JWK says none", badTk, rsaKey(b64(n), b64(e), "alg", "none"), byRS},
		{"R7518-10 R7517-12 an oct key and HS256", badTk, guardtest.Claims{"kty": "oct", "kid": "odd", "alg": "HS256", "k": forge64([]byte("0123456789abcdef0123456789abcdef"))}, forgeSigned("HS256", []byte("0123456789abcdef0123456789abcdef"), forgeHeader("HS256", "odd"), forgePayload(ownURL))},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newService(t, trustOwn(row.key))
			if strings.Count(row.token, ".") == 1 { // e=1: the signature is the encoding itself
				row.token += "." + forge64(pkcs1Block(row.token, 256))
			}
			s.get(t, row.want, "/any", row.token)
			s.get(t, ok200, "/any", forgeOwn(nil, nil))
		})
	}
}

func pkcs1Block(input string, size int) []byte {
	info := []byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
	digest := sha256.Sum256([]byte(input))
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info)-len(digest))...)
	return slices.Concat(block, []byte{0}, info, digest[:])
}

// What the configuration must not allow, and what is allowed to one issuer only.
func TestRFC8725Algorithms(t *testing.T) {
	k := own()
	keys := []byte(forgeJSON(guardtest.Claims{"keys": []guardtest.Claims{k.rsJWK, k.esJWK}}))
	for _, algorithms := range [][]string{{"none"}, {"None"}, {"HS256"}, {"HS384"}, {"HS512"}, {"RS256", "HS256"}, {"RS256", "none"}, {""}, {"RS256", ""}, {"rs256"}, {"*"}, {"ES256K"}, {"Ed448"}, {"RSA-OAEP-256"}, {"dir"}} {
		t.Run(fmt.Sprintf("R8725-01 R7518-09 R7518-10 Algorithms %q", algorithms), func(t *testing.T) {
			_, err := bearerguard.New(bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{{URL: ownURL, JWKS: keys, Algorithms: algorithms}}})
			if err == nil || !strings.Contains(err.Error(), "Algorithms") {
				t.Errorf("%v", err)
			}
		})
	}
	const a, b = "https://a.example.com", "https://b.example.com"
	s := newService(t, func(cfg *bearerguard.Config) {
		cfg.Issuers = []bearerguard.Issuer{{URL: a, JWKS: keys, Algorithms: []string{"RS256"}}, {URL: b, JWKS: keys, Algorithms: []string{"ES256"}}}
	})
	rs := func(iss string) string {
		return forgeSigned("RS256", k.rs, forgeHeader("RS256", "rs"), forgePayload(iss))
	}
	es := func(iss string) string {
		return forgeSigned("ES256", k.es256, forgeHeader("ES256", "es256"), forgePayload(iss))
	}
	acceptForged(t, s, forged{"R8725-04 RS256 where it is allowed", rs(a)}, forged{"R8725-04 ES256 where it is allowed", es(b)})
	refuseForged(t, s, forged{"R8725-04 ES256 where RS256 is allowed", es(a)}, forged{"R8725-04 RS256 where ES256 is allowed", rs(b)},
		forged{"R8725-01 RS384 where RS256 is allowed", forgeSigned("RS384", k.rs, forgeHeader("RS384", "rs"), forgePayload(a))})
	none := newService(t, func(cfg *bearerguard.Config) {
		cfg.Issuers = append(cfg.Issuers, bearerguard.Issuer{URL: ownURL, JWKS: keys, Algorithms: []string{}})
	})
	refuseForged(t, none, forged{"R8725-01 an empty list is the default list, not all", forgeSigned("RS384", k.rs, forgeHeader("RS384", "rs"), forgePayload(ownURL))})
	for listed, other := range map[string]string{"EdDSA": "Ed25519", "Ed25519": "EdDSA"} {
		one := newService(t, trustOwn(), func(cfg *bearerguard.Config) { cfg.Issuers[1].Algorithms = []string{"RS256", listed} })
		by := func(alg string) string {
			return forgeSigned("EdDSA", k.ed, forgeHeader(alg, "ed"), forgePayload(ownURL))
		}
		acceptForged(t, one, forged{"R9864-02 R8725-01 " + listed + " where it is listed", by(listed)})
		refuseForged(t, one, forged{"R9864-02 R8725-01 " + other + " where only " + listed + " is listed", by(other)})
	}
	// A name that is not listed is refused for itself: no key is looked up, so none is fetched for it.
	watched, _, watch := newWatched(t, func(cfg *bearerguard.Config) { cfg.Issuers[0].RefreshCooldown = time.Nanosecond })
	fetched := watch.own
	for _, alg := range []string{"none", "HS256", "RS384", "foo"} {
		refuseForged(t, watched, forged{"R8725-01 " + alg + " provokes no fetch", watched.iss.TokenWith("RS256", guardtest.Claims{"alg": alg, "kid": "nobody"}, nil)})
	}
	if watch.mu.Lock(); watch.own != fetched {
		t.Errorf("R8725-01: %d fetches", watch.own-fetched)
	}
	watch.mu.Unlock()
	defaults := newService(t, trustOwn())
	for _, row := range []struct{ alg, kid string }{{"RS256", "rs"}, {"PS256", "ps"}, {"ES256", "es256"}, {"ES384", "es384"}, {"ES512", "es512"}, {"EdDSA", "ed"}, {"Ed25519", "ed"}} {
		key := map[string]any{"rs": k.rs, "ps": k.ps, "es256": k.es256, "es384": k.es384, "es512": k.es512, "ed": k.ed}[row.kid]
		acceptForged(t, defaults, forged{"R7518-11 R9864-01 " + row.alg + " by default", forgeSigned(row.alg, key, forgeHeader(row.alg, row.kid), forgePayload(ownURL))})
	}
}

// A discovered address may not lead to where only we can go.
func TestRFC8725Fetches(t *testing.T) {
	port := newCanaryPort(t)
	for _, target := range []string{"https://" + port.address + "/jwks", "https://169.254.169.254/jwks", "http://169.254.169.254/jwks", "https://[::1]:1/jwks", "https://10.0.0.1/jwks", "https://0.0.0.0:1/jwks", "file:///etc/passwd", "https://[::ffff:127.0.0.1]:1/jwks"} {
		t.Run("R8725-12 discovered jwks_uri "+strings.ReplaceAll(target, port.address, "canary"), func(t *testing.T) {
			var metadata http.HandlerFunc
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { metadata(w, r) }))
			defer server.Close()
			metadata = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, forgeJSON(guardtest.Claims{"issuer": server.URL, "jwks_uri": target}))
			}
			s := newService(t, func(cfg *bearerguard.Config) {
				cfg.Issuers = append(cfg.Issuers, bearerguard.Issuer{URL: server.URL, InsecureAllowHTTP: true})
			})
			started := time.Now()
			s.get(t, ourFt, "/any", forgeSigned("RS256", own().rs, forgeHeader("RS256", "rs"), forgePayload(server.URL)))
			if port.calls.Load() != 0 || time.Since(started) > 5*time.Second {
				t.Errorf("%d connections, %v", port.calls.Load(), time.Since(started))
			}
		})
	}
}
