package bearerguard_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// A key comes from the issuer's own set or not at all, whatever a token brings along or points to.
func TestAttackHeaderKeys(t *testing.T) {
	k, iss := own(), issuers()[0]
	s, port, _ := newWatched(t, trustOwn())
	file := filepath.Join(t.TempDir(), "jwks.json")
	evilJWK := guardtest.JWK(&k.evil.PublicKey, guardtest.Claims{"kid": "evil", "alg": "RS256", "use": "sig"})
	if err := os.WriteFile(file, []byte(forgeJSON(guardtest.Claims{"keys": []guardtest.Claims{evilJWK}})), 0o600); err != nil {
		t.Fatal(err)
	}
	chain := func(key crypto.Signer, subject string) (der []byte) {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: subject}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	std := base64.StdEncoding.EncodeToString
	evilCert, victimCert := chain(k.evil, "own.example.com"), chain(k.rs, "own.example.com")
	x5t, x5t256 := sha1.Sum(victimCert), sha256.Sum256(victimCert)

	// By the attacker under every kid; by the issuer, beside a header that is then ignored (RFC 7515, Section 4).
	try := func(name string, header guardtest.Claims) {
		refuseForged(t, s,
			forged{name + ", its own kid", forgeSigned("RS256", k.evil, forgeHeader("RS256", "evil", header), forgePayload(ownURL))},
			forged{name + ", the victim's kid", forgeSigned("RS256", k.evil, forgeHeader("RS256", "rs", header), forgePayload(ownURL))},
			forged{name + ", no kid", forgeSigned("RS256", k.evil, forgeHeader("RS256", "", guardtest.Claims{"kid": nil}, header), forgePayload(ownURL))},
			forged{name + ", against the fetched issuer", forgeSigned("RS256", k.evil, forgeHeader("RS256", iss.KeyID("RS256"), header), forgePayload(iss.URL()))},
			forged{name + ", against the fetched issuer, its own kid", forgeSigned("RS256", k.evil, forgeHeader("RS256", "evil", header), forgePayload(iss.URL()))},
		)
		acceptForged(t, s,
			forged{name + ", but signed by the issuer: ignored", forgeOwn(header, nil)},
			forged{name + ", but signed by the fetched issuer: ignored", iss.TokenWith("RS256", header, nil)},
		)
	}
	try("B-01 R7515-09 jwk of the attacker", guardtest.Claims{"jwk": evilJWK})
	try("B-01 jwk of the attacker with the victim's kid", guardtest.Claims{"jwk": guardtest.JWK(&k.evil.PublicKey, guardtest.Claims{"kid": "rs"})})
	try("B-01 jwk of a wrong type", guardtest.Claims{"jwk": "evil"})
	try("B-01 jwk a whole set", guardtest.Claims{"jwk": guardtest.Claims{"keys": []guardtest.Claims{evilJWK}}})
	oct := guardtest.Claims{"kty": "oct", "k": forge64([]byte("secret")), "kid": "rs"}
	evilEC, evilEd := guardtest.JWK(&k.evilEC.PublicKey, nil), guardtest.JWK(k.evilEd.Public(), nil)
	refuseForged(t, s,
		forged{"B-01 jwk of EC", forgeSigned("ES256", k.evilEC, forgeHeader("ES256", "es256", guardtest.Claims{"jwk": evilEC}), forgePayload(ownURL))},
		forged{"B-01 jwk of Ed25519", forgeSigned("EdDSA", k.evilEd, forgeHeader("EdDSA", "ed", guardtest.Claims{"jwk": evilEd}), forgePayload(ownURL))},
		forged{"B-01 jwk of HMAC", forgeSigned("HS256", []byte("secret"), forgeHeader("HS256", "rs", guardtest.Claims{"jwk": oct}), forgePayload(ownURL))},
	)

	host := strings.TrimPrefix(iss.URL(), "http://")
	for _, url := range []string{
		"http://" + port.address + "/jwks.json", "https://" + port.address + "/jwks.json", "HTTP://" + port.address, "//" + port.address + "/jwks",
		"http://" + host + "@" + port.address + "/jwks", "https://own.example.com@" + port.address + "/jwks", "http://" + host + ".evil.test/jwks",
		"https://own.example.com.evil.test/jwks", iss.URL() + "/redirect?to=http://" + port.address, iss.JWKSURL() + "?x=http://" + port.address,
		iss.JWKSURL() + "#http://" + port.address, "http://" + port.address + "/#" + iss.JWKSURL(), "http://" + port.address + "/?" + iss.JWKSURL(),
		"http://" + port.address + `\@` + host + "/jwks", iss.URL() + "/../" + port.address, "file://" + file, file, "http://169.254.169.254/latest/meta-data/",
		"http://[::ffff:169.254.169.254]/", "http://localhost/", "gopher://" + port.address + "/_GET", "ftp://" + port.address, "data:application/json," + forgeJSON(evilJWK), "",
	} {
		short := strings.ReplaceAll(strings.ReplaceAll(url, port.address, "evil"), file, "/jwks.json")
		if len(short) > 80 {
			short = short[:80]
		}
		try("B-02 R7515-09 R8725-11 jku "+short, guardtest.Claims{"jku": url})
		try("B-03 R8725-11 x5u "+short, guardtest.Claims{"x5u": url})
	}
	try("B-02 jku of a wrong type", guardtest.Claims{"jku": []string{"http://" + port.address}})
	try("B-02 jku and jwk together", guardtest.Claims{"jku": "http://" + port.address, "jwk": evilJWK})
	try("B-03 R7515-09 x5c of the attacker, subject of the victim", guardtest.Claims{"x5c": []string{std(evilCert)}})
	try("B-03 x5c of the attacker, then of the victim", guardtest.Claims{"x5c": []string{std(evilCert), std(victimCert)}})
	try("B-03 x5c of the victim, then of the attacker", guardtest.Claims{"x5c": []string{std(victimCert), std(evilCert)}})
	try("B-03 x5c and x5u together", guardtest.Claims{"x5c": []string{std(evilCert)}, "x5u": "http://" + port.address})
	try("B-03 x5c that is no certificate", guardtest.Claims{"x5c": []string{"AAAA"}})
	try("B-04 x5t of the victim", guardtest.Claims{"x5t": forge64(x5t[:])})
	try("B-04 x5t#S256 of the victim", guardtest.Claims{"x5t#S256": forge64(x5t256[:]), "x5t": forge64(x5t[:])})

	// A SHA-1 collision, as it would look from here: two keys published under one thumbprint.
	twins := newService(t, trustSet(ownURL,
		guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "a", "alg": "RS256", "x5t": forge64(x5t[:])}),
		guardtest.JWK(&k.spare.PublicKey, guardtest.Claims{"kid": "b", "alg": "RS256", "x5t": forge64(x5t[:])})))
	refuseForged(t, twins,
		forged{"B-04 colliding x5t, no kid", forgeOwn(guardtest.Claims{"kid": nil, "x5t": forge64(x5t[:])}, nil)},
		forged{"B-04 colliding x5t, kid of the other key", forgeOwn(guardtest.Claims{"kid": "b", "x5t": forge64(x5t[:])}, nil)},
	)
}

func TestAttackHeaderKeyID(t *testing.T) {
	k := own()
	key := guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "k1", "alg": "RS256"})
	second := guardtest.JWK(&k.spare.PublicKey, guardtest.Claims{"kid": "k2", "alg": "RS256"})
	clef := guardtest.JWK(&k.ps.PublicKey, guardtest.Claims{"kid": "𝄞", "alg": "PS256"})
	s := newService(t, trustSet(ownURL, key, second, clef))
	contents := func(file string) []byte {
		text, err := os.ReadFile(file)
		if err != nil {
			return []byte{}
		}
		return text
	}
	for kid, secret := range map[string][]byte{
		"../../../../../../dev/null": {}, "/dev/null": {}, "../../../../proc/sys/kernel/randomize_va_space": contents("/proc/sys/kernel/randomize_va_space"),
		"/proc/sys/kernel/randomize_va_space": contents("/proc/sys/kernel/randomize_va_space"), "/etc/hostname": contents("/etc/hostname"), "go.mod": contents("go.mod"),
		`C:\Windows\win.ini`: {}, `..\..\..\NUL`: {}, "file:///dev/null": {}, "k1/../k1": {}, "/dev/zero": {}, "k1%00": {}, "./k1": {},
	} {
		refuseForged(t, s,
			forged{fmt.Sprintf("B-05 R8725-11 file as kid %q, HMAC by its contents", kid), forgeSigned("HS256", secret, forgeHeader("HS256", kid), forgePayload(ownURL))},
			forged{fmt.Sprintf("B-05 R8725-11 file as kid %q, RS256", kid), forgeOwn(guardtest.Claims{"kid": kid}, nil)},
		)
	}
	for _, kid := range []string{
		"x' UNION SELECT 'key'-- -", "' OR 1=1 --", `" OR ""="`, "*)(uid=*", "*", "k1;id", "k1|id", "k1`id`", "$(id)", "k1 && id", "%", "k_", `{"$ne":null}`, "k1' AND '1'='1",
	} {
		refuseForged(t, s,
			forged{fmt.Sprintf("B-06 R8725-11 kid %q, HMAC by what it would select", kid), forgeSigned("HS256", []byte("key"), forgeHeader("HS256", kid), forgePayload(ownURL))},
			forged{fmt.Sprintf("B-06 R8725-11 kid %q, RS256", kid), forgeOwn(guardtest.Claims{"kid": kid}, nil)},
		)
	}
	acceptForged(t, s,
		forged{"B-08 R7515-08 the exact kid", forgeOwn(guardtest.Claims{"kid": "k1"}, nil)},
		forged{"R7515-19 a kid beyond the BMP, literally", forgeSigned("PS256", k.ps, `{"typ":"at+jwt","alg":"PS256","kid":"𝄞"}`, forgePayload(ownURL))},
		forged{"R7515-19 a kid beyond the BMP, escaped", forgeSigned("PS256", k.ps, `{"typ":"at+jwt","alg":"PS256","kid":"\uD834\uDD1E"}`, forgePayload(ownURL))},
		forged{"R7515-06 an escaped kid", forgeSigned("RS256", k.rs, `{"typ":"at+jwt","alg":"RS256","kid":"\u006b\u0031"}`, forgePayload(ownURL))},
	)
	for _, kid := range []string{`1`, `null`, `true`, `[]`, `["k1"]`, `{}`, `{"k1":1}`, `"k1\u0000"`, `"K1"`, `" k1"`, `"k1 "`, `"k"`, `"k11"`, `""`, `"\u212a1"`, `"k1\ud834"`, `"ｋ1"`, `-0`} {
		refuseForged(t, s, forged{"B-08 R7515-08 kid " + kid, forgeSigned("RS256", k.rs, `{"typ":"at+jwt","alg":"RS256","kid":`+kid+`}`, forgePayload(ownURL))})
	}
	refuseForged(t, s,
		forged{"R7515-19 a lone surrogate beside the kid", forgeSigned("RS256", k.rs, `{"typ":"at+jwt","alg":"RS256","kid":"k1","x":"\uD834"}`, forgePayload(ownURL))},
		forged{"B-07 R8725-11 a kid of 10 kB", forgeOwn(guardtest.Claims{"kid": strings.Repeat("k1", 5000)}, nil)},
	)
	large := newService(t, trustSet(ownURL, key))
	allowHugeHeaders(large)
	refuseForged(t, large, forged{"B-07 R8725-11 a kid of 1 MB", forgeOwn(guardtest.Claims{"kid": strings.Repeat("k", 1<<20)}, nil)})

	// Whatever a kid holds, one refusal is one line of the log, and its characters are harmless ones.
	var log decisionLog
	s = newService(t, trustSet(ownURL, key), alsoLog(&log))
	hostile := []string{"k1\r\nERROR admin ok", "k1\nlevel=INFO msg=\"request allowed\"", "\x1b[2J\x1b[31mred", "${jndi:ldap://evil/a}", "\u2028\u2029\u0085", "\u202eevil", `" cause="`, "\x00\x07\x7f", "%s%n%x", strings.Repeat("A", 9000)}
	for _, kid := range hostile {
		refuseForged(t, s, forged{fmt.Sprintf("B-09 kid %.40q", kid), forgeOwn(guardtest.Claims{"kid": kid}, nil)})
		t.Run(fmt.Sprintf("B-09 kid %.40q, what the operator sees", kid), func(t *testing.T) {
			text := s.last().Err.Error()
			if strings.ContainsFunc(text, unprintable) || len(text) > 1024 {
				t.Errorf("raw octets of the caller: %q", text)
			}
		})
	}
	t.Run("B-09 one line for one refusal", func(t *testing.T) {
		lines := bufio.NewScanner(strings.NewReader(log.String()))
		n := 0
		for ; lines.Scan(); n++ {
			if line := lines.Text(); !strings.HasPrefix(line, "time=") || strings.ContainsFunc(line, unprintable) || len(line) > 2048 {
				t.Errorf("line %q", line)
			}
		}
		if n != len(hostile) {
			t.Errorf("%d lines for %d refusals", n, len(hostile))
		}
	})
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// A flood of random kids costs neither fetches nor logs without bound, and is answered as what it is: the fault of the
// tokens. Over the socket for some of them; straight into the guard for the rest, as sockets are what takes the time.
func TestAttackHeaderKeyIDFlood(t *testing.T) {
	const cooldown = 400 * time.Millisecond
	var log decisionLog
	s, _, watch := newWatched(t, func(cfg *bearerguard.Config) {
		cfg.Issuers[0].RefreshCooldown = cooldown
		cfg.OnDecision = bearerguard.LogDecisions(slog.New(slog.NewTextHandler(&log, nil)))
	})
	iss := issuers()[0]
	token := func() string {
		return forgeSigned("EdDSA", own().evilEd, forgeHeader("RS256", rand.Text()), forgePayload(iss.URL()))
	}
	t.Run("B-07 100 random kids over the socket", func(t *testing.T) {
		for range 100 {
			s.get(t, badTk, "/any", token())
		}
	})
	t.Run("B-07 100000 random kids", func(t *testing.T) {
		started, policy, answers := time.Now(), bearerguard.Authenticated(), map[int]int{}
		signature := "." + forge64(make([]byte, 256))
		payload := "." + forge64([]byte(forgePayload(iss.URL())))
		for range 100_000 {
			_, err := s.guard.Verify(context.Background(), forge64([]byte(`{"typ":"at+jwt","alg":"RS256","kid":"`+rand.Text()+`"}`))+payload+signature, policy)
			refusal, ok := err.(*bearerguard.Error)
			if !ok {
				t.Fatalf("accepted, or no refusal: %v", err)
			}
			answers[refusal.Status()]++
		}
		spent := time.Since(started)
		watch.mu.Lock()
		defer watch.mu.Unlock()
		if most := 2 * (3 + int(spent/(cooldown*8/10))); watch.own > most { // metadata and keys
			t.Errorf("%d fetches in %v", watch.own, spent)
		}
		if lines := strings.Count(log.String(), "\n"); lines > 40+20*int(1+spent/time.Second) {
			t.Errorf("%d lines of log in %v", lines, spent)
		}
		if answers[401] != 100_000 {
			t.Errorf("answers by status: %v in %v", answers, spent)
		}
	})
}

// The one key that fits serves a token without kid; where several fit, none does.
func TestAttackHeaderWithoutKeyID(t *testing.T) {
	k := own()
	none := guardtest.Claims{"kid": nil}
	s := newService(t, trustOwn())
	for _, alg := range allRS {
		acceptForged(t, s, forged{"B-10 no kid, one key fits " + alg, s.iss.TokenWith(alg, none, nil)})
	}
	refuseForged(t, s,
		forged{"B-10 no kid, by the key of another algorithm", forgeSigned("RS256", k.ps, forgeHeader("RS256", "", none), forgePayload(ownURL))},
		forged{"B-10 no kid, by nobody's key", forgeSigned("RS256", k.evil, forgeHeader("RS256", "", none), forgePayload(ownURL))},
	)
	two := newService(t, trustOwn(guardtest.JWK(&k.spare.PublicKey, guardtest.Claims{"kid": "rs2", "alg": "RS256"})))
	refuseForged(t, two, forged{"B-10 no kid, two keys fit", forgeOwn(none, nil)}, forged{"B-10 no kid, two keys fit, by the second", forgeSigned("RS256", k.spare, forgeHeader("RS256", "", none), forgePayload(ownURL))})
	acceptForged(t, two, forged{"B-10 with its kid", forgeOwn(nil, nil)})

	many := []guardtest.Claims{guardtest.JWK(&k.rs.PublicKey, guardtest.Claims{"kid": "rs", "alg": "RS256"})}
	for i := range 999 {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		many = append(many, guardtest.JWK(public, guardtest.Claims{"kid": fmt.Sprint(i), "alg": "EdDSA"}))
	}
	crowd := newService(t, trustSet(ownURL, many...))
	started := time.Now()
	refuseForged(t, crowd, forged{"B-10 R7515-20 no kid, 999 keys fit", forgeSigned("EdDSA", k.ed, forgeHeader("EdDSA", "", none), forgePayload(ownURL))})
	acceptForged(t, crowd, forged{"B-10 R7515-20 no kid, the one that fits among a thousand", forgeOwn(none, nil)})
	if spent := time.Since(started); spent > 5*time.Second {
		t.Errorf("R7515-20: %v", spent)
	}
}
