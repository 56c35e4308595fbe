package client

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/api/wire"
)

// Status is that of a connection.
type Status int

// The statuses. A connection is Connected first, then that or Connecting, and Closed in the end.
const (
	Connected Status = iota
	Connecting
	Closed
)

func (s Status) String() string { return [...]string{"connected", "connecting", "closed"}[s] }

// ConnOptions are what a connection may be told. The zero value is fine.
type ConnOptions struct {
	// Status is called with each change, in order with the events, and with why. Events between Connecting and
	// Connected are lost, so that is the moment to read again what they are about. A Close of one's own is not told.
	Status func(s Status, why error)
}

// Conn is a connection to an actor: for calls, and for events. When it breaks it connects again by itself, each time
// after a longer wait, with its subscriptions; calls that are made meanwhile wait. It is safe for concurrent use.
//
// Handlers run one after another on a goroutine of the connection's own. They may call the actor by the connection.
// While one runs, events wait, up to a bound: past it the connection breaks with ErrTooSlow, and connects again.
type Conn struct {
	h     *Handle
	o     ConnOptions
	inbox *inbox
	ids   atomic.Uint64 // the next call's, over all links
	ended chan struct{} // closed when the connection's goroutine has ended
	leave context.CancelFunc
	life  context.Context // ends with Close

	mu        sync.Mutex // guards the fields below
	status    Status
	why       error         // that it is not Connected
	link      *link         // nil if it is not Connected
	changed   chan struct{} // closed with the next change of the status
	actor, id string
	listeners map[string][]*listener
}

// Connect connects to the actor with the handle's params. It returns once the actor has let the client in, or with
// why not: an *Error if that is what the actor or the host says. The context is for that only; the connection lives
// until Close, or until the host refuses it for good.
func (h *Handle) Connect(ctx context.Context, o ConnOptions) (*Conn, error) {
	c := &Conn{h: h, o: o, inbox: newInbox(h.c.limit), ended: make(chan struct{}), changed: make(chan struct{}), listeners: map[string][]*listener{}}
	l, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	c.life, c.leave = context.WithCancel(context.Background())
	c.set(Connected, nil, l)
	go c.run(l)     // ends with Close, which waits for it, or when the host refuses for good
	go c.dispatch() // ends after the last news
	return c, nil
}

func (c *Conn) encoding() wire.ClientEncoding { return c.h.c.encoding }
func (c *Conn) timing() *timing               { return &c.h.c.timing }

// open connects once, and waits for the init.
func (c *Conn) open(ctx context.Context) (*link, error) {
	ws, err := c.h.dial(ctx, pathEvents, "", "", c.encoding().Name())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(c.timing().dial))
	m, err := readMessage(ws, c.encoding(), c.h.c.limit)
	if !stop() {
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
	case m.Kind == wire.KindFailure && m.Failure.Action == nil:
		err = newError(m.Failure)
	case m.Kind != wire.KindInit:
		err = fmt.Errorf("%w: no init comes first", ErrProtocol)
	}
	if err != nil {
		ws.Close()
		return nil, err
	}
	c.mu.Lock()
	c.actor, c.id = m.ActorID, m.ConnID
	c.mu.Unlock()
	return newLink(c, ws), nil
}

// run keeps the connection up.
func (c *Conn) run(l *link) {
	defer close(c.ended)
	failures := 0
	for {
		begun := time.Now()
		err := c.serve(l)
		if time.Since(begun) >= c.timing().stable {
			failures = 0
		}
		if l, err = c.again(err, &failures); err != nil {
			c.set(Closed, err, nil)
			c.inbox.close(c.life.Err() != nil)
			return
		}
		c.set(Connected, nil, l)
	}
}

// serve lets a link work until it ends.
func (c *Conn) serve(l *link) error {
	stop := context.AfterFunc(c.life, l.leave)
	defer stop()
	return l.serve()
}

// again connects after an end, as often as it takes. Its error is final.
func (c *Conn) again(why error, failures *int) (*link, error) {
	for {
		if c.life.Err() != nil {
			return nil, ErrClosed
		}
		if isFinal(why) {
			return nil, why
		}
		c.set(Connecting, why, nil)
		wait := time.NewTimer(c.timing().wait(*failures, rand.Float64()))
		select {
		case <-wait.C:
		case <-c.life.Done():
			wait.Stop()
			continue
		}
		*failures++
		ctx, cancel := context.WithTimeout(c.life, c.timing().dial)
		l, err := c.open(ctx)
		cancel()
		if err == nil {
			return l, nil
		}
		why = err
	}
}

// wait returns how long to wait before a try after so many. random, in [0, 1), keeps clients that lost the same host
// apart.
func (t *timing) wait(failures int, random float64) time.Duration {
	d := t.first / 4
	if failures > 0 {
		d = min(t.first<<min(failures-1, 20), t.most)
	}
	return d/2 + time.Duration(random*float64(d/2))
}

// set changes the status and tells everybody.
func (c *Conn) set(s Status, why error, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status, c.why, c.link = s, why, l; l != nil {
		l.touch() // for whoever subscribed since the link looked
	}
	close(c.changed)
	c.changed = make(chan struct{})
	c.inbox.note(s, why)
}

// up waits until there is a link.
func (c *Conn) up(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, status, why, changed := c.link, c.status, c.why, c.changed
		c.mu.Unlock()
		switch {
		case l != nil:
			return l, nil
		case status == Closed:
			return nil, why
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("client: not connected: %w (%w)", ctx.Err(), why)
		}
	}
}

func (c *Conn) call(ctx context.Context, action string, args []any) (json.RawMessage, error) {
	doc, err := c.h.c.encodeArgs(args)
	if err != nil {
		return nil, err
	}
	for {
		l, err := c.up(ctx)
		if err != nil {
			return nil, err
		}
		out, sent, err := l.call(ctx, outgoing{c.ids.Add(1) - 1, action, doc})
		if sent || err != nil {
			return out, err
		}
		if err := c.next(ctx, l); err != nil {
			return nil, err
		}
	}
}

// next waits until a link that has ended is no longer the connection's.
func (c *Conn) next(ctx context.Context, ended *link) error {
	for {
		c.mu.Lock()
		same, changed := c.link == ended, c.changed
		c.mu.Unlock()
		if !same {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status returns the status, and why it is not Connected.
func (c *Conn) Status() (Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.why
}

// Done is closed when the connection is Closed: by Close, or because the host refuses it for good.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// ActorID returns the actor's id, and ID that of the connection, by which the actor knows it. Both may change when it
// connects again.
func (c *Conn) ActorID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.actor
}

// ID returns the connection's id.
func (c *Conn) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Close closes the connection and waits until it is. Calls under way fail. A handler that runs, or is about to, is not
// waited for, so a handler may close its connection; no other begins. It is idempotent.
func (c *Conn) Close() {
	c.leave()
	<-c.ended
}
