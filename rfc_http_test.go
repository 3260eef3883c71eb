package bearerguard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
	"github.com/bearerguard/bearerguard/internal/challenge"
)

// refusals are one request for each kind of answer.
func refusals(s *service) []struct {
	name, path string
	want       answer
	lines      []string
} {
	now := time.Now().Unix()
	bearer := func(token string) []string { return []string{"Authorization: Bearer " + token} }
	tok := s.iss.Token(good)
	return []struct {
		name, path string
		want       answer
		lines      []string
	}{
		{"no field", "/items", noCrd, nil},
		{"an empty field", "/items", noCrd, []string{"Authorization:"}},
		{"another scheme", "/items", noCrd, []string{"Authorization: Basic eDp5"}},
		{"the scheme alone", "/items", badRq, []string{"Authorization: Bearer"}},
		{"two fields", "/items", badRq, slices.Concat(bearer(tok), bearer(tok))},
		{"not a token68", "/items", badRq, bearer(`"x"`)},
		{"field and query", "/items?access_token=x", badRq, bearer(tok)},
		{"malformed", "/items", badTk, bearer("abc")},
		{"malformed with dots", "/items", badTk, bearer("a.b.c")},
		{"malformed with padding", "/items", badTk, bearer("abc==")},
		{"too large", "/items", badTk, bearer(strings.Repeat("a", 17<<10))},
		{"expired", "/items", badTk, bearer(s.iss.Token(guardtest.Claims{"iat": now - 600, "exp": now - 300}))},
		{"a foreign issuer", "/items", badTk, bearer(s.other.Token(good))},
		{"a foreign audience", "/items", badTk, bearer(s.iss.Token(guardtest.Claims{"aud": "https://other.example"}))},
		{"a bad signature", "/items", badTk, bearer(tok[:len(tok)-8] + "AAAAAAAA")},
		{"another kind", "/items", badTk, bearer(s.iss.TokenWith("ES256", guardtest.Claims{"typ": "JWT"}, good))},
		{"too long a life", "/items", badTk, bearer(s.iss.Token(guardtest.Claims{"exp": now + 90_000}))},
		{"a scope", "/items", noScp, bearer(s.iss.Token(nil))},
		{"a role", "/admin", noScp, bearer(s.iss.Token(guardtest.Claims{"scope": "admin:reset"}))},
		{"an authentication", "/stepup", weakA, bearer(tok)},
		{"an authentication and a scope", "/stepup", weakA, bearer(s.iss.Token(nil))},
		{"cleartext", "/items", noHTS, append(bearer(tok), "X-Forwarded-Proto: http")},
		{"a path", "/files/a%2fb", badPa, bearer(tok)},
	}
}

// What every refusal has, whatever it is for.
func TestRFCRefusals(t *testing.T) {
	s := newService(t)
	shape := regexp.MustCompile(`^Bearer [a-z_]+="`)
	for _, tc := range refusals(s) {
		t.Run("R9110-08 R9110-10 R9110-11 R9110-12 R6750-07 R6750-08 R6750-09 R6750-10 R6750-16 R9111-01 R6750-22 "+tc.name, func(t *testing.T) {
			response := s.lines(t, tc.want, "GET", tc.path, tc.lines...) // no-store, one challenge, each parameter once, no leak
			if got := response.Header.Get("Cache-Control"); strings.Contains(got, "public") {
				t.Errorf("Cache-Control %s", got)
			}
			if response.Header.Get("Location") != "" || len(response.Cookies()) != 0 {
				t.Errorf("headers %v", response.Header)
			}
			field := response.Header.Get("WWW-Authenticate")
			if field == "" {
				return
			}
			if !shape.MatchString(field) {
				t.Errorf("R6750-08: %s", field)
			}
			parsed, ok := challenge.Parse(field)
			if !ok {
				t.Fatal("no challenge")
			}
			for name, value := range parsed[0].Parameters {
				if !slices.Contains([]string{"resource_metadata", "error", "scope", "acr_values"}, name) || !strings.Contains(field, name+`="`) {
					t.Errorf("R9110-12: %s in %s", name, field)
				}
				for scope := range strings.SplitSeq(value, " ") {
					if !challenge.IsScopeToken(scope) {
						t.Errorf("R6750-15: %q in %s", scope, field)
					}
				}
			}
			if _, error := parsed[0].Parameters["error"]; error != (tc.want.code != "") {
				t.Errorf("R6750-10 R6750-11: %s", field)
			}
		})
		t.Run("R9457-01 R9457-02 R9457-03 R9457-04 R9457-05 R9457-07 "+tc.name, func(t *testing.T) {
			head := append([]string{"GET " + tc.path + " HTTP/1.1", "Host: h", "Connection: close"}, tc.lines...)
			response, body := hearRaw(t, s, strings.Join(head, "\r\n")+"\r\n\r\n")
			var members map[string]any
			if err := json.Unmarshal([]byte(body), &members); err != nil || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%v: %s", err, body)
			}
			for name := range members {
				if !slices.Contains([]string{"title", "status", "detail", "error"}, name) {
					t.Errorf("member %s", name)
				}
			}
			detail, _ := members["detail"].(string)
			if members["status"] != float64(tc.want.status) || members["title"] != http.StatusText(tc.want.status) || detail == "" {
				t.Errorf("%s", body)
			}
			for _, internal := range []string{"kid", "signature", "iss", "aud", "exp", "eyJ", "key", "alice", "items:read", ".go:", "127.0.0.1", "RS256"} {
				if strings.Contains(strings.ReplaceAll(detail, "expected", ""), internal) {
					t.Errorf("R9457-05: %q in %s", internal, detail)
				}
			}
			if response.ContentLength != int64(len(body)) {
				t.Errorf("Content-Length %d of %d", response.ContentLength, len(body))
			}
		})
		t.Run("R9110-17 R9457-07 HEAD: "+tc.name, func(t *testing.T) {
			get := s.lines(t, tc.want, "GET", tc.path, tc.lines...)
			head := s.lines(t, tc.want, "HEAD", tc.path, tc.lines...)
			get.Header.Del("Date")
			head.Header.Del("Date")
			if fmt.Sprint(head.Header) != fmt.Sprint(get.Header) {
				t.Errorf("HEAD %v, GET %v", head.Header, get.Header)
			}
		})
	}
}

func TestRFC9110Credentials(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	for _, tc := range []struct {
		name  string
		want  answer
		value string
	}{
		{"R9110-01 R6750-01 the scheme as it is written", ok200, "Bearer " + tok},
		{"R9110-01 bearer", ok200, "bearer " + tok},
		{"R9110-01 bEaReR", ok200, "bEaReR " + tok},
		{"R9110-02 two spaces", ok200, "Bearer  " + tok},
		{"R9110-02 a TAB", badRq, "Bearer\t" + tok},
		{"R9110-02 no space", noCrd, "Bearer" + tok},
		{"R9110-03 R6750-12 a comma", badRq, "Bearer a,b"},
		{"R9110-03 R6750-12 a space", badRq, "Bearer a b"},
		{"R9110-03 R6750-12 an equals sign inside", badRq, "Bearer a=b"},
		{"R9110-03 R6750-12 equals signs alone", badRq, "Bearer =="},
		{"R9110-03 R6750-12 quotes", badRq, `Bearer "a"`},
		{"R9110-03 R6750-12 a letter beyond ASCII", badRq, "Bearer \u00e9"},
		{"R9110-03 R6750-12 a percent sign", badRq, "Bearer a%20b"},
		{"R9110-03 R6750-12 a colon", badRq, "Bearer a:b"},
		{"R9110-03 R6750-12 a good token and an equals sign inside", badRq, "Bearer " + strings.Replace(tok, ".", "=.", 1)},
		{"R9110-03 R6750-13 every letter of the grammar", badTk, "Bearer azAZ09-._~+/"},
		{"R9110-03 R6750-13 padding at the end", badTk, "Bearer abc=="},
		{"R9110-03 R6750-13 a good token with padding", badTk, "Bearer " + tok + "="},
		{"R9110-05 the scheme alone", badRq, "Bearer"},
		{"R9110-05 R6750-11 nothing", noCrd, ""},
		{"R9110-15 R6750-11 Basic", noCrd, "Basic YTpi"},
		{"R9110-15 R6750-11 Digest", noCrd, `Digest username="a", realm="b"`},
		{"R9110-15 R6750-11 Negotiate", noCrd, "Negotiate YII="},
		{"R9110-15 R6750-11 a scheme nobody knows", noCrd, "X " + tok},
		{"R9110-15 a scheme without anything", noCrd, "Basic"},
	} {
		t.Run(tc.name, func(t *testing.T) { s.lines(t, tc.want, "GET", "/items", "Authorization: "+tc.value) })
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "get", "GETX", "CONNECT"} {
		t.Run("R9110-16 R9110-17 the method "+method+" is guarded", func(t *testing.T) {
			s.lines(t, noCrd, method, "/items", "Content-Length: 0")
			s.lines(t, noScp, method, "/items", "Content-Length: 0", "Authorization: Bearer "+s.iss.Token(nil))
			s.lines(t, ok200, method, "/items", "Content-Length: 0", "Authorization: Bearer "+tok)
		})
	}
	t.Run("R9110-16 GO-07 a route for GET is none for get", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /x", s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle)))
		s := &service{iss: s.iss, guard: s.guard, server: httptest.NewServer(mux)}
		defer s.server.Close()
		netHTTPRefuses(t, s, 405, "get /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer "+tok+"\r\n\r\n")
		s.lines(t, noCrd, "HEAD", "/x")
	})
}

func TestRFC9110Challenges(t *testing.T) {
	first := func(t *testing.T, realm string) string {
		t.Helper()
		s := newService(t, func(cfg *bearerguard.Config) { cfg.Realm = realm })
		return s.lines(t, noCrd, "GET", "/items").Header.Get("WWW-Authenticate")
	}
	for _, tc := range []struct{ name, realm, want string }{
		{"R9110-12 R9110-13 a realm", "x", `Bearer realm="x", resource_metadata="`},
		{"R9110-13 a realm with a quote and a backslash", `a"b\c`, `Bearer realm="a\"b\\c", resource_metadata="`},
		{"R9110-13 a realm that would end the challenge", `x", error="y`, `Bearer realm="x\", error=\"y", resource_metadata="`},
		{"R9110-13 a realm with spaces and commas", "a, Basic b", `Bearer realm="a, Basic b", resource_metadata="`},
		{"R6750-08 R6750-11 no realm", "", `Bearer resource_metadata="`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := first(t, tc.realm); !strings.HasPrefix(got, tc.want) || strings.Contains(got, "scope=") || strings.Contains(got, "error=\"") && !strings.Contains(tc.realm, "error") {
				t.Errorf("%s", got)
			}
		})
	}
	for name, realm := range map[string]string{
		"CR LF": "a\r\nSet-Cookie: a=b", "LF": "a\nb", "NUL": "a\x00", "TAB": "a\tb", "DEL": "a\x7f", "a letter beyond ASCII": "caf\u00e9", "a high byte": "a\xff",
	} {
		t.Run("R9110-07 R9110-13 R6750-16 H-21 a realm with "+name+" is refused", func(t *testing.T) {
			cfg := issuers()[0].Config(resource)
			cfg.Realm = realm
			if _, err := bearerguard.New(cfg); err == nil || !strings.Contains(err.Error(), "Realm") || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("R9110-14 another scheme of an outer layer stands in a line of its own", func(t *testing.T) {
		s := newService(t)
		inner := s.server.Config.Handler
		serveInstead(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `DPoP algs="ES256"`)
			inner.ServeHTTP(w, r)
		}))
		response, _ := hearRaw(t, s, "GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if lines := response.Header.Values("WWW-Authenticate"); len(lines) != 2 || !strings.HasPrefix(lines[0], "DPoP ") || !strings.HasPrefix(lines[1], "Bearer ") {
			t.Errorf("%q", lines)
		}
	})
	t.Run("R6750-14 R6750-15 the scopes in the order of the policy", func(t *testing.T) {
		s := serveGuarded(t, bearerguard.Scope("b", "a", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"))
		response := s.get(t, noScp, "/", s.iss.Token(nil))
		if got := response.Header.Get("WWW-Authenticate"); !strings.Contains(got, "error=\"insufficient_scope\", scope=\"b a !#$%&'()*+,-./:;<=>?@[]^_`{|}~\"") {
			t.Errorf("%s", got)
		}
	})
	t.Run("R6750-10 R6750-11 R9110-08 a view has its own challenge", func(t *testing.T) {
		s := newService(t)
		serveInstead(s, s.guard.For("urn:example:admin").Require(bearerguard.Authenticated())(bearerguard.Func(s.handle)))
		if got := s.lines(t, noCrd, "GET", "/").Header.Get("WWW-Authenticate"); got != `Bearer realm="urn:example:admin"` {
			t.Errorf("%s", got)
		}
		s.get(t, badTk, "/", s.iss.Token(good))
		s.get(t, ok200, "/", s.iss.Token(guardtest.Claims{"aud": "urn:example:admin"}))
	})
}

// Answers of the handler are its own.
func TestRFC9111HandlerAnswers(t *testing.T) {
	s := newService(t)
	t.Run("R9111-01 nothing is added to the handler's answer", func(t *testing.T) {
		response := s.get(t, ok200, "/items", s.iss.Token(good))
		for _, name := range []string{"Cache-Control", "WWW-Authenticate", "Vary", "X-Content-Type-Options", "Expires", "Pragma"} {
			if got := response.Header.Get(name); got != "" {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
	t.Run("R9111-01 what the handler says of caching stays", func(t *testing.T) {
		w := httptest.NewRecorder()
		h := s.guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "private, max-age=9") }))
		if h.ServeHTTP(w, arriving("127.0.0.1:1", "http://h/a", s.iss.Token(good), nil)); w.Header().Get("Cache-Control") != "private, max-age=9" {
			t.Errorf("%v", w.Header())
		}
	})
	t.Run("R9111-01 what an outer layer said of caching does not make a refusal public", func(t *testing.T) {
		w := httptest.NewRecorder()
		w.Header().Set("Cache-Control", "public, max-age=3600")
		h := s.guard.Require(bearerguard.Authenticated())(bearerguard.Func(s.handle))
		if h.ServeHTTP(w, arriving("127.0.0.1:1", "http://h/a", "", nil)); w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v", w.Header())
		}
	})
	t.Run("R9457-03 R9457-07 an error of somebody else is a 500 without a challenge", func(t *testing.T) {
		w := httptest.NewRecorder()
		s.guard.WriteError(w, nil, fmt.Errorf("secret %s", "eyJ"))
		if w.Code != 500 || w.Header().Get("WWW-Authenticate") != "" || strings.Contains(w.Body.String(), "secret") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
	now := time.Now().Unix()
	for _, tc := range []struct {
		name string
		want answer
		max  time.Duration
		life int64
	}{
		{"R6750-21 a life within the default", ok200, 0, 24*3600 - 5},
		{"R6750-21 a life beyond the default", badTk, 0, 24*3600 + 1},
		{"R6750-21 a life of the configured length", ok200, time.Hour, 3600},
		{"R6750-21 a life a second longer", badTk, time.Hour, 3601},
		{"R6750-21 no limit", ok200, -1, 1000 * 3600},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newService(t, func(cfg *bearerguard.Config) { cfg.MaxTokenLifetime = tc.max })
			s.get(t, tc.want, "/any", s.iss.Token(guardtest.Claims{"iat": now, "exp": now + tc.life}))
		})
	}
}
