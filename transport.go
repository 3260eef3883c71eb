package bearerguard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// NoProxyHeader is a Config.ProxyHeader that says: the trusted proxies pass on nothing but what came to them over TLS,
// and send no header about it, as a TLS proxy on layer 4 does.
const NoProxyHeader = "none"

// transport decides whether a token may have come the way that a request came.
type transport struct {
	proxies       []netip.Prefix
	header        string // "" if no proxy is trusted
	cleartextFrom []netip.Prefix
	insecure      bool
	hsts          string // the field value; "" for none
}

// newTransport checks the fields of the configuration that are about the way to us.
func newTransport(cfg Config, mistake func(format string, args ...any)) transport {
	t := transport{insecure: cfg.InsecureAllowHTTP, header: cfg.ProxyHeader}
	t.proxies = prefixes("TrustedProxies", cfg.TrustedProxies, mistake)
	t.cleartextFrom = prefixes("InsecureAllowHTTPFrom", cfg.InsecureAllowHTTPFrom, mistake)
	switch canonical := http.CanonicalHeaderKey(cfg.ProxyHeader); {
	case cfg.ProxyHeader == "" && len(t.proxies) > 0:
		mistake("Config.ProxyHeader is empty, with TrustedProxies %v: name the one header that they set, or NoProxyHeader", t.proxies)
	case cfg.ProxyHeader != "" && len(t.proxies) == 0:
		mistake("Config.ProxyHeader %q without TrustedProxies", cfg.ProxyHeader)
	case cfg.ProxyHeader == "" || cfg.ProxyHeader == NoProxyHeader:
	case canonical == "Forwarded" || canonical == "X-Forwarded-Proto":
		t.header = canonical
	default:
		mistake("Config.ProxyHeader %q is none of Forwarded, X-Forwarded-Proto and NoProxyHeader", cfg.ProxyHeader)
	}
	if cfg.HSTS < 0 || cfg.HSTS%time.Second != 0 {
		mistake("Config.HSTS %v is not a positive number of seconds", cfg.HSTS)
	} else if cfg.HSTS > 0 {
		t.hsts = "max-age=" + strconv.FormatInt(int64(cfg.HSTS/time.Second), 10) // RFC 6797, Section 6.1
	}
	return t
}

func prefixes(name string, given []netip.Prefix, mistake func(string, ...any)) []netip.Prefix {
	for _, p := range given {
		switch {
		case !p.IsValid():
			mistake("Config.%s: %v is no prefix", name, p)
		case p.Addr().Is4In6():
			mistake("Config.%s: %v is an IPv4 prefix written as IPv6: peers are compared unmapped", name, p)
		case p.Masked() != p:
			mistake("Config.%s: %v has bits set behind the prefix: did you mean %v?", name, p, p.Masked())
		}
	}
	return slices.Clone(given)
}

// check refuses a request that did not come over TLS, because its token has been on the wire for all to read (RFC 6750,
// Section 5.3). It is answered with 403 and never redirected: the token would come again, and in the clear.
//
// Cleartext is allowed from the machine itself, by loopback or a unix socket, and from a trusted proxy that says https. A
// forwarded header that says http is believed from anybody, since it can only make the answer worse for him; one that
// says https from trusted proxies only.
func (t *transport) check(r *http.Request) error {
	if t.insecure {
		return nil
	}
	return t.judge(r)
}

// judge is check without the exemption of InsecureAllowHTTP.
func (t *transport) judge(r *http.Request) error {
	if proto, ok := forwardedCleartext(r.Header); ok {
		return fmt.Errorf("from %s (%s)", jose.Quote(r.RemoteAddr), proto)
	}
	if t.fromProxy(r) {
		return t.checkProxy(r)
	}
	if r.TLS != nil {
		return nil
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return nil
	}
	if peer, ok := peerOf(r); ok && (peer.IsLoopback() || within(peer, t.cleartextFrom)) {
		return nil
	}
	return fmt.Errorf("from %s%s", jose.Quote(r.RemoteAddr), t.hint(r.Header))
}

// hint says which fields to set if the peer is a proxy after all.
func (t *transport) hint(h http.Header) string {
	remedy := "set TrustedProxies and ProxyHeader"
	if t.header != "" {
		remedy = "TrustedProxies does not list this peer"
	}
	for _, name := range [...]string{"X-Forwarded-Proto", "Forwarded"} {
		if value := h.Get(name); value != "" {
			return fmt.Sprintf(" (%s: %s not believed): %s", name, jose.Quote(value), remedy)
		}
	}
	return ": if it is a proxy that ends TLS, " + remedy
}

func (t *transport) fromProxy(r *http.Request) bool {
	peer, ok := peerOf(r)
	return t.header != "" && ok && within(peer, t.proxies)
}

// setHSTS adds Strict-Transport-Security, if it is asked for, to what goes over TLS, and never to what goes in the clear
// (RFC 6797, Section 7.2).
func (t *transport) setHSTS(w http.ResponseWriter, r *http.Request) {
	if t.hsts == "" || r.TLS == nil && !t.fromProxy(r) || t.judge(r) != nil {
		return // judge, not check: that cleartext is allowed makes no TLS of it
	}
	w.Header().Set("Strict-Transport-Security", t.hsts)
}

var errProxyHeader = errors.New("a peer in TrustedProxies did not say, in the header that ProxyHeader names and once, that the client came by https")

// checkProxy reads what a trusted proxy says about the hop before it: its own, rightmost, element. What is malformed or
// missing is no https.
func (t *transport) checkProxy(r *http.Request) error {
	lines := r.Header[t.header]
	switch {
	case t.header == NoProxyHeader:
		return nil
	case len(lines) != 1:
		return errProxyHeader
	}
	last := lines[0][strings.LastIndexByte(lines[0], ',')+1:]
	if t.header == "X-Forwarded-Proto" {
		if proto := strings.TrimSpace(last); strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss") {
			return nil
		}
		return errProxyHeader
	}
	proto, seen := "", 0
	for pair := range strings.SplitSeq(last, ";") { // RFC 7239, Section 4; a quoted comma or semicolon cuts a value in two
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if rest, quoted := strings.CutPrefix(value, `"`); quoted {
			if value, quoted = strings.CutSuffix(rest, `"`); !quoted {
				return errProxyHeader
			}
		}
		// Any other quote is an escaped one, or cut out of a value that goes on: what a client can make the proxy quote, such
		// as a host, must not be read as a pair.
		if !ok || strings.Contains(value, `"`) {
			return errProxyHeader
		}
		if strings.EqualFold(name, "proto") {
			proto = value
			seen++
		}
	}
	if seen != 1 || !strings.EqualFold(proto, "https") {
		return errProxyHeader
	}
	return nil
}

// peerOf is the address at the other end of the connection, IPv4 as such and without a zone.
func peerOf(r *http.Request) (netip.Addr, bool) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap().WithZone(""), err == nil
}

func within(peer netip.Addr, prefixes []netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// forwardedCleartext looks for a forwarded header that does not say https.
func forwardedCleartext(h http.Header) (string, bool) {
	for _, line := range h["X-Forwarded-Proto"] {
		for proto := range strings.SplitSeq(line, ",") {
			if proto = strings.TrimSpace(proto); !strings.EqualFold(proto, "https") && !strings.EqualFold(proto, "wss") {
				return "X-Forwarded-Proto is not https", true
			}
		}
	}
	for _, line := range h["Forwarded"] {
		for pair := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ';' || r == ',' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(strings.TrimSpace(name), "proto") && !strings.EqualFold(strings.Trim(value, `" `), "https") {
				return "Forwarded: proto is not https", true
			}
		}
	}
	return "", false
}
