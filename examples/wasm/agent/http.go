package main

import (
	"encoding/json"
	"slices"
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// serve answers GET /chats/<name> with server-sent events: the transcript, what there is of an answer that
// is being written, and then everything that comes, until the client goes. POST asks its body first.
func serve(c *ctx, r *guest.Request) (*guest.Response, error) {
	name, ok := strings.CutPrefix(r.Path(), "/chats/")
	if !ok || name == "" {
		return guest.Text(404, "no such page")
	}
	if r.Method == "POST" {
		if _, err := ask(c, name, string(r.Body)); err != nil {
			return nil, err
		}
	}
	messages, err := history(c, name)
	if err != nil {
		return nil, err
	}
	var d Draft
	if _, err := c.KV().GetJSON("draft/"+name, &d); err != nil {
		return nil, err
	}
	var page []byte
	for _, m := range messages {
		page = append(page, event("message", m)...)
	}
	if d.Text != "" {
		page = append(page, event("token", d.Text)...)
	}
	if c.State.Readers == nil {
		c.State.Readers = map[string][]guest.OpenRequest{}
	}
	c.State.Readers[name] = append(c.State.Readers[name], c.KeepOpen())
	return &guest.Response{Header: guest.Header{"content-type": {"text/event-stream"}, "cache-control": {"no-store"}}, Body: page}, nil
}

// leave forgets a reader that has gone.
func leave(c *ctx, r guest.OpenRequest) error {
	for name, readers := range c.State.Readers {
		keep(c, name, slices.DeleteFunc(readers, func(one guest.OpenRequest) bool { return one == r }))
	}
	return nil
}

func keep(c *ctx, name string, readers []guest.OpenRequest) {
	if len(readers) == 0 {
		delete(c.State.Readers, name)
		return
	}
	c.State.Readers[name] = readers
}

// tell shows something of a chat to all who follow the agent's events and to those who read the chat. A
// reader that does not keep up, or that a restart has cut off, is dropped: it comes again and gets the
// transcript.
func tell(c *ctx, name, what string, v any) error {
	part := event(what, v)
	keep(c, name, slices.DeleteFunc(c.State.Readers[name], func(r guest.OpenRequest) bool {
		if !c.RequestOpen(r) {
			return true
		}
		err := c.ReplyPart(r, part)
		if err != nil {
			_ = c.ReplyError(r, err) // it may have gone meanwhile
		}
		return err != nil
	}))
	return c.Broadcast(what, name, v)
}

// event encodes a server-sent event.
func event(what string, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and messages always encode
	}
	return []byte("event: " + what + "\ndata: " + string(b) + "\n\n")
}
