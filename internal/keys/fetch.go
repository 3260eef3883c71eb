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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

const (
	fetchTimeout = 5 * time.Second
	maxBody      = 512 << 10
)

var (
	errTooLarge = errors.New("body too large")
	errAddress  = errors.New("address not allowed")
	errRedirect = errors.New("redirect to another host or scheme")
	errScheme   = errors.New("not an https URL")
	errHTML     = errors.New("an HTML page, not JSON")
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
	cleartext bool // http is allowed, to loopback and private addresses
}

// document is a good answer.
type document struct {
	body        string
	etag        string
	maxAge      time.Duration // of Cache-Control; negative if it says nothing
	notModified bool
}

// statusError is an answer with another status than wanted.
type statusError struct {
	status     int
	retryAfter time.Duration // negative if it was not sent
}

func (e *statusError) Error() string { return "status " + strconv.Itoa(e.status) }

// get fetches one JSON document. Only status 200 counts, and 304 if an entity tag is given; the body is bounded, also
// after decompression; a redirect must stay on the scheme and host; cookies are neither kept nor sent.
func (f fetcher) get(ctx context.Context, target string, allowed reach, etag string) (document, error) {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.User != nil {
		return document{}, fmt.Errorf("%w: %s", errScheme, jose.Quote(target))
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && f.cleartext && allowed == reachConfigured:
		allowed = reachPrivate
	default:
		return document{}, fmt.Errorf("%w: %s", errScheme, jose.Quote(target))
	}
	ctx = context.WithValue(ctx, reachKey{}, allowed)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return document{}, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	client := http.Client{
		Transport: f.transport,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.URL.Scheme != u.Scheme || next.URL.Host != u.Host || next.URL.User != nil || len(via) > 3 {
				return errRedirect
			}
			return nil
		},
	}
	response, err := client.Do(request)
	if err != nil {
		return document{}, err
	}
	defer response.Body.Close()
	d := document{etag: response.Header.Get("ETag"), maxAge: maxAge(response.Header)}
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		d.notModified = true
		return d, nil
	case response.StatusCode != http.StatusOK:
		return document{}, &statusError{response.StatusCode, retryAfter(response.Header)}
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return document{}, errHTML
	}
	var body strings.Builder
	n, err := io.Copy(&body, io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return document{}, err
	}
	if n > maxBody {
		return document{}, errTooLarge
	}
	if len(d.etag) > 256 {
		d.etag = ""
	}
	d.body = body.String()
	return d, nil
}

// maxAge reads the max-age of Cache-Control (RFC 9111, Section 5.2.2.1). It can only shorten our own interval, so what
// cannot be read says nothing.
func maxAge(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
			return time.Duration(seconds) * time.Second
		}
	}
	return -1
}

// retryAfter reads Retry-After in seconds or as a date (RFC 9110, Section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return -1
}
