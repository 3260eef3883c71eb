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
	"slices"
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
	var p pools
	for allowed := range p {
		p[allowed] = t.Clone()
		p[allowed].MaxResponseHeaderBytes = 64 << 10
		switch {
		case t.DialTLSContext != nil:
		case t.DialContext != nil: // also that of a clone of http.DefaultTransport
			p[allowed].DialContext = reach(allowed).checkDialled(t.DialContext)
		default:
			dialer := &net.Dialer{Timeout: fetchTimeout, Control: reach(allowed).checkAddress}
			p[allowed].DialContext = dialer.DialContext
		}
	}
	return p
}

// pools has a pool of connections for each reach: an idle connection to a private address, which one fetch was allowed
// to dial, must not serve a fetch that was not.
type pools [reachPrivate + 1]*http.Transport

// RoundTrip implements http.RoundTripper.
func (p pools) RoundTrip(r *http.Request) (*http.Response, error) {
	allowed, _ := r.Context().Value(reachKey{}).(reach)
	return p[allowed].RoundTrip(r)
}

// CloseIdle closes the idle connections of a Transport of this package. Those of a caller's own RoundTripper are his.
func CloseIdle(transport http.RoundTripper) {
	if p, ok := transport.(pools); ok {
		for _, t := range p {
			t.CloseIdleConnections()
		}
	}
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
func (allowed reach) checkAddress(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q", errAddress, address)
	}
	ip := at.Addr().Unmap()
	private := ip.IsLoopback() || ip.IsPrivate()
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified():
	case allowed == reachConfigured, allowed == reachPublic && !private && isPublic(ip), allowed == reachPrivate && private:
		return nil
	}
	return fmt.Errorf("%w: %s", errAddress, ip)
}

// isPublic leaves out what is global by its form only: shared, special and translated address space, through which
// private addresses can be reached (IANA's special-purpose address registries, RFC 6890).
func isPublic(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// checkDialled judges the address behind a connection that a caller's own dialler made. What is no TCP connection is the
// dialler's affair.
func (allowed reach) checkDialled(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if at, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
			if err := allowed.checkAddress(network, at.String(), nil); err != nil {
				_ = conn.Close()
				return nil, err
			}
		}
		return conn, nil
	}
}

// fetcher fetches documents of one issuer.
type fetcher struct {
	transport  http.RoundTripper
	cleartext  bool          // http is allowed, to loopback and private addresses
	retryAfter time.Duration // the longest that an answer has asked for; negative if none has
}

// document is a good answer.
type document struct {
	body        string
	etag        string
	maxAge      time.Duration // of Cache-Control; negative if it says nothing
	notModified bool
}

// shortError bounds an error's text, since an issuer has its hand in many: with a Location, a malformed header, the
// names in a certificate.
type shortError struct{ err error }

func (e shortError) Unwrap() error { return e.err }

func (e shortError) Error() string {
	text := []byte(e.err.Error())
	text = text[:min(len(text), 256)]
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '?'
		}
	}
	return string(text)
}

// get fetches one JSON document. Only status 200 counts, and 304 if an entity tag is given; the body is bounded, also
// after decompression; a redirect must stay on the scheme and host; cookies are neither kept nor sent.
func (f *fetcher) get(ctx context.Context, target string, allowed reach, etag string) (document, error) {
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
		return document{}, shortError{err}
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
		var outer *url.Error // whose text has the whole URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return document{}, fmt.Errorf("%s: %w", jose.Quote(target), shortError{err})
	}
	defer response.Body.Close()
	d := document{etag: response.Header.Get("ETag"), maxAge: maxAge(response.Header)}
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		d.notModified = true
		return d, nil
	case response.StatusCode != http.StatusOK:
		f.retryAfter = max(f.retryAfter, retryAfter(response.Header))
		return document{}, fmt.Errorf("status %d", response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return document{}, errHTML
	}
	var body strings.Builder
	n, err := readBounded(&body, response.Body)
	if err != nil {
		return document{}, shortError{err}
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

// readBounded reads at most maxBody+1 octets. It takes its memory in two steps and not by doubling, as a hostile issuer
// would make us throw away twice of what we keep.
func readBounded(into *strings.Builder, from io.Reader) (int64, error) {
	const usual = 64 << 10
	into.Grow(usual)
	n, err := io.CopyN(into, from, usual)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return n, err
	}
	into.Grow(maxBody + 1 - usual)
	more, err := io.Copy(into, io.LimitReader(from, maxBody+1-usual))
	return n + more, err
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
