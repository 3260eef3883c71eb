package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/jose"
)

var objectSeeds = []string{
	header, claims, sampleClaims, nested, `{}`, ` { } `, ``, `null`, `[]`, `"x"`, `1`,
	`{"a":1}x`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"s":1,"ſ":2}`, "{\"k\":1,\"\u212a\":2}", `{"a":{"b":[{"c":1,"C":2}]}}`,
	`{"a":"\ud834\udd1e"}`, `{"a":"\ud834"}`, `{"a":"\udd1e\ud834"}`, "{\"a\":\"\xff\"}", "\ufeff{}", `{"\"\\\/\b\f\n\r\t":"\""}`,
	`{"a":[1e400,-0,1.5E+3,01]}`, `{"a":0.1e-5}`, `{"exp":253402300799.5}`, `{"a":tru}`, `{"a":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}`, `{"a":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}`,
	`{"alg":"RS256","crit":["exp"]}`, `{"alg":"RS256","cty":"JWT"}`, `{"alg":null}`, `{"alg":"none"}`, `{"x":1,}`, `{"a":"` + "\n" + `"}`,
}

// Whatever Parse accepts, encoding/json reads the same, and re-encoding its parts gives the identical token.
func FuzzParse(f *testing.F) {
	for _, seed := range objectSeeds {
		f.Add(encode(header, seed))
		f.Add(encode(seed, claims))
	}
	for _, seed := range []string{"", ".", "..", "....", "e30.e30.", "e30.e30.AA", "e30.e31.AA", "e30..AA", "e30.e30.AA.AA.AA", "e30=.e30.AA==", encode(header, claims) + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		jws, err := jose.Parse(token)
		if err != nil {
			require.Zero(t, jws)
			return
		}
		parts := strings.Split(token, ".")
		require.Len(t, parts, 3)
		text, err := base64.RawURLEncoding.DecodeString(parts[0])
		require.NoError(t, err)
		require.Equal(t, token, b64(string(text))+"."+b64(jws.Claims.Raw())+"."+b64(string(jws.Signature)))
		require.Equal(t, token, jws.SigningInput+"."+parts[2])
		require.LessOrEqual(t, len(token), jose.MaxTokenSize)
		requireAgrees(t, jws.Claims)

		object, err := jose.ParseObject(string(text))
		require.NoError(t, err)
		requireAgrees(t, object)
		var header map[string]any
		require.NoError(t, json.Unmarshal(text, &header))
		kid, hasKid := header["kid"].(string)
		typ, _ := header["typ"].(string)
		require.Equal(t, jose.Header{Algorithm: header["alg"].(string), KeyID: kid, HasKeyID: hasKid, Type: typ}, jws.Header)
		require.NotEmpty(t, jws.Header.Algorithm)
		for _, name := range []string{"crit", "b64", "zip"} {
			require.NotContains(t, header, name)
		}
	})
}

// Whatever ParseObject accepts is valid JSON without duplicates, and encoding/json reads the same; whatever it refuses
// for its syntax, encoding/json refuses too.
func FuzzParseObject(f *testing.F) {
	for _, seed := range objectSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shallow, shallowErr := jose.ParseObjectShallow(text)
		object, err := jose.ParseObject(text)
		switch err {
		case nil:
			requireAgrees(t, object)
			require.NoError(t, shallowErr)
			require.Equal(t, object, shallow)
		case jose.ErrSyntax, jose.ErrTrailing:
			require.False(t, json.Valid([]byte(text)))
			require.Equal(t, err, shallowErr)
		case jose.ErrDuplicate:
			if json.Valid([]byte(text)) {
				require.True(t, hasDuplicate(text), "refused for a duplicate that is none")
			}
		default:
			require.ErrorIs(t, err, shallowErr)
		}
	})
}

// Decode into a map is json.Unmarshal.
func FuzzDecode(f *testing.F) {
	for _, seed := range objectSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		object, err := jose.ParseObject(text)
		if err != nil {
			return
		}
		var got, want map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		require.NoError(t, object.Decode(&got))
		require.Equal(t, want, got)

		// And into a struct, exactly the members of the fields' names arrive.
		var fields struct {
			A   any             `json:"a"`
			Alg json.RawMessage `json:"alg"`
			Kid map[string]struct {
				S any `json:"s"`
			} `json:"o"`
			Sub []struct{ K any } `json:"x"`
		}
		if object.Decode(&fields) != nil {
			return
		}
		require.Equal(t, want["a"], fields.A)
		if alg, ok := object.Get("alg"); ok {
			require.Equal(t, alg.Raw(), string(fields.Alg))
		}
		for name, inner := range fields.Kid {
			inside, _ := want["o"].(map[string]any)[name].(map[string]any)
			require.Equal(t, inside["s"], inner.S)
		}
		for i, inner := range fields.Sub {
			inside, _ := want["x"].([]any)[i].(map[string]any)
			require.Equal(t, inside["K"], inner.K)
		}
	})
}

// requireAgrees compares the object with what encoding/json makes of its text.
func requireAgrees(t *testing.T, o jose.Object) {
	t.Helper()
	require.True(t, json.Valid([]byte(o.Raw())))
	require.False(t, hasDuplicate(o.Raw()))
	var want map[string]any
	require.NoError(t, json.Unmarshal([]byte(o.Raw()), &want))
	got := make(map[string]any)
	for name, value := range o.All() {
		got[name] = plain(t, value)
		found, ok := o.Get(name)
		require.True(t, ok)
		require.Equal(t, value, found)
		if date, ok := value.Date(); ok {
			seconds := want[name].(float64)
			require.True(t, 0 <= seconds && seconds < 253402300800)
			require.InDelta(t, seconds, float64(date.Unix())+float64(date.Nanosecond())/1e9, 1e-3)
		}
	}
	require.Equal(t, want, got)
}

// plain is what encoding/json would make of the value, read with nothing but the value's own methods.
func plain(t *testing.T, v jose.Value) any {
	switch v.Kind() {
	case jose.Null:
		require.Equal(t, "null", v.Raw())
		return nil
	case jose.False, jose.True:
		require.Equal(t, v.Kind() == jose.True, v.Raw() == "true")
		return v.Kind() == jose.True
	case jose.String:
		text, ok := v.Text()
		require.True(t, ok)
		return text
	case jose.Array:
		elements := []any{}
		for element := range v.Elements() {
			elements = append(elements, plain(t, element))
		}
		return elements
	case jose.ObjectKind:
		members := make(map[string]any)
		for name, member := range v.Members() {
			members[name] = plain(t, member)
			found, ok := v.Member(name)
			require.True(t, ok)
			require.Equal(t, member, found)
		}
		return members
	}
	require.Equal(t, jose.Number, v.Kind())
	var number float64
	require.NoError(t, json.Unmarshal([]byte(v.Raw()), &number))
	return number
}

// hasDuplicate is the slow, obvious test for names that are equal but for their case, at any depth.
func hasDuplicate(text string) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	type open struct {
		object, value bool // value: a member's value comes next
		names         []string
	}
	var stack []*open
	for {
		token, err := decoder.Token()
		if err != nil {
			return false // the end: the text is valid
		}
		var top *open
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if name, ok := token.(string); ok && top != nil && top.object && !top.value {
			if slices.ContainsFunc(top.names, func(other string) bool { return strings.EqualFold(other, name) }) {
				return true
			}
			top.names, top.value = append(top.names, name), true
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			stack = append(stack, &open{object: token == json.Delim('{')})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			if len(stack) == 0 {
				return false
			}
			top = stack[len(stack)-1]
		}
		if top != nil {
			top.value = false
		}
	}
}

func TestHasDuplicate(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":"b","b":"a"}`:                     false,
		`{"a":["a","a",{"a":"a"}],"b":{"a":1}}`: false,
		`{"a":{},"A":1}`:                        true,
		`{"a":[{"s":1,"\u017f":1}]}`:            true,
		`{"a":"x","b":[],"a":1}`:                true,
	} {
		if hasDuplicate(text) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
}
