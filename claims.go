package bearerguard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// checkAudience reads aud and demands an audience of this guard, or of the issuer where that has its own. Where the
// profile names clients, the token must be of one of them, and aud may be missing: but not for a view, as nothing else
// in the token says for which of the resources it is.
func (g *Guard) checkAudience(t *Token, issuer *trust) *Error {
	if issuer.shape.clients != nil {
		if client := first(t.claims, issuer.shape.clientID); !slices.Contains(issuer.shape.clients, client) {
			return refuse(ErrAudience, fmt.Errorf("client %s is not one of %q", jose.Quote(client), issuer.shape.clients))
		}
	}
	value, present := t.claims.Get("aud")
	if !present {
		if issuer.shape.clients != nil && !g.view {
			return nil
		}
		return refuse(ErrAudience, issuer.adviseAudience(errors.New("no aud")))
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

// first is the first of the claims that is there; empty if it is no string. It is not skipped then: the next claim may
// be somebody else's to choose.
func first(claims jose.Object, names []string) string {
	for _, name := range names {
		if value, present := claims.Get(name); present {
			text, _ := value.Text()
			return text
		}
	}
	return ""
}

// checkKind tells access tokens from everything else that the same keys sign (RFC 9068, Section 4; RFC 8725,
// Section 3.11).
func (s *shape) checkKind(typ string, claims jose.Object) error {
	if !jose.IsMediaType(typ, "at+jwt") && !slices.ContainsFunc(s.types, func(accepted string) bool { return jose.IsMediaType(typ, accepted) }) {
		return fmt.Errorf("typ %s is not at+jwt", jose.Quote(typ))
	}
	for i := range s.expect {
		if e := &s.expect[i]; !e.met(claims) {
			return fmt.Errorf("%s %s", e.claim, e)
		}
	}
	for _, name := range s.objects {
		if value, _ := claims.Get(name); value.Kind() != jose.ObjectKind {
			return fmt.Errorf("%s is no object", name)
		}
	}
	if len(s.anyOf) > 0 && !slices.ContainsFunc(s.anyOf, func(name string) bool {
		value, present := claims.Get(name)
		return present && value.Kind() != jose.Null
	}) {
		return fmt.Errorf("none of %q is there", s.anyOf)
	}
	for _, name := range s.forbidden {
		if _, present := claims.Get(name); present {
			return fmt.Errorf("%s is a claim of another kind of token", name)
		}
	}
	for i := range s.others {
		if e := &s.others[i]; e.met(claims) {
			return fmt.Errorf("%s says that it is another kind of token", e.claim)
		}
	}
	return nil
}

// met tells whether the claim is a string, and as expected.
func (e *expectation) met(claims jose.Object) bool {
	value, _ := claims.Get(e.claim)
	text, ok := value.Text()
	if !ok {
		return false
	}
	if e.prefix {
		return len(text) > len(e.values[0]) && strings.HasPrefix(text, e.values[0])
	}
	return slices.Contains(e.values, text)
}

func (e *expectation) String() string {
	switch {
	case e.prefix:
		return fmt.Sprintf("does not begin with %q and go on", e.values[0])
	case len(e.values) == 1:
		return fmt.Sprintf("is not %q", e.values[0])
	}
	return fmt.Sprintf("is not one of %q", e.values)
}

// fill reads the claims that the profile knows into the token (RFC 9068, Section 2.2).
func (s *shape) fill(t *Token) error {
	for _, claim := range [...]struct {
		into     *string
		required string
		names    []string
	}{{&t.subject, "sub", subjectClaims}, {&t.clientID, "client_id", s.clientID}, {&t.id, "jti", s.id}} {
		if err := s.text(t.claims, claim.into, claim.required, claim.names); err != nil {
			return err
		}
	}
	if t.issuedAt.IsZero() && !s.optional["iat"] {
		return errors.New("no iat")
	}
	if !s.clientAudience && len(t.audience) == 1 && t.audience[0] == t.clientID {
		return errors.New("the only audience is the client, as in an ID token: see Profile.ClientAudience")
	}
	if actor, present := t.claims.Get("act"); present && actor.Kind() != jose.ObjectKind {
		return errors.New("act is no object") // RFC 8693, Section 4.1
	}
	if acr, _ := t.claims.Get("acr"); acr.Kind() == jose.String {
		t.acr, _ = acr.Text() // another type is no authentication context: never enough for ACR
	}
	var err error
	if t.scopes, err = s.scopesIn(t.claims); err != nil {
		return err
	}
	t.roles = s.rolesIn(t.claims)
	return nil
}

var subjectClaims = []string{"sub"}

// text reads the first of the claims that is there: a string that is not empty, whether it is required or not.
func (s *shape) text(claims jose.Object, into *string, required string, names []string) error {
	for _, name := range names {
		value, present := claims.Get(name)
		if !present {
			continue
		}
		var ok bool
		if *into, ok = value.Text(); !ok || *into == "" {
			return fmt.Errorf("%s is no string, or empty", name)
		}
		return nil
	}
	if s.optional[required] {
		return nil
	}
	return fmt.Errorf("no %s", strings.Join(names, " or "))
}

// scopesIn splits the scope claim on single spaces (RFC 8693, Section 4.2), or takes the array where the profile has one.
func (s *shape) scopesIn(claims jose.Object) ([]string, error) {
	value, present := claims.Get(s.scope)
	if !present {
		return nil, nil
	}
	if s.scopeList {
		scopes, ok := stringList(value)
		if !ok {
			return nil, fmt.Errorf("%s is no array of strings", s.scope)
		}
		return scopes, nil
	}
	text, ok := value.Text()
	if !ok {
		return nil, fmt.Errorf("%s is no string", s.scope)
	}
	scopes := make([]string, 0, strings.Count(text, " ")+1)
	for scope := range strings.SplitSeq(text, " ") {
		if scope != "" {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// rolesIn collects the roles along the profile's paths. What has another shape than the profile says is no role.
func (s *shape) rolesIn(claims jose.Object) []string {
	var roles []string
	for _, path := range s.roles {
		if path[0] == "groups" && overflown(claims) {
			continue
		}
		value, _ := claims.Get(path[0])
		for _, name := range path[1:] {
			value, _ = value.Member(name)
		}
		read := stringList
		if s.roleObjects {
			read = s.roleNames
		}
		if list, ok := read(value); ok && roles == nil {
			roles = list
		} else {
			roles = append(roles, list...)
		}
	}
	return roles
}

// overflown tells whether the groups did not fit into the token (OpenID Connect Core, Section 5.6.2, as Entra ID uses
// it). What the token then says of them is not the whole truth, so it counts for nothing.
func overflown(claims jose.Object) bool {
	names, _ := claims.Get("_claim_names")
	_, elsewhere := names.Member("groups")
	marker, marked := claims.Get("hasgroups")
	return elsewhere || marked && marker.Kind() != jose.False
}

// roleNames reads an object of roles, or an array of them; false if anything in it has another shape.
func (s *shape) roleNames(v jose.Value) (roles []string, ok bool) {
	if v.Kind() == jose.Array {
		for element := range v.Elements() {
			if element.Kind() != jose.ObjectKind {
				return nil, false
			}
			names, ok := s.roleNames(element)
			if !ok {
				return nil, false
			}
			roles = append(roles, names...)
		}
		return roles, true
	}
	for role, grants := range v.Members() {
		if grants.Kind() != jose.ObjectKind {
			return nil, false
		}
		granted := false
		for organization, domain := range grants.Members() {
			if domain.Kind() != jose.String {
				return nil, false
			}
			granted = granted || organization != "" && (s.organizations == nil || slices.Contains(s.organizations, organization))
		}
		if granted {
			roles = append(roles, role)
		}
	}
	return roles, v.Kind() == jose.ObjectKind
}
