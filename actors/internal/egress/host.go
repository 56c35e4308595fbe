package egress

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// maxHost bounds a host name, as DNS does.
const maxHost = 253

var (
	errHost     = errors.New("the host name is not valid")
	errHostForm = errors.New("the host is an address in an unusual form")
	errPort     = errors.New("the port is not valid")
)

// canonicalHost returns the one spelling of a host: lower case, punycode, no trailing dot; of an
// address the shortest, without brackets, and an IPv4 address that is mapped into IPv6 as IPv4. Two
// spellings of a host must never be two hosts, since one may be allowed and the other connected to.
func canonicalHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || !a.Is6() || a.Zone() != "" {
			return "", errHost
		}
		return a.Unmap().String(), nil
	}
	// The mapping turns a full-width digit or an ideographic full stop into ASCII, so what looks at
	// numbers comes after it.
	host, err := toASCII(host)
	if err != nil {
		return "", err
	}
	host = strings.TrimSuffix(host, ".")
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return a.String(), nil
	}
	if len(host) > maxHost {
		return "", errHost
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if !validLabel(l) {
			return "", errHost
		}
	}
	// Resolvers of C libraries take 127.1, 0x7f000001, 017700000001 and 2130706433 for addresses.
	if numeric(labels[len(labels)-1]) {
		return "", errHostForm
	}
	return host, nil
}

// Host returns the spelling of a host in which hosts are compared: that of a secret, for one. It is a name or an
// address, without a port.
func Host(s string) (string, error) {
	host, port, err := splitPort(s)
	if err == nil && (port != 0 || strings.Contains(s, "*")) {
		err = errHost
	}
	if err != nil {
		return "", err
	}
	return canonicalHost(host)
}

// toASCII returns host in lower case and with its other scripts in punycode.
func toASCII(host string) (string, error) {
	lower := strings.ToLower(host)
	if isASCII(host) && !strings.Contains(lower, "xn--") {
		return lower, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", errHost
	}
	return strings.ToLower(ascii), nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}

// validLabel reports whether l is a label of letters, digits, hyphens and underscores. The
// underscore is in no host name, but in names that are reached by HTTP.
func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return strings.IndexFunc(l, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// numeric reports whether the last label l makes its host an address for some reader.
func numeric(l string) bool {
	if strings.HasPrefix(l, "0x") {
		return true
	}
	return strings.IndexFunc(l, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// splitPort cuts a port off, zero if there is none.
func splitPort(hostport string) (host string, port uint16, err error) {
	i := strings.LastIndexByte(hostport, ':')
	if i < 0 || i < strings.LastIndexByte(hostport, ']') {
		return hostport, 0, nil
	}
	n, err := strconv.ParseUint(hostport[i+1:], 10, 16)
	if err != nil || n == 0 || hostport[i+1] == '+' {
		return "", 0, errPort
	}
	return hostport[:i], uint16(n), nil
}
