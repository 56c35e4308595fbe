package egress

import (
	"net/netip"
	"testing"
)

func TestNotPublic(t *testing.T) {
	tests := map[string]string{
		"8.8.8.8": "", "1.1.1.1": "", "172.15.255.255": "", "172.32.0.0": "", "100.63.255.255": "", "100.128.0.0": "",
		"198.17.255.255": "", "198.20.0.0": "", "223.255.255.255": "", "168.63.129.17": "", "9.255.255.255": "", "11.0.0.0": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "10.255.255.255": "private",
		"100.64.0.1": "shared by a provider", "100.127.255.255": "shared by a provider", "127.0.0.1": "loopback", "127.255.0.1": "loopback",
		"169.254.0.1": "link-local", "169.254.169.254": "a metadata service", "168.63.129.16": "a metadata service",
		"100.100.100.200": "a metadata service", "169.254.170.2": "link-local",
		"172.16.0.1": "private", "172.31.255.255": "private", "192.0.0.192": "reserved", "192.0.2.1": "for documentation",
		"192.88.99.1": "a 6to4 relay", "192.168.1.1": "private", "198.18.0.1": "for benchmarks", "198.19.255.255": "for benchmarks",
		"198.51.100.1": "for documentation", "203.0.113.1": "for documentation", "224.0.0.1": "multicast", "239.255.255.255": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "reserved",

		"2606:4700::1111": "", "2a00:1450::1": "", "2600::1": "",
		"::": "unspecified", "::1": "loopback", "::127.0.0.1": "IPv4 within IPv6", "::8.8.8.8": "IPv4 within IPv6",
		"::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:169.254.169.254": "a metadata service", "::ffff:8.8.8.8": "",
		"::ffff:0:127.0.0.1": "IPv4 within IPv6", "64:ff9b::127.0.0.1": "loopback", "64:ff9b::10.0.0.1": "private",
		"64:ff9b::169.254.169.254": "a metadata service", "64:ff9b::8.8.8.8": "", "64:ff9b:1::8.8.8.8": "IPv4 within IPv6",
		"64:ff9b:2::1": "reserved", "2002:7f00:1::": "IPv4 within IPv6", "2002:808:808::": "IPv4 within IPv6",
		"2001::1": "IPv4 within IPv6", "2001:0:7f00:1::": "IPv4 within IPv6", "2001:2::1": "reserved", "2001:10::1": "reserved", "2001:db8::1": "for documentation",
		"2001:4860::8888": "", "3fff::1": "for documentation", "fc00::1": "private", "fd00:ec2::254": "private",
		"fe80::1": "link-local", "fe80::1%eth0": "link-local", "fec0::1": "site-local", "ff02::1": "multicast",
		"100::1": "reserved", "5f00::1": "reserved", "4000::1": "reserved",
		"2600::5efe:7f00:1": "reserved", "2600::200:5efe:7f00:1": "reserved",
	}
	for s, want := range tests {
		if got := notPublic(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: got %q, want %q", s, got, want)
		}
	}
	if notPublic(netip.Addr{}) == "" {
		t.Error("no address at all is public")
	}
}
