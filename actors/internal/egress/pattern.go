package egress

import (
	"errors"
	"fmt"
	"strings"
)

// pattern is one allowed host: "api.example.com", "*.example.com", "api.example.com:8443",
// "203.0.113.7", "[2001:db8::1]:8443", or one of these after "http://". Without a scheme it means
// https. A star stands for one or more labels, so "*.example.com" is not example.com.
type pattern struct {
	scheme string
	host   string // canonical; of a wildcard what comes after "*."
	wild   bool
	port   uint16
}

// parsePattern reads a pattern. What is not exactly one is refused: a list with a typing error must
// not allow less or more than its author reads in it.
func parsePattern(s string) (pattern, error) {
	p, err := scanPattern(s)
	if err != nil {
		return pattern{}, fmt.Errorf("egress: allowed host %.100q: %w", s, err)
	}
	return p, nil
}

func scanPattern(s string) (pattern, error) {
	p := pattern{scheme: "https"}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return p, errors.New("the scheme is neither http nor https")
		}
		p.scheme, s = scheme, rest
	}
	if strings.ContainsAny(s, "/?#@\\% ") {
		return p, errors.New("it is a host with an optional port, nothing else")
	}
	host, port, err := splitPort(s)
	if err != nil {
		return p, err
	}
	p.port = port
	if port == 0 {
		p.port = defaultPort(p.scheme)
	}
	host, p.wild = strings.CutPrefix(host, "*.")
	if p.host, err = canonicalHost(host); err != nil {
		return p, err
	}
	if p.wild && (!strings.Contains(p.host, ".") || isAddress(p.host)) {
		return p, errors.New("a wildcard stands before two labels at least")
	}
	return p, nil
}

func defaultPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

// matches reports whether t is allowed by p.
func (p pattern) matches(t target) bool {
	if p.scheme != t.scheme || p.port != t.port {
		return false
	}
	if !p.wild {
		return p.host == t.host
	}
	return !isAddress(t.host) && strings.HasSuffix(t.host, "."+p.host)
}
