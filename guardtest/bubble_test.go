package guardtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// older is an issuer that is older than any bubble.
var older = sync.OnceValues(func() (*guardtest.Issuer, error) { return guardtest.IssuerAt(realm, "RS256") })

// inBubble runs a test in a bubble, with an issuer of its own and with one from outside.
func inBubble(t *testing.T, test func(t *testing.T, iss *guardtest.Issuer, client *http.Client)) {
	t.Helper()
	t.Run("made inside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			iss := guardtest.NewIssuerAt(t, realm, "Ed25519")
			test(t, iss, &http.Client{Transport: iss.Transport()})
		})
	})
	t.Run("made outside", func(t *testing.T) {
		iss, err := older()
		if err != nil {
			t.Fatal(err)
		}
		iss.ResetRequests()
		synctest.Test(t, func(t *testing.T) {
			defer iss.Recover()
			test(t, iss, &http.Client{Transport: iss.Transport()})
		})
	})
}

// takes runs f and wants it to take exactly this time.
func takes(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took != want {
		t.Errorf("took %v, not %v", took, want)
	}
}

func TestBubbleDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Delay(time.Hour)
		takes(t, time.Hour, func() { fetch(t, client, iss.JWKSURL()) })
		iss.FaultsOn("/elsewhere")
		takes(t, 0, func() { fetch(t, client, iss.JWKSURL()) })
		iss.FaultsOn()
		client.Timeout = time.Minute
		takes(t, time.Minute, func() {
			if err := fails(t, client, iss.JWKSURL()); !os.IsTimeout(err) {
				t.Error(err)
			}
		})
		client.Timeout = 0
		go func() {
			time.Sleep(time.Second)
			iss.Delay(time.Minute) // counts from the request on
		}()
		takes(t, time.Minute, func() { fetch(t, client, iss.JWKSURL()) })
	})
}

func TestBubbleHang(t *testing.T) {
	inBubble(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Hang()
		client.Timeout = 5 * time.Second
		takes(t, 5*time.Second, func() {
			if err := fails(t, client, iss.JWKSURL()); !os.IsTimeout(err) {
				t.Error(err)
			}
		})
		client.Timeout = 0
		for name, end := range map[string]func(){"Recover": iss.Recover, "FaultsOn": func() { iss.FaultsOn("/elsewhere") }, "GoDown": iss.GoDown} {
			iss.Recover()
			iss.Hang()
			iss.ResetRequests()
			go func() {
				time.Sleep(24 * time.Hour)
				if iss.RequestsTo(iss.JWKSURL()) != 1 {
					t.Error("a request that hangs does not count")
				}
				end()
			}()
			takes(t, 24*time.Hour, func() {
				_, err := get(client, iss.JWKSURL())
				if (err != nil) != (name == "GoDown") || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	})
}

func TestBubbleDrip(t *testing.T) {
	inBubble(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		set := string(iss.JWKS())
		iss.Drip(time.Second)
		takes(t, time.Duration(len(set))*time.Second, func() {
			if _, body := fetch(t, client, iss.JWKSURL()); body != set {
				t.Error(body)
			}
		})

		client.Timeout = 9500 * time.Millisecond
		takes(t, client.Timeout, func() {
			if body, err := get(client, iss.JWKSURL()); !os.IsTimeout(err) || body != set[:9] {
				t.Errorf("%v after %q", err, body)
			}
		})
		client.Timeout = 0

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, iss.JWKSURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var response *http.Response
		takes(t, 0, func() { // the header comes at once
			if response, err = client.Do(request); err != nil {
				t.Fatal(err)
			}
		})
		takes(t, 3*time.Second, func() {
			if _, err := io.ReadAll(response.Body); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		response.Body.Close()

		iss.Drip(1000 * time.Hour) // stalls behind the header
		go func() {
			time.Sleep(time.Hour)
			iss.Recover()
		}()
		takes(t, time.Hour, func() {
			if _, body := fetch(t, client, iss.JWKSURL()); body != set {
				t.Error(body)
			}
		})

		iss.Drip(time.Hour)
		if response, err = client.Get(iss.JWKSURL()); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			response.Body.Close()
		}()
		takes(t, time.Minute, func() {
			if _, err := io.ReadAll(response.Body); err == nil {
				t.Error("read to the end a body that was closed")
			}
		})
	})
}

// TestBubbleClose ends with requests under way. The bubble itself fails the test if any goroutine is left.
func TestBubbleClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss, err := guardtest.IssuerAt(realm, "Ed25519")
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: iss.Transport()}
		for _, fault := range []func(){iss.Hang, func() { iss.FaultsOn(iss.JWKSURL()); iss.Drip(time.Hour) }} {
			fault()
			go func() {
				if _, err := get(client, iss.JWKSURL()); !errors.Is(err, syscall.ECONNRESET) {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		iss.Close()
		synctest.Wait()
		if err := fails(t, client, iss.JWKSURL()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
	})
}

// TestBubbleGuard sees a guard through a long outage.
func TestBubbleGuard(t *testing.T) {
	inBubble(t, func(t *testing.T, iss *guardtest.Issuer, _ *http.Client) {
		guard, err := bearerguard.New(iss.Config(guardtest.DefaultResource))
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		ask := func(unavailable bool) {
			t.Helper()
			_, err := guard.Verify(t.Context(), iss.Token(nil), bearerguard.Authenticated())
			if (err != nil) != unavailable || err != nil && !errors.Is(err, bearerguard.ErrUnavailable) {
				t.Errorf("%v, unavailable: %v", err, unavailable)
			}
		}
		ask(false)
		iss.GoDown()
		time.Sleep(50 * time.Minute)
		ask(false)
		time.Sleep(11 * time.Minute)
		ask(true)
		iss.ComeBack()
		time.Sleep(time.Minute)
		ask(false)
	})
}

func TestKeyRotation(t *testing.T) { keyRotation(t) }

func TestBubbleEndless(t *testing.T) {
	inBubble(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Endless()
		iss.Drip(time.Second)
		client.Timeout = time.Hour - time.Millisecond
		takes(t, client.Timeout, func() {
			body, err := get(client, iss.JWKSURL())
			if set := string(iss.JWKS()); !os.IsTimeout(err) || len(body) != 3599 || strings.TrimRight(body, " ") != set {
				t.Errorf("%v after %d bytes", err, len(body))
			}
		})
	})
}
