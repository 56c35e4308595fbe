package client

import "net/http"

// RoundTrip sends a request to the actor's own handler of HTTP, so that an http.Client whose Transport is the handle
// speaks with the actor. Scheme and host of the URL say nothing: http://actor/a/b?q=1 is the actor's /a/b?q=1. The
// answer may be the host's, see [Client.HostError]. A redirect is the caller's, and leads to the same actor.
func (h *Handle) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.roundTrip(r)
	if err != nil && r.Body != nil {
		r.Body.Close()
	}
	if err == nil {
		resp.Request = r
	}
	return resp, err
}

func (h *Handle) roundTrip(r *http.Request) (*http.Response, error) {
	a, err := h.address(r.Context())
	if err != nil {
		return nil, err
	}
	path, query, err := a.joined(pathRaw, r.URL.EscapedPath(), r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL, out.Host, out.RequestURI = h.c.url(path, query), "", ""
	if out.Header == nil {
		out.Header = http.Header{}
	}
	for name, values := range h.header(a) {
		out.Header[name] = values
	}
	h.c.addHeader(out.Header)
	return h.c.http.Do(out)
}
