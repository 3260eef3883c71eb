package bearerguard_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard"
)

const (
	badClaim  = bearerguard.ErrClaims
	expired   = bearerguard.ErrExpired
	notYet    = bearerguard.ErrNotYetValid
	tooLong   = bearerguard.ErrLifetime
	keyBound  = bearerguard.ErrConfirmation
	weakAuthn = bearerguard.ErrAuthentication
)

// TestAttackTime is table F of the attack catalogue, all validly signed: dates. Those with a moment that counts are far
// enough from it; TestTimeBoundaries is exact.
func TestAttackTime(t *testing.T) {
	now := time.Now().Unix()
	in := func(seconds int64) string { return fmt.Sprint(now + seconds) }
	type row struct {
		name   string
		want   answer
		cause  bearerguard.Cause
		claims []string
	}
	exp := func(text string) []string { return []string{"exp", text} }
	run := func(s *service, rows []row) {
		t.Helper()
		for _, row := range rows {
			runTokenRows(t, s, "/items", []tokenRow{{row.name, row.want, row.cause, wordedToken(s.iss, row.claims...)}})
		}
	}

	strict := newService(t, func(cfg *bearerguard.Config) { cfg.Leeway = bearerguard.NoLeeway })
	run(strict, []row{
		{"F-01 R7519-05 exp is now, no leeway", badTk, expired, exp(in(0))},
		{"F-01 R7519-05 exp a second ago, no leeway", badTk, expired, exp(in(-1))},
		{"F-04 R7519-07 exp a tenth of a second ago, no leeway", badTk, expired, exp(in(-1) + ".9")},
		{"F-10 R7519-06 nbf in a minute, no leeway", badTk, notYet, []string{"nbf", in(60)}},
		{"F-10 R7519-06 nbf is now, no leeway", ok200, noCause, []string{"nbf", in(0)}},
		{"F-11 R7519-09 iat in ten seconds, no leeway", ok200, noCause, []string{"iat", in(10)}},
		{"F-11 R7519-09 iat in two minutes, no leeway", badTk, notYet, []string{"iat", in(120)}},
	})

	s := newService(t)
	rows := []row{
		{"F-01 exp twenty seconds ago is within the leeway", ok200, noCause, exp(in(-20))},
		{"F-01 exp longer ago than the leeway", badTk, expired, exp(in(-31))},
		{"F-01 exp a year ago", badTk, expired, []string{"iat", in(-366 * 86400), "exp", in(-365 * 86400)}},
		{"F-02 exp missing", badTk, badClaim, exp("")},
		{"F-02 R7519-07 exp null", badTk, badClaim, exp("null")},
		{"F-04 R7519-07 exp in 60.5 seconds", ok200, noCause, exp(in(60) + ".5")},
		{"F-04 exp with an exponent", ok200, noCause, exp(fmt.Sprintf("%d.%09de9", (now+300)/1e9, (now+300)%1e9))},
		{"F-04 exp with hundreds of decimals", ok200, noCause, exp(in(60) + "." + strings.Repeat("0", 400) + "1")},
		{"F-08 exp in milliseconds", badTk, badClaim, exp(in(60) + "000")},
		{"F-08 exp in microseconds", badTk, badClaim, exp(in(60) + "000000")},
		{"F-08 iat in milliseconds", badTk, badClaim, []string{"iat", in(-60) + "000"}},
		{"F-10 R7519-06 nbf further ahead than the leeway", badTk, notYet, []string{"nbf", in(60)}},
		{"F-10 nbf ahead within the leeway", ok200, noCause, []string{"nbf", in(15)}},
		{"F-10 nbf ahead by hours, and the token lives longer", badTk, notYet, []string{"nbf", in(7200), "exp", in(10800)}},
		{"F-10 nbf in the year 9999", badTk, notYet, []string{"nbf", "253402300799"}},
		{"F-11 R7519-09 iat in an hour", badTk, notYet, []string{"iat", in(3600), "exp", in(7200)}},
		{"F-11 iat zero", badTk, tooLong, []string{"iat", "0"}},
		{"F-11 iat after exp", badTk, badClaim, []string{"iat", in(50), "exp", in(40)}},
		{"F-11 iat equals exp", badTk, badClaim, []string{"iat", in(30), "exp", in(30)}},
		{"F-11 iat missing", badTk, badClaim, []string{"iat", ""}},
		{"F-14 ten years from iat to exp", badTk, tooLong, exp(in(10 * 365 * 86400))},
		{"F-14 25 hours from iat to exp", badTk, tooLong, exp(in(25*3600 - 60))},
		{"F-14 23 hours from iat to exp", ok200, noCause, exp(in(23*3600 - 60))},
		{"F-14 exp on the last second of 9999", badTk, tooLong, exp("253402300799")},
		{"F-16 auth_time in the past", ok200, noCause, []string{"auth_time", in(-600)}},
	}
	for _, claim := range []string{"exp", "nbf", "iat", "auth_time"} { // R7519-08: no number that is no date, anywhere
		id := map[string]string{"exp": "F-06 F-05 F-07", "nbf": "F-10", "iat": "F-11", "auth_time": "F-16"}[claim]
		for _, text := range []string{
			"-1", "-0", "-0.0", "-1e-9", "-1e30", "-9223372036854775808", "253402300800", "253402300800.0", "2534023008e2", "1e12", "1E+30", "1e18", "9e18", "1e30",
			"1e300", "9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551615", "4294967296e9", "1" + strings.Repeat("0", 299),
		} {
			rows = append(rows, row{fmt.Sprintf("%s R7519-08 GO-02 %s %.40s", id, claim, text), badTk, badClaim, []string{claim, text}})
		}
		for _, text := range []string{"1e400", "-1e400", "NaN", "Infinity", "-Infinity", "+1", "01", "0x7fffffff", "1_000", strings.Repeat("9", 10_000)} {
			rows = append(rows, row{fmt.Sprintf("%s R7519-08 %s %.40s", strings.Replace(id, "F-06 F-05 F-07", "F-07", 1), claim, text), badTk, malformed, []string{claim, text}})
		}
		id = map[string]string{"exp": "F-03 F-09", "nbf": "F-10", "iat": "F-11", "auth_time": "F-16"}[claim]
		for _, text := range []string{
			`"9999999999"`, `"` + in(60) + `"`, `"never"`, `""`, `"0"`, "null", "true", "false", "[9e9]", "[" + in(60) + "]", "[]", "{}", `{"$date":1}`, `{"$numberLong":"` + in(60) + `"}`,
		} {
			rows = append(rows, row{id + " R7519-07 " + claim + " " + text, badTk, badClaim, []string{claim, text}})
		}
	}
	for _, claim := range []string{"exp", "nbf", "iat", "auth_time"} {
		rows = append(rows, row{"F-06 F-10 F-11 R7519-08 " + claim + " 1e308", badTk, anyCause, []string{claim, "1e308"}})
	}
	for _, text := range []string{"0", "0.0", "0e0", "1", "0.5", "1e-400", "1e5"} {
		rows = append(rows, row{"F-05 exp " + text, badTk, expired, exp(text)})
	}
	run(s, rows)

	t.Run("F-14 no limit to the lifetime", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) { cfg.MaxTokenLifetime = -1 })
		s.get(t, ok200, "/items", wordedToken(s.iss, "exp", "253402300799"))
		s.get(t, badTk, "/items", wordedToken(s.iss, "exp", "253402300800"))
		s.get(t, badTk, "/items", wordedToken(s.iss, "iat", in(50), "exp", in(40)))
	})
	t.Run("F-14 F-11 where iat may be missing, the lifetime counts from now", func(t *testing.T) {
		s := newService(t, func(cfg *bearerguard.Config) { cfg.Issuers[0].Profile.OptionalClaims = []string{"iat"} })
		s.get(t, ok200, "/items", wordedToken(s.iss, "iat", ""))
		s.get(t, badTk, "/items", wordedToken(s.iss, "iat", "", "exp", in(25*3600)))
		s.get(t, badTk, "/items", wordedToken(s.iss, "iat", "null"))
		s.get(t, badTk, "/items", wordedToken(s.iss, "iat", `""`))
	})
}

// TestAttackClaimTypes is the rest of table F: jti, acr and cnf.
func TestAttackClaimTypes(t *testing.T) {
	s := newService(t)
	var rows []tokenRow
	for _, text := range []string{"", `""`, "5", "null", "true", `["j1"]`, `{}`} {
		rows = append(rows, tokenRow{"F-15 R7519-12 jti " + orMissing(text), badTk, badClaim, wordedToken(s.iss, "jti", text)})
	}
	rows = append(rows, tokenRow{"F-15 jti of 200 kB", badTk, bearerguard.ErrTokenSize, wordedToken(s.iss, "jti", `"`+strings.Repeat("j", 200_000)+`"`)},
		tokenRow{"F-15 jti of 8 kB is a string like any other", ok200, noCause, wordedToken(s.iss, "jti", `"`+strings.Repeat("j", 8_000)+`"`)})
	for _, text := range []string{
		`"x"`, `""`, "[]", "{}", "null", "true", "false", "0", "5", `[{"jkt":"x"}]`, `{"jkt":5}`, `{"jkt":""}`, `{"jkt":null}`, `{"jkt":["x"]}`, `{"jkt":{}}`,
		`{"x5t#S256":""}`, `{"x5t#S256":5}`, `{"x5t#S256":null}`, `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, `{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`,
	} {
		rows = append(rows, tokenRow{"F-18 cnf " + text, badTk, keyBound, wordedToken(s.iss, "cnf", text)})
	}
	for _, text := range []string{
		`{"jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}`, `{"foo":1}`, `{"kid":"k1"}`, `{"jku":"https://evil.example/jwks","kid":"k1"}`,
		`{"jwe":"x"}`, `{"JKT":"x"}`, `{"x5t#s256":"x"}`, `{"":""}`,
	} {
		rows = append(rows, tokenRow{"F-19 CF-06 cnf " + text, badTk, keyBound, wordedToken(s.iss, "cnf", text)})
	}
	rows = append(rows, tokenRow{"F-18 CNF is an unknown claim", ok200, noCause, wordedToken(s.iss, "CNF", `{"jkt":"x"}`)})
	runTokenRows(t, s, "/items", rows)

	rows = []tokenRow{{"F-17 the wanted acr", ok200, noCause, wordedToken(s.iss, "acr", `"urn:interop:mfa"`)}}
	for _, text := range []string{
		"", "null", `""`, "1", "true", "{}", "[]", `["urn:interop:mfa"]`, `{"urn:interop:mfa":true}`, `"urn:interop"`, `"urn:interop:mf"`, `"urn:interop:mfa2"`, `"urn:interop:mfa:"`,
		`"URN:INTEROP:MFA"`, `"urn:interop:MFA"`, `"urn:interop:mfa "`, `" urn:interop:mfa"`, `"urn:interop:mfa urn:interop:pwd"`, `"urn:interop:mfa,x"`, `"urn:interop:mfa\u0000"`, `"urn:interop:pwd"`,
	} {
		rows = append(rows, tokenRow{"F-17 acr " + orMissing(text), weakA, weakAuthn, wordedToken(s.iss, "acr", text)})
	}
	runTokenRows(t, s, "/stepup", rows)
}

func orMissing(text string) string {
	if text == "" {
		return "missing"
	}
	return text
}

// staticGuard needs no network, so it works in a bubble.
func staticGuard(t *testing.T, change ...func(*bearerguard.Config)) *bearerguard.Guard {
	t.Helper()
	cfg := issuers()[0].Config(resource)
	cfg.Issuers[0].JWKS = issuers()[0].JWKS()
	for _, f := range change {
		f(&cfg)
	}
	guard, err := bearerguard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close() })
	return guard
}

// TestTimeBoundaries holds the checks of time to the nanosecond, on a clock that stands still. Dates are in seconds from
// the start.
func TestTimeBoundaries(t *testing.T) {
	iss := issuers()[0]
	const (
		none = bearerguard.NoLeeway
		max  = 2 * time.Minute
		ns   = time.Nanosecond
		sec  = time.Second
		day  = 24 * 3600
	)
	for _, row := range []struct {
		name   string
		leeway time.Duration
		after  time.Duration // when the token is shown
		claim  string
		date   float64
		want   bearerguard.Cause
	}{
		{"F-01 R7519-05 exp is now, no leeway", none, 0, "exp", 0, expired},
		{"F-01 R7519-05 the last nanosecond before exp, no leeway", none, 60*sec - ns, "exp", 60, noCause},
		{"F-01 R7519-05 exactly exp, no leeway", none, 60 * sec, "exp", 60, expired},
		{"F-01 a nanosecond after exp, no leeway", none, 60*sec + ns, "exp", 60, expired},
		{"F-01 a second after exp, no leeway", none, 61 * sec, "exp", 60, expired},
		{"F-01 the last nanosecond of the default leeway", 0, 90*sec - ns, "exp", 60, noCause},
		{"F-01 exactly exp and the default leeway", 0, 90 * sec, "exp", 60, expired},
		{"F-01 a second after exp and the default leeway", 0, 91 * sec, "exp", 60, expired},
		{"F-12 the last nanosecond of the longest leeway", max, 180*sec - ns, "exp", 60, noCause},
		{"F-12 exactly exp and the longest leeway", max, 180 * sec, "exp", 60, expired},
		{"F-12 a leeway of a nanosecond: exactly exp", ns, 60 * sec, "exp", 60, noCause},
		{"F-12 a leeway of a nanosecond: exceeded", ns, 60*sec + ns, "exp", 60, expired},
		{"F-12 a leeway of minus one second is none", -sec, 60 * sec, "exp", 60, expired},
		{"F-12 the most negative leeway is none", math.MinInt64, 60 * sec, "exp", 60, expired},
		{"F-12 the most negative leeway is none, for nbf too", math.MinInt64, 30*sec - ns, "nbf", 30, notYet},
		{"F-04 R7519-07 half a second: the last nanosecond", none, 60*sec + sec/2 - ns, "exp", 60.5, noCause},
		{"F-04 R7519-07 half a second: exactly", none, 60*sec + sec/2, "exp", 60.5, expired},
		{"F-04 a tenth of a second ago, no leeway", none, 60 * sec, "exp", 59.9, expired},
		{"F-04 a fraction does not count for less than it is", none, 60 * sec, "exp", 60.0625, noCause},
		{"F-10 R7519-06 exactly nbf, no leeway", none, 60 * sec, "nbf", 60, noCause},
		{"F-10 R7519-06 the last nanosecond before nbf, no leeway", none, 60*sec - ns, "nbf", 60, notYet},
		{"F-10 nbf at the end of the default leeway", 0, 0, "nbf", 30, noCause},
		{"F-10 R7519-06 nbf a second beyond the default leeway", 0, 0, "nbf", 31, notYet},
		{"F-10 nbf a sixteenth of a second beyond the default leeway", 0, 0, "nbf", 30.0625, notYet},
		{"F-10 nbf half a second ahead, no leeway", none, 60 * sec, "nbf", 60.5, notYet},
		{"F-11 R7519-09 iat a minute ahead, no leeway", none, 0, "iat", 60, noCause},
		{"F-11 R7519-09 iat 61 seconds ahead, no leeway", none, 0, "iat", 61, notYet},
		{"F-11 iat 61 seconds ahead, the default leeway", 0, 0, "iat", 61, notYet},
		{"F-11 iat two minutes ahead, the longest leeway", max, 0, "iat", 120, noCause},
		{"F-11 iat 121 seconds ahead, the longest leeway", max, 0, "iat", 121, notYet},
		{"F-14 a lifetime of exactly a day", 0, 0, "exp", day - 60, noCause},
		{"F-14 a lifetime of a day and a sixteenth of a second", 0, 0, "exp", day - 59.9375, tooLong},
		{"F-14 a lifetime of a day and a second", 0, 0, "exp", day - 59, tooLong},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guard := staticGuard(t, func(cfg *bearerguard.Config) { cfg.Leeway = row.leeway })
				token := wordedToken(iss, row.claim, strconv.FormatFloat(float64(time.Now().Unix())+row.date, 'f', -1, 64))
				time.Sleep(row.after)
				got, err := guard.Verify(t.Context(), token, bearerguard.Authenticated())
				if row.want == noCause && (got == nil || err != nil) || row.want != noCause && (got != nil || !errors.Is(err, row.want)) {
					t.Errorf("%v, %v, want %q", got, err, row.want)
				}
			})
		})
	}
}

// TestAttackClock is F-13: what was good once is not good for ever.
func TestAttackClock(t *testing.T) {
	iss := issuers()[0]
	t.Run("F-13 a token seen before is refused from exp on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			guard, token := staticGuard(t), wordedToken(iss)
			for range 3 {
				if _, err := guard.Verify(t.Context(), token, bearerguard.Authenticated()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(109 * time.Second)
			}
			time.Sleep(3 * time.Second) // 330 s in all
			for range 3 {
				if got, err := guard.Verify(t.Context(), token, bearerguard.Authenticated()); got != nil || !errors.Is(err, expired) {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	})
	t.Run("F-13 a nested Require does not reuse a verdict past exp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			guard := staticGuard(t, func(cfg *bearerguard.Config) { cfg.Leeway = bearerguard.NoLeeway })
			inner := guard.Require(bearerguard.Authenticated())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
			slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(300 * time.Second) // such as a body that comes in drop by drop
				inner.ServeHTTP(w, r)
			})
			r := httptest.NewRequest("GET", "https://api.example.com/x", nil)
			r.Header.Set("Authorization", "Bearer "+wordedToken(iss))
			w := httptest.NewRecorder()
			guard.Require(bearerguard.Authenticated())(slow).ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("status %d", w.Code)
			}
		})
	})
}

// TestAttackLeeway is F-12, as far as New refuses it.
func TestAttackLeeway(t *testing.T) {
	for name, leeway := range map[string]time.Duration{
		"24 hours": 24 * time.Hour, "a nanosecond too many": 2*time.Minute + 1, "five minutes": 5 * time.Minute, "the largest number": math.MaxInt64,
		"the most whole seconds": time.Duration(math.MaxInt64/int64(time.Second)) * time.Second,
	} {
		t.Run("F-12 leeway: "+name, func(t *testing.T) {
			cfg := issuers()[0].Config(resource)
			cfg.Leeway = leeway
			if guard, err := bearerguard.New(cfg); guard != nil || err == nil || !strings.Contains(err.Error(), "Config.Leeway "+leeway.String()) {
				t.Errorf("%v, %v", guard, err)
			}
		})
	}
	t.Run("F-12 two minutes are allowed", func(t *testing.T) {
		staticGuard(t, func(cfg *bearerguard.Config) { cfg.Leeway = 2 * time.Minute })
	})
}
