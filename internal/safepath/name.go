// Package safepath judges file names that come from strangers and opens them below a root without following links.
package safepath

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxElement = 255  // bytes: NAME_MAX, and what NTFS and APFS take in the worst case
	maxPath    = 4096 // bytes: PATH_MAX
	maxDepth   = 64   // every element costs an open
)

// Reason says why a name is refused. The empty Reason means that it is not.
type Reason string

const (
	Empty         Reason = "empty"
	TooLong       Reason = "too long"
	TooDeep       Reason = "too deep"
	InvalidUTF8   Reason = "invalid UTF-8"
	Control       Reason = "control character"
	Reserved      Reason = "reserved character"
	Invisible     Reason = "invisible character"
	Noncharacter  Reason = "noncharacter"
	Lookalike     Reason = "look-alike character"
	DotElement    Reason = "dot element"
	LeadingDot    Reason = "leading dot"
	LeadingBlank  Reason = "leading blank"
	LeadingTilde  Reason = "leading tilde"
	TrailingDot   Reason = "trailing dot"
	TrailingBlank Reason = "trailing blank"
	DeviceName    Reason = "device name"
	ShortName     Reason = "short name"
)

// Path judges a slash-separated name, element by element.
func Path(name string) Reason {
	if len(name) > maxPath {
		return TooLong
	}
	for range maxDepth {
		element, rest, more := strings.Cut(name, "/")
		if reason := Element(element); reason != "" || !more {
			return reason
		}
		name = rest
	}
	return TooDeep
}

// Element judges a single element. A name that passes means the same file on every system, or no file at all:
// nothing on the way to the disk trims, folds, expands or interprets it.
func Element(name string) Reason {
	switch {
	case name == "":
		return Empty
	case len(name) > maxElement:
		return TooLong
	case name == "." || name == "..":
		return DotElement
	}
	ascii, reason := checkBytes(name)
	if reason == "" && !ascii {
		reason = checkRunes(name)
	}
	if reason == "" {
		reason = checkEnds(name)
	}
	switch {
	case reason != "":
		return reason
	case isDevice(name):
		return DeviceName
	case isShortName(name):
		return ShortName
	}
	return ""
}

// checkEnds looks at what systems trim (Windows: dots and blanks at the end), hide (unix: a dot in front) or
// expand (shells: a tilde in front). The name must be valid UTF-8.
func checkEnds(name string) Reason {
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case isDot(first):
		return LeadingDot
	case isBlank(first):
		return LeadingBlank
	case first == '~':
		return LeadingTilde
	}
	last, _ := utf8.DecodeLastRuneInString(name)
	switch {
	case isDot(last):
		return TrailingDot
	case isBlank(last):
		return TrailingBlank
	}
	return ""
}

// isDot counts the leaders and ellipses that compatibility folding (NFKC) turns into dots. Inside a name they are
// ordinary punctuation; at its ends, or before an extension, they are dots in disguise.
func isDot(r rune) bool {
	return r == '.' || r >= 0x2024 && r <= 0x2026 || r == 0xFE19
}

func isBlank(r rune) bool {
	return r == ' ' || r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r)
}
