package keys

import (
	"encoding/base64"
	"slices"
)

// isSmallOrder tells whether an Ed25519 public key, as in a JWK, is one of the eight points whose order divides the
// cofactor, in any of their encodings. crypto/ed25519 verifies under them what everybody can sign. The y coordinates are
// 0, 1, -1 and the two roots of the points of order eight, each also with p added where that fits into 255 bits; the sign
// bit, the last bit of the encoding, does not matter.
func isSmallOrder(x string) bool {
	point, err := base64.RawURLEncoding.DecodeString(x)
	if err != nil || len(point) != 32 {
		return true // the caller has checked: this is not reached
	}
	point[31] &= 0x7f
	return slices.ContainsFunc(smallOrder, func(y string) bool { return string(point) == y })
}

var smallOrder = func() []string {
	edge := func(first byte) string { // 2^255 - 256 + first, little-endian
		y := append([]byte{first}, slices.Repeat([]byte{0xff}, 31)...)
		y[31] = 0x7f
		return string(y)
	}
	const eighth = "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05"
	const eighthNegative = "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a"
	return []string{
		string(make([]byte, 32)),                       // 0: order four
		string(append([]byte{1}, make([]byte, 31)...)), // 1: the neutral point
		edge(0xec), // p - 1, that is -1: order two
		edge(0xed), // p, that is 0
		edge(0xee), // p + 1, that is 1
		eighth, eighthNegative,
	}
}()
