package bearerguard

import "net/http"

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
	plan := compile(p)
	return func(next http.Handler) http.Handler {
		if next == nil {
			misuse("Guard.Require: nil handler")
		}
		return newGuarded(g, plan, next)
	}
}

// verdictHandler is a handler of this package that takes the verdict as an argument, which saves the context.
type verdictHandler interface {
	serveVerdict(http.ResponseWriter, *http.Request, verdict)
}

type guarded struct {
	guard  *Guard
	plan   plan
	next   http.Handler
	direct verdictHandler // next, if it is one
}

func newGuarded(g *Guard, p plan, next http.Handler) *guarded {
	if _, wantsToken := next.(tokenFunc); wantsToken && p.require == nil {
		misuse("%v: the handler is a Func, which wants a Token, and a public route has none", p.policy)
	}
	direct, _ := next.(verdictHandler)
	return &guarded{g, p, next, direct}
}

func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serveVerdict(w, r, verdictFrom(r.Context()))
}

func (h *guarded) serveVerdict(w http.ResponseWriter, r *http.Request, outer verdict) {
	v, refusal := h.guard.decide(r, &h.plan, outer)
	h.guard.core.transport.setHSTS(w, r)
	switch {
	case refusal != nil:
		h.guard.answer(w, refusal)
	case h.plan.require == nil:
		if outer.token != nil && verdictFrom(r.Context()) != outer { // handed in as an argument, and not ours to lose
			r = r.WithContext(&tokenContext{r.Context(), outer})
		}
		h.next.ServeHTTP(w, r)
	case h.direct != nil:
		h.direct.serveVerdict(w, r, v)
	default:
		h.next.ServeHTTP(w, r.WithContext(&tokenContext{r.Context(), v}))
	}
}

// Func makes a handler that gets the Token of the innermost guard around it as an argument. Directly under Require that
// costs nothing; below another middleware the Token comes from the context. Under Optional an anonymous caller's Token is
// nil; under Public it panics at registration; under no guard it answers 500. It does not put the Token into the context: hand it on, or use NewContext.
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
	if v.token == nil && v.guard == nil {
		new(Guard).answer(w, &Error{Cause: ErrInternal})
		return
	}
	h(w, r, v.token)
}
