package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// maxKeys bounds a set. Real ones have a handful.
const maxKeys = 1024

// Set is an immutable set of keys that were all checked: whatever it hands out may verify.
type Set struct {
	byID   map[selector]*Key
	sole   map[string]*Key // algorithm → its only key; nil where there are several
	all    []*Key
	Passed []error // why other keys of the document were passed over
}

type selector struct{ algorithm, id string }

var (
	errNoKeys   = errors.New("the document has no array of keys")
	errNoUsable = errors.New("the document has no usable key")
	errTooMany  = errors.New("the document has too many keys")
)

// ParseSet reads a JWK Set (RFC 7517, Section 5). A bad key is passed over, so that it does not cost the good ones; a
// document without a usable key is an error.
func ParseSet(document string, allowed []string) (*Set, error) {
	o, err := jose.ParseObjectShallow(document)
	if err != nil {
		return nil, fmt.Errorf("JWK Set: %w", err)
	}
	array, _ := o.Get("keys")
	if array.Kind() != jose.Array {
		return nil, errNoKeys
	}
	s := &Set{byID: make(map[selector]*Key), sole: make(map[string]*Key)}
	var good []*Key
	mixed := declaresEncryption(array)
	n := 0
	for raw := range array.Elements() {
		if n++; n > maxKeys {
			return nil, errTooMany
		}
		k, err := parseKey(raw, allowed)
		if _, hasUse := raw.Member("use"); err == nil && mixed && !hasUse {
			err = errKeyUse // RFC 8414, Section 2, jwks_uri: in a mixed set every key says what it is for
		}
		if err != nil {
			s.Passed = append(s.Passed, fmt.Errorf("key %d: %w", n, err))
			continue
		}
		good = append(good, k)
	}
	s.file(good)
	if len(s.all) == 0 {
		return nil, s.unusable()
	}
	return s, nil
}

// unusable says why no key is usable, but not of a thousand keys why each is not.
func (s *Set) unusable() error {
	const most = 16
	causes := append([]error{errNoUsable}, s.Passed[:min(len(s.Passed), most)]...)
	if more := len(s.Passed) - most; more > 0 {
		causes = append(causes, fmt.Errorf("and %d more keys", more))
	}
	return errors.Join(causes...)
}

func declaresEncryption(array jose.Value) bool {
	for raw := range array.Elements() {
		use, _ := raw.Member("use")
		if text, _ := use.Text(); text == "enc" {
			return true
		}
	}
	return false
}

// file indexes the keys. Of keys with the same kid and algorithm, identical ones are one key, and different ones are
// none: which of them signs is not for us to guess (RFC 7517, Section 4.5).
func (s *Set) file(good []*Key) {
	conflicts := make(map[selector]bool)
	perAlgorithm := make(map[string]*storage)
	var distinct []*Key
	for _, k := range good {
		if !k.hasID {
			distinct = append(distinct, k)
			continue
		}
		at := selector{k.algorithm, k.id}
		if other, ok := s.byID[at]; ok {
			if other.material != k.material {
				conflicts[at] = true
			}
			continue
		}
		s.byID[at] = k
		distinct = append(distinct, k)
	}
	for at := range conflicts {
		delete(s.byID, at)
		s.Passed = append(s.Passed, fmt.Errorf("kid %s: different keys", jose.Quote(at.id)))
	}
	counted := make(map[string]int)
	seen := make(map[selector]bool)
	for _, k := range distinct {
		if k.hasID && s.byID[selector{k.algorithm, k.id}] != k {
			continue
		}
		if perAlgorithm[k.algorithm] == nil {
			perAlgorithm[k.algorithm] = newStorage()
		}
		if err := k.choose(perAlgorithm[k.algorithm]); err != nil {
			delete(s.byID, selector{k.algorithm, k.id})
			s.Passed = append(s.Passed, err)
			continue
		}
		s.all = append(s.all, k)
		if at := (selector{k.algorithm, k.material}); !seen[at] {
			seen[at] = true
			counted[k.algorithm]++
		}
		s.sole[k.algorithm] = k
		if counted[k.algorithm] > 1 {
			s.sole[k.algorithm] = nil
		}
	}
}

// Select finds the key for a token's alg and kid: by kid from the keys that have one; without a kid, the single key of
// the algorithm, if there is exactly one.
func (s *Set) Select(alg, id string, hasID bool) (*Key, bool) {
	alg = canonical(alg)
	if hasID {
		k, ok := s.byID[selector{alg, id}]
		return k, ok
	}
	k := s.sole[alg]
	return k, k != nil
}

// Len is the number of usable keys.
func (s *Set) Len() int { return len(s.all) }

// find is the key of this set with k's kid and algorithm; for a key without kid, the equal one.
func (s *Set) find(k *Key) *Key {
	if k.hasID {
		return s.byID[selector{k.algorithm, k.id}]
	}
	for _, own := range s.all {
		if !own.hasID && own.algorithm == k.algorithm && own.material == k.material {
			return own
		}
	}
	return nil
}

// adopt replaces keys by the equal ones of the last set, so that a key is one pointer for as long as it is published,
// and what was verified with it can tell that it still is.
func (s *Set) adopt(last *Set) {
	for i, k := range s.all {
		old := last.find(k)
		if old == nil || old.material != k.material {
			continue
		}
		s.all[i] = old
		if k.hasID {
			s.byID[selector{k.algorithm, k.id}] = old
		}
		if s.sole[k.algorithm] == k {
			s.sole[k.algorithm] = old
		}
	}
}

// storage is a jwkset.Storage that finds a key by its kid in constant time.
type storage struct {
	*jwkset.MemoryJWKSet
	byID map[string]*jwkset.JWK
}

func newStorage() *storage {
	return &storage{MemoryJWKSet: jwkset.NewMemoryStorage(), byID: make(map[string]*jwkset.JWK)}
}

// KeyRead implements jwkset.Storage.
func (s *storage) KeyRead(_ context.Context, id string) (jwkset.JWK, error) {
	jwk, ok := s.byID[id]
	if !ok {
		return jwkset.JWK{}, jwkset.ErrKeyNotFound
	}
	return *jwk, nil
}

// choose lets keyfunc select the key, once, as it would for a token of the key's algorithm and kid; the set remembers
// the answer, so that a request costs one map access.
func (k *Key) choose(from *storage) error {
	from.byID[k.id] = k.jwk
	selected, err := keyfunc.New(keyfunc.Options{Storage: from, UseWhitelist: []jwkset.USE{jwkset.UseSig}})
	if err != nil {
		return err
	}
	k.jwk = nil
	k.public, err = selected.Keyfunc(&jwt.Token{Header: map[string]any{"alg": k.algorithm, "kid": k.id}})
	return err
}
