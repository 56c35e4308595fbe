package egress

import "net/netip"

// special lists address blocks that are not the public internet, after IANA's special-purpose
// registries, and where clouds answer a machine about itself. The first match counts.
var special = []struct {
	block netip.Prefix
	rule  string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "a metadata service"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a metadata service"}, // Azure's, amid public addresses
	{netip.MustParsePrefix("100.100.100.200/32"), "a metadata service"},
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"}, // Linux connects 0.0.0.0 to loopback
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a provider"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"}, // with broadcast

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::/96"), "IPv4 within IPv6"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4 within IPv6"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "IPv4 within IPv6"}, // NAT64 of a local prefix
	{netip.MustParsePrefix("2001::/32"), "IPv4 within IPv6"},      // Teredo
	{netip.MustParsePrefix("2002::/16"), "IPv4 within IPv6"},      // 6to4
	{netip.MustParsePrefix("2001::/23"), "reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

var (
	global = netip.MustParsePrefix("2000::/3") // all of IPv6 that is given out
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
)

// notPublic returns why an address is not one of the public internet, empty if it is. Of an IPv6
// address that a gateway turns into an IPv4 address, that one is judged.
func notPublic(a netip.Addr) string {
	if a.Zone() != "" {
		return "link-local"
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, s := range special {
		if s.block.Contains(a) {
			return s.rule
		}
	}
	if a.Is6() && (!global.Contains(a) || isatap(a)) || !a.IsValid() {
		return "reserved"
	}
	return ""
}

// isatap reports whether the last 8 bytes of a say that an IPv4 address is in the last 4.
func isatap(a netip.Addr) bool {
	b := a.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
