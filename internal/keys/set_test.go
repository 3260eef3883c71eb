package keys_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/keys"
)

var every = []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

var rsaKey = sync.OnceValue(func() *rsa.PublicKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &key.PublicKey
})

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return &key.PublicKey
}

func edKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return public
}

func document(t *testing.T, jwks ...guardtest.Claims) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": jwks})
	require.NoError(t, err)
	return string(text)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// number is a modulus of so many bits, odd, that nobody can factor and nobody needs to.
func number(bits int) string {
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	return b64(n.Bytes())
}

// TestParseSetRefusesKey puts one bad key beside a good one: the bad one must not serve, nor cost the good one.
func TestParseSetRefusesKey(t *testing.T) {
	jwk := func(public crypto.PublicKey, more guardtest.Claims) guardtest.Claims {
		return guardtest.JWK(public, more)
	}
	n := b64(rsaKey().N.Bytes())
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	point := jwk(p256, nil)
	for _, tc := range []struct {
		name string
		key  guardtest.Claims
	}{
		{"D-01 R7518-01 RSA of 512 bits", guardtest.Claims{"kty": "RSA", "n": number(512), "e": "AQAB"}},
		{"D-01 RSA of 1024 bits", guardtest.Claims{"kty": "RSA", "n": number(1024), "e": "AQAB"}},
		{"D-01 RSA of 2047 bits", guardtest.Claims{"kty": "RSA", "n": number(2047), "e": "AQAB"}},
		{"D-02 R7518-02 e of 1", guardtest.Claims{"kty": "RSA", "n": n, "e": "AQ"}},
		{"D-03 e of 0", guardtest.Claims{"kty": "RSA", "n": n, "e": "AA"}},
		{"D-03 e of 2", guardtest.Claims{"kty": "RSA", "n": n, "e": "Ag"}},
		{"D-03 e of 3", guardtest.Claims{"kty": "RSA", "n": n, "e": "Aw"}},
		{"D-03 e even", guardtest.Claims{"kty": "RSA", "n": n, "e": b64([]byte{1, 0, 0})}},
		{"D-03 e above 2^31", guardtest.Claims{"kty": "RSA", "n": n, "e": b64([]byte{0x80, 0, 0, 1})}},
		{"D-03 e that is 65537 only when cut to 64 bits", guardtest.Claims{"kty": "RSA", "n": n, "e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}},
		{"D-03 e of 10 kB", guardtest.Claims{"kty": "RSA", "n": n, "e": b64(append([]byte(strings.Repeat("\xff", 10_000)), 1))}},
		{"D-03 e with a leading zero octet", guardtest.Claims{"kty": "RSA", "n": n, "e": b64([]byte{0, 1, 0, 1})}},
		{"D-03 e empty", guardtest.Claims{"kty": "RSA", "n": n, "e": ""}},
		{"R7518-02 n with a leading zero octet", guardtest.Claims{"kty": "RSA", "n": b64(append([]byte{0}, rsaKey().N.Bytes()...)), "e": "AQAB"}},
		{"D-04 n of 65536 bits", guardtest.Claims{"kty": "RSA", "n": number(65536), "e": "AQAB"}},
		{"D-06 n even", guardtest.Claims{"kty": "RSA", "n": b64(new(big.Int).Sub(rsaKey().N, big.NewInt(1)).Bytes()), "e": "AQAB"}},
		{"n padded", guardtest.Claims{"kty": "RSA", "n": n + "==", "e": "AQAB"}},
		{"n with a line break", guardtest.Claims{"kty": "RSA", "n": n[:10] + "\n" + n[10:], "e": "AQAB"}},
		{"n missing", guardtest.Claims{"kty": "RSA", "e": "AQAB"}},
		{"n a number", guardtest.Claims{"kty": "RSA", "n": 5, "e": "AQAB"}},
		{"D-07 EC point (1,1)", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": b64(append(make([]byte, 31), 1)), "y": b64(append(make([]byte, 31), 1))}},
		{"D-07 EC point (0,0)", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}},
		{"D-07 EC x above the field", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": b64([]byte(strings.Repeat("\xff", 32))), "y": point["y"]}},
		{"D-07 R7518-05 EC x short", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 31)), "y": point["y"]}},
		{"D-07 EC x long", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 33)), "y": point["y"]}},
		{"D-07 EC y missing", guardtest.Claims{"kty": "EC", "crv": "P-256", "x": point["x"]}},
		{"D-08 R7517-03 kty RSA with EC members", guardtest.Claims{"kty": "RSA", "crv": "P-256", "x": point["x"], "y": point["y"]}},
		{"D-08 kty rsa", guardtest.Claims{"kty": "rsa", "n": n, "e": "AQAB"}},
		{"D-08 kty missing", guardtest.Claims{"n": n, "e": "AQAB"}},
		{"D-08 crv p-256", jwk(p256, guardtest.Claims{"crv": "p-256"})},
		{"D-08 R7518-04 alg ES256 on P-384", jwk(p384, guardtest.Claims{"alg": "ES256"})},
		{"D-08 crv secp256k1", jwk(p256, guardtest.Claims{"crv": "secp256k1"})},
		{"D-09 oct", guardtest.Claims{"kty": "oct", "k": b64([]byte(strings.Repeat("k", 64))), "alg": "HS256"}},
		{"D-10 R7517-12 RSA with d", jwk(rsaKey(), guardtest.Claims{"d": "AQAB"})},
		{"D-10 RSA with p", jwk(rsaKey(), guardtest.Claims{"p": "AQAB"})},
		{"D-10 EC with d", jwk(p256, guardtest.Claims{"d": "AQAB"})},
		{"D-10 R8037-01 OKP with d", jwk(edKey(t), guardtest.Claims{"d": b64(make([]byte, 32))})},
		{"D-10 RSA with k", jwk(rsaKey(), guardtest.Claims{"k": ""})},
		{"D-12 alg none", jwk(rsaKey(), guardtest.Claims{"alg": "none"})},
		{"D-12 alg HS256 on RSA", jwk(rsaKey(), guardtest.Claims{"alg": "HS256"})},
		{"D-12 alg RS256 on EC", jwk(p256, guardtest.Claims{"alg": "RS256"})},
		{"D-12 alg outside of the list", jwk(rsaKey(), guardtest.Claims{"alg": "RS512"})},
		{"D-12 alg a number", jwk(rsaKey(), guardtest.Claims{"alg": 1})},
		{"D-12 alg empty", jwk(rsaKey(), guardtest.Claims{"alg": ""})},
		{"D-13 R7517-06 use enc", jwk(rsaKey(), guardtest.Claims{"use": "enc"})},
		{"D-13 use SIG", jwk(rsaKey(), guardtest.Claims{"use": "SIG"})},
		{"D-13 use empty", jwk(rsaKey(), guardtest.Claims{"use": ""})},
		{"D-13 R7517-07 key_ops encrypt", jwk(rsaKey(), guardtest.Claims{"key_ops": []string{"encrypt"}})},
		{"D-13 key_ops sign", jwk(rsaKey(), guardtest.Claims{"key_ops": []string{"sign"}})},
		{"D-13 key_ops verify twice", jwk(rsaKey(), guardtest.Claims{"key_ops": []string{"verify", "verify"}})},
		{"D-13 key_ops a string", jwk(rsaKey(), guardtest.Claims{"key_ops": "verify"})},
		{"D-13 key_ops empty", jwk(rsaKey(), guardtest.Claims{"key_ops": []string{}})},
		{"R8037-03 X25519", guardtest.Claims{"kty": "OKP", "crv": "X25519", "x": b64(x25519.PublicKey().Bytes())}},
		{"R8037-02 Ed448", guardtest.Claims{"kty": "OKP", "crv": "Ed448", "x": b64(make([]byte, 57))}},
		{"R8037-02 Ed25519 of 31 octets", guardtest.Claims{"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 31))}},
		{"R8037-01 OKP without crv", guardtest.Claims{"kty": "OKP", "x": b64(make([]byte, 32))}},
		{"R9964-01 AKP", guardtest.Claims{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}},
		{"R7515-08 kid a number", jwk(rsaKey(), guardtest.Claims{"kid": 7})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, ok := tc.key["kid"]; !ok {
				tc.key["kid"] = "bad"
			}
			set, err := keys.ParseSet(document(t, tc.key, jwk(p256, guardtest.Claims{"kid": "good", "use": "sig"})), every)
			require.NoError(t, err)
			require.Equal(t, 1, set.Len())
			require.Len(t, set.Passed, 1)
			for _, algorithm := range append(every, "HS256", "none", "RS512") {
				_, found := set.Select(algorithm, "bad", true)
				require.False(t, found, algorithm)
			}
			_, found := set.Select("ES256", "good", true)
			require.True(t, found)

			_, err = keys.ParseSet(document(t, tc.key), every)
			require.Error(t, err, "a set without a usable key")
			require.NotContains(t, err.Error(), n[:40], "key material in an error")
		})
	}
}

func TestParseSetAcceptsKey(t *testing.T) {
	for _, tc := range []struct {
		name, algorithm string
		key             guardtest.Claims
	}{
		{"RSA without alg is pinned to the first that fits", "RS256", guardtest.JWK(rsaKey(), nil)},
		{"RSA for PS256", "PS256", guardtest.JWK(rsaKey(), guardtest.Claims{"alg": "PS256"})},
		{"P-256", "ES256", guardtest.JWK(ecKey(t, elliptic.P256()), nil)},
		{"P-384", "ES384", guardtest.JWK(ecKey(t, elliptic.P384()), nil)},
		{"P-521", "ES512", guardtest.JWK(ecKey(t, elliptic.P521()), nil)},
		{"R9864-01 Ed25519", "Ed25519", guardtest.JWK(edKey(t), guardtest.Claims{"alg": "Ed25519"})},
		{"R9864-02 EdDSA in the JWK, Ed25519 in the token", "Ed25519", guardtest.JWK(edKey(t), guardtest.Claims{"alg": "EdDSA"})},
		{"R9864-02 Ed25519 in the JWK, EdDSA in the token", "EdDSA", guardtest.JWK(edKey(t), guardtest.Claims{"alg": "Ed25519"})},
		{"R7517-05 unknown members", "RS256", guardtest.JWK(rsaKey(), guardtest.Claims{"issuer": "x", "cloud_instance_name": 5})},
		{"R7517-07 key_ops verify", "RS256", guardtest.JWK(rsaKey(), guardtest.Claims{"use": "sig", "key_ops": []string{"sign", "verify"}})},
		{"D-11 R7517-11 x5c of another key is not looked at", "RS256", guardtest.JWK(rsaKey(), guardtest.Claims{"x5c": []string{"bogus"}, "x5u": "https://evil.example.com", "x5t": "x"})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.key["kid"] = "k"
			set, err := keys.ParseSet(document(t, tc.key), every)
			require.NoError(t, err)
			_, found := set.Select(tc.algorithm, "k", true)
			require.True(t, found)
			for _, other := range every {
				if other != tc.algorithm && !strings.HasPrefix(other, "Ed") {
					_, found := set.Select(other, "k", true)
					require.False(t, found, "D-14 R8725-01 one key, one algorithm: %s", other)
				}
			}
		})
	}
}

func TestParseSetDocument(t *testing.T) {
	rsaJWK := func(kid string) guardtest.Claims { return guardtest.JWK(rsaKey(), guardtest.Claims{"kid": kid}) }
	good := document(t, rsaJWK("k"))
	for _, tc := range []struct{ name, document string }{
		{"empty", ""},
		{"L-07 {}", "{}"},
		{"L-07 R7517-01 an array", "[]"},
		{"L-07 keys null", `{"keys":null}`},
		{"L-07 keys an object", `{"keys":{}}`},
		{"L-08 no keys", `{"keys":[]}`},
		{"L-07 HTML", "<html>"},
		{"L-07 cut short", good[:len(good)-2]},
		{"trailing data", good + "x"},
		{"R7517-02 keys twice", `{"keys":[],` + good[1:]},
		{"a key that is no object", `{"keys":["x",1,null]}`},
		{"L-18 too many keys", `{"keys":[` + strings.Repeat("{},", 3000) + "{}]}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := keys.ParseSet(tc.document, every)
			require.Error(t, err)
		})
	}
	t.Run("R7517-02 a member twice costs that key only", func(t *testing.T) {
		bad := `{"kty":"RSA","kty":"RSA","kid":"bad","n":"` + b64(rsaKey().N.Bytes()) + `","e":"AQAB"}`
		set, err := keys.ParseSet(strings.Replace(good, "[", "["+bad+",", 1), every)
		require.NoError(t, err)
		require.Equal(t, 1, set.Len())
	})
	t.Run("L-12 R7517-09 one kid, two key types: each algorithm has its own", func(t *testing.T) {
		set, err := keys.ParseSet(document(t, rsaJWK("k"), guardtest.JWK(ecKey(t, elliptic.P256()), guardtest.Claims{"kid": "k"})), every)
		require.NoError(t, err)
		for _, algorithm := range []string{"RS256", "ES256"} {
			_, found := set.Select(algorithm, "k", true)
			require.True(t, found)
		}
	})
	t.Run("L-12 R7517-09 one kid, one algorithm, two keys: neither", func(t *testing.T) {
		ec := func() guardtest.Claims {
			return guardtest.JWK(ecKey(t, elliptic.P256()), guardtest.Claims{"kid": "k"})
		}
		set, err := keys.ParseSet(document(t, ec(), rsaJWK("k"), ec()), every)
		require.NoError(t, err)
		_, found := set.Select("ES256", "k", true)
		require.False(t, found)
		_, found = set.Select("ES256", "", false)
		require.False(t, found)
	})
	t.Run("L-12 one key twice is one key", func(t *testing.T) {
		set, err := keys.ParseSet(document(t, rsaJWK("k"), rsaJWK("k")), every)
		require.NoError(t, err)
		_, found := set.Select("RS256", "k", true)
		require.True(t, found)
	})
	t.Run("B-10 no kid in the token: the only key of the algorithm, else none", func(t *testing.T) {
		one := guardtest.JWK(ecKey(t, elliptic.P256()), guardtest.Claims{"kid": "a"})
		set, err := keys.ParseSet(document(t, one, rsaJWK("r")), every)
		require.NoError(t, err)
		_, found := set.Select("ES256", "", false)
		require.True(t, found)
		set, err = keys.ParseSet(document(t, one, guardtest.JWK(ecKey(t, elliptic.P256()), nil)), every)
		require.NoError(t, err)
		_, found = set.Select("ES256", "", false)
		require.False(t, found)
	})
	t.Run("L-13 a key without kid serves no token with one", func(t *testing.T) {
		set, err := keys.ParseSet(document(t, guardtest.JWK(rsaKey(), nil)), every)
		require.NoError(t, err)
		_, found := set.Select("RS256", "", true)
		require.False(t, found)
		_, found = set.Select("RS256", "", false)
		require.True(t, found)
	})
	t.Run("R8414-08 in a mixed set a key without use does not verify", func(t *testing.T) {
		set, err := keys.ParseSet(document(t, rsaJWK("plain"),
			guardtest.JWK(rsaKey(), guardtest.Claims{"kid": "e", "use": "enc"}),
			guardtest.JWK(ecKey(t, elliptic.P256()), guardtest.Claims{"kid": "s", "use": "sig"})), every)
		require.NoError(t, err)
		require.Equal(t, 1, set.Len())
		_, found := set.Select("RS256", "plain", true)
		require.False(t, found)
	})
	t.Run("D-14 the pin follows the issuer's order", func(t *testing.T) {
		set, err := keys.ParseSet(good, []string{"PS256", "RS256"})
		require.NoError(t, err)
		_, found := set.Select("PS256", "k", true)
		require.True(t, found)
		_, found = set.Select("RS256", "k", true)
		require.False(t, found)
	})
}

func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{1, 1000} {
		jwks := make([]guardtest.Claims, n)
		for i := range jwks {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			jwks[i] = guardtest.JWK(&key.PublicKey, guardtest.Claims{"kid": fmt.Sprintf("key-%04d", i)})
		}
		text, err := json.Marshal(map[string]any{"keys": jwks})
		if err != nil {
			b.Fatal(err)
		}
		set, err := keys.ParseSet(string(text), every)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := set.Select("ES256", "key-0000", true); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}
