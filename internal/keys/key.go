package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Key is one public key, pinned to one algorithm (RFC 8725, Section 3.1). It is immutable.
type Key struct {
	id        string
	hasID     bool
	algorithm string // canonical
	method    jwt.SigningMethod
	public    any
	jwk       *jwkset.JWK // until its set is complete: it is larger than all the rest
	material  string      // equal for equal keys
}

// Verify checks a signature over the signing input.
func (k *Key) Verify(signingInput string, signature []byte) error {
	return k.method.Verify(signingInput, signature, k.public)
}

// Why a key of a set is passed over.
var (
	errKeyMember  = errors.New("a member is missing or of the wrong type")
	errKeyPrivate = errors.New("a symmetric or private key is published")
	errKeyUse     = errors.New("not a key for verifying signatures")
	errKeyAlg     = errors.New("no allowed algorithm fits the key")
	errKeySize    = errors.New("size or exponent out of bounds")

	errKeySmallOrder = errors.New("an Ed25519 point of small order, under which anybody can sign")
)

// Bounds of RSA keys: RFC 7518, Section 3.3 sets the lower, the cost of a verification the upper.
const minModulus, maxModulus, minExponent = 2048 / 8, 8192 / 8, 65537

// parseKey judges one JWK. x5c, x5t and x5u are not looked at: the key is what n and e, or x and y, say it is, and
// nothing is fetched.
func parseKey(raw jose.Value, allowed []string) (*Key, error) {
	o, err := jose.ParseObject(raw.Raw())
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, ok := o.Get(name); ok {
			return nil, errKeyPrivate
		}
	}
	var (
		m   jwkset.JWKMarshal
		bad bool
	)
	text := func(name string) string {
		v, present := o.Get(name)
		s, ok := v.Text()
		bad = bad || present && !ok
		return strings.Clone(s) // a key outlives its document, and must not keep it
	}
	m.KTY, m.CRV = jwkset.KTY(text("kty")), jwkset.CRV(text("crv"))
	m.N, m.E, m.X, m.Y = text("n"), text("e"), text("x"), text("y")
	use, alg := text("use"), text("alg")
	k := &Key{id: text("kid")}
	_, k.hasID = o.Get("kid")
	if bad || m.KTY == "" {
		return nil, errKeyMember
	}
	if _, present := o.Get("use"); present && use != "sig" || !mayVerify(o) {
		return nil, errKeyUse // RFC 7517, Sections 4.2 and 4.3
	}
	_, pinned := o.Get("alg")
	fitting := slices.IndexFunc(allowed, func(name string) bool {
		a, _ := find(name)
		return a.kty == m.KTY && a.crv == m.CRV && (!pinned || canonical(alg) == canonical(name))
	})
	if fitting < 0 {
		return nil, errKeyAlg
	}
	a, _ := find(allowed[fitting])
	if err := checkMaterial(a, m); err != nil {
		return nil, err
	}
	k.algorithm, k.method = canonical(a.name), a.method
	k.material = string(m.KTY) + "." + m.N + "." + m.E + "." + string(m.CRV) + "." + m.X + "." + m.Y
	m.KID, m.USE, m.ALG = k.id, jwkset.UseSig, jwkset.ALG(k.algorithm)
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeyMember, err)
	}
	k.jwk = &jwk
	return k, nil
}

// mayVerify judges key_ops: absent, or strings without repetition, verify among them.
func mayVerify(o jose.Object) bool {
	v, present := o.Get("key_ops")
	if !present {
		return true
	}
	var seen []string
	for element := range v.Elements() {
		operation, ok := element.Text()
		if !ok || slices.Contains(seen, operation) {
			return false
		}
		seen = append(seen, operation)
	}
	return slices.Contains(seen, "verify")
}

// checkMaterial judges the numbers before any library sees them, since jwkset cuts a long exponent short.
func checkMaterial(a algorithm, m jwkset.JWKMarshal) error {
	strict := base64.RawURLEncoding.Strict()
	sized := func(text string, size int) bool {
		b, err := strict.DecodeString(text)
		return err == nil && len(b) == size && base64.RawURLEncoding.EncodeToString(b) == text
	}
	if a.kty != jwkset.KtyRSA {
		// Full length (RFC 7518, Section 6.2.1.2); jwkset checks that the point is on the curve.
		if !sized(m.X, a.size) || a.kty == jwkset.KtyEC && !sized(m.Y, a.size) || a.kty == jwkset.KtyOKP && m.Y != "" {
			return errKeySize
		}
		if a.kty == jwkset.KtyOKP && isSmallOrder(m.X) {
			return errKeySmallOrder
		}
		return nil
	}
	n, err := strict.DecodeString(m.N)
	if err != nil || len(n) < minModulus || len(n) > maxModulus {
		return errKeySize
	}
	// Base64urlUInt has no leading zero octet (RFC 7518, Section 2); 2048 bits means the top bit too.
	if n[0] == 0 || len(n) == minModulus && n[0] < 0x80 || n[len(n)-1]&1 == 0 || !sized(m.N, len(n)) {
		return errKeySize
	}
	e, err := strict.DecodeString(m.E)
	if err != nil || len(e) > 4 || len(e) == 0 || e[0] == 0 || !sized(m.E, len(e)) {
		return errKeySize
	}
	var exponent uint32
	for _, b := range e {
		exponent = exponent<<8 | uint32(b)
	}
	if exponent < minExponent || exponent&1 == 0 || exponent > 1<<31-1 {
		return errKeySize
	}
	return nil
}
