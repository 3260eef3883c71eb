package bearerguard

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Stats is a copy of a Guard's counters and of the state of its key supply. All views of a Guard share them.
type Stats struct {
	Allowed uint64
	Refused map[Cause]uint64 // only causes that have occurred
	Issuers []IssuerStats    // configured ones in their order, then those of IssuerFor
}

// IssuerStats is the state of one issuer's keys.
type IssuerStats struct {
	URL         string
	Keys        int           // usable ones
	Age         time.Duration // since the last successful fetch; 0 if there was none, or if the set is static
	Usable      bool          // false: its tokens are answered 503
	NextRefresh time.Time     // zero if none is planned
	LastError   error         // of the last fetch; nil if it succeeded
}

// counters count decisions by cause.
type counters struct {
	allowed atomic.Uint64
	refused map[Cause]*atomic.Uint64 // complete from the start, so it is only read
}

func newCounters() *counters {
	c := &counters{refused: make(map[Cause]*atomic.Uint64, len(causes))}
	for _, cause := range causes {
		c.refused[cause] = new(atomic.Uint64)
	}
	return c
}

func (c *counters) count(refusal *Error) {
	if refusal == nil {
		c.allowed.Add(1)
	} else if n, ok := c.refused[refusal.Cause]; ok {
		n.Add(1)
	}
}

// Stats says how the Guard is doing.
func (g *Guard) Stats() Stats {
	s := Stats{Allowed: g.core.counters.allowed.Load(), Refused: make(map[Cause]uint64)}
	for cause, n := range g.core.counters.refused {
		if n := n.Load(); n > 0 {
			s.Refused[cause] = n
		}
	}
	for _, t := range g.core.trusts() {
		status := t.keys.Status()
		issuer := IssuerStats{URL: t.url, Keys: status.Keys, Usable: status.Usable, NextRefresh: status.NextRefresh, LastError: status.Err}
		if !status.Fetched.IsZero() {
			issuer.Age = time.Since(status.Fetched)
		}
		s.Issuers = append(s.Issuers, issuer)
	}
	return s
}

// Refresh fetches an issuer's keys now, whatever the cool-down says, and waits for it: for the day on which a signing
// key leaks and the issuer has withdrawn it. When it returns nil, tokens of keys that are no longer published are
// refused. The issuer is named by its URL.
func (g *Guard) Refresh(ctx context.Context, issuer string) error {
	for _, t := range g.core.trusts() {
		if t.url != issuer {
			continue
		}
		if err := t.keys.Refresh(ctx); err != nil {
			return fmt.Errorf("bearerguard: refresh of %q: %w", issuer, err)
		}
		return nil
	}
	return fmt.Errorf("bearerguard: refresh of %q: %w", issuer, ErrUnknownIssuer)
}
