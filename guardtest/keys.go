package guardtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// signingKey is immutable but for withdrawn, which Issuer.mu guards.
type signingKey struct {
	id        string
	algorithm string
	method    jwt.SigningMethod
	private   crypto.Signer
	withdrawn bool
}

func generate(algorithm string) (*signingKey, error) {
	k := &signingKey{id: algorithm + "-" + rand.Text()[:8], algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
		k.method = jwt.GetSigningMethod(algorithm)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		k.method = jwt.SigningMethodES256
	case "ES384":
		k.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		k.method = jwt.SigningMethodES384
	case "ES512":
		k.private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		k.method = jwt.SigningMethodES512
	case "EdDSA", "Ed25519":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
		k.method = jwt.SigningMethodEdDSA
	default:
		err = fmt.Errorf("no keys for algorithm %q", algorithm)
	}
	return k, err
}

func mustGenerate(algorithm string) *signingKey {
	k, err := generate(algorithm)
	if err != nil {
		panic(fmt.Sprintf("guardtest: %v", err))
	}
	return k
}

// Rotate gives the issuer a new key for the algorithm and returns its kid. From now on Token, TokenWith and Sign use it.
// The key before stays published until Withdraw. An algorithm that the issuer had no key for is new to it.
func (i *Issuer) Rotate(algorithm string) (keyID string) {
	k := mustGenerate(algorithm) // takes time, so not under the lock
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, k)
	return k.id
}

// Withdraw takes a key out of the published set. The issuer goes on signing with it, if it is the newest of its algorithm
// or SignWith asks for it: such tokens are those that a thief of the key would make.
func (i *Issuer) Withdraw(keyID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[i.indexOf(keyID)].withdrawn = true
}

// Replace gives a key other material under the same kid. Tokens from before are then signed by nobody's key.
func (i *Issuer) Replace(keyID string) {
	k := mustGenerate(i.named(keyID).algorithm) // takes time, so not under the lock
	k.id = keyID
	i.mu.Lock()
	defer i.mu.Unlock()
	at := i.indexOf(keyID)
	k.withdrawn = i.keys[at].withdrawn
	i.keys[at] = k
}

// named is the key with the kid.
func (i *Issuer) named(keyID string) *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[i.indexOf(keyID)]
}

// indexOf finds a key or panics. The caller holds the lock.
func (i *Issuer) indexOf(keyID string) int {
	for at, k := range i.keys {
		if k.id == keyID {
			return at
		}
	}
	panic(fmt.Sprintf("guardtest: the issuer has no key with kid %q", keyID))
}

// newest is the current key of the algorithm; nil: there is none.
func (i *Issuer) newest(algorithm string) *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	for at := len(i.keys) - 1; at >= 0; at-- {
		if i.keys[at].algorithm == algorithm {
			return i.keys[at]
		}
	}
	return nil
}

func (i *Issuer) mustNewest(algorithm string) *signingKey {
	k := i.newest(algorithm)
	if k == nil {
		panic(fmt.Sprintf("guardtest: the issuer has no key for algorithm %q", algorithm))
	}
	return k
}

// KeyID is the kid of the current key for the algorithm; empty, if there is none.
func (i *Issuer) KeyID(algorithm string) string {
	if k := i.newest(algorithm); k != nil {
		return k.id
	}
	return ""
}

// PublicKey is the current public key for the algorithm.
func (i *Issuer) PublicKey(algorithm string) crypto.PublicKey {
	return i.mustNewest(algorithm).private.Public()
}

// JWKS is the issuer's JWK Set: all keys but the withdrawn ones, oldest first, whatever PublishJWKS pretends.
func (i *Issuer) JWKS() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return []byte(i.keySet())
}

func (i *Issuer) keySet() string {
	keys := []Claims{}
	for _, k := range i.keys {
		if !k.withdrawn {
			keys = append(keys, JWK(k.private.Public(), Claims{"kid": k.id, "alg": k.algorithm, "use": "sig"}))
		}
	}
	return encode(Claims{"keys": keys})
}

// JWK is the JSON Web Key of a public key, with more members.
func JWK(public crypto.PublicKey, more Claims) Claims {
	b64 := base64.RawURLEncoding.EncodeToString
	var k Claims
	switch public := public.(type) {
	case *rsa.PublicKey:
		k = Claims{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(fmt.Sprintf("guardtest: %v", err))
		}
		half := len(point) / 2 // after the octet that says "uncompressed"
		k = Claims{"kty": "EC", "crv": public.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	case ed25519.PublicKey:
		k = Claims{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
	default:
		panic(fmt.Sprintf("guardtest: no JWK for a %T", public))
	}
	return merged(k, more)
}
