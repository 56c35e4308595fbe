package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// address is where the gateway has an actor.
type address struct {
	path   string // encoded
	query  string // of the gateway's own parameters, encoded
	direct bool   // by id
}

// maxInputInURL bounds an input in a URL, in bytes of CBOR; Rivet's client has the same.
const maxInputInURL = 4096

// address returns where the actor is. What the gateway's form of a key or an input cannot say goes by the id.
func (h *Handle) address(ctx context.Context) (a address, err error) {
	if h.err != nil {
		return a, h.err
	}
	if h.id == "" && !h.ambiguous() && len(h.input) <= maxInputInURL {
		a.query = h.query()
		a.path, err = gatewayPath(h.name)
		return a, err
	}
	id, err := h.Resolve(ctx)
	if err != nil {
		return a, err
	}
	a.direct = true
	a.path, err = gatewayPath(id)
	return a, err
}

// ambiguous reports whether the gateway would read the key as another: it joins components by commas.
func (h *Handle) ambiguous() bool {
	return len(h.key) == 1 && h.key[0] == "" || strings.Contains(strings.Join(h.key, ""), ",")
}

// query returns the parameters of the form with name and key.
func (h *Handle) query() string {
	q := url.Values{"rvt-method": {"get"}}
	if h.c.namespace != "" {
		q.Set("rvt-namespace", h.c.namespace)
	}
	if len(h.key) > 0 {
		q.Set("rvt-key", strings.Join(h.key, ","))
	}
	if h.creates {
		q.Set("rvt-method", "getOrCreate")
		q.Set("rvt-runner", "default")
		q.Set("rvt-crash-policy", "sleep")
		if h.input != nil {
			q.Set("rvt-input", base64.RawURLEncoding.EncodeToString(h.input))
		}
	}
	return q.Encode()
}

func gatewayPath(actor string) (string, error) {
	s, err := segment(actor)
	return "/gateway/" + s, err
}

// segment returns a name as one segment of a path. The gateway takes what follows an "@" for a token, and a proxy
// would take dots for another path.
func segment(name string) (string, error) {
	if name == "" || name == "." || name == ".." {
		return "", fmt.Errorf("client: %q cannot be a name", name)
	}
	return strings.ReplaceAll(url.PathEscape(name), "@", "%40"), nil
}

// header returns what each request to the actor has.
func (h *Handle) header(a address) http.Header {
	header := http.Header{}
	if h.c.token != "" {
		header.Set("X-Rivet-Token", h.c.token)
	}
	if a.direct && h.c.namespace != "" {
		header.Set("X-Rivet-Namespace", h.c.namespace)
	}
	return header
}

// post sends a body of the client's encoding to a path of the actor's and returns the body of a good answer.
func (h *Handle) post(ctx context.Context, kind, name string, body []byte) ([]byte, error) {
	name, err := segment(name)
	if err != nil {
		return nil, err
	}
	a, err := h.address(ctx)
	if err != nil {
		return nil, err
	}
	header := h.header(a)
	header.Set("X-Rivet-Encoding", h.c.encoding.Name())
	header.Set("Content-Type", h.c.encoding.ContentType())
	if h.params != nil {
		header.Set("X-Rivet-Conn-Params", asciiJSON(h.params))
	}
	if h.once != "" {
		header.Set("Idempotency-Key", h.once)
	}
	resp, err := h.c.send(ctx, http.MethodPost, h.c.url(a.path+kind+name, a.query), header, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return h.c.read(resp)
}

// Paths behind an actor's address.
const (
	pathAction = "/action/"
	pathQueue  = "/queue/"
	pathRaw    = "/request"
	pathSocket = "/websocket"
	pathEvents = "/connect"
)

// joined returns a path and query of the caller's behind the actor's. It refuses what a gateway would take for its
// own: the caller may have both from a stranger.
func (a address) joined(base, path, query string) (string, string, error) {
	if path != "" && path[0] != '/' {
		path = "/" + path
	}
	for s := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(s)
		parts := strings.Split(plain, "/")
		if err != nil || slices.Contains(parts, ".") || slices.Contains(parts, "..") {
			return "", "", fmt.Errorf("client: the path %q has dots or an invalid percent-encoding", clip(path))
		}
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || strings.HasPrefix(plain, "rvt-") {
			return "", "", errors.New("client: the query has an invalid percent-encoding, or a parameter whose name begins with rvt-")
		}
	}
	if query == "" || a.query == "" {
		return a.path + base + path, query + a.query, nil
	}
	return a.path + base + path, query + "&" + a.query, nil
}

// cutQuery takes a path and its query apart.
func cutQuery(path string) (string, string) {
	path, query, _ := strings.Cut(path, "?")
	return path, query
}
