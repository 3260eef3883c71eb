package bearerguard

import (
	"context"
	"fmt"
)

// verdict is the outcome of a check, with what it was about.
type verdict struct {
	token         *Token
	guard         *Guard
	authorization string // the field value that carried the token
}

// tokenContext carries a verdict. It is a context of its own because context.WithValue would cost one more allocation.
type tokenContext struct {
	context.Context
	verdict
}

type tokenContextKey struct{}

// Format implements [fmt.Formatter]: contexts get printed, and this one holds a token.
func (c *tokenContext) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%v.WithToken", c.Context) }

// Value implements [context.Context].
func (c *tokenContext) Value(key any) any {
	if key == (tokenContextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func verdictFrom(ctx context.Context) verdict {
	if c, ok := ctx.Value(tokenContextKey{}).(*tokenContext); ok {
		return c.verdict
	}
	return verdict{}
}

// FromContext is the Token of the innermost guard around a handler; false if there is none, or if the caller is
// anonymous.
func FromContext(ctx context.Context) (*Token, bool) {
	t := verdictFrom(ctx).token
	return t, t != nil
}

// NewContext hands a Token on to code that reads it with [FromContext]. Only verified Tokens exist, so this forges
// nothing.
func NewContext(ctx context.Context, t *Token) context.Context {
	return &tokenContext{ctx, verdict{token: t}}
}
