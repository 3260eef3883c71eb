package jose

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the JSON type of a Value. The zero Kind belongs to no value.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota + 1
	False
	True
	Number
	String
	Array
	ObjectKind
)

// Object is a strictly validated JSON object. It is immutable and safe for concurrent use; the zero Object has no
// members.
type Object struct {
	src     string
	members []member
}

// ParseObject validates src as one strict JSON object (see scanner) and indexes its members.
func ParseObject(src string) (Object, error) { return parseObject(src, false) }

// ParseObjectShallow is ParseObject, but tolerates duplicate names below the outermost object. It is for sets whose
// elements are then judged one by one: one bad key must not cost the others. Below the outermost object nothing is to be
// believed before its Raw text has been through ParseObject.
func ParseObjectShallow(src string) (Object, error) { return parseObject(src, true) }

func parseObject(src string, shallow bool) (Object, error) {
	if len(src) > math.MaxInt32 {
		return Object{}, ErrSyntax
	}
	s := newScanner(src, shallow)
	defer s.free()
	if err := s.object(); err != nil {
		return Object{}, err
	}
	return Object{src: src, members: slices.Clone(s.members)}, nil
}

// Raw is the text that was validated.
func (o Object) Raw() string { return o.src }

// Size is the memory that the object holds on to, in bytes.
func (o Object) Size() int { return len(o.src) + cap(o.members)*24 }

// Get finds the member of exactly this name, compared after unescaping, code point for code point (RFC 7515,
// Section 5.3).
func (o Object) Get(name string) (Value, bool) {
	for i := range o.members {
		if m := &o.members[i]; m.is(o.src, name) {
			return m.get(o.src), true
		}
	}
	return Value{}, false
}

// All yields the members in the order of the text, names unescaped.
func (o Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i := range o.members {
			m := &o.members[i]
			name := o.src[m.name:m.nameEnd]
			if m.nameEscaped {
				name = unescape(name)
			}
			if !yield(name, m.get(o.src)) {
				return
			}
		}
	}
}

func (m *member) is(src, name string) bool {
	own := src[m.name:m.nameEnd]
	if m.nameEscaped {
		return unescape(own) == name
	}
	return own == name
}

func (m *member) get(src string) Value {
	return Value{raw: src[m.value:m.valueEnd], kind: m.kind, escaped: m.valueEscaped}
}

// Value is one value of a validated text.
type Value struct {
	raw     string
	kind    Kind
	escaped bool
}

// Kind is the value's JSON type; zero for the zero Value.
func (v Value) Kind() Kind { return v.kind }

// Raw is the value's JSON text.
func (v Value) Raw() string { return v.raw }

// Text is the content of a string, unescaped; false for any other kind.
func (v Value) Text() (string, bool) {
	if v.kind != String {
		return "", false
	}
	text := v.raw[1 : len(v.raw)-1]
	if v.escaped {
		text = unescape(text)
	}
	return text, true
}

// Seconds past the last second of the year 9999 (RFC 3339 has no way to write a later one).
const endOfTime = 253402300800

// Date reads a NumericDate (RFC 7519, Section 2): a number, fractions allowed, within the years 1970 to 9999. Anything
// else is false: a conversion to int64 that wraps around must never make a token valid.
func (v Value) Date() (time.Time, bool) {
	if v.kind != Number || v.raw[0] == '-' {
		return time.Time{}, false
	}
	if len(v.raw) <= 12 && strings.IndexByte(v.raw, '.') < 0 && v.raw[len(v.raw)-1] <= '9' {
		if seconds, err := strconv.ParseInt(v.raw, 10, 64); err == nil && seconds < endOfTime {
			return time.Unix(seconds, 0), true
		}
	}
	seconds, err := strconv.ParseFloat(v.raw, 64)
	if err != nil || !(seconds >= 0 && seconds < endOfTime) {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// Elements yields the elements of an array, and nothing for any other kind.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != Array {
			return
		}
		for pos := skipSpace(v.raw, 1); v.raw[pos] != ']'; pos = skipSpace(v.raw, pos) {
			if v.raw[pos] == ',' {
				pos = skipSpace(v.raw, pos+1)
			}
			element := valueAt(v.raw, pos)
			if !yield(element) {
				return
			}
			pos += len(element.raw)
		}
	}
}

// Members yields the members of an object, names unescaped, and nothing for any other kind.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != ObjectKind {
			return
		}
		for pos := skipSpace(v.raw, 1); v.raw[pos] != '}'; pos = skipSpace(v.raw, pos) {
			if v.raw[pos] == ',' {
				pos = skipSpace(v.raw, pos+1)
			}
			key := valueAt(v.raw, pos)
			pos = skipSpace(v.raw, pos+len(key.raw))
			pos = skipSpace(v.raw, pos+1) // the colon
			element := valueAt(v.raw, pos)
			name, _ := key.Text()
			if !yield(name, element) {
				return
			}
			pos += len(element.raw)
		}
	}
}

// Member finds the member of exactly this name in an object.
func (v Value) Member(name string) (Value, bool) {
	for own, value := range v.Members() {
		if own == name {
			return value, true
		}
	}
	return Value{}, false
}

// valueAt finds the end of the value at pos. The text is known to be valid.
func valueAt(src string, pos int) Value {
	switch c := src[pos]; c {
	case '"':
		end, escaped := skipText(src, pos)
		return Value{raw: src[pos:end], kind: String, escaped: escaped}
	case '{', '[':
		end, open := pos, 0
		for {
			switch src[end] {
			case '"':
				end, _ = skipText(src, end)
				continue
			case '{', '[':
				open++
			case '}', ']':
				open--
			}
			end++
			if open == 0 {
				break
			}
		}
		if c == '{' {
			return Value{raw: src[pos:end], kind: ObjectKind}
		}
		return Value{raw: src[pos:end], kind: Array}
	case 't':
		return Value{raw: src[pos : pos+4], kind: True}
	case 'f':
		return Value{raw: src[pos : pos+5], kind: False}
	case 'n':
		return Value{raw: src[pos : pos+4], kind: Null}
	}
	end := pos
	for end < len(src) && strings.IndexByte(",]} \t\r\n", src[end]) < 0 {
		end++
	}
	return Value{raw: src[pos:end], kind: Number}
}

// skipText finds the end of the string whose opening quote is at pos.
func skipText(src string, pos int) (end int, escaped bool) {
	for pos++; src[pos] != '"'; pos++ {
		if src[pos] == '\\' {
			escaped = true
			pos++
		}
	}
	return pos + 1, escaped
}

func skipSpace(src string, pos int) int {
	for src[pos] == ' ' || src[pos] == '\t' || src[pos] == '\n' || src[pos] == '\r' {
		pos++
	}
	return pos
}
