// Package keys is the key supply of one issuer. It parses keys with jwkset, selects them with keyfunc, and fetches them
// itself, because a request must never wait for, or be refused by, a fetch that a forged token provoked.
package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Why a key could not be given.
var (
	ErrUnknown     = errors.New("the issuer has no such key")
	ErrUnavailable = errors.New("the issuer's keys cannot be had at the moment")
	ErrClosed      = errors.New("the key store is closed")
	errLate        = errors.New("the fetch takes long")
	errCrowded     = errors.New("too many requests wait for the fetch")
)

const (
	maxWait    = 2 * time.Second // of a request, counted from the start of the fetch
	maxWaiting = 64              // requests with an unknown kid
	maxMissing = 1024            // kids remembered to be unknown
)

// Config configures a Store. All durations are positive.
type Config struct {
	Issuer          string
	JWKSURL         string // empty: found by discovery
	Static          string // a JWK Set; then nothing is ever fetched
	Algorithms      []string
	Transport       http.RoundTripper // from Transport
	Timeout         time.Duration     // of a whole refresh; zero means 5 s
	Cleartext       bool              // http is allowed, to loopback and private addresses
	PublicOnly      bool              // no private address, also of the issuer's own host
	RefreshInterval time.Duration
	RefreshCooldown time.Duration
	MaxStale        time.Duration
	OnEvent         func(Event) // may be nil; called on the goroutine of the fetch
}

// Store holds the keys of one issuer. It is safe for concurrent use.
//
// It has no goroutine of its own. The first fetch is begun by who first needs a key; from then on a timer begins the
// next one. A fetch runs detached from whoever began it.
type Store struct {
	config  Config
	current atomic.Pointer[snapshot]
	waiting atomic.Int32

	mu        sync.Mutex
	flight    *flight   // the fetch under way, if any
	allowed   time.Time // when a token may provoke the next fetch
	next      time.Time // when the timer begins the next fetch
	timer     *time.Timer
	failures  int // in a row
	lastError error
	missing   map[selector]struct{} // asked for, and not brought by the last fetch
	source    source
	closed    bool

	ready    chan struct{} // closed with the first set
	lifetime context.Context
	end      context.CancelFunc
	fetches  sync.WaitGroup
}

// snapshot is what the last successful fetch brought or confirmed.
type snapshot struct {
	set     *Set
	fetched time.Time
	fresh   time.Time // until then no fetch is allowed, so a key that is not in the set is unknown
}

// New makes a Store and, for a static set, parses it. It fetches nothing.
func New(config Config) (*Store, error) {
	if config.Timeout <= 0 || config.Timeout > fetchTimeout {
		config.Timeout = fetchTimeout
	}
	s := &Store{config: config, ready: make(chan struct{})}
	s.lifetime, s.end = context.WithCancel(context.Background())
	if config.Static != "" {
		set, err := ParseSet(config.Static, config.Algorithms)
		if err != nil {
			return nil, err
		}
		s.current.Store(&snapshot{set: set})
		close(s.ready)
	}
	return s, nil
}

// Key finds the key for a token. ErrUnknown is the token's fault, ErrUnavailable is ours. It waits for a fetch at most
// 2 s, and only if one might bring the key.
func (s *Store) Key(ctx context.Context, alg, id string, hasID bool) (*Key, error) {
	now := time.Now()
	usable := s.usable(now)
	if usable != nil {
		if key, ok := usable.set.Select(alg, id, hasID); ok {
			return key, nil
		}
		if s.config.Static != "" || now.Before(usable.fresh) {
			return nil, ErrUnknown // the set is as fresh as can be
		}
		if s.askedInVain(alg, id, now) {
			return nil, ErrUnknown
		}
	}
	err := s.wait(ctx, now, usable != nil)
	now = time.Now()
	if usable = s.usable(now); usable == nil {
		return nil, s.unavailable(err)
	}
	// Even if the wait was in vain: another fetch may have ended between the first look and the wait.
	if key, ok := usable.set.Select(alg, id, hasID); ok {
		return key, nil
	}
	if err == nil {
		s.remember(alg, id)
		return nil, ErrUnknown
	}
	if now.Before(usable.fresh) {
		return nil, ErrUnknown
	}
	return nil, s.unavailable(err)
}

// usable is the last good set, until it is too old to be believed.
func (s *Store) usable(now time.Time) *snapshot {
	last := s.current.Load()
	if last == nil || s.config.Static == "" && now.Sub(last.fetched) > s.config.MaxStale {
		return nil
	}
	return last
}

// askedInVain tells whether the last fetch was made for this very key and succeeded without it. Such a key is asked
// for again, but nobody waits: a token sent over and over must not take the places of others who wait.
func (s *Store) askedInVain(alg, id string, now time.Time) bool {
	s.mu.Lock()
	_, known := s.missing[selector{canonical(alg), id}]
	known = known && s.lastError == nil
	s.mu.Unlock()
	if known {
		s.fetch(now)
	}
	return known
}

// remember notes a key that a fetch was made for and did not bring. The note dies with the next successful fetch.
func (s *Store) remember(alg, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing == nil {
		s.missing = make(map[selector]struct{})
	}
	if len(s.missing) < maxMissing && len(id) <= 256 {
		s.missing[selector{canonical(alg), id}] = struct{}{}
	}
}

// wait asks for a fetch and waits for its end; nil means that it succeeded. While there is a set that serves others,
// only so many may wait; without one, there is nothing better to do.
func (s *Store) wait(ctx context.Context, now time.Time, limited bool) error {
	if limited {
		if s.waiting.Add(1) > maxWaiting {
			s.waiting.Add(-1)
			return errCrowded
		}
		defer s.waiting.Add(-1)
	}
	f := s.fetch(now)
	if f == nil {
		return errLate
	}
	patience := maxWait - now.Sub(f.started)
	if patience <= 0 {
		return errLate
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-f.done:
		return f.err
	case <-late.C:
		return errLate
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unavailable says why there is no answer: the last fetch's error if it failed, else err.
func (s *Store) unavailable(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		err = ErrClosed
	} else if s.lastError != nil {
		err = s.lastError
	} else if err == nil {
		err = errLate
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Ready begins the first fetch, if nobody has, and waits until the store has had a usable set. It latches.
func (s *Store) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	s.fetch(time.Now())
	select {
	case <-s.ready:
		return nil
	case <-s.lifetime.Done():
		return ErrClosed
	case <-ctx.Done():
		return s.unavailable(ctx.Err())
	}
}

// Refresh fetches now, whatever the cool-down says, and waits. A fetch that is under way does not count: it may have
// begun before what the caller wants to see.
func (s *Store) Refresh(ctx context.Context) error {
	if s.config.Static != "" {
		return errors.New("the key set is part of the configuration")
	}
	s.mu.Lock()
	older := s.flight
	s.mu.Unlock()
	for {
		s.mu.Lock()
		f := s.begin(time.Now())
		s.mu.Unlock()
		if f == nil {
			return s.unavailable(ErrClosed)
		}
		select {
		case <-f.done:
			if f != older {
				return f.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status describes a Store.
type Status struct {
	Keys        int
	Fetched     time.Time // last success; zero if never, or if the set is static
	NextRefresh time.Time
	Usable      bool
	Err         error // of the last fetch
}

// Status is a copy of the store's state.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{NextRefresh: s.next, Err: s.lastError, Usable: s.usable(time.Now()) != nil}
	if last := s.current.Load(); last != nil {
		status.Keys, status.Fetched = last.set.Len(), last.fetched
	}
	return status
}

// Close ends the timer and running fetches, waits for them, and forgets the keys: from then on there are none to be had.
// It may be called more than once.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed, s.next = true, time.Time{}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.end()
	s.fetches.Wait()
	s.current.Store(nil)
}
