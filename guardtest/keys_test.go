package guardtest_test

import (
	"crypto"
	"net/http"
	"slices"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerguard/bearerguard/guardtest"
)

func TestKeys(t *testing.T) {
	iss := guardtest.NewIssuerAt(t, realm, "ES256", "Ed25519")
	client := &http.Client{Transport: iss.Transport()}
	published := func(want ...string) {
		t.Helper()
		if _, set := fetch(t, client, iss.JWKSURL()); !slices.Equal(keyIDs(t, set), want) {
			t.Errorf("published %q, not %q", keyIDs(t, set), want)
		}
	}
	signedBy := func(token, keyID string, public crypto.PublicKey) {
		t.Helper()
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return public, nil })
		if err != nil || parsed.Header["kid"] != keyID {
			t.Errorf("%v, key %v, not %s", err, parsed.Header["kid"], keyID)
		}
	}
	es, ed, esPublic := iss.KeyID("ES256"), iss.KeyID("Ed25519"), iss.PublicKey("ES256")
	published(es, ed)
	signedBy(iss.Token(nil), es, esPublic)

	second := iss.Rotate("ES256")
	published(es, ed, second)
	if iss.KeyID("ES256") != second {
		t.Error("the new key is not the current one")
	}
	signedBy(iss.Token(nil), second, iss.PublicKey("ES256"))
	signedBy(iss.TokenWith("ES256", nil, nil), second, iss.PublicKey("ES256"))
	signedBy(iss.SignWith(es, `{"alg":"ES256","kid":"`+es+`"}`, `{}`), es, esPublic)

	iss.Withdraw(es)
	published(ed, second)
	signedBy(iss.SignWith(es, `{"alg":"ES256","kid":"`+es+`"}`, `{}`), es, esPublic)

	before := iss.PublicKey("ES256")
	iss.Replace(second)
	published(ed, second)
	if iss.PublicKey("ES256").(interface{ Equal(crypto.PublicKey) bool }).Equal(before) {
		t.Error("Replace has kept the key")
	}
	signedBy(iss.Token(nil), second, iss.PublicKey("ES256"))
	iss.Replace(es)
	published(ed, second) // es stays withdrawn

	third := iss.Rotate("ES384")
	published(ed, second, third)
	signedBy(iss.TokenWith("ES384", nil, nil), third, iss.PublicKey("ES384"))

	if iss.KeyID("PS256") != "" {
		t.Error("a kid without a key")
	}
	for name, misuse := range map[string]func(){
		"Rotate": func() { iss.Rotate("HS256") }, "Withdraw": func() { iss.Withdraw("x") }, "Replace": func() { iss.Replace("x") },
		"SignWith": func() { iss.SignWith("x", "", "") }, "Sign": func() { iss.Sign("PS256", "", "") }, "PublicKey": func() { iss.PublicKey("PS256") },
		"Fail": func() { iss.Fail(100) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
	published(ed, second, third) // and no lock is left behind
}
