package bearerguard

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/bearerguard/bearerguard/internal/jose"
)

const (
	foundFor    = 5 * time.Minute  // then the operator's function is asked again
	notFoundFor = 30 * time.Second //
	answerTime  = 2 * time.Second  // for one question
	maxFound    = 4096             // issuers kept
	maxNotFound = 4096             // refusals kept
)

// resolver finds issuers that are not configured, through Config.IssuerFor. What it is asked comes from tokens that
// nobody has verified, so everything about it is bounded.
type resolver struct {
	ask     func(ctx context.Context, iss string) (Issuer, bool, error)
	hosts   map[string]bool
	supply  supply
	flight  singleflight.Group
	limiter *rate.Limiter // asked, never waited on

	mu       sync.Mutex
	found    map[string]*foundIssuer
	notFound map[string]time.Time // until when
	closed   bool
	dropped  sync.WaitGroup // issuers whose fetches are being ended
}

type foundIssuer struct {
	trust  *trust
	issuer Issuer // as the function returned it
	until  time.Time
	used   time.Time
}

// newResolver checks IssuerFor and IssuerHosts, which go together; nil if there are none.
func newResolver(ask func(context.Context, string) (Issuer, bool, error), hosts []string, s supply) (*resolver, error) {
	if ask == nil {
		if len(hosts) > 0 {
			return nil, fmt.Errorf("bearerguard: Config.IssuerHosts %q without IssuerFor", hosts)
		}
		return nil, nil
	}
	var mistakes []error
	if len(hosts) == 0 {
		mistakes = append(mistakes, errors.New("bearerguard: Config.IssuerHosts is empty: with IssuerFor, whoever sends a token could name any host"))
	}
	s.publicOnly = true
	r := &resolver{
		ask: ask, hosts: make(map[string]bool), supply: s, limiter: rate.NewLimiter(10, 10),
		found: make(map[string]*foundIssuer), notFound: make(map[string]time.Time),
	}
	for _, host := range hosts {
		if u, err := url.Parse("https://" + host); err != nil || host == "" || u.Host != host || u.Hostname() == "" || strings.ToLower(host) != host {
			mistakes = append(mistakes, fmt.Errorf("bearerguard: Config.IssuerHosts: %q is not a host, or host:port, in lower case", host))
		}
		r.hosts[host] = true
	}
	return r, errors.Join(mistakes...)
}

// trustFor finds the issuer with exactly this identifier. An unknown one costs a map access, and no fetch.
func (c *core) trustFor(ctx context.Context, iss string) (*trust, *Error) {
	if t, ok := c.lookUp(iss); ok {
		return t, nil
	}
	if c.dynamic != nil && c.dynamic.mayAsk(iss) {
		return c.dynamic.trustFor(ctx, iss)
	}
	return nil, refuse(ErrUnknownIssuer, c.nearMiss(iss))
}

// trusts lists all issuers, those found by IssuerFor included.
func (c *core) trusts() []*trust {
	all := c.configured[:len(c.configured):len(c.configured)]
	if c.dynamic == nil {
		return all
	}
	c.dynamic.mu.Lock()
	defer c.dynamic.mu.Unlock()
	for _, f := range c.dynamic.found {
		all = append(all, f.trust)
	}
	return all
}

func (r *resolver) mayAsk(iss string) bool {
	if len(iss) > 512 || checkIssuerURL(iss, false) != nil {
		return false
	}
	u, err := url.Parse(iss)
	return err == nil && r.hosts[u.Host]
}

func (r *resolver) trustFor(ctx context.Context, iss string) (*trust, *Error) {
	now := time.Now()
	r.mu.Lock()
	known := r.found[iss]
	until, refused := r.notFound[iss]
	if known != nil && now.Before(known.until) {
		known.used = now
		r.mu.Unlock()
		return known.trust, nil
	}
	r.mu.Unlock()
	if refused && now.Before(until) {
		return nil, refuse(ErrUnknownIssuer, fmt.Errorf("iss %s (IssuerFor)", jose.Quote(iss)))
	}
	answers := r.flight.DoChan(iss, func() (any, error) {
		if !r.limiter.Allow() {
			return nil, errors.New("too many questions to IssuerFor")
		}
		return r.resolve(iss)
	})
	timer := time.NewTimer(answerTime)
	defer timer.Stop()
	select {
	case answer := <-answers:
		if answer.Err != nil {
			return nil, refuse(ErrUnavailable, answer.Err)
		}
		if t, ok := answer.Val.(*trust); ok && t != nil {
			return t, nil
		}
		return nil, refuse(ErrUnknownIssuer, fmt.Errorf("iss %s (IssuerFor)", jose.Quote(iss)))
	case <-timer.C:
		return nil, refuse(ErrUnavailable, errors.New("IssuerFor takes long"))
	case <-ctx.Done():
		return nil, refuse(ErrUnavailable, ctx.Err())
	}
}

// resolve asks the operator's function, on a context of its own, and keeps the answer. A nil trust means: not found.
func (r *resolver) resolve(iss string) (t *trust, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	issuer, ok, err := r.safeAsk(ctx, iss)
	if err != nil {
		return nil, fmt.Errorf("IssuerFor: %w", err)
	}
	now := time.Now()
	r.mu.Lock()
	old := r.found[iss]
	r.mu.Unlock()
	switch {
	case !ok:
		r.keepNotFound(iss, now)
		return nil, nil
	case issuer.URL != iss:
		return nil, fmt.Errorf("IssuerFor returned the issuer %q for %s", issuer.URL, jose.Quote(iss))
	case issuer.InsecureAllowHTTP:
		return nil, fmt.Errorf("IssuerFor: issuer %q has InsecureAllowHTTP, which only configured issuers may have", iss)
	case old != nil && reflect.DeepEqual(old.issuer, issuer):
		r.mu.Lock()
		old.until, old.used = now.Add(foundFor), now
		r.mu.Unlock()
		return old.trust, nil
	}
	if t, err = issuer.compiled(r.supply); err != nil {
		return nil, fmt.Errorf("IssuerFor: issuer %q: %w", iss, err)
	}
	r.keepFound(iss, &foundIssuer{trust: t, issuer: issuer, until: now.Add(foundFor), used: now})
	return t, nil
}

// safeAsk turns a panic into an error without showing its value, which may hold anything.
func (r *resolver) safeAsk(ctx context.Context, iss string) (issuer Issuer, ok bool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = describePanic(cause)
		}
	}()
	return r.ask(ctx, iss)
}

func (r *resolver) keepNotFound(iss string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(iss)
	for other, until := range r.notFound { // any that has ended; else any at all
		if len(r.notFound) < maxNotFound && now.Before(until) {
			break
		}
		delete(r.notFound, other)
	}
	r.notFound[iss] = now.Add(notFoundFor)
}

func (r *resolver) keepFound(iss string, f *foundIssuer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.notFound, iss)
	r.drop(iss)
	if len(r.found) >= maxFound {
		oldest := ""
		for other, candidate := range r.found {
			if oldest == "" || candidate.used.Before(r.found[oldest].used) {
				oldest = other
			}
		}
		r.drop(oldest)
	}
	r.found[iss] = f
	if r.closed {
		f.trust.keys.Close()
	}
}

// drop forgets an issuer and ends its fetches; r.mu is held.
func (r *resolver) drop(iss string) {
	if f, ok := r.found[iss]; ok {
		delete(r.found, iss)
		r.dropped.Go(f.trust.keys.Close) // it waits for a fetch, which we need not
	}
}

// close lets no further issuer in; those that are there are the guard's to close.
func (r *resolver) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.dropped.Wait()
}
