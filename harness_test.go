package bearerguard_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/challenge"
)

const resource = guardtest.DefaultResource

// answer is what a client must get. The zero code means: no error in the challenge.
type answer struct {
	status int
	code   string
}

var (
	ok200 = answer{200, ""}
	noCrd = answer{401, ""}                                   // no usable credentials
	badRq = answer{400, "invalid_request"}                    // malformed credentials
	badTk = answer{401, "invalid_token"}                      // a token that is no good
	noScp = answer{403, "insufficient_scope"}                 // a good token that is not enough
	weakA = answer{401, "insufficient_user_authentication"}   // step-up
	noHTS = answer{403, ""}                                   // cleartext
	badPa = answer{400, ""}                                   // path not canonical
	ourFt = answer{503, ""}                                   // our own fault
	allRS = []string{"RS256", "PS256", "ES256", "Ed25519"}    // the algorithms of the shared issuers
	good  = guardtest.Claims{"scope": "items:read extra:one"} // claims of a token that opens /items
)

// issuers are made once: RSA keys take time.
var issuers = sync.OnceValue(func() [2]*guardtest.Issuer {
	var made [2]*guardtest.Issuer
	for i := range made {
		iss, err := guardtest.StartIssuer(allRS...)
		if err != nil {
			panic(err)
		}
		made[i] = iss
	}
	return made
})

// service is a guarded service on a loopback socket, with handlers that must not be reached by what is refused.
type service struct {
	iss, other *guardtest.Issuer // other is a good issuer that is not trusted, unless a test configures it
	guard      *bearerguard.Guard
	server     *httptest.Server

	mu        sync.Mutex
	reached   int
	decisions []bearerguard.Decision
	log       bytes.Buffer
}

// newService serves /any (authenticated), /items (scope items:read), /admin (scope admin:reset and role admin), /stepup
// (scope items:read and an ACR) and /files/ (authenticated), to all methods.
func newService(t *testing.T, change ...func(*bearerguard.Config)) *service {
	t.Helper()
	s := &service{iss: issuers()[0], other: issuers()[1]}
	cfg := s.iss.Config(resource)
	logged := bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	cfg.OnDecision = func(ctx context.Context, d bearerguard.Decision) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.decisions = append(s.decisions, d)
		logged(ctx, d)
		fmt.Fprintf(&s.log, "%v\n", d.Err) // unlimited, unlike the logger
	}
	for _, f := range change {
		f(&cfg)
	}
	guard, err := bearerguard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.guard = guard
	mux := http.NewServeMux()
	for path, policy := range map[string]bearerguard.Policy{
		"/any":    bearerguard.Authenticated(),
		"/items":  bearerguard.Scope("items:read"),
		"/admin":  bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.Role("admin")),
		"/stepup": bearerguard.All(bearerguard.Scope("items:read"), bearerguard.ACR("urn:interop:mfa")),
		"/files/": bearerguard.Authenticated(),
	} {
		mux.Handle(path, guard.Require(policy)(bearerguard.Func(s.handle)))
	}
	s.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.server.Close()
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *service) handle(w http.ResponseWriter, _ *http.Request, t *bearerguard.Token) {
	s.mu.Lock()
	s.reached++
	s.mu.Unlock()
	fmt.Fprintf(w, "hello %s", t.Subject())
}

// get sends a token to a path over a real connection and holds the answer to what is wanted.
func (s *service) get(t *testing.T, want answer, path, token string) *http.Response {
	t.Helper()
	return s.lines(t, want, "GET", path, "Authorization: Bearer "+token)
}

// lines sends a request with exactly these header lines, byte for byte.
func (s *service) lines(t *testing.T, want answer, method, target string, lines ...string) *http.Response {
	t.Helper()
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: api.example.com", "Connection: close"}, lines...)
	return s.raw(t, want, strings.Join(head, "\r\n")+"\r\n\r\n")
}

// raw sends any bytes.
func (s *service) raw(t *testing.T, want answer, request string) *http.Response {
	t.Helper()
	before := s.count()
	conn, err := net.DialTimeout("tcp", s.server.Listener.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(conn, request) }() // a server may answer before it has read all
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, want, response, string(body))
	if reached := s.count() - before; (want.status == 200) != (reached == 1) {
		t.Errorf("handler reached %d times on a wanted %d", reached, want.status)
	}
	s.checkNoLeak(t, request, response, string(body))
	return response
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reached
}

// last is the newest decision.
func (s *service) last() bearerguard.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decisions[len(s.decisions)-1]
}

// checkAnswer holds a response to status, challenge and body, as every refusal must have them.
func checkAnswer(t *testing.T, want answer, response *http.Response, body string) {
	t.Helper()
	if response.StatusCode != want.status {
		t.Errorf("status %d, want %d (%s)", response.StatusCode, want.status, body)
		return
	}
	if want.status == 200 {
		return
	}
	fields := response.Header.Values("WWW-Authenticate")
	if wanted := want.status == 401 || want.code != ""; wanted != (len(fields) == 1) {
		t.Errorf("%d WWW-Authenticate lines: %q", len(fields), fields)
		return
	}
	if len(fields) == 1 {
		challenges, ok := challenge.Parse(fields[0])
		if !ok || len(challenges) != 1 || challenges[0].Scheme != "Bearer" || challenges[0].Parameters["error"] != want.code {
			t.Errorf("challenge %q, want error %q", fields[0], want.code)
		}
	}
	for name, value := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if response.Request.Method == http.MethodHead {
		return
	}
	var problem struct {
		Title, Detail, Error string
		Status               int
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != want.status || problem.Error != want.code || problem.Title != http.StatusText(want.status) {
		t.Errorf("body %s", body)
	}
}

// checkNoLeak looks for the credentials in the answer and in everything that was logged.
func (s *service) checkNoLeak(t *testing.T, request string, response *http.Response, body string) {
	t.Helper()
	s.mu.Lock()
	seen := s.log.String()
	s.log.Reset()
	s.mu.Unlock()
	for _, values := range response.Header {
		seen += strings.Join(values, "\n")
	}
	seen += body
	for line := range strings.SplitSeq(request, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "Authorization") {
			continue
		}
		for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '.' || r == ' ' }) {
			if len(part) > 20 && strings.Contains(seen, part) {
				t.Errorf("part of the credentials shows up outside: %.40s…", part)
			}
		}
	}
}
