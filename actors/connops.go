package actors

import (
	"bytes"
	"encoding/json"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// The methods of hostfuncs.Connections. Nothing leaves before the turn is durable; what a turn changes it sees
// itself at once, and the next turn when it has succeeded.

// maxConnList bounds the document of a list of connections, in bytes.
const maxConnList = abi.MaxOutbox

// Connections implements hostfuncs.Actor. Past maxConnList connections are listed with nothing but who they are.
func (t *turn) Connections() ([]byte, error) {
	if t.startup {
		return nil, errStartup
	}
	list := []byte{'['}
	for _, c := range t.allConns() {
		if len(list) > 1 {
			list = append(list, ',')
		}
		doc := t.describeConn(c)
		if len(list)+len(doc) > maxConnList {
			doc = encodeConn(abi.Conn{ID: c.id, Kind: c.kind, Subject: c.subject})
		}
		list = append(list, doc...)
	}
	return append(list, ']'), nil
}

// allConns returns the connections that the turn sees, oldest first.
func (t *turn) allConns() []*Conn {
	var all []*Conn
	if s := t.connSet(); s != nil {
		for _, c := range s.list() {
			if c != t.conns.own && t.connValue(c).isMember() {
				all = append(all, c)
			}
		}
	}
	if own := t.conns.own; own != nil && t.connValue(own).isMember() {
		all = append(all, own)
	}
	return all
}

// Connection implements hostfuncs.Actor.
func (t *turn) Connection(id string) ([]byte, bool, error) {
	if t.startup {
		return nil, false, errStartup
	}
	c, err := t.conn(id)
	if err != nil {
		return nil, false, nil
	}
	return t.describeConn(c), true, nil
}

// conn returns a connection that the turn sees.
func (t *turn) conn(id string) (*Conn, error) {
	if t.startup {
		return nil, errStartup
	}
	c := t.conns.own
	if c == nil || c.id != id {
		s := t.connSet()
		if s == nil {
			return nil, errNoConn
		}
		c = s.get(id)
	}
	if c == nil || !t.connValue(c).isMember() {
		return nil, errNoConn
	}
	return c, nil
}

// describeConn returns the document of a connection, also of one that has left.
func (t *turn) describeConn(c *Conn) []byte {
	d := abi.Conn{ID: c.id, Kind: c.kind, Subject: c.subject, Params: c.params}
	if v := t.connValue(c); v != nil {
		d.State, d.Events = v.state, v.events
	}
	return encodeConn(d)
}

func encodeConn(c abi.Conn) []byte {
	b, _ := json.Marshal(c) // text, and documents that were checked, always encode
	return b
}

// SetConnState implements hostfuncs.Actor.
func (t *turn) SetConnState(id string, state []byte) error {
	c, err := t.conn(id)
	switch {
	case err != nil:
		return err
	case len(state) > abi.MaxConnState:
		return abi.Errorf(abi.CodeConnStateTooLarge, "the connection state is larger than %d bytes", abi.MaxConnState)
	case len(state) > 0 && !isJSON(state):
		return abi.Errorf(abi.CodeInvalidArgument, "a connection state is a JSON document")
	}
	state = bytes.Clone(state)
	return t.changeConn(c, t.connValue(c).with(func(v *connValue) { v.state = state }))
}

// ConnSend implements hostfuncs.Actor.
func (t *turn) ConnSend(id, event string, payload []byte) error {
	c, err := t.conn(id)
	switch {
	case err != nil:
		return err
	case c.kind == abi.ConnSocket:
		return abi.Errorf(abi.CodeInvalidArgument, "the connection is a raw socket, which has no events")
	case !isList(payload):
		return errPayload
	}
	if err := t.sayEvent(len(event) + len(payload)); err != nil {
		return err
	}
	f := &EventFrame{Name: event, Args: bytes.Clone(payload)}
	t.tell(c, len(payload), func() { c.sink.Event(f) })
	return nil
}

// Disconnect implements hostfuncs.Actor.
func (t *turn) Disconnect(id, reason string) error {
	c, err := t.conn(id)
	if err != nil {
		return err
	}
	return t.close(c, closeNormal, reason)
}

// closeNormal is the WebSocket close code of an end without a complaint.
const closeNormal = 1000

// closeGone is the one of an end for which the client is to look for another actor, or for none: Rivet's clients
// come back at once after closeNormal, and would make a destroyed actor again.
const closeGone = 1011

// close ends a membership and the socket. The guest's disconnect follows once the socket is closed.
func (t *turn) close(c *Conn, code int, reason string) error {
	if err := t.changeConn(c, t.connValue(c).with(func(v *connValue) { v.member = false })); err != nil {
		return err
	}
	if c.sink != nil {
		t.after(func() { c.set.deliver(0, func() { c.sink.Close(code, reason) }) })
	}
	return nil
}

// SocketSend implements hostfuncs.Actor.
func (t *turn) SocketSend(id string, data []byte, text bool) error {
	c, err := t.socket(id)
	switch {
	case err != nil:
		return err
	case len(data) > abi.MaxSocketMessage:
		return abi.Errorf(abi.CodeOutputTooLarge, "a socket's message is larger than %d bytes", abi.MaxSocketMessage)
	}
	if err := t.sayEvent(len(data)); err != nil {
		return err
	}
	data = bytes.Clone(data)
	t.tell(c, len(data), func() { c.sink.Message(data, text) })
	return nil
}

// SocketClose implements hostfuncs.Actor.
func (t *turn) SocketClose(id string, code int, reason string) error {
	c, err := t.socket(id)
	if err != nil {
		return err
	}
	return t.close(c, code, reason)
}

// socket returns a raw socket that the turn sees.
func (t *turn) socket(id string) (*Conn, error) {
	c, err := t.conn(id)
	if err == nil && c.kind != abi.ConnSocket {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "the connection is no raw socket")
	}
	return c, err
}

// tell lets f, which says n bytes to c's sink, run once the turn is durable, if c has not left before.
func (t *turn) tell(c *Conn, n int, f func()) {
	if c.sink == nil {
		return
	}
	c.set.waitForRoom()
	t.after(func() {
		c.set.deliver(n, func() {
			if c.open {
				f()
			}
		})
	})
}

// fanOut lets an event reach those who have subscribed to it.
func (t *turn) fanOut(event string, args []byte) {
	s := t.connSet()
	if s == nil {
		return
	}
	s.waitForRoom()
	f := &EventFrame{Name: event, Args: args}
	t.after(func() { s.deliver(len(args), func() { s.fanOut(f) }) })
}

var errPayload = abi.Errorf(abi.CodeInvalidArgument, "an event's payload is a JSON list of its arguments")

// sayEvent counts an event, or a message of a raw socket, of n bytes.
func (t *turn) sayEvent(n int) error {
	if t.events >= abi.MaxEvents {
		return abi.Errorf(abi.CodeTooManyEvents, "the turn sends more than %d events", abi.MaxEvents)
	}
	if err := t.say(n); err != nil {
		return err
	}
	if err := t.a.allowance.Event(); err != nil {
		return err
	}
	t.a.tally.Add(tenants.UsedEvents, 1)
	t.events++
	return nil
}
