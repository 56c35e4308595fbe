package api

import (
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardedHeader is what proxies write the addresses of clients into: the nearest last.
const forwardedHeader = "X-Forwarded-For"

// maxHops bounds the walk through the proxies of one request.
const maxHops = 16

// maxProxies bounds the list of trusted networks, which each request may be compared with.
const maxProxies = 256

// proxies are the networks from which forwardedHeader is believed.
type proxies []netip.Prefix

// ParseProxies reads networks and single addresses. What would trust everybody is refused: then any client could
// name itself as it likes.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	if len(list) > maxProxies {
		return nil, fmt.Errorf("more than %d networks", maxProxies)
	}
	var all []netip.Prefix
	for _, text := range list {
		p, err := parseProxy(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func parseProxy(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	addr, e := netip.ParseAddr(text)
	if e == nil {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", text)
	case addr.Zone() != "" || p.Addr().Is4In6():
		return p, fmt.Errorf("%q: write it without a zone, and IPv4 as IPv4", text)
	case p.Bits() == 0:
		return p, fmt.Errorf("%q trusts everybody", text)
	case p.Masked() != p:
		return p, fmt.Errorf("%q is not a network; %s is", text, p.Masked())
	}
	return p, nil
}

func (p proxies) trust(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address of who sent r, without port and zone: the only answer to that question in this package. It is
// the peer's, unless the peer is a trusted proxy: then the header is read from its end, where that proxy wrote, for
// as long as each address is a trusted proxy's too. The first that is not is the client. What cannot be read ends the
// walk at the proxy that passed it on, so that nothing a client wrote is ever believed.
func (p proxies) client(r *http.Request) netip.Addr {
	addr, ok := parseHop(r.RemoteAddr)
	if !ok || !p.trust(addr) {
		return addr
	}
	left := maxHops
	for text := range hops(r.Header.Values(forwardedHeader)) {
		next, ok := parseHop(text)
		if !ok || left == 0 {
			return addr
		}
		left--
		if addr = next; !p.trust(addr) {
			return addr
		}
	}
	return addr
}

// hops yields the entries of a header from the last to the first. Its lines are one list.
func hops(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for more := true; more; {
				i := strings.LastIndexByte(line, ',')
				if !yield(line[i+1:]) {
					return
				}
				if more = i >= 0; more {
					line = line[:i]
				}
			}
		}
	}
}

// maxHop bounds an address with zone, brackets and port.
const maxHop = 80

// parseHop reads an address as proxies write it: alone, with a port, in brackets, with both.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if len(text) > maxHop {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		if a, err = netip.ParseAddr(strings.TrimSuffix(inner, "]")); !a.Is6() {
			return netip.Addr{}, false
		}
	} else if err != nil {
		var with netip.AddrPort
		with, err = netip.ParseAddrPort(text)
		a = with.Addr()
	}
	return a.WithZone("").Unmap(), err == nil
}

// client returns the address of who sent r.
func (s *Server) client(r *http.Request) netip.Addr { return s.proxies.client(r) }

// remote is the same as text, empty if it is not known, as a connection's that is no TCP.
func (s *Server) remote(r *http.Request) string {
	if a := s.client(r); a.IsValid() {
		return a.String()
	}
	return ""
}

// forwarded reports whether a header, in lower case, tells of the way that a request took. Anybody can write one, so
// guests see those of trusted proxies only.
func forwarded(name string) bool {
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}

// fromProxy reports whether the peer is a trusted proxy.
func (s *Server) fromProxy(r *http.Request) bool {
	a, ok := parseHop(r.RemoteAddr)
	return ok && s.proxies.trust(a)
}

// fromAfar reports whether the header names any address but loopback. A proxy's word is not needed for that: nobody gains by
// such a header but who is kept out by it.
func fromAfar(r *http.Request) bool {
	for text := range hops(r.Header.Values(forwardedHeader)) {
		if a, ok := parseHop(text); !ok || !a.IsLoopback() {
			return true
		}
	}
	return false
}
