package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

const (
	fetchTimeout = 5 * time.Second
	maxBody      = 512 << 10
)

var (
	errStatus   = errors.New("status is not 200")
	errTooLarge = errors.New("body too large")
	errAddress  = errors.New("address not allowed")
	errRedirect = errors.New("redirect to another host or scheme")
	errScheme   = errors.New("not an https URL")
)

// Transport is the round tripper for all fetches: the caller's, or one of our own. A caller's *http.Transport is cloned
// and, unless it dials in its own way, has its addresses checked when dialling; any other RoundTripper decides itself
// whom it talks to.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   1,
			IdleConnTimeout:       30 * time.Second,
			TLSHandshakeTimeout:   fetchTimeout,
			ResponseHeaderTimeout: fetchTimeout,
		}
	}
	t, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	t = t.Clone()
	if t.DialContext == nil && t.DialTLSContext == nil {
		dialer := &net.Dialer{Timeout: fetchTimeout, ControlContext: checkAddress}
		t.DialContext = dialer.DialContext
	}
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// reach says which addresses a fetch may dial.
type reach uint8

const (
	reachConfigured reach = iota // any but link-local: the operator named the host
	reachPublic                  // a discovered host: no private address may hide behind it
	reachPrivate                 // cleartext: loopback and private addresses only
)

type reachKey struct{}

// checkAddress judges the address that is really dialled, so that no second DNS answer can differ from a first one
// (RFC 8725bis, Section 3.10). Behind a proxy from the environment, it is the proxy's address.
func checkAddress(ctx context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q", errAddress, address)
	}
	ip := at.Addr().Unmap()
	private := ip.IsLoopback() || ip.IsPrivate()
	switch allowed, _ := ctx.Value(reachKey{}).(reach); {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified():
	case allowed == reachConfigured, allowed == reachPublic && !private && ip.IsGlobalUnicast(), allowed == reachPrivate && private:
		return nil
	}
	return fmt.Errorf("%w: %s", errAddress, ip)
}

// fetcher fetches documents of one issuer.
type fetcher struct {
	transport http.RoundTripper
	timeout   time.Duration
	cleartext bool // http is allowed, to loopback and private addresses
}

// get fetches one JSON document. Only status 200 counts; the body is bounded; a redirect must stay on the scheme and
// host; cookies are neither kept nor sent.
func (f fetcher) get(ctx context.Context, target string, allowed reach) (string, error) {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("%w: %s", errScheme, jose.Quote(target))
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && f.cleartext && allowed == reachConfigured:
		allowed = reachPrivate
	default:
		return "", fmt.Errorf("%w: %s", errScheme, jose.Quote(target))
	}
	ctx = context.WithValue(ctx, reachKey{}, allowed)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	client := http.Client{
		Transport: f.transport,
		Timeout:   f.timeout,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.URL.Scheme != u.Scheme || next.URL.Host != u.Host || next.URL.User != nil || len(via) > 3 {
				return errRedirect
			}
			return nil
		},
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w but %d", errStatus, response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return "", errors.New("an HTML page, not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return "", err
	}
	if len(body) > maxBody {
		return "", errTooLarge
	}
	return string(body), nil
}
