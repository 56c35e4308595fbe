package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/vivarium-run/vivarium/api/wire"
)

// Event is what an actor broadcast, or sent to this connection.
type Event struct {
	Name string
	args json.RawMessage // a list, as it was sent
}

// Decode stores the event's arguments, in order, in what each of into points to. There may be more.
func (e Event) Decode(into ...any) error {
	args, err := e.list()
	if err != nil {
		return err
	}
	if len(args) < len(into) {
		return fmt.Errorf("client: the event %s has %d arguments, not %d", clip(e.Name), len(args), len(into))
	}
	for i, v := range into {
		if err := json.Unmarshal(args[i], v); err != nil {
			return fmt.Errorf("client: decode argument %d of the event %s: %w", i, clip(e.Name), err)
		}
	}
	return nil
}

// Args returns the arguments as JSON.
func (e Event) Args() ([]json.RawMessage, error) { return e.list() }

func (e Event) list() (args []json.RawMessage, err error) {
	if err = json.Unmarshal(wire.Untag(e.args), &args); err == nil {
		return args, nil
	}
	// The list itself looked like a tag.
	if err = json.Unmarshal(e.args, &args); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	for i := range args {
		args[i] = wire.Untag(args[i])
	}
	return args, nil
}

// listener is a handler of an event's.
type listener struct {
	f    func(Event)
	once bool
}

// On has f called with each event of a name, until off is called.
func (c *Conn) On(event string, f func(Event)) (off func()) { return c.listen(event, &listener{f: f}) }

// Once is On for one event.
func (c *Conn) Once(event string, f func(Event)) (off func()) {
	return c.listen(event, &listener{f: f, once: true})
}

func (c *Conn) listen(event string, on *listener) (off func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[event] = append(c.listeners[event], on)
	c.touchLocked()
	return func() { c.drop(event, on) }
}

// drop takes a listener away and reports whether it was there.
func (c *Conn) drop(event string, on *listener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.listeners[event]
	i := slices.Index(list, on)
	if i < 0 {
		return false
	}
	if list = slices.Concat(list[:i], list[i+1:]); len(list) == 0 { // a copy: see tell
		delete(c.listeners, event)
	} else {
		c.listeners[event] = list
	}
	c.touchLocked()
	return true
}

func (c *Conn) touchLocked() {
	if c.link != nil {
		c.link.touch()
	}
}

// changes returns which events are to be subscribed to, or no longer, if the host knows of told.
func (c *Conn) changes(told map[string]bool) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	diff := map[string]bool{}
	for event := range c.listeners {
		if !told[event] {
			diff[event] = true
		}
	}
	for event := range maps.Keys(told) {
		if c.listeners[event] == nil {
			diff[event] = false
		}
	}
	return diff
}

// hear takes an event in, if anybody wants it. It reports false if there is no room.
func (c *Conn) hear(e Event) bool {
	c.mu.Lock()
	wanted := c.listeners[e.Name] != nil
	c.mu.Unlock()
	return !wanted || c.inbox.add(e)
}

// dispatch calls the handlers, until the connection is closed.
func (c *Conn) dispatch() {
	for n, ok := c.inbox.take(); ok; n, ok = c.inbox.take() {
		switch {
		case !n.isNote:
			c.tell(n.event)
		case c.o.Status != nil && c.life.Err() == nil:
			c.o.Status(n.status, n.err)
		}
	}
}

// tell calls the handlers of an event.
func (c *Conn) tell(e Event) {
	c.mu.Lock()
	list := c.listeners[e.Name]
	c.mu.Unlock()
	for _, on := range list {
		if c.life.Err() != nil {
			return
		}
		if !on.once || c.drop(e.Name, on) {
			on.f(e)
		}
	}
}
