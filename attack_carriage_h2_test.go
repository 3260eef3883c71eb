package bearerguard_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
)

// h2Peer writes HTTP/2 frames by hand, since net/http's client would not send hostile fields.
type h2Peer struct {
	s      *service
	server *httptest.Server

	mu     sync.Mutex
	header http.Header // of the newest answer, so that nothing has to be unpacked
}

func newH2Peer(t *testing.T, s *service, handler http.Handler) *h2Peer {
	t.Helper()
	p := &h2Peer{s: s}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.header = w.Header().Clone()
	}))
	p.server.Config.Protocols = new(http.Protocols)
	p.server.Config.Protocols.SetUnencryptedHTTP2(true)
	p.server.Start()
	t.Cleanup(p.server.Close)
	return p
}

func h2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = append(frame, flags)
	return append(binary.BigEndian.AppendUint32(frame, stream), payload...)
}

// h2Literal is a field that is not indexed and not Huffman-coded (RFC 7541, Section 6.2.2).
func h2Literal(name, value string) []byte {
	field := []byte{0}
	for _, text := range []string{name, value} {
		if n := len(text); n < 127 {
			field = append(field, byte(n))
		} else {
			field = binary.AppendUvarint(append(field, 127), uint64(n-127))
		}
		field = append(field, text...)
	}
	return field
}

// h2Status reads the first field of an answer. Go indexes what it can, and packs a few of the rest.
func h2Status(block []byte) int {
	switch text := string(block[:min(5, len(block))]); {
	case text != "" && text[0] >= 0x88 && text[0] <= 0x8e:
		return []int{200, 204, 206, 304, 400, 404, 500}[text[0]-0x88]
	case strings.HasPrefix(text, "\x4e\x82\x68\x01"):
		return 401
	case strings.HasPrefix(text, "\x4e\x82\x64\x01"):
		return 301
	case strings.HasPrefix(text, "\x4e\x03"):
		status, _ := strconv.Atoi(text[2:])
		return status
	}
	return -1
}

// ask sends one request of exactly these fields. The status is 0 if the server reset the stream or the connection.
func (p *h2Peer) ask(t *testing.T, fields ...string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", p.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block []byte
	for i := 0; i < len(fields); i += 2 {
		block = append(block, h2Literal(fields[i], fields[i+1])...)
	}
	out := append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Frame(4, 0, 0, nil)...)
	if _, err := conn.Write(append(out, h2Frame(1, 5, 1, block)...)); err != nil {
		t.Fatal(err)
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return 0, ""
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if _, err := io.ReadFull(conn, payload); err != nil {
			return 0, ""
		}
		switch kind := head[3]; kind {
		case 0:
			body += string(payload)
		case 1:
			status = h2Status(payload)
		case 3, 7:
			return 0, ""
		}
		if head[3] <= 1 && head[4]&1 != 0 {
			return status, body
		}
	}
}

// check is ask, held to an answer of the guard.
func (p *h2Peer) check(t *testing.T, want answer, fields ...string) {
	t.Helper()
	before := p.s.count()
	status, body := p.ask(t, fields...)
	p.mu.Lock()
	defer p.mu.Unlock()
	response := &http.Response{StatusCode: status, Header: p.header, Request: &http.Request{Method: "GET"}}
	checkAnswer(t, want, response, body)
	if reached := p.s.count() - before; (want.status == 200) != (reached == 1) {
		t.Errorf("handler reached %d times on a wanted %d", reached, want.status)
	}
	for i := 0; i < len(fields); i += 2 {
		p.s.checkNoLeak(t, "Authorization: "+fields[i+1], response, body)
	}
}

func h2Fields(path string, more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "api.example.com", ":path", path}, more...)
}

func TestAttackHTTP2Fields(t *testing.T) {
	s := newService(t)
	p := newH2Peer(t, s, s.server.Config.Handler)
	tok := s.iss.Token(good)
	const field = "authorization"
	for _, tc := range []struct {
		name   string
		want   answer
		fields []string
	}{
		{"H-05 control: a token over HTTP/2", ok200, []string{field, "Bearer " + tok}},
		{"H-05 control: no token over HTTP/2", noCrd, nil},
		{"H-05 R9110-06 a blank before the scheme", badRq, []string{field, " Bearer " + tok}},
		{"H-05 R9110-06 a TAB before the scheme", badRq, []string{field, "\tBearer " + tok}},
		{"H-05 R9110-06 a TAB behind the token", badRq, []string{field, "Bearer " + tok + "\t"}},
		{"H-05 R9110-06 a blank behind the token", badRq, []string{field, "Bearer " + tok + " "}},
		{"H-08 R9110-05 the scheme and a blank", badRq, []string{field, "Bearer "}},
		{"H-08 R9110-05 the scheme alone", badRq, []string{field, "Bearer"}},
		{"H-08 an empty value", noCrd, []string{field, ""}},
		{"H-01 R9110-04 two fields, the first one good", badRq, []string{field, "Bearer " + tok, field, "Bearer x.y.z"}},
		{"H-01 R9110-04 two fields, the second one good", badRq, []string{field, "Bearer x.y.z", field, "Bearer " + tok}},
		{"H-01 R9110-04 the same field twice", badRq, []string{field, "Bearer " + tok, field, "Bearer " + tok}},
		{"H-04 R9110-02 a TAB after the scheme", badRq, []string{field, "Bearer\t" + tok}},
		{"H-06 R9110-01 the scheme in lower case", ok200, []string{field, "bearer " + tok}},
		{"H-11 a high byte", badRq, []string{field, "Bearer " + tok + "\xff"}},
		{"H-18 a cookie", noCrd, []string{"cookie", "access_token=" + tok}},
		{"H-15 a twin", noCrd, []string{"x-authorization", "Bearer " + tok}},
	} {
		t.Run(tc.name, func(t *testing.T) { p.check(t, tc.want, h2Fields("/items", tc.fields...)...) })
	}
	for _, tc := range []struct{ name, value string }{
		{"H-11 R9110-07 CR LF in the value", "Bearer " + tok + "\r\nX: y"},
		{"H-11 NUL in the value", "Bearer " + tok + "\x00"},
		{"H-11 DEL in the value", "Bearer " + tok + "\x7f"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.count()
			if status, _ := p.ask(t, h2Fields("/items", field, tc.value)...); status != 0 && status != 400 || s.count() != before {
				t.Errorf("status %d", status)
			}
		})
	}
	// The next hop of HTTP/1 may read bytes that net/http would not send, so the guard itself must refuse them.
	for _, tc := range []struct{ name, value string }{
		{"H-11 R9110-07 CR LF as the guard sees it", "Bearer " + tok + "\r\nSet-Cookie: a=b"},
		{"H-11 NUL as the guard sees it", "Bearer " + tok + "\x00"},
		{"H-11 DEL as the guard sees it", "Bearer " + tok + "\x7f"},
		{"H-12 CR LF and a blank between scheme and token as the guard sees it", "Bearer\r\n " + tok},
		{"H-11 a LF alone in the token", "Bearer " + strings.Replace(tok, ".", "\n.", 1)},
		{"H-11 a LF behind the token", "Bearer " + tok + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "https://api.example.com/items", nil)
			r.Header["Authorization"] = []string{tc.value}
			w := httptest.NewRecorder()
			before := s.count()
			s.server.Config.Handler.ServeHTTP(w, r)
			response := w.Result()
			response.Request = r
			checkAnswer(t, badRq, response, w.Body.String())
			if s.count() != before || response.Header.Get("Set-Cookie") != "" {
				t.Error("handler reached, or a header made up")
			}
		})
	}
}

func TestAttackHTTP2PseudoFields(t *testing.T) {
	s := newService(t)
	routed := newH2Peer(t, s, s.server.Config.Handler)
	bare := newH2Peer(t, s, s.guard.Require(bearerguard.Scope("items:read"))(bearerguard.Func(s.handle)))
	tok := s.iss.Token(good)
	pseudo := func(method, scheme, authority, path string) []string {
		return []string{":method", method, ":scheme", scheme, ":authority", authority, ":path", path}
	}
	host := "api.example.com"
	for _, tc := range []struct {
		name            string
		anonymous, with answer // with a token that has scope items:read
		fields          []string
	}{
		{"H-23 another host than the authority", noCrd, ok200, append(pseudo("GET", "http", host, "/items"), "host", "evil.example")},
		{"H-23 a foreign authority", noCrd, ok200, pseudo("GET", "http", "evil.example", "/items")},
		{"H-23 https on a plain connection", noCrd, ok200, pseudo("GET", "https", host, "/items")},
		{"H-23 an unknown method", noCrd, ok200, pseudo("BREW", "http", host, "/items")},
		{"H-23 a method in lower case", noCrd, ok200, pseudo("get", "http", host, "/items")},
		{"H-23 two slashes", badPa, badPa, pseudo("GET", "http", host, "//items")},
		{"H-23 a dot segment", badPa, badPa, pseudo("GET", "http", host, "/x/../items")},
		{"H-23 an escaped dot segment", badPa, badPa, pseudo("GET", "http", host, "/x/%2e%2e/items")},
		{"H-23 a backslash", badPa, badPa, pseudo("GET", "http", host, `/x\items`)},
		{"H-23 a star", badPa, badPa, pseudo("GET", "http", host, "*")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bare.check(t, tc.anonymous, tc.fields...)
			bare.check(t, tc.with, append(tc.fields, "authorization", "Bearer "+tok)...)
		})
	}
	// What comes of these is net/http's affair; that nobody gets in without a token, or to another route, is ours.
	for _, tc := range []struct {
		name   string
		fields []string
	}{
		{"H-23 a target with an authority in the path", pseudo("GET", "http", host, "http://evil.example/admin")},
		{"H-23 a path without a slash", pseudo("GET", "http", host, "admin")},
		{"H-23 an empty path", pseudo("GET", "http", host, "")},
		{"H-23 a scheme of another protocol", pseudo("GET", "ftp", host, "/admin")},
		{"H-23 a method that goes on as a path", pseudo("GET /items", "http", host, "/admin")},
		{"H-23 CONNECT with a path", pseudo("CONNECT", "http", host, "/items/../admin")},
		{"H-23 CONNECT without a path", []string{":method", "CONNECT", ":authority", host}},
		{"H-23 two paths", append(pseudo("GET", "http", host, "/items"), ":path", "/admin")},
		{"H-23 user information", pseudo("GET", "http", "admin@"+host, "/admin")},
		{"H-23 a name in capitals", append(pseudo("GET", "http", host, "/admin"), "Authorization", "Bearer "+tok)},
		{"H-23 a pseudo-field behind the fields", []string{":method", "GET", ":scheme", "http", ":authority", host, "x", "y", ":path", "/admin"}},
		{"H-23 two slashes before the router", pseudo("GET", "http", host, "//admin")},
		{"H-23 a star before the router", pseudo("OPTIONS", "http", host, "*")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.count()
			for _, fields := range [][]string{tc.fields, append(tc.fields, "authorization", "Bearer "+tok)} {
				if status, body := routed.ask(t, fields...); status == 200 && body != "" || s.count() != before {
					t.Errorf("status %d, body %q", status, body)
				}
			}
		})
	}
	t.Run("H-05 R9110-06 net/http's own client over TLS", func(t *testing.T) {
		server := httptest.NewUnstartedServer(s.server.Config.Handler)
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		for value, want := range map[string]answer{"Bearer " + tok: ok200, " Bearer " + tok: badRq, "": noCrd, "Bearer " + tok + " ": badRq, "Bearer\t" + tok: badRq} {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/items", nil)
			r.Header.Set("Authorization", value)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.ProtoMajor != 2 {
				t.Errorf("protocol %s", response.Proto)
			}
			checkAnswer(t, want, response, string(body))
		}
	})
}
