package hosttest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

// NewRequest makes a request to the host. A body is JSON if it is a string, a module if it is bytes, and without a type if
// it is an io.Reader; nil is none. An empty token is none.
func (p *Process) NewRequest(ctx context.Context, method, path, token string, body any) (*http.Request, error) {
	var r io.Reader
	kind := ""
	switch b := body.(type) {
	case string:
		r, kind = strings.NewReader(b), "application/json"
	case []byte:
		r, kind = bytes.NewReader(b), "application/wasm"
	case io.Reader:
		r = b
	}
	req, err := http.NewRequestWithContext(ctx, method, p.URL+path, r)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// Send sends a request and reads the answer to its end.
func Send(c *http.Client, req *http.Request) (resp *http.Response, body []byte, err error) {
	if resp, err = c.Do(req); err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp, body, err
}
