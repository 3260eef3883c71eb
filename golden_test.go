package bearerguard_test

import (
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenAnswers pins every answer to the byte: status, challenge and body. Clients depend on them.
func TestGoldenAnswers(t *testing.T) {
	iss := issuers()[0]
	named := iss.Config("urn:example:api")
	named.Realm = `an "odd" realm`
	var out strings.Builder
	for _, cfg := range []bearerguard.Config{iss.Config(resource), named} {
		guard, err := bearerguard.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		write := func(name string, err error) {
			w := httptest.NewRecorder()
			guard.WriteError(w, nil, err)
			fmt.Fprintf(&out, "%s\n  %d\n", name, w.Code)
			for _, field := range []string{"WWW-Authenticate", "Retry-After"} {
				for _, value := range w.Header().Values(field) {
					fmt.Fprintf(&out, "  %s: %s\n", field, value)
				}
			}
			fmt.Fprintf(&out, "  %s\n", strings.TrimSpace(w.Body.String()))
		}
		fmt.Fprintf(&out, "# %s\n", cfg.Resource)
		write("a foreign error", errors.New("secret"))
		{
			policy := bearerguard.All(bearerguard.Scope("a", "b"), bearerguard.ACR("x", "y"))
			request := guardtest.NewRequest("GET", "/", iss.Token(guardtest.Claims{"aud": cfg.Resource, "acr": "z"}))
			_, err := guard.Check(request, policy)
			write(policy.String(), err)
		}
		for _, tc := range []struct {
			name, token string
			policy      bearerguard.Policy
		}{
			{"no token", "", bearerguard.Authenticated()},
			{"bad syntax", "a b", bearerguard.Authenticated()},
			{"bad token", "a.b.c", bearerguard.Authenticated()},
			{"scope missing", iss.Token(guardtest.Claims{"aud": cfg.Resource}), bearerguard.Scope("a")},
			{"role missing", iss.Token(guardtest.Claims{"aud": cfg.Resource}), bearerguard.Role("a")},
			{"acr missing", iss.Token(guardtest.Claims{"aud": cfg.Resource}), bearerguard.ACR("a")},
		} {
			_, err := guard.Check(guardtest.NewRequest("GET", "/", tc.token), tc.policy)
			write(tc.name, err)
		}
		_, err = guard.Check(guardtest.NewRequest("GET", "/a//b", ""), bearerguard.Authenticated())
		write("path", err)
		_, err = guard.Check(httptest.NewRequest("GET", "/", nil), bearerguard.Authenticated())
		write("cleartext", err)
		guard.Close()
		_, err = guard.Check(guardtest.NewRequest("GET", "/", "a.b.c"), bearerguard.Authenticated())
		write("closed", err)
	}
	const file = "testdata/answers.golden"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("answers have changed; if that is meant, run with -update:\n%s", out.String())
	}
}
