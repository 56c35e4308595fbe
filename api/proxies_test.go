package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

func trusted(t testing.TB, list ...string) proxies {
	t.Helper()
	p, err := ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProxies(t *testing.T) {
	got := trusted(t, "10.0.0.0/8", " 192.0.2.7", "2001:db8::/32", "::1")
	for addr, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "192.0.2.7": true, "192.0.2.8": false,
		"2001:db8:1::1": true, "2001:db9::1": false, "::1": true, "127.0.0.1": false,
	} {
		if got.trust(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s is trusted: %v", addr, !want)
		}
	}
	for text, want := range map[string]string{
		"": "neither", "proxy.example": "neither", "10.0.0.0/33": "neither", "10.0.0.0/": "neither", "10.0.0.1:80": "neither", "10.0.0.0/08": "neither",
		"0.0.0.0/0": "trusts everybody", "::/0": "trusts everybody", "10.0.0.1/8": "10.0.0.0/8 is",
		"fe80::1%eth0": "without a zone", "::ffff:10.0.0.1": "IPv4 as IPv4", "::ffff:10.0.0.0/104": "IPv4 as IPv4",
	} {
		if _, err := ParseProxies([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseProxies(make([]string, maxProxies+1)); err == nil {
		t.Error("any number of networks is taken")
	}
}

// A client is whom the trusted proxies saw, and never whom it says to be.
func TestClientBehindProxies(t *testing.T) {
	p := trusted(t, "10.0.0.0/8", "2001:db8:a::/48")
	many := strings.Repeat("10.0.0.9,", 5000)
	tests := []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"no header", "10.0.0.1:9", nil, "10.0.0.1"},
		{"a client without a proxy", "192.0.2.1:9", nil, "192.0.2.1"},
		{"a spoof from an untrusted peer", "192.0.2.1:9", []string{"198.51.100.7"}, "192.0.2.1"},
		{"loopback is not trusted by default", "127.0.0.1:9", []string{"198.51.100.7"}, "127.0.0.1"},
		{"one proxy", "10.0.0.1:9", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a spoof through a proxy", "10.0.0.1:9", []string{"203.0.113.1, 198.51.100.7"}, "198.51.100.7"},
		{"a spoof of a proxy through a proxy", "10.0.0.1:9", []string{"203.0.113.1, 10.0.0.7, 198.51.100.7"}, "198.51.100.7"},
		{"three proxies", "10.0.0.1:9", []string{"198.51.100.7, 10.0.0.3, 10.0.0.2"}, "198.51.100.7"},
		{"in lines of its own", "10.0.0.1:9", []string{"203.0.113.1", "198.51.100.7, 10.0.0.3", "10.0.0.2"}, "198.51.100.7"},
		{"a client in the proxies' network", "10.0.0.1:9", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"one that cannot be read", "10.0.0.1:9", []string{"198.51.100.7, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"nothing but that", "10.0.0.1:9", []string{"unknown"}, "10.0.0.1"},
		{"an empty entry", "10.0.0.1:9", []string{"198.51.100.7,, 10.0.0.2"}, "10.0.0.2"},
		{"an empty line", "10.0.0.1:9", []string{"198.51.100.7", ""}, "10.0.0.1"},
		{"a comma at the end", "10.0.0.1:9", []string{"198.51.100.7,"}, "10.0.0.1"},
		{"with a port", "10.0.0.1:9", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", "[2001:db8:a::1]:9", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets", "10.0.0.1:9", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 with a port", "10.0.0.1:9", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		{"IPv6 with a zone", "10.0.0.1:9", []string{"fe80::7%eth0"}, "fe80::7"},
		{"IPv6 with all of it", "10.0.0.1:9", []string{"[fe80::7%eth0]:80"}, "fe80::7"},
		{"IPv4 in brackets", "10.0.0.1:9", []string{"[198.51.100.7]"}, "10.0.0.1"},
		{"brackets that do not close", "10.0.0.1:9", []string{"[2001:db8::7"}, "10.0.0.1"},
		{"IPv4 inside IPv6", "[::ffff:10.0.0.1]:9", []string{"[::ffff:198.51.100.7]:1, ::ffff:10.0.0.2"}, "198.51.100.7"},
		{"a peer with a zone", "[fe80::1%eth0]:9", []string{"198.51.100.7"}, "fe80::1"},
		{"leading zeros", "10.0.0.1:9", []string{"198.051.100.7"}, "10.0.0.1"},
		{"a name", "10.0.0.1:9", []string{"evil.example"}, "10.0.0.1"},
		{"a huge entry", "10.0.0.1:9", []string{strings.Repeat("1", 30_000)}, "10.0.0.1"},
		{"more hops than we walk", "10.0.0.1:9", []string{"198.51.100.7, " + many + "10.0.0.9"}, "10.0.0.9"},
		{"no peer that can be read", "@", []string{"198.51.100.7"}, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{forwardedHeader: tt.header}}
			if got := p.client(r).String(); got != tt.want {
				t.Errorf("the client is %s, want %s", got, tt.want)
			}
			if got, peer := (proxies)(nil).client(r), tt.peer; got.IsValid() && !strings.Contains(peer, got.String()) {
				t.Errorf("with no proxy trusted the client is %s, not %s", got, peer)
			}
		})
	}
}

func FuzzClient(f *testing.F) {
	for _, seed := range []string{"198.51.100.7", "[::1]:80, 10.0.0.2", "fe80::1%eth0,,", ",", "[", "]:", "10.0.0.1,[10.0.0.1"} {
		f.Add("10.0.0.1:9", seed, seed)
	}
	p := trusted(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{forwardedHeader: {first, second}}}
		got := p.client(r)
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("the client is %s", got)
		}
		if from, ok := parseHop(peer); (!ok || !p.trust(from)) && got != from {
			t.Errorf("the client is %s by the word of %q", got, peer)
		}
	})
}

// proxy puts a real reverse proxy before a server, which writes the header as proxies do.
func proxy(t *testing.T, to string) *url.URL {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.Header[forwardedHeader] = r.In.Header[forwardedHeader] // it appends, as nginx's $proxy_add_x_forwarded_for
		r.SetURL(target)
		r.SetXForwarded()
	}})
	t.Cleanup(ts.Close)
	at, err := url.Parse(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// What guests see, who is held and what is logged is the client that a real proxy saw, if the proxy is trusted.
func TestBehindAProxy(t *testing.T) {
	for _, tt := range []struct{ name, trust, want string }{
		{"trusted", "127.0.0.1/32", "198.51.100.7"},
		{"not trusted", "192.0.2.0/24", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				c.TrustedProxies = trusted(t, tt.trust, "10.0.0.0/8")
				c.RejectDelay = time.Microsecond
			})
			f.host.raw = func(context.Context, actors.RawRequest) (*actors.RawResponse, error) {
				return &actors.RawResponse{Head: abi.ResponseHead{Status: 200}}, nil
			}
			id := f.actor("room", tenants.EmptyKey).String()
			f.url = proxy(t, f.url).String()
			// The outer proxy, 10.0.0.2, saw 198.51.100.7, which said to be 203.0.113.1. The real one saw the outer one.
			chain := "203.0.113.1, 198.51.100.7, 10.0.0.2, 127.0.0.1"
			if a := f.do("GET", "/gateway/"+id+"/request/x", "", forwardedHeader+": "+chain, "X-Real-Ip: 203.0.113.1"); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			head := f.host.raws[0].Head
			if head.Remote != tt.want {
				t.Errorf("the guest sees %s, want %s", head.Remote, tt.want)
			}
			for _, name := range []string{"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"} {
				if got := head.Header[name] != nil; got != (tt.want != "127.0.0.1") {
					t.Errorf("the guest sees %s: %v", name, got)
				}
			}
			if !strings.Contains(f.log.String(), "client="+tt.want+"\n") {
				t.Errorf("the log does not name %s: %s", tt.want, f.log.String())
			}
			d := websocket.Dialer{Subprotocols: []string{"rivet", "rivet_encoding.json"}}
			ws, _, err := d.Dial(strings.Replace(f.url, "http", "ws", 1)+"/gateway/"+id+"/connect", http.Header{"Authorization": {"Bearer " + f.token(tenants.RoleInvoke)}, forwardedHeader: {chain}})
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			for err == nil {
				_, _, err = ws.ReadMessage()
			}
			f.host.mu.Lock()
			defer f.host.mu.Unlock()
			if got := f.host.connects[0].Head.Remote; got != tt.want {
				t.Errorf("the guest sees a socket from %s, want %s", got, tt.want)
			}
			f.srv.holds.mu.Lock()
			defer f.srv.holds.mu.Unlock()
			if f.srv.holds.by[netip.MustParseAddr(tt.want)] == nil || len(f.srv.holds.by) != 1 {
				t.Errorf("held are %v", f.srv.holds.by)
			}
		})
	}
}
