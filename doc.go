// Package bearerguard turns any net/http service into a hardened OAuth 2.0 resource server.
//
// A [Guard] answers one question for every request: may this caller do this? It goes through one chain, and any refusal on
// the way becomes one exact answer:
//
//	canonical path → transport → bearer token → strict parse → issuer → algorithm, time, audience (may only refuse)
//	→ key → signature → kind and claims → policy → handler
//
// Make a Guard with [New] and register handlers on a [Mux], each with a [Policy]; or wrap them with [Guard.Require]. A
// Policy is a [Scope], [Role], [Audience], [ACR], [Claim] or another requirement, combined by [All] and [Any], or
// [Public] or [Optional]. The handler gets the verified [Token] from [FromContext] or, under [Func], as an argument.
//
// Apart from that chain, [Dir] opens and serves files that are named by callers, and never leaves its directory.
//
// # Reading order
//
// config.go and guard.go for the frame; mux.go and require.go for routes; policy.go, public.go, scope.go, claim.go and
// stepup.go for what a route may ask; decide.go, bearer.go, verifier.go and claims.go for how a request is judged;
// issuer.go, profile.go and providers.go for whom it is believed from; errors.go for how a refusal is answered.
//
// # What it does not do
//
// It issues no tokens and knows no login, session or cookie. It does not verify opaque, DPoP-bound or certificate-bound
// tokens: it refuses them. It does not guard what a router answers before a guarded handler is reached.
package bearerguard
