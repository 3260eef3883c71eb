package bearerguard_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// wordedClaims is the payload of a token that opens /items, as text. change lists names and the JSON text of their
// values, to change, to add or, if empty, to leave out. Names are written as they are, so they may hold escapes.
func wordedClaims(iss *guardtest.Issuer, change ...string) string {
	now := time.Now().Unix()
	claims := []string{
		"iss", strconv.Quote(iss.URL()), "aud", strconv.Quote(resource), "sub", `"alice"`, "client_id", `"client-1"`, "jti", `"j1"`,
		"scope", `"items:read"`, "iat", fmt.Sprint(now - 60), "exp", fmt.Sprint(now + 300),
	}
	for ; len(change) > 0; change = change[2:] {
		at := 0
		for at < len(claims) && claims[at] != change[0] {
			at += 2
		}
		if at == len(claims) {
			claims = append(claims, change[0], "")
		}
		claims[at+1] = change[1]
	}
	var members []string
	for i := 0; i < len(claims); i += 2 {
		if claims[i+1] != "" {
			members = append(members, `"`+claims[i]+`":`+claims[i+1])
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func wordedHeader(iss *guardtest.Issuer) string {
	return `{"typ":"at+jwt","alg":"Ed25519","kid":"` + iss.KeyID("Ed25519") + `"}`
}

// signWorded signs any payload with a good key under a good header.
func signWorded(iss *guardtest.Issuer, payload string) string {
	return iss.Sign("Ed25519", wordedHeader(iss), payload)
}

// wordedToken is a validly signed token whose payload is wordedClaims.
func wordedToken(iss *guardtest.Issuer, change ...string) string {
	return signWorded(iss, wordedClaims(iss, change...))
}

// withMembers adds the text of members to the text of an object.
func wordedPlus(object, members string) string { return object[:len(object)-1] + "," + members + "}" }

// tokenRow is one token and what becomes of it.
type tokenRow struct {
	name  string
	want  answer
	cause bearerguard.Cause // that the refusal is for, so that no row is red for a reason of another row
	token string
}

func runTokenRows(t *testing.T, s *service, path string, rows []tokenRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s.get(t, row.want, path, row.token)
			if got := s.last().Cause; got != row.cause && row.cause != anyCause {
				t.Errorf("cause %q, want %q", got, row.cause)
			}
		})
	}
}

const (
	noCause   bearerguard.Cause = ""
	anyCause  bearerguard.Cause = "any" // where two parts of the chain may both be the one to refuse
	malformed                   = bearerguard.ErrMalformed
	notSyntax                   = bearerguard.ErrCredentials
)

var partNames = [3]string{"header", "payload", "signature"}

// TestAttackBase64 is table C of the attack catalogue as far as it is about the text of the token.
func TestAttackBase64(t *testing.T) {
	s := newService(t)
	// Padded with blanks so that each part has unused bits; with "??>>" so that each has letters of both alphabets.
	header, payload := wordedPlus(wordedHeader(s.iss), `"x":"??>>??>>"`), wordedClaims(s.iss, "x", `"??>>??>>"`)
	header += strings.Repeat(" ", 2-len(header)%3)
	payload += strings.Repeat(" ", 2-len(payload)%3)
	token := s.iss.Sign("Ed25519", header, payload)
	for !strings.ContainsAny(token[strings.LastIndexByte(token, '.'):], "-_") {
		payload += "   "
		token = s.iss.Sign("Ed25519", header, payload)
	}
	parts := [3]string(strings.Split(token, "."))
	with := func(i int, text string) string { // the token with another text as part i
		changed := parts
		changed[i] = text
		return strings.Join(changed[:], ".")
	}
	rows := []tokenRow{{"C-01 C-02 C-03 the token as it is", ok200, noCause, token}}
	add := func(want answer, cause bearerguard.Cause, name, token string) {
		rows = append(rows, tokenRow{name, want, cause, token})
	}
	for i, part := range parts {
		name, last := partNames[i], len(part)-1
		add(badTk, malformed, "C-01 GO-01 unused bits set in the "+name, with(i, part[:last]+unusedBitSet(part[last])))
		add(badTk, malformed, "C-03 standard alphabet in the "+name, with(i, strings.NewReplacer("-", "+", "_", "/").Replace(part)))
		add(badTk, malformed, "C-05 a tilde in the "+name, with(i, part[:4]+"~"+part[5:]))
		add(badTk, malformed, "C-01 one character too many in the "+name, with(i, part+strings.Repeat("A", (5-len(part)%4)%4)))
		padded, cause := badRq, notSyntax // = inside of a token is no token68
		if i == 2 {
			padded, cause = badTk, malformed
		}
		add(padded, cause, "C-02 CF-02 one = behind the "+name, with(i, part+"="))
		add(padded, cause, "C-02 two = behind the "+name, with(i, part+"=="))
		add(badRq, notSyntax, "C-02 = inside of the "+name, with(i, part[:4]+"="+part[5:]))
		for what, text := range map[string]string{
			"question mark": "?", "hash": "#", "comma": ",", "quote": `"`, "backslash": `\`, "semicolon": ";", "raw 0xff": "\xff", "é": "é",
			"fullwidth A": "Ａ", "zero-width space": "\u200b", "byte order mark": "\ufeff", "no-break space": "\u00a0", "percent escape": "%41",
		} {
			add(badRq, notSyntax, "C-05 "+what+" in the "+name, with(i, part[:4]+text+part[5:]))
		}
		for what, text := range map[string]string{"space": " ", "tab": "\t", "folded line": "\r\n "} {
			add(badRq, notSyntax, "C-04 GO-04 "+what+" in the "+name, with(i, part[:4]+text+part[4:]))
		}
	}
	for what, dot := range map[string]string{"%2e": "%2e", "%2E": "%2E", "fullwidth": "．", "ideographic": "。", "middle": "·", "one-dot leader": "․"} {
		add(badRq, notSyntax, "C-05 "+what+" for the dots", strings.Join(parts[:], dot))
	}
	h, p, sig := parts[0], parts[1], parts[2]
	for what, text := range map[string]string{
		"one part": h, "two parts": h + "." + p, "four parts": token + "." + sig, "five parts": token + "." + p + "." + sig, "six parts": token + "." + token,
		"a dot": ".", "two dots": "..", "three dots": "...", "four dots": "....", "a leading dot": "." + token, "a trailing dot": token + ".",
		"a doubled first dot": h + ".." + p + "." + sig, "no header": "." + p + "." + sig, "no payload": h + ".." + sig, "no signature": h + "." + p + ".",
		"no header and no signature": "." + p + ".", "a signature alone": ".." + sig, "10,000 dots": strings.Repeat(".", 10_000), "a dot and padding": ".=",
	} {
		add(badTk, malformed, "C-06 "+what, text)
	}
	add(badTk, bearerguard.ErrTokenSize, "C-06 200,000 dots", strings.Repeat(".", 200_000))
	runTokenRows(t, s, "/items", rows)

	for i, part := range parts {
		for what, text := range map[string]string{"line feed": "\n", "CR LF": "\r\n", "carriage return": "\r", "space": " ", "tab": "\t", "NUL": "\x00"} {
			for where, changed := range map[string]string{"before": text + part, "in": part[:4] + text + part[4:], "behind": part + text} {
				t.Run("C-04 GO-01 by Verify, "+what+" "+where+" the "+partNames[i], func(t *testing.T) {
					if got, err := s.guard.Verify(t.Context(), with(i, changed), bearerguard.Authenticated()); got != nil || !errors.Is(err, notSyntax) {
						t.Errorf("%v, %v", got, err)
					}
				})
			}
		}
	}
}

// unusedBitSet sets the lowest bit of the last character of a part, which carries no octet.
func unusedBitSet(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, last)|1:][:1]
}

// TestAttackNames is about claims that two readers could take for two different ones. All tokens are validly signed.
func TestAttackNames(t *testing.T) {
	s := newService(t)
	base := wordedClaims(s.iss)
	later := fmt.Sprint(time.Now().Unix() + 300)
	var rows []tokenRow
	for what, members := range map[string]string{
		"iss, the same": `"iss":"` + s.iss.URL() + `"`, "iss, another": `"iss":"https://evil.example"`, "iss, null": `"iss":null`, "aud": `"aud":"` + resource + `"`,
		"exp": `"exp":` + later, "sub": `"sub":"admin"`, "scope": `"scope":"admin:reset"`, "cnf": `"cnf":{},"cnf":{}`, "jti": `"jti":"j2"`,
		"iss, escaped": `"\u0069ss":"` + s.iss.URL() + `"`, "sub, escaped": `"s\u0075b":"admin"`, "exp, its case": `"Exp":` + later, "SUB beside sub": `"SUB":"admin"`,
		"long s beside sub": `"ſub":"admin"`, "long s beside iss": `"i\u017Fs":"x"`, "long s in scope": `"ſcope":"admin:reset"`, "unknown claim": `"x":1,"x":1`,
		"unknown claim, its case": `"x":1,"X":1`, "Kelvin sign beside k": `"k":1,"\u212A":1`, "sigma and final sigma": `"σ":1,"ς":1`, "empty name": `"":1,"":1`,
		"nested in realm_access": `"realm_access":{"roles":["a"],"roles":["admin"]}`, "nested, its case": `"realm_access":{"roles":[],"ROLES":["admin"]}`,
		"nested, escaped": `"x":{"a":1,"\u0061":2}`, "nested in an array": `"x":[{"a":1},{"b":1,"b":2}]`, "nested deep": `"x":{"y":{"z":{"a":1,"a":2}}}`,
		"names of an emoji": `"😀":1,"\ud83d\ude00":2`, "name with an escaped slash": `"a/b":1,"a\/b":2`,
	} {
		rows = append(rows, tokenRow{"C-07 CF-07 GO-02 twice: " + what, badTk, malformed, signWorded(s.iss, wordedPlus(base, members))})
	}
	url, claims := strconv.Quote(s.iss.URL()), bearerguard.ErrClaims
	rows = append(rows, []tokenRow{
		{"C-07 one name in two objects is no duplicate", ok200, noCause, wordedToken(s.iss, "x", `{"sub":1,"y":{"sub":2}}`)},
		{"C-08 GO-02 ISS alone is not iss", badTk, malformed, wordedToken(s.iss, "iss", "", "ISS", url)},
		{"C-08 GO-02 long s in iss", badTk, malformed, wordedToken(s.iss, "iss", "", `i\u017Fs`, url)},
		{"C-08 GO-02 EXP alone is not exp", badTk, claims, wordedToken(s.iss, "exp", "", "EXP", later)},
		{"C-08 GO-02 Exp far in the future is not exp", badTk, claims, wordedToken(s.iss, "exp", "", "Exp", "9e9")},
		{"C-08 AUD alone is not aud", badTk, bearerguard.ErrAudience, wordedToken(s.iss, "aud", "", "AUD", strconv.Quote(resource))},
		{"C-08 long s in sub", badTk, claims, wordedToken(s.iss, "sub", "", "ſub", `"admin"`)},
		{"C-08 Client_ID alone is not client_id", badTk, claims, wordedToken(s.iss, "client_id", "", "Client_ID", `"client-1"`)},
		{"C-08 Kelvin sign in a name is an unknown claim", ok200, noCause, wordedToken(s.iss, `\u212Aid`, `"x"`)},
		{"C-08 Jti alone is not jti", badTk, claims, wordedToken(s.iss, "jti", "", "Jti", `"j1"`)},
		{"C-08 Iat alone is not iat", badTk, claims, wordedToken(s.iss, "iat", "", "Iat", later)},
		{"C-08 SCOPE alone gives no scope", noScp, bearerguard.ErrScope, wordedToken(s.iss, "scope", "", "SCOPE", `"items:read"`)},
		{"C-08 NBF alone is an unknown claim", ok200, noCause, wordedToken(s.iss, "NBF", "9e9")},
		{"C-09 an escaped exp in the past is exp", badTk, bearerguard.ErrExpired, wordedToken(s.iss, "exp", "", `\u0065xp`, "1")},
		{"C-09 an escaped exp in the future is exp", ok200, noCause, wordedToken(s.iss, "exp", "", `\u0065\u0078\u0070`, later)},
		{"C-09 an escaped nbf in the future is nbf", badTk, bearerguard.ErrNotYetValid, wordedToken(s.iss, `n\u0062f`, "9e9")},
		{"C-09 an escaped cnf is cnf", badTk, bearerguard.ErrConfirmation, wordedToken(s.iss, `\u0063nf`, `{"jkt":"x"}`)},
		{"C-09 an escaped value of iss is iss", ok200, noCause, wordedToken(s.iss, "iss", strings.Replace(url, "/", `\/`, 1))},
		{"C-09 an escaped scope is scope", ok200, noCause, wordedToken(s.iss, "scope", "", `sc\u006fpe`, `"items\u003aread"`)},
		{"C-10 exp with NUL", badTk, claims, wordedToken(s.iss, "exp", "", `exp\u0000`, later)},
		{"C-10 exp with a blank behind", badTk, claims, wordedToken(s.iss, "exp", "", "exp ", later)},
		{"C-10 exp with a blank before", badTk, claims, wordedToken(s.iss, "exp", "", " exp", later)},
		{"C-10 exp with a zero-width space", badTk, claims, wordedToken(s.iss, "exp", "", "exp\u200b", later)},
		{"C-10 exp with an escaped zero-width space", badTk, claims, wordedToken(s.iss, "exp", "", `exp\u200b`, later)},
		{"C-10 exp with a raw NUL", badTk, malformed, wordedToken(s.iss, "exp", "", "exp\x00", later)},
		{"C-10 exp with a soft hyphen", badTk, claims, wordedToken(s.iss, "exp", "", "e\u00adxp", later)},
		{"C-10 exp with a Cyrillic e", badTk, claims, wordedToken(s.iss, "exp", "", "\u0435xp", later)},
		{"C-10 exp in fullwidth", badTk, claims, wordedToken(s.iss, "exp", "", "ｅｘｐ", later)},
		{"C-10 NUL behind the value of iss", badTk, bearerguard.ErrUnknownIssuer, wordedToken(s.iss, "iss", `"`+s.iss.URL()+`\u0000"`)},
		{"C-10 NUL behind the value of aud", badTk, bearerguard.ErrAudience, wordedToken(s.iss, "aud", `"`+resource+`\u0000"`)},
		{"C-19 __proto__ and constructor give nothing", noScp, bearerguard.ErrScope, wordedToken(s.iss, "scope", "", "__proto__", `{"scope":"items:read"}`, "constructor", `{"scope":"items:read"}`)},
		{"C-19 __proto__ and constructor take nothing", ok200, noCause, wordedToken(s.iss, "__proto__", `{"exp":1}`, "constructor", `null`, "toString", `"x"`)},
	}...)
	runTokenRows(t, s, "/items", rows)

	t.Run("C-19 __proto__ and constructor are plain keys", func(t *testing.T) {
		token, err := s.guard.Verify(t.Context(), wordedToken(s.iss, "__proto__", `"p"`, "constructor", `"c"`), bearerguard.Authenticated())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := bearerguard.ClaimsAs[map[string]any](token)
		if text, ok := token.String("__proto__"); err != nil || !ok || text != "p" || claims["__proto__"] != "p" || claims["constructor"] != "c" {
			t.Errorf("%q, %v, %v", text, claims, err)
		}
	})
}

// TestAttackJSON puts each text that is no strict JSON object into the header and into the payload, validly signed.
func TestAttackJSON(t *testing.T) {
	s := newService(t)
	member := func(text string) func(string) string { // one more member of this text
		return func(object string) string { return wordedPlus(object, `"x":`+text) }
	}
	whole := func(text string) func(string) string { return func(string) string { return text } }
	behind := func(text string) func(string) string { return func(object string) string { return object + text } }
	for name, change := range map[string]func(string) string{
		"C-11 GO-02 raw 0xff": member("\"\xff\""), "C-11 GO-02 lone high surrogate": member(`"\ud800"`), "C-11 lone low surrogate": member(`"\udc00"`),
		"C-11 surrogates in the wrong order": member(`"\udc00\ud800"`), "C-11 high surrogate and a letter": member(`"\ud800x"`), "C-11 cut sequence": member("\"\xe2\x82\""),
		"C-11 overlong slash": member("\"\xc0\xaf\""), "C-11 encoded surrogate": member("\"\xed\xa0\x80\""), "C-11 beyond Unicode": member("\"\xf4\x90\x80\x80\""),
		"C-11 raw 0xff in a name": func(o string) string { return wordedPlus(o, "\"\xff\":1") }, "C-11 lone surrogate in a name": func(o string) string { return wordedPlus(o, `"\ud800":1`) },
		"C-11 raw 0xff deep inside": member("{\"y\":[\"\xff\"]}"), "C-12 byte order mark": func(o string) string { return "\ufeff" + o }, "C-12 UTF-16LE": utf16Text(false),
		"C-12 UTF-16BE": utf16Text(true), "C-12 UTF-16LE with byte order mark": func(o string) string { return "\xff\xfe" + utf16Text(false)(o) },
		"C-13 GO-02 a second object": func(o string) string { return o + o }, "C-13 an empty object behind": behind("{}"), "C-13 a letter behind": behind("x"), "C-13 NUL behind": behind("\x00"),
		"C-13 a brace behind": behind("}"), "C-13 a comma behind": behind(","), "C-13 a form feed behind": behind("\f"), "C-13 a letter before": func(o string) string { return "x" + o },
		"C-13 a comment behind": behind("// x"), "C-13 the closing brace is missing": func(o string) string { return o[:len(o)-1] }, "C-14 GO-02 null": whole("null"), "C-14 array": whole("[]"),
		"C-14 the object in an array": func(o string) string { return "[" + o + "]" }, "C-14 string": whole(`"x"`), "C-14 the object in a string": strconv.Quote, "C-14 number": whole("1"),
		"C-14 true": whole("true"), "C-14 false": whole("false"), "C-14 nothing": whole(""), "C-14 a blank": whole(" "), "C-14 an object without members": whole("{}"),
		"C-15 block comment": func(o string) string { return "/* x */" + o }, "C-15 line comment": func(o string) string { return wordedPlus(o, "// x\n\"x\":1") },
		"C-15 hash comment": func(o string) string { return "# x\n" + o }, "C-15 trailing comma": func(o string) string { return o[:len(o)-1] + ",}" },
		"C-15 leading comma": func(o string) string { return "{," + o[1:] }, "C-15 two commas": func(o string) string { return wordedPlus(o, `,"x":1`) },
		"C-15 single quotes around all": func(o string) string { return strings.ReplaceAll(o, `"`, "'") }, "C-15 name without quotes": func(o string) string { return wordedPlus(o, "x:1") },
		"C-15 equals sign for the colon": func(o string) string { return wordedPlus(o, `"x"=1`) }, "C-15 name and no value": func(o string) string { return wordedPlus(o, `"x"`) },
		"C-15 number as a name": func(o string) string { return wordedPlus(o, "1:1") }, "C-15 no-break space between members": func(o string) string { return wordedPlus(o, "\u00a0\"x\":1") },
		"C-15 trailing comma in an array": member("[1,]"), "C-15 single quotes": member("'x'"), "C-15 NaN": member("NaN"), "C-15 Infinity": member("Infinity"),
		"C-15 minus Infinity": member("-Infinity"), "C-15 leading zero": member("01"), "C-15 plus sign": member("+1"), "C-15 leading point": member(".5"),
		"C-15 trailing point": member("1."), "C-15 point before the exponent": member("1.e5"), "C-15 exponent without digits": member("1e"), "C-15 hexadecimal": member("0x1"),
		"C-15 digit separator": member("1_000"), "C-15 minus alone": member("-"), "C-15 two minus signs": member("--1"), "C-15 True": member("True"), "C-15 nul": member("nul"),
		"C-15 undefined": member("undefined"), "C-15 raw line feed in a string": member("\"\n\""), "C-15 raw tab in a string": member("\"\t\""),
		"C-15 hexadecimal escape": member(`"\x41"`), "C-15 escape in upper case": member(`"\U0041"`), "C-15 short escape": member(`"\u41"`), "C-15 escaped quote": member(`"\'"`),
		"C-15 long escape": member(`"\u{41}"`), "C-15 string without an end": func(o string) string { return o[:len(o)-1] + `,"x":"y` },
		"C-16 17 levels": member(nestedArrays(16)), "C-16 17 levels of objects": member(strings.Repeat(`{"y":`, 16) + "1" + strings.Repeat("}", 16)),
		"C-16 R7519-17 2,000 levels": member(nestedArrays(2000)), "C-16 5,000 brackets that never close": member(strings.Repeat("[", 5000)),
		"C-17 GO-02 1e400": member("1e400"), "C-17 -1e400": member("-1e400"), "C-17 1,000 digits": member(strings.Repeat("9", 1000)),
		"C-17 huge exponent": member("1e99999999999999999999"),
	} {
		header, payload := wordedHeader(s.iss), wordedClaims(s.iss)
		runTokenRows(t, s, "/items", []tokenRow{
			{name + ", in the payload", badTk, malformed, s.iss.Sign("Ed25519", header, change(payload))},
			{name + ", in the header", badTk, malformed, s.iss.Sign("Ed25519", change(header), payload)},
		})
	}
	runTokenRows(t, s, "/items", []tokenRow{
		{"C-11 a whole surrogate pair", ok200, noCause, wordedToken(s.iss, "x", `"\ud83d\ude00"`)},
		{"C-13 blanks around the object", ok200, noCause, signWorded(s.iss, " \t\r\n"+wordedClaims(s.iss)+" \t\r\n")},
		{"C-16 16 levels", ok200, noCause, wordedToken(s.iss, "x", nestedArrays(15))},
		{"C-17 1E+2, -0, a number beyond 2^53 and 1e-400 in claims that nobody reads", ok200, noCause, wordedToken(s.iss, "x", "[1E+2,-0,9007199254740993,1e-400]")},
		{"C-17 1E+2 as exp", badTk, bearerguard.ErrExpired, wordedToken(s.iss, "exp", "1E+2")},
		{"C-16 R7519-17 100,000 brackets", badTk, bearerguard.ErrTokenSize, signWorded(s.iss, strings.Repeat("[", 100_000))},
		{"C-16 100,000 levels in a claim", badTk, bearerguard.ErrTokenSize, wordedToken(s.iss, "x", nestedArrays(100_000))},
	})
	t.Run("C-17 a number beyond 2^53 keeps its last unit", func(t *testing.T) {
		token, err := s.guard.Verify(t.Context(), wordedToken(s.iss, "x", "9007199254740993"), bearerguard.Authenticated())
		claims, _ := bearerguard.ClaimsAs[struct{ X int64 }](token)
		exact, _ := bearerguard.ClaimsAs[struct {
			X int64 `json:"x"`
		}](token)
		if err != nil || claims.X != 0 || exact.X != 9007199254740993 {
			t.Errorf("%v, %v, %v", claims, exact, err)
		}
	})
}

func nestedArrays(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func utf16Text(bigEndian bool) func(string) string {
	return func(text string) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			if bigEndian {
				out = append(out, byte(unit>>8), byte(unit))
			} else {
				out = append(out, byte(unit), byte(unit>>8))
			}
		}
		return string(out)
	}
}

// TestAttackSize goes through Verify, because net/http itself refuses header fields that large.
func TestAttackSize(t *testing.T) {
	iss := issuers()[0]
	cfg := iss.Config(resource)
	cfg.Issuers[0].JWKS = iss.JWKS()
	guard, err := bearerguard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"C-06 ten million dots":        strings.Repeat(".", 10_000_000),
		"C-16 a million keys":          wordedToken(iss, "x", "{"+strings.TrimSuffix(strings.Repeat(`"k":1,`, 1_000_000), ",")+"}"),
		"C-16 a string of 5 MB":        wordedToken(iss, "x", `"`+strings.Repeat("a", 5<<20)+`"`),
		"C-16 a million levels":        wordedToken(iss, "x", nestedArrays(1_000_000)),
		"C-17 a number of 1 MB":        wordedToken(iss, "x", strings.Repeat("9", 1<<20)),
		"C-06 a part of 10 MB":         strings.Repeat("A", 10_000_000),
		"C-06 10 MB, and no token68":   strings.Repeat("A", 10_000_000) + "?",
		"C-02 ten million equal signs": "a.b.c" + strings.Repeat("=", 10_000_000),
	} {
		t.Run(name+": refused at once", func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := guard.Verify(t.Context(), token, bearerguard.Authenticated())
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil || took > time.Second || after.TotalAlloc-before.TotalAlloc > 64<<10 {
				t.Errorf("%v after %v and %d bytes", err, took, after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
}

// TestAttackTwinIssuer is C-18: issuers that look like one that is trusted, with its own keys.
func TestAttackTwinIssuer(t *testing.T) {
	trusted := []string{"https://login.example.com/tenant", "https://login.example.com/caf\u00e9", "https://bücher.example", "https://xn--lgin-dpa.example"}
	s := newService(t, func(cfg *bearerguard.Config) {
		cfg.Issuers = nil
		for _, url := range trusted {
			cfg.Issuers = append(cfg.Issuers, bearerguard.Issuer{URL: url, JWKS: issuers()[0].JWKS()})
		}
	})
	var rows []tokenRow
	for _, url := range trusted {
		rows = append(rows, tokenRow{"C-18 trusted: " + strconv.QuoteToASCII(url), ok200, noCause, wordedToken(s.iss, "iss", `"`+url+`"`)})
	}
	for what, url := range map[string]string{
		"Cyrillic i": "https://log\u0456n.example.com/tenant", "Cyrillic i, escaped": `https://log\u0456n.example.com/tenant`, "fullwidth l": "https://ｌogin.example.com/tenant",
		"fullwidth colon": "https：//login.example.com/tenant", "fullwidth dot": "https://login．example.com/tenant", "accent apart": "https://login.example.com/cafe\u0301",
		"accent percent-escaped": "https://login.example.com/caf%C3%A9", "letter percent-escaped": "https://login.example.com/%74enant", "dot percent-escaped": "https://login%2eexample.com/tenant",
		"slash percent-escaped": "https://login.example.com%2ftenant", "punycode twin": "https://xn--bcher-kva.example", "Unicode twin": "https://lögin.example",
		"upper-case host": "https://LOGIN.example.com/tenant", "upper-case scheme": "HTTPS://login.example.com/tenant", "upper-case path": "https://login.example.com/Tenant",
		"default port": "https://login.example.com:443/tenant", "root dot": "https://login.example.com./tenant", "trailing slash": "https://login.example.com/tenant/",
		"dot segment": "https://login.example.com/x/../tenant", "two slashes": "https://login.example.com//tenant", "empty query": "https://login.example.com/tenant?",
		"empty fragment": "https://login.example.com/tenant#", "user": "https://x@login.example.com/tenant", "http": "http://login.example.com/tenant", "blank behind": "https://login.example.com/tenant ",
		"blank before": " https://login.example.com/tenant", "zero-width space": "https://login.example.com/tenant\u200b", "soft hyphen": "https://login.exam\u00adple.com/tenant",
		"longer": "https://login.example.com/tenant2", "shorter": "https://login.example.com/tenan", "host of another": "https://login.example.com.evil.example/tenant", "no scheme": "login.example.com/tenant",
		"long s": "http\u017f://login.example.com/tenant", "backslash": `https:\\\\login.example.com\\tenant`, "empty": "",
	} {
		rows = append(rows, tokenRow{"C-18 R7519-03 R7519-10 " + what, badTk, bearerguard.ErrUnknownIssuer, wordedToken(s.iss, "iss", `"`+url+`"`)})
	}
	runTokenRows(t, s, "/items", rows)
}
