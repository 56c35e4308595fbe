package egress

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
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

// Rules about the form of a URL, which need no look at an address.
const (
	form      = "the host is an address in an unusual form"
	malformed = "the URL is malformed"
	userinfo  = "the URL has a user or a password"
	tunnelled = "the address is IPv4 within IPv6"
)

// inward are the ways in which the address of a machine inside can be written, and the rule that each is refused by.
// docs/sandbox.md has the table for people.
var inward = []struct{ host, rule string }{
	{"127.0.0.1", "the address is loopback"},
	{"127.0.0.2", "the address is loopback"},
	{"127.255.255.254", "the address is loopback"},
	{"127.0.0.1.", "the address is loopback"},
	{"0.0.0.0", "the address is unspecified"},
	{"10.0.0.1", "the address is private"},
	{"172.16.0.1", "the address is private"},
	{"192.168.0.1", "the address is private"},
	{"100.64.0.1", "the address is shared by a provider"},
	{"198.18.0.1", "the address is for benchmarks"},
	{"169.254.0.1", "the address is link-local"},
	{"169.254.169.254", "the address is a metadata service"},
	{"168.63.129.16", "the address is a metadata service"},
	{"100.100.100.200", "the address is a metadata service"},
	{"224.0.0.1", "the address is multicast"},
	{"255.255.255.255", "the address is reserved"},

	{"127.1", form}, {"127.0.1", form}, {"0", form}, {"2130706433", form}, {"4294967296", form}, {"017700000001", form}, {"0x7f000001", form}, {"0x7f.1", form},
	{"0177.0.0.1", form}, {"0x7f.0.0.1", form}, {"127.000.000.001", form}, {"127.0.0.01", form}, {"127.0.0.1.1", form},
	{"①②⑦.⓪.⓪.①", "the address is loopback"},
	{"１２７.0.0.1", "the address is loopback"},
	{"127。0。0。1", "the address is loopback"},

	{"[::1]", "the address is loopback"},
	{"[0:0:0:0:0:0:0:1]", "the address is loopback"},
	{"[::]", "the address is unspecified"},
	{"[::ffff:127.0.0.1]", "the address is loopback"},
	{"[::ffff:7f00:1]", "the address is loopback"},
	{"[0:0:0:0:0:ffff:127.0.0.1]", "the address is loopback"},
	{"[::ffff:169.254.169.254]", "the address is a metadata service"},
	{"[64:ff9b::127.0.0.1]", "the address is loopback"},
	{"[64:ff9b::a9fe:a9fe]", "the address is a metadata service"},
	{"[::127.0.0.1]", tunnelled}, {"[::ffff:0:127.0.0.1]", tunnelled}, {"[64:ff9b:1::127.0.0.1]", tunnelled},
	{"[2002:7f00:1::]", tunnelled}, {"[2002:a9fe:a9fe::]", tunnelled}, {"[2001:0:7f00:1::]", tunnelled},
	{"[fe80::1]", "the address is link-local"},
	{"[fe80::1%25lo]", "the host has escapes"},
	{"[fec0::1]", "the address is site-local"},
	{"[fd00:ec2::254]", "the address is private"},
	{"[fc00::1]", "the address is private"},
	{"[ff02::1]", "the address is multicast"},
	{"[2001:db8::1]", "the address is for documentation"},

	{"localhost", "the address is loopback"}, {"LOCALHOST.", "the address is loopback"},
	{"user@127.0.0.1", userinfo}, {"api.example.com@127.0.0.1", userinfo}, {"api.example.com:x@127.0.0.1", userinfo}, {"@127.0.0.1", userinfo},
	{"127.0.0.1%2eexample.com", malformed}, {"127.0.0.1%00", malformed}, {"127.0.0.1\\@api.example.com", malformed}, {"1.1.1.1 127.0.0.1", malformed},
	{"[::1", malformed}, {"::1", malformed}, {"[v1.a]", malformed},
}

// resolved are names that a stranger points inside, and the rule that each is refused by.
var resolved = []struct {
	name, rule string
	addresses  []string
}{
	{"loopback.example", "the address is loopback", []string{"127.0.0.1"}},
	{"loopback6.example", "the address is loopback", []string{"::1"}},
	{"any.example", "the address is unspecified", []string{"0.0.0.0"}},
	{"any6.example", "the address is unspecified", []string{"::"}},
	{"mapped.example", "the address is loopback", []string{"::ffff:127.0.0.1"}},
	{"compatible.example", tunnelled, []string{"::127.0.0.1"}},
	{"private.example", "the address is private", []string{"10.0.0.1"}},
	{"metadata.example", "the address is a metadata service", []string{"169.254.169.254"}},
	{"nat64.example", "the address is loopback", []string{"64:ff9b::7f00:1"}},
	{"local64.example", tunnelled, []string{"64:ff9b:1::7f00:1"}},
	{"six.example", tunnelled, []string{"2002:7f00:1::"}},
	{"teredo.example", tunnelled, []string{"2001:0:7f00:1::"}},
	{"unique.example", "the address is private", []string{"fd00::1"}},
	{"multicast.example", "the address is multicast", []string{"224.0.0.1"}},
	{"mixed.example", "the address is ", []string{"127.0.0.1", "10.0.0.1", "::1", "192.0.2.1"}}, // whichever was tried last
}

// TestNoWayInside asks for a server of the machine in each way that its address can be written or resolved, directly and
// through a redirect, with everything allowed by the policy that can be. No connection is made, and nobody is told where it would
// have gone.
func TestNoWayInside(t *testing.T) {
	port, reached := inside(t, ":0")
	from := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.URL.Query().Get("to")}
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	w := newWorld(t, Config{AllowLoopback: []string{from}})
	all := slices.Clone(inward)
	for _, r := range resolved {
		w.names.set(r.name, r.addresses)
		w.names.alias("alias-of-"+r.name, "www."+r.name)
		w.names.alias("www."+r.name, r.name)
		for _, host := range []string{r.name, "alias-of-" + r.name} {
			all = append(all, struct{ host, rule string }{host, r.rule})
		}
	}
	for _, tt := range all {
		t.Run(tt.host, func(t *testing.T) {
			to := "http://" + tt.host + ":" + port + "/"
			lists := []string{"http://" + from}
			pattern := "http://" + tt.host + ":" + port
			if _, err := NewPolicy([]string{pattern}); err == nil {
				lists = append(lists, pattern)
			}
			for way, url := range map[string]string{"directly": to, "by a redirect": "http://" + from + "/?" + query("to", to)} {
				_, _, err := w.fetch(t, policy(t, lists...), abi.FetchRequest{URL: url}, nil)
				switch {
				case way == "by a redirect" && tt.rule == malformed:
					checkCode(t, err, abi.CodeFetchFailed, "the server redirects to a malformed URL")
				case way == "by a redirect" && !isASCII(tt.host):
					checkCode(t, err, abi.CodeEgressDenied, "the host has escapes")
				default:
					checkCode(t, err, abi.CodeEgressDenied, tt.rule)
				}
				if m := abi.AsError(err).PublicMessage(); strings.Contains(m, port) || strings.Contains(m, "127.0.0.1") {
					t.Errorf("%s: the message %q says where", way, m)
				}
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestNamesOfNobody: what no name server knows leads nowhere. Some resolvers know names below localhost.
func TestNamesOfNobody(t *testing.T) {
	port, reached := inside(t, ":0")
	w := newWorld(t, Config{})
	for _, host := range []string{"absent.example", "foo.localhost", "localhost.localdomain", "127.0.0.1.example"} {
		_, _, err := w.get(t, "http://"+host+":"+port, "http://"+host+":"+port)
		if code := abi.CodeOf(err); code != abi.CodeFetchFailed && code != abi.CodeEgressDenied {
			t.Errorf("%s: %v", host, err)
		}
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
