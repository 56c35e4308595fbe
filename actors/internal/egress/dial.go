package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// dialer opens connections, each after a look at the address that it goes to.
type dialer struct {
	config   *Config
	loopback map[string]bool // addresses of targets that may be at loopback
}

// requestKey finds the context of the request that a dial is for. http.Transport lets dials outlive
// their requests, which would make more of them than there are requests.
type requestKey struct{}

// dial connects to "host:port" of a target. It looks at each address after resolution and right
// before the connect, so a name cannot change its address in between.
func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if request, ok := ctx.Value(requestKey{}).(context.Context); ok {
		defer context.AfterFunc(request, cancel)()
	}
	if d.config.Dial != nil {
		return d.config.Dial(ctx, address)
	}
	local := localAddrs()
	var rule atomic.Pointer[string] // addresses are tried side by side
	nd := net.Dialer{
		Timeout:  d.config.Connect,
		Resolver: d.config.Resolver,
		Control: func(network, to string, _ syscall.RawConn) error {
			if r := d.refuse(network, to, local, d.loopback[address]); r != "" {
				rule.Store(&r)
				return denied("the address is " + r)
			}
			return nil
		},
	}
	conn, err := nd.DialContext(ctx, "tcp", absolute(address))
	if err == nil {
		return conn, nil
	}
	if r := rule.Load(); r != nil {
		return nil, &abi.Error{Code: abi.CodeEgressDenied, Message: "the address is " + *r, Cause: err}
	}
	return nil, err
}

// absolute ends a name with a dot, so that the machine's search domains are not tried: they lead to
// names that nobody allowed. A name of one label is local by its nature, and the hosts file knows it
// without the dot only.
func absolute(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if isAddress(host) || !strings.Contains(host, ".") {
		return address
	}
	return net.JoinHostPort(host+".", port)
}

// refuse returns why a connection to an address is not made, empty if it is.
func (d *dialer) refuse(network, to string, local map[netip.Addr]bool, loopback bool) string {
	ap, err := netip.ParseAddrPort(to)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return "not one of TCP"
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if d.own(ap, local) {
		return "the host's own"
	}
	if loopback && ap.Addr().IsLoopback() {
		return ""
	}
	if r := notPublic(ap.Addr()); r != "" {
		return r
	}
	// A public address of this machine is as good as loopback: what is sent there never leaves, and
	// passes no firewall.
	if local[ap.Addr()] {
		return "the host's own"
	}
	return ""
}

// own reports whether this process listens at an address.
func (d *dialer) own(ap netip.AddrPort, local map[netip.Addr]bool) bool {
	here := ap.Addr().IsLoopback() || ap.Addr().IsUnspecified() || local[ap.Addr()]
	for _, o := range d.config.OwnAddrs() {
		if o.Port() == ap.Port() && (here || o.Addr().Unmap() == ap.Addr()) {
			return true
		}
	}
	return false
}

// localAddrs returns the addresses of the machine. They are asked for each time, since they change.
func localAddrs() map[netip.Addr]bool {
	set := map[netip.Addr]bool{}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return set // the other rules hold without it
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				set[addr.Unmap()] = true
			}
		}
	}
	return set
}
