package guesttest

import (
	"encoding/json"
	"slices"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Client is a connection to the actor, for actions and events or as a raw socket.
type Client struct {
	a  *Actor
	id string
}

// Connect connects a client with params, nil for none, and the identity Caller. The error is that of
// the actor's connection hooks.
func (a *Actor) Connect(params any) (*Client, error) {
	return a.let(abi.ConnEvents, params, abi.HookConnect, &abi.Turn{Kind: abi.KindConnect, Head: requestHead(upgrade("/connect"))})
}

// Socket opens a raw socket to a path and query, such as /websocket/v1?x=1.
func (a *Actor) Socket(url string) (*Client, error) {
	return a.let(abi.ConnSocket, a.Params, abi.HookOpen, &abi.Turn{Kind: abi.KindOpen, Head: requestHead(upgrade(url))})
}

func upgrade(url string) *guest.Request {
	return &guest.Request{Method: "GET", URL: url, Header: guest.Header{"upgrade": {"websocket"}}, Remote: "127.0.0.1"}
}

// conn makes a connection, which the actor finds in its list.
func (a *Actor) conn(kind string, params any) abi.Conn {
	c := abi.Conn{ID: a.host.NewID("conn"), Kind: kind, Subject: a.Caller}
	if params != nil {
		c.Params = document(params)
	}
	a.host.List = append(a.host.List, c)
	return c
}

func (a *Actor) let(kind string, params any, h abi.Hook, t *abi.Turn) (*Client, error) {
	c := a.conn(kind, params)
	t.Conn, t.Caller = document(c), a.Caller
	if err := a.hook(h, t); err != nil {
		a.host.Drop(c.ID)
		return nil, err
	}
	return &Client{a, c.ID}, nil
}

// drop ends a connection and tells the actor.
func (a *Actor) drop(id string, g abi.Gone) error {
	c := a.host.Conn(id)
	if c == nil {
		return nil
	}
	t := &abi.Turn{Kind: abi.KindDisconnect, Conn: document(c), Head: document(g)}
	h := abi.HookDisconnect
	if c.Kind == abi.ConnSocket {
		t.Kind, h = abi.KindClose, abi.HookClose
	}
	a.host.Drop(id)
	return a.hook(h, t)
}

// ID returns the connection's id.
func (c *Client) ID() string { return c.id }

// Call is as [Actor.Call], on the connection.
func (c *Client) Call(result any, action string, args ...any) error {
	return c.a.begin(&abi.Turn{Kind: abi.KindAction, Name: action, Args: arguments(args)}, c.id).Result(result)
}

// Subscribe asks for an event. The error is abi.CodeForbidden if the actor does not allow it.
func (c *Client) Subscribe(event string) error {
	conn := c.a.host.Conn(c.id)
	if conn == nil {
		return &abi.Error{Code: abi.CodeConnNotFound}
	}
	err := c.a.hook(abi.HookSubscribe, &abi.Turn{Kind: abi.KindSubscribe, Name: event, Conn: document(conn), Caller: conn.Subject})
	if conn = c.a.host.Conn(c.id); err != nil || conn == nil {
		return err
	}
	conn.Events = append(slices.Clip(conn.Events), event)
	return nil
}

// Events returns what was sent to the connection since the last call of it.
func (c *Client) Events() []Event {
	var events []Event
	for _, s := range c.received() {
		events = append(events, event(s.Event, s.Payload))
	}
	return events
}

// Frames returns the messages that a raw socket got since the last call of it.
func (c *Client) Frames() []guest.Frame {
	var frames []guest.Frame
	for _, s := range c.received() {
		frames = append(frames, guest.Frame{Text: s.Text, Data: s.Payload})
	}
	return frames
}

// received takes what was sent to the connection.
func (c *Client) received() []memhost.Sent {
	var mine, others []memhost.Sent
	for _, s := range c.a.host.Sent {
		if s.Conn == c.id {
			mine = append(mine, s)
		} else {
			others = append(others, s)
		}
	}
	c.a.host.Sent = others
	return mine
}

// SendText sends a text message on a raw socket, and returns the error of the actor's handler.
func (c *Client) SendText(s string) error { return c.send([]byte(s), true) }

// SendBytes sends a binary message on a raw socket.
func (c *Client) SendBytes(b []byte) error { return c.send(b, false) }

func (c *Client) send(b []byte, text bool) error {
	conn := c.a.host.Conn(c.id)
	if conn == nil {
		return &abi.Error{Code: abi.CodeConnNotFound}
	}
	return c.a.hook(abi.HookMessage, &abi.Turn{
		Kind: abi.KindMessage, Conn: document(conn), Head: document(abi.Frame{Text: text}), Args: b, Caller: conn.Subject,
	})
}

// State decodes the connection's state into what v points to. No state leaves v as it is.
func (c *Client) State(v any) error {
	conn := c.a.host.Conn(c.id)
	if conn == nil {
		return &abi.Error{Code: abi.CodeConnNotFound}
	}
	if len(conn.State) == 0 {
		return nil
	}
	return json.Unmarshal(conn.State, v)
}

// Open reports whether the connection is there.
func (c *Client) Open() bool { return c.a.host.Conn(c.id) != nil }

// Close ends the connection, and returns the error of the actor's hooks.
func (c *Client) Close(code int, reason string) error {
	return c.a.drop(c.id, abi.Gone{Code: code, Reason: reason, Clean: true})
}
