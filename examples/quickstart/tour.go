package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// stop is one request of the tour and the answer that it must get.
type stop struct {
	what, method, target string
	token                string // none if empty
	status               int
	challenge            string // what WWW-Authenticate must contain
	body                 string // what the body must contain
}

// sampleFiles makes a directory with something to serve and, beside it, something to steal.
func sampleFiles() (*bearerguard.Dir, func(), error) {
	temporary, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(temporary) }
	public := filepath.Join(temporary, "public")
	for name, content := range map[string]string{"secret.txt": "TOP SECRET\n", "public/hello.txt": "hello from a file\n"} {
		if err == nil {
			err = os.MkdirAll(public, 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(temporary, filepath.FromSlash(name)), []byte(content), 0o600)
		}
	}
	if err == nil {
		err = os.Symlink(filepath.Join("..", "secret.txt"), filepath.Join(public, "link.txt"))
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	dir, err := bearerguard.OpenDir(public, bearerguard.DirConfig{})
	if err != nil {
		remove()
		return nil, nil, err
	}
	return dir, func() { _ = dir.Close(); remove() }, nil
}

func stops(issuer, stranger *guardtest.Issuer) []stop {
	items := guardtest.Claims{"scope": "items:read"}
	token := issuer.Token
	good := token(items)
	admin := guardtest.Claims{"scope": "admin:reset", "roles": []string{"admin"}}
	expired := guardtest.Claims{"scope": "items:read", "iat": time.Now().Unix() - 900, "exp": time.Now().Unix() - 600}
	parts := strings.Split(good, ".")
	none := guardtest.Unsecured(guardtest.Claims{"iss": issuer.URL(), "aud": resource, "scope": "items:read", "exp": time.Now().Unix() + 60})
	files := token(guardtest.Claims{"scope": "files:read"})
	return []stop{
		{"a good token", "GET", "/items", good, 200, "", "hello alice"},
		{"no token", "GET", "/items", "", 401, `resource_metadata=`, ""},
		{"a token with too little scope", "GET", "/items", token(nil), 403, `error="insufficient_scope", scope="items:read"`, ""},
		{"an admin", "POST", "/admin/reset", token(admin), 200, "", "hello alice"},
		{"an ordinary user on the admin route", "POST", "/admin/reset", good, 403, `error="insufficient_scope"`, ""},
		{"admin scope, but not the role", "POST", "/admin/reset", token(guardtest.Claims{"scope": "admin:reset"}), 403, `error="insufficient_scope"`, ""},
		{"an expired token", "GET", "/items", token(expired), 401, `error="invalid_token"`, ""},
		{"a token for another audience", "GET", "/items", token(guardtest.Claims{"scope": "items:read", "aud": "https://other.example.com"}), 401, `error="invalid_token"`, ""},
		{"another issuer's token", "GET", "/items", stranger.Token(items), 401, `error="invalid_token"`, ""},
		{"forged: alg none", "GET", "/items", none, 401, `error="invalid_token"`, ""},
		{"forged: signed by a stranger's key", "GET", "/items", stranger.TokenWith("RS256", guardtest.Claims{"kid": issuer.KeyID("RS256")}, guardtest.Claims{"iss": issuer.URL(), "scope": "items:read"}), 401, `error="invalid_token"`, ""},
		{"forged: another payload, the same signature", "GET", "/items", parts[0] + "." + strings.Split(token(admin), ".")[1] + "." + parts[2], 401, `error="invalid_token"`, ""},
		{"an ID token, not an access token", "GET", "/items", issuer.TokenWith("RS256", guardtest.Claims{"typ": "JWT"}, guardtest.Claims{"nonce": "n-1", "scope": "items:read"}), 401, `error="invalid_token"`, ""},
		{"a transfer without the second factor", "POST", "/transfer", token(guardtest.Claims{"scope": "transfer"}), 401, `error="insufficient_user_authentication", acr_values="mfa"`, ""},
		{"a transfer with it", "POST", "/transfer", token(guardtest.Claims{"scope": "transfer", "acr": "mfa"}), 200, "", "hello alice"},
		{"health, for anybody", "GET", "/healthz", "", 200, "", "ok"},
		{"metadata, for anybody", "GET", "/.well-known/oauth-protected-resource", "", 200, "", `"resource":"https://api.example.com"`},
		{"a path that is no route, no token", "GET", "/nowhere", "", 401, `resource_metadata=`, ""},
		{"the token in the query", "GET", "/items?access_token=" + good, "", 401, `resource_metadata=`, ""},
		{"a file", "GET", "/files/hello.txt", files, 200, "", "hello from a file"},
		{"a file outside, by dots", "GET", "/files/%2e%2e/secret.txt", files, 400, "", "canonical"},
		{"a file outside, by an encoded slash", "GET", "/files/..%2fsecret.txt", files, 400, "", "canonical"},
		{"a file outside, by a link", "GET", "/files/link.txt", files, 404, "", ""},
	}
}

// takeTour fires the requests over real connections and fails unless every answer is the right one.
func takeTour(out io.Writer) error {
	issuer, err := guardtest.StartIssuer()
	if err != nil {
		return err
	}
	defer issuer.Close()
	stranger, err := guardtest.StartIssuer()
	if err != nil {
		return err
	}
	defer stranger.Close()
	files, remove, err := sampleFiles()
	if err != nil {
		return err
	}
	defer remove()
	var last bearerguard.Decision // requests are sent one at a time
	cfg := issuer.Config(resource)
	cfg.OnDecision = func(_ context.Context, d bearerguard.Decision) { last = d }
	handler, guard, err := service(cfg, files)
	if err != nil {
		return err
	}
	defer guard.Close()
	server := httptest.NewServer(handler)
	defer server.Close()

	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tREQUEST\t\tANSWER\tWHY (from the log, never sent to the client)")
	wrong := 0
	all := stops(issuer, stranger)
	for _, s := range all {
		last = bearerguard.Decision{}
		status, challenge, body, err := send(server.Listener.Addr().String(), s)
		if err != nil {
			return err
		}
		mark := "ok"
		if status != s.status || !strings.Contains(challenge, s.challenge) || !strings.Contains(body, s.body) || strings.Contains(body, "SECRET") {
			mark = "WRONG"
			wrong++
		}
		why := "allowed"
		switch {
		case !last.Allowed():
			why = string(last.Cause)
		case status == http.StatusNotFound:
			why = "allowed, but not a file that may be served"
		}
		target, _, _ := strings.Cut(s.target, "eyJ") // a token in the query is not for a terminal
		fmt.Fprintf(table, "%s\t%s\t%s %s\t%d %s\t%s\n", mark, s.what, s.method, target, status, http.StatusText(status), why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d answers are wrong", wrong, len(all))
	}
	_, err = fmt.Fprintf(out, "\nall %d answers are right\n", len(all))
	return err
}

// send writes the request as it stands: a client library might clean its path.
func send(addr string, s stop) (status int, challenge, body string, err error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return 0, "", "", err
	}
	defer conn.Close()
	request := s.method + " " + s.target + " HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n"
	if s.token != "" {
		request += "Authorization: Bearer " + s.token + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return 0, "", "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header.Get("WWW-Authenticate"), string(content), err
}
