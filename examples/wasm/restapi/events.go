package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// events begins a stream: a head now, a part for each change, in whichever turn that is. A client that was
// cut off says what it saw last and gets the rest first, as far as it is kept.
func events(c *ctx, r *guest.Request) (*guest.Response, error) {
	if r.Method != "GET" {
		return &guest.Response{Header: stream}, nil
	}
	missed := []byte(": welcome\n\n")
	if seen, err := strconv.Atoi(r.Header.Get("last-event-id")); err == nil && seen >= 0 {
		for item, err := range c.KV().Scan(guest.Range{Prefix: "event/", After: eventKey(seen)}) {
			if err != nil {
				return nil, err
			}
			missed = append(missed, item.Value...)
		}
	}
	c.State.Streams = append(c.State.Streams, c.KeepOpen())
	return &guest.Response{Header: stream, Body: missed}, nil
}

var stream = guest.Header{"content-type": {"text/event-stream"}, "cache-control": {"no-store"}}

// tell sends an event to all streams, and keeps it for those that are cut off.
func tell(c *ctx, name string, n Note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	c.State.Event++
	event := fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", c.State.Event, name, data)
	if err := c.KV().Put(eventKey(c.State.Event), event); err != nil {
		return err
	}
	if old := c.State.Event - keepEvents; old > 0 {
		if err := c.KV().Delete(eventKey(old)); err != nil {
			return err
		}
	}
	c.State.Streams = slices.DeleteFunc(c.State.Streams, func(s guest.OpenRequest) bool {
		if c.ReplyPart(s, event) == nil {
			return false
		}
		// Its client has gone, or does not read; it must not hold up who writes.
		_ = c.ReplyEnd(s)
		return true
	})
	return nil
}

func eventKey(n int) string { return fmt.Sprintf("event/%012d", n) }
