package bearerguard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
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
	issuers           map[string]*trust
	configured        []*trust
	dynamic           *resolver // nil without Config.IssuerFor
	counters          *counters
	fetchTransport    http.RoundTripper
	issuerURLs        []string // in the order of the configuration
	leeway            time.Duration
	maxTokenLifetime  time.Duration
	realm             string
	insecureAllowHTTP bool
	onDecision        func(context.Context, Decision)
	closed            atomic.Bool
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

// Check decides about a request and writes nothing. It returns the verified Token, or an *Error that WriteError can
// answer with. The order of checks: canonical path, transport, credentials, token, policy.
func (g *Guard) Check(r *http.Request, p Policy) (*Token, error) {
	checkPolicy(p)
	v, refusal := g.decide(r, p, verdictFrom(r.Context()))
	if refusal != nil {
		return nil, refusal
	}
	return v.token, nil
}

// Verify decides about a token that did not come with a plain request, such as one from gRPC metadata. How it came, and
// whether it was safe on its way, is for the caller to know.
func (g *Guard) Verify(ctx context.Context, rawToken string, p Policy) (*Token, error) {
	checkPolicy(p)
	now := time.Now()
	var out outcome
	if rawToken == "" {
		out.refusal = refuse(ErrNoToken, nil)
	} else {
		out = g.examine(ctx, nil, rawToken, p, verdict{}, now)
	}
	g.report(ctx, nil, p, out, now)
	if out.refusal != nil {
		return nil, out.refusal
	}
	return out.token, nil
}

// outcome is a decision before it is acted on. Unless refusal is nil, its token is for the record only.
type outcome struct {
	verdict
	signed  bool // the signature was good
	refusal *Error
}

// decide runs the chain for a request and reports the decision, once.
func (g *Guard) decide(r *http.Request, p Policy, outer verdict) (verdict, *Error) {
	now := time.Now()
	out := g.examine(r.Context(), r, "", p, outer, now)
	g.report(r.Context(), r, p, out, now)
	if out.refusal != nil {
		return verdict{}, out.refusal
	}
	return out.verdict, nil
}

// examine is the chain. A panic in it, as in any code that it calls, is a refusal.
func (g *Guard) examine(ctx context.Context, r *http.Request, raw string, p Policy, outer verdict, now time.Time) (out outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			out = outcome{refusal: refuse(ErrInternal, describePanic(cause))}
		}
	}()
	if r != nil {
		if err := checkPath(r.URL); err != nil {
			return outcome{refusal: refuse(ErrPath, err)}
		}
		if err := g.core.checkTransport(r); err != nil {
			return outcome{refusal: refuse(ErrCleartext, err)}
		}
		if raw, out.authorization, out.refusal = credentials(r); out.refusal != nil {
			return out
		}
	}
	if g.core.closed.Load() {
		return outcome{refusal: refuse(ErrClosed, nil)}
	}
	out.guard = g
	if outer.guard == g && r != nil && outer.authorization == out.authorization && now.Before(outer.token.expiry.Add(g.core.leeway)) {
		out.token, out.signed = outer.token, true // the same words to the same guard: judged once
	} else if out.token, out.signed, out.refusal = g.verify(ctx, raw, now); out.refusal != nil {
		return out
	}
	if s := p.(Requirement).evaluate(out.token, r, now); s.lack != 0 {
		out.refusal = s.refusal()
	}
	return out
}

// describePanic keeps the text of Go's own run-time errors only: any other value may hold whatever a caller sent.
func describePanic(cause any) error {
	if err, ok := cause.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a %T", cause)
}

func (g *Guard) report(ctx context.Context, r *http.Request, p Policy, out outcome, start time.Time) {
	g.core.counters.count(out.refusal)
	if g.core.onDecision == nil {
		return
	}
	defer func() { _ = recover() }() // an observer must not decide
	d := Decision{Policy: p, Status: http.StatusOK, Token: out.token, Verified: out.signed, Duration: time.Since(start)}
	if r != nil {
		d.Method, d.Path = r.Method, r.URL.Path
	}
	if out.refusal != nil {
		d.Status, d.Cause, d.Err = out.refusal.Status(), out.refusal.Cause, out.refusal.Err
	}
	g.core.onDecision(ctx, d)
}

// Require guards a handler: it is reached only by requests that meet the policy, with the verified Token in their
// context (see FromContext); every other request is answered here. It is middleware in the net/http form. It panics if
// p is nil or not a Policy of this package.
//
// A Require inside of another of the same Guard does not verify the token again, unless a layer between them changed the
// Authorization field.
//
// It guards what it is wrapped around. What a foreign router answers by itself (redirects, 404, 405) is guarded only if
// Require stands around the router.
func (g *Guard) Require(p Policy) func(http.Handler) http.Handler {
	checkPolicy(p)
	return func(next http.Handler) http.Handler {
		if next == nil {
			misuse("Guard.Require: nil handler")
		}
		direct, _ := next.(verdictHandler)
		return &guarded{g, p, next, direct}
	}
}

// verdictHandler is a handler of this package that takes the verdict as an argument, which saves the context.
type verdictHandler interface {
	serveVerdict(http.ResponseWriter, *http.Request, verdict)
}

type guarded struct {
	guard  *Guard
	policy Policy
	next   http.Handler
	direct verdictHandler // next, if it is one
}

func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serveVerdict(w, r, verdictFrom(r.Context()))
}

func (h *guarded) serveVerdict(w http.ResponseWriter, r *http.Request, outer verdict) {
	v, refusal := h.guard.decide(r, h.policy, outer)
	switch {
	case refusal != nil:
		h.guard.answer(w, refusal)
	case h.direct != nil:
		h.direct.serveVerdict(w, r, v)
	default:
		h.next.ServeHTTP(w, r.WithContext(&tokenContext{r.Context(), v}))
	}
}

// Func makes a handler that gets the Token of the innermost guard around it as an argument. Directly under Require that
// costs nothing; below another middleware the Token comes from the context. Under no guard it answers 500. It does not
// put the Token into the context: hand it on, or use NewContext.
func Func(h func(w http.ResponseWriter, r *http.Request, t *Token)) http.Handler {
	if h == nil {
		misuse("Func: nil function")
	}
	return tokenFunc(h)
}

type tokenFunc func(http.ResponseWriter, *http.Request, *Token)

func (h tokenFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serveVerdict(w, r, verdictFrom(r.Context()))
}

func (h tokenFunc) serveVerdict(w http.ResponseWriter, r *http.Request, v verdict) {
	if v.token == nil {
		new(Guard).answer(w, &Error{Cause: ErrInternal})
		return
	}
	h(w, r, v.token)
}
