package jose_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/jose"
)

type scanTest struct {
	name, text string
	want       error
}

// runScanTests presses each text through ParseObject, and through Parse as the claims of a token.
func runScanTests(t *testing.T, tests []scanTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := jose.ParseObject(test.text)
			require.ErrorIs(t, err, test.want)
			if len(test.text) < 10000 && test.text != "" {
				requireParse(t, encode(header, test.text), test.want)
			}
		})
	}
}

func TestScanTop(t *testing.T) {
	runScanTests(t, []scanTest{
		{"object", `{"a":1}`, nil},
		{"empty object", `{}`, nil},
		{"white space everywhere", " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null }\r\n\t ", nil},
		{"C-14 empty", ``, jose.ErrSyntax},
		{"C-14 white space only", " \r\n", jose.ErrSyntax},
		{"C-14 null", `null`, jose.ErrNotObject},
		{"C-14 array", `[]`, jose.ErrNotObject},
		{"C-14 array of an object", `[{"a":1}]`, jose.ErrNotObject},
		{"C-14 string", `"x"`, jose.ErrNotObject},
		{"C-14 number", `1`, jose.ErrNotObject},
		{"C-14 true", `true`, jose.ErrNotObject},
		{"C-14 false", ` false`, jose.ErrNotObject},
		{"C-13 two objects", `{"a":1}{"a":1}`, jose.ErrTrailing},
		{"C-13 a letter behind", `{"a":1}x`, jose.ErrTrailing},
		{"C-13 NUL behind", "{\"a\":1}\x00", jose.ErrTrailing},
		{"C-13 a brace behind", `{"a":1}}`, jose.ErrTrailing},
		{"C-13 a comma behind", `{"a":1},`, jose.ErrTrailing},
		{"C-13 behind white space", "{\"a\":1} \n {", jose.ErrTrailing},
		{"C-12 BOM", "\ufeff{}", jose.ErrSyntax},
		{"C-12 BOM behind", "{}\ufeff", jose.ErrTrailing},
		{"C-12 UTF-16LE", utf16Text(`{"a":1}`, false), jose.ErrSyntax},
		{"C-12 UTF-16BE", utf16Text(`{"a":1}`, true), jose.ErrSyntax},
		{"C-12 UTF-16LE with BOM", "\xff\xfe" + utf16Text(`{"a":1}`, false), jose.ErrSyntax},
		{"no-break space before", "\u00a0{}", jose.ErrSyntax},
		{"form feed before", "\f{}", jose.ErrSyntax},
		{"vertical tab behind", "{}\v", jose.ErrTrailing},
	})
}

func utf16Text(text string, bigEndian bool) string {
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

func TestScanSyntax(t *testing.T) {
	for _, row := range []scanTest{
		{name: "C-15 line comment", text: "{\"a\":1//x\n}"},
		{name: "C-15 block comment", text: `{/*x*/"a":1}`},
		{name: "C-15 hash comment", text: "{\"a\":1#x\n}"},
		{name: "C-15 trailing comma", text: `{"a":1,}`},
		{name: "C-15 leading comma", text: `{,"a":1}`},
		{name: "C-15 two commas", text: `{"a":1,,"b":2}`},
		{name: "C-15 single quotes", text: `{'a':1}`},
		{name: "C-15 single quoted value", text: `{"a":'x'}`},
		{name: "C-15 bare name", text: `{a:1}`},
		{name: "number as a name", text: `{1:1}`},
		{name: "null as a name", text: `{null:1}`},
		{name: "no colon", text: `{"a"1}`},
		{name: "two colons", text: `{"a"::1}`},
		{name: "equals sign", text: `{"a"=1}`},
		{name: "no value", text: `{"a":}`},
		{name: "name alone", text: `{"a"}`},
		{name: "no comma", text: `{"a":1 "b":2}`},
		{name: "semicolon", text: `{"a":1;"b":2}`},
		{name: "wrong bracket", text: `{"a":[1}`},
		{name: "wrong brace", text: `{"a":1]`},
		{name: "array with a comma behind", text: `{"a":[1,]}`},
		{name: "array with a comma before", text: `{"a":[,1]}`},
		{name: "array without comma", text: `{"a":[1 2]}`},
		{name: "array of members", text: `{"a":["b":1]}`},
		{name: "array not closed", text: `{"a":[1`},
		{name: "array not closed behind its comma", text: `{"a":[1,`},
		{name: "array just opened", text: `{"a":[`},
		{name: "object not closed", text: `{"a":1`},
		{name: "object just opened", text: `{`},
		{name: "name just opened", text: `{"`},
		{name: "name without colon at the end", text: `{"a"`},
		{name: "colon at the end", text: `{"a":`},
		{name: "comma at the end", text: `{"a":1,`},
		{name: "true cut short", text: `{"a":tru}`},
		{name: "true cut by the end", text: `{"a":tru`},
		{name: "false cut short", text: `{"a":fals}`},
		{name: "false cut by the end", text: `{"a":fals`},
		{name: "null cut short", text: `{"a":nul}`},
		{name: "null cut by the end", text: `{"a":n`},
		{name: "True", text: `{"a":True}`},
		{name: "NULL", text: `{"a":NULL}`},
		{name: "truex", text: `{"a":truex}`},
		{name: "nullnull", text: `{"a":nullnull}`},
		{name: "undefined", text: `{"a":undefined}`},
		{name: "C-15 NaN", text: `{"a":NaN}`},
		{name: "C-15 Infinity", text: `{"a":Infinity}`},
		{name: "C-15 -Infinity", text: `{"a":-Infinity}`},
		{name: "C-15 01", text: `{"a":01}`},
		{name: "C-15 -01", text: `{"a":-01}`},
		{name: "C-15 00", text: `{"a":00}`},
		{name: "C-15 +1", text: `{"a":+1}`},
		{name: "C-15 .5", text: `{"a":.5}`},
		{name: "C-15 -.5", text: `{"a":-.5}`},
		{name: "C-15 1.", text: `{"a":1.}`},
		{name: "1.e5", text: `{"a":1.e5}`},
		{name: "1e", text: `{"a":1e}`},
		{name: "1e+", text: `{"a":1e+}`},
		{name: "1e5.5", text: `{"a":1e5.5}`},
		{name: "minus alone", text: `{"a":-}`},
		{name: "two minus", text: `{"a":--1}`},
		{name: "0x10", text: `{"a":0x10}`},
		{name: "1_000", text: `{"a":1_000}`},
		{name: "1n", text: `{"a":1n}`},
		{name: "fullwidth digit", text: `{"a":１}`},
		{name: "number cut by the end", text: `{"a":1`},
		{name: "minus cut by the end", text: `{"a":-`},
		{name: "point cut by the end", text: `{"a":1.`},
		{name: "exponent cut by the end", text: `{"a":1e`},
		{name: "string not closed", text: `{"a":"x}`},
		{name: "escape cut by the end", text: `{"a":"\`},
		{name: "escaped quote at the end", text: `{"a":"\"`},
		{name: "unknown escape", text: `{"a":"\x41"}`},
		{name: "octal escape", text: `{"a":"\0"}`},
		{name: "escaped apostrophe", text: `{"a":"\'"}`},
		{name: "capital U escape", text: `{"a":"\U0041"}`},
		{name: "escape of three digits", text: `{"a":"\u004"}`},
		{name: "escape cut after two digits", text: `{"a":"\u00`},
		{name: "escape with a g", text: `{"a":"\u004g"}`},
		{name: "escape with a sign", text: `{"a":"\u+041"}`},
		{name: "escape with braces", text: `{"a":"\u{41}"}`},
		{name: "LF in a string", text: "{\"a\":\"\n\"}"},
		{name: "tab in a string", text: "{\"a\":\"\t\"}"},
		{name: "NUL in a string", text: "{\"a\":\"\x00\"}"},
		{name: "U+001F in a string", text: "{\"a\":\"\x1f\"}"},
		{name: "control character in a name", text: "{\"a\r\":1}"},
		{name: "NUL between members", text: "{\"a\":1,\x00\"b\":2}"},
		{name: "no-break space between members", text: "{\"a\":1,\u00a0\"b\":2}"},
		{name: "form feed between members", text: "{\"a\":1,\f\"b\":2}"},
	} {
		row.want = jose.ErrSyntax
		runScanTests(t, []scanTest{row})
	}
	runScanTests(t, []scanTest{
		{"every escape", `{"\"\\\/\b\f\n\r\t\u00e4":"\"\\\/\b\f\n\r\t\uABCD\uabcd"}`, nil},
		{"DEL is no control character in JSON", "{\"a\":\"\x7f\"}", nil},
		{"U+2028 needs no escape", "{\"a\":\"\u2028\"}", nil},
		{"C-19 prototype names", `{"__proto__":1,"constructor":{"prototype":2}}`, nil},
		{"empty name", `{"":1}`, nil},
	})
}

func TestScanUTF8(t *testing.T) {
	runScanTests(t, []scanTest{
		{"pair", `{"a":"\ud834\udd1e"}`, nil},
		{"pair in capitals", `{"a":"\uDBFF\uDFFF"}`, nil},
		{"replacement character that was sent", "{\"a\":\"\ufffd\"}", nil},
		{"escape before the surrogates", `{"a":"\ud7ff"}`, nil},
		{"escape behind the surrogates", `{"a":"\ue000"}`, nil},
		{"C-11 lone high surrogate", `{"a":"\ud800"}`, jose.ErrUTF8},
		{"C-11 lone low surrogate", `{"a":"\udc00"}`, jose.ErrUTF8},
		{"C-11 last high surrogate alone", `{"a":"\udbff"}`, jose.ErrUTF8},
		{"C-11 last low surrogate alone", `{"a":"\udfff"}`, jose.ErrUTF8},
		{"C-11 pair in the wrong order", `{"a":"\udd1e\ud834"}`, jose.ErrUTF8},
		{"C-11 high and a letter", `{"a":"\ud800x"}`, jose.ErrUTF8},
		{"C-11 high and another escape", `{"a":"\ud800\n"}`, jose.ErrUTF8},
		{"C-11 high and an escaped letter", `{"a":"\ud800\u0041"}`, jose.ErrUTF8},
		{"C-11 high and high", `{"a":"\ud800\ud800"}`, jose.ErrUTF8},
		{"C-11 low and low", `{"a":"\udc00\udc00"}`, jose.ErrUTF8},
		{"C-11 high and a code point behind the low ones", `{"a":"\ud800\ue000"}`, jose.ErrUTF8},
		{"C-11 high and a code point before the low ones", `{"a":"\ud800\udbff"}`, jose.ErrUTF8},
		{"C-11 high and half an escape", `{"a":"\ud800\udc0"}`, jose.ErrUTF8},
		{"C-11 high cut by the end", `{"a":"\ud800`, jose.ErrUTF8},
		{"C-11 pair and a lone high one", `{"a":"\ud834\udd1e\ud834"}`, jose.ErrUTF8},
		{"C-11 lone surrogate in a name", `{"\ud800":1}`, jose.ErrUTF8},
		{"C-11 lone surrogate deep down", `{"a":[{"b":["\udc00"]}]}`, jose.ErrUTF8},
		{"C-11 ff", "{\"a\":\"\xff\"}", jose.ErrUTF8},
		{"C-11 ff in a name", "{\"a\xff\":1}", jose.ErrUTF8},
		{"C-11 ff in a nested name", "{\"a\":{\"\xff\":1}}", jose.ErrUTF8},
		{"C-11 continuation alone", "{\"a\":\"\x80\"}", jose.ErrUTF8},
		{"C-11 sequence cut by the quote", "{\"a\":\"\xe2\x82\"}", jose.ErrUTF8},
		{"C-11 sequence cut by the end", "{\"a\":\"\xe2\x82", jose.ErrUTF8},
		{"C-11 overlong slash", "{\"a\":\"\xc0\xaf\"}", jose.ErrUTF8},
		{"C-11 overlong NUL", "{\"a\":\"\xc0\x80\"}", jose.ErrUTF8},
		{"C-11 overlong of three", "{\"a\":\"\xe0\x80\xaf\"}", jose.ErrUTF8},
		{"C-11 surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", jose.ErrUTF8},
		{"C-11 surrogate pair in UTF-8 (CESU-8)", "{\"a\":\"\xed\xa0\xb4\xed\xb4\x9e\"}", jose.ErrUTF8},
		{"C-11 beyond U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", jose.ErrUTF8},
		{"C-11 Latin-1", "{\"a\":\"\xe4\"}", jose.ErrUTF8},
	})
}

func TestScanDuplicates(t *testing.T) {
	runScanTests(t, []scanTest{
		{"the same name at two depths", `{"iss":1,"a":{"iss":2,"a":{"iss":3}},"b":[{"iss":4},{"iss":5}]}`, nil},
		{"the same name in two siblings", `{"a":{"x":1},"b":{"x":1}}`, nil},
		{"C-08 a lone foreign-case name", `{"ISS":"good","EXP":9e9}`, nil},
		{"C-08 a lone long s", `{"i\u017fs":1}`, nil},
		{"C-10 NUL makes another name", `{"exp":1,"exp\u0000":2}`, nil},
		{"C-10 a space makes another name", `{"exp":1,"exp ":2}`, nil},
		{"0x20 apart, but no letters", `{"[":1,"{":2,"@":3,"` + "`" + `":4}`, nil},
		{"sharp s and ss do not fold", `{"ß":1,"ss":2}`, nil},
		{"dotless i and i do not fold", `{"ı":1,"i":2,"İ":3}`, nil},
		{"C-07 duplicate claim", `{"iss":"good","iss":"evil"}`, jose.ErrDuplicate},
		{"C-07 duplicate aud", `{"aud":"me","sub":"x","aud":"y"}`, jose.ErrDuplicate},
		{"C-07 the same value twice", `{"exp":1,"exp":1}`, jose.ErrDuplicate},
		{"C-07 duplicate claim via escape", `{"iss":"good","\u0069ss":"evil"}`, jose.ErrDuplicate},
		{"C-07 both escaped, differently", `{"\u0069ss":"good","i\u0073s":"evil"}`, jose.ErrDuplicate},
		{"C-07 duplicate slash via escape", `{"a/b":1,"a\/b":2}`, jose.ErrDuplicate},
		{"C-07 duplicate pair via escape", `{"𝄞":1,"\ud834\udd1e":2}`, jose.ErrDuplicate},
		{"C-07 duplicate empty name", `{"":1,"":2}`, jose.ErrDuplicate},
		{"C-07 nested duplicate", `{"realm_access":{"roles":["a"],"roles":["admin"]}}`, jose.ErrDuplicate},
		{"C-07 duplicate in an array", `{"a":[0,{"b":1,"b":2}]}`, jose.ErrDuplicate},
		{"C-07 duplicate 15 deep", `{"a":` + strings.Repeat("[", 14) + `{"b":1,"b":2}` + strings.Repeat("]", 14) + `}`, jose.ErrDuplicate},
		{"C-07 duplicate around a nested object", `{"a":1,"b":{"x":1,"y":2},"a":2}`, jose.ErrDuplicate},
		{"C-07 duplicate around an empty object", `{"a":{},"a":{}}`, jose.ErrDuplicate},
		{"C-08 upper and lower case", `{"iss":1,"ISS":2}`, jose.ErrDuplicate},
		{"C-08 upper and lower case, escaped", `{"iss":1,"\u0049\u0053\u0053":2}`, jose.ErrDuplicate},
		{"C-08 U+017F and s", `{"sub":1,"ſub":2}`, jose.ErrDuplicate},
		{"C-08 U+017F and S, escaped", `{"SUB":1,"\u017fub":2}`, jose.ErrDuplicate},
		{"C-08 U+212A and k", `{"kid":1,"\u212aid":2}`, jose.ErrDuplicate},
		{"C-08 U+212A and K, literal", "{\"Kid\":1,\"\u212aid\":2}", jose.ErrDuplicate},
		{"C-08 U+212A in a nested object", "{\"cnf\":{\"jkt\":1,\"j\u212at\":2}}", jose.ErrDuplicate},
		{"C-08 U+017F in an object in an array", `{"a":[{"ſ":1,"s":2}]}`, jose.ErrDuplicate},
		{"Greek final sigma", `{"σ":1,"ς":2}`, jose.ErrDuplicate},
		{"micro sign and mu", `{"µ":1,"μ":2}`, jose.ErrDuplicate},
		{"Å and the Ångström sign", `{"\u00e5":1,"\u212b":2}`, jose.ErrDuplicate},
		{"ä and Ä", `{"ä":1,"Ä":2}`, jose.ErrDuplicate},
		{"Deseret, outside the BMP", `{"\ud801\udc00":1,"𐐨":2}`, jose.ErrDuplicate},
	})
	t.Run("a duplicate does not spoil the next text", func(t *testing.T) {
		for range 100 {
			_, err := jose.ParseObject(`{"a":1,"b":{"c":1,"c":2}}`)
			require.ErrorIs(t, err, jose.ErrDuplicate)
			o, err := jose.ParseObject(`{"a":1,"b":2,"c":3}`)
			require.NoError(t, err)
			require.Len(t, names(o), 3)
		}
	})
}

func TestParseObjectShallow(t *testing.T) {
	for _, test := range []scanTest{
		{"flat", `{"keys":[]}`, nil},
		{"duplicate in an element", `{"keys":[{"kid":"a","kid":"b"},{"kid":"c"}]}`, nil},
		{"duplicate in a member", `{"a":{"b":1,"B":2}}`, nil},
		{"duplicate at the top", `{"keys":[],"keys":[]}`, jose.ErrDuplicate},
		{"duplicate at the top around a nested one", `{"keys":[{"a":1,"a":2}],"KEYS":[]}`, jose.ErrDuplicate},
		{"syntax below", `{"keys":[{"kid":}]}`, jose.ErrSyntax},
		{"lone surrogate below", `{"keys":[{"kid":"\ud800"}]}`, jose.ErrUTF8},
		{"depth", `{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, jose.ErrDepth},
		{"trailing data", `{"keys":[]}x`, jose.ErrTrailing},
		{"array", `[]`, jose.ErrNotObject},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := jose.ParseObjectShallow(test.text)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestScanDepth(t *testing.T) {
	nest := func(depth int, open, inner string) string {
		text := inner
		for i := depth; i > 1; i-- {
			if open[i%len(open)] == '[' {
				text = "[" + text + "]"
			} else {
				text = `{"a":` + text + "}"
			}
		}
		return `{"a":` + text + "}"
	}
	for _, shape := range []string{"[", "{", "[{", "[[{"} {
		t.Run("nested "+shape, func(t *testing.T) {
			for depth := 1; depth <= jose.MaxDepth; depth++ {
				_, err := jose.ParseObject(nest(depth, shape, "1"))
				require.NoError(t, err, depth)
			}
			for _, depth := range []int{jose.MaxDepth + 1, jose.MaxDepth + 2, 1000} {
				_, err := jose.ParseObject(nest(depth, shape, "1"))
				require.ErrorIs(t, err, jose.ErrDepth, depth)
			}
			_, err := jose.ParseObject(nest(jose.MaxDepth, shape, "{}"))
			require.ErrorIs(t, err, jose.ErrDepth, "an empty object counts")
			_, err = jose.ParseObject(nest(jose.MaxDepth, shape, "[]"))
			require.ErrorIs(t, err, jose.ErrDepth, "an empty array counts")
		})
	}
	runScanTests(t, []scanTest{
		{"many objects beside each other are not deep", `{"a":[` + strings.Repeat(`{"b":[{}]},`, 500) + `{}]}`, nil},
		{"many arrays beside each other are not deep", `{"a":[` + strings.Repeat(`[[],[1]],`, 500) + `[]]}`, nil},
		{"C-16 100000 brackets in an object", `{"a":` + strings.Repeat("[", 100000), jose.ErrDepth},
		{"C-16 100000 brackets at the top", strings.Repeat("[", 100000), jose.ErrDepth},
		{"C-16 100000 objects", strings.Repeat(`{"a":`, 100000), jose.ErrDepth},
	})
}

func TestScanNumbers(t *testing.T) {
	digits := func(n int) string { return strings.Repeat("9", n) }
	runScanTests(t, []scanTest{
		{"zero", `{"a":0}`, nil},
		{"minus zero", `{"a":-0}`, nil},
		{"fraction", `{"a":-0.50}`, nil},
		{"exponents", `{"a":[1e5,1E+5,1e-5,0e0,1.5E05]}`, nil},
		{"C-17 2^53+1", `{"a":9007199254740993}`, nil},
		{"308 digits", `{"a":` + digits(308) + `}`, nil},
		{"299 digits and a minus", `{"a":-` + digits(299) + `}`, nil},
		{"10000 digits behind the point", `{"a":0.` + digits(10000) + `}`, nil},
		{"just below 1e308", `{"a":[9.99e307,-9999e304,0.1e307]}`, nil},
		{"leading zeros of an exponent", `{"a":1e+00000000000000000000307}`, nil},
		{"vast negative exponent", `{"a":123e-99999999999999999999}`, nil},
		{"308 digits and a negative exponent", `{"a":` + digits(308) + `e-1}`, nil},
		{"too small is zero", `{"a":1e-400}`, nil},
		{"C-17 1e400", `{"a":1e400}`, jose.ErrNumber},
		{"C-17 -1e400", `{"a":-1e400}`, jose.ErrNumber},
		{"C-17 1e309", `{"a":1e309}`, jose.ErrNumber},
		{"C-17 vast exponent", `{"a":1e99999999999999999999}`, jose.ErrNumber},
		{"C-17 1e308", `{"a":1e308}`, jose.ErrNumber},
		{"C-17 exponent of 2^64 and 1", `{"a":1e18446744073709551617}`, jose.ErrNumber},
		{"C-17 just above float64", `{"a":1.7976931348623159e308}`, jose.ErrNumber},
		{"C-17 exponent added to the digits", `{"a":9999e305}`, jose.ErrNumber},
		{"C-17 zero with a vast exponent", `{"a":0e999999999}`, jose.ErrNumber},
		{"C-17 309 digits", `{"a":` + digits(309) + `}`, jose.ErrNumber},
		{"C-17 309 digits and a minus", `{"a":-` + digits(309) + `}`, jose.ErrNumber},
		{"C-17 309 digits and a fraction", `{"a":` + digits(309) + `.5}`, jose.ErrNumber},
		{"F-07 10000 digits", `{"a":` + digits(10000) + `}`, jose.ErrNumber},
		{"R7519-17 1 MB number", `{"a":` + digits(1<<20) + `}`, jose.ErrNumber},
		{"C-17 1e400 deep down", `{"a":[{"b":[1,1e400]}]}`, jose.ErrNumber},
	})
}
