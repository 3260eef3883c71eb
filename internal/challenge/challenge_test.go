package challenge_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/challenge"
)

func TestWith(t *testing.T) {
	for _, tc := range []struct{ name, want, value string }{
		{"plain", `Bearer realm="x"`, "x"},
		{"empty", `Bearer realm=""`, ""},
		{"R9110-12 always quoted", `Bearer realm="a b"`, "a b"},
		{"R9110-13 a quote", `Bearer realm="a\"b"`, `a"b`},
		{"R9110-13 a backslash", `Bearer realm="a\\b"`, `a\b`},
		{"R9110-13 both", `Bearer realm="a\"b\\c"`, `a"b\c`},
		{"R9110-13 a backslash at the end", `Bearer realm="a\\"`, `a\`},
		{"a comma and an equals sign", `Bearer realm="a, b=c"`, "a, b=c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := challenge.New("Bearer").With("realm", tc.value).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("a common prefix is not changed", func(t *testing.T) {
		prefix := challenge.New("Bearer").With("realm", "x")
		one, two := prefix.With("error", "a"), prefix.With("error", "b")
		if one.String() != `Bearer realm="x", error="a"` || two.String() != `Bearer realm="x", error="b"` || prefix.String() != `Bearer realm="x"` {
			t.Errorf("%v, %v, %v", one, two, prefix)
		}
	})
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, field string
		want        string // schemes and parameters as the rows below print them; empty: refused
	}{
		{"one parameter", `Bearer realm="x"`, "Bearer realm=x"},
		{"two parameters", `Bearer realm="x", error="y"`, "Bearer realm=x error=y"},
		{"no blank behind the comma", `Bearer realm="x",error="y"`, "Bearer realm=x error=y"},
		{"blanks around the comma", "Bearer realm=\"x\" \t, \terror=\"y\"", "Bearer realm=x error=y"},
		{"several spaces behind the scheme", `Bearer   realm="x"`, "Bearer realm=x"},
		{"a parameter that is a token", `Bearer max_age=300`, "Bearer max_age=300"},
		{"the name in capitals", `Bearer REALM="x"`, "Bearer realm=x"},
		{"two challenges", `DPoP algs="ES256", Bearer realm="x", error="y"`, "DPoP algs=ES256|Bearer realm=x error=y"},
		{"escapes", `Bearer realm="a\"b\\c\d"`, `Bearer realm=a"b\cd`},
		{"a comma inside of quotes", `Bearer realm="a, Basic realm=b"`, "Bearer realm=a, Basic realm=b"},
		{"an empty value in quotes", `Bearer realm=""`, "Bearer realm="},
		{"nothing", "", ""},
		{"R6750-08 a bare scheme", "Bearer", ""},
		{"R6750-08 a bare scheme and a space", "Bearer ", ""},
		{"R6750-08 a bare scheme behind a challenge", `Bearer realm="x", DPoP`, ""},
		{"a token68", "Bearer abc==", ""},
		{"a TAB behind the scheme", "Bearer\trealm=\"x\"", ""},
		{"a space before the scheme", ` Bearer realm="x"`, ""},
		{"R9110-11 a parameter twice", `Bearer realm="x", realm="y"`, ""},
		{"R9110-11 a parameter twice in another case", `Bearer realm="x", Realm="y"`, ""},
		{"R9110-11 a parameter twice, apart", `Bearer realm="x", a="b", realm="x"`, ""},
		{"no value", "Bearer realm=", ""},
		{"no name", `Bearer ="x"`, ""},
		{"no comma", `Bearer realm="x" error="y"`, ""},
		{"a semicolon", `Bearer realm="x"; error="y"`, ""},
		{"a comma at the end", `Bearer realm="x",`, ""},
		{"a comma at the front", `,Bearer realm="x"`, ""},
		{"two commas", `Bearer realm="x",, error="y"`, ""},
		{"an open quote", `Bearer realm="x`, ""},
		{"an open quote behind an escape", `Bearer realm="x\"`, ""},
		{"a backslash at the very end", `Bearer realm="x\`, ""},
		{"something behind the quotes", `Bearer realm="x"y`, ""},
		{"R9110-07 CR LF in quotes", "Bearer realm=\"x\r\ny\"", ""},
		{"R9110-07 NUL in quotes", "Bearer realm=\"x\x00\"", ""},
		{"R9110-07 DEL in quotes", "Bearer realm=\"x\x7f\"", ""},
		{"R9110-07 an escaped line break in quotes", "Bearer realm=\"x\\\ny\"", ""},
		{"R9110-07 an escaped NUL in quotes", "Bearer realm=\"x\\\x00y\"", ""},
		{"R9110-07 a line break behind the quotes", "Bearer realm=\"x\"\r\nX: y", ""},
		{"blanks around the equals sign", `Bearer realm = "x"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			challenges, ok := challenge.Parse(tc.field)
			if ok != (tc.want != "") {
				t.Fatalf("got %v, %v", challenges, ok)
			}
			var printed []string
			for _, c := range challenges {
				text := c.Scheme
				for _, name := range []string{"algs", "realm", "error", "max_age"} {
					if value, present := c.Parameters[name]; present {
						text += " " + name + "=" + value
					}
				}
				printed = append(printed, text)
			}
			if got := strings.Join(printed, "|"); got != tc.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestGrammars(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		if got, want := challenge.IsQuotable("x"+c), b >= 0x20 && b <= 0x7e; got != want {
			t.Errorf("IsQuotable of %#x is %v", b, got)
		}
		// R6750-15 R6750-18: 1*( %x21 / %x23-5B / %x5D-7E ).
		want := b == 0x21 || b >= 0x23 && b <= 0x5b || b >= 0x5d && b <= 0x7e
		if got := challenge.IsScopeToken("x" + c); got != want {
			t.Errorf("IsScopeToken of %#x is %v", b, got)
		}
		want = strings.Contains("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c)
		if got := challenge.IsTokenByte(byte(b)); got != want {
			t.Errorf("IsTokenByte of %#x is %v", b, got)
		}
	}
	if challenge.IsScopeToken("") || !challenge.IsQuotable("") || challenge.IsScopeToken("é") || challenge.IsQuotable("é") {
		t.Error("the empty string, or a letter beyond ASCII")
	}
}

// What With writes, Parse reads back.
func FuzzRoundTrip(f *testing.F) {
	f.Add("realm", "x", "error", "y")
	f.Add("realm", `a"b\c`, "scope", "a b, c=d")
	f.Add("a", `\`, "b", `"`)
	f.Add("a", "", "b", `",b="`)
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string) {
		isToken := func(s string) bool {
			return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || !challenge.IsTokenByte(byte(r)) })
		}
		name, name2 = strings.ToLower(name), strings.ToLower(name2)
		if !isToken(name) || !isToken(name2) || name == name2 || !challenge.IsQuotable(value) || !challenge.IsQuotable(value2) {
			return
		}
		text := challenge.New("Bearer").With(name, value).With(name2, value2).String()
		got, ok := challenge.Parse(text)
		want := map[string]string{name: value, name2: value2}
		if !ok || len(got) != 1 || got[0].Scheme != "Bearer" || !maps.Equal(got[0].Parameters, want) {
			t.Errorf("%s is read as %q, %v", text, got, ok)
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("%q cannot be a field", text)
		}
	})
}

// What Parse takes has one meaning: written anew, it is read as the same.
func FuzzParse(f *testing.F) {
	for _, field := range []string{`Bearer realm="x", error="y"`, `DPoP algs="ES256", Bearer realm="a\"b"`, `Bearer max_age=3`, "Bearer", "Bearer a=\"\\\n\"", `a b=c,d e=f`} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		challenges, ok := challenge.Parse(field)
		if !ok {
			return
		}
		var texts []string
		for _, c := range challenges {
			text := challenge.New(c.Scheme)
			for name, value := range c.Parameters {
				text = text.With(name, value)
			}
			texts = append(texts, text.String())
		}
		again, ok := challenge.Parse(strings.Join(texts, ", "))
		if !ok || len(again) != len(challenges) {
			t.Fatalf("%q is written as %q, and not read again", field, texts)
		}
		for i := range again {
			if again[i].Scheme != challenges[i].Scheme || !maps.Equal(again[i].Parameters, challenges[i].Parameters) {
				t.Errorf("%q is %q, written anew %q", field, challenges, again)
			}
		}
		if strings.ContainsAny(field, "\r\n\x00\x7f") {
			t.Errorf("%q is taken", field)
		}
	})
}
