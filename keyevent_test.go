package bearerguard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// TestKeyEvents has everything happen to an issuer's keys, one thing at a time.
func TestKeyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, "https://login.example.com", "Ed25519")
		events := new(keyEvents)
		cfg := iss.Config(resource)
		cfg.OnKeyEvent = events.add
		guard := mustNew(t, cfg)
		first := iss.KeyID("Ed25519")
		var second string
		for _, row := range []struct {
			name  string
			do    func()
			fails bool
			want  []bearerguard.KeyEvent // Err: any, if there is one
		}{
			{"the first fetch fails", iss.GoDown, true, []bearerguard.KeyEvent{{Kind: bearerguard.SetRefused, Err: errors.New("")}}},
			{"the first fetch", iss.ComeBack, false, []bearerguard.KeyEvent{{Kind: bearerguard.KeyAdded, KeyID: first, Algorithm: "EdDSA"}}},
			{"nothing new", func() {}, false, nil},
			{"a new key", func() { second = iss.Rotate("ES256") }, false, []bearerguard.KeyEvent{{Kind: bearerguard.KeyAdded, KeyID: "second", Algorithm: "ES256"}}},
			{"nothing new, in other words", func() { iss.PublishJWKS(string(iss.JWKS()) + " ") }, false, nil},
			{"other material", func() { iss.PublishJWKS(""); iss.Replace(first) }, false, []bearerguard.KeyEvent{{Kind: bearerguard.KeyReplaced, KeyID: first, Algorithm: "EdDSA"}}},
			{"a key is gone", func() { iss.Withdraw(first) }, false, []bearerguard.KeyEvent{{Kind: bearerguard.KeyRemoved, KeyID: first, Algorithm: "EdDSA"}}},
			{"a bad key", func() { iss.PublishJWKS(strings.Replace(string(iss.JWKS()), "[", `[{"kty":"oct","k":"AAAA"},`, 1)) }, false, []bearerguard.KeyEvent{{Kind: bearerguard.KeyRefused, Err: errors.New("")}}},
			{"no keys", func() { iss.PublishJWKS(`{"keys":[]}`) }, true, []bearerguard.KeyEvent{{Kind: bearerguard.SetRefused, Err: errors.New("")}}},
			{"no keys again", func() {}, true, []bearerguard.KeyEvent{{Kind: bearerguard.SetRefused, Err: errors.New("")}}},
			{"all is well again", func() { iss.PublishJWKS("") }, false, nil},
			{"closed", func() { _ = guard.Close() }, true, nil},
		} {
			row.do()
			if err := guard.Refresh(t.Context(), iss.URL()); (err != nil) != row.fails {
				t.Errorf("%s: %v", row.name, err)
			}
			synctest.Wait() // the operator is told after the callers
			got := events.take("")
			if len(got) != len(row.want) {
				t.Errorf("%s: told of %+v", row.name, got)
				continue
			}
			for i, want := range row.want {
				if want.KeyID == "second" {
					want.KeyID = second
				}
				e := got[i]
				if e.Issuer != iss.URL() || e.Kind != want.Kind || e.KeyID != want.KeyID || e.Algorithm != want.Algorithm || (e.Err != nil) != (want.Err != nil) {
					t.Errorf("%s: told of %+v, want %+v", row.name, e, want)
				}
			}
		}
	})
}

// TestKeyEventsOfTenants is for issuers of IssuerFor.
func TestKeyEventsOfTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		iss := guardtest.NewIssuerAt(t, "https://"+tenantHost+"/a", "Ed25519")
		events := new(keyEvents)
		guard := mustNew(t, bearerguard.Config{
			Resource: resource, HTTPClient: &http.Client{Transport: iss.Transport()}, OnKeyEvent: events.add, IssuerHosts: []string{tenantHost},
			IssuerFor: func(_ context.Context, iss string) (bearerguard.Issuer, bool, error) {
				return bearerguard.Issuer{URL: iss}, true, nil
			},
		})
		hold(t, guard, ok200, iss.Token(nil))
		synctest.Wait()
		if got := events.take(""); len(got) != 1 || got[0].Kind != bearerguard.KeyAdded || got[0].Issuer != iss.URL() {
			t.Errorf("told of %+v", got)
		}
	})
}

// TestKeyEventHook has a hook misbehave.
func TestKeyEventHook(t *testing.T) {
	var guard *bearerguard.Guard
	for name, hook := range map[string]func(bearerguard.KeyEvent){
		"panics": func(bearerguard.KeyEvent) { panic("hook") }, "panics with nothing": func(bearerguard.KeyEvent) { panic(any(nil)) }, "panics at run time": func(e bearerguard.KeyEvent) { _ = []int{}[len(e.KeyID)] },
		"asks the guard": func(e bearerguard.KeyEvent) { guard.Stats(); causeOf(guard, e.KeyID) }, "refreshes": func(e bearerguard.KeyEvent) { go func() { _ = guard.Refresh(context.Background(), e.Issuer) }() }, "sleeps": func(bearerguard.KeyEvent) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				iss := guardtest.NewIssuerAt(t, "https://login.example.com", "Ed25519")
				cfg := iss.Config(resource)
				var told atomic.Int32 // one fetch may begin while the operator is still told of the one before
				cfg.OnKeyEvent = func(e bearerguard.KeyEvent) {
					if told.Add(1) < 5 {
						hook(e)
					}
				}
				guard = mustNew(t, cfg)
				begin := time.Now()
				hold(t, guard, ok200, longLived(iss))
				for range 3 {
					iss.Rotate("Ed25519")
					mustRefresh(t, guard, iss.URL())
					hold(t, guard, ok200, longLived(iss))
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("the hook cost the callers %v", took)
				}
				time.Sleep(2 * time.Hour)
				if n := told.Load(); n < 4 {
					t.Errorf("told %d times", n)
				}
			})
		})
	}
}

// TestLogKeyEvents writes every kind.
func TestLogKeyEvents(t *testing.T) {
	const issuer = "https://login.example.com"
	kid := "k1\r\nERROR admin ok\x1b[31m ${jndi:ldap://x} " + strings.Repeat("k", 10_000)
	for _, row := range []struct {
		event bearerguard.KeyEvent
		level slog.Level
		want  []string
	}{
		{bearerguard.KeyEvent{Kind: bearerguard.KeyAdded, KeyID: "k1", Algorithm: "RS256"}, slog.LevelInfo, []string{"key added", "k1", "RS256"}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyAdded, Algorithm: "RS256"}, slog.LevelInfo, []string{"key added", `kid=""`}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyRemoved, KeyID: "k1", Algorithm: "RS256"}, slog.LevelInfo, []string{"key removed", "k1", "RS256"}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyReplaced, KeyID: "k1", Algorithm: "RS256"}, slog.LevelWarn, []string{"key replaced", "k1", "RS256"}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyRefused, Err: errors.New("too\nweak")}, slog.LevelWarn, []string{"key refused", `too\nweak`}},
		{bearerguard.KeyEvent{Kind: bearerguard.SetRefused, Err: errors.New("down")}, slog.LevelWarn, []string{"key set not taken", "down"}},
		{bearerguard.KeyEvent{Kind: "something new"}, slog.LevelWarn, []string{"something new"}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyAdded, KeyID: kid, Algorithm: "RS256"}, slog.LevelInfo, []string{`k1\r\nERROR`, `\x1b[31m`, "…"}},
		{bearerguard.KeyEvent{Kind: bearerguard.KeyReplaced, KeyID: strings.Repeat("é", 100) + "\xff", Algorithm: "RS256"}, slog.LevelWarn, []string{"…"}},
	} {
		t.Run(string(row.event.Kind), func(t *testing.T) {
			row.event.Issuer = issuer
			var text, js bytes.Buffer
			options := &slog.HandlerOptions{Level: slog.LevelDebug}
			bearerguard.LogKeyEvents(slog.New(slog.NewTextHandler(&text, options)))(row.event)
			bearerguard.LogKeyEvents(slog.New(slog.NewJSONHandler(&js, options)))(row.event)
			for _, line := range []string{text.String(), js.String()} {
				if strings.Count(line, "\n") != 1 || len(line) > 600 || strings.ContainsAny(line, "\r\x1b") {
					t.Errorf("line %q", line)
				}
				if !strings.Contains(line, row.level.String()) || !strings.Contains(line, issuer) {
					t.Errorf("line %q, want level %v", line, row.level)
				}
			}
			for _, want := range row.want {
				if !strings.Contains(text.String(), want) {
					t.Errorf("line %q, want %q", text.String(), want)
				}
			}
			if strings.Contains(text.String(), "error=") != (row.event.Err != nil) || strings.Contains(text.String(), "kid=") != (row.event.Algorithm != "") {
				t.Errorf("line %q", text.String())
			}
			if !json.Valid(js.Bytes()) {
				t.Errorf("line %q", js.String())
			}
			var quiet bytes.Buffer
			bearerguard.LogKeyEvents(slog.New(slog.NewTextHandler(&quiet, &slog.HandlerOptions{Level: slog.LevelWarn})))(row.event)
			if (quiet.Len() > 0) != (row.level == slog.LevelWarn) {
				t.Errorf("at level Warn: %q", quiet.String())
			}
		})
	}
}

// TestAttackKeyEvents has a hostile issuer write our log: it gets few lines, short ones, and no key gets in.
func TestAttackKeyEvents(t *testing.T) {
	evil := "\r\nlevel=ERROR msg=owned \x1b[31m" + strings.Repeat("x", 20_000)
	type spoils = func(i *guardtest.Issuer)
	publish := func(keys ...string) spoils {
		return func(i *guardtest.Issuer) {
			i.PublishJWKS(strings.Replace(string(i.JWKS()), "[", "["+strings.Join(keys, ",")+",", 1))
		}
	}
	many := func(jwk func(i int) string) spoils {
		return func(i *guardtest.Issuer) {
			var keys []string
			for n := range 2000 {
				keys = append(keys, jwk(n))
			}
			publish(keys...)(i)
		}
	}
	var weak []string
	for _, row := range append(hostileRSA(), hostileCurves()...) {
		if len(row.jwk) < 4000 {
			weak = append(weak, row.jwk)
		}
	}
	set := func(base, more guardtest.Claims) string { return published(base, more) }
	short := guardtest.Claims{"kty": "OKP", "crv": "Ed25519", "x": own().ed25519JWK["x"]}
	for _, row := range []struct {
		name  string
		most  int // events of a fetch
		spoil spoils
	}{
		{"2,000 bad keys", 65, many(func(int) string { return "{}" })},
		{"64 bad keys and a good one", 65, publish(strings.Repeat("{},", 63) + "{}")},
		{"63 bad keys and a good one", 64, publish(strings.Repeat("{},", 62) + "{}")},
		{"2,000 good keys", 65, many(func(n int) string { return set(short, guardtest.Claims{"kid": fmt.Sprint(n), "use": "sig"}) })},
		{"2,000 kids, each with two keys", 65, many(func(n int) string {
			return set(guardtest.Claims{"kty": "OKP", "crv": "Ed25519", "x": own().ed25519JWK["x"], "kid": fmt.Sprint(n / 2)}, nil)
		})},
		{"a long kid", 2, publish(set(own().esJWK, guardtest.Claims{"kid": evil}))},
		{"a long kid of two keys", 3, publish(set(own().rsJWK, guardtest.Claims{"kid": evil}), set(own().rsJWK, guardtest.Claims{"kid": evil, "n": guardtest.JWK(&own().spare.PublicKey, nil)["n"]}))},
		{"a long alg", 2, publish(set(own().esJWK, guardtest.Claims{"alg": evil}))},
		{"a long use", 2, publish(set(own().esJWK, guardtest.Claims{"use": evil}))},
		{"a long kty", 2, publish(set(own().esJWK, guardtest.Claims{"kty": evil}))},
		{"a long crv", 2, publish(set(own().esJWK, guardtest.Claims{"crv": evil}))},
		{"a long y", 2, publish(set(own().esJWK, guardtest.Claims{"y": evil}))},
		{"a long member, twice", 2, publish(`{` + forgeJSON(evil) + `:1,` + forgeJSON(evil) + `:2}`)},
		{"a long number", 2, publish(`{"kty":"RSA","e":` + strings.Repeat("9", 20_000) + `}`)},
		{"D-01 D-07 D-10 all hostile keys", 65, publish(weak...)},
		{"a private key", 2, publish(set(own().rsJWK, guardtest.Claims{"d": forge64(own().rs.D.Bytes()), "p": forge64(own().rs.Primes[0].Bytes())}))},
		{"no JSON", 1, func(i *guardtest.Issuer) { i.PublishJWKS(evil) }},
		{"a long Location", 1, func(i *guardtest.Issuer) {
			i.FaultsOn("/jwks")
			i.Redirect("https://evil.test/" + strings.Repeat("x", 20_000))
		}},
		{"a long Location that does not parse", 1, func(i *guardtest.Issuer) { i.FaultsOn("/jwks"); i.Redirect("http://%zz" + strings.Repeat("x", 20_000)) }},
		{"L-06 a long issuer", 1, func(i *guardtest.Issuer) {
			i.PublishMetadata(forgeJSON(guardtest.Claims{"issuer": evil, "jwks_uri": i.JWKSURL()}))
		}},
		{"L-05 a long jwks_uri", 1, func(i *guardtest.Issuer) {
			i.PublishMetadata(forgeJSON(guardtest.Claims{"issuer": i.URL(), "jwks_uri": evil}))
		}},
		{"L-05 a long jwks_uri by http", 1, func(i *guardtest.Issuer) {
			i.PublishMetadata(forgeJSON(guardtest.Claims{"issuer": i.URL(), "jwks_uri": "http://evil.test/" + strings.Repeat("x", 20_000)}))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				iss := guardtest.NewIssuerAt(t, "https://login.example.com", "Ed25519")
				var log bytes.Buffer
				logged := bearerguard.LogKeyEvents(slog.New(slog.NewTextHandler(&log, nil)))
				events := new(keyEvents)
				cfg := iss.Config(resource)
				cfg.OnKeyEvent = func(e bearerguard.KeyEvent) { events.add(e); logged(e) }
				guard := mustNew(t, cfg)
				row.spoil(iss)
				_ = guard.Refresh(t.Context(), iss.URL())
				synctest.Wait()
				told := events.take("")
				if len(told) == 0 || len(told) > row.most {
					t.Errorf("%d events", len(told))
				}
				lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
				if len(lines) != len(told) {
					t.Errorf("%d lines for %d events", len(lines), len(told))
				}
				for _, line := range lines {
					if len(line) > 2500 || strings.ContainsAny(line, "\r\x1b") || strings.Contains(line, strings.Repeat("x", 300)) {
						t.Errorf("line of %d: %.500q", len(line), line)
					}
				}
				if last := told[len(told)-1]; len(told) == 65 && !strings.Contains(fmt.Sprint(last.Err), "more") {
					t.Errorf("the last of many is %+v", last)
				}
				k := own()
				for _, secret := range []string{forge64(k.rs.D.Bytes()), forge64(k.rs.Primes[0].Bytes()), forge64(k.ed.Seed()), k.rsJWK["n"].(string), k.esJWK["x"].(string), k.esJWK["y"].(string), "c2VjcmV0LXNlY3JldC1zZWNy"} {
					if strings.Contains(log.String(), secret[:20]) || strings.Contains(fmt.Sprintf("%+v", told), secret[:20]) {
						t.Errorf("key material in the log: %.20s…", secret)
					}
				}
			})
		})
	}
}
