package bearerguard

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"
)

// Check decides about a request and writes nothing. It returns the verified Token, or an *Error that WriteError can
// answer with; (nil, nil) for Public and for an anonymous caller under Optional. The order of checks: canonical path,
// transport, credentials, token, policy.
func (g *Guard) Check(r *http.Request, p Policy) (*Token, error) {
	plan := compile(p)
	v, refusal := g.decide(r, &plan, verdictFrom(r.Context()))
	if refusal != nil {
		return nil, refusal
	}
	return v.token, nil
}

// Verify decides about a token that did not come with a plain request, such as one from gRPC metadata. How it came, and
// whether it was safe on its way, is for the caller to know. An empty token is an anonymous caller.
func (g *Guard) Verify(ctx context.Context, rawToken string, p Policy) (*Token, error) {
	plan := compile(p)
	now := time.Now()
	out := g.examine(ctx, nil, rawToken, &plan, verdict{}, now)
	g.report(ctx, nil, &plan, out, now)
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
	trial   *Error // what the policy on trial would have said
}

// decide runs the chain for a request and reports the decision, once.
func (g *Guard) decide(r *http.Request, p *plan, outer verdict) (verdict, *Error) {
	var now time.Time
	if p.require != nil || g.core.onDecision != nil { // reading the clock is a good part of what a public route costs
		now = time.Now()
	}
	out := g.examine(r.Context(), r, "", p, outer, now)
	g.report(r.Context(), r, p, out, now)
	if out.refusal != nil {
		return verdict{}, out.refusal
	}
	return out.verdict, nil
}

// examine is the chain. A panic in it, as in any code that it calls, is a refusal.
func (g *Guard) examine(ctx context.Context, r *http.Request, raw string, p *plan, outer verdict, now time.Time) (out outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			out = outcome{refusal: refuse(ErrInternal, describePanic(cause))}
		}
	}()
	if r != nil {
		if err := checkPath(r.URL); err != nil && !(p.encodedSlash && err == errPathSlash) {
			return outcome{refusal: refuse(ErrPath, err)}
		}
	}
	if p.require == nil {
		return outcome{} // public: credentials are not even read
	}
	out.guard = g
	e := evaluation{ctx: ctx, request: r, now: now, leeway: g.core.leeway}
	if p.optional && isAnonymous(r, raw) {
		out.trial = p.try(e)
		return out
	}
	if r != nil {
		if err := g.core.transport.check(r); err != nil {
			return outcome{refusal: refuse(ErrCleartext, err)}
		}
		raw, out.authorization, out.refusal = credentials(r)
	} else if raw == "" {
		out.refusal = refuse(ErrNoToken, nil)
	}
	if out.refusal != nil {
		if out.refusal.Cause == ErrNoToken && g.core.advertiseScopes {
			out.refusal.Scopes = advertised(p.require)
		}
		return out
	}
	if g.core.closed.Load() {
		return outcome{refusal: refuse(ErrClosed, nil)}
	}
	if outer.guard == g && outer.token != nil && r != nil && outer.authorization == out.authorization &&
		now.Before(outer.token.expiry.Add(g.core.leeway)) {
		out.token, out.signed = outer.token, true // the same words to the same guard: judged once
	} else if out.token, out.signed, out.refusal = g.verify(ctx, raw, now); out.refusal != nil {
		return out
	}
	e.token = out.token
	if s := p.require.evaluate(e); s.lack != 0 {
		out.refusal = s.refusal()
	}
	out.trial = p.try(e)
	return out
}

// isAnonymous tells whether nothing at all is presented: another scheme, or an empty field, is a failed attempt.
func isAnonymous(r *http.Request, raw string) bool {
	if r == nil {
		return raw == ""
	}
	return len(r.Header["Authorization"]) == 0
}

// describePanic keeps the text of Go's own run-time errors only: any other value may hold whatever a caller sent.
func describePanic(cause any) error {
	if err, ok := cause.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a %T", cause)
}

// report counts the decision and tells the operator's hook, which must not decide: its panic is contained.
func (g *Guard) report(ctx context.Context, r *http.Request, p *plan, out outcome, start time.Time) {
	g.core.counters.count(out.refusal)
	if g.core.onDecision == nil {
		return
	}
	defer func() { _ = recover() }()
	d := Decision{
		Policy: p.policy, Resource: g.resource, Status: http.StatusOK, Token: out.token, Verified: out.signed, Trial: out.trial,
		Duration: time.Since(start),
	}
	if r != nil {
		d.Method, d.Path, d.Pattern = r.Method, r.URL.Path, r.Pattern
	}
	if out.refusal != nil {
		d.Status, d.Cause, d.Failed, d.Err = out.refusal.Status(), out.refusal.Cause, out.refusal.failed, out.refusal.Err
	}
	g.core.onDecision(ctx, d)
}
