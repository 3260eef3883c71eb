package bearerguard

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is an error code that clients get in the challenge and in the body.
type Code string

// The error codes of RFC 6750, Section 3.1, and RFC 9470, Section 3.
const (
	CodeInvalidRequest                 Code = "invalid_request"
	CodeInvalidToken                   Code = "invalid_token"
	CodeInsufficientScope              Code = "insufficient_scope"
	CodeInsufficientUserAuthentication Code = "insufficient_user_authentication"
)

// Cause says why a request was refused. The set is closed, so a Cause may label a metric. Each is an error, for use
// with [errors.Is]; none is ever sent to a client.
type Cause string

// Causes, in the order in which they are looked for.
const (
	ErrPath           Cause = "path not canonical"               // 400
	ErrCleartext      Cause = "token over cleartext"             // 403
	ErrCredentials    Cause = "malformed credentials"            // 400 invalid_request
	ErrNoToken        Cause = "no token"                         // 401 without a code
	ErrTokenSize      Cause = "token too large"                  // 401 invalid_token, as are all down to ErrRevoked
	ErrMalformed      Cause = "malformed token"                  //
	ErrUnknownIssuer  Cause = "unknown issuer"                   //
	ErrAlgorithm      Cause = "algorithm not allowed"            //
	ErrExpired        Cause = "token expired"                    //
	ErrNotYetValid    Cause = "token not yet valid"              //
	ErrLifetime       Cause = "token lives too long"             //
	ErrAudience       Cause = "audience not accepted"            //
	ErrUnknownKey     Cause = "no such key"                      //
	ErrSignature      Cause = "signature does not verify"        //
	ErrType           Cause = "not an access token"              //
	ErrClaims         Cause = "claim missing or of a wrong type" //
	ErrConfirmation   Cause = "token bound to a key or certificate"
	ErrScope          Cause = "scope missing"              // 403 insufficient_scope
	ErrForbidden      Cause = "requirement not met"        // 403 insufficient_scope: role, claim, audience and the like
	ErrAuthentication Cause = "authentication too weak"    // 401 insufficient_user_authentication
	ErrTokenAge       Cause = "token too old for this"     // 401 invalid_token
	ErrUnavailable    Cause = "keys unavailable"           // 503
	ErrUndecided      Cause = "requirement not decidable"  // 503
	ErrClosed         Cause = "guard closed"               // 503
	ErrInternal       Cause = "fault in the guarding code" // 500
)

// causes are all of them.
var causes = [...]Cause{
	ErrPath, ErrCleartext, ErrCredentials, ErrNoToken, ErrTokenSize, ErrMalformed, ErrUnknownIssuer, ErrAlgorithm, ErrExpired,
	ErrNotYetValid, ErrLifetime, ErrAudience, ErrUnknownKey, ErrSignature, ErrType, ErrClaims, ErrConfirmation, ErrScope,
	ErrForbidden, ErrAuthentication, ErrTokenAge, ErrUnavailable, ErrUndecided, ErrClosed, ErrInternal,
}

// Error implements error.
func (c Cause) Error() string { return "bearerguard: " + string(c) }

// Error is a refusal: what the client is told, and, in Cause and Err, what only the operator is told. The zero Error
// answers 500.
type Error struct {
	Code       Code          // sent to the client; empty where RFC 6750, Section 3.1 wants no code
	Scopes     []string      // that the resource needs, if one of them is missing
	ACRValues  []string      // that the resource accepts, in order of preference (RFC 9470, Section 3)
	MaxAge     time.Duration // since the user was authenticated; 0: any (RFC 9470, Section 3)
	RetryAfter time.Duration // of a 503
	Cause      Cause
	Err        error // details for the operator; may be nil

	failed Policy // the requirement that was not met
}

// Error describes the refusal for the operator. It holds no token and no key, but may hold words that the caller
// chose, quoted.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Cause.Error()
	}
	return fmt.Sprintf("%v: %v", e.Cause, e.Err)
}

// Unwrap makes errors.Is find the Cause and what lies below it.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Err}
}

// Status is the HTTP status code of the refusal.
func (e *Error) Status() int {
	switch e.Cause {
	case ErrPath, ErrCredentials:
		return http.StatusBadRequest
	case ErrCleartext, ErrScope, ErrForbidden:
		return http.StatusForbidden
	case ErrUnavailable, ErrUndecided, ErrClosed:
		return http.StatusServiceUnavailable
	case ErrInternal, "":
		return http.StatusInternalServerError
	}
	return http.StatusUnauthorized
}

func refuse(cause Cause, err error) *Error {
	e := &Error{Cause: cause, Err: err}
	switch e.Status() {
	case http.StatusBadRequest:
		if cause == ErrCredentials {
			e.Code = CodeInvalidRequest
		}
	case http.StatusUnauthorized:
		switch cause {
		case ErrNoToken:
		case ErrAuthentication:
			e.Code = CodeInsufficientUserAuthentication
		default:
			e.Code = CodeInvalidToken
		}
	case http.StatusForbidden:
		if cause != ErrCleartext {
			e.Code = CodeInsufficientScope
		}
	case http.StatusServiceUnavailable:
		e.RetryAfter = 5 * time.Second
	}
	return e
}

// WriteError answers the request with a refusal that [Guard.Check] or [Guard.Verify] returned: status, challenge and an
// RFC 9457 problem document with a fixed phrase. Any other error is answered with 500 and no challenge. Nothing of the
// request, the token or the cause is echoed.
func (g *Guard) WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = &Error{Cause: ErrInternal}
	}
	g.answer(w, refusal)
}

func (g *Guard) answer(w http.ResponseWriter, e *Error) {
	status := e.Status()
	header := w.Header()
	if status == http.StatusUnauthorized || e.Code != "" {
		// Add, not Set: an outer layer may offer another scheme. RFC 9110, Section 11.6.1.
		header.Add("WWW-Authenticate", g.challengeFor(e))
	}
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	contentType, body := g.body(status, e)
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody left to tell
}

// body is the operator's own, or the problem document.
func (g *Guard) body(status int, e *Error) (contentType string, body []byte) {
	if g.core != nil && g.core.errorBody != nil {
		func() {
			defer func() {
				if recover() != nil {
					contentType = ""
				}
			}()
			contentType, body = g.core.errorBody(status, e.Code)
		}()
	}
	if contentType == "" {
		return "application/problem+json", []byte(problem(status, e))
	}
	return contentType, body
}

// challengeFor is the one Bearer challenge of an answer. Its prefix, with realm or resource_metadata, makes sure that
// it has a parameter (RFC 6750, Section 3).
func (g *Guard) challengeFor(e *Error) string {
	c := g.challenge
	if e.Code != "" {
		c = c.With("error", string(e.Code))
	}
	if len(e.Scopes) > 0 {
		c = c.With("scope", strings.Join(e.Scopes, " "))
	}
	if len(e.ACRValues) > 0 {
		c = c.With("acr_values", strings.Join(e.ACRValues, " "))
	}
	if e.MaxAge > 0 {
		c = c.With("max_age", strconv.FormatInt(int64(e.MaxAge/time.Second), 10))
	}
	return c.String()
}

// problem is the RFC 9457 document. Its texts are fixed: the title is the status phrase, as Section 4.2.1 asks for
// about:blank, and the detail tells what the client may do, never what we found.
func problem(status int, e *Error) string {
	var detail string
	switch {
	case e.Cause == ErrPath:
		detail = "The request target is not in canonical form."
	case e.Cause == ErrCleartext:
		detail = "Access tokens are accepted over HTTPS only."
	case e.Code == CodeInvalidRequest:
		detail = "The request carries malformed credentials."
	case e.Code == CodeInvalidToken:
		detail = "The access token is not valid here, or no longer."
	case e.Code == CodeInsufficientScope:
		detail = "The access token does not grant this request."
	case e.Code == CodeInsufficientUserAuthentication:
		detail = "This request needs another authentication of the user."
	case status == http.StatusUnauthorized:
		detail = "An access token is required."
	case status == http.StatusServiceUnavailable:
		detail = "Access tokens cannot be checked at the moment."
	default:
		detail = "The request could not be decided."
	}
	body := `{"title":"` + http.StatusText(status) + `","status":` + strconv.Itoa(status) + `,"detail":"` + detail + `"`
	if e.Code != "" {
		body += `,"error":"` + string(e.Code) + `"`
	}
	return body + "}\n"
}
