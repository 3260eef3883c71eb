package bearerguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// newSupplied is a service that trusts an issuer of its own, whose key set and faults are for the test to change. A
// fetch may take 300 ms, and an unknown key provokes one every time.
func newSupplied(t *testing.T, iss *guardtest.Issuer, change ...func(*bearerguard.Config)) (*service, *keyEvents) {
	t.Helper()
	events := new(keyEvents)
	s := newService(t, append([]func(*bearerguard.Config){func(cfg *bearerguard.Config) {
		cfg.Issuers = []bearerguard.Issuer{iss.Issuer()}
		cfg.Issuers[0].RefreshCooldown = 1
		cfg.HTTPClient = &http.Client{Timeout: 300 * time.Millisecond}
		cfg.OnKeyEvent = events.add
	}}, change...)...)
	s.iss = iss
	return s, events
}

// keyEvents are what a hook has been told.
type keyEvents struct {
	mu  sync.Mutex
	all []bearerguard.KeyEvent
}

func (k *keyEvents) add(e bearerguard.KeyEvent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, e)
}

// take hands out what has come in since the last time, of one kind or, if it is empty, of all.
func (k *keyEvents) take(kind bearerguard.KeyEventKind) []bearerguard.KeyEvent {
	k.mu.Lock()
	defer k.mu.Unlock()
	var taken []bearerguard.KeyEvent
	for _, e := range k.all {
		if kind == "" || e.Kind == kind {
			taken = append(taken, e)
		}
	}
	k.all = nil
	return taken
}

// hold asks the guard in process, so also in a bubble, and holds the whole answer to what is wanted.
func hold(t *testing.T, guard *bearerguard.Guard, want answer, token string) {
	t.Helper()
	r, w := guardtest.NewRequest("GET", "/any", token), httptest.NewRecorder()
	reached := 0
	guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })).ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	checkAnswer(t, want, response, w.Body.String())
	checkRetryAfter(t, response)
	if (want.status == 200) != (reached == 1) {
		t.Errorf("handler reached %d times on a wanted %d", reached, want.status)
	}
}

func checkRetryAfter(t *testing.T, response *http.Response) {
	t.Helper()
	if after := response.Header.Get("Retry-After"); (response.StatusCode == 503) != (after != "") {
		t.Errorf("status %d with Retry-After %q", response.StatusCode, after)
	}
}

// causeOf is why the guard refuses a token; empty if it does not.
func causeOf(guard *bearerguard.Guard, token string) bearerguard.Cause {
	_, err := guard.Verify(context.Background(), token, bearerguard.Authenticated())
	var refusal *bearerguard.Error
	if errors.As(err, &refusal) {
		return refusal.Cause
	}
	return ""
}

// eventually polls for what another goroutine brings about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// mustNew makes a guard that ends with the test.
func mustNew(t testing.TB, cfg bearerguard.Config) *bearerguard.Guard {
	t.Helper()
	guard, err := bearerguard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close() })
	return guard
}

func mustRefresh(t *testing.T, guard *bearerguard.Guard, issuer string) {
	t.Helper()
	if err := guard.Refresh(t.Context(), issuer); err != nil {
		t.Fatal(err)
	}
}

// spoilt is an issuer that does not give its keys as it should.
type spoilt struct {
	name  string
	spoil func(*guardtest.Issuer)
}

// heal ends everything that spoil may have done.
func heal(iss *guardtest.Issuer) {
	iss.PublishJWKS("")
	iss.PublishMetadata("")
	for _, name := range []string{"Content-Encoding", "Content-Type", "Content-Length"} {
		iss.SetHeader(name, "")
	}
	iss.Recover()
}

// spoiltSets are the ways to fail while the metadata is good.
func spoiltSets(other *guardtest.Issuer) []spoilt {
	set := string(other.JWKS())
	rows := []spoilt{
		{"L-01 R8414-13 a byte too many", func(i *guardtest.Issuer) { i.Oversize(512<<10 + 1) }},
		{"L-01 100 MB", func(i *guardtest.Issuer) { i.Oversize(100 << 20) }},
		{"L-01 no end, in chunks", func(i *guardtest.Issuer) { i.Endless() }},
		{"L-01 a gzip bomb", func(i *guardtest.Issuer) {
			i.SetHeader("Content-Encoding", "gzip")
			i.PublishJWKS(zipped(string(i.JWKS()) + strings.Repeat(" ", 4<<20)))
		}},
		{"L-01 a gzip stream that is none", func(i *guardtest.Issuer) { i.SetHeader("Content-Encoding", "gzip") }},
		{"L-01 an encoding that nobody asked for", func(i *guardtest.Issuer) {
			i.SetHeader("Content-Encoding", "br")
			i.PublishJWKS("\x0b\x02\x80{}\x03")
		}},
		{"L-02 the header stalls", func(i *guardtest.Issuer) { i.Hang() }},
		{"L-02 the header comes late", func(i *guardtest.Issuer) { i.Delay(time.Hour) }},
		{"L-02 the body stalls", func(i *guardtest.Issuer) { i.Drip(time.Hour) }},
		{"L-02 a byte a second", func(i *guardtest.Issuer) { i.Drip(time.Second) }},
		{"L-03 to the good set of another host", func(i *guardtest.Issuer) { i.Redirect(other.JWKSURL()) }},
		{"L-03 to the same host by another name", func(i *guardtest.Issuer) {
			i.Redirect(strings.Replace(i.JWKSURL(), "127.0.0.1", "localhost", 1) + "?moved")
		}},
		{"L-03 to another host, without a scheme", func(i *guardtest.Issuer) { i.Redirect(strings.TrimPrefix(other.JWKSURL(), "http:")) }},
		{"L-03 to https on the same port", func(i *guardtest.Issuer) { i.Redirect(strings.Replace(i.JWKSURL(), "http:", "https:", 1) + "?moved") }},
		{"L-03 to link-local", func(i *guardtest.Issuer) { i.Redirect("http://169.254.169.254/latest/meta-data") }},
		{"L-03 to a file", func(i *guardtest.Issuer) { i.Redirect("file:///etc/passwd") }},
		{"L-03 to the same place with a user", func(i *guardtest.Issuer) {
			i.Redirect(strings.Replace(i.JWKSURL(), "//", "//user:pass@", 1) + "?moved")
		}},
		{"L-03 in a loop", func(i *guardtest.Issuer) { i.Redirect("/jwks") }},
		{"L-03 to nowhere", func(i *guardtest.Issuer) { i.Redirect("") }},
		{"L-03 to what does not parse", func(i *guardtest.Issuer) { i.Redirect("http://%zz") }},
		{"L-07 an HTML page", func(i *guardtest.Issuer) { i.Garbage() }},
		{"L-07 R8414-05 the good set as HTML", func(i *guardtest.Issuer) { i.SetHeader("Content-Type", "text/html; charset=utf-8") }},
		{"L-07 cut off", func(i *guardtest.Issuer) { i.Truncate() }},
		{"L-15 nobody there", func(i *guardtest.Issuer) { i.GoDown() }},
	}
	for _, status := range []int{201, 202, 203, 204, 206, 300, 301, 304, 307, 400, 401, 403, 404, 410, 429, 500, 502, 503, 504, 599} {
		rows = append(rows, spoilt{fmt.Sprintf("L-07 status %d with the good set", status), func(i *guardtest.Issuer) { i.Fail(status) }})
	}
	for name, document := range map[string]string{
		"L-07 nothing": " ", "L-07 R7517-01 an empty object": "{}", "L-07 R7517-01 keys is null": `{"keys":null}`, "L-07 R7517-01 an array": "[]", "L-07 R7517-01 keys is an object": `{"keys":{}}`,
		"L-07 null": "null", "L-07 keys is a string": `{"keys":"[]"}`, "L-07 half of it": set[:len(set)/2], "L-07 all but the last byte": set[:len(set)-1], "L-07 the bare array": set[len(`{"keys":`) : len(set)-1],
		"L-07 something behind it": set + "x", "L-07 two of them": set + set, "L-07 a byte order mark": "\ufeff" + set, "L-07 UTF-16": utf16Text(true)(set), "L-07 Latin-1": strings.Replace(set, `"keys"`, "\"\xe9\":1,\"keys\"", 1),
		"L-07 R7517-02 keys twice": `{"keys":[],` + set[1:], "L-07 R7517-02 keys twice, by an escape": `{"\u006beys":[],` + set[1:], "L-07 R7517-02 keys and Keys": `{"Keys":[],` + set[1:], "L-07 Keys": strings.Replace(set, `"keys"`, `"Keys"`, 1),
		"L-07 keys of no kind": `{"keys":[1,"x",null,[],{}]}`, "L-07 very deep": `{"keys":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`, "L-07 a string": `"keys"`, "L-07 a single JWK": guardJWK("RS256", nil),
		"L-07 padded with NUL": set + "\x00", "L-07 a comment": "/**/" + set, "L-07 a trailing comma": strings.Replace(set, "}]", "},]", 1), "L-07 a JWT": other.Token(nil), "L-07 a PEM certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"L-08 no keys": `{"keys":[]}`, "L-16 D-09 only an oct key": `{"keys":[{"kty":"oct","k":"AAAA","kid":"x","alg":"HS256"}]}`, "L-16 only a key for encryption": `{"keys":[` + guardJWK("RS256", guardtest.Claims{"use": "enc"}) + `]}`,
		"L-16 D-10 only a private key": `{"keys":[` + guardJWK("RS256", guardtest.Claims{"d": "AQAB"}) + `]}`, "L-16 only a key of another algorithm": `{"keys":[` + guardJWK("RS256", guardtest.Claims{"alg": "RS512"}) + `]}`,
		"L-18 100,000 keys": `{"keys":[` + strings.Repeat("{},", 100_000) + "{}]}", "L-18 2,049 keys, the first is good": set[:len(set)-2] + strings.Repeat(",{}", 2049-4) + "]}",
	} {
		rows = append(rows, spoilt{name, func(i *guardtest.Issuer) { i.PublishJWKS(document) }})
	}
	return rows
}

// TestAttackSupplySet has an issuer fail at its keys in every way, before and after it has been well. What it sends
// instead may neither open nor close the service.
func TestAttackSupplySet(t *testing.T) {
	for _, row := range spoiltSets(issuers()[1]) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			iss := guardtest.NewIssuer(t, "Ed25519")
			spoil := func() { row.spoil(iss); iss.FaultsOn("/jwks") }
			spoil()
			s, events := newSupplied(t, iss)
			token := iss.Token(nil)
			checkRetryAfter(t, s.get(t, ourFt, "/any", token)) // never 401 for a fault that is not the caller's
			var told []bearerguard.KeyEvent
			eventually(t, "the operator is told", func() bool { told = append(told, events.take(bearerguard.SetRefused)...); return len(told) > 0 })
			if told[0].Err == nil || told[0].Issuer != iss.URL() {
				t.Errorf("told of %v", told)
			}
			heal(iss)
			mustRefresh(t, s.guard, iss.URL())
			s.get(t, ok200, "/any", token)

			spoil()
			rotated := iss.Rotate("Ed25519")
			if err := s.guard.Refresh(t.Context(), iss.URL()); err == nil || len(err.Error()) > 2000 {
				t.Errorf("taken, or told at length: %.3000v", err)
			}
			if state := s.guard.Stats().Issuers[0]; state.LastError == nil || !state.Usable || state.Keys != 1 || state.Age == 0 {
				t.Errorf("state %+v", state)
			}
			s.get(t, ok200, "/any", token) // the last good set serves
			checkRetryAfter(t, s.get(t, ourFt, "/any", iss.Token(nil)))
			heal(iss)
			mustRefresh(t, s.guard, iss.URL())
			s.get(t, ok200, "/any", token)
			s.get(t, ok200, "/any", iss.Token(nil))
			if now := iss.KeyID("Ed25519"); now != rotated {
				t.Errorf("signed by %q", now)
			}
		})
	}
}

// TestSupplySetUnusual is what must be taken.
func TestSupplySetUnusual(t *testing.T) {
	for _, row := range []spoilt{
		{"L-01 as many bytes as may be", func(i *guardtest.Issuer) { i.Oversize(512 << 10) }},
		{"L-01 gzip", func(i *guardtest.Issuer) {
			i.SetHeader("Content-Encoding", "gzip")
			i.PublishJWKS(zipped(string(i.JWKS())))
		}},
		{"L-02 a body in small pieces", func(i *guardtest.Issuer) { i.Drip(time.Microsecond) }},
		{"L-03 a redirect on the same host", func(i *guardtest.Issuer) { i.Redirect("/jwks?moved") }},
		{"L-03 a whole redirect on the same host", func(i *guardtest.Issuer) { i.Redirect(i.JWKSURL() + "?moved") }},
		{"L-07 no content type", func(i *guardtest.Issuer) { i.SetHeader("Content-Type", " ") }},
		{"L-07 a content type that does not parse", func(i *guardtest.Issuer) { i.SetHeader("Content-Type", ";;;") }},
		{"L-18 1,024 keys, one good", func(i *guardtest.Issuer) {
			set := string(i.JWKS())
			i.PublishJWKS(`{"keys":[` + strings.Repeat("{},", 1023) + set[len(`{"keys":[`):])
		}},
		{"R7517-01 more members", func(i *guardtest.Issuer) { i.PublishJWKS(`{"x":[{}],"issuer":5,` + string(i.JWKS())[1:]) }},
		{"R7517-05 a key with more members", func(i *guardtest.Issuer) {
			i.PublishJWKS(strings.Replace(string(i.JWKS()), `"kty"`, `"issuer":"https://evil.test","x5t":"x","cloud_instance_name":"x","kty"`, 1))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			iss := guardtest.NewIssuer(t, "Ed25519")
			row.spoil(iss)
			iss.FaultsOn("/jwks")
			s, _ := newSupplied(t, iss)
			s.get(t, ok200, "/any", iss.Token(nil))
			s.get(t, badTk, "/any", issuers()[1].TokenWith("Ed25519", guardtest.Claims{"kid": iss.KeyID("Ed25519")}, guardtest.Claims{"iss": iss.URL()}))
		})
	}
}
