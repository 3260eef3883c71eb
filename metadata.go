package bearerguard

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

const metadataPath = "/.well-known/oauth-protected-resource"

// metadataURL is where the metadata of an https resource lives: the well-known part is inserted between host and path
// (RFC 9728, Section 3.1). A resource in another scheme has none. http is accepted for resources on the machine itself.
func metadataURL(resource string) *url.URL {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
		return nil
	}
	at := *u
	at.Path = metadataPath + strings.TrimSuffix(u.Path, "/")
	at.RawPath = ""
	if u.RawPath != "" {
		at.RawPath = metadataPath + strings.TrimSuffix(u.RawPath, "/")
	}
	return &at
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// MetadataPath is the path at which the protected resource metadata must be served; empty if the resource is no URL
// that could have it.
func (g *Guard) MetadataPath() string {
	if g.metadata == nil {
		return ""
	}
	return g.metadata.Path
}

// Metadata serves the protected resource metadata (RFC 9728, Section 2). It needs no token, and takes nothing from the
// request: not its Host, nor a forwarded one. Mount it at MetadataPath.
//
// A [Mux] serves it by itself, with the scopes that its routes ask for.
func (g *Guard) Metadata() http.Handler { return g.metadataHandler(nil) }

func (g *Guard) metadataHandler(scopes []string) http.Handler {
	document, err := json.Marshal(struct {
		Resource               string   `json:"resource"`
		AuthorizationServers   []string `json:"authorization_servers,omitempty"`
		ScopesSupported        []string `json:"scopes_supported,omitempty"`
		BearerMethodsSupported []string `json:"bearer_methods_supported"`
	}{g.resource, g.core.issuerURLs, scopes, []string{"header"}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		switch {
		case err != nil:
			g.answer(w, &Error{Cause: ErrInternal, Err: err})
		case r.Method == http.MethodOptions:
			header.Set("Access-Control-Allow-Methods", "GET, HEAD")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			header.Set("Content-Type", "application/json")
			header.Set("Cache-Control", "public, max-age=3600")
			header.Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(document)
		}
	})
}
