package testkit

import (
	"errors"
	"slices"
	"sync"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Client is a connection to an actor, for actions and events or as a raw socket. It outlives the actor's sleep
// and upgrade; it ends with the host.
type Client struct {
	k    *Kit
	conn *actors.Conn // set by the sink's Open, before everything else

	mu     sync.Mutex // guards the fields below
	events []Event
	frames []Frame
	gone   *Gone // nil while the connection stands
}

// Frame is a message of a raw socket.
type Frame struct {
	Text bool
	Data []byte
}

// Gone says how a connection ended.
type Gone struct {
	Code   int // of WebSocket
	Reason string
}

// ErrGone reports that a connection has ended.
var ErrGone = errors.New("testkit: the connection has ended")

// Connect connects a client with params, nil for none, and the identity of a. The error is what a client would
// get: that of the actor's connection hooks.
func (a *Actor) Connect(params any) (*Client, error) {
	a.k.tb.Helper()
	return a.connect(abi.ConnEvents, params, "/gateway/"+a.ID()+"/connect")
}

// Socket opens a raw socket to a path and query, with the params of [Actor.With].
func (a *Actor) Socket(url string) (*Client, error) {
	a.k.tb.Helper()
	return a.connect(abi.ConnSocket, nil, url)
}

func (a *Actor) connect(kind string, params any, url string) (*Client, error) {
	a.k.tb.Helper()
	r := actors.ConnectRequest{Kind: kind, Params: a.params, Subject: a.subject, Head: head("GET", url)}
	r.Head.Header = map[string][]string{"upgrade": {"websocket"}}
	if params != nil {
		r.Params = a.k.json(params)
	}
	c := &Client{k: a.k}
	if _, err := a.k.stack.Host.Connect(a.k.tb.Context(), a.id, r, sink{c}); err != nil {
		return nil, err
	}
	a.k.clients = append(a.k.clients, c)
	return c, nil
}

// ID returns the connection's id, by which the actor knows it.
func (c *Client) ID() string { return c.conn.ID() }

// Call runs an action on the connection; see [Actor.Call]. The events of its turn have come when it returns.
func (c *Client) Call(result any, action string, args ...any) error {
	c.k.tb.Helper()
	if args == nil {
		args = []any{}
	}
	var got actors.Reply
	err := c.ask(func(done func(error)) {
		c.conn.Call(actors.Request{Action: action, Args: c.k.json(args)}, func(r actors.Reply, err error) { got = r; done(err) })
	})
	if err != nil {
		return err
	}
	return decode(got, result)
}

// Subscribe asks for an event. The error is abi.CodeForbidden if the actor does not allow it.
func (c *Client) Subscribe(event string) error {
	return c.ask(func(done func(error)) { c.conn.Subscribe(event, true, done) })
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(event string) error {
	return c.ask(func(done func(error)) { c.conn.Subscribe(event, false, done) })
}

// SendText sends a text message on a raw socket, and returns the error of the actor's handler.
func (c *Client) SendText(s string) error {
	return c.ask(func(done func(error)) { c.conn.Message([]byte(s), true, done) })
}

// SendBytes sends a binary message on a raw socket.
func (c *Client) SendBytes(b []byte) error {
	return c.ask(func(done func(error)) { c.conn.Message(slices.Clone(b), false, done) })
}

// ask begins something and waits until it is done.
func (c *Client) ask(begin func(done func(error))) error {
	if c.Gone() != nil {
		return ErrGone
	}
	done := make(chan error, 1)
	begin(func(err error) { done <- err })
	return <-done
}

// Events returns the events that were sent to the connection since the last call of it, by turns that were
// answered; settle the kit for others.
func (c *Client) Events() []Event {
	c.conn.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.events
	c.events = nil
	return list
}

// Frames returns the messages that a raw socket got since the last call of it, as Events.
func (c *Client) Frames() []Frame {
	c.conn.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.frames
	c.frames = nil
	return list
}

// Gone returns how the connection ended, nil while it stands.
func (c *Client) Gone() *Gone {
	c.conn.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// Close ends the connection and returns when the actor was told.
func (c *Client) Close(code int, reason string) {
	if c.end(code, reason) {
		c.conn.Closed(code, reason, true)
	}
}

// end notes the end of the connection. It reports false if it was noted before.
func (c *Client) end(code int, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone != nil {
		return false
	}
	c.gone = &Gone{code, reason}
	return true
}

// hangUp ends the connections of a host that has gone.
func (k *Kit) hangUp() {
	for _, c := range k.clients {
		if c.end(1006, "") {
			c.conn.Closed(1006, "", false)
		}
	}
	k.clients = nil
}

// sink takes what the host sends to a client.
type sink struct{ c *Client }

// Open implements actors.Sink.
func (s sink) Open(c *actors.Conn) { s.c.conn = c }

// Event implements actors.Sink.
func (s sink) Event(f *actors.EventFrame) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.events = append(s.c.events, newEvent(f.Name, f.Args))
}

// Message implements actors.Sink.
func (s sink) Message(data []byte, text bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.frames = append(s.c.frames, Frame{text, slices.Clone(data)})
}

// Close implements actors.Sink. The actor is told as by a socket that has closed.
func (s sink) Close(code int, reason string) {
	if !s.c.end(code, reason) {
		return
	}
	s.c.k.closed.Add(1)
	s.c.k.closing.Go(func() { s.c.conn.Closed(code, reason, true) }) // Settle and the end of the host wait for it
}

// Busy implements actors.Sink.
func (sink) Busy() bool { return false }
