package guardtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const realm = "https://login.example.com/realms/a"

// everywhere runs a test with an issuer on a socket and with one in process: both must look the same to a client.
func everywhere(t *testing.T, test func(t *testing.T, iss *guardtest.Issuer, client *http.Client)) {
	t.Helper()
	t.Run("socket", func(t *testing.T) {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		test(t, guardtest.NewIssuer(t, "ES256"), &http.Client{Transport: transport})
	})
	t.Run("in process", func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, realm, "ES256")
		test(t, iss, &http.Client{Transport: iss.Transport()})
	})
}

// fetch gets a document, whole.
func fetch(t *testing.T, client *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(header); at += 2 {
		request.Header.Set(header[at], header[at+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// get is fetch for goroutines.
func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// fails wants no answer.
func fails(t *testing.T, client *http.Client, url string) error {
	t.Helper()
	response, err := client.Get(url)
	if err == nil {
		response.Body.Close()
		t.Fatalf("an answer, with status %d", response.StatusCode)
	}
	return err
}

func keyIDs(t *testing.T, set string) []string {
	t.Helper()
	var parsed struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(set), &parsed); err != nil {
		t.Fatalf("%v in %s", err, set)
	}
	ids := []string{}
	for _, k := range parsed.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestDocuments(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		origin, hasPath := strings.CutSuffix(iss.URL(), "/realms/a")
		places := []string{origin + "/.well-known/oauth-authorization-server", iss.URL() + "/.well-known/openid-configuration"}
		if hasPath {
			places[0] += "/realms/a"
			places = append(places, origin+"/.well-known/openid-configuration/realms/a")
		}
		for _, place := range places {
			response, body := fetch(t, client, place)
			var metadata map[string]string
			if err := json.Unmarshal([]byte(body), &metadata); err != nil {
				t.Fatal(err)
			}
			if metadata["issuer"] != iss.URL() || metadata["jwks_uri"] != iss.JWKSURL() || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %v %v", place, metadata, response.Header)
			}
		}
		response, body := fetch(t, client, iss.JWKSURL())
		if body != string(iss.JWKS()) || response.ContentLength != int64(len(body)) || response.Header.Get("Content-Type") != "application/jwk-set+json" {
			t.Errorf("%d %v %s", response.ContentLength, response.Header, body)
		}
		if response, _ := fetch(t, client, iss.JWKSURL()+"/more"); response.StatusCode != http.StatusNotFound {
			t.Errorf("status %d where nothing is", response.StatusCode)
		}
		if response, err := client.Head(iss.JWKSURL()); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("HEAD: %v %v", response, err)
		}
		response, err := client.Post(iss.JWKSURL(), "text/plain", strings.NewReader("x"))
		if err != nil || response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST: %v %v", response, err)
		} else {
			response.Body.Close()
		}
	})
}

func TestPublish(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		origin := strings.TrimSuffix(iss.URL(), "/realms/a")
		metadata := origin + "/.well-known/openid-configuration" + strings.TrimPrefix(iss.URL(), origin)
		iss.PublishJWKS(`{"keys":[]`)
		iss.PublishMetadata(`{}`)
		iss.SetHeader("Cache-Control", "max-age=60")
		if response, body := fetch(t, client, iss.JWKSURL()); body != `{"keys":[]` || response.Header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("%v %s", response.Header, body)
		}
		if response, body := fetch(t, client, metadata); body != `{}` || response.Header.Get("Cache-Control") != "" {
			t.Errorf("%v %s", response.Header, body)
		}
		iss.Recover()
		if _, body := fetch(t, client, metadata); body != `{}` {
			t.Error("Recover has changed what is published")
		}
		iss.PublishJWKS("")
		iss.PublishMetadata("")
		iss.SetHeader("Cache-Control", "")
		if response, body := fetch(t, client, iss.JWKSURL()); body != string(iss.JWKS()) || response.Header.Get("Cache-Control") != "" {
			t.Errorf("%v %s", response.Header, body)
		}
		if _, body := fetch(t, client, metadata); !strings.Contains(body, iss.JWKSURL()) {
			t.Error(body)
		}
	})
}

func TestETag(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		if response, _ := fetch(t, client, iss.JWKSURL()); response.Header.Get("ETag") != "" {
			t.Error("an ETag that nobody wants")
		}
		iss.EnableETag()
		ask := func(known string, status int) string {
			t.Helper()
			response, body := fetch(t, client, iss.JWKSURL(), "If-None-Match", known)
			if response.StatusCode != status || (body == "") != (status == http.StatusNotModified) {
				t.Errorf("If-None-Match: %s: status %d, not %d; body %q", known, response.StatusCode, status, body)
			}
			return response.Header.Get("ETag")
		}
		tag := ask(`"x"`, 200)
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if again := ask(known, 304); again != tag {
				t.Errorf("304 with ETag %s, not %s", again, tag)
			}
		}
		iss.Rotate("ES256")
		if ask(tag, 200) == tag {
			t.Error("a new set with the old ETag")
		}
		iss.SetHeader("ETag", `"liar"`)
		ask(`"liar"`, 304)
		iss.Rotate("ES256")
		ask(`"liar"`, 304)
		iss.Fail(500)
		ask(`"liar"`, 500)
	})
}

func TestTransportReachesNobodyElse(t *testing.T) {
	a, b := guardtest.NewIssuerAt(t, realm, "Ed25519"), guardtest.NewIssuerAt(t, "https://login.example.com/realms/b/", "Ed25519")
	both := &http.Client{Transport: guardtest.Transport(a, b)}
	for _, iss := range []*guardtest.Issuer{a, b} {
		if _, body := fetch(t, both, iss.JWKSURL()); body != string(iss.JWKS()) {
			t.Errorf("%s: %s", iss.URL(), body)
		}
		if _, body := fetch(t, both, strings.TrimSuffix(iss.URL(), "/")+"/.well-known/openid-configuration"); !strings.Contains(body, `"`+iss.URL()+`"`) {
			t.Errorf("%s: %s", iss.URL(), body)
		}
	}
	for _, url := range []string{"https://evil.example/jwks", "http://login.example.com/realms/a/jwks", "https://login.example.com:8443/realms/a/jwks"} {
		_ = fails(t, both, url)
	}
	for _, url := range []string{"", "login.example.com", "file:///x", "https://u@login.example.com", "https://login.example.com?x", "https://login.example.com#x"} {
		if _, err := guardtest.IssuerAt(url, "Ed25519"); err == nil {
			t.Errorf("an issuer at %q", url)
		}
	}
}

func TestConfig(t *testing.T) {
	local, remote := guardtest.NewIssuer(t, "ES256"), guardtest.NewIssuerAt(t, realm, "ES256")
	if c := local.Config(guardtest.DefaultResource); !c.Issuers[0].InsecureAllowHTTP || c.HTTPClient != nil {
		t.Errorf("%+v", c)
	}
	if c := remote.Config(guardtest.DefaultResource); c.Issuers[0].InsecureAllowHTTP || c.Issuers[0].URL != realm || c.HTTPClient == nil {
		t.Errorf("%+v", c)
	}
	for _, iss := range []*guardtest.Issuer{local, remote} {
		guard, err := bearerguard.New(iss.Config(guardtest.DefaultResource))
		if err != nil {
			t.Fatal(err)
		}
		token, err := guard.Verify(t.Context(), iss.Token(nil), bearerguard.Authenticated())
		if err != nil || token.Issuer() != iss.URL() {
			t.Errorf("%s: %v", iss.URL(), err)
		}
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBehindTLS serves an issuer with a server of one's own.
func TestBehindTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	iss := guardtest.NewIssuerAt(t, "https://"+server.Listener.Addr().String(), "ES256")
	server.Config.Handler = iss
	server.StartTLS()
	defer server.Close()
	if _, body := fetch(t, server.Client(), iss.JWKSURL()); body != string(iss.JWKS()) {
		t.Error(body)
	}
	if err := fails(t, &http.Client{Transport: &http.Transport{}}, iss.JWKSURL()); !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	iss.GoDown()
	_ = fails(t, server.Client(), iss.JWKSURL())
}
