package jose_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/jose"
)

const (
	header = `{"typ":"at+jwt","alg":"RS256","kid":"k1"}`
	claims = `{"iss":"https://login.example.com","exp":1893456000}`
)

// encode builds a token of the given header and claims, with a signature of three zero octets.
func encode(header, claims string) string { return b64(header) + "." + b64(claims) + ".AAAA" }

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestParse(t *testing.T) {
	token := encode(header, claims)
	jws, err := jose.Parse(token)
	require.NoError(t, err)
	require.Equal(t, jose.Header{Algorithm: "RS256", KeyID: "k1", HasKeyID: true, Type: "at+jwt"}, jws.Header)
	require.Equal(t, claims, jws.Claims.Raw())
	require.Equal(t, []byte{0, 0, 0}, jws.Signature)
	require.Equal(t, token[:len(token)-len(".AAAA")], jws.SigningInput)

	t.Run("R7515-15 signing input is the received text, not a re-encoding", func(t *testing.T) {
		odd := encode(" {\t\"alg\" :\r\n\"RS256\" } ", " { } ")
		jws, err := jose.Parse(odd)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(odd, ".AAAA"), jws.SigningInput)
	})
	t.Run("the zero JWS comes with every refusal", func(t *testing.T) {
		for _, token := range []string{"", encode(`{}`, claims), encode(header, `[]`), encode(header, claims) + "A"} {
			jws, err := jose.Parse(token)
			require.Error(t, err)
			require.Zero(t, jws)
		}
	})
}

func TestParseParts(t *testing.T) {
	h, p, s := b64(header), b64(claims), "AAAA"
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"three parts", h + "." + p + "." + s, nil},
		{"empty", "", jose.ErrParts},
		{"R7515-01 one part", h, jose.ErrParts},
		{"R7515-01 two parts", h + "." + p, jose.ErrParts},
		{"R7515-01 four parts", h + "." + p + "." + s + "." + s, jose.ErrParts},
		{"R7515-01 six parts", h + "." + p + "." + s + "." + s + "." + s + "." + s, jose.ErrParts},
		{"R8725-05 five parts are a JWE", h + "." + p + "." + s + "." + s + "." + s, jose.ErrEncrypted},
		{"R8725-05 JWE with alg dir has an empty second part", h + ".." + s + "." + s + "." + s, jose.ErrEncrypted},
		{"C-06 one dot", ".", jose.ErrParts},
		{"C-06 two dots", "..", jose.ErrParts},
		{"C-06 three dots", "...", jose.ErrParts},
		{"C-06 leading dot", "." + h + "." + p + "." + s, jose.ErrParts},
		{"C-06 trailing dot", h + "." + p + "." + s + ".", jose.ErrParts},
		{"C-06 dots in a row", h + ".." + p + "." + s, jose.ErrParts},
		{"C-06 10000 dots", strings.Repeat(".", 10000), jose.ErrParts},
		{"no header", "." + p + "." + s, jose.ErrParts},
		{"B-18 no payload", h + ".." + s, jose.ErrParts},
		{"R7519-14 no signature", h + "." + p + ".", jose.ErrParts},
		{"R7519-14 alg none without signature", b64(`{"alg":"none"}`) + "." + p + ".", jose.ErrParts},
		{"B-17 flattened JSON serialization", `{"protected":"` + h + `","payload":"` + p + `","signature":"AAAA"}`, jose.ErrParts},
		{"B-17 compact token inside JSON", `{"a":"` + h + "." + p + "." + s + `"}`, jose.ErrEncoding},
		{"C-05 escaped dot", h + "%2e" + p + "." + s, jose.ErrParts},
		{"C-05 fullwidth dot", h + "．" + p + "." + s, jose.ErrParts},
	} {
		t.Run(test.name, func(t *testing.T) { requireParse(t, test.token, test.want) })
	}
}

func requireParse(t *testing.T, token string, want error) {
	t.Helper()
	_, err := jose.Parse(token)
	if want == nil {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, want)
	require.NotContains(t, err.Error(), "\n")
}

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		name string
		size int
		want error
	}{
		{"at the cap", jose.MaxTokenSize, nil},
		{"R7519-17 one byte above", jose.MaxTokenSize + 1, jose.ErrSize},
		{"C-16 5 MB", 5 << 20, jose.ErrSize},
	} {
		t.Run(test.name, func(t *testing.T) {
			head := b64(`{"alg":"RS256" }`+"  ") + "." + b64(`{} `) + "." // whole quadruples
			requireParse(t, head+strings.Repeat("A", test.size-len(head)), test.want)
		})
	}
	t.Run("the cap comes before the encoding", func(t *testing.T) {
		requireParse(t, strings.Repeat("=", jose.MaxTokenSize+1), jose.ErrSize)
	})
}

// Every byte outside the alphabet, in every part: at its start, in its middle, in the odd characters of its end, behind
// it, and in place of a character so that the length stays right.
func TestParseForeignCharacters(t *testing.T) {
	parts := [...]string{b64(`{"alg":"RS256","x":1}`), b64(`{"a":1,"b":22}`), "AAAAAAAAAAA"}
	requireParse(t, strings.Join(parts[:], "."), nil)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	for part := range parts {
		for c := range 256 {
			if strings.IndexByte(alphabet, byte(c)) >= 0 {
				continue
			}
			text := parts[part]
			for at := range len(text) + 1 {
				for _, broken := range []string{text[:at] + string([]byte{byte(c)}) + text[at:], text[:at] + string([]byte{byte(c)}) + text[min(at+1, len(text)):]} {
					changed := parts
					changed[part] = broken
					if _, err := jose.Parse(strings.Join(changed[:], ".")); err != jose.ErrEncoding {
						t.Fatalf("byte %#02x at %d of part %d: got %v, want ErrEncoding", c, at, part, err)
					}
				}
			}
		}
	}
}

func TestParseEncoding(t *testing.T) {
	h, p := b64(header), b64(claims)
	long := b64(header) + "\r\n"
	for _, test := range []struct {
		name, header, payload, signature string
		allow                            bool
	}{
		{"one octet", h, p, "AA", true},
		{"two octets", h, p, "AAA", true},
		{"url alphabet", h, p, "-_-_", true},
		{"GO-01 LF inside the header", h[:8] + "\n" + h[8:], p, "AAAA", false},
		{"GO-01 CR LF behind the header", long, p, "AAAA", false},
		{"GO-01 LF inside the payload", h, p[:4] + "\n" + p[4:], "AAAA", false},
		{"GO-01 CR LF inside the signature", h, p, "AA\r\nAA", false},
		{"GO-01 four LF in a row keep the length a multiple of four", h, p, "AA\n\n\n\nAA", false},
		{"C-04 space", h, p, "AA AA", false},
		{"C-04 tab", h, p, "AAAA\t", false},
		{"C-04 leading space", " " + h, p, "AAAA", false},
		{"C-02 one =", h, p, "AAA=", false},
		{"C-02 two =", h, p, "AA==", false},
		{"C-02 = on the header", h + "=", p, "AAAA", false},
		{"C-02 = on the payload", h, p + "==", "AAAA", false},
		{"C-03 + for -", h, p, "+AAA", false},
		{"C-03 / for _", h, p, "AA/A", false},
		{"C-05 question mark", h, p, "AA?A", false},
		{"C-05 comma", h, p, "AA,A", false},
		{"C-05 NUL", h, p, "AAAA\x00", false},
		{"C-05 non-ASCII letter", h, p, "ÄAA", false},
		{"C-01 trailing bits, two characters: QUI and QUJ", h, p, "QUJ", false},
		{"C-01 trailing bits, lowest of two", h, p, "AAB", false},
		{"C-01 trailing bits, highest of two", h, p, "AAC", false},
		{"C-01 trailing bits, lowest of four", h, p, "AB", false},
		{"C-01 trailing bits, highest of four", h, p, "AI", false},
		{"C-01 trailing bits in the payload", h, b64(`{}`)[:2] + "1", "AAAA", false},
		{"R7515-03 a single character left over", h, p, "A", false},
		{"R7515-03 five characters", h, p, "AAAAA", false},
		{"R7515-03 a character left over in the header", b64(header+" ") + "A", p, "AAAA", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := jose.ErrEncoding
			if test.allow {
				want = nil
			}
			requireParse(t, test.header+"."+test.payload+"."+test.signature, want)
		})
	}
	t.Run("one text for each octet sequence", func(t *testing.T) {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		for _, a := range alphabet {
			for _, b := range alphabet {
				for _, signature := range []string{string([]rune{a, b}), string([]rune{'Q', a, b}), string([]rune{a, b, b, a})} {
					jws, err := jose.Parse(h + "." + p + "." + signature)
					octets, wantErr := base64.RawURLEncoding.Strict().DecodeString(signature)
					if (err == nil) != (wantErr == nil) {
						t.Fatalf("%s: got %v, encoding/base64 says %v", signature, err, wantErr)
					}
					if err == nil {
						require.Equal(t, octets, jws.Signature)
					}
				}
			}
		}
	})
}

func TestParseHeader(t *testing.T) {
	for _, test := range []struct {
		name, header string
		want         error
	}{
		{"alg alone", `{"alg":"RS256"}`, nil},
		{"alg none with a signature is for the allow-list to refuse", `{"alg":"none"}`, nil},
		{"B-05 kid that is a path", `{"alg":"RS256","kid":"../../../../dev/null"}`, nil},
		{"R7515-13 unknown parameters", `{"alg":"RS256","foo":1,"bar":{"baz":[null]}}`, nil},
		{"R7515-09 jwk, jku, x5u, x5c, x5t", `{"alg":"RS256","jwk":{"kty":"RSA"},"jku":"https://evil/","x5u":"file:///","x5c":[1],"x5t":0}`, nil},
		{"B-15 CRIT is no crit", `{"alg":"RS256","CRIT":["exp"]}`, nil},
		{"cty of another kind", `{"alg":"RS256","cty":"json"}`, nil},
		{"crit deeper down", `{"alg":"RS256","x":{"crit":["a"]}}`, nil},

		{"R7515-07 no alg", `{"typ":"at+jwt"}`, jose.ErrHeader},
		{"R7515-07 alg null", `{"alg":null}`, jose.ErrHeader},
		{"R7515-07 alg 5", `{"alg":5}`, jose.ErrHeader},
		{"R7515-07 alg empty", `{"alg":""}`, jose.ErrHeader},
		{"R7515-07 alg array", `{"alg":["RS256"]}`, jose.ErrHeader},
		{"R7515-07 alg object", `{"alg":{"RS256":1}}`, jose.ErrHeader},
		{"R7515-07 alg true", `{"alg":true}`, jose.ErrHeader},
		{"R7515-06 ALG is no alg", `{"ALG":"RS256"}`, jose.ErrHeader},
		{"R7515-06 Alg is no alg", `{"Alg":"RS256"}`, jose.ErrHeader},
		{"R7515-06 escaped capital is no alg", `{"al\u0047":"RS256"}`, jose.ErrHeader},
		{"C-10 alg and NUL", `{"alg\u0000":"RS256"}`, jose.ErrHeader},
		{"C-10 alg and a space", `{"alg ":"RS256"}`, jose.ErrHeader},
		{"alg deeper down", `{"x":{"alg":"RS256"}}`, jose.ErrHeader},
		{"empty object", `{}`, jose.ErrHeader},
		{"B-08 kid number", `{"alg":"RS256","kid":1}`, jose.ErrHeader},
		{"B-08 kid null", `{"alg":"RS256","kid":null}`, jose.ErrHeader},
		{"B-08 kid true", `{"alg":"RS256","kid":true}`, jose.ErrHeader},
		{"B-08 kid array", `{"alg":"RS256","kid":["a"]}`, jose.ErrHeader},
		{"B-08 kid object", `{"alg":"RS256","kid":{}}`, jose.ErrHeader},
		{"typ number", `{"alg":"RS256","typ":1}`, jose.ErrHeader},
		{"typ null", `{"alg":"RS256","typ":null}`, jose.ErrHeader},
		{"typ array", `{"alg":"RS256","typ":["at+jwt"]}`, jose.ErrHeader},
		{"typ empty", `{"alg":"RS256","typ":""}`, jose.ErrHeader},
		{"cty number", `{"alg":"RS256","cty":1}`, jose.ErrHeader},
		{"cty null", `{"alg":"RS256","cty":null}`, jose.ErrHeader},
		{"cty array", `{"alg":"RS256","cty":["JWT"]}`, jose.ErrHeader},
		{"R7519-13 cty JWT", `{"alg":"RS256","cty":"JWT"}`, jose.ErrNested},
		{"R7519-13 cty jwt", `{"alg":"RS256","cty":"jwt"}`, jose.ErrNested},
		{"R7519-13 cty application/jwt", `{"alg":"RS256","cty":"application/JWT"}`, jose.ErrNested},
		{"R7519-13 cty escaped", `{"alg":"RS256","\u0063ty":"\u004aWT"}`, jose.ErrNested},
		{"B-11 crit unknown", `{"alg":"RS256","crit":["mfa"],"mfa":1}`, jose.ErrCritical},
		{"B-12 crit exp", `{"alg":"RS256","crit":["exp"],"exp":9}`, jose.ErrCritical},
		{"B-12 crit empty array", `{"alg":"RS256","crit":[]}`, jose.ErrCritical},
		{"B-12 crit string", `{"alg":"RS256","crit":"x"}`, jose.ErrCritical},
		{"B-12 crit null", `{"alg":"RS256","crit":null}`, jose.ErrCritical},
		{"B-12 crit false", `{"alg":"RS256","crit":false}`, jose.ErrCritical},
		{"B-12 crit numbers", `{"alg":"RS256","crit":[1]}`, jose.ErrCritical},
		{"B-12 crit alg", `{"alg":"RS256","crit":["alg"]}`, jose.ErrCritical},
		{"B-12 crit the same twice", `{"alg":"RS256","crit":["x","x"]}`, jose.ErrCritical},
		{"B-12 crit escaped", `{"alg":"RS256","\u0063rit":["exp"]}`, jose.ErrCritical},
		{"crit without alg", `{"crit":["exp"]}`, jose.ErrCritical},
		{"B-13 b64 false", `{"alg":"RS256","b64":false}`, jose.ErrCritical},
		{"R7797-01 b64 true with crit", `{"alg":"RS256","b64":true,"crit":["b64"]}`, jose.ErrCritical},
		{"R7797-01 b64 true", `{"alg":"RS256","b64":true}`, jose.ErrCritical},
		{"R7797-01 b64 null", `{"alg":"RS256","b64":null}`, jose.ErrCritical},
		{"R7797-01 b64 escaped", `{"alg":"RS256","b6\u0034":false}`, jose.ErrCritical},
		{"B-16 zip", `{"alg":"RS256","zip":"DEF"}`, jose.ErrCritical},
		{"B-16 zip null", `{"alg":"RS256","zip":null}`, jose.ErrCritical},
		{"B-14 alg twice", `{"alg":"none","alg":"RS256"}`, jose.ErrDuplicate},
		{"B-14 alg twice, reversed", `{"alg":"RS256","alg":"none"}`, jose.ErrDuplicate},
		{"B-14 kid twice", `{"alg":"RS256","kid":"a","kid":"a"}`, jose.ErrDuplicate},
		{"B-14 crit twice", `{"alg":"RS256","crit":[],"crit":[]}`, jose.ErrDuplicate},
		{"B-14 alg twice, once escaped", `{"alg":"RS256","\u0061lg":"none"}`, jose.ErrDuplicate},
		{"B-15 ALG beside alg", `{"ALG":"none","alg":"RS256"}`, jose.ErrDuplicate},
		{"B-15 TYP beside typ", `{"alg":"RS256","typ":"at+jwt","TYP":"JWT"}`, jose.ErrDuplicate},
		{"B-15 Kelvin id beside kid", `{"alg":"RS256","kid":"a","\u212aid":"b"}`, jose.ErrDuplicate},
		{"duplicate in an unknown parameter", `{"alg":"RS256","jwk":{"kty":"RSA","kty":"EC"}}`, jose.ErrDuplicate},
		{"R7515-04 trailing character", `{"alg":"RS256"}x`, jose.ErrTrailing},
		{"R7515-04 second object", `{"alg":"RS256"}{}`, jose.ErrTrailing},
		{"R7515-04 BOM", "\ufeff" + `{"alg":"RS256"}`, jose.ErrSyntax},
		{"R7515-04 invalid UTF-8", "{\"alg\":\"RS256\",\"x\":\"\xff\"}", jose.ErrUTF8},
		{"R7515-04 array", `["alg","RS256"]`, jose.ErrNotObject},
		{"R7515-04 null", `null`, jose.ErrNotObject},
		{"R7515-04 comment", `{"alg":"RS256"/**/}`, jose.ErrSyntax},
		{"R7515-04 trailing comma", `{"alg":"RS256",}`, jose.ErrSyntax},
	} {
		t.Run(test.name, func(t *testing.T) { requireParse(t, encode(test.header, claims), test.want) })
	}
	for _, test := range []struct {
		name, header string
		want         jose.Header
	}{
		{"R7515-06 escaped alg is alg", `{"\u0061lg":"RS\u0032\u00356"}`, jose.Header{Algorithm: "RS256"}},
		{"R7515-07 alg is kept as sent", `{"alg":"rs256 "}`, jose.Header{Algorithm: "rs256 "}},
		{"B-15 Kid is no kid", `{"alg":"RS256","Kid":"a"}`, jose.Header{Algorithm: "RS256"}},
		{"B-15 Kelvin id is no kid", `{"alg":"RS256","\u212aid":"a"}`, jose.Header{Algorithm: "RS256"}},
		{"B-15 TYP is no typ", `{"alg":"RS256","TYP":"at+jwt"}`, jose.Header{Algorithm: "RS256"}},
		{"B-15 foreign case may be of any type", `{"alg":"RS256","KID":1,"Typ":null,"CTY":"JWT"}`, jose.Header{Algorithm: "RS256"}},
		{"empty kid is a kid", `{"alg":"RS256","kid":""}`, jose.Header{Algorithm: "RS256", HasKeyID: true}},
		{"B-08 kid with NUL is another kid", `{"alg":"RS256","kid":"k1\u0000"}`, jose.Header{Algorithm: "RS256", KeyID: "k1\x00", HasKeyID: true}},
		{"R7515-19 kid outside the BMP", `{"alg":"RS256","kid":"\uD834\uDD1E"}`, jose.Header{Algorithm: "RS256", KeyID: "𝄞", HasKeyID: true}},
		{"R7515-19 the same kid, literal", `{"alg":"RS256","kid":"𝄞"}`, jose.Header{Algorithm: "RS256", KeyID: "𝄞", HasKeyID: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			jws, err := jose.Parse(encode(test.header, claims))
			require.NoError(t, err)
			require.Equal(t, test.want, jws.Header)
		})
	}
}

func TestParseNamesTheBrokenHalf(t *testing.T) {
	_, err := jose.Parse(encode(`{"alg":"RS256"}x`, claims))
	require.EqualError(t, err, "header: data after the JSON object")
	_, err = jose.Parse(encode(header, claims+"x"))
	require.EqualError(t, err, "claims: data after the JSON object")
}

func TestIsMediaType(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        bool
	}{
		{"R7515-14 as registered", "at+jwt", true},
		{"R7515-14 upper case", "AT+JWT", true},
		{"R7515-14 with prefix", "application/at+jwt", true},
		{"R7515-14 with prefix in capitals", "APPLICATION/AT+JWT", true},
		{"R7515-14 another top-level type", "text/at+jwt", false},
		{"prefix twice", "application/application/at+jwt", false},
		{"prefix alone", "application/", false},
		{"prefix of the same length", "applicatiom/at+jwt", false},
		{"slash alone", "/at+jwt", false},
		{"empty", "", false},
		{"longer", "at+jwtx", false},
		{"shorter", "at+jw", false},
		{"another subtype", "jwt", false},
		{"space behind", "at+jwt ", false},
		{"space before", " at+jwt", false},
		{"media type parameter", "at+jwt;x=1", false},
		{"0x20 apart, but no letter", "at\x0bjwt", false},
		{"NUL behind", "at+jwt\x00", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := jose.IsMediaType(test.value, "at+jwt"); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	t.Run("U+017F is no s, U+212A is no k", func(t *testing.T) {
		require.False(t, jose.IsMediaType("ſecevent+jwt", "secevent+jwt"))
		require.False(t, jose.IsMediaType("\u212ab+jwt", "kb+jwt"))
		require.True(t, jose.IsMediaType("KB+jwt", "kb+jwt"))
	})
}
