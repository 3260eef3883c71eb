package keys

import (
	"crypto"
	"crypto/rsa"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// algorithm is one signature algorithm and the only kind of key that it takes.
type algorithm struct {
	name   string
	method jwt.SigningMethod
	kty    jwkset.KTY
	crv    jwkset.CRV // bound to the algorithm (RFC 7518, Section 3.4; RFC 8037, Section 3.1)
	size   int        // of a coordinate, in octets
}

// There is no HMAC here and no "none": a public key must never be taken for a shared secret.
var algorithms = []algorithm{
	{"RS256", jwt.SigningMethodRS256, jwkset.KtyRSA, "", 0},
	{"RS384", jwt.SigningMethodRS384, jwkset.KtyRSA, "", 0},
	{"RS512", jwt.SigningMethodRS512, jwkset.KtyRSA, "", 0},
	{"PS256", pss("PS256", crypto.SHA256), jwkset.KtyRSA, "", 0},
	{"PS384", pss("PS384", crypto.SHA384), jwkset.KtyRSA, "", 0},
	{"PS512", pss("PS512", crypto.SHA512), jwkset.KtyRSA, "", 0},
	{"ES256", jwt.SigningMethodES256, jwkset.KtyEC, jwkset.CrvP256, 32},
	{"ES384", jwt.SigningMethodES384, jwkset.KtyEC, jwkset.CrvP384, 48},
	{"ES512", jwt.SigningMethodES512, jwkset.KtyEC, jwkset.CrvP521, 66},
	{"EdDSA", jwt.SigningMethodEdDSA, jwkset.KtyOKP, jwkset.CrvEd25519, 32},
	{"Ed25519", jwt.SigningMethodEdDSA, jwkset.KtyOKP, jwkset.CrvEd25519, 32}, // RFC 9864, Section 2.2
}

// pss demands a salt as long as the hash (RFC 7518, Section 3.5). golang-jwt's own methods accept any length.
func pss(name string, hash crypto.Hash) jwt.SigningMethod {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: &jwt.SigningMethodRSA{Name: name, Hash: hash},
		Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
	}
}

// Supported tells whether this package can verify signatures of the algorithm. Names are case-sensitive.
func Supported(name string) bool {
	_, ok := find(name)
	return ok
}

func find(name string) (algorithm, bool) {
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == name })
	if i < 0 {
		return algorithm{}, false
	}
	return algorithms[i], true
}

// canonical names an algorithm as keys are filed under it: EdDSA with an Ed25519 key and Ed25519 are one algorithm
// (RFC 9864, Section 2.2), and the only pair that is.
func canonical(name string) string {
	if name == "Ed25519" {
		return "EdDSA"
	}
	return name
}
