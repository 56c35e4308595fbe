package guest

import (
	"encoding/json"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Conn is a client that is connected to the actor. It tells what was so when it was asked for, and
// what was set through it since. What is sent leaves once the turn is durable.
type Conn struct {
	env *env
	doc abi.Conn
}

// ID returns the connection's id.
func (c *Conn) ID() string { return c.doc.ID }

// Kind returns abi.ConnEvents, abi.ConnSocket, or abi.ConnRequest for the connection of a single
// action, which ends with it.
func (c *Conn) Kind() string { return c.doc.Kind }

// Subject returns the verified identity of the client, empty if it has none.
func (c *Conn) Subject() string { return c.doc.Subject }

// Events returns the events that the client is subscribed to.
func (c *Conn) Events() []string { return c.doc.Events }

// ParamsOf returns what the client said of itself when it connected, the zero P if that was nothing.
// Nothing in it is verified. If it does not fit, the error is one for the client.
func ParamsOf[P any](c *Conn) (p P, err error) {
	err = decodeParams(c.doc.Params, &p)
	return p, err
}

// ConnStateOf returns the connection's state, the zero T if it has none.
func ConnStateOf[T any](c *Conn) (v T, err error) {
	if len(c.doc.State) > 0 {
		if err := json.Unmarshal(c.doc.State, &v); err != nil {
			return v, fmt.Errorf("guest: connection state does not fit %T: %w", v, err)
		}
	}
	return v, nil
}

// SetState replaces the connection's state, at most abi.MaxConnState bytes of JSON. It lives as long
// as the connection.
func (c *Conn) SetState(v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	if err := c.env.host.ConnStateSet(c.doc.ID, b); err != nil {
		return err
	}
	c.doc.State = b
	return nil
}

// Send sends an event to this client, subscribed to it or not. See Broadcast for arguments and limits.
func (c *Conn) Send(event string, args ...any) error {
	b, err := list(args)
	if err != nil {
		return err
	}
	return c.env.host.ConnSend(c.doc.ID, event, b)
}

// Disconnect closes the connection. The reason, for the client, has at most abi.MaxReason bytes.
func (c *Conn) Disconnect(reason string) error {
	return c.env.host.ConnDisconnect(c.doc.ID, reason)
}

// SendText sends a text message on a raw socket. It must be UTF-8.
func (c *Conn) SendText(s string) error { return c.env.host.SocketSend(c.doc.ID, []byte(s), 1) }

// SendBytes sends a binary message on a raw socket.
func (c *Conn) SendBytes(b []byte) error { return c.env.host.SocketSend(c.doc.ID, b, 0) }

// Close closes a raw socket with a code, 1000 or 3000 to 4999.
func (c *Conn) Close(code int, reason string) error {
	return c.env.host.SocketClose(c.doc.ID, int64(code), reason)
}

// Conn returns the connection that the turn is about, nil if there is none: an action that another
// actor or a schedule began has none, nor has one over HTTP unless the actor has connection hooks.
func (c *env) Conn() *Conn {
	if c.conn == nil && len(c.turn.Conn) > 0 {
		conn := &Conn{env: c}
		check(json.Unmarshal(c.turn.Conn, &conn.doc))
		c.conn = conn
	}
	return c.conn
}

// Conns returns the actor's connections.
func (c *env) Conns() ([]*Conn, error) {
	b, err := c.host.ConnList()
	if err != nil {
		return nil, err
	}
	var docs []abi.Conn
	if err := json.Unmarshal(b, &docs); err != nil {
		return nil, err
	}
	conns := make([]*Conn, len(docs))
	for i := range docs {
		conns[i] = &Conn{c, docs[i]}
	}
	return conns, nil
}

// ConnByID returns one connection, nil if it is not there any more.
func (c *env) ConnByID(id string) (*Conn, error) {
	b, ok, err := c.host.ConnGet(id)
	if err != nil || !ok {
		return nil, err
	}
	conn := &Conn{env: c}
	return conn, json.Unmarshal(b, &conn.doc)
}

// enter lets the turn's connection in.
func (h *hooks) enter() error {
	conn := h.env.Conn()
	if conn == nil {
		return errNoConn
	}
	if h.beforeConnect != nil {
		if err := h.beforeConnect(conn.doc.Params); err != nil {
			return err
		}
	}
	if h.connState != nil {
		v, err := h.connState(conn.doc.Params)
		if err != nil {
			return err
		}
		if err := conn.SetState(v); err != nil {
			return err
		}
	}
	if h.connect == nil {
		return nil
	}
	return h.connect(conn)
}

// leave calls f, unless it is nil, for the turn's connection.
func (h *hooks) leave(f func(*Conn, Gone) error) error {
	if f == nil {
		return nil
	}
	conn := h.env.Conn()
	if conn == nil {
		return errNoConn
	}
	g, err := head[Gone](h.env.turn)
	if err != nil {
		return err
	}
	return f(conn, g)
}

// around lets the turn's connection in, runs f, and lets it go.
func (h *hooks) around(f func() ([]byte, error)) ([]byte, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	result, err := f()
	if err == nil && h.disconnect != nil {
		err = h.disconnect(h.env.Conn(), Gone{Clean: true})
	}
	return result, err
}

var errNoConn = fmt.Errorf("a turn without its connection")

// Frame is one message of a raw socket. Data is valid until the turn ends.
type Frame struct {
	Text bool // Data is text, and UTF-8
	Data []byte
}

func (h *hooks) runSocket(t *abi.Turn) error {
	conn := h.env.Conn()
	switch {
	case conn == nil:
		return errNoConn
	case t.Kind == abi.KindOpen:
		if err := h.enter(); err != nil || h.open == nil {
			return err
		}
		return h.open(conn)
	case t.Kind == abi.KindClose:
		if err := h.leave(h.close); err != nil {
			return err
		}
		return h.leave(h.disconnect)
	case h.message == nil:
		return nil
	}
	f, err := head[abi.Frame](t)
	if err != nil {
		return err
	}
	return h.message(conn, Frame{f.Text, t.Args})
}
