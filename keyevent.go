package bearerguard

import (
	"context"
	"log/slog"

	"github.com/bearerguard/bearerguard/internal/keys"
)

// KeyEventKind says what happened to an issuer's keys. The set is closed.
type KeyEventKind string

// The kinds of key events.
const (
	KeyAdded    KeyEventKind = "key added"
	KeyRemoved  KeyEventKind = "key removed"       // its tokens are refused from now on
	KeyReplaced KeyEventKind = "key replaced"      // other key material under the same kid: a mistake, or an attack
	KeyRefused  KeyEventKind = "key refused"       // published, but not fit to verify: see Err
	SetRefused  KeyEventKind = "key set not taken" // a fetch failed or brought nothing usable; the last good set serves
)

var keyEventKinds = map[keys.EventKind]KeyEventKind{
	keys.KeyAdded: KeyAdded, keys.KeyRemoved: KeyRemoved, keys.KeyReplaced: KeyReplaced,
	keys.KeyRefused: KeyRefused, keys.SetRefused: SetRefused,
}

// KeyEvent is one thing that happened to an issuer's keys. It holds no key material.
type KeyEvent struct {
	Issuer    string
	Kind      KeyEventKind
	KeyID     string // chosen by the issuer: quote it
	Algorithm string
	Err       error
}

// LogKeyEvents makes a Config.OnKeyEvent that logs: added and removed keys at level Info, everything else at Warn. There
// are at most 65 events for one fetch.
func LogKeyEvents(logger *slog.Logger) func(KeyEvent) {
	return func(e KeyEvent) {
		level := slog.LevelWarn
		if e.Kind == KeyAdded || e.Kind == KeyRemoved {
			level = slog.LevelInfo
		}
		attributes := []slog.Attr{slog.String("issuer", e.Issuer)}
		if e.Algorithm != "" {
			attributes = append(attributes, slog.String("kid", clip(e.KeyID)), slog.String("alg", e.Algorithm))
		}
		if e.Err != nil {
			attributes = append(attributes, slog.String("error", e.Err.Error()))
		}
		logger.LogAttrs(context.Background(), level, string(e.Kind), attributes...)
	}
}

// keyEventHook translates the events of the key stores.
func keyEventHook(hook func(KeyEvent)) func(keys.Event) {
	if hook == nil {
		return nil
	}
	return func(e keys.Event) {
		hook(KeyEvent{Issuer: e.Issuer, Kind: keyEventKinds[e.Kind], KeyID: e.KeyID, Algorithm: e.Algorithm, Err: e.Err})
	}
}
