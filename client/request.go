package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

const typeJSON = "application/json"

// Request is one to the host itself and not to an actor: see docs/api.md of the host.
type Request struct {
	Method      string // empty means GET
	Path        string // encoded, from the slash on
	Query       url.Values
	ContentType string // of the body; empty means JSON
	Body        []byte // nil for none
	// Stream is sent in place of Body, as it is read.
	Stream io.Reader
}

// Open sends a request and returns a good answer, whose body the caller closes. Any other is an *Error.
func (c *Client) Open(ctx context.Context, r Request) (*http.Response, error) {
	query := url.Values{}
	maps.Copy(query, r.Query)
	if c.namespace != "" {
		query.Set("namespace", c.namespace)
	}
	h := http.Header{}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	body := r.Stream
	if body == nil {
		body = bytes.NewReader(r.Body)
	}
	if r.Body != nil || r.Stream != nil {
		h.Set("Content-Type", cmp.Or(r.ContentType, typeJSON))
	}
	return c.send(ctx, cmp.Or(r.Method, http.MethodGet), c.url(r.Path, query.Encode()), h, body)
}

// Fetch is Open for an answer that is JSON, which it decodes into what answer points to.
func (c *Client) Fetch(ctx context.Context, r Request, answer any) error {
	resp, err := c.Open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := c.read(resp)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return nil
}

// send sends a request and returns a good answer.
func (c *Client) send(ctx context.Context, method string, u *url.URL, h http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.addHeader(h)
	req.Header = h
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	answer, err := c.read(resp)
	if err != nil {
		return nil, err
	}
	return nil, c.failure(resp, answer)
}

// addHeader adds the header of the options, without taking the place of ours.
func (c *Client) addHeader(h http.Header) {
	for name, values := range c.header {
		if h.Get(name) == "" {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
}

// read returns the body of an answer, if it is no longer than the client takes.
func (c *Client) read(resp *http.Response) ([]byte, error) {
	var buf bytes.Buffer
	// What the host announces is believed up to 64 KiB only: memory follows bytes that came.
	buf.Grow(int(min(max(resp.ContentLength, 0), 64<<10)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(c.limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: read the answer: %w", err)
	case n > int64(c.limit):
		return nil, fmt.Errorf("%w: the answer is longer than %d bytes", ErrProtocol, c.limit)
	}
	return buf.Bytes(), nil
}
