package egress

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestPolicy(t *testing.T) {
	const api, any = "api.example.com", "*.example.com"
	tests := []struct {
		name, pattern, url string
		want               bool
	}{
		{"exact", api, "https://api.example.com/v1?x=1", true},
		{"case", "API.Example.com", "HTTPS://api.EXAMPLE.com", true},
		{"trailing dot", api, "https://api.example.com./", true},
		{"trailing dot in the pattern", "api.example.com.", "https://api.example.com/", true},
		{"two trailing dots", api, "https://api.example.com../", false},
		{"default port spelled out", api, "https://api.example.com:443/", true},
		{"empty port", api, "https://api.example.com:/", true},
		{"other port", api, "https://api.example.com:8443/", false},
		{"port of the pattern", "api.example.com:8443", "https://api.example.com:8443/", true},
		{"pattern with a port is not for 443", "api.example.com:8443", "https://api.example.com/", false},
		{"port zero", api, "https://api.example.com:0/", false},
		{"port with a sign", api, "https://api.example.com:+443/", false},
		{"port beyond 16 bits", api, "https://api.example.com:65979/", false},
		{"http needs its scheme in the pattern", api, "http://api.example.com/", false},
		{"http on port 443", api, "http://api.example.com:443/", false},
		{"http", "http://api.example.com", "http://api.example.com/", true},
		{"pattern of http is not for https", "http://api.example.com", "https://api.example.com/", false},
		{"pattern of http with a port", "http://api.example.com:8080", "http://api.example.com:8080", true},
		{"other host", api, "https://example.com/", false},
		{"longer host", api, "https://api.example.com.evil.test/", false},
		{"prefixed host", api, "https://xapi.example.com/", false},
		{"wildcard", any, "https://a.example.com/", true},
		{"wildcard over two labels", any, "https://a.b.example.com/", true},
		{"wildcard is not the apex", any, "https://example.com/", false},
		{"wildcard needs the dot", any, "https://evilexample.com/", false},
		{"wildcard and empty label", any, "https://.example.com/", false},
		{"underscore", any, "https://_acme.example.com/", true},
		{"IDN", "bücher.example", "https://xn--bcher-kva.example/", true},
		{"IDN in the URL", "xn--bcher-kva.example", "https://BÜCHER.example/", true},
		{"bad punycode", any, "https://xn--0.example.com/", false},
		{"full-width letters are the same host", api, "https://ａｐｉ.example.com/", true},
		{"ideographic full stop", api, "https://api。example。com/", true},
		{"user", api, "https://user@api.example.com/", false},
		{"empty user", api, "https://@api.example.com/", false},
		{"host as user", api, "https://api.example.com@evil.test/", false},
		{"host as user with escape", api, "https://api.example.com%40evil.test/", false},
		{"host before a backslash", api, `https://api.example.com\@evil.test/`, false},
		{"host behind a backslash", api, `https://evil.test\.api.example.com/`, false},
		{"host in the fragment", api, "https://evil.test/#@api.example.com/", false},
		{"host before the fragment", api, "https://api.example.com#@evil.test/", true},
		{"no slashes", api, "https:api.example.com", false},
		{"three slashes", api, "https:///api.example.com", false},
		{"no scheme", api, "//api.example.com/", false},
		{"file", api, "file://api.example.com/etc/passwd", false},
		{"ftp", api, "ftp://api.example.com/", false},
		{"line feed", api, "https://api.example.com/\r\nHost: evil", false},
		{"tab in the host", api, "https://api.exam\tple.com/", false},
		{"space in the host", api, "https://api.example.com /", false},
		{"NUL in the host", api, "https://api.example.com\x00.evil.test/", false},
		{"IPv4", "203.0.113.7", "https://203.0.113.7/", true},
		{"IPv4 and a dot", "203.0.113.7", "https://203.0.113.7./", true},
		{"IPv4 is in no wildcard", any, "https://203.0.113.7/", false},
		{"decimal", "203.0.113.7", "https://3405803783/", false},
		{"octal", "203.0.113.7", "https://0313.0.0161.07/", false},
		{"hex", "203.0.113.7", "https://0xcb.0x0.0x71.0x7/", false},
		{"hex in one", "203.0.113.7", "https://0xcb007107/", false},
		{"short", "127.0.0.1", "https://127.1/", false},
		{"number at the end", any, "https://1.example.com.1/", false},
		{"IPv6", "[2600::1]", "https://[2600::1]/", true},
		{"IPv6, long", "[2600::1]", "https://[2600:0:0:0:0:0:0:0001]/", true},
		{"IPv6 with a port", "[2600::1]:8443", "https://[2600::1]:8443/", true},
		{"IPv6 with a zone", "[fe80::1]", "https://[fe80::1%25eth0]/", false},
		{"IPv4 in IPv6 is that IPv4", "203.0.113.7", "https://[::ffff:203.0.113.7]/", true},
		{"IPv4 in brackets", "203.0.113.7", "https://[203.0.113.7]/", false},
		{"full-width digits are that address", "127.0.0.1", "https://１２７.0.0.1/", true},
		{"too long", api, "https://api.example.com/" + strings.Repeat("a", maxURL), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := policy(t, tt.pattern).Check(tt.url)
			if got := err == nil; got != tt.want {
				t.Errorf("%s, allowed %s: got %v (%v), want %v", tt.url, tt.pattern, got, err, tt.want)
			}
			if err != nil && abi.CodeOf(err) != abi.CodeEgressDenied {
				t.Errorf("got %v, want CodeEgressDenied", err)
			}
		})
	}
}

func TestPolicyNeedsEachList(t *testing.T) {
	both, err := NewPolicy([]string{"a.example.com", "b.example.com"}, []string{"*.example.com", "c.test"}, []string{"b.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{
		"https://a.example.com": false, "https://b.example.com": true, "https://c.test": false,
	} {
		if got := both.Check(url) == nil; got != want {
			t.Errorf("%s: got %v, want %v", url, got, want)
		}
	}
	empty, _ := NewPolicy([]string{"a.example.com"}, nil)
	checkCode(t, empty.Check("https://a.example.com"), abi.CodeEgressDenied, "not allowed")
	checkCode(t, Policy{}.Check("https://a.example.com"), abi.CodeEgressDenied, "may not reach the network")
}

func TestPatternsAreStrict(t *testing.T) {
	for _, s := range []string{
		"", ".", "*", "*.", "*.com", "*.*.example.com", "a*.example.com", "a.*.com", "*.127.0.0.1", "*.[::1]",
		"ftp://a.example.com", "HTTP://a.example.com", "http://", "//a.example.com", "https://a.example.com/",
		"a.example.com/path", "a.example.com?x", "a.example.com#x", "user@a.example.com", "a.example.com:", "a.example.com:0",
		"a.example.com:70000", "a.example.com:x", "a b.example.com", " a.example.com", "a.example.com\n", "a..example.com",
		"-a.example.com", "a%2e.example.com", "::1", "[::1", "[127.0.0.1]", "[fe80::1%eth0]", "127.1", "0x7f.1", "2130706433",
		strings.Repeat("a", 64) + ".example.com", strings.Repeat("a.", 127) + "com",
	} {
		if p, err := NewPolicy([]string{s}); err == nil {
			t.Errorf("%q was taken as %+v", s, p)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add("*.example.com", "https://a.example.com:443/x?y z#f")
	f.Add("http://127.0.0.1:80", "http://[::ffff:127.0.0.1]/")
	f.Add("bücher.example", "https://BÜCHER.example./")
	f.Add("[2600::1]:8443", "https://[2600::1]:8443")
	f.Fuzz(func(t *testing.T, pattern, raw string) {
		p, err := NewPolicy([]string{pattern})
		if err != nil {
			return
		}
		got, err := p.target(raw)
		if err != nil {
			return
		}
		// What goes to the transport is what was checked, and means the same to net/url.
		again, err := url.Parse(got.url.String())
		if err != nil || again.Hostname() != got.host || again.User != nil || again.Fragment != "" || again.Scheme != got.scheme {
			t.Fatalf("%q became %q: %v", raw, got.url, err)
		}
		if again.Port() != "" && again.Port() != port(got.address()) {
			t.Fatalf("%q became %q with another port", raw, got.url)
		}
		if same, err := p.target(got.url.String()); err != nil || !same.sameOrigin(got) {
			t.Fatalf("%q became %q, which is refused: %v", raw, got.url, err)
		}
		if strings.ContainsAny(got.host, "%@\\/ *") || got.host != strings.ToLower(got.host) || !isASCII(got.host) {
			t.Fatalf("%q has the host %q", raw, got.host)
		}
		if line := got.url.RequestURI(); strings.ContainsAny(line, " \r\n\t") || line[0] != '/' {
			t.Fatalf("%q has the request line %q", raw, line)
		}
		if _, err := http.NewRequest("GET", got.url.String(), nil); err != nil {
			t.Fatal(err)
		}
		checkOracle(t, pattern, got)
	})
}

// checkOracle says in other words what a pattern without escapes and scripts allows.
func checkOracle(t *testing.T, pattern string, got target) {
	t.Helper()
	if !isASCII(pattern) {
		return
	}
	_, host, ok := strings.Cut(strings.ToLower(pattern), "://")
	if !ok {
		host = strings.ToLower(pattern)
	}
	if base, wild := strings.CutPrefix(host, "*."); wild {
		base, _, _ = strings.Cut(base, ":")
		if !strings.HasSuffix(got.host, "."+strings.TrimSuffix(base, ".")) {
			t.Fatalf("%q allowed %q", pattern, got.host)
		}
		return
	}
	if !strings.HasPrefix(host, "[") && !strings.HasPrefix(host, got.host) {
		t.Fatalf("%q allowed %q", pattern, got.host)
	}
	if strings.HasPrefix(pattern, "http://") != (got.scheme == "http") {
		t.Fatalf("%q allowed the scheme %q", pattern, got.scheme)
	}
}
