package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/api/wire"
)

// link is one WebSocket of a connection, from its init to its end. The connection's goroutine reads; one of the link's
// own writes, and ends with the link.
type link struct {
	c     *Conn
	ws    *websocket.Conn
	kind  int // of its messages
	calls chan outgoing
	dirty chan struct{} // holds a token while the subscriptions may have changed
	lost  chan struct{} // closed at the end, when why is set
	why   error
	quiet chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards the fields below
	pending map[uint64]chan<- answer
	leaving bool // we have closed it
}

// outgoing is a call on its way to the writer.
type outgoing struct {
	id     uint64
	action string
	args   []byte
}

// answer is that of a call.
type answer struct {
	output json.RawMessage
	err    error
}

// newLink returns a link whose socket is open and has had its init.
func newLink(c *Conn, ws *websocket.Conn) *link {
	l := &link{
		c: c, ws: ws, kind: messageKind(c.encoding()), pending: map[uint64]chan<- answer{},
		calls: make(chan outgoing), dirty: make(chan struct{}, 1), lost: make(chan struct{}), quiet: make(chan struct{}),
	}
	ws.SetPongHandler(func(string) error { l.heard(); return nil })
	l.heard()
	l.touch()
	go l.write() // ends with lost
	return l
}

func messageKind(e wire.ClientEncoding) int {
	if e.Binary() {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}

// heard puts off the moment at which the host counts as gone.
func (l *link) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leaving {
		_ = l.ws.SetReadDeadline(time.Now().Add(l.c.timing().dead))
	}
}

// touch has the writer look at the subscriptions.
func (l *link) touch() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// serve reads until the link ends, and returns why.
func (l *link) serve() error {
	err := l.read()
	l.why = err
	close(l.lost)
	l.ws.Close() // frees a writer that waits
	<-l.quiet
	return err
}

func (l *link) read() error {
	for {
		m, err := readMessage(l.ws, l.c.encoding(), l.c.h.c.limit)
		if err != nil {
			return err
		}
		l.heard()
		switch m.Kind {
		case wire.KindEvent:
			if !l.c.hear(Event{m.Event, m.Args}) {
				return ErrTooSlow
			}
		case wire.KindResponse:
			err = l.settle(m.ID, answer{output: m.Output})
		case wire.KindFailure:
			if m.Failure.Action == nil {
				return newError(m.Failure)
			}
			err = l.settle(*m.Failure.Action, answer{err: newError(m.Failure)})
		default:
			err = fmt.Errorf("%w: a second init", ErrProtocol)
		}
		if err != nil {
			return err
		}
	}
}

// readMessage reads one message. Its errors are of the protocol, of the socket, or why that was closed: an *Error if
// the host says so.
func readMessage(ws *websocket.Conn, e wire.ClientEncoding, limit int) (wire.HostMessage, error) {
	kind, data, err := ws.ReadMessage()
	if c := closeError(err); c != nil && c.refusal() != nil {
		return wire.HostMessage{}, c.refusal()
	}
	if err != nil {
		return wire.HostMessage{}, socketError(err)
	}
	if kind != messageKind(e) {
		return wire.HostMessage{}, fmt.Errorf("%w: a message of the wrong kind", ErrProtocol)
	}
	m, err := e.ParseHost(data, limit)
	if err != nil {
		return m, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return m, nil
}

// socketError translates an error of the library's.
func socketError(err error) error {
	if c := closeError(err); c != nil {
		return c
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		return fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return fmt.Errorf("client: %w", err)
}

// settle gives a call its answer. One that nobody waits for any more is dropped; one that nobody asked for is an error.
func (l *link) settle(id uint64, a answer) error {
	if id >= l.c.ids.Load() {
		return fmt.Errorf("%w: an answer to a call that was not made", ErrProtocol)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if to, ok := l.pending[id]; ok {
		delete(l.pending, id)
		to <- a // has room for one
	}
	return nil
}

// call sends a call and waits for its answer. sent is false if it never left.
func (l *link) call(ctx context.Context, o outgoing) (out json.RawMessage, sent bool, err error) {
	reply := make(chan answer, 1)
	l.mu.Lock()
	l.pending[o.id] = reply
	l.mu.Unlock()
	defer l.forget(o.id)
	select {
	case l.calls <- o:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-l.lost:
		return nil, false, nil
	}
	select {
	case a := <-reply:
		return a.output, true, a.err
	case <-ctx.Done():
		return nil, true, ctx.Err()
	case <-l.lost:
	}
	select {
	case a := <-reply: // it came just before
		return a.output, true, a.err
	default:
		return nil, true, fmt.Errorf("%w: %w", ErrLost, l.why)
	}
}

func (l *link) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, id)
}

// write sends calls, subscriptions and signs of life, until the link ends.
func (l *link) write() {
	defer close(l.quiet)
	t := l.c.timing()
	beat := time.NewTicker(t.ping)
	defer beat.Stop()
	told := map[string]bool{} // the events that the host knows to be wanted
	for {
		var err error
		select {
		case <-l.lost:
			return
		case <-l.dirty:
			err = l.subscribe(told)
		case o := <-l.calls:
			// Whoever subscribed before this call shall hear its events.
			if err = l.subscribe(told); err == nil {
				err = l.send(l.c.encoding().Action(o.id, o.action, o.args))
			}
		case <-beat.C:
			err = l.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(t.write))
		}
		if err != nil {
			l.ws.Close() // the reader tells why
			<-l.lost
			return
		}
	}
}

// subscribe tells the host what has changed since told.
func (l *link) subscribe(told map[string]bool) error {
	for event, on := range l.c.changes(told) {
		if err := l.send(l.c.encoding().Subscription(event, on)); err != nil {
			return err
		}
		if told[event] = on; !on {
			delete(told, event)
		}
	}
	return nil
}

func (l *link) send(message []byte) error {
	_ = l.ws.SetWriteDeadline(time.Now().Add(l.c.timing().write))
	return l.ws.WriteMessage(l.kind, message)
}

// leave closes the socket as a client that goes, and gives the host a moment to answer.
func (l *link) leave() {
	end := time.Now().Add(l.c.timing().bye)
	l.mu.Lock()
	l.leaving = true
	_ = l.ws.SetReadDeadline(end)
	l.mu.Unlock()
	if l.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "Disposed"), end) != nil {
		l.ws.Close()
	}
}
