package bearerguard

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Decision is the record of one answer, for logs, metrics and traces. It holds no token.
type Decision struct {
	Method   string
	Path     string // as the caller sent it: quote it
	Pattern  string // of the route, if a ServeMux or Mux found it
	Resource string // of the guard or view that decided
	Policy   Policy
	Failed   Policy // the requirement that was not met; nil if the policy was not reached, or was met
	Status   int    // 200 stands for: handed to the handler
	Cause    Cause  // empty if allowed
	Err      error  // details of a refusal, for the operator only
	Token    *Token // nil unless everything about it was verified
	Trial    *Error // what the policy on trial would have refused; nil if nothing
	Verified bool   // the signature was good; else nothing in Err is known to come from the issuer
	Duration time.Duration
}

// Allowed tells whether the request was handed to the handler.
func (d Decision) Allowed() bool { return d.Cause == "" }

// LogDecisions makes a Config.OnDecision that logs: what was allowed at level Debug, a refusal at Info, a fault of ours
// at Error. It writes at most ten lines a second for each cause and says how many it left out.
func LogDecisions(logger *slog.Logger) func(context.Context, Decision) {
	type valve struct {
		limiter    *rate.Limiter
		suppressed int
	}
	var mu sync.Mutex
	valves := make(map[Cause]*valve) // causes are a closed set
	return func(ctx context.Context, d Decision) {
		level := slog.LevelInfo
		switch {
		case d.Allowed():
			level = slog.LevelDebug
		case d.Status >= 500:
			level = slog.LevelError
		}
		if !logger.Enabled(ctx, level) {
			return
		}
		mu.Lock()
		v := valves[d.Cause]
		if v == nil {
			v = &valve{limiter: rate.NewLimiter(10, 10)}
			valves[d.Cause] = v
		}
		if !v.limiter.Allow() {
			v.suppressed++
			mu.Unlock()
			return
		}
		suppressed := v.suppressed
		v.suppressed = 0
		mu.Unlock()

		attributes := []slog.Attr{
			slog.Int("status", d.Status), slog.String("method", clip(d.Method)), slog.String("path", clip(d.Path)),
			slog.Duration("duration", d.Duration),
		}
		if d.Policy != nil {
			attributes = append(attributes, slog.String("policy", d.Policy.String()))
		}
		if !d.Allowed() {
			attributes = append(attributes, slog.String("cause", string(d.Cause)), slog.Bool("verified", d.Verified))
		}
		if d.Err != nil {
			attributes = append(attributes, slog.String("error", d.Err.Error()))
		}
		if d.Token != nil {
			attributes = append(attributes, slog.Any("token", d.Token))
		}
		if d.Trial != nil {
			attributes = append(attributes, slog.String("trial", d.Trial.Error()))
		}
		if suppressed > 0 {
			attributes = append(attributes, slog.Int("suppressed", suppressed))
		}
		message := "request allowed"
		if !d.Allowed() {
			message = "request refused"
		}
		logger.LogAttrs(ctx, level, message, attributes...)
	}
}

// clip bounds what a caller can make us write. The slog handlers quote it.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
