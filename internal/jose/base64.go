package jose

import "slices"

// appendBase64URL decodes canonical base64url (RFC 7515, Section 2) and appends it to dst: no padding, no line breaks,
// no white space, no other alphabet, and no set bits behind the last octet, so that one octet sequence has one text
// (RFC 4648, Section 3.5). It exists because encoding/base64 skips CR and LF even in strict mode, and reads only bytes.
func appendBase64URL(dst []byte, src string) ([]byte, bool) {
	start, whole := len(dst), len(src)/4*3
	dst = slices.Grow(dst, whole+2)[:start+whole]
	out := dst[start:]
	for ; len(src) >= 4; src = src[4:] {
		a, b, c, d := sextets[src[0]], sextets[src[1]], sextets[src[2]], sextets[src[3]]
		if a|b|c|d > 63 || len(out) < 3 {
			return nil, false
		}
		out[0], out[1], out[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
		out = out[3:]
	}
	switch len(src) {
	case 0:
		return dst, true
	case 2:
		a, b := sextets[src[0]], sextets[src[1]]
		return append(dst, a<<2|b>>4), a|b <= 63 && b&0x0f == 0
	case 3:
		a, b, c := sextets[src[0]], sextets[src[1]], sextets[src[2]]
		return append(dst, a<<2|b>>4, b<<4|c>>2), a|b|c <= 63 && c&0x03 == 0
	}
	return dst, false // one character carries no octet
}

// sextets maps a character of the base64url alphabet to its value, and any other to 0xff.
var sextets = func() (table [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range table {
		table[i] = 0xff
	}
	for i := range len(alphabet) {
		table[alphabet[i]] = byte(i)
	}
	return table
}()
