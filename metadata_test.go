package bearerguard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// Where the metadata of a resource is, what it says, and what the challenge says of it.
func TestMetadataPlaces(t *testing.T) {
	s := newService(t)
	const wellKnown = "/.well-known/oauth-protected-resource"
	for _, tc := range []struct{ name, resource, url, path string }{
		{"R9728-02 R9728-14 a host", "https://h.example", "https://h.example" + wellKnown, wellKnown},
		{"R9728-03 a host and a slash", "https://h.example/", "https://h.example" + wellKnown, wellKnown},
		{"R9728-02 a path", "https://h.example/r1", "https://h.example" + wellKnown + "/r1", wellKnown + "/r1"},
		{"R9728-02 a longer path", "https://h.example/a/b", "https://h.example" + wellKnown + "/a/b", wellKnown + "/a/b"},
		{"R9728-03 a path and a slash", "https://h.example/r1/", "https://h.example" + wellKnown + "/r1", wellKnown + "/r1"},
		{"R9728-02 a query", "https://h.example/r1?k=v&l=w", "https://h.example" + wellKnown + "/r1?k=v&l=w", wellKnown + "/r1"},
		{"R9728-02 a query without a path", "https://h.example?k=v", "https://h.example" + wellKnown + "?k=v", wellKnown},
		{"R9728-02 a port", "https://h.example:8443/r1", "https://h.example:8443" + wellKnown + "/r1", wellKnown + "/r1"},
		{"R9728-02 an escape", "https://h.example/a%20b", "https://h.example" + wellKnown + "/a%20b", wellKnown + "/a b"},
		{"R9728-02 capitals in the host stay", "https://H.example/R1", "https://H.example" + wellKnown + "/R1", wellKnown + "/R1"},
		{"R9728-02 a machine that tests itself", "http://127.0.0.1:8080/r1", "http://127.0.0.1:8080" + wellKnown + "/r1", wellKnown + "/r1"},
		{"R9728-01 http to another machine has none", "http://h.example/r1", "", ""},
		{"R9728-01 a URN has none", "urn:example:api", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := s.guard.For(tc.resource)
			if got := g.MetadataPath(); got != tc.path {
				t.Errorf("path %q, want %q", got, tc.path)
			}
			serveInstead(s, g.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle)))
			want := fmt.Sprintf(`Bearer resource_metadata="%s"`, tc.url)
			if tc.url == "" {
				want = fmt.Sprintf(`Bearer realm="%s"`, tc.resource)
			}
			if got := s.lines(t, noCrd, "GET", "/").Header.Get("WWW-Authenticate"); got != want {
				t.Errorf("challenge %s, want %s", got, want)
			}
			serveInstead(s, g.Metadata())
			_, body := hearRaw(t, s, "GET "+wellKnown+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			var document struct {
				Resource string   `json:"resource"`
				Servers  []string `json:"authorization_servers"`
				Methods  []string `json:"bearer_methods_supported"`
			}
			if err := json.Unmarshal([]byte(body), &document); err != nil || document.Resource != tc.resource ||
				!slices.Equal(document.Servers, []string{s.iss.URL()}) || !slices.Equal(document.Methods, []string{"header"}) {
				t.Errorf("R9728-05: %s (%v)", body, err)
			}
		})
	}
	for name, resource := range map[string]string{
		"R9728-01 a fragment": "https://h.example#f", "R9728-01 an empty fragment": "https://h.example#", "a relative reference": "/r1",
		"user information": "https://a:b@h.example", "a quote": `https://h.example/"`, "H-21 a line break": "https://h.example/\r\nX: y", "a letter beyond ASCII": "https://h.example/é",
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if panicText(func() { s.guard.For(resource) }) == "" {
				t.Error("a view of it was made")
			}
			if _, err := bearerguard.New(s.iss.Config(resource)); err == nil || !strings.Contains(err.Error(), "Resource") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMetadataAnswers(t *testing.T) {
	s := newService(t)
	serveInstead(s, s.guard.Metadata())
	target := s.guard.MetadataPath()
	request := func(method string, lines ...string) string {
		return method + " " + target + " HTTP/1.1\r\nConnection: close\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	}
	_, document := hearRaw(t, s, request("GET", "Host: api.example.com"))
	type field = map[string]string
	shared := field{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=3600", "Set-Cookie": "", "WWW-Authenticate": ""}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		fields field
		method string
		lines  []string
	}{
		{"R9728-04 R9728-17 GET", 200, document, shared, "GET", []string{"Host: api.example.com"}},
		{"R9728-17 HEAD", 200, "", shared, "HEAD", []string{"Host: api.example.com"}},
		{"R9728-17 a preflight", 204, "", field{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD"}, "OPTIONS", []string{"Host: h", "Origin: https://app.example", "Access-Control-Request-Method: GET"}},
		{"R9728-17 POST", 405, "", field{"Allow": "GET, HEAD, OPTIONS", "Access-Control-Allow-Origin": "*"}, "POST", []string{"Host: h", "Content-Length: 0"}},
		{"R9728-17 PUT", 405, "", field{"Allow": "GET, HEAD, OPTIONS"}, "PUT", []string{"Host: h", "Content-Length: 0"}},
		{"R9728-17 DELETE", 405, "", nil, "DELETE", []string{"Host: h"}},
		{"R9110-16 get", 405, "", nil, "get", []string{"Host: h"}},
		{"R9728-17 H-24 a spoofed Host", 200, document, shared, "GET", []string{"Host: evil.example"}},
		{"R9728-17 H-26 spoofed forwarded fields", 200, document, shared, "GET", []string{"Host: h", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Forwarded-Prefix: /evil", "Forwarded: host=evil.example;proto=http"}},
		{"R9728-17 H-27 a spoofed path", 200, document, shared, "GET", []string{"Host: h", "X-Original-URL: /admin", "X-Rewrite-URL: /admin"}},
		{"R9728-17 a token is not looked at", 200, document, shared, "GET", []string{"Host: h", "Authorization: Bearer x.y.z", "Authorization: Bearer"}},
		{"R9728-17 an origin is not echoed", 200, document, shared, "GET", []string{"Host: h", "Origin: https://evil.example"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response, body := hearRaw(t, s, request(tc.method, tc.lines...))
			if response.StatusCode != tc.status || body != tc.body || strings.Contains(fmt.Sprint(response.Header, body), "evil") {
				t.Errorf("status %d, headers %v, body %s", response.StatusCode, response.Header, body)
			}
			for name, want := range tc.fields {
				if got := strings.Join(response.Header.Values(name), "|"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
	t.Run("R9728-17 cleartext from another machine: it holds no secret", func(t *testing.T) {
		w := httptest.NewRecorder()
		if s.guard.Metadata().ServeHTTP(w, arriving("192.0.2.1:1", "http://h"+target, "", nil)); w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("R9728-04 R9728-16 nothing empty is in it", func(t *testing.T) {
		if strings.Contains(document, "null") || strings.Contains(document, "[]") || strings.Contains(document, `""`) {
			t.Error(document)
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(document), &members); err != nil || members["resource"] != resource {
			t.Errorf("%s: %v", document, err)
		}
	})
	t.Run("R9728-09 what it says of carriage is so", func(t *testing.T) {
		other := newService(t)
		other.lines(t, noCrd, "GET", "/items?access_token="+other.iss.Token(good))
		other.get(t, ok200, "/items", other.iss.Token(good))
	})
	t.Run("a view has its own", func(t *testing.T) {
		view := s.guard.For("https://admin.example.com/v1")
		w := httptest.NewRecorder()
		view.Metadata().ServeHTTP(w, httptest.NewRequest("GET", "https://admin.example.com"+view.MetadataPath(), nil))
		if !strings.Contains(w.Body.String(), `"resource":"https://admin.example.com/v1"`) || strings.Contains(w.Body.String(), "api.example.com") {
			t.Error(w.Body.String())
		}
	})
}
