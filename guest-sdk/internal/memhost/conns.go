package memhost

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Conns are the actor's connections, and what left for them.
type Conns struct {
	List   []abi.Conn // in order of connecting
	Sent   []Sent
	Closed []Closed // by the actor
}

// Sent is an event or a message for one connection.
type Sent struct {
	Conn    string
	Event   string // empty for a raw socket
	Payload []byte // a JSON list of arguments, or the message
	Text    bool   // of a raw socket's message
}

// Closed is a connection that the actor closed.
type Closed struct {
	Conn   string
	Code   int
	Reason string
}

func (c *Conns) clone() Conns {
	return Conns{List: slices.Clone(c.List), Sent: slices.Clip(c.Sent), Closed: slices.Clip(c.Closed)}
}

// Conn returns the connection with an id, nil if there is none. It is valid until the turn ends.
func (c *Conns) Conn(id string) *abi.Conn {
	i := slices.IndexFunc(c.List, func(c abi.Conn) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &c.List[i]
}

// Drop forgets a connection, if it is there.
func (c *Conns) Drop(id string) {
	c.List = slices.DeleteFunc(c.List, func(c abi.Conn) bool { return c.ID == id })
}

// need returns a connection, of a raw socket or of another kind.
func (h *Host) need(id string, socket bool) (*abi.Conn, error) {
	c := h.Conn(id)
	if c == nil {
		return nil, &abi.Error{Code: abi.CodeConnNotFound}
	}
	if socket != (c.Kind == abi.ConnSocket) {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "connection %s is of kind %s", id, c.Kind)
	}
	return c, nil
}

// ConnList implements the operation conn_list.
func (h *Host) ConnList() ([]byte, error) { return json.Marshal(append([]abi.Conn{}, h.List...)) }

// ConnGet implements the operation conn_get.
func (h *Host) ConnGet(id string) ([]byte, bool, error) {
	c := h.Conn(id)
	if c == nil {
		return nil, false, nil
	}
	b, err := json.Marshal(c)
	return b, true, err
}

// ConnStateSet implements the operation conn_state_set.
func (h *Host) ConnStateSet(id string, state []byte) error {
	c := h.Conn(id)
	switch {
	case c == nil:
		return &abi.Error{Code: abi.CodeConnNotFound}
	case len(state) > abi.MaxConnState:
		return &abi.Error{Code: abi.CodeConnStateTooLarge}
	}
	c.State = slices.Clone(state)
	return nil
}

// ConnSend implements the operation conn_send.
func (h *Host) ConnSend(id, event string, payload []byte) error {
	if err := checkEvent(event); err != nil {
		return err
	}
	if _, err := h.need(id, false); err != nil {
		return err
	}
	if h.sent++; h.sent > abi.MaxEvents {
		return &abi.Error{Code: abi.CodeTooManyEvents}
	}
	h.Sent = append(h.Sent, Sent{Conn: id, Event: event, Payload: slices.Clone(payload)})
	return nil
}

// ConnDisconnect implements the operation conn_disconnect.
func (h *Host) ConnDisconnect(id, reason string) error { return h.close(id, 1000, reason) }

// SocketSend implements the operation socket_send.
func (h *Host) SocketSend(id string, data []byte, text int64) error {
	if text != 0 && text != 1 || text == 1 && !utf8.Valid(data) {
		return abi.Errorf(abi.CodeInvalidArgument, "text is 0 or 1, and a text message is UTF-8")
	}
	if _, err := h.need(id, true); err != nil {
		return err
	}
	h.Sent = append(h.Sent, Sent{Conn: id, Payload: slices.Clone(data), Text: text == 1})
	return nil
}

// SocketClose implements the operation socket_close.
func (h *Host) SocketClose(id string, code int64, reason string) error {
	if code != 1000 && (code < 3000 || code > 4999) {
		return abi.Errorf(abi.CodeInvalidArgument, "a close code is 1000 or 3000 to 4999")
	}
	if _, err := h.need(id, true); err != nil {
		return err
	}
	return h.close(id, int(code), reason)
}

func (h *Host) close(id string, code int, reason string) error {
	if len(reason) > abi.MaxReason || !utf8.ValidString(reason) {
		return abi.Errorf(abi.CodeInvalidArgument, "a reason is up to %d bytes of UTF-8", abi.MaxReason)
	}
	if h.Conn(id) == nil {
		return &abi.Error{Code: abi.CodeConnNotFound}
	}
	h.Closed = append(h.Closed, Closed{id, code, reason})
	return nil
}
