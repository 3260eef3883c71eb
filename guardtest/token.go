package guardtest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// DefaultResource is the audience of tokens that name no other.
const DefaultResource = "https://api.example.com"

// Claims are the claims of a token. A nil value leaves a claim out.
type Claims map[string]any

// Token is a token as RFC 9068 wants it, for DefaultResource, valid for five minutes, with these claims changed, added
// or, if nil, left out. It is signed with the newest key of the issuer's first algorithm.
func (i *Issuer) Token(claims Claims) string {
	return i.TokenWith(i.algorithm, nil, claims)
}

// TokenWith is Token with another algorithm of the issuer, and with header parameters changed, added or left out.
func (i *Issuer) TokenWith(algorithm string, header, claims Claims) string {
	key := i.mustNewest(algorithm)
	h := merged(Claims{"typ": "at+jwt", "alg": algorithm, "kid": key.id}, header)
	now := time.Now().Unix()
	c := merged(Claims{
		"iss": i.url, "aud": DefaultResource, "sub": "alice", "client_id": "client-1", "jti": rand.Text(),
		"iat": now, "exp": now + 300,
	}, claims)
	return key.sign(encode(h), encode(c))
}

// Sign signs any header and payload with the issuer's newest key for the algorithm, whatever the header says.
func (i *Issuer) Sign(algorithm, header, payload string) string {
	return i.mustNewest(algorithm).sign(header, payload)
}

// SignWith signs any header and payload with one key of the issuer, be it old or withdrawn, whatever the header says.
func (i *Issuer) SignWith(keyID, header, payload string) string {
	return i.named(keyID).sign(header, payload)
}

func (k *signingKey) sign(header, payload string) string {
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	signature, err := k.method.Sign(input, k.private)
	if err != nil {
		panic(fmt.Sprintf("guardtest: %v", err)) // only a broken key can get here
	}
	return input + "." + b64.EncodeToString(signature)
}

// Unsecured is a token with alg none and no signature, which no service may accept (RFC 7519, Section 6).
func Unsecured(claims Claims) string {
	b64 := base64.RawURLEncoding
	return b64.EncodeToString([]byte(`{"typ":"at+jwt","alg":"none"}`)) + "." + b64.EncodeToString([]byte(encode(claims))) + "."
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
