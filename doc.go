// Package bearerguard turns any net/http service into a hardened OAuth 2.0 resource server.
//
// A [Guard] answers one question for every request: may this caller do this? It goes through one chain, and any refusal on
// the way becomes one exact answer:
//
//	canonical path → transport → bearer token → strict parse → issuer → algorithm, time, audience (may only refuse)
//	→ key → signature → kind and claims → policy → handler
//
// Make a Guard with [New] and wrap handlers with [Guard.Require] and a [Policy]: [Scope], [Role], [Audience], [ACR],
// [Authenticated], combined by [All] and [Any]. The handler gets the verified [Token] from [FromContext] or, under
// [Func], as an argument.
//
// Apart from that chain, [Dir] opens and serves files that are named by callers, and never leaves its directory.
//
// # Reading order
//
// config.go and guard.go for the frame; policy.go, scope.go, audience.go and stepup.go for what a route may ask;
// bearer.go and verifier.go for how a token is judged; issuer.go and profile.go for whom it is believed from; errors.go for
// how a refusal is answered.
//
// # What it does not do
//
// It issues no tokens and knows no login, session or cookie. It does not verify opaque, DPoP-bound or certificate-bound
// tokens: it refuses them. It does not guard what a router answers before a guarded handler is reached.
package bearerguard
