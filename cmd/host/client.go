package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/vivarium-run/vivarium/tenants"
)

// client talks to a host over its network surface, like anybody else.
type client struct{ clientFlags }

// remoteError is a failure that the host answered.
type remoteError struct {
	Group    string          `json:"group"`
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Request  string          `json:"request_id,omitempty"`
	Actor    string          `json:"actor_id,omitempty"` // whose log may tell more
}

func (e *remoteError) Error() string {
	s := fmt.Sprintf("%s (%s/%s)", harmless(e.Message), e.Group, e.Code)
	if len(e.Metadata) > 0 {
		s += " " + harmless(string(e.Metadata))
	}
	if e.Actor != "" {
		s += "\nits log: host logs --id " + e.Actor
	}
	return s
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 32 << 20

// do sends a request and decodes a JSON answer into answer, unless that is nil.
func (c client) do(ctx context.Context, method, path string, query url.Values, contentType string, body []byte, answer any) error {
	resp, err := c.open(ctx, method, path, query, contentType, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, answer)
}

// open sends a request and returns a good answer, whose body the caller closes; any other is a
// *remoteError.
func (c client) open(ctx context.Context, method, path string, query url.Values, contentType string, body []byte) (*http.Response, error) {
	target := strings.TrimRight(c.url, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, &usageError{err}
	}
	req.Header.Set("Content-Type", contentType)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.namespace != "" {
		req.Header.Set("X-Rivet-Namespace", c.namespace)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w; is a host running there?", err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	e := &remoteError{Actor: resp.Header.Get("X-Rivet-Actor")}
	if json.Unmarshal(b, e) != nil || e.Code == "" {
		return nil, fmt.Errorf("%s answered %s", c.url, resp.Status)
	}
	return nil, e
}

// actorID returns the id of the actor at an address, made if there is none.
func (c client) actorID(ctx context.Context, name string, key tenants.Key) (string, error) {
	body, err := json.Marshal(map[string]any{"name": name, "key": key, "runner_name_selector": "default", "crash_policy": "sleep"})
	if err != nil {
		return "", err
	}
	var answer struct {
		Actor struct {
			ID string `json:"actor_id"`
		} `json:"actor"`
	}
	err = c.do(ctx, http.MethodPut, "/actors", url.Values{}, "application/json", body, &answer)
	return answer.Actor.ID, err
}

// find returns the id of the actor at an address.
func (c client) find(ctx context.Context, name string, key tenants.Key) (string, error) {
	var answer struct {
		Actors []struct {
			ID string `json:"actor_id"`
		} `json:"actors"`
	}
	if err := c.do(ctx, http.MethodGet, "/actors", url.Values{"name": {name}, "key": {string(key)}}, "", nil, &answer); err != nil {
		return "", err
	}
	if len(answer.Actors) == 0 {
		return "", fmt.Errorf("there is no actor %s with the key %s", name, key)
	}
	return answer.Actors[0].ID, nil
}
