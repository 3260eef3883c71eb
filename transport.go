package bearerguard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// checkTransport refuses a request that did not come over TLS, because its token has been on the wire for all to read
// (RFC 6750, Section 5.3). It is answered with 403 and never redirected: the token would come again, and in the clear.
// Cleartext is allowed from the machine itself, by loopback or a unix socket. A forwarded header that says http is
// believed from anybody, since it can only make the answer worse for him; one that says https from nobody.
func (c *core) checkTransport(r *http.Request) error {
	if c.insecureAllowHTTP {
		return nil
	}
	if proto, ok := forwardedCleartext(r.Header); ok {
		return fmt.Errorf("from %s (%s)", jose.Quote(r.RemoteAddr), proto)
	}
	if r.TLS != nil {
		return nil
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return nil
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil && peer.Addr().Unmap().IsLoopback() {
		return nil
	}
	hint := ""
	if r.Header.Get("X-Forwarded-Proto") != "" || r.Header.Get("Forwarded") != "" {
		hint = "; its forwarded headers are not believed"
	}
	return fmt.Errorf("from %s%s", jose.Quote(r.RemoteAddr), hint)
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
