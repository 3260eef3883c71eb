package guardtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/guardtest"
)

func TestFaults(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		set := string(iss.JWKS())
		type check func(*http.Response, string) bool
		same := func(_ *http.Response, body string) bool { return body == set }
		for _, tc := range []struct {
			name   string
			fault  func()
			status int
			check  check
		}{
			{"500, though with the real body", func() { iss.Fail(500) }, 500, same},
			{"503 with Retry-After", func() { iss.Fail(503, http.Header{"Retry-After": {"120"}}) }, 503, func(r *http.Response, _ string) bool { return r.Header.Get("Retry-After") == "120" }},
			{"404", func() { iss.Fail(404) }, 404, same},
			{"204 has no body", func() { iss.Fail(204) }, 204, func(r *http.Response, body string) bool { return body == "" && r.Header.Get("Content-Type") == "" }},
			{"redirect", func() { iss.Redirect("http://169.254.169.254/") }, 302, func(r *http.Response, _ string) bool { return r.Header.Get("Location") == "http://169.254.169.254/" }},
			{"garbage", func() { iss.Garbage() }, 200, func(r *http.Response, body string) bool {
				return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") && strings.HasPrefix(body, "<!doctype html>")
			}},
			{"oversize, though valid", func() { iss.Oversize(1 << 20) }, 200, func(r *http.Response, body string) bool {
				return len(body) == 1<<20 && r.ContentLength == 1<<20 && json.Valid([]byte(body)) && strings.TrimRight(body, " ") == set
			}},
			{"oversize, but not for this document", func() { iss.Oversize(1) }, 200, same},
			{"the last fault counts", func() { iss.Garbage(); iss.Fail(500) }, 500, same},
			{"drip", func() { iss.Drip(time.Nanosecond) }, 200, same},
			{"delay", func() { iss.Delay(time.Millisecond) }, 200, same},
			{"limited to another target", func() { iss.FaultsOn("/x", iss.JWKSURL()+"?"); iss.Hang(); iss.Garbage() }, 200, same},
			{"limited to this target", func() { iss.FaultsOn("/x", iss.JWKSURL()); iss.Fail(500) }, 500, same},
		} {
			t.Run(tc.name, func(t *testing.T) {
				tc.fault()
				response, body := fetch(t, client, iss.JWKSURL())
				if response.StatusCode != tc.status || !tc.check(response, body) {
					t.Errorf("status %d, %v, %d bytes: %.200s", response.StatusCode, response.Header, len(body), body)
				}
				iss.Recover()
				if response, body = fetch(t, client, iss.JWKSURL()); response.StatusCode != 200 || body != set {
					t.Errorf("not recovered: status %d, %.200s", response.StatusCode, body)
				}
			})
		}
	})
}

func TestRedirectFollowed(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		moved := iss.JWKSURL() + "?moved"
		iss.FaultsOn(iss.JWKSURL())
		iss.Redirect(moved)
		if _, body := fetch(t, client, iss.JWKSURL()); body != string(iss.JWKS()) {
			t.Error(body)
		}
		if a, b := iss.RequestsTo(iss.JWKSURL()), iss.RequestsTo(moved); a != 1 || b != 1 {
			t.Errorf("%d requests, and %d to where it has moved", a, b)
		}
		iss.FaultsOn()
		_ = fails(t, client, iss.JWKSURL()) // a loop
	})
}

func TestEndless(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Endless()
		response, err := client.Get(iss.JWKSURL())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, response.Body, 4<<20); err != nil || response.ContentLength != -1 {
			t.Errorf("%v after %d bytes of %d", err, n, response.ContentLength)
		}
		response.Body.Close()
	})
}

func TestTruncate(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Truncate()
		set := string(iss.JWKS())
		if body, err := get(client, iss.JWKSURL()); !errors.Is(err, io.ErrUnexpectedEOF) || body != set[:len(set)/2] {
			t.Errorf("%v after %q", err, body)
		}
		response, err := client.Head(iss.JWKSURL())
		if err != nil || response.ContentLength != int64(len(set)) {
			t.Errorf("HEAD: %v %v", response, err)
		}
	})
}

func TestHang(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		iss.Hang()
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, iss.JWKSURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		hungUp, answered := make(chan error), make(chan string)
		go func() {
			response, err := client.Do(request)
			if err == nil {
				response.Body.Close()
			}
			hungUp <- err
		}()
		arrive(t, iss, 1)
		cancel()
		if err := <-hungUp; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		go func() {
			body, err := get(client, iss.JWKSURL())
			answered <- body
			hungUp <- err
		}()
		arrive(t, iss, 2)
		id := iss.Rotate("ES256")
		iss.Recover()
		if body, err := <-answered, <-hungUp; err != nil || !strings.Contains(body, id) {
			t.Errorf("%v, or answered with what was published when it came: %s", err, body)
		}
	})
}

// arrive waits for requests to arrive.
func arrive(t *testing.T, iss *guardtest.Issuer, n int) {
	t.Helper()
	until(t, func() bool { return iss.Requests() >= n })
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatal("waited in vain")
		}
	}
}

func TestDown(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		fetch(t, client, iss.JWKSURL())
		iss.Hang()
		cut := make(chan error)
		go func() {
			_, err := get(client, iss.JWKSURL())
			cut <- err
		}()
		arrive(t, iss, 2)
		iss.GoDown()
		if err := <-cut; err == nil {
			t.Error("a request that hung is answered by an issuer that is down")
		}
		for range 2 {
			err := fails(t, client, iss.JWKSURL())
			if runtime.GOOS != "windows" && !errors.Is(err, syscall.ECONNREFUSED) { // there it is an error of its own
				t.Error(err)
			}
			iss.GoDown() // again is as good
		}
		if iss.Requests() != 2 {
			t.Errorf("%d requests have reached it", iss.Requests())
		}
		iss.ComeBack()
		iss.ComeBack()
		iss.Recover()
		fetch(t, client, iss.JWKSURL())
		iss.GoDown()
		iss.Recover()
		if _, body := fetch(t, client, iss.JWKSURL()); body != string(iss.JWKS()) {
			t.Error(body)
		}
		iss.Close()
		iss.ComeBack()
		_ = fails(t, client, iss.JWKSURL())
		iss.Close()
	})
}

func TestRequests(t *testing.T) {
	everywhere(t, func(t *testing.T, iss *guardtest.Issuer, client *http.Client) {
		for range 3 {
			fetch(t, client, iss.JWKSURL())
		}
		fetch(t, client, iss.URL()+"/.well-known/openid-configuration")
		if all, keys := iss.Requests(), iss.RequestsTo(iss.JWKSURL()); all != 4 || keys != 3 {
			t.Errorf("%d requests, %d for keys", all, keys)
		}
		_, path, _ := strings.Cut(strings.TrimPrefix(iss.JWKSURL(), "https://"), "login.example.com")
		if path != "" && iss.RequestsTo(path) != 3 {
			t.Errorf("%d requests to %s", iss.RequestsTo(path), path)
		}
		iss.ResetRequests()
		if iss.Requests() != 0 || iss.RequestsTo(iss.JWKSURL()) != 0 {
			t.Error("not reset")
		}
	})
}
