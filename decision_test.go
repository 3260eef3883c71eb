package bearerguard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// One answer, one record, and what it says is known and no more.
func TestDecisionRecords(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	now := time.Now().Unix()
	bearer := func(token string) []string { return []string{"Authorization: Bearer " + token} }
	for _, tc := range []struct {
		name     string
		want     answer
		path     string
		lines    []string
		cause    bearerguard.Cause
		verified bool
		token    bool
	}{
		{"allowed", ok200, "/items", bearer(tok), "", true, true},
		{"the path", badPa, "/files/%2e%2e/x", bearer(tok), bearerguard.ErrPath, false, false},
		{"cleartext", noHTS, "/items", append(bearer(tok), "X-Forwarded-Proto: http"), bearerguard.ErrCleartext, false, false},
		{"no token", noCrd, "/items", nil, bearerguard.ErrNoToken, false, false},
		{"two fields", badRq, "/items", append(bearer(tok), bearer(tok)...), bearerguard.ErrCredentials, false, false},
		{"not a token68", badRq, "/items", bearer("a b"), bearerguard.ErrCredentials, false, false},
		{"too large", badTk, "/items", bearer(strings.Repeat("a", 17<<10)), bearerguard.ErrTokenSize, false, false},
		{"malformed", badTk, "/items", bearer("abc"), bearerguard.ErrMalformed, false, false},
		{"an unknown issuer", badTk, "/items", bearer(s.other.Token(good)), bearerguard.ErrUnknownIssuer, false, false},
		{"an algorithm that is not allowed", badTk, "/items", bearer(s.iss.TokenWith("ES256", guardtest.Claims{"alg": "HS256"}, good)), bearerguard.ErrAlgorithm, false, false},
		{"expired, before the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"iat": now - 600, "exp": now - 300})), bearerguard.ErrExpired, false, false},
		{"not yet valid, before the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"nbf": now + 3000})), bearerguard.ErrNotYetValid, false, false},
		{"another audience, before the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"aud": "x"})), bearerguard.ErrAudience, false, false},
		{"an unknown key", badTk, "/items", bearer(s.iss.TokenWith("ES256", guardtest.Claims{"kid": "x"}, good)), bearerguard.ErrUnknownKey, false, false},
		{"a bad signature", badTk, "/items", bearer(tok[:len(tok)-8] + "AAAAAAAA"), bearerguard.ErrSignature, false, false},
		{"the kind, after the signature", badTk, "/items", bearer(s.iss.TokenWith("ES256", guardtest.Claims{"typ": "JWT"}, good)), bearerguard.ErrType, true, false},
		{"a claim, after the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"sub": nil})), bearerguard.ErrClaims, true, false},
		{"a binding, after the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"cnf": guardtest.Claims{"jkt": "x"}})), bearerguard.ErrConfirmation, true, false},
		{"R6750-21 the lifetime, after the signature", badTk, "/items", bearer(s.iss.Token(guardtest.Claims{"exp": now + 90_000})), bearerguard.ErrLifetime, true, false},
		{"a scope", noScp, "/items", bearer(s.iss.Token(nil)), bearerguard.ErrScope, true, true},
		{"a role", noScp, "/admin", bearer(s.iss.Token(guardtest.Claims{"scope": "admin:reset"})), bearerguard.ErrForbidden, true, true},
		{"an authentication", weakA, "/stepup", bearer(tok), bearerguard.ErrAuthentication, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(s.decisions)
			s.lines(t, tc.want, "GET", tc.path, tc.lines...)
			if n := len(s.decisions) - before; n != 1 {
				t.Fatalf("%d decisions", n)
			}
			d := s.last()
			if d.Cause != tc.cause || d.Status != tc.want.status || d.Verified != tc.verified || (d.Token != nil) != tc.token || d.Allowed() != (tc.want == ok200) {
				t.Errorf("%+v", d)
			}
			if d.Method != "GET" || d.Policy == nil || d.Duration <= 0 || d.Allowed() && d.Err != nil {
				t.Errorf("%+v", d)
			}
			if tc.token && (d.Token.Subject() != "alice" || strings.Contains(fmt.Sprintf("%+v %v %#v", d, d, d.Token), "extra:one")) {
				t.Errorf("the token prints its claims: %+v", d)
			}
		})
	}
	t.Run("after Close", func(t *testing.T) {
		s := newService(t)
		s.get(t, ok200, "/items", s.iss.Token(good))
		_ = s.guard.Close()
		if got := s.get(t, ourFt, "/items", s.iss.Token(good)).Header.Get("Retry-After"); got == "" {
			t.Error("no Retry-After")
		}
		if d := s.last(); d.Cause != bearerguard.ErrClosed || d.Token != nil || d.Verified {
			t.Errorf("%+v", d)
		}
	})
	t.Run("keys that cannot be had", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) { cfg.Issuers[0].JWKSURL = s.iss.URL() + "/none" })
		s.get(t, ourFt, "/items", s.iss.Token(good))
		if d := s.last(); d.Cause != bearerguard.ErrUnavailable || d.Token != nil || d.Verified {
			t.Errorf("%+v", d)
		}
	})
	t.Run("Check and Verify are recorded too", func(t *testing.T) {
		before := len(s.decisions)
		_, err := s.guard.Check(arriving("127.0.0.1:1", "http://h/a", tok, nil), bearerguard.Scope("none"))
		var refusal *bearerguard.Error
		if !errors.As(err, &refusal) || len(s.decisions) != before+1 || s.last().Path != "/a" {
			t.Errorf("%v, %+v", err, s.last())
		}
		s.guard.WriteError(httptest.NewRecorder(), nil, err)
		if _, err := s.guard.Verify(t.Context(), tok, bearerguard.Authenticated()); err != nil || len(s.decisions) != before+2 || !s.last().Allowed() {
			t.Errorf("%v, %d more", err, len(s.decisions)-before)
		}
	})
	t.Run("it is made before the handler runs", func(t *testing.T) {
		var order []string
		s := newService(t, func(cfg *bearerguard.Config) {
			cfg.OnDecision = func(context.Context, bearerguard.Decision) { order = append(order, "decision") }
		})
		h := s.guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { order = append(order, "handler") }))
		h.ServeHTTP(httptest.NewRecorder(), arriving("127.0.0.1:1", "http://h/a", tok, nil))
		if fmt.Sprint(order) != "[decision handler]" {
			t.Error(order)
		}
	})
	t.Run("H-33 a hook that panics decides nothing", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) {
			cfg.OnDecision = func(context.Context, bearerguard.Decision) { panic("hook") }
		})
		s.get(t, ok200, "/items", s.iss.Token(good))
		s.get(t, noScp, "/admin", s.iss.Token(good))
		s.lines(t, noCrd, "GET", "/items")
	})
	t.Run("no hook at all", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) { cfg.OnDecision = nil })
		s.get(t, ok200, "/items", s.iss.Token(good))
		s.get(t, badTk, "/items", "abc")
	})
}

func TestDecisionLogLevels(t *testing.T) {
	var out bytes.Buffer
	logged := func(level slog.Level, d bearerguard.Decision) string {
		out.Reset()
		bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))(t.Context(), d)
		return out.String()
	}
	for _, tc := range []struct {
		name     string
		decision bearerguard.Decision
		level    string
	}{
		{"allowed", bearerguard.Decision{Status: 200, Verified: true}, "level=DEBUG"},
		{"no token", bearerguard.Decision{Status: 401, Cause: bearerguard.ErrNoToken}, "level=INFO"},
		{"a bad token", bearerguard.Decision{Status: 401, Cause: bearerguard.ErrSignature}, "level=INFO"},
		{"a scope", bearerguard.Decision{Status: 403, Cause: bearerguard.ErrScope}, "level=INFO"},
		{"a path", bearerguard.Decision{Status: 400, Cause: bearerguard.ErrPath}, "level=INFO"},
		{"no keys", bearerguard.Decision{Status: 503, Cause: bearerguard.ErrUnavailable}, "level=ERROR"},
		{"a panic", bearerguard.Decision{Status: 500, Cause: bearerguard.ErrInternal}, "level=ERROR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if line := logged(slog.LevelDebug, tc.decision); !strings.Contains(line, tc.level) || strings.Count(line, "\n") != 1 {
				t.Errorf("%s", line)
			}
			if line := logged(slog.LevelError+1, tc.decision); line != "" {
				t.Errorf("a logger that is not enabled got %s", line)
			}
		})
	}
	t.Run("the line says what is needed to act", func(t *testing.T) {
		d := bearerguard.Decision{Method: "POST", Path: "/a", Policy: bearerguard.Scope("x"), Status: 403, Cause: bearerguard.ErrScope, Err: errors.New("need scope x"), Verified: true}
		line := logged(slog.LevelInfo, d)
		for _, part := range []string{"method=POST", "path=/a", `policy="scope x"`, "status=403", `cause="scope missing"`, "verified=true", `error="need scope x"`} {
			if !strings.Contains(line, part) {
				t.Errorf("no %s in %s", part, line)
			}
		}
	})
}

func TestDecisionLogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		hook := bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func(n int, cause bearerguard.Cause) []string {
			out.Reset()
			for range n {
				hook(t.Context(), bearerguard.Decision{Status: 401, Cause: cause})
			}
			return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		}
		first := lines(25, bearerguard.ErrNoToken)
		if len(first) != 10 || strings.Contains(out.String(), "suppressed") {
			t.Errorf("%d lines at once: %s", len(first), out.String())
		}
		if other := lines(3, bearerguard.ErrExpired); len(other) != 3 {
			t.Errorf("another cause has %d lines", len(other))
		}
		time.Sleep(time.Second)
		second := lines(25, bearerguard.ErrNoToken)
		if len(second) != 10 || !strings.Contains(second[0], "suppressed=15") || strings.Contains(second[1], "suppressed") {
			t.Errorf("%d lines a second later: %s", len(second), out.String())
		}
		time.Sleep(100 * time.Millisecond)
		if third := lines(5, bearerguard.ErrNoToken); len(third) != 1 || !strings.Contains(third[0], "suppressed=15") {
			t.Errorf("a tenth of a second later: %s", out.String())
		}
	})
}

// What a caller writes into a token, a path or a method cannot forge a log line, nor fill the disk.
func TestDecisionLogInjection(t *testing.T) {
	s := newService(t)
	forged := func(header, claims guardtest.Claims) []string {
		return []string{"Authorization: Bearer " + s.iss.TokenWith("Ed25519", header, claims)}
	}
	type object = guardtest.Claims
	for kind, evil := range map[string]string{
		"a line of its own": "x\r\nlevel=ERROR msg=\"forged\"", "ANSI": "\x1b[2J\x1b[31mred", "a C1 control": "\u009b31m", "a line separator": "x\u2028y",
		"a reordering": "\u202eevil", "quotes": `" forged="1`, "4,000 letters": strings.Repeat("Z", 4000), "2,000 letters of four bytes": strings.Repeat("\U0001d400", 2000),
		"1,000 invisible letters": strings.Repeat("\U000e0041", 1000),
	} {
		for _, tc := range []struct {
			name  string
			want  answer
			path  string
			lines []string
		}{
			{"kid", badTk, "/items", forged(object{"kid": evil}, good)},
			{"alg", badTk, "/items", forged(object{"alg": evil}, good)},
			{"typ", badTk, "/items", forged(object{"typ": evil}, good)},
			{"iss", badTk, "/items", forged(nil, object{"iss": evil})},
			{"aud", badTk, "/items", forged(nil, object{"aud": evil})},
			{"many aud", badTk, "/items", forged(nil, object{"aud": strings.SplitAfter(evil+strings.Repeat("/", 200), "/")})},
			{"sub, signed by the issuer", noScp, "/items", forged(nil, object{"sub": evil})},
			{"jti, signed by the issuer", noScp, "/items", forged(nil, object{"jti": evil})},
		} {
			t.Run(tc.name+" of "+kind, func(t *testing.T) {
				s.log.Reset()
				response := s.lines(t, tc.want, "GET", tc.path, tc.lines...)
				if strings.Contains(fmt.Sprint(response.Header), "forged") {
					t.Errorf("headers %v", response.Header)
				}
				checkLogLine(t, s.last())
			})
		}
	}
	t.Run("path and method", func(t *testing.T) {
		s.lines(t, noCrd, "GET", "/files/"+strings.Repeat("Z", 9000))
		checkLogLine(t, s.last())
		s.lines(t, badPa, "GET", "/files/%0d%0alevel=ERROR%1b[2J%e2%80%a8")
		checkLogLine(t, s.last())
		s.lines(t, noCrd, "GET", "/files/%e2%80%ae%c2%9b31m")
		checkLogLine(t, s.last())
		s.lines(t, noCrd, strings.Repeat("Z", 3000), "/items")
		checkLogLine(t, s.last())
	})
}

func checkLogLine(t *testing.T, d bearerguard.Decision) {
	t.Helper()
	var out bytes.Buffer
	bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))(t.Context(), d)
	line := out.String()
	if strings.Count(line, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the line can be broken: %.300q", line)
	}
	if strings.Contains(line, `" forged=`) && !strings.Contains(line, `\" forged=`) || strings.Contains(line, "\nlevel=") {
		t.Errorf("a forged attribute: %.300q", line)
	}
	if d.Err != nil {
		if text := d.Err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 512 || strings.Count(text, "Z") > 64 || strings.Count(text, "\U0001d400") > 16 {
			t.Errorf("the error is not clipped and quoted: %d bytes %.100q", len(text), text)
		}
	}
	if len(line) > 1500 && d.Token == nil { // what the issuer has signed is the issuer's affair
		t.Errorf("the line has %d bytes", len(line))
	}
}
