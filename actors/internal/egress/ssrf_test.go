package egress

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// inside is a server of the machine that no guest may reach. It counts who connects.
func inside(t *testing.T, listen string) (port string, reached *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	reached = new(atomic.Int64)
	s := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("inside")) }),
		ConnState: func(_ net.Conn, state http.ConnState) { countNew(reached, state) },
	}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { s.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, reached
}

func countNew(n *atomic.Int64, state http.ConnState) {
	if state == http.StateNew {
		n.Add(1)
	}
}

// TestNoWayInside asks for a server of the machine in each way that its address can be written or
// resolved, with everything allowed by the policy that can be.
func TestNoWayInside(t *testing.T) {
	port, reached := inside(t, ":0")
	w := newWorld(t, Config{})
	resolved := map[string][]string{
		"loopback.example": {"127.0.0.1"}, "loopback6.example": {"::1"}, "any.example": {"0.0.0.0"}, "any6.example": {"::"},
		"mapped.example": {"::ffff:127.0.0.1"}, "compatible.example": {"::127.0.0.1"}, "private.example": {"10.0.0.1"},
		"metadata.example": {"169.254.169.254"}, "nat64.example": {"64:ff9b::7f00:1"}, "local64.example": {"64:ff9b:1::7f00:1"},
		"six.example": {"2002:7f00:1::"}, "teredo.example": {"2001:0:7f00:1::"}, "unique.example": {"fd00::1"},
		"mixed.example": {"127.0.0.1", "10.0.0.1", "::1", "192.0.2.1"}, "multicast.example": {"224.0.0.1"},
	}
	for name, addresses := range resolved {
		w.names.set(name, addresses)
	}
	literals := []string{
		"127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.000.000.001",
		"0.0.0.0", "0", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fec0::1]",
		"169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "198.18.0.1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "localhost", "LOCALHOST.", "foo.localhost",
	}
	for name := range resolved {
		literals = append(literals, name)
	}
	for _, host := range literals {
		t.Run(host, func(t *testing.T) {
			var p Policy
			if plain, err := NewPolicy([]string{"http://" + host + ":" + port}); err == nil {
				p = plain
			}
			_, _, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + host + ":" + port + "/"}, nil)
			if host == "foo.localhost" { // known to some resolvers only
				if err == nil {
					t.Fatal("reached")
				}
				return
			}
			checkCode(t, err, abi.CodeEgressDenied, "")
			if m := abi.AsError(err).PublicMessage(); strings.Contains(m, port) || strings.Contains(m, "127.0.0.1") {
				t.Errorf("the message %q says where", m)
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestOwnAddressIsRefused reaches for a server at an address of the machine that is not loopback, as
// far as the machine has one.
func TestOwnAddressIsRefused(t *testing.T) {
	d := &dialer{config: &Config{OwnAddrs: func() []netip.AddrPort {
		return []netip.AddrPort{netip.MustParseAddrPort("[::]:6420"), netip.MustParseAddrPort("198.41.0.4:443")}
	}}}
	local := map[netip.Addr]bool{netip.MustParseAddr("9.9.9.9"): true}
	for to, want := range map[string]string{
		"9.9.9.9:6420": "the host's own", "9.9.9.9:22": "the host's own", "9.9.9.10:6420": "", "198.41.0.4:443": "the host's own", "198.41.0.4:80": "",
		"127.0.0.1:6420": "the host's own", "127.0.0.1:5432": "", "[::1]:6420": "the host's own", "[::ffff:127.0.0.1]:6420": "the host's own",
		"10.0.0.1:5432": "private", "0.0.0.0:6420": "the host's own", "0.0.0.0:1": "unspecified", "nonsense": "not one of TCP",
	} {
		if got := d.refuse("tcp4", to, local, true); got != want {
			t.Errorf("%s: got %q, want %q", to, got, want)
		}
	}
	if got := d.refuse("udp4", "9.9.9.10:443", local, false); got == "" {
		t.Error("UDP is not refused")
	}
}

// TestAllowLoopbackGoesByName: what the operator lists is reached by that name only, at loopback only,
// and never if it is this process.
func TestAllowLoopbackGoesByName(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello " + r.Host)) })
	own := serve(t, func(http.ResponseWriter, *http.Request) {})
	w := newWorld(t, Config{
		AllowLoopback: []string{address, "Api.Example:" + port(address), own},
		OwnAddrs:      func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(own)} },
	})
	w.names.set("api.example", []string{"127.0.0.1"})
	w.names.set("other.example", []string{"127.0.0.1"})
	for _, host := range []string{address, "api.example:" + port(address)} {
		_, body, err := w.get(t, "http://"+host+"/", "http://"+host)
		if err != nil || body != "hello "+host {
			t.Errorf("%s: got %q, %v", host, body, err)
		}
	}
	other := "other.example:" + port(address)
	_, _, err := w.get(t, "http://"+other, "http://"+other)
	checkCode(t, err, abi.CodeEgressDenied, "loopback")
	_, _, err = w.get(t, "http://"+own, "http://"+own)
	checkCode(t, err, abi.CodeEgressDenied, "the host's own")
	_, _, err = w.get(t, "http://"+address, "https://"+address)
	checkCode(t, err, abi.CodeEgressDenied, "not allowed")
	if !strings.Contains(w.log.String(), "tenant=acme") {
		t.Error("refusals are not in the log")
	}
}

// TestRebinding: the verdict on a name is of one connection.
func TestRebinding(t *testing.T) {
	var hits atomic.Int64
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Connection", "close")
	})
	host := "rebind.example:" + port(address)
	w := newWorld(t, Config{AllowLoopback: []string{host}})
	w.names.set("rebind.example", []string{"127.0.0.1"}, []string{"10.0.0.1"}, []string{"10.0.0.1", "127.0.0.1"})
	if _, _, err := w.get(t, "http://"+host, "http://"+host); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.get(t, "http://"+host, "http://"+host)
	checkCode(t, err, abi.CodeEgressDenied, "private")
	// Of several addresses those that may not be reached are passed over.
	if _, _, err := w.get(t, "http://"+host, "http://"+host); err != nil || hits.Load() != 2 {
		t.Errorf("got %v after %d requests, want the second address to be tried", err, hits.Load())
	}
}
