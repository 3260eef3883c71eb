package bearerguard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/challenge"
	"github.com/bearerguard/bearerguard/internal/keys"
)

// Config configures a Guard. The zero value of a field is the default that it documents; a negative duration means
// none.
type Config struct {
	_ [0]func()

	// Resource identifies this API: an absolute URI without fragment (RFC 8707, Section 2). It is the accepted audience,
	// and, if it is an https URL, where its metadata lives (RFC 9728). Required.
	Resource string

	// Audiences are the accepted values of aud, if they are others than Resource.
	Audiences []string

	// Issuers are the trusted authorization servers. At least one.
	Issuers []Issuer

	// Leeway is how far clocks may differ, at most 2 minutes. Default: 30 seconds. See NoLeeway.
	Leeway time.Duration

	// MaxTokenLifetime bounds exp - iat. Default: 24 hours.
	MaxTokenLifetime time.Duration

	// Realm is named in challenges; printable ASCII. Default: none, unless a challenge would have no parameter without.
	Realm string

	// TrustedProxies are the addresses of reverse proxies that may say that a client came over TLS; they are compared
	// with the direct peer. What they say is in the one header that ProxyHeader names, Forwarded or X-Forwarded-Proto,
	// of which the last element counts. The proxies must set it themselves on every request. See also NoProxyHeader.
	TrustedProxies []netip.Prefix
	ProxyHeader    string

	// InsecureAllowHTTP accepts tokens over cleartext from anywhere, InsecureAllowHTTPFrom from these peers. Whoever is
	// on the path can steal them.
	InsecureAllowHTTP     bool
	InsecureAllowHTTPFrom []netip.Prefix

	// HSTS adds Strict-Transport-Security with this max-age to what guarded routes answer over TLS (RFC 6797).
	HSTS time.Duration

	// AdvertiseScopes names the scopes of the route in the challenge to a request without token, as the Model Context
	// Protocol asks. It tells anonymous callers what the route needs.
	AdvertiseScopes bool

	// ErrorBody replaces the problem document in refusals. It gets what the client may know, and nothing of the request.
	// If it panics, or returns an empty content type, the standard body is sent.
	ErrorBody func(status int, code Code) (contentType string, body []byte)

	// HTTPClient lends its Transport and Timeout to the fetches of keys. Nothing else of it is used.
	HTTPClient *http.Client

	// IssuerFor finds issuers that are not known at start-up, such as the customers' own in a service with many tenants.
	// It is asked with an iss that nobody has verified, and only if that is an https URL on one of IssuerHosts, which
	// are then mandatory. The Issuer it returns must have that URL, https, and no private address behind it. False
	// refuses the token, and is remembered for 30 seconds; an error or a panic is answered 503. An issuer that was
	// found is asked for again after 5 minutes. Questions are asked one at a time for each issuer, at most ten a second
	// in all, and must be answered within 2 seconds.
	IssuerFor   func(ctx context.Context, iss string) (Issuer, bool, error)
	IssuerHosts []string

	// OnKeyEvent is told what happens to the issuers' keys, on the goroutine of the fetch; its panics are contained. See
	// LogKeyEvents.
	OnKeyEvent func(KeyEvent)

	// OnDecision is called once for each decision, before the handler, on the request's goroutine. It must be quick and
	// safe for concurrent use; its panics are contained. See LogDecisions.
	OnDecision func(context.Context, Decision)
}

// NoLeeway makes Config.Leeway none.
const NoLeeway time.Duration = -1

const (
	defaultLeeway           = 30 * time.Second
	maxLeeway               = 2 * time.Minute
	defaultMaxTokenLifetime = 24 * time.Hour
)

// New checks the whole configuration and reports all its mistakes at once. It keeps copies, so changing cfg afterwards
// has no effect, and starts no network: keys are fetched when they are first needed, or by Ready.
func New(cfg Config) (*Guard, error) {
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("bearerguard: "+format, args...))
	}

	c := &core{
		issuers: make(map[string]*trust), counters: newCounters(), realm: cfg.Realm, onDecision: cfg.OnDecision,
		advertiseScopes: cfg.AdvertiseScopes, errorBody: cfg.ErrorBody, transport: newTransport(cfg, mistake),
		leeway: cfg.Leeway, maxTokenLifetime: cfg.MaxTokenLifetime,
	}
	switch {
	case cfg.Leeway == 0:
		c.leeway = defaultLeeway
	case cfg.Leeway < 0:
		c.leeway = 0
	case cfg.Leeway > maxLeeway:
		mistake("Config.Leeway %v is more than %v", cfg.Leeway, maxLeeway)
	}
	if cfg.MaxTokenLifetime == 0 {
		c.maxTokenLifetime = defaultMaxTokenLifetime
	}
	if !challenge.IsQuotable(cfg.Realm) {
		mistake("Config.Realm %q has characters other than printable ASCII", cfg.Realm)
	}
	if err := checkResource(cfg.Resource); err != nil {
		mistake("Config.Resource %q %w", cfg.Resource, err)
	}
	if slices.Contains(cfg.Audiences, "") {
		mistake("Config.Audiences %q has an empty audience", cfg.Audiences)
	}
	if len(cfg.Issuers) == 0 && cfg.IssuerFor == nil {
		mistake("Config.Issuers is empty: no token would be accepted")
	}
	s := supply{onEvent: keyEventHook(cfg.OnKeyEvent)}
	if cfg.HTTPClient == nil {
		s.transport = keys.Transport(nil)
	} else {
		s.transport, s.timeout = keys.Transport(cfg.HTTPClient.Transport), cfg.HTTPClient.Timeout
	}
	c.fetchTransport = s.transport
	var err error
	if c.dynamic, err = newResolver(cfg.IssuerFor, cfg.IssuerHosts, s); err != nil {
		mistakes = append(mistakes, unjoin(err)...)
	}
	for i, issuer := range cfg.Issuers {
		if slices.ContainsFunc(cfg.Issuers[:i], func(other Issuer) bool { return other.URL == issuer.URL }) {
			mistake("Config.Issuers[%d].URL %q is configured twice", i, issuer.URL)
		}
		t, err := issuer.compiled(s)
		if err != nil {
			for _, err := range unjoin(err) {
				mistake("Config.Issuers[%d].%w", i, err)
			}
			continue
		}
		for _, iss := range t.issuers() {
			if other, taken := c.issuers[iss]; taken && other.url != t.url {
				mistake("Config.Issuers[%d].URL %q: tokens of %q are those of Config.Issuers %q already", i, t.url, iss, other.url)
			}
			c.issuers[iss] = t
		}
		c.configured = append(c.configured, t)
		if t.tenancy == nil || t.tenancy.tenants != nil { // a template is nobody's identifier
			c.issuerURLs = append(c.issuerURLs, t.issuers()...)
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	audiences := slices.Clone(cfg.Audiences)
	if len(audiences) == 0 {
		audiences = []string{cfg.Resource}
	}
	return c.newGuard(cfg.Resource, audiences), nil
}

func (c *core) newGuard(resource string, audiences []string) *Guard {
	g := &Guard{core: c, resource: resource, audiences: audiences, metadata: metadataURL(resource), challenge: challenge.New("Bearer")}
	realm := c.realm
	if realm == "" && g.metadata == nil {
		realm = resource
	}
	if realm != "" {
		g.challenge = g.challenge.With("realm", realm)
	}
	if g.metadata != nil {
		g.challenge = g.challenge.With("resource_metadata", g.metadata.String()) // RFC 9728, Section 5.1
	}
	return g
}

// checkResource demands an absolute URI without fragment (RFC 8707, Section 2), in characters that a header can carry.
func checkResource(resource string) error {
	u, err := url.Parse(resource)
	switch {
	case resource == "":
		return errors.New("is required")
	case err != nil || u.Scheme == "" || u.Hostname() == "" && u.Opaque == "" && u.Path == "":
		return errors.New("is not an absolute URI")
	case strings.Contains(resource, "#") || u.User != nil:
		return errors.New("has a fragment or user information")
	case (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
		return errors.New("has no host")
	case !challenge.IsQuotable(resource) || strings.ContainsAny(resource, " \"\\"):
		return errors.New("has characters that a URI cannot have")
	}
	return nil
}

// unjoin takes apart what errors.Join put together.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
