package safepath

import (
	"unicode"
	"unicode/utf8"
)

// reserved holds the characters below 64 that separate, select or quote on some system; \ and | are the other two.
const reserved uint64 = 1<<'<' | 1<<'>' | 1<<':' | 1<<'"' | 1<<'/' | 1<<'?' | 1<<'*'

// checkBytes judges the ASCII part and reports whether there is any other.
func checkBytes(name string) (ascii bool, reason Reason) {
	ascii = true
	for i := range len(name) {
		switch b := name[i]; {
		case b >= utf8.RuneSelf:
			ascii = false
		case b < ' ', b == 0x7F:
			return false, Control
		case b < 64 && reserved>>b&1 == 1, b == '\\', b == '|':
			return false, Reserved
		}
	}
	return ascii, ""
}

// checkRunes judges what is not ASCII. It refuses classes of characters, never scripts.
func checkRunes(name string) Reason {
	var previous rune
	for i, r := range name {
		switch {
		case r < utf8.RuneSelf:
		case r == utf8.RuneError:
			// Range yields U+FFFD for a bad byte, too. The genuine one is three bytes long, and a scar of a bad one.
			if _, size := utf8.DecodeRuneInString(name[i:]); size == 1 {
				return InvalidUTF8
			}
			return Noncharacter
		case unicode.IsControl(r):
			return Control
		case isNoncharacter(r):
			return Noncharacter
		case r == nonJoiner || r == joiner:
			next, _ := utf8.DecodeRuneInString(name[i+utf8.RuneLen(r):])
			if !joins(previous, r, next) {
				return Invisible
			}
		case isInvisible(r):
			return Invisible
		case isLookalike(r):
			return Lookalike
		}
		previous = r
	}
	return ""
}

// isNoncharacter: The Unicode Standard, Section 23.7.
func isNoncharacter(r rune) bool {
	return r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF
}

// isInvisible covers everything that steers the text around it: bidi controls, zero-width characters, the byte order
// mark, tags, line separators. The number and verse signs of Arabic, Syriac and Kaithi share their category but are
// seen.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

const (
	nonJoiner = 0x200C
	joiner    = 0x200D
)

// joins tells spelling from disguise. Persian and the Indic scripts need both joiners inside words, and emoji such as
// a family are pictures held together by U+200D. Beside ASCII or at an end a joiner is only invisible.
func joins(previous, r, next rune) bool {
	return isLetter(previous) && isLetter(next) || r == joiner && isPicture(previous) && isPicture(next)
}

func isLetter(r rune) bool {
	return r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r))
}

func isPicture(r rune) bool {
	const emojiPresentation = 0xFE0F
	return r >= utf8.RuneSelf && unicode.IsSymbol(r) || r == emojiPresentation
}

// isLookalike lists what compatibility folding (NFKC) or a best-fit conversion to an 8-bit code page turns into a
// separator or a full stop, and the slashes that differ from one only in their code point.
func isLookalike(r rune) bool {
	switch r {
	case 0xFF0E, 0xFE52: // full stops
		return true
	case 0xFF0F, 0x2044, 0x2215, 0x29F8: // slashes
		return true
	case 0xFF3C, 0xFE68, 0x2216, 0x29F5: // backslashes
		return true
	case 0x2100, 0x2101, 0x2105, 0x2106: // a/c a/s c/o c/u, with a slash inside
		return true
	}
	return false
}
