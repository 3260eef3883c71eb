package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/guardtest"
)

// binary builds the program once: what is tested is a process of its own.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "resourceserver")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "resourceserver")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

type process struct {
	url string
	log *strings.Builder
	mu  *sync.Mutex
}

// start runs the program with this environment, on a free port, and waits until it serves.
func start(t *testing.T, env ...string) process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // t.Context ends before the clean-up
	command := exec.CommandContext(ctx, path)
	command.Env = append([]string{"ADDR=127.0.0.1:0"}, env...)
	stderr, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	p := process{log: new(strings.Builder), mu: new(sync.Mutex)}
	addr := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if _, after, ok := strings.Cut(lines.Text(), "msg=serving addr="); ok {
				at, _, _ := strings.Cut(after, " ")
				addr <- at
			}
		}
	}()
	t.Cleanup(func() {
		defer cancel()
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		<-drained
		require.NoError(t, command.Wait(), "it drains on SIGTERM and ends with 0")
	})
	select {
	case at := <-addr:
		p.url = "http://" + at
	case <-drained:
		t.Fatalf("did not start: %s", p.log)
	case <-time.After(20 * time.Second):
		t.Fatal("does not serve")
	}
	return p
}

func (p process) do(t *testing.T, method, target, token string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+target, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func TestService(t *testing.T) {
	iss := guardtest.NewIssuer(t)
	files := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(files, "a.txt"), []byte("content of a"), 0o600))
	p := start(t, "ISSUER="+iss.URL(), "RESOURCE="+guardtest.DefaultResource, "FILES_DIR="+files)
	type claims = guardtest.Claims
	for _, tc := range []struct {
		name, method, target, token string
		status                      int
		challenge, body             string
	}{
		{"health is public", "GET", "/healthz", "", 200, "", "ok"},
		{"items with the scope", "GET", "/api/items", iss.Token(claims{"scope": "items:read"}), 200, "", "apple"},
		{"items without a token", "GET", "/api/items", "", 401, "resource_metadata=", ""},
		{"items without the scope", "GET", "/api/items", iss.Token(nil), 403, `scope="items:read"`, ""},
		{"reset by an admin", "POST", "/api/admin/reset", iss.Token(claims{"scope": "admin:reset", "roles": []string{"admin"}}), 200, "", "true"},
		{"reset without the role", "POST", "/api/admin/reset", iss.Token(claims{"scope": "admin:reset"}), 403, "insufficient_scope", ""},
		{"reset without the scope", "POST", "/api/admin/reset", iss.Token(claims{"roles": []string{"admin"}}), 403, `scope="admin:reset"`, ""},
		{"reset with GET is no route", "GET", "/api/admin/reset", "", 401, "Bearer ", ""},
		{"step-up done", "GET", "/api/stepup", iss.Token(claims{"scope": "items:read", "acr": "urn:interop:mfa"}), 200, "", "true"},
		{"step-up needed", "GET", "/api/stepup", iss.Token(claims{"scope": "items:read"}), 401, `error="insufficient_user_authentication", acr_values="urn:interop:mfa"`, ""},
		{"step-up and scope needed", "GET", "/api/stepup", iss.Token(nil), 401, `scope="items:read", acr_values="urn:interop:mfa"`, ""},
		{"a file", "GET", "/api/files/a.txt", iss.Token(claims{"scope": "files:read"}), 200, "", "content of a"},
		{"a file without the scope", "GET", "/api/files/a.txt", iss.Token(nil), 403, `scope="files:read"`, ""},
		{"an absent file", "GET", "/api/files/b.txt", iss.Token(claims{"scope": "files:read"}), 404, "", ""},
		{"a file outside", "GET", "/api/files/..%2f..%2fetc%2fpasswd", iss.Token(claims{"scope": "files:read"}), 400, "", ""},
		{"metadata", "GET", "/.well-known/oauth-protected-resource", "", 200, "", `"resource":"https://api.example.com"`},
		{"no route, no token", "GET", "/nowhere", "", 401, "Bearer ", ""},
		{"no route, a token", "GET", "/nowhere", iss.Token(nil), 404, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response, body := p.do(t, tc.method, tc.target, tc.token)
			require.Equal(t, tc.status, response.StatusCode, body)
			require.Contains(t, response.Header.Get("WWW-Authenticate"), tc.challenge)
			require.Contains(t, body, tc.body)
		})
	}
	t.Run("whoami", func(t *testing.T) {
		_, body := p.do(t, "GET", "/api/whoami", iss.Token(claims{"scope": "b a", "roles": []string{"r"}}))
		var who map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &who))
		require.Equal(t, map[string]any{"iss": iss.URL(), "sub": "alice", "client_id": "client-1", "scope": "b a", "roles": []any{"r"}}, who)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Contains(t, p.log.String(), `cause="scope missing"`)
	require.NotContains(t, p.log.String(), "eyJ", "a token in the log")
}

func TestStartsWhileTheIssuerIsDown(t *testing.T) {
	p := start(t, "ISSUER=http://127.0.0.1:1", "RESOURCE="+guardtest.DefaultResource)
	response, _ := p.do(t, "GET", "/healthz", "")
	require.Equal(t, 200, response.StatusCode)
}

func TestEnvironmentIsRefused(t *testing.T) {
	good := []string{"ADDR=127.0.0.1:0", "ISSUER=https://login.example.com", "RESOURCE=https://api.example.com"}
	for _, tc := range []struct{ name, says string }{
		{"MODE=dpop-nonce", "MODE"},
		{"MODE=mtls", "MODE"},
		{"MODE=introspection", "MODE"},
		{"PROFILE=unheard-of", "PROFILE"},
		{"PROFILE=keycloak", "AUDIENCE"},
		{"PROFILE=cognito", "AUDIENCE"},
		{"PROFILE=entra-v1", "Tenants"},
		{"PROFILE=entra-v2", "Tenants"},
		{"PROFILE=github-actions", "PROFILE"}, // needs owners
		{"SIGNING_ALGS=HS256", "HS256"},
		{"ISSUER=http://login.example.com", "login.example.com"},
		{"ISSUER=", "ISSUER"},
		{"RESOURCE=", "RESOURCE"},
		{"CLOCK_LEEWAY=soon", "CLOCK_LEEWAY"},
		{"CLOCK_LEEWAY=-1", "CLOCK_LEEWAY"},
		{"CLOCK_LEEWAY=600", "Leeway"},
		{"MAX_STALE=1", "MaxStale"},
		{"CLIENT_CA=/nowhere", "CLIENT_CA"},
		{"TLS_CERT=/nowhere", "TLS_CERT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, err := binary()
			require.NoError(t, err)
			command := exec.CommandContext(t.Context(), path)
			command.Env = append(append([]string{}, good...), tc.name)
			out, err := command.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, exitUsage, exit.ExitCode())
			require.Contains(t, string(out), tc.says)
		})
	}
}
