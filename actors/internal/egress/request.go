package egress

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// request is what one hop sends, and what the next one does if there is a redirect.
type request struct {
	policy Policy
	method string
	target target
	header http.Header
	body   []byte
	mask   *mask // of the secrets that any hop has sent
}

// newRequest checks all that can be checked without the network.
func (c *Client) newRequest(p Policy, f abi.FetchRequest, body []byte) (*request, error) {
	r := &request{policy: p, method: f.Method}
	if r.method == "" {
		r.method = http.MethodGet
	}
	var err error
	if err = checkMethod(r.method); err != nil {
		return nil, err
	}
	if int64(len(body)) > c.config.MaxBody {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "the body takes more than %d bytes", c.config.MaxBody)
	}
	r.body = bytes.Clone(body) // the transport may read it after Do has returned
	if r.target, err = p.target(f.URL); err != nil {
		return nil, err
	}
	secret, values, err := fillSecrets(p, r.target, f.Secrets, c.dialer.loopback[r.target.address()])
	if err != nil {
		return nil, err
	}
	header, err := join(f.Header, secret)
	if err != nil {
		return nil, err
	}
	r.mask = newMask(values)
	r.header, err = requestHeader(header, c.config.MaxHeader)
	return r, err
}

func checkMethod(m string) error {
	if !validToken(m) || len(m) > 32 {
		return abi.Errorf(abi.CodeInvalidArgument, "the method is not valid")
	}
	switch strings.ToUpper(m) {
	case http.MethodConnect, http.MethodTrace, "TRACK": // a tunnel, and echoes of what is secret
		return denied("the method is not allowed")
	}
	return nil
}

// join puts the headers with secrets to the others.
func join(header, secret map[string][]string) (map[string][]string, error) {
	if len(secret) == 0 {
		return header, nil
	}
	all := maps.Clone(secret)
	for name, values := range header {
		lower := strings.ToLower(name)
		if lower == "range" || lower == "if-range" {
			return nil, abi.Errorf(abi.CodeInvalidArgument, "a request with secrets has no header %s: parts of an answer could show parts of a secret", lower)
		}
		for s := range secret {
			if strings.EqualFold(s, name) {
				return nil, abi.Errorf(abi.CodeInvalidArgument, "the header %s is set twice, with and without a secret", lower)
			}
		}
		all[name] = values
	}
	return all, nil
}

// http returns the request of this hop. The transport may go on writing it after the answer has come,
// so it shares nothing with r that changes.
func (r *request) http(ctx context.Context) *http.Request {
	h := &http.Request{Method: r.method, URL: r.target.url, Header: r.header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if len(r.body) > 0 {
		h.ContentLength = int64(len(r.body))
		h.Body = io.NopCloser(bytes.NewReader(r.body))
		// A connection that the server has closed in the meantime is found out by writing to it.
		h.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
	}
	return h.WithContext(context.WithValue(ctx, requestKey{}, ctx))
}

// redirect changes r into the request that an answer asks for. It returns false if it asks for none.
func (r *request) redirect(res *http.Response) (bool, error) {
	switch res.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return false, nil
	}
	location := res.Header.Get("Location")
	if location == "" {
		return false, nil
	}
	next, err := r.target.url.Parse(location)
	if err != nil {
		return false, failed("the server redirects to a malformed URL")
	}
	t, err := r.policy.target(next.String())
	if err != nil {
		return false, denied("a redirect: " + abi.AsError(err).PublicMessage())
	}
	if r.target.scheme == "https" && t.scheme == "http" {
		return false, denied("a redirect from https to http")
	}
	r.rewrite(res.StatusCode)
	if !r.target.sameOrigin(t) {
		// They do not come back if a further redirect leads back: the server in between chose where.
		maps.DeleteFunc(r.header, func(name string, _ []string) bool {
			lower := strings.ToLower(name)
			return !acrossOrigins[lower] && lower != "accept-encoding"
		})
	}
	r.target = t
	return true, nil
}

// rewrite changes the method as browsers do.
func (r *request) rewrite(status int) {
	get := status == 303 && r.method != http.MethodHead || (status == 301 || status == 302) && r.method == http.MethodPost
	if !get {
		return
	}
	r.method, r.body = http.MethodGet, nil
	maps.DeleteFunc(r.header, func(name string, _ []string) bool {
		return slices.Contains([]string{"Content-Type", "Content-Language", "Content-Encoding", "Content-Location"}, name)
	})
}
