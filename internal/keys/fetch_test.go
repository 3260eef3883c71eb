package keys_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

const maxBody = 512 << 10

// secret stands for what is in a document, and must not get into errors.
const secret = "eyJhbGciOiJub25lIn0"

// endless is a body without end. It counts what is taken of it.
type endless struct{ taken int }

func (e *endless) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = ' '
	}
	e.taken += len(p)
	return len(p), nil
}

// drip gives a byte a second, until the request's context ends.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func drips(r *http.Request) (*http.Response, error) { return streams(drip{r.Context()})(r) }

func moved(status int, location string) answer {
	return responds(status, jwks("evil"), "Location", location)
}

func padded(document string, size int) string {
	return document + strings.Repeat(" ", size-len(document))
}

// TestBadAnswer gives a store with a good set one bad answer each: the good set must go on to serve.
func TestBadAnswer(t *testing.T) {
	evil := jwks("evil", secret)
	junk := `{"kty":"` + secret + `","n":"` + strings.Repeat(secret, 5) + `"}`
	for _, tc := range []struct {
		name   string
		script answer
		takes  time.Duration
	}{
		{"L-01 513 KiB", serves(padded(evil, 513<<10)), 0},
		{"L-01 one byte too long", serves(padded(evil, maxBody+1)), 0},
		{"L-01 without end", streams(&endless{}), 0},
		{"L-01 a set without end", streams(io.MultiReader(strings.NewReader(evil), &endless{})), 0},
		{"L-02 a body byte by byte", drips, 5 * time.Second},
		{"L-02 no header", hangs, 5 * time.Second},
		{"L-02 a connection that breaks", streams(io.MultiReader(strings.NewReader(evil[:100]), brokenReader{})), 0},
		{"L-03 301 to http", moved(301, "http://issuer.example.com/jwks"), 0},
		{"L-03 302 to another host", moved(302, "https://evil.example.com/jwks"), 0},
		{"L-03 302 to the metadata service", moved(302, "http://169.254.169.254/latest"), 0},
		{"L-03 302 without scheme to another host", moved(302, "//evil.example.com/jwks"), 0},
		{"L-03 307 to another port", moved(307, "https://issuer.example.com:8443/jwks"), 0},
		{"L-03 308 to a parent domain", moved(308, "https://example.com/jwks"), 0},
		{"L-03 302 with user information", moved(302, "https://u:p@issuer.example.com/jwks"), 0},
		{"L-03 302 to a file", moved(302, "file:///etc/passwd"), 0},
		{"L-03 302 in circles", moved(302, jwksURL), 0},
		{"L-03 302 without Location", responds(302, evil), 0},
		{"L-03 302 with a Location that does not parse", moved(302, "https://["+strings.Repeat(secret, 3000)), 0},
		{"L-07 HTML", serves("<html>"+secret, "Content-Type", "text/html; charset=utf-8"), 0},
		{"L-07 a good set that says it is HTML", serves(evil, "Content-Type", "text/html"), 0},
		{"L-07 HTML that says it is JSON", serves("<html>"+secret, "Content-Type", "application/json"), 0},
		{"L-07 201", responds(201, evil), 0},
		{"L-07 204", responds(204, ""), 0},
		{"L-07 206", responds(206, evil), 0},
		{"L-07 304 out of the blue", responds(304, evil), 0},
		{"L-07 401", responds(401, evil), 0},
		{"L-07 404", responds(404, evil), 0},
		{"L-07 500", responds(500, evil), 0},
		{"L-07 empty", serves(""), 0},
		{"L-07 {}", serves("{}"), 0},
		{"L-07 R7517-01 an array", serves("[" + evil + "]"), 0},
		{"L-07 keys null", serves(`{"keys":null}`), 0},
		{"L-07 keys an object", serves(`{"keys":{"` + secret + `":1}}`), 0},
		{"L-08 no keys", serves(`{"keys":[]}`), 0},
		{"L-07 truncated", serves(evil[:len(evil)-1]), 0},
		{"L-07 data behind it", serves(evil + secret), 0},
		{"L-07 a second set behind it", serves(evil + evil), 0},
		{"L-07 a byte order mark", serves("\ufeff" + evil), 0},
		{"L-07 not UTF-8", serves(strings.Replace(evil, "evil", "evil\xff", 1)), 0},
		{"R7517-02 keys twice", serves(strings.Replace(evil, `{"keys"`, `{"keys":[],"keys"`, 1)), 0},
		{"R7517-02 keys twice but for the case", serves(strings.Replace(evil, `{"keys"`, `{"Keys":[],"keys"`, 1)), 0},
		{"L-16 none that can be used", serves(`{"keys":[` + strings.Repeat(junk+",", 1000) + junk + `]}`), 0},
		{"L-18 too many", serves(`{"keys":[` + strings.Repeat("{},", 2048) + jwk("evil", nil) + `]}`), 0},
		{"an error that quotes a lot", func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("%w: malformed header line: \x1b[2J\n%s", errDown, strings.Repeat(secret, 3000))
		}, 0},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			i := &issuer{script: serves(jwks("a"))}
			store := newStore(t, i)
			key := mustFind(t, store, "a")
			fetched := store.Status().Fetched
			time.Sleep(time.Second)
			i.answers(tc.script)
			i.forget()
			var err error
			require.Equal(t, tc.takes, took(func() { err = store.Refresh(t.Context()) }))
			require.Error(t, err)
			require.Less(t, len(err.Error()), 2048)
			require.Less(t, strings.Count(err.Error(), secret), 20, "a short quote is all that may be in it")
			require.NotContains(t, err.Error(), "\x1b")
			require.Same(t, key, mustFind(t, store, "a"))
			status := store.Status()
			require.Equal(t, keys.Status{Keys: 1, Fetched: fetched, NextRefresh: status.NextRefresh, Usable: true, Err: err}, status)
			for _, url := range i.urls() {
				require.Equal(t, jwksURL, url, "nobody else is asked")
			}
			require.LessOrEqual(t, i.count(), 4)
			require.Zero(t, i.open.Load(), "a body is not closed")

			time.Sleep(longest)
			if _, err := find(store, "evil"); err != nil {
				require.ErrorIs(t, err, keys.ErrUnavailable)
			} else {
				t.Error("the evil key serves")
			}
			i.publishes("a", "b")
			require.NoError(t, store.Refresh(t.Context()))
			mustFind(t, store, "b")
		})
	}
	t.Run("L-01 no more is read than needs be", func(t *testing.T) {
		body := &endless{}
		_, err := find(newStore(t, &issuer{script: streams(body)}), "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.Less(t, body.taken, maxBody+64<<10)
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestGoodAnswer(t *testing.T) {
	elsewhere := issuerURL + "/elsewhere"
	for _, tc := range []struct {
		name   string
		script answer
	}{
		{"512 KiB", serves(padded(jwks("a"), maxBody))},
		{"no media type", serves(jwks("a"))},
		{"text/plain", serves(jwks("a"), "Content-Type", "text/plain")},
		{"a media type that does not parse", serves(jwks("a"), "Content-Type", ";")},
		{"R7517-01 other members", serves(strings.Replace(jwks("a"), "{", `{"x":{"keys":1},`, 1))},
		{"a redirect on the spot", byURL(map[string]answer{jwksURL: moved(302, "/elsewhere"), elsewhere: serves(jwks("a"))})},
		{"three redirects", byURL(map[string]answer{
			jwksURL: moved(301, "/2"), issuerURL + "/2": moved(307, "/3"), issuerURL + "/3": moved(308, elsewhere), elsewhere: serves(jwks("a")),
		})},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			mustFind(t, newStore(t, &issuer{script: tc.script}), "a")
		})
	}
	bubble(t, "L-03 four redirects are too many", func(t *testing.T) {
		i := &issuer{script: byURL(map[string]answer{
			jwksURL: moved(302, "/2"), issuerURL + "/2": moved(302, "/3"), issuerURL + "/3": moved(302, "/4"),
			issuerURL + "/4": moved(302, "/5"), issuerURL + "/5": serves(jwks("a")),
		})}
		_, err := find(newStore(t, i), "a")
		require.ErrorIs(t, err, keys.ErrUnavailable)
		require.Equal(t, 4, i.count())
	})
}

func TestRequest(t *testing.T) {
	bubble(t, "L-20 what is sent", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"), "Set-Cookie", "id=1")}
		store := newStore(t, i)
		require.NoError(t, store.Refresh(t.Context()))
		require.NoError(t, store.Refresh(t.Context()))
		for _, r := range i.seen() {
			require.Equal(t, http.Header{"Accept": {"application/json, application/jwk-set+json"}}, r.header)
		}
	})
	bubble(t, "a shorter timeout of the operator's own", func(t *testing.T) {
		store := newStore(t, &issuer{script: hangs}, func(c *keys.Config) { c.Timeout = time.Second })
		require.Equal(t, time.Second, took(func() { require.Error(t, store.Refresh(t.Context())) }))
	})
	for _, timeout := range []time.Duration{0, -1, time.Hour} {
		bubble(t, fmt.Sprintf("a timeout of %v is 5 s", timeout), func(t *testing.T) {
			store := newStore(t, &issuer{script: hangs}, func(c *keys.Config) { c.Timeout = timeout })
			require.Equal(t, 5*time.Second, took(func() { require.Error(t, store.Refresh(t.Context())) }))
		})
	}
	for _, tc := range []struct {
		name, url string
		change    func(*keys.Config)
	}{
		{"L-05 http", "http://issuer.example.com/jwks", nil},
		{"L-05 http of public addresses only", "http://issuer.example.com/jwks", func(c *keys.Config) { c.Cleartext, c.PublicOnly = true, true }},
		{"L-05 file", "file:///etc/passwd", nil},
		{"L-05 ftp", "ftp://issuer.example.com/jwks", func(c *keys.Config) { c.Cleartext = true }},
		{"user information", "https://u:p@issuer.example.com/jwks", nil},
		{"relative", "/jwks", nil},
		{"no host", "https:///jwks", nil},
		{"garbage", "https://issuer.example.com/%zz", nil},
	} {
		bubble(t, "never asked: "+tc.name, func(t *testing.T) {
			i := &issuer{script: serves(jwks("a"))}
			store := newStore(t, i, func(c *keys.Config) {
				c.JWKSURL = tc.url
				if tc.change != nil {
					tc.change(c)
				}
			})
			_, err := find(store, "a")
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.Zero(t, i.count())
		})
	}
	bubble(t, "http, where it is allowed", func(t *testing.T) {
		i := &issuer{script: serves(jwks("a"))}
		mustFind(t, newStore(t, i, func(c *keys.Config) { c.JWKSURL, c.Cleartext = "http://10.0.0.1/jwks", true }), "a")
	})
}

// TestMemoryOfMetadata: of a large document, no more than the jwks_uri is kept.
func TestMemoryOfMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{script: byURL(map[string]answer{
			issuerURL + oauthForm: serves(padded(metadata(issuerURL, jwksURL), maxBody)), jwksURL: serves(jwks("a")),
		})}
		var stores []*keys.Store
		before := heap()
		for range 10 {
			store := newStore(t, i, discovers(issuerURL))
			mustFind(t, store, "a")
			stores = append(stores, store)
		}
		require.Less(t, heap()-before, int64(1<<20))
		runtime.KeepAlive(stores)
	})
}

// TestMemory has a hostile issuer publish large sets, each with one new key. A key must not keep the document it came
// with, nor a fetch need more than it should.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		var names []string
		i := &issuer{}
		store := newStore(t, i)
		before, largest := heap(), int64(0)
		for n := range most {
			names = append(names, fmt.Sprint("key-", n))
			i.answers(serves(padded(jwks(names...), maxBody-n)))
			so := allocated()
			require.NoError(t, store.Refresh(t.Context()))
			largest = max(largest, allocated()-so)
		}
		i.answers(down)
		require.Less(t, heap()-before, int64(2<<20))
		require.Equal(t, most, store.Status().Keys)
		mustFind(t, store, names[0])
		t.Logf("a fetch of %d KiB allocates %d KiB", maxBody>>10, largest>>10)
	})
}
