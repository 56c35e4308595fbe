package api

import (
	"net"
	"net/http"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// head returns what a guest may know of a request: the URL as the actor sees it, and the headers without those
// that are between the client and the host. A token never reaches a guest.
func (q *request) head() abi.RequestHead {
	h := abi.RequestHead{Method: q.Method, URL: q.actorURL(), Header: map[string][]string{}, Remote: remoteHost(q.Request)}
	for name, values := range q.Header {
		lower := strings.ToLower(name)
		if notForGuests[name] || strings.HasPrefix(lower, "sec-websocket-") || name == "Authorization" && !q.tokenElsewhere() {
			continue
		}
		h.Header[lower] = values
	}
	return h
}

// notForGuests are headers that are for the host, or for one hop.
var notForGuests = map[string]bool{
	"X-Rivet-Token": true, "X-Rivet-Conn-Params": true, encodingHeader: true, headerNamespace: true,
	"Connection": true, "Upgrade": true, "Keep-Alive": true, "Proxy-Authorization": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true,
}

// tokenElsewhere reports whether the token that counted was not in the header Authorization, which is then the
// actor's.
func (q *request) tokenElsewhere() bool {
	return q.target.hasToken || len(q.Header.Values("X-Rivet-Token")) > 0
}

// actorURL returns path and query as the actor sees them: without the target, and without rvt- parameters.
func (q *request) actorURL() string {
	path := strings.TrimPrefix(q.URL.EscapedPath(), "/gateway/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path = path[i:]
	} else {
		path = "/"
	}
	if q.target.rest != "" {
		path += "?" + q.target.rest
	}
	return path
}

// remoteHost returns the client's address without its port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// origin returns the web origin of the page that sent the request, empty if no page did. Several are none that
// a manifest names.
func (q *request) origin() string { return strings.Join(q.Header.Values("Origin"), ", ") }
