package keys_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard/internal/keys"
)

// listener is a real issuer on a loopback socket, which counts connections.
type listener struct {
	*httptest.Server
	connections atomic.Int32
	mu          sync.Mutex
	handler     http.HandlerFunc
}

func listen(t *testing.T, cleartext bool) *listener {
	l := new(listener)
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		handler := l.handler
		l.mu.Unlock()
		handler(w, r)
	}))
	l.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			l.connections.Add(1)
		}
	}
	l.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cleartext {
		l.Start()
	} else {
		l.StartTLS()
	}
	t.Cleanup(l.Close)
	l.serve(jwks("a"))
	return l
}

func (l *listener) handle(handler http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = handler
}

func (l *listener) serve(body string) {
	l.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

// port is the URL's colon and port.
func (l *listener) port() string { return l.URL[strings.LastIndexByte(l.URL, ':'):] }

// trusting is the library's transport, for a caller who trusts these servers' certificates.
func trusting(t *testing.T, servers ...*listener) http.RoundTripper {
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	for _, server := range servers {
		base.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	}
	transport := keys.Transport(base)
	require.Nil(t, base.DialContext, "the caller's own is not touched")
	return transport
}

func from(target string) func(*keys.Config) {
	return func(c *keys.Config) { c.JWKSURL = target }
}

func cleartext(c *keys.Config)  { c.Cleartext = true }
func publicOnly(c *keys.Config) { c.PublicOnly = true }

func requireRefused(t *testing.T, store *keys.Store, l *listener) {
	t.Helper()
	before := l.connections.Load()
	err := store.Refresh(t.Context())
	require.ErrorContains(t, err, "address not allowed")
	require.Equal(t, before, l.connections.Load(), "no connection")
}

// TestReach dials for real, but nobody beyond the loopback.
func TestReach(t *testing.T) {
	victim, evil := listen(t, false), listen(t, false)
	evil.serve(metadata(evil.URL, victim.URL+"/jwks"))
	t.Run("a configured host may be a private address", func(t *testing.T) {
		mustFind(t, newStore(t, trusting(t, victim), from(victim.URL)), "a")
	})
	t.Run("so may a discovered one that is the issuer's own", func(t *testing.T) {
		own := listen(t, false)
		own.handle(func(w http.ResponseWriter, r *http.Request) {
			document := jwks("a")
			if r.URL.Path != "/jwks" {
				document = metadata(own.URL, own.URL+"/jwks")
			}
			_, _ = io.WriteString(w, document)
		})
		mustFind(t, newStore(t, trusting(t, own), discovers(own.URL)), "a")
		requireRefused(t, newStore(t, trusting(t, own), discovers(own.URL), publicOnly), own)
	})
	t.Run("L-04 R8725-12 a discovered host on loopback", func(t *testing.T) {
		requireRefused(t, newStore(t, trusting(t, victim, evil), discovers(evil.URL)), victim)
	})
	t.Run("L-04 a connection that another issuer was allowed to make", func(t *testing.T) {
		shared := trusting(t, victim, evil)
		trusted := newStore(t, shared, from(victim.URL+"/jwks"))
		for range 3 {
			require.NoError(t, trusted.Refresh(t.Context()))
			requireRefused(t, newStore(t, shared, discovers(evil.URL)), victim)
		}
	})
	t.Run("L-04 public addresses only", func(t *testing.T) {
		requireRefused(t, newStore(t, trusting(t, victim), from(victim.URL), publicOnly), victim)
	})
	t.Run("a caller's own dialler is used as it is", func(t *testing.T) {
		var dialled atomic.Int32
		plain := listen(t, true)
		transport := keys.Transport(&http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, network, plain.Listener.Addr().String())
		}})
		mustFind(t, newStore(t, transport, from("http://anything.example.com"), cleartext), "a")
		require.EqualValues(t, 1, dialled.Load())
	})
	t.Run("any other round tripper is used as it is", func(t *testing.T) {
		i := &issuer{}
		require.Same(t, i, keys.Transport(i))
	})
	for _, literal := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.0.1", "[fd00::1]", "0.0.0.0", "[::]", "169.254.169.254", "[fe80::1]"} {
		t.Run("L-04 discovered literal "+literal, func(t *testing.T) {
			evil.serve(metadata(evil.URL, "https://"+literal+victim.port()+"/jwks"))
			requireRefused(t, newStore(t, trusting(t, victim, evil), discovers(evil.URL)), victim)
		})
	}
	for _, literal := range []string{"0.0.0.0", "[::]", "169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"} {
		t.Run("L-04 configured literal "+literal, func(t *testing.T) {
			requireRefused(t, newStore(t, trusting(t, victim), from("https://"+literal+victim.port())), victim)
		})
	}
	for _, literal := range []string{"192.0.2.1", "[2001:db8::1]", "169.254.169.254", "0.0.0.0"} {
		t.Run("cleartext to literal "+literal, func(t *testing.T) {
			requireRefused(t, newStore(t, trusting(t), from("http://"+literal+victim.port()), cleartext), victim)
		})
	}
}

// names answers all DNS queries with one address, in process.
type names struct {
	mu      sync.Mutex
	address netip.Addr
}

func (n *names) get() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.address
}

func (n *names) set(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.address = netip.MustParseAddr(address)
}

func resolve(t *testing.T) *names {
	n := new(names)
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.answer(server)
		return client, nil
	}}
	return n
}

// answer speaks RFC 1035, Section 4.2.2: one question, and one answer if the type of the address is asked for.
func (n *names) answer(c net.Conn) {
	defer c.Close()
	var size [2]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		end := 12 + bytes.IndexByte(message[12:], 0) + 5
		message = message[:end]
		copy(message[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		address := n.get()
		kind := uint16(1)
		if address.Is6() {
			kind = 28
		}
		if binary.BigEndian.Uint16(message[end-4:]) == kind {
			message[7] = 1
			message = append(message, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(address.BitLen()/8))
			message = append(message, address.AsSlice()...)
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)); err != nil {
			return
		}
	}
}

func TestReachByName(t *testing.T) {
	dns := resolve(t)
	const host = "example.com" // which the certificate of httptest is for
	victim, evil := listen(t, false), listen(t, false)
	for _, address := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1",
	} {
		t.Run("L-04 a discovered host is at "+address, func(t *testing.T) {
			dns.set(address)
			evil.serve(metadata(evil.URL, "https://"+host+victim.port()+"/jwks"))
			requireRefused(t, newStore(t, trusting(t, victim, evil), discovers(evil.URL)), victim)
		})
	}
	t.Run("L-04 rebinding between two dials: a configured host", func(t *testing.T) {
		dns.set("127.0.0.1")
		victim.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, jwks("a"))
		})
		store := newStore(t, trusting(t, victim), from("https://"+host+victim.port()))
		require.NoError(t, store.Refresh(t.Context()))
		dns.set("169.254.169.254")
		requireRefused(t, store, victim)
		mustFind(t, store, "a")
		dns.set("127.0.0.1")
		require.NoError(t, store.Refresh(t.Context()))
	})
	t.Run("L-04 rebinding between two dials: cleartext must stay private", func(t *testing.T) {
		plain := listen(t, true)
		plain.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, jwks("a"))
		})
		dns.set("127.0.0.1")
		store := newStore(t, trusting(t), from("http://"+host+plain.port()), cleartext)
		require.NoError(t, store.Refresh(t.Context()))
		dns.set("192.0.2.1")
		requireRefused(t, store, plain)
	})
}

func TestWire(t *testing.T) {
	zipped := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	bomb := zipped(jwks("a") + strings.Repeat(" ", 16<<20))
	plain := listen(t, true)
	get := func(t *testing.T) error {
		return newStore(t, keys.Transport(nil), from(plain.URL), cleartext).Refresh(t.Context())
	}
	t.Run("a compressed set", func(t *testing.T) {
		plain.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", r.Header.Get("Accept-Encoding"))
			_, _ = io.WriteString(w, zipped(jwks("a")))
		})
		require.NoError(t, get(t))
	})
	t.Run("L-01 a compression bomb", func(t *testing.T) {
		plain.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, bomb)
		})
		require.Less(t, len(bomb), 32<<10)
		before := allocated()
		require.ErrorContains(t, get(t), "body too large")
		require.Less(t, allocated()-before, int64(8<<20))
	})
	t.Run("L-01 a header of a megabyte", func(t *testing.T) {
		plain.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat(secret, 50_000))
			_, _ = io.WriteString(w, jwks("a"))
		})
		err := get(t)
		require.Error(t, err)
		require.Less(t, len(err.Error()), 512)
	})
	t.Run("L-20 cookies are not kept", func(t *testing.T) {
		plain.handle(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Cookie") != "" {
				w.WriteHeader(http.StatusTeapot)
			}
			http.SetCookie(w, &http.Cookie{Name: "id", Value: "1", Path: "/"})
			if r.URL.Path != "/2" {
				http.Redirect(w, r, "/2", http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, jwks("a"))
		})
		store := newStore(t, keys.Transport(nil), from(plain.URL), cleartext)
		require.NoError(t, store.Refresh(t.Context()))
		require.NoError(t, store.Refresh(t.Context()))
	})
	t.Run("L-19 a certificate that nobody vouches for", func(t *testing.T) {
		require.Error(t, newStore(t, keys.Transport(nil), from(listen(t, false).URL)).Refresh(t.Context()))
	})
	t.Run("L-19 a certificate of another name", func(t *testing.T) {
		l := listen(t, false)
		require.ErrorContains(t, newStore(t, trusting(t, l), from("https://localhost"+l.port())).Refresh(t.Context()), "certificate")
	})
	t.Run("L-19 TLS 1.1", func(t *testing.T) {
		l := listen(t, false)
		l.TLS.MaxVersion = tls.VersionTLS11
		require.Error(t, newStore(t, trusting(t, l), from(l.URL)).Refresh(t.Context()))
	})
}

// TestProxyEnvironment runs itself again, since the environment is read once for a process.
func TestProxyEnvironment(t *testing.T) {
	if os.Getenv("KEYS_TEST_BEHIND_PROXY") != "" {
		_ = newStore(t, keys.Transport(nil)).Refresh(t.Context())
		return
	}
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	child := exec.Command(os.Args[0], "-test.run=^TestProxyEnvironment$")
	child.Env = append(os.Environ(), "KEYS_TEST_BEHIND_PROXY=1", "HTTPS_PROXY="+u.String(), "NO_PROXY=")
	text, err := child.CombinedOutput()
	require.NoError(t, err, string(text))
	require.Equal(t, "CONNECT issuer.example.com:443", <-asked)
}
