package bearerguard

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
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
	againAfter  = time.Second      // at the earliest, a known issuer is asked for again
	maxAsking   = 64               // questions under way about issuers that are not known
	maxFound    = 4096             // issuers kept
	maxNotFound = 4096             // refusals kept
)

// resolver finds issuers that are not configured, through Config.IssuerFor. What it is asked comes from tokens that
// nobody has verified, so everything about it is bounded.
type resolver struct {
	ask       func(ctx context.Context, iss string) (Issuer, bool, error)
	hosts     map[string]bool
	supply    supply
	flight    singleflight.Group
	newcomers *rate.Limiter // for issuers that are not known; asked, never waited on

	mu       sync.Mutex
	found    map[string]*foundIssuer
	notFound map[string]time.Time // until when
	asking   int                  // questions about newcomers
	closed   bool

	lifetime  context.Context
	end       context.CancelFunc
	questions sync.WaitGroup // under way
	dropped   sync.WaitGroup // issuers whose fetches are being ended
}

type foundIssuer struct {
	trust  *trust
	answer [sha256.Size]byte // what the function returned; not the value, whose slices are still the operator's
	until  time.Time
	again  time.Time // when it may be asked for again
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
		ask: ask, hosts: make(map[string]bool), supply: s, newcomers: rate.NewLimiter(10, 10),
		found: make(map[string]*foundIssuer), notFound: make(map[string]time.Time),
	}
	r.lifetime, r.end = context.WithCancel(context.Background())
	for _, host := range hosts {
		if !isHost(host) {
			mistakes = append(mistakes, fmt.Errorf("bearerguard: Config.IssuerHosts: %q is not a host, or host:port, in lower case", host))
		}
		r.hosts[host] = true
	}
	return r, errors.Join(mistakes...)
}

// isHost tells whether it is a host, or host:port, as an https URL in lower case has it. No pattern is.
func isHost(host string) bool {
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || strings.HasSuffix(host, ":") {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err == nil || strings.Trim(u.Hostname(), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
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
	if len(iss) > 512 || !strings.HasPrefix(iss, "https://") || checkIssuerURL(iss, false) != nil {
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
	answers := r.flight.DoChan(iss, func() (any, error) { return r.question(iss) })
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

// question lets a question pass, or not. Those about known issuers have a measure of their own: a flood of invented ones
// must not lock out the real ones.
func (r *resolver) question(iss string) (*trust, error) {
	r.mu.Lock()
	known, now := r.found[iss], time.Now()
	switch {
	case r.closed:
		r.mu.Unlock()
		return nil, ErrClosed
	case known != nil && now.Before(known.again), known == nil && (r.asking >= maxAsking || !r.newcomers.Allow()):
		r.mu.Unlock()
		return nil, errors.New("too many questions to IssuerFor")
	case known != nil:
		known.again = now.Add(againAfter)
	default:
		r.asking++
	}
	r.questions.Add(1)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if known == nil {
			r.asking--
		}
		r.questions.Done()
	}()
	return r.resolve(iss)
}

// resolve asks the operator's function, on a context of its own, and keeps the answer. A nil trust means: not found.
func (r *resolver) resolve(iss string) (t *trust, err error) {
	defer func() {
		if cause := recover(); cause != nil { // without showing its value, which may hold anything
			t, err = nil, fmt.Errorf("IssuerFor: %w", describePanic(cause))
		}
	}()
	ctx, cancel := context.WithTimeout(r.lifetime, answerTime)
	defer cancel()
	issuer, ok, err := r.ask(ctx, iss)
	if err != nil {
		return nil, fmt.Errorf("IssuerFor: %w", err)
	}
	now, answer := time.Now(), sha256.Sum256(fmt.Appendf(nil, "%#v", issuer))
	switch {
	case !ok:
		r.keepNotFound(iss, now)
		return nil, nil
	case issuer.URL != iss:
		return nil, fmt.Errorf("IssuerFor returned the issuer %q for %s", issuer.URL, jose.Quote(iss))
	case issuer.InsecureAllowHTTP:
		return nil, fmt.Errorf("IssuerFor: issuer %q has InsecureAllowHTTP, which only configured issuers may have", iss)
	}
	if t = r.keepSame(iss, answer, now); t != nil {
		return t, nil
	}
	if t, err = issuer.compiled(r.supply); err != nil {
		return nil, fmt.Errorf("IssuerFor: issuer %q: %w", iss, err)
	}
	r.keepFound(iss, &foundIssuer{trust: t, answer: answer, until: now.Add(foundFor), used: now})
	return t, nil
}

// keepSame goes on with what is there, and its keys, if the answer is what it was.
func (r *resolver) keepSame(iss string, answer [sha256.Size]byte, now time.Time) *trust {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.found[iss]
	if f == nil || f.answer != answer {
		return nil
	}
	f.until, f.used = now.Add(foundFor), now
	return f.trust
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
}

// drop forgets an issuer and ends its fetches; r.mu is held.
func (r *resolver) drop(iss string) {
	if f, ok := r.found[iss]; ok {
		delete(r.found, iss)
		r.dropped.Go(f.trust.keys.Close) // it waits for a fetch, which we need not
	}
}

// close ends the questions, so that no further issuer comes in; those that are there are the guard's to close.
func (r *resolver) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.end()
	r.questions.Wait()
	r.dropped.Wait()
}
