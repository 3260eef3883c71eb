package keys

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

var (
	errIssuer  = errors.New("the document is of another issuer")
	errJWKSURI = errors.New("the document names no https jwks_uri")
)

// discover finds the issuer's jwks_uri: the RFC 8414 form of the well-known URL first, then the OpenID Connect forms,
// each only if the one before gave no good document (RFC 8414, Section 5).
func (f *fetcher) discover(ctx context.Context, issuer string, allowed reach) (jwksURL string, err error) {
	var failures []error
	for _, target := range wellKnown(issuer) {
		answer, err := f.get(ctx, target, allowed, "")
		if err == nil {
			jwksURL, err = f.jwksURI(answer.body, issuer)
		}
		if err == nil {
			return jwksURL, nil
		}
		failures = append(failures, fmt.Errorf("discovery: %w", err))
		if ctx.Err() != nil {
			break
		}
	}
	return "", errors.Join(failures...)
}

// wellKnown lists where an issuer's metadata may be: RFC 8414, Section 3.1 inserts the well-known part between host and
// path; OpenID Connect Discovery, Section 4 appends it. One terminating slash of the issuer is dropped first.
func wellKnown(issuer string) []string {
	issuer = strings.TrimSuffix(issuer, "/")
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	path := u.EscapedPath()
	base := strings.TrimSuffix(issuer, path)
	targets := []string{base + "/.well-known/oauth-authorization-server" + path}
	if path != "" {
		targets = append(targets, base+"/.well-known/openid-configuration"+path)
	}
	return append(targets, issuer+"/.well-known/openid-configuration")
}

// jwksURI reads the one member that is wanted, if the document is this issuer's, code point for code point (RFC 8414,
// Section 3.3). Nothing else in it is used: metadata never widens what configuration allows.
func (f *fetcher) jwksURI(document, issuer string) (string, error) {
	o, err := jose.ParseObject(document)
	if err != nil {
		return "", err
	}
	value, _ := o.Get("issuer")
	if own, ok := value.Text(); !ok || own != issuer {
		return "", fmt.Errorf("%w: %s", errIssuer, jose.Quote(own))
	}
	value, _ = o.Get("jwks_uri")
	target, _ := value.Text()
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(f.cleartext && u.Scheme == "http") {
		return "", fmt.Errorf("%w: %s", errJWKSURI, jose.Quote(target))
	}
	return strings.Clone(target), nil // which would keep the whole document
}

// sameHost tells whether a discovered URL leads to the issuer's own host.
func sameHost(discovered, issuer string) bool {
	to, err := url.Parse(discovered)
	from, err2 := url.Parse(issuer)
	return err == nil && err2 == nil && to.Host == from.Host
}
