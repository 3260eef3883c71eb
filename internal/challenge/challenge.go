// Package challenge writes the WWW-Authenticate field (RFC 9110, Section 11.6.1) and knows the grammars of what goes
// into it (RFC 6750, Section 3; RFC 6749, Section 3.3).
package challenge

import "strings"

// Challenge is one challenge under construction: a scheme and its parameters. Values are immutable; With returns a new
// one, so a common prefix can be kept and shared.
type Challenge struct{ text string }

// New begins a challenge of this scheme.
func New(scheme string) Challenge { return Challenge{text: scheme} }

// With adds a parameter as a quoted-string (RFC 9110, Section 5.6.4; for realm no other form is allowed, Section 11.5).
// The caller gives each name once and values that IsQuotable.
func (c Challenge) With(name, value string) Challenge {
	var b strings.Builder
	b.Grow(len(c.text) + len(name) + len(value) + 6)
	b.WriteString(c.text)
	if strings.IndexByte(c.text, ' ') < 0 {
		b.WriteByte(' ')
	} else {
		b.WriteString(", ")
	}
	b.WriteString(name)
	b.WriteString(`="`)
	for i := 0; i < len(value); i++ {
		if value[i] == '"' || value[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	b.WriteByte('"')
	return Challenge{text: b.String()}
}

// String is the challenge as it goes over the wire.
func (c Challenge) String() string { return c.text }

// IsQuotable tells whether a value may stand in a quoted-string of ours: printable ASCII. The grammar would allow
// bytes above it, whose meaning nobody agrees on.
func IsQuotable(value string) bool {
	for i := 0; i < len(value); i++ {
		if value[i] < 0x20 || value[i] > 0x7e {
			return false
		}
	}
	return true
}

// IsScopeToken tells whether s is one scope-token: 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749, Section 3.3). Values of
// acr_values obey the same grammar here, as they too are joined by spaces and quoted (RFC 9470, Section 3).
func IsScopeToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= 0x20 || c == '"' || c == '\\' || c > 0x7e {
			return false
		}
	}
	return s != ""
}
