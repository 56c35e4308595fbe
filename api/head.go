package api

import (
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// head returns what a guest may know of a request: the URL as the actor sees it, and the headers without those
// that are between the client and the host. A token never reaches a guest.
func (q *request) head() abi.RequestHead {
	return abi.RequestHead{Method: q.Method, URL: q.actorURL(), Header: q.guestHeader(), Remote: q.server.remote(q.Request)}
}

// notForGuests are headers that are for the host, or for one hop; with the latter go those that Connection names.
var notForGuests = map[string]bool{
	"authorization": true, "x-rivet-token": true, "x-rivet-conn-params": true, strings.ToLower(encodingHeader): true, strings.ToLower(headerNamespace): true,
	"connection": true, "keep-alive": true, "proxy-connection": true, "proxy-authenticate": true, "proxy-authorization": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// guestHeader returns the headers that the actor sees.
func (q *request) guestHeader() map[string][]string {
	named := map[string]bool{}
	for _, v := range q.Header["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			named[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	proxied := q.server.fromProxy(q.Request)
	out := make(map[string][]string, len(q.Header))
	for name, values := range q.Header {
		lower := strings.ToLower(name)
		switch {
		case notForGuests[lower], named[lower], strings.HasPrefix(lower, "sec-websocket-"), !proxied && forwarded(lower):
		default:
			out[lower] = append(out[lower], values...)
		}
	}
	return out
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

// origin returns the web origin of the page that sent the request, empty if no page did. Several are none that
// a manifest names.
func (q *request) origin() string { return strings.Join(q.Header.Values("Origin"), ", ") }
