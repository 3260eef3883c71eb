package keys_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

const (
	oauthForm = "/.well-known/oauth-authorization-server"
	oidcForm  = "/.well-known/openid-configuration"
)

func discovers(issuer string) func(*keys.Config) {
	return func(c *keys.Config) { c.Issuer, c.JWKSURL = issuer, "" }
}

func TestDiscoveryForms(t *testing.T) {
	const a = "https://a.example.com"
	for _, tc := range []struct {
		issuer string
		forms  []string
	}{
		{a, []string{a + oauthForm, a + oidcForm}},
		{a + "/", []string{a + oauthForm, a + oidcForm}},
		{a + "/t1", []string{a + oauthForm + "/t1", a + oidcForm + "/t1", a + "/t1" + oidcForm}},
		{a + "/t1/", []string{a + oauthForm + "/t1", a + oidcForm + "/t1", a + "/t1" + oidcForm}},
		{a + "/realms/%C3%A4", []string{a + oauthForm + "/realms/%C3%A4", a + oidcForm + "/realms/%C3%A4", a + "/realms/%C3%A4" + oidcForm}},
		{a + ":8443/a/a", []string{a + ":8443" + oauthForm + "/a/a", a + ":8443" + oidcForm + "/a/a", a + ":8443/a/a" + oidcForm}},
	} {
		for n, found := range tc.forms {
			bubble(t, fmt.Sprintf("R8414-02 R8414-03 R8414-04 %s at form %d", tc.issuer, n+1), func(t *testing.T) {
				i := &issuer{script: byURL(map[string]answer{found: serves(metadata(tc.issuer, a+"/k")), a + "/k": serves(jwks("a"))})}
				mustFind(t, newStore(t, i, discovers(tc.issuer)), "a")
				require.Equal(t, append(append([]string{}, tc.forms[:n+1]...), a+"/k"), i.urls())
			})
		}
		bubble(t, "R8414-04 nowhere: "+tc.issuer, func(t *testing.T) {
			i := &issuer{script: responds(http.StatusNotFound, "")}
			_, err := find(newStore(t, i, discovers(tc.issuer)), "a")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.Equal(t, tc.forms, i.urls())
		})
	}
}

// TestDiscoveryRefuses puts one bad document at the first form: the others are still asked, and nothing of it is used.
func TestDiscoveryRefuses(t *testing.T) {
	evil := "https://evil.example.com/jwks"
	good := metadata(issuerURL, evil)
	member := func(value string) answer {
		return serves(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%s}`, issuerURL, value))
	}
	for _, tc := range []struct {
		name   string
		script answer
	}{
		{"R8414-05 204", responds(204, good)},
		{"R8414-05 201", responds(201, good)},
		{"R8414-05 304", responds(304, good)},
		{"R8414-05 500", responds(500, good)},
		{"R8414-05 text/html", serves(good, "Content-Type", "text/html")},
		{"R8414-05 an array", serves("[" + good + "]")},
		{"R8414-05 a string", serves(`"x"`)},
		{"R8414-05 empty", serves("")},
		{"R8414-05 truncated", serves(good[:len(good)-1])},
		{"R8414-05 data behind it", serves(good + "{}")},
		{"R8414-05 too large", serves(padded(good, maxBody+1))},
		{"R8414-05 redirect to another host", moved(302, "https://evil.example.com"+oauthForm)},
		{"R8414-06 redirect to http", moved(302, "http://issuer.example.com"+oauthForm)},
		{"R8414-05 a member twice", serves(strings.Replace(good, "{", `{"jwks_uri":"https://issuer.example.com/jwks",`, 1))},
		{"L-06 R8414-06 a slash more", serves(metadata(issuerURL+"/", evil))},
		{"L-06 another host", serves(metadata("https://evil.example.com", evil))},
		{"L-06 another scheme", serves(metadata("http://issuer.example.com", evil))},
		{"L-06 the default port", serves(metadata(issuerURL+":443", evil))},
		{"L-06 upper case", serves(metadata("https://ISSUER.example.com", evil))},
		{"L-06 escapes", serves(metadata("https://issuer.example%2Ecom", evil))},
		{"L-06 a path more", serves(metadata(issuerURL+"/t1", evil))},
		{"L-06 a space more", serves(metadata(issuerURL+" ", evil))},
		{"L-06 empty", serves(metadata("", evil))},
		{"L-06 missing", serves(`{"jwks_uri":"` + evil + `"}`)},
		{"L-06 an array", serves(`{"issuer":["` + issuerURL + `"],"jwks_uri":"` + evil + `"}`)},
		{"L-06 a template", serves(metadata("https://{host}", evil))},
		{"L-06 in another case", serves(`{"Issuer":"` + issuerURL + `","jwks_uri":"` + evil + `"}`)},
		{"L-05 R8414-07 http", member(`"http://issuer.example.com/jwks"`)},
		{"L-05 R8414-07 file", member(`"file:///etc/passwd"`)},
		{"L-05 ftp", member(`"ftp://issuer.example.com/jwks"`)},
		{"L-05 data", member(`"data:application/json,{}"`)},
		{"L-05 R8414-07 relative", member(`"/jwks"`)},
		{"L-05 without scheme", member(`"//evil.example.com/jwks"`)},
		{"L-05 no host", member(`"https:///jwks"`)},
		{"L-05 opaque", member(`"https:evil.example.com"`)},
		{"L-05 user information", member(`"https://u:p@evil.example.com/jwks"`)},
		{"L-05 empty user information", member(`"https://@evil.example.com/jwks"`)},
		{"L-05 garbage", member(`"https://evil.example.com/%zz"`)},
		{"L-05 empty", member(`""`)},
		{"L-05 null", member(`null`)},
		{"L-05 an array", member(`["` + evil + `"]`)},
		{"L-05 missing", serves(`{"issuer":"` + issuerURL + `"}`)},
		{"L-05 in another case", serves(`{"issuer":"` + issuerURL + `","JWKS_URI":"` + evil + `"}`)},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			i := &issuer{script: byURL(map[string]answer{
				issuerURL + oauthForm: tc.script,
				issuerURL + oidcForm:  serves(metadata(issuerURL, jwksURL)),
				jwksURL:               serves(jwks("a")),
				evil:                  serves(jwks("evil")),
			})}
			store := newStore(t, i, discovers(issuerURL))
			mustFind(t, store, "a")
			_, err := find(store, "evil")
			require.ErrorIs(t, err, keys.ErrUnknown)
			require.Equal(t, []string{issuerURL + oauthForm, issuerURL + oidcForm, jwksURL}, i.urls())
		})
		bubble(t, tc.name+", and nothing else", func(t *testing.T) {
			i := &issuer{script: byURL(map[string]answer{issuerURL + oauthForm: tc.script, evil: serves(jwks("evil"))})}
			_, err := find(newStore(t, i, discovers(issuerURL)), "evil")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.Less(t, len(err.Error()), 2048)
			require.Equal(t, []string{issuerURL + oauthForm, issuerURL + oidcForm}, i.urls())
		})
	}
	bubble(t, "L-21 R8414-12 metadata widens nothing", func(t *testing.T) {
		wide := strings.Replace(metadata(issuerURL, jwksURL), "{", `{"id_token_signing_alg_values_supported":["none","HS256","RS512"],"jwks":`+jwks("evil")+`,`, 1)
		i := &issuer{script: byURL(map[string]answer{
			issuerURL + oauthForm: serves(wide),
			jwksURL:               serves(strings.Replace(jwks("a"), "[", `[{"kty":"oct","k":"AAAA","kid":"b","alg":"HS256"},`, 1)),
		})}
		store := newStore(t, i, discovers(issuerURL))
		mustFind(t, store, "a")
		for _, algorithm := range []string{"none", "HS256", "RS512"} {
			for _, kid := range []string{"a", "b", "evil"} {
				_, err := store.Key(t.Context(), algorithm, kid, true)
				require.ErrorIs(t, err, keys.ErrUnknown)
			}
		}
	})
	bubble(t, "an endless jwks_uri makes no endless error", func(t *testing.T) {
		target := issuerURL + "/" + strings.Repeat(secret, 10_000)
		i := &issuer{script: func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == oauthForm {
				return serves(metadata(issuerURL, target))(r)
			}
			return nil, errDown
		}}
		_, err := find(newStore(t, i, discovers(issuerURL)), "a")
		require.ErrorContains(t, err, errDown.Error(), "what is said of the URL leaves room for the cause")
		require.Less(t, len(err.Error()), 2048)
	})
}

func TestRediscovery(t *testing.T) {
	moving := func(at string, kids ...string) answer {
		return byURL(map[string]answer{
			issuerURL + oauthForm: serves(metadata(issuerURL, at)),
			at:                    serves(jwks(kids...), "ETag", `"1"`),
		})
	}
	count := func(i *issuer, url string) (n int) {
		for _, seen := range i.urls() {
			if seen == url {
				n++
			}
		}
		return n
	}
	bubble(t, "once an hour", func(t *testing.T) {
		i := &issuer{script: moving(jwksURL, "a")}
		mustFind(t, newStore(t, i, discovers(issuerURL)), "a")
		time.Sleep(24 * time.Hour)
		var last time.Time
		for n, r := range i.seen() {
			if r.url == jwksURL {
				continue
			}
			if n > 0 {
				require.Greater(t, r.at.Sub(last), time.Hour)
				require.LessOrEqual(t, r.at.Sub(last), time.Hour+interval*11/10)
			}
			last = r.at
		}
		require.Greater(t, count(i, issuerURL+oauthForm), 20)
	})
	bubble(t, "a set that has moved is found within the hour, without the old one's tag", func(t *testing.T) {
		i := &issuer{script: moving(jwksURL, "a")}
		store := newStore(t, i, discovers(issuerURL))
		mustFind(t, store, "a")
		elsewhere := issuerURL + "/elsewhere"
		i.answers(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == jwksURL {
				return serves(jwks("a"))(r) // the old place answers on
			}
			return moving(elsewhere, "b")(r)
		})
		time.Sleep(time.Hour + interval*11/10)
		mustFind(t, store, "b")
		for _, r := range i.seen() {
			if r.url == elsewhere {
				require.Empty(t, r.header.Get("If-None-Match"))
				break
			}
		}
	})
	bubble(t, "a set that fails is looked for anew at once", func(t *testing.T) {
		i := &issuer{script: moving(jwksURL, "a")}
		store := newStore(t, i, discovers(issuerURL))
		mustFind(t, store, "a")
		i.answers(moving(issuerURL+"/elsewhere", "a", "b"))
		require.Error(t, store.Refresh(t.Context()))
		require.NoError(t, store.Refresh(t.Context()))
		mustFind(t, store, "b")
		require.Equal(t, []string{issuerURL + oauthForm, jwksURL, jwksURL, issuerURL + oauthForm, issuerURL + "/elsewhere"}, i.urls())
	})
	bubble(t, "when discovery fails, the set serves on, and nothing is fetched from where it was", func(t *testing.T) {
		i := &issuer{script: moving(jwksURL, "a")}
		store := newStore(t, i, discovers(issuerURL))
		mustFind(t, store, "a")
		i.answers(byURL(map[string]answer{jwksURL: serves(jwks("a", "b"))}))
		time.Sleep(time.Hour + interval*11/10)
		mustFind(t, store, "a")
		require.Error(t, store.Status().Err)
	})
	bubble(t, "L-02 one time limit for all of it", func(t *testing.T) {
		i := &issuer{script: late(2*time.Second, responds(http.StatusNotFound, ""))}
		store := newStore(t, i, discovers(issuerURL+"/t1"))
		require.Equal(t, 5*time.Second, took(func() { require.Error(t, store.Refresh(t.Context())) }))
		i.forget()
		i.answers(hangs)
		require.Error(t, store.Refresh(t.Context()))
		require.Equal(t, 1, i.count(), "nobody is asked when the time is over")
	})
	bubble(t, "Retry-After of whichever form", func(t *testing.T) {
		for _, form := range []string{issuerURL + oauthForm + "/t1", issuerURL + oidcForm + "/t1", issuerURL + "/t1" + oidcForm} {
			i := &issuer{script: byURL(map[string]answer{form: responds(http.StatusServiceUnavailable, "", "Retry-After", "60")})}
			_, err := find(newStore(t, i, discovers(issuerURL+"/t1")), "a")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			time.Sleep(time.Hour)
			require.GreaterOrEqual(t, i.seen()[3].at.Sub(i.seen()[0].at), time.Minute)
		}
	})
	bubble(t, "every form's failure is told", func(t *testing.T) {
		own := errors.New("third")
		i := &issuer{script: byURL(map[string]answer{
			issuerURL + oauthForm + "/t1": down,
			issuerURL + "/t1" + oidcForm:  func(*http.Request) (*http.Response, error) { return nil, own },
		})}
		_, err := find(newStore(t, i, discovers(issuerURL+"/t1")), "a")
		require.ErrorIs(t, err, errDown)
		require.ErrorIs(t, err, own)
		require.ErrorContains(t, err, "status 404")
	})
}

func TestDiscoveredCleartext(t *testing.T) {
	const plain = "http://10.0.0.1"
	cleartext := func(c *keys.Config) { c.Issuer, c.JWKSURL, c.Cleartext = plain, "", true }
	for _, tc := range []struct {
		name, jwksURL string
		want          bool
	}{
		{"http on the issuer's own host", plain + "/jwks", true},
		{"https elsewhere", "https://keys.example.com/jwks", true},
		{"L-05 http elsewhere", "http://keys.example.com/jwks", false},
		{"L-05 http on another port", plain + ":8080/jwks", false},
		{"L-05 http on another private host", "http://10.0.0.2/jwks", false},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			i := &issuer{script: byURL(map[string]answer{
				plain + oauthForm: serves(metadata(plain, tc.jwksURL)), tc.jwksURL: serves(jwks("a")),
			})}
			_, err := find(newStore(t, i, cleartext), "a")
			require.Equal(t, tc.want, err == nil, err)
			require.Equal(t, tc.want, strings.Contains(strings.Join(i.urls(), " "), tc.jwksURL))
		})
	}
}
