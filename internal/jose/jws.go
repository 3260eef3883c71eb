// Package jose is the strict front door for compact JWS (RFC 7515) and for every JSON object that comes from outside.
//
// It knows nothing of keys, algorithms or policy. What it accepts has one meaning: one spelling of the base64url, one
// value for every name, text that is valid UTF-8. What it refuses, it refuses in time linear in the input.
package jose

import (
	"errors"
	"fmt"
	"strings"
)

// MaxTokenSize is the longest token that is looked at, in bytes.
const MaxTokenSize = 16 << 10

// Why a token is refused. None of them carries anything of the token.
var (
	ErrSize      = errors.New("token too large")
	ErrParts     = errors.New("not a compact JWS of three parts")
	ErrEncrypted = errors.New("encrypted (JWE) tokens are not accepted")
	ErrEncoding  = errors.New("not canonical base64url")
	ErrHeader    = errors.New("a header parameter is missing or of the wrong type")
	ErrCritical  = errors.New("the header parameters crit, b64 and zip are not accepted")
	ErrNested    = errors.New("nested tokens are not accepted")
)

// JWS is a token that is well-formed and, so far, believed in nothing.
type JWS struct {
	Header       Header
	Claims       Object
	SigningInput string // the received ASCII of header and payload (RFC 7515, Section 5.2, step 8)
	Signature    []byte
}

// Header holds the header parameters that may influence a decision. Parameters that name or carry keys (jwk, jku, x5c,
// x5u, x5t) are not among them: a key comes from the issuer's own set or not at all (RFC 7515, Section 10.3).
type Header struct {
	Algorithm string
	KeyID     string
	HasKeyID  bool
	Type      string // as sent; empty if absent
}

// Parse takes a compact JWS apart. Size and the number of parts are judged first, then the encoding, then the header,
// then the claims; nothing is verified.
func Parse(token string) (JWS, error) {
	if len(token) > MaxTokenSize {
		return JWS{}, ErrSize
	}
	switch strings.Count(token, ".") {
	case 2:
	case 4:
		return JWS{}, ErrEncrypted // before looking for empty parts: with alg "dir" the second one is (RFC 7516, 5.1)
	default:
		return JWS{}, ErrParts
	}
	first, second := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if first == 0 || second == first+1 || second == len(token)-1 {
		return JWS{}, ErrParts // without a signature: an unsecured JWS, whatever its header says (RFC 7519, Section 6)
	}
	// One buffer for the three parts; header and payload then become one string that the claims refer into.
	buffer := make([]byte, 0, len(token)*3/4+2)
	buffer, ok := appendBase64URL(buffer, token[:first])
	if !ok {
		return JWS{}, ErrEncoding
	}
	headerSize := len(buffer)
	if buffer, ok = appendBase64URL(buffer, token[first+1:second]); !ok {
		return JWS{}, ErrEncoding
	}
	textSize := len(buffer)
	if buffer, ok = appendBase64URL(buffer, token[second+1:]); !ok {
		return JWS{}, ErrEncoding
	}
	text := string(buffer[:textSize])

	jws := JWS{SigningInput: token[:second], Signature: buffer[textSize:]}
	var err error
	if jws.Header, err = parseHeader(text[:headerSize]); err != nil {
		return JWS{}, fmt.Errorf("header: %w", err)
	}
	if jws.Claims, err = ParseObject(text[headerSize:]); err != nil {
		return JWS{}, fmt.Errorf("claims: %w", err)
	}
	return jws, nil
}

// parseHeader reads the JOSE header (RFC 7515, Section 4). Unknown parameters are ignored, as Section 4 demands.
func parseHeader(text string) (Header, error) {
	s := newScanner(text, false)
	defer s.free()
	if err := s.object(); err != nil {
		return Header{}, err
	}
	o := Object{src: text, members: s.members}
	for _, name := range [...]string{"crit", "b64", "zip"} {
		// RFC 7515, Section 4.1.11: an extension that is not understood makes the JWS invalid, and none is understood
		// here. RFC 7797, Section 7: JWTs never use b64=false.
		if _, ok := o.Get(name); ok {
			return Header{}, ErrCritical
		}
	}
	var h Header
	for name, value := range o.All() {
		var field *string
		switch name {
		case "alg":
			field = &h.Algorithm
		case "kid":
			field, h.HasKeyID = &h.KeyID, true
		case "typ":
			field = &h.Type
		case "cty":
			field = new(string)
		default:
			continue
		}
		content, ok := value.Text()
		if !ok || name == "typ" && content == "" { // an empty typ must not pass for an absent one
			return Header{}, ErrHeader
		}
		if *field = content; name == "cty" && IsMediaType(content, "jwt") {
			return Header{}, ErrNested // RFC 7519, Section 5.2
		}
	}
	if h.Algorithm == "" {
		return Header{}, ErrHeader // RFC 7515, Section 4.1.1
	}
	return h, nil
}

// IsMediaType compares a typ or cty with the subtype of an application type, given in lower case: without regard to
// case, and with the prefix "application/" implied when there is no slash (RFC 7515, Section 4.1.9).
func IsMediaType(value, subtype string) bool {
	const prefix = "application/"
	if len(value) == len(prefix)+len(subtype) && equalASCIIFold(value[:len(prefix)], prefix) {
		value = value[len(prefix):]
	}
	return equalASCIIFold(value, subtype)
}

// equalASCIIFold is strings.EqualFold without its Unicode: U+017F is no s in a media type.
func equalASCIIFold(value, lower string) bool {
	if len(value) != len(lower) {
		return false
	}
	for i := 0; i < len(value); i++ {
		c := value[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
