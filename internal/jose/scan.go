package jose

import (
	"errors"
	"sync"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting of objects and arrays that is accepted; the outermost object counts as one.
const MaxDepth = 16

// Why a text is refused. None of them carries anything of the text.
var (
	ErrSyntax    = errors.New("not strict JSON")
	ErrNotObject = errors.New("not a JSON object")
	ErrTrailing  = errors.New("data after the JSON object")
	ErrUTF8      = errors.New("invalid UTF-8 or lone surrogate")
	ErrDepth     = errors.New("nested too deeply")
	ErrDuplicate = errors.New("member name occurs twice, or twice but for its case")
	ErrNumber    = errors.New("number out of range")
)

// scanner validates one JSON text in a single pass, without reflection and without copying. It is stricter than
// encoding/json: valid UTF-8 only, no lone surrogates, bounded depth, numbers below 1e308, and in every object
// names that differ even after case folding, because a decoder behind us might fold them (RFC 8725, Section 2.4
// describes what such disagreement leads to).
type scanner struct {
	src     string
	pos     int
	depth   int
	shallow bool     // judge duplicate names of the outermost object only
	members []member // of the outermost object
	names   []uint64 // hashes of the folded names of all objects now open
}

// member is one member of the outermost object, as offsets into the text.
type member struct {
	name, nameEnd   uint32 // without the quotes
	value, valueEnd uint32
	kind            Kind
	nameEscaped     bool
	valueEscaped    bool
}

// Scanners keep their scratch space, but never more than a token of ordinary size needs.
var scanners = sync.Pool{New: func() any {
	return &scanner{members: make([]member, 0, 32), names: make([]uint64, 0, 64)}
}}

func newScanner(src string, shallow bool) *scanner {
	s := scanners.Get().(*scanner)
	*s = scanner{src: src, shallow: shallow, members: s.members[:0], names: s.names[:0]}
	return s
}

func (s *scanner) free() {
	s.src = ""
	if cap(s.members) <= 256 && cap(s.names) <= 256 {
		scanners.Put(s)
	}
}

// object scans a whole text that must be one JSON object.
func (s *scanner) object() error {
	s.space()
	if s.pos >= len(s.src) || s.src[s.pos] != '{' {
		if _, _, err := s.value(); err != nil {
			return err
		}
		return ErrNotObject
	}
	if err := s.body(true); err != nil {
		return err
	}
	s.space()
	if s.pos != len(s.src) {
		return ErrTrailing
	}
	return nil
}

// value scans one value and tells its kind and, for a string, whether it holds escapes.
func (s *scanner) value() (Kind, bool, error) {
	if s.pos >= len(s.src) {
		return 0, false, ErrSyntax
	}
	switch c := s.src[s.pos]; {
	case c == '"':
		s.pos++
		escaped, err := s.text()
		return String, escaped, err
	case c == '-' || '0' <= c && c <= '9':
		return Number, false, s.number()
	case c == '{':
		return ObjectKind, false, s.body(false)
	case c == '[':
		return Array, false, s.elements()
	case c == 't':
		return True, false, s.literal("true")
	case c == 'f':
		return False, false, s.literal("false")
	case c == 'n':
		return Null, false, s.literal("null")
	}
	return 0, false, ErrSyntax
}

// body scans an object; s.pos is at its brace. Members of the outermost object are kept.
func (s *scanner) body(outermost bool) error {
	if s.depth++; s.depth > MaxDepth {
		return ErrDepth
	}
	judge := outermost || !s.shallow
	opened := len(s.names)
	s.pos++
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == '}' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if s.pos >= len(s.src) || s.src[s.pos] != '"' {
			return ErrSyntax
		}
		s.pos++
		m := member{name: uint32(s.pos)}
		var err error
		if m.nameEscaped, err = s.text(); err != nil {
			return err
		}
		m.nameEnd = uint32(s.pos - 1)
		if judge {
			s.names = append(s.names, foldedHash(s.src[m.name:m.nameEnd], m.nameEscaped))
		}
		s.space()
		if s.pos >= len(s.src) || s.src[s.pos] != ':' {
			return ErrSyntax
		}
		s.pos++
		s.space()
		m.value = uint32(s.pos)
		if m.kind, m.valueEscaped, err = s.value(); err != nil {
			return err
		}
		m.valueEnd = uint32(s.pos)
		if outermost {
			s.members = append(s.members, m)
		}
		s.space()
		if s.pos >= len(s.src) {
			return ErrSyntax
		}
		c := s.src[s.pos]
		s.pos++
		if c == '}' {
			break
		}
		if c != ',' {
			return ErrSyntax
		}
		s.space()
	}
	s.depth--
	if collide(s.names[opened:]) {
		return ErrDuplicate
	}
	s.names = s.names[:opened]
	return nil
}

// elements scans an array; s.pos is at its bracket.
func (s *scanner) elements() error {
	if s.depth++; s.depth > MaxDepth {
		return ErrDepth
	}
	s.pos++
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if _, _, err := s.value(); err != nil {
			return err
		}
		s.space()
		if s.pos >= len(s.src) {
			return ErrSyntax
		}
		c := s.src[s.pos]
		s.pos++
		if c == ']' {
			s.depth--
			return nil
		}
		if c != ',' {
			return ErrSyntax
		}
		s.space()
	}
}

// text scans a string; s.pos is behind its opening quote and ends behind the closing one.
func (s *scanner) text() (escaped bool, err error) {
	src, pos := s.src, s.pos
	for pos < len(src) {
		switch c := src[pos]; {
		case c == '"':
			s.pos = pos + 1
			return escaped, nil
		case c == '\\':
			escaped = true
			size, err := escape(src[pos:])
			if err != nil {
				return false, err
			}
			pos += size
		case c < 0x20:
			return false, ErrSyntax
		case c < utf8.RuneSelf:
			pos++
		default:
			r, size := utf8.DecodeRuneInString(src[pos:])
			if r == utf8.RuneError && size == 1 {
				return false, ErrUTF8
			}
			pos += size
		}
	}
	return false, ErrSyntax
}

func (s *scanner) literal(word string) error {
	if len(s.src)-s.pos < len(word) || s.src[s.pos:s.pos+len(word)] != word {
		return ErrSyntax
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}
