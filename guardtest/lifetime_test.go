package guardtest_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/guardtest"
)

// TestCloseLeavesNothing closes an issuer amid answers of every slow kind.
func TestCloseLeavesNothing(t *testing.T) {
	for name, fault := range map[string]func(*guardtest.Issuer){
		"idle": func(*guardtest.Issuer) {}, "hang": (*guardtest.Issuer).Hang, "endless": (*guardtest.Issuer).Endless,
		"drip": func(iss *guardtest.Issuer) { iss.Drip(time.Hour) }, "delay": func(iss *guardtest.Issuer) { iss.Delay(time.Hour) },
		"down": (*guardtest.Issuer).GoDown,
	} {
		t.Run(name, func(t *testing.T) {
			iss, err := guardtest.StartIssuer("Ed25519")
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{}
			client := &http.Client{Transport: transport}
			fetch(t, client, iss.JWKSURL())
			fault(iss)
			var clients sync.WaitGroup
			for range 5 {
				clients.Go(func() {
					if response, err := client.Get(iss.JWKSURL()); err == nil {
						_, _ = io.Copy(io.Discard, response.Body)
						response.Body.Close()
					}
				})
			}
			if name != "down" {
				arrive(t, iss, 6)
			}
			iss.Close()
			clients.Wait()
			transport.CloseIdleConnections()
			until(t, func() bool {
				return !strings.Contains(stacks(), "guardtest.(*") && !strings.Contains(stacks(), "net/http.(*conn).serve")
			})
			iss.Rotate("Ed25519")
			if iss.Token(nil) == "" {
				t.Error("a closed issuer does not sign")
			}
		})
	}
}

// stacks are those of all goroutines but tests.
func stacks() string {
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	var others []string
	for stack := range strings.SplitSeq(string(buffer), "\n\n") {
		if !strings.Contains(stack, "testing.tRunner") {
			others = append(others, stack)
		}
	}
	return strings.Join(others, "\n\n")
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		first := iss.KeyID("ES256")
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { iss.Rotate("ES256") }, func() { iss.Withdraw(first) }, func() { iss.Replace(first) }, func() { iss.Token(nil) },
			func() { iss.SignWith(first, "{}", "{}") }, func() { iss.PublicKey("ES256") }, func() { iss.JWKS() }, func() { iss.Config("x") },
			func() { iss.PublishJWKS("{}"); iss.PublishJWKS("") }, func() { iss.PublishMetadata("x") }, func() { iss.SetHeader("A", "b") }, iss.EnableETag,
			func() { iss.Fail(500) }, iss.Garbage, func() { iss.Oversize(9999) }, func() { iss.Redirect("/") }, func() { iss.Drip(1) },
			func() { iss.Delay(1) }, iss.Hang, func() { iss.FaultsOn("/x") }, iss.Recover, iss.GoDown, iss.ComeBack,
			func() { iss.Requests() }, func() { iss.RequestsTo("/jwks") }, iss.ResetRequests,
			func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				request, _ := http.NewRequestWithContext(ctx, http.MethodGet, iss.JWKSURL(), nil)
				if response, err := client.Do(request); err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			},
		} {
			for range 2 {
				all.Go(func() {
					for range 20 {
						f()
					}
				})
			}
		}
		all.Wait()
	})
}
