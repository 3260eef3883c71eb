package bearerguard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/internal/challenge"
	"github.com/bearerguard/bearerguard/internal/keys"
)

// Guard decides about requests and guards handlers. It is safe for concurrent use. Make one with New, further views of
// it with For.
type Guard struct {
	core      *core
	view      bool
	resource  string
	audiences []string
	metadata  *url.URL // nil where the resource has none
	challenge challenge.Challenge
}

// core is what all views of a Guard share.
type core struct {
	issuers          map[string]*trust
	configured       []*trust
	dynamic          *resolver // nil without Config.IssuerFor
	counters         *counters
	fetchTransport   http.RoundTripper
	issuerURLs       []string // in the order of the configuration
	leeway           time.Duration
	maxTokenLifetime time.Duration
	realm            string
	transport        transport
	advertiseScopes  bool
	errorBody        func(int, Code) (string, []byte)
	onDecision       func(context.Context, Decision)
	closed           atomic.Bool
}

// For makes a view of the Guard for another resource: the same issuers, keys and lifetime, but tokens must be for that
// resource, and for it alone challenges and metadata speak. A token for one view is refused by every other, unless its
// aud names both. It panics if the resource is not an absolute URI without fragment.
func (g *Guard) For(resource string) *Guard {
	if err := checkResource(resource); err != nil {
		misuse("Guard.For: resource %q %v", resource, err)
	}
	view := g.core.newGuard(resource, []string{resource})
	view.view = true
	return view
}

// Ready begins to fetch the keys of every issuer that is not lazy, and waits until each has had a usable set, or ctx
// ends. It latches: a later outage of an issuer must not take every instance of a service out of its load balancer. Stats
// tells of such outages.
func (g *Guard) Ready(ctx context.Context) error {
	failures := make([]error, len(g.core.configured))
	var waiting sync.WaitGroup
	for i, t := range g.core.configured {
		if t.lazy {
			continue
		}
		waiting.Go(func() {
			if err := t.keys.Ready(ctx); err != nil {
				failures[i] = fmt.Errorf("bearerguard: issuer %q: %w", t.url, err)
			}
		})
	}
	waiting.Wait()
	return errors.Join(failures...)
}

// Close ends all fetches and waits for them. From then on guarded routes answer 503. It may be called more than once.
func (g *Guard) Close() error {
	g.core.closed.Store(true)
	if g.core.dynamic != nil {
		g.core.dynamic.close()
	}
	for _, t := range g.core.trusts() {
		t.keys.Close()
	}
	keys.CloseIdle(g.core.fetchTransport)
	return nil
}
