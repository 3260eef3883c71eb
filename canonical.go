package bearerguard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

var (
	errPathForm    = errors.New("target has no absolute path")
	errPathSegment = errors.New("empty or dot segment")
	errPathByte    = errors.New("control character, backslash or invalid UTF-8")
	errPathSlash   = errors.New("encoded slash")
)

// CanonicalPath is middleware for routers that match the path as it was sent, percent signs and all, and so may let
// /%66iles/ past a rule for /files/. It refuses what a [Mux] refuses, with the same answer, and passes the rest on with
// the path in one spelling: URL.RawPath is cleared. Put it around the router.
func CanonicalPath(next http.Handler) http.Handler {
	if next == nil {
		misuse("CanonicalPath: nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkPath(r.URL); err != nil {
			new(Guard).answer(w, refuse(ErrPath, err))
			return
		}
		if r.URL.RawPath != "" {
			own, target := *r, *r.URL // the caller's request is not ours to change
			target.RawPath = ""
			own.URL = &target
			r = &own
		}
		next.ServeHTTP(w, r)
	})
}

// checkPath refuses every request target that two readers could take for two different files or routes. It judges the
// URL as the handler will see it, so that it holds behind a router that rewrote it: the path begins with a slash and
// has no empty segment, no dot segment however it was encoded, no encoded slash or backslash, no control character and
// only valid UTF-8. Harmless escapes, semicolons, a trailing slash and dots inside of names pass.
func checkPath(u *url.URL) error {
	path := u.Path
	if u.Opaque != "" || path == "" || path[0] != '/' {
		return errPathForm
	}
	segment := 1 // where the current segment starts
	ascii := true
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			switch c := path[i]; {
			case c < 0x20 || c == 0x7f || c == '\\':
				return errPathByte
			case c >= utf8.RuneSelf:
				ascii = false
			}
			continue
		}
		switch path[segment:i] {
		case ".", "..":
			return errPathSegment
		case "":
			if i < len(path) { // at the end it is a trailing slash
				return errPathSegment
			}
		}
		segment = i + 1
	}
	if !ascii && !utf8.ValidString(path) {
		return errPathByte
	}
	// RawPath is set only where the decoded path would be written in another way, so this costs nothing as a rule.
	var slash error // the last to be reported, as EncodedSlash forgives it
	if raw := u.RawPath; raw != "" {
		for i := strings.IndexByte(raw, '%'); i >= 0 && i+2 < len(raw); {
			switch raw[i+1 : i+3] {
			case "5c", "5C":
				return errPathByte
			case "2f", "2F":
				slash = errPathSlash
			}
			next := strings.IndexByte(raw[i+1:], '%')
			if next < 0 {
				break
			}
			i += 1 + next
		}
	}
	return slash
}
