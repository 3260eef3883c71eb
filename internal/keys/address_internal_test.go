package keys

import (
	"errors"
	"net"
	"net/http"
	"testing"
)

// TestCheckAddress asks for every kind of address whether each kind of fetch may dial it. It cannot be seen from outside
// without dialling strangers.
func TestCheckAddress(t *testing.T) {
	for _, tc := range []struct {
		name, address               string
		configured, public, private bool
	}{
		{"public", "8.8.8.8", true, true, false},
		{"public", "[2606:4700::1111]", true, true, false},
		{"public, v4-mapped", "[::ffff:8.8.8.8]", true, true, false},
		{"L-04 loopback", "127.0.0.1", true, false, true},
		{"L-04 loopback", "127.255.255.254", true, false, true},
		{"L-04 loopback", "[::1]", true, false, true},
		{"L-04 loopback, v4-mapped", "[::ffff:127.0.0.1]", true, false, true},
		{"L-04 private", "10.0.0.1", true, false, true},
		{"L-04 private", "172.31.255.255", true, false, true},
		{"just not private", "172.32.0.1", true, true, false},
		{"L-04 private", "192.168.0.1", true, false, true},
		{"L-04 private, v4-mapped", "[::ffff:192.168.0.1]", true, false, true},
		{"L-04 unique local", "[fd00::1]", true, false, true},
		{"L-04 link-local", "169.254.169.254", false, false, false},
		{"L-04 link-local", "[fe80::1]", false, false, false},
		{"L-04 link-local with a zone", "[fe80::1%eth0]", false, false, false},
		{"L-04 link-local, v4-mapped", "[::ffff:169.254.169.254]", false, false, false},
		{"L-04 unspecified", "0.0.0.0", false, false, false},
		{"L-04 unspecified", "[::]", false, false, false},
		{"L-04 unspecified, v4-mapped", "[::ffff:0.0.0.0]", false, false, false},
		{"multicast", "224.0.0.1", false, false, false},
		{"multicast", "[ff02::1]", false, false, false},
		{"broadcast", "255.255.255.255", true, false, false},
		{"L-04 shared, where some clouds keep their metadata", "100.100.100.200", true, false, false},
		{"L-04 this network", "0.1.2.3", true, false, false},
		{"L-04 protocol assignments", "192.0.0.192", true, false, false},
		{"L-04 benchmarking", "198.19.0.1", true, false, false},
		{"L-04 reserved", "240.0.0.1", true, false, false},
		{"L-04 translated: 169.254.169.254 behind NAT64", "[64:ff9b::a9fe:a9fe]", true, false, false},
		{"L-04 translated: 10.0.0.1 by 6to4", "[2002:a00:1::]", true, false, false},
		{"L-04 site-local", "[fec0::1]", true, false, false},
		{"a name", "example.com", false, false, false},
		{"nothing", "", false, false, false},
	} {
		for allowed, want := range map[reach]bool{reachConfigured: tc.configured, reachPublic: tc.public, reachPrivate: tc.private} {
			err := allowed.checkAddress("tcp", tc.address+":443", nil)
			if (err == nil) != want || err != nil && !errors.Is(err, errAddress) {
				t.Errorf("%s: %s with reach %d: %v", tc.name, tc.address, allowed, err)
			}
		}
	}
}

// A caller's own dialler, such as that of a clone of http.DefaultTransport, is judged by where it got to.
func TestCheckDialled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := new(net.Dialer).DialContext
	for allowed, want := range map[reach]bool{reachConfigured: true, reachPublic: false, reachPrivate: true} {
		conn, err := allowed.checkDialled(dial)(t.Context(), "tcp", listener.Addr().String())
		if got := err == nil; got != want {
			t.Errorf("L-04 loopback with reach %d: %v", allowed, err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatal("http.DefaultTransport is another type")
	}
	f := &fetcher{transport: Transport(base.Clone())}
	if _, err := f.get(t.Context(), "https://"+listener.Addr().String(), reachPublic, ""); !errors.Is(err, errAddress) {
		t.Errorf("L-04 a clone of http.DefaultTransport: %v", err)
	}
}
