package guardtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// Call it TestKeyRotation. Two hours of the service's life take no time.
func keyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, "https://login.example.com", "ES256")
		guard, err := bearerguard.New(iss.Config(guardtest.DefaultResource))
		if err != nil {
			t.Fatal(err)
		}
		defer guard.Close()
		handler := guard.Require(bearerguard.Scope("items:read"))(http.NotFoundHandler()) // yours
		want := func(status int, token string) {
			t.Helper()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, guardtest.NewRequest("GET", "/items", token))
			if w.Code != status {
				t.Errorf("status %d, want %d", w.Code, status)
			}
		}
		token := func() string {
			return iss.Token(guardtest.Claims{"scope": "items:read", "exp": time.Now().Add(3 * time.Hour).Unix()})
		}

		old, oldID := token(), iss.KeyID("ES256")
		want(http.StatusNotFound, old) // it has come through to the handler

		iss.Rotate("ES256")
		time.Sleep(time.Minute)
		want(http.StatusNotFound, token()) // by the new key
		want(http.StatusNotFound, old)     // by the old one, which is still published

		iss.Withdraw(oldID)
		time.Sleep(6 * time.Minute)        // the next refresh is due
		want(http.StatusNotFound, token()) // and has been asked for
		synctest.Wait()
		want(http.StatusUnauthorized, old)

		iss.Fail(http.StatusInternalServerError)
		time.Sleep(30 * time.Minute)
		want(http.StatusNotFound, token()) // the last good keys serve
		time.Sleep(90 * time.Minute)
		want(http.StatusServiceUnavailable, token()) // but not forever

		iss.Recover()
		time.Sleep(time.Minute)
		want(http.StatusNotFound, token())
	})
}

// A test of a service whose issuer gets a new key, withdraws the old one, and then fails.
func Example_keyRotation() {
	_ = keyRotation
}
