package jose

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// collide tells whether two hashes are equal. It may reorder them.
func collide(hashes []uint64) bool {
	if len(hashes) > 32 { // keep the whole scan linear, near enough, for an object of thousands of members
		slices.Sort(hashes)
		for i := 1; i < len(hashes); i++ {
			if hashes[i] == hashes[i-1] {
				return true
			}
		}
		return false
	}
	for i, h := range hashes {
		for _, other := range hashes[:i] {
			if h == other {
				return true
			}
		}
	}
	return false
}

// foldedHash hashes a member name after unescaping and case folding (FNV-1a). Equal names have equal hashes, so no
// duplicate is ever missed; that two different names collide costs a refusal, once in 2⁶⁴ or when somebody works for
// it, against himself.
func foldedHash(name string, escaped bool) uint64 {
	if escaped {
		name = unescape(name)
	}
	for i := 0; i < len(name); i++ {
		if name[i] >= utf8.RuneSelf {
			name = strings.Map(foldRune, name)
			break
		}
	}
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for i := 0; i < len(name); i++ {
		c := name[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		hash = (hash ^ uint64(c)) * prime
	}
	return hash
}

// foldRune maps all runes of one case-folding orbit to the smallest: k, K and the Kelvin sign to K.
func foldRune(r rune) rune {
	smallest := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		smallest = min(smallest, next)
	}
	return smallest
}
