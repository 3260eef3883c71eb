package keys_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/keys"
)

const (
	issuerURL = "https://issuer.example.com"
	jwksURL   = issuerURL + "/jwks"
	interval  = 5 * time.Minute
	cooldown  = 5 * time.Second
	maxStale  = time.Hour
	longest   = cooldown * 12 / 10 // cool-down, with its jitter
	shortest  = cooldown * 8 / 10
	patience  = 2 * time.Second
)

// answer is one HTTP exchange.
type answer func(*http.Request) (*http.Response, error)

// issuer answers in process, on the caller's goroutine, and honours the request's context.
type issuer struct {
	mu       sync.Mutex
	script   answer
	requests []request
	open     atomic.Int32 // bodies
}

type request struct {
	url    string
	header http.Header
	at     time.Time
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.requests = append(i.requests, request{r.URL.String(), r.Header.Clone(), time.Now()})
	script := i.script
	i.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response, err := script(r)
	if response != nil {
		i.open.Add(1)
		response.Body = &body{response.Body, sync.OnceFunc(func() { i.open.Add(-1) })}
	}
	return response, err
}

// body tells when it is closed.
type body struct {
	io.Reader
	closed func()
}

func (b *body) Close() error {
	b.closed()
	return nil
}

func (i *issuer) answers(script answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.script = script
}

func (i *issuer) publishes(kids ...string) { i.answers(serves(jwks(kids...))) }

func (i *issuer) seen() []request {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.requests)
}

func (i *issuer) count() int { return len(i.seen()) }

func (i *issuer) urls() (all []string) {
	for _, r := range i.seen() {
		all = append(all, r.url)
	}
	return all
}

func (i *issuer) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests = nil
}

// responds has a status, a body, and header fields as name and value.
func responds(status int, body string, header ...string) answer {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for pair := range slices.Chunk(header, 2) {
			h.Add(pair[0], pair[1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func serves(body string, header ...string) answer { return responds(http.StatusOK, body, header...) }

func streams(body io.Reader) answer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	}
}

var errDown = errors.New("connection refused")

func down(*http.Request) (*http.Response, error) { return nil, errDown }

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func late(d time.Duration, then answer) answer {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return then(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// byURL answers each URL in its own way, and any other with 404.
func byURL(routes map[string]answer) answer {
	return func(r *http.Request) (*http.Response, error) {
		if to, ok := routes[r.URL.String()]; ok {
			return to(r)
		}
		return responds(http.StatusNotFound, "")(r)
	}
}

// jwks is a set of keys. A name is the kid; what follows a ~ is not part of it but makes for other key material.
func jwks(names ...string) string { return jwksWith(nil, names...) }

func jwksWith(more guardtest.Claims, names ...string) string {
	var all []string
	for _, name := range names {
		kid, _, _ := strings.Cut(name, "~")
		with := guardtest.Claims{"kid": kid}
		maps.Copy(with, more)
		all = append(all, jwk(name, with))
	}
	return `{"keys":[` + strings.Join(all, ",") + `]}`
}

// jwk is the key of this name; it has a kid only if more has one.
func jwk(name string, more guardtest.Claims) string {
	seed := sha256.Sum256([]byte(name))
	text, err := json.Marshal(guardtest.JWK(ed25519.NewKeyFromSeed(seed[:]).Public(), more))
	if err != nil {
		panic(err)
	}
	return string(text)
}

func metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"token_endpoint":"https://x"}`, issuer, jwksURI)
}

// newStore makes a store with the defaults of the library, closed when the test ends.
func newStore(t testing.TB, transport http.RoundTripper, change ...func(*keys.Config)) *keys.Store {
	t.Helper()
	config := keys.Config{
		Issuer: issuerURL, JWKSURL: jwksURL, Algorithms: []string{"EdDSA", "ES256"}, Transport: transport,
		RefreshInterval: interval, RefreshCooldown: cooldown, MaxStale: maxStale,
	}
	for _, f := range change {
		f(&config)
	}
	store, err := keys.New(config)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

func find(store *keys.Store, kid string) (*keys.Key, error) {
	return store.Key(context.Background(), "EdDSA", kid, true)
}

func mustFind(t testing.TB, store *keys.Store, kid string) *keys.Key {
	t.Helper()
	key, err := find(store, kid)
	require.NoError(t, err, kid)
	return key
}

// took is how long f takes.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// bubble runs a subtest in which the clock stands still while anybody is at work.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// heap is what is in use, allocated what has ever been.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}
