package bearerguard_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// forged is a token with what is wrong, or unusual, about it.
type forged struct{ name, token string }

// refuseForged holds the service to one answer for all of the tokens.
func refuseForged(t *testing.T, s *service, rows ...forged) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { s.get(t, badTk, "/any", row.token) })
	}
}

// acceptForged is for tokens that are unusual but good.
func acceptForged(t *testing.T, s *service, rows ...forged) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { s.get(t, ok200, "/any", row.token) })
	}
}

// ownURL is an issuer whose private keys the tests hold, so that they can sign wrongly with the right key.
const ownURL = "https://own.example.com"

type ownKeys struct {
	rs, ps, spare, evil          *rsa.PrivateKey // evil is the attacker's; spare is for what a test publishes
	es256, es384, es512          *ecdsa.PrivateKey
	evilEC                       *ecdsa.PrivateKey
	ed, spareEd, evilEd          ed25519.PrivateKey
	rsJWK, psJWK, esJWK          guardtest.Claims
	e384JWK, e512JWK, ed25519JWK guardtest.Claims
}

var own = sync.OnceValue(func() *ownKeys {
	k := new(ownKeys)
	var err error
	for _, key := range []**rsa.PrivateKey{&k.rs, &k.ps, &k.spare, &k.evil} {
		if *key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	for key, curve := range map[**ecdsa.PrivateKey]elliptic.Curve{
		&k.es256: elliptic.P256(), &k.es384: elliptic.P384(), &k.es512: elliptic.P521(), &k.evilEC: elliptic.P256(),
	} {
		if *key, err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	for _, key := range []*ed25519.PrivateKey{&k.ed, &k.spareEd, &k.evilEd} {
		if _, *key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			panic(err)
		}
	}
	k.rsJWK = guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "rs", "alg": "RS256", "use": "sig"})
	k.psJWK = guardtest.JWK(&k.ps.PublicKey, guardtest.Claims{"kid": "ps", "alg": "PS256", "use": "sig"})
	k.esJWK = guardtest.JWK(&k.es256.PublicKey, guardtest.Claims{"kid": "es256", "alg": "ES256", "use": "sig"})
	k.e384JWK = guardtest.JWK(&k.es384.PublicKey, guardtest.Claims{"kid": "es384", "alg": "ES384", "use": "sig"})
	k.e512JWK = guardtest.JWK(&k.es512.PublicKey, guardtest.Claims{"kid": "es512", "alg": "ES512", "use": "sig"})
	k.ed25519JWK = guardtest.JWK(k.ed.Public(), guardtest.Claims{"kid": "ed", "alg": "EdDSA", "use": "sig"})
	return k
})

// trustOwn trusts ownURL, beside the shared issuer, with its six keys and more.
func trustOwn(more ...guardtest.Claims) func(*bearerguard.Config) {
	k := own()
	return trustSet(ownURL, append([]guardtest.Claims{k.rsJWK, k.psJWK, k.esJWK, k.e384JWK, k.e512JWK, k.ed25519JWK}, more...)...)
}

// trustSet trusts an issuer with exactly these keys, of which nothing is fetched.
func trustSet(url string, keys ...guardtest.Claims) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) {
		set := forgeJSON(guardtest.Claims{"keys": keys})
		cfg.Issuers = append(cfg.Issuers, bearerguard.Issuer{URL: url, JWKS: []byte(set)})
	}
}

func forgeJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func forgeMerge(base guardtest.Claims, more []guardtest.Claims) string {
	for _, m := range more {
		maps.Copy(base, m)
	}
	maps.DeleteFunc(base, func(_ string, value any) bool { return value == nil })
	return forgeJSON(base)
}

// forgeHeader is a header as it should be, with parameters changed, added or, if nil, left out.
func forgeHeader(alg, kid string, more ...guardtest.Claims) string {
	return forgeMerge(guardtest.Claims{"typ": "at+jwt", "alg": alg, "kid": kid}, more)
}

// forgePayload is a payload as it should be, with claims changed, added or, if nil, left out.
func forgePayload(iss string, more ...guardtest.Claims) string {
	now := time.Now().Unix()
	return forgeMerge(guardtest.Claims{
		"iss": iss, "aud": resource, "sub": "alice", "client_id": "client-1", "jti": rand.Text(), "iat": now, "exp": now + 300,
	}, more)
}

var forge64 = base64.RawURLEncoding.EncodeToString

// forgeInput is the signing input of a header and a payload.
func forgeInput(header, payload string) string {
	return forge64([]byte(header)) + "." + forge64([]byte(payload))
}

// forgeSignature signs with any method and any key, []byte for HMAC.
func forgeSignature(method string, key any, input string) []byte {
	if method == "Ed25519" {
		method = "EdDSA"
	}
	signature, err := jwt.GetSigningMethod(method).Sign(input, key)
	if err != nil {
		panic(err)
	}
	return signature
}

// forgeSigned signs any header and any payload with any method and key.
func forgeSigned(method string, key any, header, payload string) string {
	input := forgeInput(header, payload)
	return input + "." + forge64(forgeSignature(method, key, input))
}

// forgeOwn is a good token of ownURL by RS256.
func forgeOwn(header, claims guardtest.Claims) string {
	return forgeSigned("RS256", own().rs, forgeHeader("RS256", "rs", header), forgePayload(ownURL, claims))
}

// forgeCut takes the signature off a token.
func forgeCut(token string) (input string, signature []byte) {
	at := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil {
		panic(err)
	}
	return token[:at], signature
}

// forgeWith puts another signature under a token.
func forgeWith(token string, signature []byte) string {
	input, _ := forgeCut(token)
	return input + "." + forge64(signature)
}

// forgeRS is R‖S, each of size octets.
func forgeRS(r, s *big.Int, size int) []byte {
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// forgeRSA is the bare RSA private operation on an encoded message.
func forgeRSA(key *rsa.PrivateKey, message []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(message), key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// forgeJWE encrypts by A256GCM; the content encryption key is wrapped by the caller.
func forgeJWE(header guardtest.Claims, contentKey, wrapped []byte, plaintext string) string {
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	protected, nonce := forge64([]byte(forgeJSON(header))), make([]byte, gcm.NonceSize())
	sealed := gcm.Seal(nil, nonce, []byte(plaintext), []byte(protected))
	text, tag := sealed[:len(sealed)-gcm.Overhead()], sealed[len(sealed)-gcm.Overhead():]
	return strings.Join([]string{protected, forge64(wrapped), forge64(nonce), forge64(text), forge64(tag)}, ".")
}

// forgeExchange is the whole answer to a token, but for its date.
func forgeExchange(t *testing.T, s *service, token string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.server.URL+"/any", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := s.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Header.Del("Date")
	return fmt.Sprintf("%s %v\n%s", response.Status, response.Header, body)
}

// decisionLog is what an operator sees of the decisions.
type decisionLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *decisionLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *decisionLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// alsoLog logs the decisions to l too.
func alsoLog(l *decisionLog) func(*bearerguard.Config) {
	return func(cfg *bearerguard.Config) {
		before, logged := cfg.OnDecision, bearerguard.LogDecisions(slog.New(slog.NewTextHandler(l, nil)))
		cfg.OnDecision = func(ctx context.Context, d bearerguard.Decision) {
			before(ctx, d)
			logged(ctx, d)
		}
	}
}

// canaryPort is a port that nobody may ever connect to, in cleartext or with TLS.
type canaryPort struct {
	address string
	calls   atomic.Int32
}

func newCanaryPort(t *testing.T) *canaryPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	c := &canaryPort{address: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.calls.Add(1)
			_ = conn.Close()
		}
	}()
	return c
}

// fetchWatch lets the fetches of one issuer's own documents through and keeps all others.
type fetchWatch struct {
	allowed []string
	mu      sync.Mutex
	own     int
	strays  []string
}

func (w *fetchWatch) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	target, ok := r.URL.String(), slices.Contains(w.allowed, r.URL.String())
	if ok {
		w.own++
	} else {
		w.strays = append(w.strays, target)
	}
	w.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("stray fetch of %q", target)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// newWatched is a service, with its keys already fetched, that may connect to nothing but its shared issuer.
func newWatched(t *testing.T, change ...func(*bearerguard.Config)) (*service, *canaryPort, *fetchWatch) {
	t.Helper()
	port, iss := newCanaryPort(t), issuers()[0]
	watch := &fetchWatch{allowed: []string{iss.URL() + "/.well-known/oauth-authorization-server", iss.JWKSURL()}}
	change = append(change, func(cfg *bearerguard.Config) { cfg.HTTPClient = &http.Client{Transport: watch} })
	s := newService(t, change...)
	if err := s.guard.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		time.Sleep(50 * time.Millisecond) // for what may have been begun behind an answer
		watch.mu.Lock()
		defer watch.mu.Unlock()
		if port.calls.Load() != 0 || len(watch.strays) != 0 {
			t.Errorf("%d connections to the canary, fetches of %q", port.calls.Load(), watch.strays)
		}
	})
	return s, port, watch
}

// allowHugeHeaders puts another server before the service, so that its own limits are tried and not those of net/http.
func allowHugeHeaders(s *service) {
	before := s.server
	s.server = httptest.NewUnstartedServer(before.Config.Handler)
	s.server.Config.MaxHeaderBytes = 8 << 20
	s.server.Start()
	before.Close()
}
