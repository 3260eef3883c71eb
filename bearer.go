package bearerguard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerguard/bearerguard/internal/challenge"
	"github.com/bearerguard/bearerguard/internal/jose"
)

// credentials takes the bearer token out of the one place where it may be: a single Authorization field line (RFC 6750,
// Section 2.1). Tokens in the query, in a form or in a cookie are never read. No token at all, an empty field and
// another scheme are ErrNoToken; whatever begins as Bearer and goes wrong is ErrCredentials. line is the whole field
// value.
func credentials(r *http.Request) (token, line string, refusal *Error) {
	lines := r.Header["Authorization"] // not Get, which hides all lines but the first
	switch {
	case len(lines) == 0:
		return "", "", refuse(ErrNoToken, nil)
	case len(lines) > 1:
		// RFC 9110, Section 5.5: a field that is no list occurs once.
		return "", "", refuse(ErrCredentials, errors.New("more than one Authorization line"))
	}
	line = lines[0]
	if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
		return "", "", refuse(ErrCredentials, errors.New("blank before the scheme")) // HTTP/2 lets it through
	}
	const scheme = "bearer"
	if len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) || len(line) > len(scheme) && challenge.IsTokenByte(line[len(scheme)]) {
		return "", "", refuse(ErrNoToken, nil) // RFC 9110, Section 11.1: another scheme is no attempt at ours
	}
	token = strings.TrimLeft(line[len(scheme):], " ")
	if len(token) == len(line)-len(scheme) || token == "" {
		// RFC 9110, Section 11.4: the scheme, 1*SP, then the token.
		return "", "", refuse(ErrCredentials, errors.New("no space, or nothing, after the scheme"))
	}
	if r.URL.RawQuery != "" && queryHasToken(r.URL.RawQuery) {
		// RFC 6750, Section 2: one method a request.
		return "", "", refuse(ErrCredentials, errors.New("a token in the header and in the query"))
	}
	if len(token) > jose.MaxTokenSize {
		return "", "", refuse(ErrTokenSize, nil)
	}
	return token, line, nil
}

// isToken68 checks the grammar of RFC 9110, Section 11.2. It is asked only for tokens that do not parse, to tell bad
// syntax (400) from a bad token (401): what parses is well within it.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~+/", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// queryHasToken looks for the parameter of RFC 6750, Section 2.3, however it is escaped. Its value is not looked at.
func queryHasToken(query string) bool {
	for query != "" {
		var name string
		name, query, _ = strings.Cut(query, "&")
		name, _, _ = strings.Cut(name, "=")
		if strings.IndexByte(name, '%') >= 0 {
			name, _ = url.QueryUnescape(name)
		}
		if name == "access_token" {
			return true
		}
	}
	return false
}
