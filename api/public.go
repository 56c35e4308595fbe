package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxPublicURL bounds a public URL, in bytes.
const maxPublicURL = 512

// ParsePublicURL reads the URL that clients are told to use. It has a scheme, a host and perhaps a port and a path, all of
// which are written plainly, and nothing else. A path that begins like a route is refused: what comes in could then
// mean both.
func ParsePublicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxPublicURL:
		return nil, fmt.Errorf("it is longer than %d bytes", maxPublicURL)
	case err != nil:
		return nil, errors.Unwrap(err) // without the text, which may hold a password
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it must begin with https:// or http://")
	case u.User != nil:
		return nil, errors.New("it must not hold a user or a token")
	case strings.ContainsAny(text, "?#"):
		return nil, errors.New("it must have no query and no fragment")
	case !hostName(u.Hostname()):
		return nil, fmt.Errorf("%q is not a host's name or address", u.Hostname())
	}
	if port := u.Host[strings.LastIndexByte(u.Host, ']')+1:]; strings.Contains(port, ":") {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not a port", u.Port())
		}
	}
	path := strings.TrimSuffix(u.Path, "/")
	if err := checkPrefix(path, u.RawPath != ""); err != nil {
		return nil, err
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: path}, nil
}

// checkPrefix refuses a path that a client, a proxy and the host could read differently.
func checkPrefix(path string, escaped bool) error {
	if path == "" || path == rivetPrefix {
		return nil
	}
	segments := strings.Split(path[1:], "/")
	for _, s := range segments {
		if escaped || s == "" || s == "." || s == ".." || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") != "" {
			return fmt.Errorf("the path %q must consist of names of letters, digits and -._~", path)
		}
	}
	for _, rt := range routes() {
		if root, _, _ := strings.Cut(rt.path[1:], "/"); root == segments[0] {
			return fmt.Errorf("the path begins with /%s, which is a route of the host's", root)
		}
	}
	if strings.HasPrefix(rivetPrefix, "/"+segments[0]+"/") {
		return fmt.Errorf("the path begins like %s, which is the host's own", rivetPrefix)
	}
	return nil
}

// hostName reports whether name is an address, or a name of letters, digits and hyphens as browsers write it.
func hostName(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Zone() == ""
	}
	if name == "" || len(name) > 253 {
		return false
	}
	// A name whose last label is a number is an address to browsers, in one of its odd forms.
	if last := name[strings.LastIndexByte(name, '.')+1:]; last == "" || last[0] <= '9' {
		return false
	}
	for label := range strings.SplitSeq(strings.ToLower(name), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
