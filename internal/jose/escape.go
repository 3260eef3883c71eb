package jose

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escape tells the length of the escape sequence, or surrogate pair, at the start of src.
func escape(src string) (int, error) {
	if len(src) < 2 {
		return 0, ErrSyntax
	}
	switch src[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		first, ok := hex4(src)
		switch {
		case !ok:
			return 0, ErrSyntax
		case first < 0xd800 || first > 0xdfff:
			return 6, nil
		case first >= 0xdc00:
			return 0, ErrUTF8
		}
		if second, ok := hex4(src[6:]); !ok || second < 0xdc00 || second > 0xdfff {
			return 0, ErrUTF8
		}
		return 12, nil
	}
	return 0, ErrSyntax
}

// hex4 reads the four digits of a \uXXXX at the start of src.
func hex4(src string) (rune, bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(src[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves the escapes of a validated string.
func unescape(text string) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			out = append(out, text[i])
			i++
			continue
		}
		switch c := text[i+1]; c {
		case 'u':
			r, _ := hex4(text[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				low, _ := hex4(text[i:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			out = utf8.AppendRune(out, r)
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, c)
		}
		i += 2
	}
	return string(out)
}
