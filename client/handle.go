package client

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/api/wire"
)

// Handle addresses an actor, by name and key or by id. It is a value that does not change, sends nothing by itself and
// is safe for concurrent use. As an http.RoundTripper it sends raw requests, see [Handle.RoundTrip].
type Handle struct {
	c       *Client
	id      string   // by id; else
	name    string   // by name and key
	key     []string // its components
	creates bool     // the actor is made by the first use
	input   []byte   // that it is made with, CBOR; nil for none
	params  []byte   // of the caller, JSON; nil for none
	once    string   // idempotency key
	err     error    // of what the handle was made with
}

// Get addresses an actor that is there. The key is a list of components; none is the empty key.
func (c *Client) Get(name string, key ...string) *Handle {
	return &Handle{c: c, name: name, key: slices.Clone(key)}
}

// GetOrCreate addresses an actor that is made by the first use if there is none.
func (c *Client) GetOrCreate(name string, key ...string) *Handle {
	h := c.Get(name, key...)
	h.creates = true
	return h
}

// ByID addresses an actor by its id, which is one life: once it is destroyed there is none again.
func (c *Client) ByID(id string) *Handle { return &Handle{c: c, id: id} }

// Create makes an actor with an input, nil for none. It is an *Error "actor/duplicate_key" if there is one already.
func (c *Client) Create(ctx context.Context, input any, name string, key ...string) (*Handle, error) {
	h := c.GetOrCreate(name, key...)
	if input != nil {
		h = h.WithInput(input)
	}
	id, err := h.create(ctx, http.MethodPost)
	if err != nil {
		return nil, err
	}
	return c.ByID(id), nil
}

// WithInput returns the handle with an input for the actor, should its use make it.
func (h *Handle) WithInput(input any) *Handle {
	n := *h
	doc, err := encode(wire.ClientOf("bare"), "the input", input)
	if n.err = cmp.Or(h.err, err); n.err == nil {
		n.input = wire.ToCBOR(doc)
	}
	return &n
}

// WithParams returns the handle with params, which the actor's hooks see of a connection or a call. They take 4 KiB.
func (h *Handle) WithParams(params any) *Handle {
	n := *h
	doc, err := encode(wire.ClientOf("json"), "the params", params)
	n.params, n.err = doc, cmp.Or(h.err, err)
	return &n
}

// Once returns the handle with an idempotency key, to 255 bytes: an action or a message that is sent again with it
// within a day is not done again, and gets the answer of the first.
func (h *Handle) Once(key string) *Handle {
	n := *h
	n.once = key
	return &n
}

// Resolve returns the actor's id, and makes the actor if the handle may.
func (h *Handle) Resolve(ctx context.Context) (string, error) {
	switch {
	case h.err != nil:
		return "", h.err
	case h.id != "":
		return h.id, nil
	case h.creates:
		return h.create(ctx, http.MethodPut)
	}
	var answer struct {
		Actors []struct {
			ID string `json:"actor_id"`
		} `json:"actors"`
	}
	query := url.Values{"name": {h.name}, "key": {canonicalKey(h.key)}}
	if err := h.c.Fetch(ctx, Request{Path: "/actors", Query: query}, &answer); err != nil {
		return "", err
	}
	if len(answer.Actors) == 0 {
		return "", &Error{Group: "actor", Code: "not_found", Message: fmt.Sprintf("there is no actor %s with the key %s", h.name, canonicalKey(h.key)), Status: http.StatusNotFound}
	}
	return answer.Actors[0].ID, nil
}

// create makes the actor, by PUT also if there is one, and returns its id.
func (h *Handle) create(ctx context.Context, method string) (string, error) {
	if h.err != nil {
		return "", h.err
	}
	body := map[string]string{"name": h.name, "key": canonicalKey(h.key), "runner_name_selector": "default", "crash_policy": "sleep"}
	if h.input != nil {
		body["input"] = base64.StdEncoding.EncodeToString(h.input)
	}
	doc, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Actor struct {
			ID string `json:"actor_id"`
		} `json:"actor"`
	}
	if err := h.c.Fetch(ctx, Request{Method: method, Path: "/actors", Body: doc}, &answer); err != nil {
		return "", err
	}
	if answer.Actor.ID == "" {
		return "", fmt.Errorf("%w: an actor without an id", ErrProtocol)
	}
	return answer.Actor.ID, nil
}

var escapeComponent = strings.NewReplacer(`\`, `\\`, `/`, `\/`)

// canonicalKey is the form of a key outside of the gateway.
func canonicalKey(key []string) string {
	if len(key) == 0 {
		return "/"
	}
	parts := make([]string, len(key))
	for i, component := range key {
		if parts[i] = escapeComponent.Replace(component); component == "" {
			parts[i] = `\0`
		}
	}
	return strings.Join(parts, "/")
}
