package safepath

import (
	"strings"
	"unicode/utf8"
)

// isDevice reports names that Windows answers with a device: in every directory, in any case, whatever extension
// follows and however many blanks stand before it. They are refused on every system, because files move.
func isDevice(name string) bool {
	var folded [len("CONOUT$")]byte
	length, blanks := 0, false
	for _, r := range name {
		if isDot(r) {
			break
		}
		if isBlank(r) {
			blanks = true
			continue
		}
		b := foldASCII(r)
		if blanks || length == len(folded) || b == 0 {
			return false
		}
		folded[length] = b
		length++
	}
	switch base := string(folded[:length]); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	default:
		return length == 4 && (base[:3] == "COM" || base[:3] == "LPT") && base[3] >= '1' && base[3] <= '9'
	}
}

// foldASCII returns the upper-case ASCII character that case or compatibility folding makes of r, or 0. Windows itself
// counts the superscripts ¹ ² ³ as digits; the others become digits in a conversion on the way.
func foldASCII(r rune) byte {
	switch {
	case r >= 0xFF01 && r <= 0xFF5E: // fullwidth forms
		r -= 0xFF01 - '!'
	case r == 0xB9:
		r = '1'
	case r == 0xB2 || r == 0xB3:
		r -= 0xB2 - '2'
	case r >= 0x2074 && r <= 0x2079: // superscripts
		r -= 0x2074 - '4'
	case r >= 0x2081 && r <= 0x2089: // subscripts
		r -= 0x2081 - '1'
	case r >= 0x2460 && r <= 0x2468: // circled
		r -= 0x2460 - '1'
	case r == 0x212A: // the Kelvin sign
		r = 'K'
	}
	switch {
	case r >= utf8.RuneSelf:
		return 0
	case r >= 'a' && r <= 'z':
		r -= 'a' - 'A'
	}
	return byte(r)
}

// isShortName reports names of the form that Windows generates as a second name of a long one (PROGRA~1, WEB~1.CON):
// they would reach the file around every rule about its real name. Nothing that does not fit 8.3 is such an alias.
func isShortName(name string) bool {
	base, extension, _ := strings.Cut(name, ".")
	tilde := strings.LastIndexByte(base, '~')
	if tilde < 1 || tilde == len(base)-1 || strings.Trim(base[tilde+1:], "0123456789") != "" {
		return false
	}
	return utf8.RuneCountInString(base) <= 8 && utf8.RuneCountInString(extension) <= 3 && !strings.Contains(extension, ".")
}
