package bearerguard_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// anyRequirement makes a requirement of any kind of any bytes.
func anyRequirement(plan *[]byte, depth int) bearerguard.Requirement {
	var b byte
	if len(*plan) > 0 {
		b, *plan = (*plan)[0], (*plan)[1:]
	}
	name := []string{"a", "b"}[b>>7]
	answers := func(ok bool, err error) bearerguard.Requirement {
		return bearerguard.Satisfies(name, func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { return ok, err })
	}
	kinds := []func() bearerguard.Requirement{
		bearerguard.Authenticated,
		func() bearerguard.Requirement { return bearerguard.Scope(name) },
		func() bearerguard.Requirement { return bearerguard.AnyScope("x", name) },
		func() bearerguard.Requirement { return bearerguard.Role(name) },
		func() bearerguard.Requirement { return bearerguard.AnyRole("x", name) },
		func() bearerguard.Requirement { return bearerguard.Audience("https://" + name + ".example") },
		func() bearerguard.Requirement { return bearerguard.IssuedBy(issuers()[int(b>>7)].URL()) },
		func() bearerguard.Requirement { return bearerguard.ACR("x", name) },
		func() bearerguard.Requirement {
			return bearerguard.AuthAge(time.Duration(1+int(b>>7)*999) * time.Second)
		},
		func() bearerguard.Requirement {
			return bearerguard.TokenAge(time.Duration(1+int(b>>7)*999) * time.Second)
		},
		func() bearerguard.Requirement { return bearerguard.Claim("tenant", name) },
		func() bearerguard.Requirement { return bearerguard.PathClaim("tenant", "tenant") },
		func() bearerguard.Requirement { return answers(b>>7 == 0, nil) },
		func() bearerguard.Requirement { return answers(b>>7 == 0, errors.New("down")) },
		func() bearerguard.Requirement {
			return bearerguard.Satisfies(name, func(context.Context, *bearerguard.Token, *http.Request) (bool, error) { panic("broken") })
		},
	}
	if depth > 0 && b>>4&7 < 4 {
		parts := []bearerguard.Requirement{anyRequirement(plan, depth-1), anyRequirement(plan, depth-1)}
		if b>>4&1 == 0 {
			return bearerguard.All(parts...)
		}
		return bearerguard.Any(parts...)
	}
	return kinds[int(b&15)%len(kinds)]()
}

// Of all kinds of requirements, and of all combinations of them: adding one to All never turns a refusal into a pass,
// and adding an alternative to Any never a pass into a refusal, whatever cannot be decided or panics.
func FuzzRequirementsOnlyNarrow(f *testing.F) {
	var tokens []string
	now := time.Now().Unix()
	for i := range 4 {
		tokens = append(tokens, issuers()[0].TokenWith("Ed25519", nil, guardtest.Claims{
			"scope": []string{"a", "b", "a b", ""}[i], "roles": []string{"a", "b"}[:i&1+i>>1], "acr": []string{"a", "b"}[i&1], "tenant": []any{"a", "b", 5, nil}[i],
			"aud": []string{resource, "https://a.example", "https://b.example"}[:1+i%3], "auth_time": now - int64(i*400), "iat": now - int64(i*400), "exp": now + 80_000,
		}))
	}
	cfg := issuers()[0].Config(resource)
	cfg.Issuers[0].JWKS = issuers()[0].JWKS()
	guard, err := bearerguard.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = guard.Close() })
	for i := range 1024 {
		f.Add([]byte{byte(i * 37), byte(i >> 1), byte(i * 11), byte(i * 5), byte(i >> 2), byte(i * 3), byte(i * 91), byte(i * 77)}, byte(i), byte(i>>2))
	}
	f.Fuzz(func(t *testing.T, plan []byte, which, tenant byte) {
		r := guardtest.NewRequest("GET", "/x", tokens[which%4])
		r.SetPathValue("tenant", []string{"a", "b", "", "5"}[tenant%4])
		p, q := anyRequirement(&plan, 3), anyRequirement(&plan, 3)
		allows := func(policy bearerguard.Policy) bool {
			token, err := guard.Check(r, policy)
			var refusal *bearerguard.Error
			if (token == nil) == (err == nil) || err != nil && (!errors.As(err, &refusal) || refusal.Status() < 401) {
				t.Fatalf("%v: %v, %v", policy, token, err)
			}
			return err == nil
		}
		first, second := allows(p), allows(q)
		for _, all := range []bearerguard.Requirement{bearerguard.All(p, q), bearerguard.All(q, p), bearerguard.All(p, bearerguard.All(q), p)} {
			if got := allows(all); got != (first && second) {
				t.Errorf("%v is %v, %v is %v, %v is %v", p, first, q, second, all, got)
			}
		}
		for _, either := range []bearerguard.Requirement{bearerguard.Any(p, q), bearerguard.Any(q, p), bearerguard.Any(p, bearerguard.Any(q), p)} {
			if got := allows(either); got != (first || second) {
				t.Errorf("%v is %v, %v is %v, %v is %v", p, first, q, second, either, got)
			}
		}
		// With a token, none of the policies around a requirement changes what it says.
		for _, around := range []bearerguard.Policy{bearerguard.Optional(p), bearerguard.EncodedSlash(p), bearerguard.Trial{Enforce: p, Report: q}, bearerguard.Trial{Enforce: bearerguard.Optional(p), Report: q}} {
			if got := allows(around); got != first {
				t.Errorf("%v is %v, %v is %v", p, first, around, got)
			}
		}
	})
}
