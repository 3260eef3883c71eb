package bearerguard

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/keys"
)

// Issuer is one authorization server whose tokens are trusted, with everything that trust is bound to: its keys verify
// its tokens only, with its algorithms, for its audiences, read by its profile. The zero value of a field is the
// default that it documents.
type Issuer struct {
	_ [0]func()

	// URL identifies the issuer. A token's iss claim must equal it octet for octet, so a trailing slash counts. It is
	// an https URL without query and fragment (RFC 8414, Section 2). A profile with several Tenants, or with AnyTenant,
	// takes the template of their identifiers, such as https://login.microsoftonline.com/{tenantid}/v2.0, and then
	// needs JWKSURL or JWKS. Required.
	URL string

	// JWKSURL is where the issuer publishes its keys. Default: found by discovery, RFC 8414 first, then OpenID Connect.
	JWKSURL string

	// JWKS is the issuer's JWK Set itself. With it, nothing is ever fetched.
	JWKS []byte

	// Algorithms are the signature algorithms that the issuer's tokens may use, in order of preference: a key that names
	// no algorithm is pinned to the first that fits. Default: RS256, PS256, ES256, ES384, ES512, EdDSA, Ed25519.
	Algorithms []string

	// Audiences replace Config.Audiences for this issuer's tokens.
	Audiences []string

	// Profile says how the issuer's tokens are shaped. Default: RFC 9068.
	Profile Profile

	// RefreshInterval is the time between two fetches of the keys, give or take a tenth. Default: 5 minutes.
	RefreshInterval time.Duration

	// RefreshCooldown is the least time between two fetches that unknown keys provoke, give or take a fifth; never more
	// than RefreshInterval. Default: 5 seconds.
	RefreshCooldown time.Duration

	// MaxStale is how long the last good keys serve while no new ones can be had. At least three times RefreshInterval.
	// Default: 1 hour.
	MaxStale time.Duration

	// Lazy leaves the issuer out of Guard.Ready: its keys are fetched for the first of its tokens.
	Lazy bool

	// InsecureAllowHTTP allows http for URL and JWKSURL, to loopback and private addresses only, which is checked when
	// dialling. Whoever can write to that network can forge every token.
	InsecureAllowHTTP bool
}

// supply is what an issuer's key store gets from its surroundings.
type supply struct {
	transport  http.RoundTripper
	timeout    time.Duration
	publicOnly bool
	onEvent    func(keys.Event)
}

// trust is an Issuer as it is used.
type trust struct {
	url        string
	algorithms []string
	audiences  []string // nil: the guard's
	shape      *shape   // of the profile
	tenancy    *tenancy // nil: the issuer has one tenant, or none
	lazy       bool
	keys       *keys.Store
}

var defaultAlgorithms = []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

const (
	defaultRefreshInterval = 5 * time.Minute
	defaultRefreshCooldown = 5 * time.Second
	defaultMaxStale        = time.Hour
)

// compiled checks the issuer and makes its key store; it reports every mistake.
func (i Issuer) compiled(s supply) (*trust, error) {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	if err := checkIssuerURL(i.URL, i.InsecureAllowHTTP); err != nil {
		mistake("URL %q: %w", i.URL, err)
	}
	if i.JWKSURL != "" {
		if len(i.JWKS) > 0 {
			mistake("JWKSURL %q and JWKS: only one of them can be the source of the keys", i.JWKSURL)
		}
		if u, err := url.Parse(i.JWKSURL); err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || !allowedScheme(u, i.InsecureAllowHTTP) {
			mistake("JWKSURL %q is not an absolute https URL", i.JWKSURL)
		}
	}
	t := &trust{url: i.URL, lazy: i.Lazy, algorithms: slices.Clone(i.Algorithms), audiences: slices.Clone(i.Audiences)}
	if len(i.Algorithms) == 0 {
		t.algorithms = defaultAlgorithms
	}
	for _, name := range t.algorithms {
		if !keys.Supported(name) {
			mistake("Algorithms: %q is not a supported asymmetric algorithm", name)
		}
	}
	if slices.Contains(i.Audiences, "") {
		mistake("Audiences %q: empty audience", i.Audiences)
	}
	var err error
	if t.shape, err = i.Profile.compiled(); err != nil {
		mistakes = append(mistakes, unjoin(err)...)
	}
	if t.tenancy, err = newTenancy(i); err != nil {
		mistakes = append(mistakes, err)
	}
	if i.JWKS != nil {
		if _, err := keys.ParseSet(string(i.JWKS), t.algorithms); err != nil {
			mistake("JWKS: %w", err)
		}
	}
	interval := duration("RefreshInterval", i.RefreshInterval, defaultRefreshInterval, mistake)
	cooldown := duration("RefreshCooldown", i.RefreshCooldown, defaultRefreshCooldown, mistake)
	stale := duration("MaxStale", i.MaxStale, defaultMaxStale, mistake)
	if interval > stale/3 {
		mistake("MaxStale %v is less than three times RefreshInterval %v: one late fetch would cause an outage", stale, interval)
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	t.keys, err = keys.New(keys.Config{
		Issuer: i.URL, JWKSURL: i.JWKSURL, Static: string(i.JWKS), Algorithms: t.algorithms,
		Transport: s.transport, Timeout: s.timeout, Cleartext: i.InsecureAllowHTTP, PublicOnly: s.publicOnly,
		RefreshInterval: interval, RefreshCooldown: min(cooldown, interval), MaxStale: stale, OnEvent: s.onEvent,
	})
	if err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	return t, nil
}

func duration(name string, given, standard time.Duration, mistake func(string, ...any)) time.Duration {
	if given < 0 {
		mistake("%s %v is negative", name, given)
	}
	if given == 0 {
		return standard
	}
	return given
}

func checkIssuerURL(raw string, cleartext bool) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return errors.New("is required")
	case err != nil:
		return errors.New("does not parse")
	case u.Hostname() == "" || !allowedScheme(u, cleartext):
		return errors.New("is not an absolute https URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return errors.New("has user information, a query or a fragment (RFC 8414, Section 2)")
	case u.Path != "" && checkPath(u) != nil:
		return errors.New("has a path that is not canonical")
	}
	return nil
}

func allowedScheme(u *url.URL, cleartext bool) bool {
	return u.Scheme == "https" || cleartext && u.Scheme == "http"
}
