package challenge

import "strings"

// Parsed is one challenge as a client reads it. Parameter names are in lower case.
type Parsed struct {
	Scheme     string
	Parameters map[string]string
}

// Parse reads one WWW-Authenticate field value that holds challenges with parameters. It is strict: a repeated
// parameter (RFC 9110, Section 11.2), a bare scheme, a token68 or a stray character make it fail. Test kits use it to
// hold servers to the grammar.
func Parse(field string) ([]Parsed, bool) {
	var all []Parsed
	for rest := field; ; {
		scheme, tail := token(rest)
		tail, spaced := strings.CutPrefix(tail, " ")
		if scheme == "" || !spaced {
			return nil, false
		}
		parsed := Parsed{Scheme: scheme, Parameters: map[string]string{}}
		for {
			name, value, after, ok := parameter(strings.TrimLeft(tail, " "))
			if !ok {
				return nil, false
			}
			name = strings.ToLower(name)
			if _, repeated := parsed.Parameters[name]; repeated {
				return nil, false
			}
			parsed.Parameters[name] = value
			after = strings.TrimLeft(after, " \t")
			if after == "" {
				return append(all, parsed), true
			}
			next, comma := strings.CutPrefix(after, ",")
			if !comma {
				return nil, false
			}
			tail = strings.TrimLeft(next, " \t")
			if word, behind := token(tail); word == "" || !strings.HasPrefix(behind, "=") {
				break // not a parameter, so it begins the next challenge
			}
		}
		all, rest = append(all, parsed), tail
	}
}

// parameter reads token "=" ( token / quoted-string ).
func parameter(s string) (name, value, rest string, ok bool) {
	name, rest = token(s)
	rest, equals := strings.CutPrefix(rest, "=")
	if name == "" || !equals {
		return "", "", "", false
	}
	if !strings.HasPrefix(rest, `"`) {
		value, rest = token(rest)
		return name, value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return name, b.String(), rest[i+1:], true
		case c == '\\' && i+1 < len(rest) && rest[i+1] >= 0x20 && rest[i+1] != 0x7f:
			i++
			b.WriteByte(rest[i])
		case c < 0x20 && c != '\t' || c == 0x7f:
			return "", "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", false
}

// token reads the longest token (RFC 9110, Section 5.6.2) at the start of s.
func token(s string) (word, rest string) {
	end := 0
	for end < len(s) && IsTokenByte(s[end]) {
		end++
	}
	return s[:end], s[end:]
}

// IsTokenByte tells whether c may be part of a token (RFC 9110, Section 5.6.2), such as the name of a scheme.
func IsTokenByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
