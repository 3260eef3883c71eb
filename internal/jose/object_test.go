package jose_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/jose"
)

func mustObject(t testing.TB, text string) jose.Object {
	t.Helper()
	o, err := jose.ParseObject(text)
	require.NoError(t, err)
	return o
}

func names(o jose.Object) (names []string) {
	for name := range o.All() {
		names = append(names, name)
	}
	return names
}

const nested = ` { "s" : "a\u0062\/" , "n":-1.5e3 ,"t":true,"f":false,"z":null,
	"a" : [ 1 , "]," , [ ] , [ [ "\"]" ] ] , { } , {"x":[{"y":"}"}]} , null,true ,false, -0.5 ] ,
	"o" : { "\u006b" : "v\n" , "}" : { "{":1 } , "\"" : [ ] , "" : 0 } ,"e":{}, "l":[], "last":12 } `

func TestObjectGet(t *testing.T) {
	o := mustObject(t, nested)
	require.Equal(t, nested, o.Raw())
	require.GreaterOrEqual(t, o.Size(), len(nested))
	require.Equal(t, []string{"s", "n", "t", "f", "z", "a", "o", "e", "l", "last"}, names(o))
	for _, test := range []struct {
		name string
		kind jose.Kind
		raw  string
	}{
		{"s", jose.String, `"a\u0062\/"`},
		{"n", jose.Number, `-1.5e3`},
		{"t", jose.True, `true`},
		{"f", jose.False, `false`},
		{"z", jose.Null, `null`},
		{"e", jose.ObjectKind, `{}`},
		{"l", jose.Array, `[]`},
		{"last", jose.Number, `12`},
	} {
		v, ok := o.Get(test.name)
		require.True(t, ok, test.name)
		require.Equal(t, test.kind, v.Kind(), test.name)
		require.Equal(t, test.raw, v.Raw(), test.name)
		text, ok := v.Text()
		require.Equal(t, test.kind == jose.String, ok, test.name)
		if ok {
			require.Equal(t, "ab/", text)
		}
	}
	for _, name := range []string{"S", "", "s ", "ſ", "x", "lastt", "las", `"s"`} {
		v, ok := o.Get(name)
		require.False(t, ok, name)
		require.Zero(t, v)
	}
	t.Run("stops when told to", func(t *testing.T) {
		for name := range o.All() {
			require.Equal(t, "s", name)
			break
		}
	})
}

func TestObjectGetExactNames(t *testing.T) {
	for _, test := range []struct {
		name, text, member string
		want               bool
	}{
		{"C-09 escaped name is the name", `{"\u0065xp":1}`, "exp", true},
		{"R7519-10 escaped in the middle", `{"e\u0078p":1}`, "exp", true},
		{"escaped slash", `{"a\/b":1}`, "a/b", true},
		{"every escape", `{"\"\\\/\b\f\n\r\t\u20ac\ud834\udd1e":1}`, "\"\\/\b\f\n\r\t€𝄞", true},
		{"NUL in a name", `{"a\u0000b":1}`, "a\x00b", true},
		{"empty name", `{"":1}`, "", true},
		{"C-08 EXP", `{"EXP":1}`, "exp", false},
		{"C-08 exP via escape", `{"ex\u0050":1}`, "exp", false},
		{"C-08 long s", `{"i\u017fs":1}`, "iss", false},
		{"C-08 Kelvin sign", "{\"\u212aid\":1}", "kid", false},
		{"C-10 NUL behind", `{"exp\u0000":1}`, "exp", false},
		{"C-10 zero width space behind", `{"exp\u200b":1}`, "exp", false},
		{"C-10 a space behind", `{"exp ":1}`, "exp", false},
		{"the escaped text is not the name", `{"\u0065xp":1}`, `\u0065xp`, false},
		{"a backslash is not an escape twice", `{"\\u0065xp":1}`, "exp", false},
		{"NFD is not NFC", `{"e\u0301":1}`, "é", false},
		{"deeper down", `{"a":{"exp":1}}`, "exp", false},
		{"in a value", `{"a":"exp"}`, "exp", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := mustObject(t, test.text)
			if _, got := o.Get(test.member); got != test.want {
				t.Errorf("Get: got %v, want %v", got, test.want)
			}
			outer, _ := mustObject(t, `{"o":`+test.text+`}`).Get("o")
			if _, got := outer.Member(test.member); got != test.want {
				t.Errorf("Member: got %v, want %v", got, test.want)
			}
		})
	}
}

func TestObjectOutlivesTheNext(t *testing.T) {
	first := mustObject(t, `{"a":"one","b":"two"}`)
	token, err := jose.Parse(encode(header, claims))
	require.NoError(t, err)
	for range 10 { // the scratch space of the scanner is used again
		mustObject(t, `{"longer name":[1,2,3],"x":{},"y":null}`)
		_, err := jose.Parse(encode(`{"alg":"none"}`, `{"sub":1}`))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"a", "b"}, names(first))
	require.Equal(t, []string{"iss", "exp"}, names(token.Claims))
	require.Equal(t, "RS256", token.Header.Algorithm)
}

func TestZeroObject(t *testing.T) {
	var o jose.Object
	_, ok := o.Get("")
	require.False(t, ok)
	require.Empty(t, names(o))
	require.Empty(t, o.Raw())
	require.Zero(t, o.Size())
	target := map[string]any{"stale": 1}
	require.NoError(t, o.Decode(&target))
	require.Empty(t, target)
}

func TestZeroValue(t *testing.T) {
	var v jose.Value
	require.Zero(t, v.Kind())
	require.Empty(t, v.Raw())
	_, ok := v.Text()
	require.False(t, ok)
	_, ok = v.Date()
	require.False(t, ok)
	_, ok = v.Member("")
	require.False(t, ok)
	for range v.Elements() {
		t.Error("an element")
	}
	for range v.Members() {
		t.Error("a member")
	}
}

func TestValueElements(t *testing.T) {
	o := mustObject(t, nested)
	array, _ := o.Get("a")
	var raws []string
	var kinds []jose.Kind
	for element := range array.Elements() {
		raws, kinds = append(raws, element.Raw()), append(kinds, element.Kind())
	}
	require.Equal(t, []string{`1`, `"],"`, `[ ]`, `[ [ "\"]" ] ]`, `{ }`, `{"x":[{"y":"}"}]}`, `null`, `true`, `false`, `-0.5`}, raws)
	require.Equal(t, []jose.Kind{jose.Number, jose.String, jose.Array, jose.Array, jose.ObjectKind, jose.ObjectKind, jose.Null, jose.True, jose.False, jose.Number}, kinds)
	t.Run("stops when told to", func(t *testing.T) {
		count := 0
		for range array.Elements() {
			if count++; count == 3 {
				break
			}
		}
		require.Equal(t, 3, count)
	})
	t.Run("strings of an array are unescaped", func(t *testing.T) {
		array, _ := mustObject(t, `{"a":["\u0061","b","\ud834\udd1e","\\u0061"]}`).Get("a")
		var texts []string
		for element := range array.Elements() {
			text, ok := element.Text()
			require.True(t, ok)
			texts = append(texts, text)
		}
		require.Equal(t, []string{"a", "b", "𝄞", `\u0061`}, texts)
	})
	for _, name := range []string{"s", "n", "t", "f", "z", "o", "e", "l"} {
		t.Run("none in "+name, func(t *testing.T) {
			v, _ := o.Get(name)
			for range v.Elements() {
				t.Error("an element")
			}
		})
	}
}

func TestValueMembers(t *testing.T) {
	o := mustObject(t, nested)
	object, _ := o.Get("o")
	var got []string
	for name, value := range object.Members() {
		got = append(got, name+"="+value.Raw())
	}
	require.Equal(t, []string{`k="v\n"`, `}={ "{":1 }`, `"=[ ]`, `=0`}, got)

	v, ok := object.Member("k")
	require.True(t, ok)
	text, _ := v.Text()
	require.Equal(t, "v\n", text)
	v, ok = object.Member("}")
	require.True(t, ok)
	v, ok = v.Member("{")
	require.True(t, ok)
	require.Equal(t, "1", v.Raw())
	_, ok = object.Member("K")
	require.False(t, ok)

	for _, name := range []string{"s", "n", "t", "f", "z", "a", "e", "l"} {
		t.Run("none in "+name, func(t *testing.T) {
			v, _ := o.Get(name)
			for range v.Members() {
				t.Error("a member")
			}
			_, ok := v.Member("x")
			require.False(t, ok)
		})
	}
	t.Run("a shallow object shows nested duplicates as they are", func(t *testing.T) {
		o, err := jose.ParseObjectShallow(`{"keys":[{"kid":"a","kid":"b"}]}`)
		require.NoError(t, err)
		array, _ := o.Get("keys")
		for element := range array.Elements() {
			count := 0
			for name := range element.Members() {
				require.Equal(t, "kid", name)
				count++
			}
			require.Equal(t, 2, count)
			_, err := jose.ParseObject(element.Raw())
			require.ErrorIs(t, err, jose.ErrDuplicate)
		}
	})
}

func TestValueDate(t *testing.T) {
	const none = "refused"
	for _, test := range []struct{ name, number, want string }{
		{"R7519-07 seconds", `1700000000`, "2023-11-14T22:13:20Z"},
		{"R7519-07 1e9", `1e9`, "2001-09-09T01:46:40Z"},
		{"R7519-07 1E+9", `1E+9`, "2001-09-09T01:46:40Z"},
		{"R7519-07 exponent of one digit, short", `5e0`, "1970-01-01T00:00:05Z"},
		{"R7519-07 negative exponent", `17000000005e-1`, "2023-11-14T22:13:20.5Z"},
		{"R7519-07 fraction", `1700000000.5`, "2023-11-14T22:13:20.5Z"},
		{"fraction and exponent", `1.7000000005e9`, "2023-11-14T22:13:20.5Z"},
		{"fraction of zeros", `1700000000.000`, "2023-11-14T22:13:20Z"},
		{"zero", `0`, "1970-01-01T00:00:00Z"},
		{"0.0", `0.0`, "1970-01-01T00:00:00Z"},
		{"too small is zero", `1e-400`, "1970-01-01T00:00:00Z"},
		{"last second of 9999", `253402300799`, "9999-12-31T23:59:59Z"},
		{"last half second of 9999", `253402300799.5`, "9999-12-31T23:59:59.5Z"},
		{"last second of 9999 with an exponent", `2.53402300799e11`, "9999-12-31T23:59:59Z"},
		{"F-06 first second of 10000", `253402300800`, none},
		{"F-06 first second of 10000, with a fraction", `253402300800.0`, none},
		{"F-06 first second of 10000, with an exponent", `2.534023008e11`, none},
		{"F-06 rounds up to 10000", `253402300799.99999999`, none},
		{"F-08 milliseconds", `1700000000000`, none},
		{"F-06 twelve nines", `999999999999`, none},
		{"F-06 1e18", `1e18`, none},
		{"R7519-08 9e18", `9e18`, none},
		{"R7519-08 1e30 wraps around in int64", `1e30`, none},
		{"R7519-08 1E+30", `1E+30`, none},
		{"R7519-08 9e307", `9e307`, none},
		{"F-06 2^63-1", `9223372036854775807`, none},
		{"F-06 2^63", `9223372036854775808`, none},
		{"F-06 2^64 and a bit wraps around to a good date", `18446744075409551616`, none},
		{"F-07 300 digits", strings.Repeat("1", 300), none},
		{"F-05 -1", `-1`, none},
		{"F-05 -0", `-0`, none},
		{"F-05 -0.0", `-0.0`, none},
		{"F-05 -1e-400", `-1e-400`, none},
		{"F-05 negative fraction", `-1700000000.5`, none},
		{"F-05 -1e30", `-1e30`, none},
		{"F-03 string", `"1700000000"`, none},
		{"F-03 empty string", `""`, none},
		{"F-09 true", `true`, none},
		{"F-09 false", `false`, none},
		{"F-02 null", `null`, none},
		{"F-09 array", `[1700000000]`, none},
		{"F-09 empty array", `[]`, none},
		{"F-09 object", `{"$date":1}`, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, _ := mustObject(t, `{"exp":`+test.number+`}`).Get("exp")
			got := none
			if date, ok := v.Date(); ok {
				got = date.UTC().Format(time.RFC3339Nano)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// members is an object of n members, with the given text behind them.
func members(n int, more string) string {
	var text strings.Builder
	text.WriteString("{")
	for i := range n {
		fmt.Fprintf(&text, `"claim%d":%d,`, i, i)
	}
	return text.String() + more + "}"
}

func TestLargeObjects(t *testing.T) {
	for _, n := range []int{0, 1, 2, 30, 31, 32, 33, 34, 100, 5000} {
		text := members(n, `"a":{"b":1},"c":1`)
		o := mustObject(t, text)
		require.Len(t, names(o), n+2)
		for name, want := range map[string]error{
			`"last":1`:                              nil,
			`"a":1`:                                 jose.ErrDuplicate,
			`"A":1`:                                 jose.ErrDuplicate,
			`"\u0061":1`:                            jose.ErrDuplicate,
			`"d":{` + members(n, `"x":1`)[1:]:       nil,
			`"d":{` + members(n, `"x":1,"x":2`)[1:]: jose.ErrDuplicate,
			`"d":[{` + members(n, `"ſ":1,"S":2`)[1:] + "]": jose.ErrDuplicate,
		} {
			_, err := jose.ParseObject(text[:len(text)-1] + "," + name + "}")
			require.ErrorIs(t, err, want, "%d members and %.20s", n, name)
		}
		if n > 0 {
			_, err := jose.ParseObject(members(n, `"claim0":1`))
			require.ErrorIs(t, err, jose.ErrDuplicate, n)
			_, err = jose.ParseObject(members(n, fmt.Sprintf(`"CLAIM%d":1`, n-1)))
			require.ErrorIs(t, err, jose.ErrDuplicate, n)
		}
	}
}

// Four times the members cost about four times the memory. (Time is for BenchmarkLargeObject to show.)
func TestLargeObjectAllocations(t *testing.T) {
	allocated := func(n int) uint64 {
		text := members(n, `"z":1`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			_, err := jose.ParseObject(text)
			require.NoError(t, err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(2000), allocated(8000)
	if large > 8*small {
		t.Errorf("%d bytes for 2000 members, but %d for 8000", small, large)
	}
}

func BenchmarkLargeObject(b *testing.B) {
	for _, n := range []int{1250, 5000, 20000} {
		for name, text := range map[string]string{
			"members": members(n, `"z":1`),
			"nested":  `{"o":` + members(n, `"z":1`) + "}",
			"arrays":  `{"a":[` + strings.Repeat(`[[[[1]]]],`, n) + "1]}",
			"escapes": `{"` + strings.Repeat(`\ud834\udd1e`, n) + `":1}`,
			"numbers": `{"a":[` + strings.Repeat("5e-324,", n) + "1]}",
			"digits":  `{"a":0.` + strings.Repeat("7", 12*n) + "}",
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := jose.ParseObject(text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
