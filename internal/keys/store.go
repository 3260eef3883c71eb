// Package keys is the key supply of one issuer. It parses keys with jwkset, selects them with keyfunc, and fetches them
// itself, because a request must never wait for, or be refused by, a fetch that a forged token provoked.
package keys

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Why a key could not be given.
var (
	ErrUnknown     = errors.New("the issuer has no such key")
	ErrUnavailable = errors.New("the issuer's keys cannot be had at the moment")
	ErrClosed      = errors.New("the key store is closed")
)

const (
	maxWait    = 2 * time.Second
	maxWaiting = 64
)

// Config configures a Store. All durations are positive.
type Config struct {
	Issuer          string
	JWKSURL         string // empty: found by discovery
	Static          string // a JWK Set; then nothing is ever fetched
	Algorithms      []string
	Transport       http.RoundTripper // from Transport
	Timeout         time.Duration     // of one fetch; zero means 5 s
	Cleartext       bool
	RefreshInterval time.Duration
	RefreshCooldown time.Duration
	MaxStale        time.Duration
}

// Store holds the keys of one issuer. It is safe for concurrent use. It starts no goroutine of its own accord: a fetch
// is begun by who asks for a key, and runs detached from him.
type Store struct {
	config  Config
	current atomic.Pointer[snapshot]
	flight  singleflight.Group
	waiting atomic.Int32

	mu        sync.Mutex
	flying    bool
	allowed   time.Time // when the next fetch may begin
	lastError error

	lifetime context.Context
	end      context.CancelFunc
	fetches  sync.WaitGroup
	closed   bool
}

// snapshot is what one successful fetch brought.
type snapshot struct {
	set     *Set
	fetched time.Time
	fresh   time.Time // until then no fetch is allowed, so a key that is not in the set is unknown
	due     time.Time // for the next refresh
}

// New makes a Store and, for a static set, parses it. It fetches nothing.
func New(config Config) (*Store, error) {
	if config.Timeout <= 0 || config.Timeout > fetchTimeout {
		config.Timeout = fetchTimeout
	}
	s := &Store{config: config}
	s.lifetime, s.end = context.WithCancel(context.Background())
	if config.Static != "" {
		set, err := ParseSet(config.Static, config.Algorithms)
		if err != nil {
			return nil, err
		}
		s.current.Store(&snapshot{set: set})
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
			if s.config.Static == "" && !now.Before(usable.due) {
				s.fetch(now) // in the background; this token is served from what we have
			}
			return key, nil
		}
		if s.config.Static != "" || now.Before(usable.fresh) {
			return nil, ErrUnknown // the set is as fresh as can be
		}
	}
	err := s.wait(ctx, now)
	now = time.Now()
	if usable = s.usable(now); usable == nil {
		return nil, s.unavailable()
	}
	// Even if the wait was in vain: another fetch may have ended between the first look and the wait.
	if key, ok := usable.set.Select(alg, id, hasID); ok {
		return key, nil
	}
	if err == nil || now.Before(usable.fresh) {
		return nil, ErrUnknown
	}
	return nil, err
}

// usable is the last good set, until it is too old to be believed.
func (s *Store) usable(now time.Time) *snapshot {
	last := s.current.Load()
	if last == nil || s.config.Static == "" && now.Sub(last.fetched) > s.config.MaxStale {
		return nil
	}
	return last
}

// Ready waits until the store has had a usable set.
func (s *Store) Ready(ctx context.Context) error {
	for s.current.Load() == nil {
		done := s.fetch(time.Now())
		if done == nil { // not yet allowed to try again
			select {
			case <-time.After(s.config.RefreshCooldown / 4):
			case <-ctx.Done():
				return errors.Join(ctx.Err(), s.unavailable())
			case <-s.lifetime.Done():
				return ErrClosed
			}
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.unavailable())
		}
	}
	return nil
}

// Close ends running fetches and waits for them. Later calls for a key are refused.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.fetches.Wait()
}

func (s *Store) unavailable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastError != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, s.lastError)
	}
	return ErrUnavailable
}

// wait asks for a fetch and waits for its end; nil means that it succeeded.
func (s *Store) wait(ctx context.Context, now time.Time) error {
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return ErrUnavailable
	}
	defer s.waiting.Add(-1)
	done := s.fetch(now)
	if done == nil {
		return s.unavailable()
	}
	late := time.NewTimer(maxWait)
	defer late.Stop()
	select {
	case result := <-done:
		if result.Err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, result.Err)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("%w: the fetch takes long", ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// fetch joins the running fetch or begins one; nil says that the cool-down does not allow it yet. It never waits.
func (s *Store) fetch(now time.Time) <-chan singleflight.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.flying && now.Before(s.allowed) {
		return nil
	}
	if !s.flying {
		s.flying = true
		s.fetches.Add(1)
	}
	return s.flight.DoChan("", s.run)
}

// run is one fetch. Its context is the store's: a caller that hangs up must not fail the others.
func (s *Store) run() (any, error) {
	defer s.fetches.Done()
	ctx, cancel := context.WithTimeout(s.lifetime, s.config.Timeout)
	defer cancel()
	set, err := s.load(ctx)
	now := time.Now()
	allowed := now.Add(jitter(s.config.RefreshCooldown, 0.2))
	if err == nil {
		due := now.Add(jitter(s.config.RefreshInterval, 0.1))
		s.current.Store(&snapshot{set: set, fetched: now, fresh: allowed, due: due})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying, s.allowed, s.lastError = false, allowed, err
	s.flight.Forget("") // from here on the next fetch is another one
	return nil, err
}

func (s *Store) load(ctx context.Context) (set *Set, err error) {
	defer func() {
		if cause := recover(); cause != nil { // in a caller's own Transport: it must not end the process
			set, err = nil, fmt.Errorf("panic with a %T while fetching", cause)
		}
	}()
	f := fetcher{transport: s.config.Transport, timeout: s.config.Timeout, cleartext: s.config.Cleartext}
	target, allowed := s.config.JWKSURL, reachConfigured
	if target == "" {
		var err error
		if target, err = f.discover(ctx, s.config.Issuer); err != nil {
			return nil, err
		}
		allowed = reachOf(target, s.config.Issuer)
	}
	document, err := f.get(ctx, target, allowed)
	if err != nil {
		return nil, fmt.Errorf("JWK Set: %w", err)
	}
	return ParseSet(document, s.config.Algorithms)
}

// jitter spreads d to either side, so that a fleet does not fetch in step and nobody can tell when the next fetch will
// be allowed.
func jitter(d time.Duration, fraction float64) time.Duration {
	return time.Duration(float64(d) * (1 - fraction + 2*fraction*rand.Float64()))
}
