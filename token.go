package bearerguard

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Token is a verified access token: who calls, and what he may do. Only this package makes one, after every check has
// passed.
//
// A Token is immutable and may be shared between requests: it is safe for concurrent use, and no slice or map of it
// reaches a caller except as a copy. A nil *Token stands for an anonymous caller; its methods work and say no.
//
// A principal is identified by issuer and subject together: a subject means nothing without its issuer, and may equal a
// client id for a client that acts for itself (RFC 9068, Section 5).
type Token struct {
	// Behind a pointer because package fmt, given a Token in somebody's unexported field, would print what it holds.
	*principal
}

type principal struct {
	issuer, subject, clientID, id, acr string
	audience, scopes, roles            []string
	issuedAt, expiry, authTime         time.Time
	claims                             jose.Object
}

// Issuer is the iss claim: the URL of the issuer, of the tenant where it has several.
func (t *Token) Issuer() string { return t.or().issuer }

// Subject is the sub claim.
func (t *Token) Subject() string { return t.or().subject }

// ClientID is the client that the token was issued to.
func (t *Token) ClientID() string { return t.or().clientID }

// ID is the jti claim; empty if the issuer's profile allows it to be missing.
func (t *Token) ID() string { return t.or().id }

// ACR is the authentication context class; empty if there is none.
func (t *Token) ACR() string { return t.or().acr }

// Expiry is the exp claim.
func (t *Token) Expiry() time.Time { return t.or().expiry }

// IssuedAt is the iat claim; zero if the issuer's profile allows it to be missing.
func (t *Token) IssuedAt() time.Time { return t.or().issuedAt }

// AuthTime is when the user was authenticated; zero if the token does not say.
func (t *Token) AuthTime() time.Time { return t.or().authTime }

// Audience lists the audiences, as a copy.
func (t *Token) Audience() []string { return slices.Clone(t.or().audience) }

// Scopes lists the scopes, as a copy.
func (t *Token) Scopes() []string { return slices.Clone(t.or().scopes) }

// Roles lists the roles, as a copy.
func (t *Token) Roles() []string { return slices.Clone(t.or().roles) }

// HasAudience tells whether the token is for exactly this audience, among others.
func (t *Token) HasAudience(audience string) bool { return slices.Contains(t.or().audience, audience) }

// HasScope tells whether the token has exactly this scope.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.or().scopes, scope) }

// HasRole tells whether the token has exactly this role.
func (t *Token) HasRole(role string) bool { return slices.Contains(t.or().roles, role) }

// String is the value of a top-level claim of exactly this name, if it is a string.
func (t *Token) String(claim string) (value string, ok bool) {
	v, _ := t.or().claims.Get(claim)
	return v.Text()
}

// Claims stores the claims in the value that v points to, by the rules and tags of encoding/json, but with member names
// matched exactly at every depth: encoding/json would fill a field tagged org_id from a claim ORG_ID, which somebody
// else may be able to set. What v held before is replaced.
func (t *Token) Claims(v any) error {
	if t == nil || t.principal == nil {
		return errors.New("bearerguard: no token, no claims")
	}
	if err := t.claims.Decode(v); err != nil {
		return fmt.Errorf("bearerguard: claims: %w", err)
	}
	return nil
}

// ClaimsAs is [Token.Claims] into a new T.
func ClaimsAs[T any](t *Token) (T, error) {
	var claims T
	err := t.Claims(&claims)
	return claims, err
}

// LogValue implements [slog.LogValuer] with what identifies the caller. Claims beyond that may be personal and are left
// out; the text of the token is not kept at all.
func (t *Token) LogValue() slog.Value {
	if t == nil || t.principal == nil {
		return slog.StringValue("anonymous")
	}
	return slog.GroupValue(slog.String("iss", t.issuer), slog.String("sub", t.subject),
		slog.String("client_id", t.clientID), slog.String("jti", t.id), slog.Time("exp", t.expiry))
}

// Format implements [fmt.Formatter], so that no verb prints the claims, of a copy neither.
func (t Token) Format(f fmt.State, _ rune) {
	if t.principal == nil {
		_, _ = io.WriteString(f, "anonymous")
		return
	}
	_, _ = fmt.Fprintf(f, "token(iss=%q sub=%q client_id=%q)", t.issuer, t.subject, t.clientID)
}

var anonymous principal

func (t *Token) or() *principal {
	if t == nil || t.principal == nil {
		return &anonymous
	}
	return t.principal
}

// newToken allocates a Token and what it points to as one.
func newToken() *Token {
	made := new(struct {
		token Token
		about principal
	})
	made.token.principal = &made.about
	return &made.token
}
