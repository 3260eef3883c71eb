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
	t := newToken()
	t.issuer, t.claims = issuer.url, jws.Claims
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

	if err := issuer.profile.checkKind(jws.Header.Type, t.claims); err != nil {
		return nil, true, refuse(ErrType, issuer.advise(err))
	}
	if _, bound := t.claims.Get("cnf"); bound {
		// A bound token is never plain bearer, also not to a server that cannot check the binding: RFC 9449, Section 7.2
		// and RFC 8705, Section 3. Whatever the member holds, null included.
		return nil, true, refuse(ErrConfirmation, nil)
	}
	if err := issuer.profile.fill(t); err != nil {
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

// checkAudience reads aud and demands an audience of this guard, or of the issuer where that has its own.
func (g *Guard) checkAudience(t *Token, issuer *trust) *Error {
	value, present := t.claims.Get("aud")
	if !present {
		return refuse(ErrAudience, errors.New("no aud"))
	}
	audience, err := parseAudience(value)
	if err != nil {
		return refuse(ErrAudience, err)
	}
	accepted := g.audiences
	if len(issuer.audiences) > 0 && !g.view {
		accepted = issuer.audiences
	}
	if t.audience = audience; !meets(audience, accepted) {
		return refuse(ErrAudience, fmt.Errorf("%s, %d in all, where one of %q is needed", quoteFirst(audience), len(audience), accepted))
	}
	return nil
}

// checkKind tells access tokens from everything else that the same keys sign (RFC 9068, Section 4; RFC 8725,
// Section 3.11).
func (p Profile) checkKind(typ string, claims jose.Object) error {
	if !jose.IsMediaType(typ, "at+jwt") && !slices.ContainsFunc(p.Types, func(accepted string) bool {
		return jose.IsMediaType(typ, strings.ToLower(accepted))
	}) {
		return fmt.Errorf("typ %s is not at+jwt", jose.Quote(typ))
	}
	for name, want := range p.Expect {
		value, _ := claims.Get(name)
		if text, ok := value.Text(); !ok || text != want {
			return fmt.Errorf("%s is not %q", name, want)
		}
	}
	for _, name := range p.Forbid {
		if _, present := claims.Get(name); present {
			return fmt.Errorf("%s is a claim of another kind of token", name)
		}
	}
	return nil
}

// fill reads the claims that the profile knows into the token (RFC 9068, Section 2.2).
func (p Profile) fill(t *Token) (err error) {
	text := func(into *string, required string, names ...string) {
		for _, name := range names {
			value, present := t.claims.Get(name)
			if !present {
				continue
			}
			var ok bool
			if *into, ok = value.Text(); (!ok || *into == "") && err == nil {
				err = fmt.Errorf("%s is no string, or empty", name)
			}
			return
		}
		if err == nil && !slices.Contains(p.OptionalClaims, required) {
			err = fmt.Errorf("no %s", strings.Join(names, " or "))
		}
	}
	text(&t.subject, "sub", "sub")
	text(&t.clientID, "client_id", p.ClientIDClaims...)
	text(&t.id, "jti", "jti")
	if err == nil && t.issuedAt.IsZero() && !slices.Contains(p.OptionalClaims, "iat") {
		err = errors.New("no iat")
	}
	if err != nil {
		return err
	}
	if actor, present := t.claims.Get("act"); present && actor.Kind() != jose.ObjectKind {
		return errors.New("act is no object") // RFC 8693, Section 4.1
	}
	if acr, _ := t.claims.Get("acr"); acr.Kind() == jose.String {
		t.acr, _ = acr.Text() // another type is no authentication context: never enough for ACR
	}
	if t.scopes, err = p.scopes(t.claims); err != nil {
		return err
	}
	t.roles = p.roles(t.claims)
	return nil
}

// scopes splits the scope claim on single spaces (RFC 8693, Section 4.2), or takes the array where the profile has one.
func (p Profile) scopes(claims jose.Object) ([]string, error) {
	value, present := claims.Get(p.ScopeClaim)
	if !present {
		return nil, nil
	}
	if p.ScopeList {
		scopes, ok := stringList(value)
		if !ok {
			return nil, fmt.Errorf("%s is no array of strings", p.ScopeClaim)
		}
		return scopes, nil
	}
	text, ok := value.Text()
	if !ok {
		return nil, fmt.Errorf("%s is no string", p.ScopeClaim)
	}
	scopes := make([]string, 0, strings.Count(text, " ")+1)
	for scope := range strings.SplitSeq(text, " ") {
		if scope != "" {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// roles collects the roles along the profile's paths. What has another shape than an array of strings is no role.
func (p Profile) roles(claims jose.Object) []string {
	var roles []string
	for _, path := range p.RoleClaims {
		value, _ := claims.Get(path[0])
		for _, name := range path[1:] {
			value, _ = value.Member(name)
		}
		if list, ok := stringList(value); ok && roles == nil {
			roles = list
		} else {
			roles = append(roles, list...)
		}
	}
	return roles
}

// advise adds to a refusal what the operator may have to set.
func (t *trust) advise(err error) error {
	if t.profile.Name != "" {
		return err
	}
	switch {
	case strings.Contains(t.url, "/realms/"):
		return fmt.Errorf(`%w; for Keycloak set Issuer.Profile = bearerguard.Keycloak("your-client-id")`, err)
	case strings.HasSuffix(t.url, ".auth0.com/"):
		return fmt.Errorf("%w; for Auth0 set Issuer.Profile = bearerguard.Auth0()", err)
	}
	return err
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
