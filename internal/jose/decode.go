package jose

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// Decode stores the object in the value that target points to, by encoding/json's rules and tags, except that a
// struct field takes a member of exactly its name, at every depth. (encoding/json folds case: it would fill a field
// tagged org_id from a member ORG_ID.) What the target held before is replaced as a whole.
//
// A type with its own UnmarshalJSON sees its value unfiltered.
func (o Object) Decode(target any) error {
	pointer := reflect.ValueOf(target)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(target)}
	}
	text := "{}" // the zero Object has no members, and no text
	if o.src != "" {
		text = o.src[skipSpace(o.src, 0):]
	}
	fresh := reflect.New(pointer.Type().Elem())
	exact, err := appendExact(make([]byte, 0, len(text)), Value{raw: text, kind: ObjectKind}, fresh.Type())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(exact, fresh.Interface()); err != nil {
		return err
	}
	pointer.Elem().Set(fresh.Elem())
	return nil
}

// appendExact appends v without the members that encoding/json would match to a field of t by folding alone.
func appendExact(out []byte, v Value, t reflect.Type) ([]byte, error) {
	for t.Kind() == reflect.Pointer {
		if decodesItself(t) {
			return append(out, v.raw...), nil
		}
		t = t.Elem()
	}
	// Without a pointer, encoding/json looks for methods only on types that have a name: the fields of an unnamed
	// struct are filled one by one even if an embedded field lends it an UnmarshalJSON.
	if t.Name() != "" && decodesItself(reflect.PointerTo(t)) {
		return append(out, v.raw...), nil
	}
	switch {
	case v.kind == ObjectKind && t.Kind() == reflect.Struct:
		types, err := memberTypes(t)
		if err != nil {
			return nil, err
		}
		return appendMembers(out, v, func(name string) (reflect.Type, bool) {
			member, ok := types[name]
			return member, ok
		})
	case v.kind == ObjectKind && t.Kind() == reflect.Map:
		return appendMembers(out, v, func(string) (reflect.Type, bool) { return t.Elem(), true })
	case v.kind == Array && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		out = append(out, '[')
		empty := len(out)
		for element := range v.Elements() {
			if len(out) > empty {
				out = append(out, ',')
			}
			var err error
			if out, err = appendExact(out, element, t.Elem()); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	}
	return append(out, v.raw...), nil
}

func appendMembers(out []byte, v Value, typeOf func(name string) (reflect.Type, bool)) ([]byte, error) {
	out = append(out, '{')
	empty := len(out)
	for name, value := range v.Members() {
		t, ok := typeOf(name)
		if !ok {
			continue
		}
		if len(out) > empty {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		out = append(append(out, quoted...), ':')
		if out, err = appendExact(out, value, t); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func decodesItself(t reflect.Type) bool {
	return t.Implements(jsonUnmarshaler) || t.Implements(textUnmarshaler)
}
