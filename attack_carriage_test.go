package bearerguard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hearRaw sends any bytes over a new connection and gives the first answer, whoever it comes from.
func hearRaw(t *testing.T, s *service, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.server.Listener.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(conn, request) }()
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// netHTTPRefuses is for requests that do not come as far as the guard.
func netHTTPRefuses(t *testing.T, s *service, status int, request string) {
	t.Helper()
	before := s.count()
	response, body := hearRaw(t, s, request)
	if response.StatusCode != status || s.count() != before || strings.Contains(body, "eyJ") {
		t.Errorf("status %d (%.80s), want %d; handler reached %d times", response.StatusCode, body, status, s.count()-before)
	}
}

// untouched holds the last decision and the answer to knowing nothing of a token that came by a wrong way.
func untouched(t *testing.T, s *service, response *http.Response, token string) {
	t.Helper()
	d := s.last()
	seen := fmt.Sprintf("%+v %v %v", d, d.Err, response.Header)
	for part := range strings.SplitSeq(token, ".") {
		if strings.Contains(seen, part) {
			t.Errorf("part of the token shows up: %.40s…", part)
		}
	}
}

func TestAttackAuthorizationField(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	mid := len(tok) / 2
	const field = "Authorization: "
	for _, tc := range []struct {
		name  string
		want  answer
		lines []string
	}{
		{"H-01 R9110-04 a valid line, then an invalid one", badRq, []string{field + "Bearer " + tok, field + "Bearer x.y.z"}},
		{"H-01 R9110-04 an invalid line, then a valid one", badRq, []string{field + "Bearer x.y.z", field + "Bearer " + tok}},
		{"H-01 R9110-04 the same line twice", badRq, []string{field + "Bearer " + tok, field + "Bearer " + tok}},
		{"H-01 R9110-04 Basic, then Bearer", badRq, []string{field + "Basic eDp5", field + "Bearer " + tok}},
		{"H-01 R9110-04 Bearer, then Basic", badRq, []string{field + "Bearer " + tok, field + "Basic eDp5"}},
		{"H-01 R9110-04 the second line in another case", badRq, []string{field + "Bearer " + tok, "aUTHORIZATION: Bearer " + tok}},
		{"H-01 R9110-04 the second line empty", badRq, []string{field + "Bearer " + tok, field}},
		{"H-01 R9110-04 the lines apart from each other", badRq, []string{field + "Bearer " + tok, "X: y", field + "Bearer " + tok}},
		{"H-02 R9110-04 two tokens with a comma", badRq, []string{field + "Bearer " + tok + ", Bearer " + tok}},
		{"H-02 R9110-04 two tokens with a comma and no blank", badRq, []string{field + "Bearer " + tok + ",Bearer " + tok}},
		{"H-02 Basic first, Bearer behind a comma", noCrd, []string{field + "Basic eDp5, Bearer " + tok}},
		{"H-02 a comma first", noCrd, []string{field + ", Bearer " + tok}},
		{"H-02 a comma at the end", badRq, []string{field + "Bearer " + tok + ","}},
		{"H-03 Bearer and DPoP lines", badRq, []string{field + "Bearer " + tok, field + "DPoP " + tok}},
		{"H-03 DPoP and Bearer lines", badRq, []string{field + "DPoP " + tok, field + "Bearer " + tok}},
		{"H-04 R9110-02 one space", ok200, []string{field + "Bearer " + tok}},
		{"H-04 R9110-02 two spaces", ok200, []string{field + "Bearer  " + tok}},
		{"H-04 R9110-02 many spaces", ok200, []string{field + "Bearer" + strings.Repeat(" ", 200) + tok}},
		{"H-04 R9110-02 TAB after the scheme", badRq, []string{field + "Bearer\t" + tok}},
		{"H-04 R9110-02 space and TAB", badRq, []string{field + "Bearer \t" + tok}},
		{"H-04 R9110-02 TAB and space", badRq, []string{field + "Bearer\t " + tok}},
		{"H-04 a no-break space in UTF-8", badRq, []string{field + "Bearer\u00a0" + tok}},
		{"H-04 a no-break space in Latin-1", badRq, []string{field + "Bearer\xa0" + tok}},
		{"H-04 an ideographic space", badRq, []string{field + "Bearer\u3000" + tok}},
		{"H-04 R9110-02 nothing", noCrd, []string{field + "Bearer" + tok}},
		{"H-04 a colon", badRq, []string{field + "Bearer:" + tok}},
		{"H-04 an equals sign", badRq, []string{field + "Bearer=" + tok}},
		{"H-04 a slash", badRq, []string{field + "Bearer/" + tok}},
		{"H-05 R9110-06 blanks around the value of HTTP/1 belong to no value", ok200, []string{"Authorization: \t Bearer " + tok + " \t "}},
		{"H-05 no blank behind the colon", ok200, []string{"Authorization:Bearer " + tok}},
		{"H-06 R9110-01 lower case", ok200, []string{field + "bearer " + tok}},
		{"H-06 R9110-01 upper case", ok200, []string{field + "BEARER " + tok}},
		{"H-06 R9110-01 mixed case", ok200, []string{field + "bEaReR " + tok}},
		{"H-06 R9110-01 the name of the field in any case", ok200, []string{"aUTHORIZATION: Bearer " + tok}},
		{"H-07 a Cyrillic letter in the scheme", noCrd, []string{field + "B\u0435arer " + tok}},
		{"H-07 a zero-width space after the scheme", badRq, []string{field + "Bearer\u200b " + tok}},
		{"H-07 a byte order mark before the scheme", noCrd, []string{field + "\ufeffBearer " + tok}},
		{"H-07 the scheme in quotes", noCrd, []string{field + `"Bearer" ` + tok}},
		{"H-07 a comma after the scheme", badRq, []string{field + "Bearer," + tok}},
		{"H-07 a longer scheme", noCrd, []string{field + "BearerX " + tok}},
		{"H-07 a scheme that goes on with a dash", noCrd, []string{field + "Bearer-Token " + tok}},
		{"H-07 a shorter scheme", noCrd, []string{field + "Beare " + tok}},
		{"H-07 the token without a scheme", noCrd, []string{field + tok}},
		{"H-07 Token instead of Bearer", noCrd, []string{field + "Token " + tok}},
		{"H-08 R9110-05 the scheme alone", badRq, []string{field + "Bearer"}},
		{"H-08 R9110-05 the scheme and a space", badRq, []string{field + "Bearer "}},
		{"H-08 R9110-05 an empty field", noCrd, []string{field}},
		{"H-08 R9110-05 a field of blanks", noCrd, []string{field + " \t "}},
		{"H-09 the scheme twice", badRq, []string{field + "Bearer Bearer " + tok}},
		{"H-09 another scheme behind the scheme", badRq, []string{field + "Bearer Basic " + tok}},
		{"H-10 R9110-03 the token in quotes", badRq, []string{field + `Bearer "` + tok + `"`}},
		{"H-10 the token in single quotes", badRq, []string{field + "Bearer '" + tok + "'"}},
		{"H-10 the token in angle brackets", badRq, []string{field + "Bearer <" + tok + ">"}},
		{"H-10 the token as a parameter", badRq, []string{field + `Bearer token="` + tok + `"`}},
		{"H-10 the token as a bare parameter", badRq, []string{field + "Bearer token=" + tok}},
		{"H-10 a parameter behind the token", badRq, []string{field + "Bearer " + tok + `, realm="x"`}},
		{"H-10 a semicolon behind the token", badRq, []string{field + "Bearer " + tok + ";q=1"}},
		{"H-10 escapes", badRq, []string{field + "Bearer " + strings.ReplaceAll(tok, ".", "%2e")}},
		{"H-11 R9110-03 a high byte", badRq, []string{field + "Bearer " + tok + "\xff"}},
		{"H-11 R9110-03 a letter of UTF-8", badRq, []string{field + "Bearer " + tok[:mid] + "é" + tok[mid:]}},
		{"H-11 a high byte for a blank", badRq, []string{field + "Bearer\xff" + tok}},
		{"H-11 a TAB inside of the token", badRq, []string{field + "Bearer " + tok[:mid] + "\t" + tok[mid:]}},
		{"H-12 a fold inside of the token", badRq, []string{field + "Bearer " + tok[:mid] + "\r\n " + tok[mid:]}},
		{"H-12 a fold by TAB inside of the token", badRq, []string{field + "Bearer " + tok[:mid] + "\r\n\t" + tok[mid:]}},
		{"H-12 a fold that hides a second token", badRq, []string{field + "Bearer " + tok + "\r\n Bearer " + tok}},
		{"H-12 a fold that begins another field", badRq, []string{field + "Bearer " + tok + "\r\n Authorization: Bearer " + tok}},
		{"H-13 a bare LF ends the line: the token counts alone", ok200, []string{field + "Bearer " + tok + "\nX: y"}},
		{"H-13 R9110-04 a bare LF begins a second Authorization", badRq, []string{field + "Bearer x\nAuthorization: Bearer " + tok}},
		{"H-13 a bare LF inside of the token", badTk, []string{field + "Bearer " + tok[:mid] + "\nX: " + tok[mid:]}},
		{"H-14 a space before the name: the line belongs to the one before", noCrd, []string{"X: y", " Authorization: Bearer " + tok}},
		{"H-15 a name that ends in an underscore", noCrd, []string{"Authorization_: Bearer " + tok}},
		{"H-15 X-Authorization", noCrd, []string{"X-Authorization: Bearer " + tok}},
		{"H-15 Proxy-Authorization", noCrd, []string{"Proxy-Authorization: Bearer " + tok}},
		{"H-15 HTTP_AUTHORIZATION", noCrd, []string{"HTTP_AUTHORIZATION: Bearer " + tok}},
		{"H-15 X-Forwarded-Authorization", noCrd, []string{"X-Forwarded-Authorization: Bearer " + tok}},
		{"H-15 X-Forwarded-Access-Token", noCrd, []string{"X-Forwarded-Access-Token: " + tok}},
		{"H-15 X-Amzn-Oidc-Data", noCrd, []string{"X-Amzn-Oidc-Data: " + tok}},
		{"H-15 X-Access-Token", noCrd, []string{"X-Access-Token: " + tok}},
		{"H-15 Authorisation", noCrd, []string{"Authorisation: Bearer " + tok}},
		{"H-15 a good field beside its twins", ok200, []string{"X-Authorization: Bearer x", field + "Bearer " + tok}},
		{"H-18 R6750-20 a cookie", noCrd, []string{"Cookie: access_token=" + tok}},
		{"H-18 R6750-20 a cookie named Authorization", noCrd, []string{`Cookie: Authorization="Bearer ` + tok + `"`}},
		{"H-18 R6750-20 a cookie beside a bad token does not mend it", badTk, []string{"Cookie: access_token=" + tok, field + "Bearer x.y.z"}},
		{"H-19 a WebSocket subprotocol", noCrd, []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: bearer, " + tok}},
		{"H-20 one byte more than the cap", badTk, []string{field + "Bearer " + strings.Repeat("a", 16<<10+1)}},
		{"H-20 900 kB", badTk, []string{field + "Bearer " + strings.Repeat("a.", 450_000)}},
		{"H-20 a good token with 17 kB behind it", badTk, []string{field + "Bearer " + tok + strings.Repeat("A", 17<<10)}},
		{"H-20 a million dots", badTk, []string{field + "Bearer " + strings.Repeat(".", 16<<10)}},
		{"H-28 X-User", noCrd, []string{"X-User: admin"}},
		{"H-28 X-Remote-User", noCrd, []string{"X-Remote-User: admin", "Remote-User: admin"}},
		{"H-28 X-Auth-Roles", noCrd, []string{"X-Auth-Roles: admin", "X-Auth-Request-User: admin"}},
		{"H-28 X-Forwarded-Client-Cert", noCrd, []string{"X-Forwarded-Client-Cert: Subject=\"CN=admin\"", "Client-Cert: :AAAA:"}},
		{"H-28 X-Userinfo", noCrd, []string{"X-Userinfo: eyJzdWIiOiJhZG1pbiJ9", "X-Goog-Authenticated-User-Email: a@b"}},
		{"H-31 x-middleware-subrequest", noCrd, []string{"x-middleware-subrequest: middleware:middleware:middleware:middleware:middleware"}},
		{"H-31 X-Internal-Request", noCrd, []string{"X-Internal-Request: true", "X-Skip-Auth: 1", "X-Debug: 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := s.lines(t, tc.want, "GET", "/items", tc.lines...)
			if tc.want.status != 200 {
				untouched(t, s, response, tok)
			}
		})
	}

	for _, tc := range []struct {
		name   string
		status int
		lines  string
	}{
		{"H-11 NUL in the value", 400, field + "Bearer " + tok + "\x00"},
		{"H-11 NUL for a blank", 400, field + "Bearer\x00" + tok},
		{"H-11 DEL in the value", 400, field + "Bearer " + tok + "\x7f"},
		{"H-11 R9110-07 a bare CR in the value", 400, field + "Bearer " + tok + "\rX: y"},
		{"H-14 a space before the colon", 400, "Authorization : Bearer " + tok},
		{"H-14 a TAB before the colon", 400, "Authorization\t: Bearer " + tok},
		{"H-15 a name in UTF-8", 400, "Authorizati\u043en: Bearer " + tok},
		{"H-20 more than a megabyte", 431, field + "Bearer " + strings.Repeat("a", 1<<20+8<<10)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			netHTTPRefuses(t, s, tc.status, "GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+tc.lines+"\r\n\r\n")
		})
	}
}

// A token that is not in the Authorization field is not there (RFC 6750, Sections 2.2 and 2.3 are off).
func TestAttackTokenElsewhere(t *testing.T) {
	s := newService(t)
	tok := s.iss.Token(good)
	for _, tc := range []struct {
		name   string
		want   answer
		target string
		line   string
	}{
		{"H-16 R6750-03 in the query", noCrd, "/items?access_token=" + tok, "X: y"},
		{"H-16 R6750-04 in the query and in the field", badRq, "/items?access_token=" + tok, "Authorization: Bearer " + tok},
		{"H-16 R6750-04 in the field, and an empty one in the query", badRq, "/items?access_token=", "Authorization: Bearer " + tok},
		{"H-16 R6750-04 in the field, and a bare name in the query", badRq, "/items?access_token", "Authorization: Bearer " + tok},
		{"H-16 R6750-04 a bad one in the field, a good one in the query", badRq, "/items?access_token=" + tok, "Authorization: Bearer x.y.z"},
		{"H-16 twice in the query", noCrd, "/items?access_token=" + tok + "&access_token=" + tok, "X: y"},
		{"H-16 twice in the query and in the field", badRq, "/items?a=b&access_token=x&access_token=y", "Authorization: Bearer " + tok},
		{"H-16 with an escaped name", noCrd, "/items?%61ccess_token=" + tok, "X: y"},
		{"H-16 R6750-04 with an escaped name and in the field", badRq, "/items?%61ccess_token=" + tok, "Authorization: Bearer " + tok},
		{"H-16 R6750-04 with every byte of the name escaped and in the field", badRq, "/items?x&%61%63%63%65%73%73%5f%74%6f%6b%65%6e=" + tok, "Authorization: Bearer " + tok},
		{"H-16 in capitals", noCrd, "/items?ACCESS_TOKEN=" + tok, "X: y"},
		{"H-16 in capitals it is another parameter", ok200, "/items?ACCESS_TOKEN=x", "Authorization: Bearer " + tok},
		{"H-16 as an array", noCrd, "/items?access_token[]=" + tok, "X: y"},
		{"H-16 as an array it is another parameter", ok200, "/items?access_token[]=x", "Authorization: Bearer " + tok},
		{"H-16 another parameter that ends alike", ok200, "/items?my_access_token=x", "Authorization: Bearer " + tok},
		{"H-16 in another parameter's value", ok200, "/items?next=access_token", "Authorization: Bearer " + tok},
		{"H-16 the name alone, Bearer within", noCrd, "/items?authorization=Bearer%20" + tok, "X: y"},
		{"H-19 in the query of a WebSocket", noCrd, "/items?token=" + tok, "Upgrade: websocket"},
		{"H-19 in the query of an event stream", noCrd, "/items?jwt=" + tok, "Accept: text/event-stream"},
		{"H-16 in the query beside Basic", noCrd, "/items?access_token=" + tok, "Authorization: Basic eDp5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := s.lines(t, tc.want, "GET", tc.target, tc.line)
			if tc.want.status != 200 {
				untouched(t, s, response, tok)
			}
		})
	}

	const form = "application/x-www-form-urlencoded"
	multipart := "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n" + tok + "\r\n--b--\r\n"
	for _, tc := range []struct{ name, method, kind, body string }{
		{"H-17 R6750-02 a form", "POST", form, "access_token=" + tok},
		{"H-17 R6750-02 a form with a charset", "POST", form + "; charset=UTF-8", "access_token=" + tok},
		{"H-17 R6750-02 a form in PUT", "PUT", form, "access_token=" + tok},
		{"H-17 R6750-02 a form in PATCH", "PATCH", form, "access_token=" + tok},
		{"H-17 R6750-02 a form in GET", "GET", form, "access_token=" + tok},
		{"H-17 R6750-02 a form in DELETE", "DELETE", form, "access_token=" + tok},
		{"H-17 R6750-02 parts", "POST", "multipart/form-data; boundary=b", multipart},
		{"H-17 JSON", "POST", "application/json", `{"access_token":"` + tok + `"}`},
		{"H-17 plain text", "POST", "text/plain", "access_token=" + tok},
		{"H-17 R6750-05 twice in a form", "POST", form, "access_token=" + tok + "&access_token=" + tok},
	} {
		t.Run(tc.name, func(t *testing.T) {
			request := tc.method + " /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: " + tc.kind + "\r\nContent-Length: "
			untouched(t, s, s.raw(t, noCrd, fmt.Sprintf("%s%d\r\n\r\n%s", request, len(tc.body), tc.body)), tok)
		})
	}
}
