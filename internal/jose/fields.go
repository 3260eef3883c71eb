package jose

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// ErrAmbiguousType means that a target type has two fields whose names differ in case only, so that encoding/json
// might fill one from the other's member.
var ErrAmbiguousType = errors.New("two fields whose names differ in case only")

type memberSet struct {
	types map[string]reflect.Type
	err   error
}

var memberSets sync.Map // reflect.Type → memberSet

// memberTypes lists the member names that encoding/json may store in the struct type t, embedded structs included.
func memberTypes(t reflect.Type) (map[string]reflect.Type, error) {
	if known, ok := memberSets.Load(t); ok {
		return known.(memberSet).types, known.(memberSet).err
	}
	set := memberSet{types: collectMembers(t)}
	folded := make(map[string]bool, len(set.types))
	for name := range set.types {
		fold := strings.Map(foldRune, name)
		if folded[fold] {
			set.err = fmt.Errorf("%w: %s in %v", ErrAmbiguousType, strconv.Quote(name), t)
		}
		folded[fold] = true
	}
	memberSets.Store(t, set)
	return set.types, set.err
}

// collectMembers follows encoding/json to the letter: of the fields with one name the shallowest gets the member, among
// these the tagged one, and if there still are two, none. A shorter rule would be tempting; however, it would filter
// a member by the type of one field while encoding/json stores it in another, and folds below.
func collectMembers(t reflect.Type) map[string]reflect.Type {
	all := make(map[string]reflect.Type) // nil: taken, but by no field that may be filled
	seen := make(map[reflect.Type]bool)
	for level := map[reflect.Type]int{t: 1}; len(level) > 0; {
		next := make(map[reflect.Type]int)
		tagged, plain := make(map[string][]reflect.Type), make(map[string][]reflect.Type)
		for structure, copies := range level {
			if seen[structure] {
				continue
			}
			seen[structure] = true
			for i := range structure.NumField() {
				field := structure.Field(i)
				name, found := tagName(field), plain
				switch {
				case field.Tag.Get("json") == "-", !field.IsExported() && embedded(field) == nil:
					continue
				case name == "" && embedded(field) != nil:
					next[embedded(field)]++
					continue
				case name == "":
					name = field.Name
				default:
					found = tagged
				}
				member := field.Type
				if !field.IsExported() {
					member = nil // an embedded struct that a tag names: encoding/json cannot set every such field, or call its methods
				}
				found[name] = append(found[name], member)
				if copies > 1 {
					found[name] = append(found[name], member)
				}
			}
		}
		for name, fields := range plain {
			if tagged[name] == nil {
				tagged[name] = fields
			}
		}
		for name, fields := range tagged {
			if _, shallower := all[name]; shallower {
				continue
			}
			if all[name] = nil; len(fields) == 1 {
				all[name] = fields[0]
			}
		}
		level = next
	}
	maps.DeleteFunc(all, func(_ string, member reflect.Type) bool { return member == nil })
	return all
}

// embedded is the struct type that the field embeds, directly or by a pointer, or nil.
func embedded(field reflect.StructField) reflect.Type {
	t := field.Type
	if field.Anonymous && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !field.Anonymous || t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// tagName is the name in the field's tag, if encoding/json would take it.
func tagName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) {
			return ""
		}
	}
	return name
}
