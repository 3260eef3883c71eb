// Package guardtest helps to test services that bearerguard guards: an issuer with real keys and a real JWK Set over
// loopback, and tokens of every kind. Production code has no use for it.
package guardtest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard"
)

// DefaultResource is the audience of tokens that name no other.
const DefaultResource = "https://api.example.com"

// Claims are the claims of a token. A nil value leaves a claim out.
type Claims map[string]any

// Issuer is an authorization server reduced to what a resource server sees of it. It is safe for concurrent use.
type Issuer struct {
	url    string
	server *http.Server
	keys   map[string]signingKey
	order  []string
}

type signingKey struct {
	id      string
	method  jwt.SigningMethod
	private crypto.Signer
}

// NewIssuer starts an issuer that ends with the test. It has one key for each algorithm; default: RS256.
func NewIssuer(t testing.TB, algorithms ...string) *Issuer {
	t.Helper()
	i, err := StartIssuer(algorithms...)
	if err != nil {
		t.Fatalf("guardtest: %v", err)
	}
	t.Cleanup(i.Close)
	return i
}

// StartIssuer starts an issuer on a loopback port, for programs that are no tests. End it with Close.
func StartIssuer(algorithms ...string) (*Issuer, error) {
	if len(algorithms) == 0 {
		algorithms = []string{"RS256"}
	}
	i := &Issuer{keys: make(map[string]signingKey), order: algorithms}
	for _, algorithm := range algorithms {
		key, err := generate(algorithm)
		if err != nil {
			return nil, err
		}
		i.keys[algorithm] = key
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.url = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.serveMetadata)
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveMetadata)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(i.JWKS())
	})
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.server.Serve(listener) }() // ends with Close
	return i, nil
}

func generate(algorithm string) (signingKey, error) {
	k := signingKey{id: algorithm + "-" + rand.Text()[:8]}
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

// Close ends the issuer.
func (i *Issuer) Close() { _ = i.server.Close() }

// URL is the issuer's identifier, on loopback.
func (i *Issuer) URL() string { return i.url }

// JWKSURL is where its keys are.
func (i *Issuer) JWKSURL() string { return i.url + "/jwks" }

// Issuer is the configuration that trusts this issuer.
func (i *Issuer) Issuer() bearerguard.Issuer {
	return bearerguard.Issuer{URL: i.url, InsecureAllowHTTP: true}
}

// Config is a configuration that trusts this issuer alone.
func (i *Issuer) Config(resource string) bearerguard.Config {
	return bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{i.Issuer()}}
}

// Token is a token as RFC 9068 wants it, for DefaultResource, valid for five minutes, with these claims changed, added
// or, if nil, left out.
func (i *Issuer) Token(claims Claims) string {
	return i.TokenWith(i.order[0], nil, claims)
}

// TokenWith is Token with another algorithm of the issuer, and with header parameters changed, added or left out.
func (i *Issuer) TokenWith(algorithm string, header, claims Claims) string {
	h := merged(Claims{"typ": "at+jwt", "alg": algorithm, "kid": i.KeyID(algorithm)}, header)
	now := time.Now().Unix()
	c := merged(Claims{
		"iss": i.url, "aud": DefaultResource, "sub": "alice", "client_id": "client-1", "jti": rand.Text(),
		"iat": now, "exp": now + 300,
	}, claims)
	return i.Sign(algorithm, encode(h), encode(c))
}

// Sign signs any header and payload with the issuer's key for the algorithm, whatever the header says.
func (i *Issuer) Sign(algorithm, header, payload string) string {
	key, ok := i.keys[algorithm]
	if !ok {
		panic(fmt.Sprintf("guardtest: the issuer has no key for algorithm %q", algorithm))
	}
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	signature, err := key.method.Sign(input, key.private)
	if err != nil {
		panic(fmt.Sprintf("guardtest: %v", err)) // only a broken key can get here
	}
	return input + "." + b64.EncodeToString(signature)
}

// NewRequest is a request with a token, or without one if it is empty, as a handler sees it that is served over TLS. (A
// request of httptest.NewRequest has come in cleartext from another machine, and is refused for that.)
func NewRequest(method, path, token string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, DefaultResource+path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// Unsecured is a token with alg none and no signature, which no service may accept (RFC 7519, Section 6).
func Unsecured(claims Claims) string {
	b64 := base64.RawURLEncoding
	return b64.EncodeToString([]byte(`{"typ":"at+jwt","alg":"none"}`)) + "." + b64.EncodeToString([]byte(encode(claims))) + "."
}

// KeyID is the kid of the key for the algorithm.
func (i *Issuer) KeyID(algorithm string) string { return i.keys[algorithm].id }

// PublicKey is the public key for the algorithm.
func (i *Issuer) PublicKey(algorithm string) crypto.PublicKey {
	return i.keys[algorithm].private.Public()
}

// JWKS is the issuer's JWK Set.
func (i *Issuer) JWKS() []byte {
	keys := []Claims{}
	for _, algorithm := range i.order {
		keys = append(keys, JWK(i.PublicKey(algorithm), Claims{"kid": i.KeyID(algorithm), "alg": algorithm, "use": "sig"}))
	}
	return []byte(encode(Claims{"keys": keys}))
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

func (i *Issuer) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(encode(Claims{"issuer": i.url, "jwks_uri": i.JWKSURL()})))
}

// merged overlays more on base; nil removes.
func merged(base, more Claims) Claims {
	maps.Copy(base, more)
	maps.DeleteFunc(base, func(_ string, value any) bool { return value == nil })
	return base
}

func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("guardtest: %v", err))
	}
	return strings.TrimSpace(b.String())
}
