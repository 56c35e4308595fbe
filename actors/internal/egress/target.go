package egress

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL bounds a URL, in bytes.
const maxURL = 16 << 10

// target is where a request goes: a URL that was taken apart and put together again from checked
// parts, so that what was checked is what is connected to.
type target struct {
	scheme string
	host   string // canonical
	port   uint16
	url    *url.URL
}

// parseTarget reads a guest's URL, or a server's redirect.
func parseTarget(raw string) (target, error) {
	var t target
	if len(raw) > maxURL {
		return t, errors.New("the URL is too long")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return t, errors.New("the URL is malformed") // url's own error quotes it
	}
	t.scheme = u.Scheme // lower case by Parse
	switch {
	case t.scheme != "https" && t.scheme != "http":
		return t, errors.New("the scheme is neither http nor https")
	case u.Opaque != "" || u.Host == "":
		return t, errors.New("the URL has no host")
	case u.User != nil || strings.Contains(authority(raw), "@"):
		return t, errors.New("the URL has a user or a password")
	case strings.ContainsAny(authority(raw), "%\\"):
		return t, errors.New("the host has escapes")
	}
	host, port, err := splitPort(strings.TrimSuffix(u.Host, ":"))
	if err != nil {
		return t, err
	}
	if t.port = port; port == 0 {
		t.port = defaultPort(t.scheme)
	}
	if t.host, err = canonicalHost(host); err != nil {
		return t, err
	}
	t.url = &url.URL{Scheme: t.scheme, Host: t.authority(), Path: u.Path, RawPath: u.RawPath, RawQuery: cleanQuery(u.RawQuery)}
	return t, nil
}

// authority returns what stands between the slashes of a URL, as it was written: another program may
// read an escape or a backslash there differently than net/url.
func authority(raw string) string {
	_, rest, _ := strings.Cut(raw, "//")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// authority returns the host as URLs and the Host header have it: with a port if it is not the
// scheme's own.
func (t target) authority() string {
	if t.port == defaultPort(t.scheme) {
		if strings.Contains(t.host, ":") {
			return "[" + t.host + "]"
		}
		return t.host
	}
	return t.address()
}

// address returns "host:port".
func (t target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// sameOrigin reports whether o has the scheme, host and port of t.
func (t target) sameOrigin(o target) bool {
	return t.scheme == o.scheme && t.host == o.host && t.port == o.port
}

// cleanQuery escapes what may not stand in a request line. Parse refuses control characters, but
// passes a space, which would end the path of the line.
func cleanQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c > '~' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
			continue
		}
		b.WriteByte(q[i])
	}
	return b.String()
}

// isAddress reports whether a canonical host is an IP address.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
