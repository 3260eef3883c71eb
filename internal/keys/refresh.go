package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

var errAborted = errors.New("the fetch ended without a result") // a caller's Transport called runtime.Goexit

const (
	minInterval  = time.Minute // however short the issuer's max-age is
	rediscovery  = time.Hour   // how long a discovered jwks_uri is believed
	maxSetEvents = 64          // told about one fetch
)

// source is what is known about where the keys come from. Only the fetch under way touches it.
type source struct {
	jwksURL    string // discovered
	discovered time.Time
	etag       string
	digest     [sha256.Size]byte // of the last good document
}

// flight is one fetch. Waiting for it leaves nothing behind, however many wait and however often.
type flight struct {
	started time.Time
	done    chan struct{} // closed at its end
	err     error         // to be read when it is done
}

// fetch joins the fetch under way or begins one; nil says that the cool-down does not allow it yet. It never waits.
func (s *Store) fetch(now time.Time) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && now.Before(s.allowed) {
		return nil
	}
	return s.begin(now)
}

// begin is fetch whatever the cool-down says; s.mu is held.
func (s *Store) begin(now time.Time) *flight {
	if s.closed || s.config.Static != "" {
		return nil
	}
	if s.flight == nil {
		f := &flight{started: now, done: make(chan struct{})}
		s.flight = f
		s.fetches.Go(func() { s.run(f) })
	}
	return s.flight
}

// onTimer is the scheduled refresh. It goes by its own time and not by the cool-down.
func (s *Store) onTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(time.Now())
}

// run is one fetch. Its context is the store's: a caller that hangs up must not fail the others.
func (s *Store) run(f *flight) {
	last := s.current.Load()
	set, advice, err := (*Set)(nil), time.Duration(-1), errAborted
	defer func() { s.land(f, last, set, advice, err) }()
	ctx, cancel := context.WithTimeout(s.lifetime, s.config.Timeout)
	defer cancel()
	set, advice, err = s.load(ctx, last)
}

// land takes over what a fetch brought, lets those who wait for it go on, and then tells the operator.
func (s *Store) land(f *flight, last *snapshot, set *Set, advice time.Duration, err error) {
	now := time.Now()
	cooldown := jitter(s.config.RefreshCooldown, 0.2)
	var events []Event
	switch {
	case s.lifetime.Err() != nil:
		err = ErrClosed
	case err == nil:
		events = s.changes(last, set)
		s.current.Store(&snapshot{set: set, fetched: now, fresh: now.Add(cooldown)})
		if last == nil {
			close(s.ready)
		}
	default:
		events = []Event{{Issuer: s.config.Issuer, Kind: SetRefused, Err: err}}
	}

	s.mu.Lock()
	s.flight, s.lastError, s.allowed = nil, err, now.Add(cooldown)
	if err == nil {
		s.failures, s.missing = 0, nil
	} else {
		s.failures++
		// Retry-After is heeded, but the issuer does not decide for how long we are blind.
		s.allowed = now.Add(max(cooldown, min(advice, s.config.RefreshInterval)))
	}
	s.schedule(now, s.untilNext(err == nil, advice))
	s.mu.Unlock()
	f.err = err
	close(f.done)

	for _, event := range events {
		s.tell(event)
	}
}

// untilNext is the time to the next scheduled fetch. After a success, advice is the issuer's max-age, which can only
// shorten the interval; after a failure it is Retry-After, beside an exponential back-off.
func (s *Store) untilNext(success bool, advice time.Duration) time.Duration {
	if success {
		interval := s.config.RefreshInterval
		if advice >= 0 {
			interval = min(interval, max(advice, minInterval))
		}
		return jitter(interval, 0.1)
	}
	backOff := s.config.RefreshCooldown
	for range min(s.failures-1, 16) {
		backOff = min(2*backOff, s.config.RefreshInterval)
	}
	advice = min(advice, s.config.RefreshInterval)
	// An eighth more, so that the jitter does not end before Retry-After does.
	return jitter(min(max(backOff, advice+advice/8), s.config.RefreshInterval), 0.1)
}

// schedule sets the timer; s.mu is held. Go's timers are the one scheduler of all stores: they cost no goroutine.
func (s *Store) schedule(now time.Time, in time.Duration) {
	if s.closed {
		return
	}
	s.next = now.Add(in)
	if s.timer == nil {
		s.timer = time.AfterFunc(in, s.onTimer)
	} else {
		s.timer.Reset(in)
	}
}

// load brings the set that is to serve from now on: a new one, or the last one if the issuer says, or shows, that
// nothing has changed. The duration is the issuer's advice; negative if it gives none.
func (s *Store) load(ctx context.Context, last *snapshot) (set *Set, advice time.Duration, err error) {
	f := &fetcher{transport: s.config.Transport, cleartext: s.config.Cleartext, retryAfter: -1}
	defer func() {
		if cause := recover(); cause != nil { // in a caller's own Transport: it must not end the process
			set, err = nil, fmt.Errorf("panic with a %T while fetching", cause)
		}
		if err != nil {
			s.source = source{} // wherever the keys came from, look for them anew
			advice = f.retryAfter
		}
	}()
	own := reachConfigured
	if s.config.PublicOnly {
		own = reachPublic
	}
	target, allowed := s.config.JWKSURL, own
	if target == "" {
		if s.source.jwksURL == "" || time.Since(s.source.discovered) > rediscovery {
			found, err := f.discover(ctx, s.config.Issuer, own)
			if err != nil {
				return nil, -1, err
			}
			if found != s.source.jwksURL {
				s.source = source{jwksURL: found}
			}
			s.source.discovered = time.Now()
		}
		target = s.source.jwksURL
		if !sameHost(target, s.config.Issuer) {
			allowed = reachPublic
		}
	}
	etag := ""
	if last != nil {
		etag = s.source.etag
	}
	answer, err := f.get(ctx, target, allowed, etag)
	if err != nil {
		return nil, -1, fmt.Errorf("JWK Set: %w", err)
	}
	if answer.notModified {
		return last.set, answer.maxAge, nil
	}
	digest := sha256.Sum256([]byte(answer.body))
	if last != nil && digest == s.source.digest {
		s.source.etag = answer.etag
		return last.set, answer.maxAge, nil
	}
	if set, err = ParseSet(answer.body, s.config.Algorithms); err != nil {
		return nil, -1, err
	}
	if last != nil {
		set.adopt(last.set)
	}
	s.source.etag, s.source.digest = answer.etag, digest
	return set, answer.maxAge, nil
}

// jitter spreads d to either side, so that a fleet does not fetch in step and nobody can tell when the next fetch will
// be allowed.
func jitter(d time.Duration, fraction float64) time.Duration {
	return time.Duration(float64(d) * (1 - fraction + 2*fraction*rand.Float64()))
}
