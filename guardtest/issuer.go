// Package guardtest helps to test services that bearerguard guards: an issuer with real keys and a real JWK Set, over
// loopback or without any network, tokens of every kind, and every way in which an issuer can fail. Production code has
// no use for it.
//
// NewIssuer gives an issuer on a loopback socket. NewIssuerAt gives one with any https URL that is served in process:
// with it, a test in a testing/synctest bubble sees hours of refreshes and outages go by in no time.
package guardtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// Issuer is an authorization server reduced to what a resource server sees of it: metadata, a JWK Set, and tokens. What
// it publishes can be changed, and it can be made to fail, at any time. It is safe for concurrent use by multiple
// goroutines, and must not be copied.
type Issuer struct {
	url       string
	origin    string   // scheme and host of the URL
	metadata  []string // the paths of its metadata
	jwks      string   // the path of its key set
	algorithm string   // of Token

	life    sync.Mutex // held while the listener begins or ends; never together with mu
	socket  *socket    // nil: no listener, or down
	address string     // of the listener, for good; empty: there never is one

	mu        sync.Mutex
	keys      []*signingKey // oldest first
	published published
	faults    faults
	limit     []string // what the faults are limited to; empty: nothing
	down      bool
	closed    bool
	waiting   map[chan struct{}]struct{} // who waits for a change of the faults
	requests  map[string]int             // by path and query
}

// NewIssuer starts an issuer on a loopback port that ends with the test. It has one key for each algorithm; default:
// RS256. An RSA key takes about 100 ms to make, the others take none.
func NewIssuer(t testing.TB, algorithms ...string) *Issuer {
	t.Helper()
	i, err := StartIssuer(algorithms...)
	return ending(t, i, err)
}

// NewIssuerAt makes an issuer with this URL, such as https://login.example.com/realms/a, that ends with the test. It
// listens nowhere: Config and Transport reach it in process. So nothing has to be allowed that a real https issuer would
// not need, and the test may run in a testing/synctest bubble. Its keys are those of NewIssuer.
func NewIssuerAt(t testing.TB, rawURL string, algorithms ...string) *Issuer {
	t.Helper()
	i, err := IssuerAt(rawURL, algorithms...)
	return ending(t, i, err)
}

func ending(t testing.TB, i *Issuer, err error) *Issuer {
	t.Helper()
	if err != nil {
		t.Fatalf("guardtest: %v", err)
	}
	t.Cleanup(i.Close)
	return i
}

// StartIssuer is NewIssuer for programs that are no tests, and for issuers that tests share. End it with Close.
func StartIssuer(algorithms ...string) (*Issuer, error) {
	i, err := newIssuer(algorithms)
	if err != nil {
		return nil, err
	}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.address = listener.Addr().String()
	i.identify(&url.URL{Scheme: "http", Host: i.address})
	i.serve(listener)
	return i, nil
}

// IssuerAt is NewIssuerAt for programs that are no tests, and for issuers that tests share. An issuer that was made
// outside a testing/synctest bubble can be used, and have its faults set, inside one.
func IssuerAt(rawURL string, algorithms ...string) (*Issuer, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("issuer URL %q is not an absolute https URL", rawURL)
	case u.User != nil || strings.ContainsAny(rawURL, "?#"):
		return nil, fmt.Errorf("issuer URL %q has user information, a query or a fragment", rawURL)
	}
	i, err := newIssuer(algorithms)
	if err != nil {
		return nil, err
	}
	i.identify(u)
	i.url = rawURL // octet for octet
	return i, nil
}

func newIssuer(algorithms []string) (*Issuer, error) {
	if len(algorithms) == 0 {
		algorithms = []string{"RS256"}
	}
	i := &Issuer{
		algorithm: algorithms[0], published: published{header: http.Header{}},
		waiting: make(map[chan struct{}]struct{}), requests: make(map[string]int),
	}
	for _, algorithm := range algorithms {
		key, err := generate(algorithm)
		if err != nil {
			return nil, err
		}
		i.keys = append(i.keys, key)
	}
	return i, nil
}

// identify sets the URL and, from it, the paths of the documents: RFC 8414, Section 3.1 inserts the well-known part
// before the issuer's path, OpenID Connect Discovery, Section 4 appends it.
func (i *Issuer) identify(u *url.URL) {
	path := strings.TrimSuffix(u.Path, "/")
	i.url = u.String()
	i.origin = u.Scheme + "://" + u.Host
	i.jwks = path + "/jwks"
	i.metadata = []string{
		"/.well-known/oauth-authorization-server" + path,
		"/.well-known/openid-configuration" + path,
		path + "/.well-known/openid-configuration",
	}
}

// Close ends the issuer: whatever it is answering is cut off, and from then on nobody answers. It waits until nothing of
// the issuer runs any more. It may be called more than once. Signing goes on working.
func (i *Issuer) Close() {
	i.change(func() { i.closed = true })
	i.life.Lock()
	defer i.life.Unlock()
	i.unlisten()
}

// URL is the issuer's identifier.
func (i *Issuer) URL() string { return i.url }

// JWKSURL is where its keys are.
func (i *Issuer) JWKSURL() string { return strings.TrimSuffix(i.url, "/") + "/jwks" }

// Issuer is the configuration that trusts this issuer. Its InsecureAllowHTTP is set if the URL is no https URL.
func (i *Issuer) Issuer() bearerguard.Issuer {
	return bearerguard.Issuer{URL: i.url, InsecureAllowHTTP: !strings.HasPrefix(i.url, "https:")}
}

// Config is a configuration that trusts this issuer alone. If the issuer listens nowhere, its HTTPClient is set to reach
// it in process.
func (i *Issuer) Config(resource string) bearerguard.Config {
	cfg := bearerguard.Config{Resource: resource, Issuers: []bearerguard.Issuer{i.Issuer()}}
	if i.address == "" {
		cfg.HTTPClient = &http.Client{Transport: i.Transport()}
	}
	return cfg
}

// change changes the state, and has all who wait look at it.
func (i *Issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
	for wake := range i.waiting {
		close(wake)
	}
	clear(i.waiting)
}
