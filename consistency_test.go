package bearerguard_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// TestConsistency sends each request once and lets a Mux, a Require around a plain ServeMux, and Check answer it.
func TestConsistency(t *testing.T) {
	s := newService(t, func(cfg *bearerguard.Config) { cfg.HSTS = time.Hour })
	policy := bearerguard.All(scoped, bearerguard.ACR("gold"))
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	mux, plain := s.guard.NewMux(), http.NewServeMux()
	mux.Handle("/", policy, hello)
	plain.Handle("/", hello)
	around := s.guard.Require(policy)(plain)
	var verdicts []string
	serveInstead(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, handler := range []http.Handler{mux, around, bearerguard.CanonicalPath(around), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := s.guard.Check(r, policy); err != nil {
				s.guard.WriteError(w, r, err)
				return
			}
			hello(w, r)
		})} {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			verdicts = append(verdicts, fmt.Sprint(recorder.Code, recorder.Header()["Www-Authenticate"], recorder.Body))
		}
	}))
	var (
		auth  = "Authorization: Bearer "
		fine  = auth + s.iss.Token(guardtest.Claims{"scope": "items:read", "acr": "gold"})
		weak  = auth + s.iss.Token(good)
		poor  = auth + s.iss.Token(guardtest.Claims{"acr": "gold"})
		stale = auth + s.iss.Token(guardtest.Claims{"exp": 1_700_000_000})
	)
	for _, row := range []struct {
		name, method, target string
		status               string
		lines                []string
	}{
		{"control", "GET", "/a", "200", []string{fine}},
		{"control: POST", "POST", "/a", "200", []string{fine, "Content-Length: 0"}},
		{"I-07 a letter escaped", "GET", "/%61", "200", []string{fine}},
		{"I-12 HEAD", "HEAD", "/a", "401", nil},
		{"I-13 OPTIONS", "OPTIONS", "/a", "401", []string{"Origin: https://app.example", "Access-Control-Request-Method: GET"}},
		{"I-11 CONNECT", "CONNECT", "/a", "401", nil},
		{"I-11 CONNECT and dots", "CONNECT", "/a/../b", "400", []string{fine}},
		{"no token", "GET", "/a", "401", nil},
		{"R9110-15 another scheme", "GET", "/a", "401", []string{"Authorization: Basic YTpi"}},
		{"R9110-04 H-01 two lines", "GET", "/a", "400", []string{fine, fine}},
		{"H-02 a list", "GET", "/a", "400", []string{fine + ", Bearer x"}},
		{"H-04 a TAB", "GET", "/a", "400", []string{strings.Replace(fine, "Bearer ", "Bearer\t", 1)}},
		{"H-08 an empty token", "GET", "/a", "400", []string{"Authorization: Bearer"}},
		{"H-16 a query token", "GET", "/a?access_token=x", "401", nil},
		{"H-16 a query token beside a header", "GET", "/a?access_token=x", "400", []string{fine}},
		{"a token that is none", "GET", "/a", "401", []string{auth + "a.b.c"}},
		{"an altered token", "GET", "/a", "401", []string{fine[:len(fine)-8] + "AAAAAAAA"}},
		{"a foreign token", "GET", "/a", "401", []string{auth + s.other.Token(good)}},
		{"another audience", "GET", "/a", "401", []string{auth + s.iss.Token(guardtest.Claims{"aud": "https://other.example"})}},
		{"an expired token", "GET", "/a", "401", []string{stale}},
		{"alg none", "GET", "/a", "401", []string{auth + guardtest.Unsecured(good)}},
		{"G-18 R9470-01 acr missing", "GET", "/a", "401", []string{weak}},
		{"G-18 scope missing", "GET", "/a", "403", []string{poor}},
		{"G-18 R9470-04 both missing", "GET", "/a", "401", []string{auth + s.iss.Token(nil)}},
		{"R9470-08 both missing, expired", "GET", "/a", "401", []string{stale}},
		{"I-01 two slashes", "GET", "//a", "400", []string{fine}},
		{"I-02 dots", "GET", "/a/../b", "400", []string{fine}},
		{"I-03 escaped dots", "GET", "/a/%2e%2e/b", "400", []string{fine}},
		{"I-04 an escaped slash", "GET", "/a%2fb", "400", []string{fine}},
		{"I-05 an escaped backslash", "GET", "/a%5cb", "400", []string{fine}},
		{"I-05 NUL", "GET", "/a%00", "400", []string{fine}},
		{"I-05 invalid UTF-8", "GET", "/a%ff", "400", []string{fine}},
		{"I-15 a host without a path", "GET", "http://h", "400", []string{fine}},
		{"H-26 a forwarded http", "GET", "/a", "403", []string{fine, "X-Forwarded-Proto: http"}},
		{"H-26 a forwarded http, no token", "GET", "/a", "403", []string{"X-Forwarded-Proto: http"}},
		{"H-28 identity in fields", "GET", "/a", "401", []string{"X-User: admin", "X-Auth-Roles: admin"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			verdicts = nil
			hearRaw(t, s, strings.Join(append([]string{row.method + " " + row.target + " HTTP/1.1", "Host: api.example.com", "Connection: close"}, append(row.lines, "", "")...), "\r\n"))
			if len(verdicts) != 4 || !strings.HasPrefix(verdicts[0], row.status+" ") {
				t.Fatalf("want %s, got %q", row.status, verdicts)
			}
			for i, verdict := range verdicts[1:] {
				if verdict != verdicts[0] {
					t.Errorf("Mux says %s, but %s: %s", verdicts[0], []string{"Require", "CanonicalPath and Require", "Check"}[i], verdict)
				}
			}
		})
	}
	t.Run("R6797 the same fields on every answer over TLS", func(t *testing.T) {
		for _, target := range []string{"/a", "/a//b", "/%2e%2e/"} {
			for name, handler := range map[string]http.Handler{"Mux": mux, "Require": around} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest("GET", "https://api.example.com"+target, nil))
				if w.Header().Get("Strict-Transport-Security") == "" || w.Code/100 != 4 {
					t.Errorf("%s %s: %d %v", name, target, w.Code, w.Header())
				}
			}
		}
	})
}

// TestMuxWriter holds that handlers get the very writer that the server made, so that whatever it can do, they can.
func TestMuxWriter(t *testing.T) {
	s := newService(t)
	auth := "Authorization: Bearer " + s.iss.Token(good)
	serve := func(pattern string, policy bearerguard.Policy, handler http.HandlerFunc) {
		mux := s.guard.NewMux()
		mux.HandleFunc(pattern, policy, handler)
		serveInstead(s, mux)
	}
	get := func(target string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + auth + "\r\n"
	}
	t.Run("the very same value", func(t *testing.T) {
		for _, row := range []wired{pub("GET /x"), held("GET /x"), held("/{x}"), held("GET /x/"), maybe("GET /x"), {"GET /x", bearerguard.EncodedSlash(scoped)}, {"GET /x", bearerguard.Trial{Enforce: scoped, Report: scoped}}} {
			for _, method := range []string{"GET", "HEAD"} {
				w := &nobody{http.Header{}}
				mux, calls := s.guard.NewMux(), 0
				mux.HandleFunc(row.pattern, row.policy, func(got http.ResponseWriter, _ *http.Request) {
					if calls++; got != http.ResponseWriter(w) {
						t.Errorf("%s: the handler writes to a %T", row.pattern, got)
					}
				})
				target := "/x" + strings.Repeat("/", strings.Count(row.pattern, "/")-1)
				if mux.ServeHTTP(w, guardtest.NewRequest(method, target, s.iss.Token(good))); calls != 1 {
					t.Errorf("%s %s: %d calls", method, row.pattern, calls)
				}
			}
		}
	})
	t.Run("SSE: each event leaves at once", func(t *testing.T) {
		next := make(chan struct{})
		serve("GET /events", scoped, func(w http.ResponseWriter, _ *http.Request) {
			for i := range 2 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				<-next
			}
		})
		conn := dialRaw(t, s, get("/events")+"\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(response.Body)
		for i := range 2 {
			for lines.Scan() && lines.Text() == "" {
			}
			if lines.Text() != fmt.Sprintf("data: %d", i) {
				t.Errorf("got %q", lines.Text())
			}
			next <- struct{}{}
		}
	})
	t.Run("I-24 a hijacked connection", func(t *testing.T) {
		serve("GET /ws/{room}", scoped, func(w http.ResponseWriter, r *http.Request) {
			conn, both, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = both.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = both.Flush()
			line, _ := both.ReadString('\n')
			_, _ = both.WriteString(r.PathValue("room") + ": " + line)
			_ = both.Flush()
		})
		const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
		conn := dialRaw(t, s, get("/ws/blue")+upgrade+"hello\n")
		reader := bufio.NewReader(conn)
		if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != 101 {
			t.Fatalf("%v, %v", response, err)
		}
		if line, _ := reader.ReadString('\n'); line != "blue: hello\n" {
			t.Errorf("got %q", line)
		}
		s.raw(t, noCrd, "GET /ws/blue HTTP/1.1\r\nHost: h\r\n"+upgrade)
	})
	t.Run("ResponseController", func(t *testing.T) {
		serve("GET /slow", scoped, func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			for name, err := range map[string]error{"deadline": c.SetWriteDeadline(time.Now().Add(time.Minute)), "read deadline": c.SetReadDeadline(time.Now().Add(time.Minute)), "full duplex": c.EnableFullDuplex(), "flush": c.Flush()} {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if response, _ := hearRaw(t, s, get("/slow")+"Connection: close\r\n\r\n"); response.StatusCode != 200 {
			t.Errorf("status %d", response.StatusCode)
		}
	})
	t.Run("ReverseProxy", func(t *testing.T) {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.URL.Path, " ", strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "))
		}))
		defer backend.Close()
		target, err := url.Parse(backend.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		serve("/api/{rest...}", scoped, proxy.ServeHTTP)
		if _, body := hearRaw(t, s, get("/api/x%20y")+"Connection: close\r\n\r\n"); body != "/api/x y true" {
			t.Errorf("got %q", body)
		}
		s.lines(t, noCrd, "GET", "/api/x")
		s.lines(t, badPa, "GET", "/api/..%2fx", auth)
	})
	t.Run("gRPC over HTTP/2: streams and trailers", func(t *testing.T) {
		mux := s.guard.NewMux()
		mux.HandleFunc("POST /pkg.Service/{method}", scoped, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			w.(http.Flusher).Flush()
			_, _ = io.Copy(w, r.Body)
			w.Header().Set("Grpc-Status", "0")
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", r.PathValue("method"))
		})
		server := httptest.NewUnstartedServer(mux)
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		body, send := io.Pipe()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/pkg.Service/Echo", body)
		r.Header.Set("Authorization", "Bearer "+s.iss.Token(good))
		go func() { _, _ = io.WriteString(send, "ping"); _ = send.Close() }()
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		got, _ := io.ReadAll(response.Body)
		if string(got) != "ping" || response.ProtoMajor != 2 || response.Trailer.Get("Grpc-Status") != "0" || response.Trailer.Get("Grpc-Message") != "Echo" {
			t.Errorf("%q, %s, trailers %v", got, response.Proto, response.Trailer)
		}
	})
	t.Run("H-22 CORS around the Mux", func(t *testing.T) {
		mux := s.guard.NewMux()
		mux.Handle("GET /items", scoped, bearerguard.Func(s.handle))
		serveInstead(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			mux.ServeHTTP(w, r)
		}))
		if response, _ := hearRaw(t, s, "OPTIONS /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccess-Control-Request-Method: GET\r\n\r\n"); response.StatusCode != 204 || s.count() != 0 && response.Header.Get("Allow") != "" {
			t.Errorf("status %d", response.StatusCode)
		}
		for _, response := range []*http.Response{s.lines(t, noCrd, "GET", "/items"), s.lines(t, noCrd, "OPTIONS", "/items"), s.lines(t, badPa, "GET", "/a//b"), s.lines(t, ok200, "GET", "/items", auth)} {
			if response.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
				t.Errorf("%d: the CORS fields are gone: %v", response.StatusCode, response.Header)
			}
		}
	})
}

// dialRaw sends bytes and leaves the connection open.
func dialRaw(t *testing.T, s *service, request string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}
