package keys

import "fmt"

// EventKind says what happened to a key or a set.
type EventKind uint8

// The kinds of events.
const (
	KeyAdded EventKind = iota + 1
	KeyRemoved
	KeyReplaced // the same kid and algorithm, but other key material
	KeyRefused  // published, but passed over: see Err
	SetRefused  // a fetch failed, or brought nothing usable: see Err
)

// Event is one thing that the operator may want to know about an issuer's keys.
type Event struct {
	Issuer    string
	Kind      EventKind
	KeyID     string // empty for a key without kid, and where it is not known
	Algorithm string
	Err       error
}

// changes compares the new set with the last one. A hostile issuer must not fill the operator's disk, so only so many
// are told of one fetch.
func (s *Store) changes(last *snapshot, set *Set) []Event {
	before := &Set{}
	if last != nil {
		before = last.set
	}
	if before == set {
		return nil
	}
	var events []Event
	add := func(kind EventKind, k *Key, err error) {
		event := Event{Issuer: s.config.Issuer, Kind: kind, Err: err}
		if k != nil {
			event.KeyID, event.Algorithm = k.id, k.algorithm
		}
		events = append(events, event)
	}
	for _, k := range set.all {
		if old := before.find(k); old == nil {
			add(KeyAdded, k, nil)
		} else if old.material != k.material {
			add(KeyReplaced, k, nil)
		}
	}
	for _, k := range before.all {
		if set.find(k) == nil {
			add(KeyRemoved, k, nil)
		}
	}
	for _, err := range set.Passed {
		add(KeyRefused, nil, err)
	}
	if more := len(events) - maxSetEvents; more > 0 {
		events = events[:maxSetEvents]
		add(KeyRefused, nil, fmt.Errorf("and %d more changes", more))
	}
	return events
}

// tell calls the operator's hook, whose panic must not end the process.
func (s *Store) tell(event Event) {
	if s.config.OnEvent == nil {
		return
	}
	defer func() { _ = recover() }()
	s.config.OnEvent(event)
}
