package bearerguard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/keys"
)

// verify takes a token through the chain: parse, issuer, algorithm, time and audience, key, signature, kind and claims.
// What comes before the signature is not believed and may only refuse; it comes first because it is cheap. signed tells
// whether the signature was found good, whatever came after.
func (g *Guard) verify(ctx context.Context, raw string, now time.Time) (token *Token, signed bool, refusal *Error) {
	jws, err := jose.Parse(raw)
	if err != nil {
		if !isToken68(raw) {
			return nil, false, refuse(ErrCredentials, errors.New("not a token68"))
		}
		return nil, false, refuse(ErrMalformed, err)
	}

	value, _ := jws.Claims.Get("iss")
	iss, ok := value.Text()
	if !ok {
		return nil, false, refuse(ErrMalformed, errors.New("no iss that is a string"))
	}
	issuer, refusal := g.core.trustFor(ctx, iss) // selects keys and rules; believed only when one of those keys has signed
	if refusal != nil {
		return nil, false, refusal
	}
	if !slices.Contains(issuer.algorithms, jws.Header.Algorithm) {
		return nil, false, refuse(ErrAlgorithm, fmt.Errorf("%s is not one of %q", jose.Quote(jws.Header.Algorithm), issuer.algorithms))
	}
	if err := issuer.tenancy.check(iss, jws.Claims); err != nil {
		return nil, false, refuse(ErrUnknownIssuer, err)
	}
	t := newToken()
	t.issuer, t.claims = iss, jws.Claims
	if refusal = g.core.checkTime(t, now); refusal != nil {
		return nil, false, refusal
	}
	if refusal = g.checkAudience(t, issuer); refusal != nil {
		return nil, false, refusal
	}

	key, err := issuer.keys.Key(ctx, jws.Header.Algorithm, jws.Header.KeyID, jws.Header.HasKeyID)
	switch {
	case errors.Is(err, keys.ErrUnknown):
		return nil, false, refuse(ErrUnknownKey, fmt.Errorf("kid %s, alg %q", jose.Quote(jws.Header.KeyID), jws.Header.Algorithm))
	case err != nil:
		return nil, false, refuse(ErrUnavailable, err)
	}
	if err := key.Verify(jws.SigningInput, jws.Signature); err != nil {
		return nil, false, refuse(ErrSignature, nil) // its text is the library's; ours must never show a signature
	}

	if err := issuer.shape.checkKind(jws.Header.Type, t.claims); err != nil {
		return nil, true, refuse(ErrType, issuer.advise(err))
	}
	if _, bound := t.claims.Get("cnf"); bound {
		// A bound token is never plain bearer, also not to a server that cannot check the binding: RFC 9449, Section 7.2
		// and RFC 8705, Section 3. Whatever the member holds, null included.
		return nil, true, refuse(ErrConfirmation, nil)
	}
	if err := issuer.shape.fill(t); err != nil {
		return nil, true, refuse(ErrClaims, issuer.advise(err))
	}
	if refusal = g.core.checkLifetime(t, now); refusal != nil {
		return nil, true, refusal
	}
	return t, true, nil
}

// latestIssue is how far ahead of ours the clock of an issuer may be at least, whatever the leeway.
const latestIssue = time.Minute

// checkTime reads exp, nbf and iat (RFC 7519, Sections 4.1.4 to 4.1.6).
func (c *core) checkTime(t *Token, now time.Time) *Error {
	var notBefore time.Time
	for _, date := range [...]struct {
		claim string
		into  *time.Time
	}{{"exp", &t.expiry}, {"nbf", &notBefore}, {"iat", &t.issuedAt}, {"auth_time", &t.authTime}} {
		value, present := t.claims.Get(date.claim)
		if !present {
			continue
		}
		var ok bool
		if *date.into, ok = value.Date(); !ok {
			return refuse(ErrClaims, fmt.Errorf("%s is no date between 1970 and 9999", date.claim))
		}
	}
	switch {
	case t.expiry.IsZero():
		return refuse(ErrClaims, errors.New("no exp"))
	case !now.Before(t.expiry.Add(c.leeway)):
		return refuse(ErrExpired, nil)
	case notBefore.After(now.Add(c.leeway)):
		return refuse(ErrNotYetValid, errors.New("nbf"))
	case t.issuedAt.After(now.Add(max(c.leeway, latestIssue))):
		return refuse(ErrNotYetValid, errors.New("iat"))
	}
	return nil
}

// checkLifetime bounds how long a token may be of use to a thief (RFC 6750, Section 5.3).
func (c *core) checkLifetime(t *Token, now time.Time) *Error {
	from := t.issuedAt
	if from.IsZero() {
		from = now
	}
	switch lifetime := t.expiry.Sub(from); {
	case lifetime <= 0:
		return refuse(ErrClaims, errors.New("exp is not after iat"))
	case c.maxTokenLifetime > 0 && lifetime > c.maxTokenLifetime:
		return refuse(ErrLifetime, fmt.Errorf("%v is more than %v: see Config.MaxTokenLifetime", lifetime, c.maxTokenLifetime))
	}
	return nil
}

// nearMiss explains an unknown issuer, in particular one that differs from a configured one by a trailing slash.
func (c *core) nearMiss(iss string) error {
	for _, other := range [...]string{iss + "/", strings.TrimSuffix(iss, "/")} {
		if _, ok := c.issuers[other]; ok {
			return fmt.Errorf("iss %s is not %q: set Issuer.URL to exactly what the tokens say", jose.Quote(iss), other)
		}
	}
	return fmt.Errorf("iss %s", jose.Quote(iss))
}
