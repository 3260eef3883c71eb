//lint:file-ignore SA5008 tags that encoding/json does not understand are what some rows are about

package jose_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/jose"
)

type account struct {
	OrgID string `json:"org_id"`
	Sub   string `json:"sub,omitempty"`
	KeyID string `json:"kid"`
	Plain string
}

type (
	byPointer  struct{ Account *account }
	byPointers struct{ Account **account }
	bySlice    struct{ Accounts []account }
	byArray    struct{ Accounts [2]account }
	byMap      struct{ Accounts map[string]account }
	byMaps     struct {
		Accounts map[string]map[string][]*account
	}
	byKey   struct{ Accounts map[upper]account }
	generic struct{ Box box[account] }
	unnamed struct{ Box struct{ account } }
	node    struct {
		OrgID string `json:"org_id"`
		Next  *node
		All   []node
	}
	embeds        struct{ account }
	Exported      account
	embedsPointer struct{ *Exported }
	box[T any]    struct{ Value T }
)

// upper is a map key that decodes itself.
type upper string

func (u *upper) UnmarshalText(text []byte) error {
	*u = upper(strings.ToUpper(string(text)))
	return nil
}

// Every way to a struct, with every trap in it: no field may be filled.
func TestDecodeIgnoresForeignNames(t *testing.T) {
	traps := map[string]string{
		"upper case":             `{"ORG_ID":"evil","SUB":"evil","KID":"evil","PLAIN":"evil"}`,
		"lower case":             `{"Org_id":"evil","Sub":"evil","Kid":"evil","plain":"evil"}`,
		"upper case, escaped":    `{"\u004fRG_ID":"evil","su\u0042":"evil","k\u0049d":"evil","pl\u0061in":"evil"}`,
		"U+017F and U+212A":      "{\"ſub\":\"evil\",\"\u212aid\":\"evil\"}",
		"U+017F, U+212A escaped": `{"\u017fub":"evil","\u212aid":"evil"}`,
		"Go names":               `{"OrgID":"evil","KeyID":"evil"}`,
		"white space":            " { \"ORG_ID\" : \"evil\" , \"SUB\" : { } , \"pLAIN\":[ ] } ",
	}
	for name, trap := range traps {
		for _, shape := range []struct {
			name, text string
			target     any
		}{
			{"struct", trap, &account{}},
			{"pointer", `{"Account":` + trap + `}`, &byPointer{}},
			{"pointer to pointer", `{"Account":` + trap + `}`, &byPointers{}},
			{"slice", `{"Accounts":[` + trap + `,` + trap + `]}`, &bySlice{}},
			{"array", `{"Accounts":[` + trap + `,` + trap + `]}`, &byArray{}},
			{"map", `{"Accounts":{"x":` + trap + `}}`, &byMap{}},
			{"maps of maps of slices of pointers", `{"Accounts":{"x":{"y":[` + trap + `,null]}}}`, &byMaps{}},
			{"map with keys that decode themselves", `{"Accounts":{"x":` + trap + `}}`, &byKey{}},
			{"generic type", `{"Box":{"Value":` + trap + `}}`, &generic{}},
			{"unnamed struct", `{"Box":` + trap + `}`, &unnamed{}},
			{"embedded", trap, &embeds{}},
			{"embedded by pointer", trap, &embedsPointer{}},
			{"recursive", `{"Next":{"Next":` + trap + `,"All":[` + trap + `]}}`, &node{}},
			{"map at the top", `{"x":` + trap + `}`, &map[string]account{}},
			{"pointer at the top", trap, new(*account)},
		} {
			t.Run(shape.name+", "+name, func(t *testing.T) {
				require.NoError(t, mustObject(t, shape.text).Decode(shape.target))
				out, err := json.Marshal(shape.target)
				require.NoError(t, err)
				require.NotContains(t, string(out), "evil")
			})
		}
	}
}

func TestDecodeFillsExactNames(t *testing.T) {
	good := `{"org_id":"a","\u0073ub":"b","kid":"c","Plain":"d","more":[1]}`
	want := account{"a", "b", "c", "d"}
	pointer := &want
	exported := Exported(want)
	for _, test := range []struct {
		name, text   string
		target, want any
	}{
		{"struct", good, &account{}, &want},
		{"pointer", `{"Account":` + good + `}`, &byPointer{}, &byPointer{pointer}},
		{"pointer to pointer", `{"Account":` + good + `}`, &byPointers{}, &byPointers{&pointer}},
		{"slice", `{"Accounts":[` + good + `, ` + good + `]}`, &bySlice{}, &bySlice{[]account{want, want}}},
		{"empty slice", `{"Accounts":[ ]}`, &bySlice{}, &bySlice{[]account{}}},
		{"array", `{"Accounts":[` + good + `]}`, &byArray{}, &byArray{[2]account{want}}},
		{"map", `{"Accounts":{"X":` + good + `,"<\u2028>":{}}}`, &byMap{}, &byMap{map[string]account{"X": want, "<\u2028>": {}}}},
		{"empty map", `{"Accounts":{}}`, &byMap{}, &byMap{map[string]account{}}},
		{"maps of maps", `{"Accounts":{"x":{"y":[null,` + good + `]}}}`, &byMaps{}, &byMaps{map[string]map[string][]*account{"x": {"y": {nil, pointer}}}}},
		{"map with keys that decode themselves", `{"Accounts":{"x":` + good + `}}`, &byKey{}, &byKey{map[upper]account{"X": want}}},
		{"generic type", `{"Box":{"Value":` + good + `}}`, &generic{}, &generic{box[account]{want}}},
		{"embedded", good, &embeds{}, &embeds{want}},
		{"embedded by pointer", good, &embedsPointer{}, &embedsPointer{&exported}},
		{"recursive", `{"Next":{"org_id":"a"},"All":[{"org_id":"b"}]}`, &node{}, &node{Next: &node{OrgID: "a"}, All: []node{{OrgID: "b"}}}},
		{"pointer at the top", good, new(*account), &pointer},
		{"null for everything", `{"Account":null}`, &byPointer{}, &byPointer{}},
		{"white space around the object", " \r\n" + good + "\t ", &account{}, &want},
		{"any", `{"a":[1,{"B":"c"}]}`, new(any), ptr[any](map[string]any{"a": []any{1.0, map[string]any{"B": "c"}}})},
		{"raw message", `{"a":{"B" : 1}}`, &map[string]json.RawMessage{}, &map[string]json.RawMessage{"a": json.RawMessage(`{"B" : 1}`)}},
		{"json.Number", `{"a":9007199254740993}`, &map[string]json.Number{}, &map[string]json.Number{"a": "9007199254740993"}},
		{"time.Time", `{"a":"2026-01-02T03:04:05Z"}`, &map[string]time.Time{}, &map[string]time.Time{"a": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, mustObject(t, test.text).Decode(test.target))
			require.Equal(t, test.want, test.target)
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestDecodeReplacesTheTarget(t *testing.T) {
	for _, test := range []struct {
		name         string
		target, want any
	}{
		{"struct", &account{OrgID: "stale", Plain: "stale"}, &account{Sub: "b"}},
		{"map", &map[string]any{"org_id": "stale"}, &map[string]any{"sub": "b"}},
		{"pointer to pointer", ptr(&account{OrgID: "stale"}), ptr(&account{Sub: "b"})},
		{"any that holds a pointer", ptr[any](&account{OrgID: "stale"}), ptr[any](map[string]any{"sub": "b"})},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, mustObject(t, `{"sub":"b"}`).Decode(test.target))
			require.Equal(t, test.want, test.target)
		})
	}
	t.Run("but not when it fails", func(t *testing.T) {
		target := account{OrgID: "old"}
		require.Error(t, mustObject(t, `{"org_id":"new","sub":1}`).Decode(&target))
		require.Equal(t, account{OrgID: "old"}, target)
	})
	t.Run("nor what another pointer sees", func(t *testing.T) {
		shared := map[string]any{"org_id": "old"}
		target := shared
		require.NoError(t, mustObject(t, `{"sub":"b"}`).Decode(&target))
		require.Equal(t, map[string]any{"org_id": "old"}, shared)
	})
}

func TestDecodeTargets(t *testing.T) {
	o := mustObject(t, `{"org_id":"a"}`)
	for name, target := range map[string]any{
		"nil":           nil,
		"nil pointer":   (*account)(nil),
		"struct":        account{},
		"map":           map[string]any{},
		"number":        1,
		"nil interface": error(nil),
	} {
		t.Run(name, func(t *testing.T) {
			var invalid *json.InvalidUnmarshalError
			require.ErrorAs(t, o.Decode(target), &invalid)
		})
	}
	for name, target := range map[string]any{
		"string":   new(string),
		"slice":    new([]string),
		"array":    new([1]string),
		"function": new(func()),
		"filled wrong": &struct {
			OrgID int `json:"org_id"`
		}{},
		"nested wrong": &struct {
			OrgID account `json:"org_id"`
		}{},
		"non-empty interface": new(fmt.Stringer),
	} {
		t.Run(name, func(t *testing.T) {
			var wrong *json.UnmarshalTypeError
			require.ErrorAs(t, o.Decode(target), &wrong)
		})
	}
}

type (
	ambiguous struct {
		OrgID string `json:"org_id"`
		Other string `json:"Org_ID"`
	}
	ambiguousKelvin struct {
		A string `json:"kid"`
		B string "json:\"\u212aid\""
	}
	ambiguousEmbedded struct {
		account
		SUB string
	}
)

func TestDecodeAmbiguousTypes(t *testing.T) {
	for name, target := range map[string]any{
		"two tags":         &ambiguous{},
		"Kelvin sign":      &ambiguousKelvin{},
		"embedded and own": &ambiguousEmbedded{},
		"in a slice":       &struct{ A []ambiguous }{},
		"in a map":         &struct{ A map[string]*ambiguous }{},
		"tag and Go name": &struct {
			A string
			B string `json:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			o := mustObject(t, `{"A":[{}]}`)
			if strings.HasPrefix(name, "in a map") {
				o = mustObject(t, `{"A":{"x":{}}}`)
			}
			for range 2 { // the second time from the memory
				require.ErrorIs(t, o.Decode(target), jose.ErrAmbiguousType)
			}
		})
	}
	t.Run("not when one hides the other", func(t *testing.T) {
		var target struct {
			account
			OrgID string `json:"org_id"`
			Skip  string `json:"-"`
			skip  string
		}
		require.NoError(t, mustObject(t, `{"org_id":"a","skip":"b","-":"c"}`).Decode(&target))
		require.Equal(t, "a", target.OrgID)
		require.Empty(t, target.account.OrgID+target.Skip+target.skip)
	})
}

// self decodes itself, by encoding/json's folding rules.
type self struct{ Seen string }

func (s *self) UnmarshalJSON(text []byte) error { s.Seen = string(text); return nil }

type byValue map[string]string

func (m byValue) UnmarshalJSON(text []byte) error { return nil }

func TestDecodeTypesThatDecodeThemselves(t *testing.T) {
	text := `{"Seen" : "x", "SEEN2":[1]}`
	for _, test := range []struct {
		name, text   string
		target, want any
	}{
		{"top", text, &self{}, &self{text}},
		{"field", `{"A":` + text + `}`, &struct{ A self }{}, &struct{ A self }{self{text}}},
		{"pointer", `{"A":` + text + `}`, &struct{ A *self }{}, &struct{ A *self }{&self{text}}},
		{"slice", `{"A":[` + text + `]}`, &struct{ A []self }{}, &struct{ A []self }{[]self{{text}}}},
		{"map", `{"A":{"x":` + text + `}}`, &struct{ A map[string]self }{}, &struct{ A map[string]self }{map[string]self{"x": {text}}}},
		{"array value", `{"A":[ 1,2 ]}`, &struct{ A self }{}, &struct{ A self }{self{`[ 1,2 ]`}}},
		{"pointer to unnamed", `{"A":` + text + `}`, &struct{ A *struct{ self } }{}, &struct{ A *struct{ self } }{&struct{ self }{self{text}}}},
		{"unnamed at the top", text, &struct{ self }{}, &struct{ self }{self{text}}},
		{"on a value", `{"A":` + text + `}`, &struct{ A byValue }{}, &struct{ A byValue }{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, mustObject(t, test.text).Decode(test.target))
			require.Equal(t, test.want, test.target)
		})
	}
	t.Run("a type that decodes text refuses an object", func(t *testing.T) {
		var target struct{ A upper }
		require.Error(t, mustObject(t, `{"A":{"x":1}}`).Decode(&target))
	})
	// encoding/json calls no method of an unnamed struct that it holds by value, but fills its fields.
	t.Run("unnamed by value does not decode itself", func(t *testing.T) {
		var target struct {
			A struct {
				self
				OrgID string `json:"org_id"`
			}
		}
		require.NoError(t, mustObject(t, `{"A":{"ORG_ID":"evil","Seen":"good"}}`).Decode(&target))
		require.Empty(t, target.A.OrgID)
		require.Equal(t, "good", target.A.Seen)
	})
}

type (
	loose struct{ X any }
	deep  struct{ loose }
	tight struct{ X account }

	shallowerWins struct { // deep.loose.X is two levels down, tight.X one
		deep
		tight
	}
	taggedWins struct {
		loose
		taggedX
	}
	taggedX struct {
		Y account `json:"X"`
	}
	taggedOwn struct {
		X any
		Y account `json:"X"`
	}
	tie struct {
		loose
		tight
	}
	tieByCopies struct {
		copyA
		copyB
	}
	copyA            struct{ tight }
	copyB            struct{ tight }
	tieBesideAnother struct {
		loose
		tight
		Lower any `json:"x"`
	}
	outerHidesTie struct {
		tie
		X account
	}
	loop struct {
		*Loop
		X account
	}
	Loop struct {
		*Loop
		Y account
	}
	hidden struct {
		account `json:"in"`
		Exported2
	}
	Exported2 struct {
		In any `json:"in"`
	}
	hiddenPointer struct {
		*account `json:"in"`
	}
)

// Where two fields want one name, the member must be filtered by the type of the one that encoding/json fills.
func TestDecodeFollowsTheFieldThatWins(t *testing.T) {
	for name, target := range map[string]any{
		"the shallower field":          &shallowerWins{},
		"the tagged field":             &taggedWins{},
		"the tagged field, one struct": &taggedOwn{},
		"no field when two tie":        &tie{},
		"no field when two copies tie": &tieByCopies{},
		"the outer field hides a tie":  &outerHidesTie{},
		"recursively embedded":         &loop{},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, mustObject(t, `{"X":{"ORG_ID":"evil","SUB":"evil","\u212aid":"evil"}}`).Decode(target))
			require.NotContains(t, fmt.Sprintf("%+v", target), "evil")

			other := reflect.New(reflect.TypeOf(target).Elem()).Interface()
			good := `{"X":{"org_id":"a","sub":"b"},"Y":{"org_id":"c"}}`
			require.NoError(t, mustObject(t, good).Decode(target))
			require.NoError(t, json.Unmarshal([]byte(good), other))
			require.Equal(t, other, target)
		})
	}
	t.Run("the name of a tie is not folded", func(t *testing.T) {
		var target tieBesideAnother // encoding/json would fill Lower
		require.NoError(t, mustObject(t, `{"X":"evil"}`).Decode(&target))
		require.Zero(t, target)
		var copies struct {
			copyA
			copyB
			Lower any `json:"x"`
		}
		require.NoError(t, mustObject(t, `{"X":"evil"}`).Decode(&copies))
		require.Zero(t, copies)
	})
	t.Run("an embedded struct of an unexported type that a tag names stays empty", func(t *testing.T) {
		target := hidden{}
		require.NoError(t, mustObject(t, `{"in":{"ORG_ID":"evil","sub":"a"}}`).Decode(&target))
		require.Zero(t, target)
		pointer := hiddenPointer{}
		require.NoError(t, mustObject(t, `{"in":{"org_id":"a"}}`).Decode(&pointer)) // encoding/json would panic
		require.Zero(t, pointer)
	})
	t.Run("an embedded pointer to an unexported type is an error", func(t *testing.T) {
		require.Error(t, mustObject(t, `{"org_id":"a"}`).Decode(&struct{ *account }{}))
		require.NoError(t, mustObject(t, `{"ORG_ID":"a"}`).Decode(&struct{ *account }{}))
	})
}

func TestDecodeTags(t *testing.T) {
	type embeddedByName struct {
		Exported `json:"in"`
	}
	type embeddedByOption struct {
		Exported `json:",omitempty"`
	}
	type invalidName struct {
		Exported   `json:"a'b"`
		B          string `json:"b\\"`
		C          string `json:"c d.e/f"`
		Dash       string `json:"-,"`
		Skip       string `json:"-"`
		E          int    `json:"e,string"`
		unexported string
		Stringer
	}
	text := `{"in":{"org_id":"1","SUB":"x"},"org_id":"2","a'b":{"org_id":"x"},"B":"3","b\\":"x","c d.e/f":"4","-":"5","e":"6","unexported":"x","Stringer":null}`
	for _, test := range []struct {
		name         string
		target, want any
	}{
		{"embedded with a name is a member", &embeddedByName{}, &embeddedByName{Exported{OrgID: "1"}}},
		{"embedded with an option only is embedded", &embeddedByOption{}, &embeddedByOption{Exported{OrgID: "2"}}},
		{"invalid names are Go names", &invalidName{}, &invalidName{Exported: Exported{OrgID: "2"}, B: "3", C: "4", Dash: "5", E: 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, mustObject(t, text).Decode(test.target))
			require.Equal(t, test.want, test.target)
		})
	}
	_ = invalidName{}.unexported
}

// Stringer is an embedded interface: a member like any other.
type Stringer interface{ String() string }
