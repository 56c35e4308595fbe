package guest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Header is the header of a request or an answer. Names are lower case.
type Header map[string][]string

// Get returns the first value of a name in any case, empty if there is none.
func (h Header) Get(name string) string {
	if v := h[strings.ToLower(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set gives a name one value. h must not be nil.
func (h Header) Set(name, value string) { h[strings.ToLower(name)] = []string{value} }

// Request is a raw HTTP request, or the upgrade that made a connection. It is valid until the turn
// ends.
type Request struct {
	Method string
	URL    string // path and query, as the actor sees them
	Header Header
	Remote string // client address, without port, as the trusted proxies of the host saw it
	Body   []byte
}

// Path returns the path of the URL, not decoded.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.URL, "?")
	return path
}

// Query returns the first value of a parameter of the URL, decoded. ok is false if there is none. For
// more, package net/url reads the URL; it makes a guest 50 KB larger.
func (r *Request) Query(name string) (value string, ok bool) {
	_, query, _ := strings.Cut(r.URL, "?")
	for pair := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if unescape(k) == name && pair != "" {
			return unescape(v), true
		}
	}
	return "", false
}

// unescape decodes a part of a query. What is no escape stays as it is.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && hexValue(s[i+1]) >= 0 && hexValue(s[i+2]) >= 0:
			b = append(b, byte(hexValue(s[i+1])<<4|hexValue(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// hexValue returns the value of a hexadecimal digit, negative if c is none.
func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// JSON decodes the body. If it does not fit, the error is one for the client.
func (r *Request) JSON(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return UserError("invalid_body", "body: "+explain(err))
	}
	return nil
}

// Response answers a raw HTTP request, or is what a server answered.
type Response struct {
	Status int // 0 means 200
	Header Header
	Body   []byte
}

// JSON decodes the body of what a server answered.
func (r *Response) JSON(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("guest: body of an answer: %w", err)
	}
	return nil
}

// JSON returns a response with v as its body.
func JSON(status int, v any) (*Response, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &Response{status, Header{"content-type": {"application/json"}}, b}, nil
}

// Text returns a response with plain text as its body.
func Text(status int, s string) (*Response, error) {
	return &Response{status, Header{"content-type": {"text/plain; charset=utf-8"}}, []byte(s)}, nil
}

// HTTP returns the request that began the turn: a raw one, or in a connection hook the one that made
// the connection, or the action. Otherwise it is nil.
func (c *env) HTTP() *Request {
	t := c.turn
	if t.Kind != abi.KindConnect && t.Kind != abi.KindOpen && t.Kind != abi.KindRequest && !t.Hooks {
		return nil
	}
	d, err := head[abi.RequestHead](t)
	check(err)
	r := &Request{Method: d.Method, URL: d.URL, Header: d.Header, Remote: d.Remote}
	if t.Kind == abi.KindRequest {
		r.Body = t.Args
	}
	return r
}

func (h *hooks) runRequest(t *abi.Turn) (body []byte, err error) {
	if h.request == nil {
		return nil, &abi.Error{Code: abi.CodeNoHandler}
	}
	answer, err := h.request(h.env.HTTP())
	switch {
	case err != nil:
		return nil, err
	case !h.env.open && answer == nil:
		answer = &Response{Status: 204}
	case answer == nil:
		return nil, nil
	case h.env.open:
		return nil, h.env.start(OpenRequest(t.Request), answer)
	}
	h.env.head, err = answer.head()
	return answer.Body, err
}

func (h *hooks) runGone(t *abi.Turn) error {
	if h.gone == nil {
		return nil
	}
	return h.gone(OpenRequest(t.Request))
}

func (r *Response) head() ([]byte, error) {
	return json.Marshal(abi.ResponseHead{Status: r.Status, Header: r.Header})
}

func (r *Response) reply() (abi.Reply, error) {
	b, err := r.head()
	return abi.Reply{Result: r.Body, Head: b}, err
}
