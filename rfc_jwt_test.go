package bearerguard_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
)

// TestRFC7519 follows the text of JSON Web Token, requirement by requirement. What the attack tables cover in detail has
// a few rows here.
func TestRFC7519(t *testing.T) {
	s := newService(t)
	var (
		now        = time.Now().Unix()
		url        = strconv.Quote(s.iss.URL())
		aud        = strconv.Quote(resource)
		unknown    = bearerguard.ErrUnknownIssuer
		otherAud   = bearerguard.ErrAudience
		with       = func(change ...string) string { return wordedToken(s.iss, change...) }
		whole      = func(payload string) string { return signWorded(s.iss, payload) }
		headed     = func(header string) string { return s.iss.Sign("Ed25519", header, wordedClaims(s.iss)) }
		plusHeader = func(member string) string { return headed(wordedPlus(wordedHeader(s.iss), member)) }
		unsigned   = func(header string) string { // an unsecured JWT: the signature is empty
			token := headed(header)
			return token[:strings.LastIndexByte(token, '.')+1]
		}
	)
	rows := []tokenRow{
		{"R7519-01 a JSON object", ok200, noCause, with()},
		{"R7519-01 an array", badTk, malformed, whole("[" + wordedClaims(s.iss) + "]")},
		{"R7519-01 a string", badTk, malformed, whole(`"iss"`)},
		{"R7519-01 a number", badTk, malformed, whole("5")},
		{"R7519-01 null", badTk, malformed, whole("null")},
		{"R7519-01 trailing junk", badTk, malformed, whole(wordedClaims(s.iss) + "junk")},
		{"R7519-01 invalid UTF-8", badTk, malformed, with("x", "\"\xff\"")},
		{"R7519-01 JSON that is not strict", badTk, malformed, whole(strings.ReplaceAll(wordedClaims(s.iss), `"`, "'"))},
		{"R7519-02 aud twice, ours first", badTk, malformed, whole(wordedPlus(wordedClaims(s.iss), `"aud":"x"`))},
		{"R7519-02 aud twice, ours last", badTk, malformed, whole(wordedPlus(wordedClaims(s.iss, "aud", `"x"`), `"aud":`+aud))},
		{"R7519-02 twice at some depth", badTk, malformed, with("x", `{"y":[{"z":1,"z":1}]}`)},
		{"R7519-03 iss missing", badTk, malformed, with("iss", "")},
		{"R7519-03 trailing slash", badTk, unknown, with("iss", strconv.Quote(s.iss.URL()+"/"))},
		{"R7519-03 upper case", badTk, unknown, with("iss", strconv.Quote(strings.ToUpper(s.iss.URL())))},
		{"R7519-03 percent escape", badTk, unknown, with("iss", strings.Replace(url, ".", "%2e", 1))},
		{"R7519-03 JSON escape is no other spelling", ok200, noCause, with("iss", strings.Replace(url, ".", `\u002e`, 1))},
		{"R7519-03 blank behind", badTk, unknown, with("iss", strconv.Quote(s.iss.URL()+" "))},
		{"R7519-03 cut short", badTk, unknown, with("iss", strconv.Quote(s.iss.URL()[:len(s.iss.URL())-1]))},
		{"R7519-03 another issuer, with our key", badTk, unknown, with("iss", strconv.Quote(s.other.URL()))},
		{"R7519-03 empty", badTk, unknown, with("iss", `""`)},
		{"R7519-04 a string", ok200, noCause, with("aud", aud)},
		{"R7519-04 an array with others before", ok200, noCause, with("aud", `["x",`+aud+`]`)},
		{"R7519-04 an array with others behind", ok200, noCause, with("aud", "["+aud+`,"x"]`)},
		{"R7519-04 an array with itself twice", ok200, noCause, with("aud", "["+aud+","+aud+"]")},
		{"R7519-05 exp in the past", badTk, expired, with("exp", fmt.Sprint(now-40))},
		{"R7519-05 exp in the future", ok200, noCause, with("exp", fmt.Sprint(now+40))},
		{"R7519-06 nbf in the future", badTk, notYet, with("nbf", fmt.Sprint(now+60))},
		{"R7519-06 nbf is now", ok200, noCause, with("nbf", fmt.Sprint(now))},
		{"R7519-06 nbf in the past", ok200, noCause, with("nbf", "1e9")},
		{"R7519-07 fractions are allowed", ok200, noCause, with("exp", fmt.Sprint(now+40)+".25", "nbf", "1700000000.5", "iat", fmt.Sprint(now-40)+".75")},
		{"R7519-09 iat in an hour", badTk, notYet, with("iat", fmt.Sprint(now+3600), "exp", fmt.Sprint(now+7200))},
		{"R7519-10 EXP is not exp", badTk, badClaim, with("exp", "", "EXP", fmt.Sprint(now+40))},
		{"R7519-10 an escaped exp is exp", ok200, noCause, with("exp", "", `e\u0078p`, fmt.Sprint(now+40))},
		{"R7519-10 exp with NUL is not exp", badTk, badClaim, with("exp", "", `exp\u0000`, fmt.Sprint(now+40))},
		{"R7519-10 a scope in another case", noScp, bearerguard.ErrScope, with("scope", `"Items:Read"`)},
		{"R7519-10 a scope with long s", noScp, bearerguard.ErrScope, with("scope", `"item\u017f:read"`)},
		{"R7519-11 unknown claims", ok200, noCause, with("x", "null", "https://example.com/y", `{"z":[1,2,{}]}`, "", `""`, "nonce", `"n"`)},
		{"R7519-12 jti is a string", ok200, noCause, with("jti", `"1"`)},
		{"R7519-12 jti is a number", badTk, badClaim, with("jti", "1")},
		{"R7519-12 jti is null", badTk, badClaim, with("jti", "null")},
		{"R7519-13 cty JWT", badTk, malformed, plusHeader(`"cty":"JWT"`)},
		{"R7519-13 cty jwt", badTk, malformed, plusHeader(`"cty":"jwt"`)},
		{"R7519-13 cty application/JWT", badTk, malformed, plusHeader(`"cty":"application/JWT"`)},
		{"R7519-13 cty escaped", badTk, malformed, plusHeader(`"c\u0074y":"J\u0057T"`)},
		{"R7519-13 cty is a list", badTk, malformed, plusHeader(`"cty":["JWT"]`)},
		{"R7519-13 a token as the payload", badTk, malformed, whole(with())},
		{"R7519-13 a token as the payload, quoted", badTk, malformed, whole(strconv.Quote(with()))},
		{"R7519-13 cty of another type says nothing of nesting", ok200, noCause, plusHeader(`"cty":"json"`)},
		{"R7519-14 alg none, no signature", badTk, malformed, unsigned(`{"typ":"at+jwt","alg":"none"}`)},
		{"R7519-14 a good header, no signature", badTk, malformed, unsigned(wordedHeader(s.iss))},
		{"R7519-14 the example of Section 6.1", badTk, malformed, "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."},
		{"R7519-17 a token of 64 kB", badTk, bearerguard.ErrTokenSize, with("x", strconv.Quote(strings.Repeat("x", 48<<10)))},
		{"R7519-17 a token just within the cap", ok200, noCause, with("x", strconv.Quote(strings.Repeat("x", 11_800)))},
		{"R7519-17 depth 10,000", badTk, bearerguard.ErrTokenSize, with("x", nestedArrays(10_000))},
		{"R7519-17 depth 5,000", badTk, malformed, with("x", nestedArrays(5000))},
		{"R7519-17 depth 17", badTk, malformed, with("x", nestedArrays(16))},
		{"R7519-17 a number of 300 kB", badTk, bearerguard.ErrTokenSize, with("exp", strings.Repeat("1", 300_000))},
		{"R7519-17 a number of 10 kB", badTk, malformed, with("x", strings.Repeat("1", 10_000))},
		{"R7519-17 a fraction of 10 kB as exp", badTk, expired, with("exp", "1."+strings.Repeat("1", 10_000))},
		{"R7519-17 a thousand names that differ in case only", badTk, malformed, whole(wordedPlus(wordedClaims(s.iss), caseTwins(1000)))},
	}
	for _, text := range []string{"null", "5", "true", "[" + url + "]", `{"url":` + url + `}`, "[]", "{}"} {
		rows = append(rows, tokenRow{"R7519-03 iss of another type: " + text, badTk, malformed, with("iss", text)})
	}
	for _, text := range []string{
		"", "null", "5", "true", "{}", "[]", `["x"]`, `{"me":1}`, `{` + aud + `:1}`, "[[" + aud + "]]", "[" + aud + ",1]", "[" + aud + ",null]", "[" + aud + ",{}]", `""`, `[""]`, `"x"`,
		`"` + resource + ` x"`, `"x ` + resource + `"`, `"` + resource + `,x"`, `"` + resource + `/"`, `"` + resource + `x"`, `"` + resource[:len(resource)-1] + `"`, `"HTTPS://api.example.com"`, `"https://API.example.com"`,
		`"http://api.example.com"`, `"api.example.com"`, `"https://api.example.com:443"`, `"https://api.example.com."`, `"*"`, `"https://*.example.com"`, `"` + resource + `\u0000"`, `" ` + resource + `"`, `"https://api.e\u200bxample.com"`,
	} {
		rows = append(rows, tokenRow{"R7519-04 R7519-10 aud " + orMissing(text), badTk, otherAud, with("aud", text)})
	}
	for _, claim := range []string{"exp", "nbf", "iat"} {
		for _, text := range []string{`"1700000000"`, "true", "null", "{}", "[]"} {
			rows = append(rows, tokenRow{"R7519-07 " + claim + " " + text, badTk, badClaim, with(claim, text)})
		}
		for _, text := range []string{"-1", "1e308", "1e400", "9e18", "1E+30", "253402300800"} {
			rows = append(rows, tokenRow{"R7519-08 " + claim + " " + text, badTk, anyCause, with(claim, text)})
		}
	}
	for _, claim := range []string{"sub", "client_id"} { // StringOrURI, so strings: Sections 2 and 4.1.2
		for _, text := range []string{"", "null", "5", "true", "[]", "{}", `["alice"]`, `""`} {
			rows = append(rows, tokenRow{"R7519-10 " + claim + " " + orMissing(text), badTk, badClaim, with(claim, text)})
		}
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", "", "null"} { // with a signature, so that only alg speaks against it
		cause := bearerguard.ErrAlgorithm
		if alg == "" {
			cause = malformed
		}
		rows = append(rows, tokenRow{"R7519-14 alg " + strconv.Quote(alg) + " over a signature", badTk, cause, headed(strings.Replace(wordedHeader(s.iss), `"Ed25519"`, strconv.Quote(alg), 1))})
	}
	runTokenRows(t, s, "/items", rows)
}

// caseTwins are members in pairs of names that are equal but for their case.
func caseTwins(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"%c%d":0`, "aA"[i%2], i/2)
	}
	return strings.Join(members, ",")
}

// TestRFC7519Principal is about what the claims become once they are verified.
func TestRFC7519Principal(t *testing.T) {
	guard, iss := staticGuard(t), issuers()[0]
	for _, row := range []struct{ name, claim, text, want string }{
		{"R7519-10 a subject keeps its case", "sub", `"Alice"`, "Alice"},
		{"R7519-10 a subject keeps its blanks", "sub", `" alice "`, " alice "},
		{"R7519-10 a subject is unescaped", "sub", `"\u0061li\u0063e\/1"`, "alice/1"},
		{"R7519-10 a subject is not normalised", "sub", `"ame\u0301lie"`, "ame\u0301lie"},
		{"R7519-10 a subject may hold NUL", "sub", `"alice\u0000"`, "alice\x00"},
		{"R7519-10 a subject may be a surrogate pair", "sub", `"\ud83d\ude00"`, "😀"},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := guard.Verify(t.Context(), wordedToken(iss, row.claim, row.text), bearerguard.Authenticated())
			if err != nil || token.Subject() != row.want {
				t.Errorf("%q, %v, want %q", token.Subject(), err, row.want)
			}
		})
	}
}
