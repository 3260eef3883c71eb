package bearerguard_test

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func zipped(document string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(document))
	_ = w.Close()
	return b.String()
}

// hostileKey is a key that must not be loaded, with a signer under whose tokens it would verify, if there can be one.
type hostileKey struct {
	name, jwk, alg string
	sign           func(input string) []byte
}

// published is the text of a JWK with kid "bad".
func published(base guardtest.Claims, more ...guardtest.Claims) string {
	return forgeMerge(guardtest.Claims{"kid": "bad", "use": "sig"}, append([]guardtest.Claims{base}, more...))
}

func signedBy(method string, key any) func(string) []byte {
	return func(input string) []byte { return forgeSignature(method, key, input) }
}

func signedByNobody(size int) func(string) []byte {
	return func(string) []byte { return bytes.Repeat([]byte{1}, size) }
}

// looseRSA is an RSA key as crypto/rsa makes none.
type looseRSA struct{ p, q, n *big.Int }

func makeLoose(p, q *big.Int) looseRSA { return looseRSA{p, q, new(big.Int).Mul(p, q)} }

// newLoose makes a modulus of exactly so many bits, for which 3 and 65537 are good exponents.
func newLoose(bits int) looseRSA {
	prime := func(bits int) *big.Int {
		for {
			p, err := rand.Prime(rand.Reader, bits)
			if err != nil {
				panic(err)
			}
			m := new(big.Int).Sub(p, big.NewInt(1))
			if new(big.Int).GCD(nil, nil, m, big.NewInt(3*65537)).Int64() == 1 {
				return p
			}
		}
	}
	for {
		if k := makeLoose(prime((bits+1)/2), prime(bits/2)); k.n.BitLen() == bits {
			return k
		}
	}
}

// mersenne is a key of a size that would take long to make: 2^a-1 and 2^b-1 are primes.
func mersenne(a, b uint) looseRSA {
	prime := func(n uint) *big.Int {
		return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1))
	}
	return makeLoose(prime(a), prime(b))
}

func (k looseRSA) jwk(e []byte, more ...guardtest.Claims) string {
	return published(guardtest.Claims{"kty": "RSA", "alg": "RS256", "n": forge64(k.n.Bytes()), "e": forge64(e)}, more...)
}

// signer signs by RS256 for the exponent; with anything, if nobody can.
func (k looseRSA) signer(e *big.Int) func(string) []byte {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(k.p, one), new(big.Int).Sub(k.q, one))
	d := new(big.Int).ModInverse(e, phi)
	size := (k.n.BitLen() + 7) / 8
	if d == nil {
		return signedByNobody(size)
	}
	return func(input string) []byte {
		hash := sha256.Sum256([]byte(input))
		digest := append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), hash[:]...)
		padded := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-len(digest)-3), []byte{0}, digest)
		return new(big.Int).Exp(new(big.Int).SetBytes(padded), d, k.n).FillBytes(make([]byte, size))
	}
}

var loose = sync.OnceValue(func() map[int]looseRSA {
	made := make(map[int]looseRSA)
	for _, bits := range []int{512, 768, 1024, 1536, 2047, 2048} {
		made[bits] = newLoose(bits)
	}
	return made
})

var f4 = big.NewInt(65537)

func hostileRSA() []hostileKey {
	var rows []hostileKey
	for _, bits := range []int{512, 768, 1024, 1536, 2047} {
		k := loose()[bits]
		rows = append(rows, hostileKey{fmt.Sprintf("D-01 %d bits", bits), k.jwk(f4.Bytes()), "RS256", k.signer(f4)})
	}
	k, big8676, third := loose()[2048], mersenne(4423, 4253), loose()[2048]
	exponent := func(name string, e []byte, like *big.Int) {
		rows = append(rows, hostileKey{name, k.jwk(e), "RS256", k.signer(like)})
	}
	exponent("D-02 e is 1: the padded hash signs", []byte{1}, big.NewInt(1))
	for _, e := range []int64{0, 2, 3, 4, 5, 17, 257, 65535, 65536, 65538, 1 << 31, 1<<31 + 1, 1<<32 - 1, 1 << 32} {
		exponent(fmt.Sprintf("D-03 e is %d", e), big.NewInt(e).Bytes(), big.NewInt(e))
	}
	cut := func(shift uint) []byte { return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), shift), f4).Bytes() }
	exponent("D-03 e is 65537 in 32 bits", cut(32), f4)
	exponent("D-03 e is 65537 in 64 bits", cut(64), f4)
	exponent("D-03 e of 10 kB, 65537 in its last octets", cut(80_000), f4)
	exponent("D-03 a leading zero", []byte{0, 1, 0, 1}, f4)
	exponent("D-03 many leading zeros", append(make([]byte, 8), 1, 0, 1), f4)
	exponent("D-03 e is empty", nil, f4)
	n := k.n.Bytes()
	member := func(name string, more guardtest.Claims) {
		rows = append(rows, hostileKey{name, k.jwk(f4.Bytes(), more), "RS256", k.signer(f4)})
	}
	rows = append(rows,
		hostileKey{"D-04 8,676 bits", big8676.jwk(f4.Bytes()), "RS256", big8676.signer(f4)},
		hostileKey{"D-04 65,536 bits", makeLoose(new(big.Int).Lsh(big.NewInt(1), 65_535), big.NewInt(1)).jwk(f4.Bytes()), "RS256", signedByNobody(8192)},
		hostileKey{"D-06 n is even", makeLoose(new(big.Int).Lsh(third.p, 1), third.q).jwk(f4.Bytes()), "RS256", third.signer(f4)},
	)
	member("D-01 n with a leading zero", guardtest.Claims{"n": forge64(append([]byte{0}, n...))})
	member("R7518-03 n with padding", guardtest.Claims{"n": forge64(n) + "=="})
	member("R7518-03 n in standard base64", guardtest.Claims{"n": strings.NewReplacer("-", "+", "_", "/").Replace(forge64(n)) + "++"})
	member("R7518-03 n with a line break", guardtest.Claims{"n": "\n" + forge64(n)})
	member("R7518-03 e with a line break", guardtest.Claims{"e": "AQ\nAB"})
	member("R7517-04 n is missing", guardtest.Claims{"n": nil})
	member("R7517-04 e is missing", guardtest.Claims{"e": nil})
	member("R7517-04 e is a number", guardtest.Claims{"e": 65537})
	member("R7517-03 kty is missing", guardtest.Claims{"kty": nil})
	member("R7517-03 kty rsa", guardtest.Claims{"kty": "rsa"})
	member("D-08 kty EC with n and e", guardtest.Claims{"kty": "EC", "crv": "P-256"})
	member("D-08 an RSA key with a crv", guardtest.Claims{"crv": "P-256"})
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		member("D-10 R7517-12 a private member: "+name, guardtest.Claims{name: "AQAB"})
	}
	member("D-10 a private member that is null", guardtest.Claims{"d": nullClaim{}})
	for _, alg := range []any{"none", "HS256", "hs256", "rs256", "RS256 ", "", "RSA-OAEP", "RS257", "ES256", "EdDSA", 5, []string{"RS256"}} {
		member("D-12 alg "+forgeJSON(alg), guardtest.Claims{"alg": alg})
	}
	for _, use := range []any{"enc", "SIG", "", "sig ", "tls", 5, []string{"sig"}} {
		member("D-13 R7517-06 use "+forgeJSON(use), guardtest.Claims{"use": use})
	}
	for _, operations := range []any{
		[]string{"encrypt"}, []string{"sign"}, []string{"verify", "verify"}, []string{"sign", "verify", "sign"}, []string{}, "verify", []string{"VERIFY"}, []any{"verify", 5}, guardtest.Claims{"verify": true}, 5,
	} {
		member("D-13 R7517-07 key_ops "+forgeJSON(operations), guardtest.Claims{"key_ops": operations})
	}
	member("D-13 use enc with verify", guardtest.Claims{"use": "enc", "key_ops": []string{"verify"}})
	member("B-08 kid is a number", guardtest.Claims{"kid": 5})
	for name, text := range map[string]string{
		"R7517-02 kty twice": strings.Replace(k.jwk(f4.Bytes()), `{`, `{"kty":"RSA",`, 1), "R7517-02 alg and ALG": strings.Replace(k.jwk(f4.Bytes()), `{`, `{"ALG":"none",`, 1),
		"R7517-02 d hidden by an escape": strings.Replace(k.jwk(f4.Bytes()), `{`, `{"\u0064":"AQAB",`, 1), "R7517-02 use twice": strings.Replace(k.jwk(f4.Bytes()), `{`, `{"use":"enc",`, 1),
	} {
		rows = append(rows, hostileKey{name, text, "RS256", k.signer(f4)})
	}
	return rows
}

func hostileCurves() []hostileKey {
	k := own()
	x, y, private := shortX()
	p := elliptic.P256().Params().P
	point := func(x, y *big.Int) guardtest.Claims {
		return guardtest.Claims{"kty": "EC", "crv": "P-256", "alg": "ES256", "x": forge64(x.FillBytes(make([]byte, 32))), "y": forge64(y.FillBytes(make([]byte, 32)))}
	}
	one, zero := big.NewInt(1), new(big.Int)
	off := new(big.Int).Add(y, one)
	es := guardtest.JWK(&k.es256.PublicKey, guardtest.Claims{"alg": "ES256"})
	e384 := guardtest.JWK(&k.es384.PublicKey, guardtest.Claims{"alg": "ES384"})
	ed := guardtest.JWK(k.ed.Public(), guardtest.Claims{"alg": "EdDSA"})
	with := func(base, more guardtest.Claims) string { return published(base, more) }
	by256, by384, byEd := signedBy("ES256", k.es256), signedBy("ES384", k.es384), signedBy("EdDSA", k.ed)
	padded := forge64(append([]byte{0}, k.es256.X.FillBytes(make([]byte, 32))...)) //nolint:staticcheck // the coordinate is the point
	rows := []hostileKey{
		{"D-07 the point (1,1)", published(point(one, one)), "ES256", signedByNobody(64)},
		{"D-07 the point (0,0)", published(point(zero, zero)), "ES256", signedByNobody(64)},
		{"D-07 x is p", published(point(p, y)), "ES256", signedByNobody(64)},
		{"D-07 y is p", published(point(x, p)), "ES256", signedByNobody(64)},
		{"D-07 beside the curve", published(point(x, off)), "ES256", signedBy("ES256", private)},
		{"D-07 x of 31 octets", published(point(x, y), guardtest.Claims{"x": forge64(x.Bytes())}), "ES256", signedBy("ES256", private)},
		{"D-07 x of 33 octets", with(es, guardtest.Claims{"x": padded}), "ES256", by256},
		{"D-07 y is missing", with(es, guardtest.Claims{"y": nil}), "ES256", by256},
		{"D-07 y is empty", with(es, guardtest.Claims{"y": ""}), "ES256", by256},
		{"D-08 crv p-256", with(es, guardtest.Claims{"crv": "p-256"}), "ES256", by256},
		{"D-08 crv is missing", with(es, guardtest.Claims{"crv": nil}), "ES256", by256},
		{"D-08 crv secp256k1", with(es, guardtest.Claims{"crv": "secp256k1"}), "ES256", by256},
		{"D-08 crv P-384 with a point of P-256", with(es, guardtest.Claims{"crv": "P-384"}), "ES256", by256},
		{"D-08 crv P-256 with a point of P-384", with(e384, guardtest.Claims{"crv": "P-256", "alg": "ES256"}), "ES384", by384},
		{"D-08 alg ES256 on P-384", with(e384, guardtest.Claims{"alg": "ES256"}), "ES384", by384},
		{"D-08 alg ES384 on P-256", with(es, guardtest.Claims{"alg": "ES384"}), "ES256", by256},
		{"D-08 kty RSA with a curve", with(es, guardtest.Claims{"kty": "RSA"}), "ES256", by256},
		{"D-08 kty OKP with a curve", with(es, guardtest.Claims{"kty": "OKP"}), "ES256", by256},
		{"D-08 kty EC with Ed25519", with(ed, guardtest.Claims{"kty": "EC"}), "EdDSA", byEd},
		{"D-08 crv X25519", with(ed, guardtest.Claims{"crv": "X25519"}), "EdDSA", byEd},
		{"D-08 crv Ed448", with(ed, guardtest.Claims{"crv": "Ed448"}), "EdDSA", byEd},
		{"D-08 alg ES256 on Ed25519", with(ed, guardtest.Claims{"alg": "ES256"}), "EdDSA", byEd},
		{"D-08 Ed25519 with a y", with(ed, guardtest.Claims{"y": "AA"}), "EdDSA", byEd},
		{"D-10 a private EC key", with(es, guardtest.Claims{"d": "AQAB"}), "ES256", by256},
		{"D-10 a private Ed25519 key", with(ed, guardtest.Claims{"d": forge64(k.ed.Seed())}), "EdDSA", byEd},
		{"D-12 HS256 on an EC key", with(es, guardtest.Claims{"alg": "HS256"}), "ES256", by256},
		{"D-13 an EC key for encryption", with(es, guardtest.Claims{"use": "enc"}), "ES256", by256},
		{"D-09 oct", `{"kty":"oct","kid":"bad","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`, "HS256", signedBy("HS256", []byte("secret-secret-secret-secret-secret"))},
		{"D-09 oct without alg", `{"kty":"oct","kid":"bad","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`, "HS256", signedBy("HS256", []byte("secret-secret-secret-secret-secret"))},
		{"D-09 oct that says RS256", `{"kty":"oct","kid":"bad","alg":"RS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`, "RS256", signedBy("HS256", []byte("secret-secret-secret-secret-secret"))},
		{"D-09 an empty oct", `{"kty":"oct","kid":"bad","alg":"HS256","k":""}`, "HS256", signedBy("HS256", []byte{})},
	}
	for name, text := range map[string]string{"a number": "5", "a string": `"bad"`, "null": "null", "an array": `["bad"]`, "an empty object": "{}"} {
		rows = append(rows, hostileKey{"R7517-04 " + name, text, "RS256", signedByNobody(256)})
	}
	return rows
}

// shortX is a point whose x has a leading zero octet.
func shortX() (x, y *big.Int, private *ecdsa.PrivateKey) {
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		if point[1] == 0 {
			return new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:]), key
		}
	}
}

// TestAttackSupplyKey publishes one hostile key beside a good one: its tokens are refused, also where they would verify,
// and the good key still opens the service.
func TestAttackSupplyKey(t *testing.T) {
	iss := guardtest.NewIssuer(t, "ES512")
	s, events := newSupplied(t, iss)
	good, set := iss.Token(nil), string(iss.JWKS())
	for _, row := range append(hostileRSA(), hostileCurves()...) {
		t.Run(row.name, func(t *testing.T) {
			iss.PublishJWKS(`{"keys":[` + row.jwk + "," + set[len(`{"keys":[`):])
			mustRefresh(t, s.guard, iss.URL())
			eventually(t, "the key is reported", func() bool { return len(events.take(bearerguard.KeyRefused)) == 1 })
			input := forgeInput(forgeHeader(row.alg, "bad"), forgePayload(iss.URL()))
			s.get(t, badTk, "/any", input+"."+forge64(row.sign(input)))
			if cause := s.last().Cause; cause != bearerguard.ErrUnknownKey && row.alg != "HS256" {
				t.Errorf("the key is there: %v", cause)
			}
			input = forgeInput(forgeHeader(row.alg, "", guardtest.Claims{"kid": nil}), forgePayload(iss.URL()))
			s.get(t, badTk, "/any", input+"."+forge64(row.sign(input)))
			s.get(t, ok200, "/any", good)
			if state := s.guard.Stats().Issuers[0]; state.Keys != 1 || state.LastError != nil {
				t.Errorf("state %+v", state)
			}
			iss.PublishJWKS("")
			mustRefresh(t, s.guard, iss.URL())
			events.take("")
		})
	}
}

// TestSupplyKeyUnusual is what must be taken: the same keys, as they should be, or nearly so.
func TestSupplyKeyUnusual(t *testing.T) {
	iss := guardtest.NewIssuer(t, "ES512")
	s, events := newSupplied(t, iss)
	k, set := loose()[2048], string(iss.JWKS())
	m := mersenne(4423, 3217)
	leaf, other := own().rs, own().spare
	x5c := guardtest.JWK(&leaf.PublicKey, guardtest.Claims{"kid": "bad", "alg": "RS256", "x5c": []string{certificateOf(t, other)}})
	for _, row := range []hostileKey{
		{"D-01 2,048 bits", k.jwk(f4.Bytes()), "RS256", k.signer(f4)},
		{"D-03 e is 2^31-1", k.jwk(big.NewInt(1<<31 - 1).Bytes()), "RS256", k.signer(big.NewInt(1<<31 - 1))},
		{"D-04 7,640 bits", m.jwk(f4.Bytes()), "RS256", m.signer(f4)},
		{"D-11 R7517-11 x5c of another key is not looked at", forgeJSON(x5c), "RS256", signedBy("RS256", leaf)},
		{"D-13 R7517-06 no use", k.jwk(f4.Bytes(), guardtest.Claims{"use": nil}), "RS256", k.signer(f4)},
		{"D-13 R7517-07 verify and sign", k.jwk(f4.Bytes(), guardtest.Claims{"key_ops": []string{"sign", "verify"}}), "RS256", k.signer(f4)},
		{"D-14 no alg: the first that fits", k.jwk(f4.Bytes(), guardtest.Claims{"alg": nil}), "RS256", k.signer(f4)},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss.PublishJWKS(`{"keys":[` + row.jwk + "," + set[len(`{"keys":[`):])
			mustRefresh(t, s.guard, iss.URL())
			if refused := events.take(bearerguard.KeyRefused); len(refused) > 0 {
				t.Error(refused)
			}
			for _, kid := range []any{"bad", nil} {
				input := forgeInput(forgeHeader(row.alg, "", guardtest.Claims{"kid": kid}), forgePayload(iss.URL()))
				s.get(t, ok200, "/any", input+"."+forge64(row.sign(input)))
			}
			// D-14 R7517-08: a key has one algorithm, and another key in x5c is nobody's.
			s.get(t, badTk, "/any", forgeSigned("PS256", leaf, forgeHeader("PS256", "bad"), forgePayload(iss.URL())))
			s.get(t, badTk, "/any", forgeSigned("RS256", other, forgeHeader("RS256", "bad"), forgePayload(iss.URL())))
		})
	}
}

// TestAttackSupplyPinned is about keys without alg: D-14 R8725-01 R8725-02 R7517-08.
func TestAttackSupplyPinned(t *testing.T) {
	key := own().rs
	for _, row := range []struct {
		name, alg string
		allowed   []string
		good      string // the only one
	}{
		{"D-14 RS256 stands first by default", "", nil, "RS256"},
		{"D-14 PS256 stands first", "", []string{"ES256", "PS256", "RS256"}, "PS256"},
		{"D-14 the only one that fits", "", []string{"ES256", "RS512"}, "RS512"},
		{"D-14 alg says PS256", "PS256", nil, "PS256"},
		{"D-14 alg says RS256, which stands last", "RS256", []string{"PS256", "RS384", "RS256"}, "RS256"},
	} {
		for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256"} {
			t.Run(row.name+", token by "+alg, func(t *testing.T) {
				iss := guardtest.NewIssuer(t, "Ed25519")
				jwk := guardtest.JWK(&key.PublicKey, guardtest.Claims{"kid": "k"})
				if row.alg != "" {
					jwk["alg"] = row.alg
				}
				iss.PublishJWKS(forgeJSON(guardtest.Claims{"keys": []guardtest.Claims{jwk}}))
				s, _ := newSupplied(t, iss, func(cfg *bearerguard.Config) { cfg.Issuers[0].Algorithms = row.allowed })
				want, by := badTk, crypto.PrivateKey(key)
				if alg == row.good {
					want = ok200
				}
				if alg == "HS256" {
					by = []byte(forgeJSON(jwk))
				}
				s.get(t, want, "/any", forgeSigned(alg, by, forgeHeader(alg, "k"), forgePayload(iss.URL())))
				s.get(t, want, "/any", forgeSigned(alg, by, forgeHeader(alg, "", guardtest.Claims{"kid": nil}), forgePayload(iss.URL())))
			})
		}
	}
}
