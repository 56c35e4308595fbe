package actors

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Conn is one connection of an actor: a client that stays. Its methods are safe for concurrent use, but what one
// client sends in order must be passed on by one goroutine. Whoever got a Conn from Connect calls Closed once.
type Conn struct {
	set        *connSet // nil for one that is there for a single turn
	actor      tenants.ActorID
	id         string
	kind       string // one of abi's kinds
	subject    string
	params     json.RawMessage
	since      time.Time
	number     uint64        // among those of the actor
	sink       Sink          // nil for one that is there for a single turn
	maxMessage int           // bytes; known once it is a member
	interval   time.Duration // between signs of life; known once it is a member, zero is the host's
	timeout    time.Duration // of one; as interval
	window     window

	seen, durable *connValue // see connSet; guarded by its mutex
	told          bool       // the actor knows that it has gone; guarded by the set's mutex

	open   bool     // the sink was opened and the connection has not left; the deliveries' goroutine's
	routed []string // the subscriptions that deliveries go by; also its
}

// ConnectRequest is what comes with a client that wants to connect.
type ConnectRequest struct {
	Kind    string          // abi.ConnEvents or abi.ConnSocket
	Params  json.RawMessage // a document of the client's; nil means none
	Subject string          // verified; empty means anonymous
	Origin  string          // of the web page, as the browser says; empty means none
	Head    abi.RequestHead // of the upgrade
}

// ID returns the connection's id, a UUID.
func (c *Conn) ID() string { return c.id }

// Actor returns the actor's id.
func (c *Conn) Actor() tenants.ActorID { return c.actor }

// MaxMessage bounds the messages that the client may send, in bytes.
func (c *Conn) MaxMessage() int { return c.maxMessage }

// Liveness returns how often the client is asked for a sign of life, and how long it has to give one. Zero is for
// the host to say.
func (c *Conn) Liveness() (interval, timeout time.Duration) { return c.interval, c.timeout }

// checkParams returns an error unless params are none or a JSON document of bounded size.
func checkParams(params json.RawMessage) error {
	if len(params) > abi.MaxConnParams {
		return abi.Errorf(abi.CodeInvalidRequest, "the connection's params are larger than %d bytes", abi.MaxConnParams)
	}
	if len(params) > 0 && !isJSON(params) {
		return abi.Errorf(abi.CodeInvalidRequest, "the connection's params are not valid JSON")
	}
	return nil
}

// Connect lets a client in. It is one turn: the guest's before-connect, the connection's state and its connect,
// if the module asks for them. When Connect returns without an error that turn is durable and sink was
// opened; after an error nothing is left, and sink was not touched. It outlives ctx once the
// turn has begun, since the turn may let the connection in.
func (h *Host) Connect(ctx context.Context, id tenants.ActorID, r ConnectRequest, sink Sink) (*Conn, error) {
	if err := checkParams(r.Params); err != nil {
		return nil, err
	}
	if err := h.checkOrigin(ctx, id, r.Origin); err != nil {
		return nil, err
	}
	if err := h.Admit(id.Namespace); err != nil {
		return nil, err
	}
	head, err := json.Marshal(r.Head)
	if err != nil {
		return nil, fmt.Errorf("actors: encode the head of an upgrade: %w", err)
	}
	set, err := h.beginConn(id)
	if err != nil {
		return nil, err
	}
	c := &Conn{set: set, actor: id, id: newConnID(), kind: r.Kind, subject: r.Subject, params: r.Params, since: h.now(), sink: sink}
	c.window.init()
	e := c.entry(func(t *turn) (Reply, error) { return Reply{}, t.letIn(c, head) })
	if err = h.put(ctx, id, e); err == nil {
		_, err = e.waitTaken(ctx)
	}
	if err != nil {
		set.end(id)
		return nil, err
	}
	set.flush() // whatever the caller says next comes after Open
	return c, nil
}

// newConnID returns a random UUID.
func newConnID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails; see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// entry returns an entry on behalf of the connection's client. It does not count against the mailbox: the number
// of connections and each one's window bound it.
func (c *Conn) entry(run func(*turn) (Reply, error)) *entry {
	e := newEntry(entryTurn, c.set.host.deadline(), run)
	e.lineage = c.lineage()
	return e
}

func (c *Conn) lineage() lineage { return lineage{subject: c.subject, origin: c.subject} }

// Call runs an action for the client. It returns when the request is in the actor's mailbox, or was refused, and
// blocks while too much of the client's is on its way. done is called once, AFTER every event of the turn was
// handed to the sinks, in the order of the turns; like a sink it must not block.
func (c *Conn) Call(r Request, done func(Reply, error)) {
	e, err := c.set.host.actionEntry(r, func(t *turn, k *ask) error { return t.callOn(c, k) })
	if err != nil {
		done(Reply{}, err)
		return
	}
	e.lineage, e.outside = c.lineage(), true
	c.pass(e, len(r.Args), true, done)
}

// Subscribe begins or ends a subscription. It is like Call.
func (c *Conn) Subscribe(event string, on bool, done func(error)) {
	e := c.entry(func(t *turn) (Reply, error) { return Reply{}, t.subscribe(c, event, on) })
	c.pass(e, len(event), true, func(_ Reply, err error) { done(err) })
}

// Message passes on a message of a raw socket. It is like Call, but a message that was taken reaches the actor
// even if the socket is closed right after it.
func (c *Conn) Message(data []byte, text bool, done func(error)) {
	e := c.entry(func(t *turn) (Reply, error) { return Reply{}, t.message(c, data, text) })
	c.pass(e, len(data), false, func(_ Reply, err error) { done(err) })
}

// pass posts an entry of size bytes. Closed gives it up if nobody else will want it then.
func (c *Conn) pass(e *entry, size int, giveUp bool, done func(Reply, error)) {
	c.window.enter(e.request, size, giveUp)
	e.told = func(reply Reply, err error) {
		c.set.deliver(len(reply.Output)+len(reply.Raw)+len(reply.Bytes), func() {
			c.window.leave(e.request, size)
			done(reply, err)
		})
	}
	if err := c.set.host.put(c.set.host.ctx, c.actor, e); err != nil {
		e.answer(Reply{}, err)
	}
}

var errGone = &abi.Error{Code: abi.CodeActionTimedOut, Message: "The client went away"}

// How long Closed waits before it tells the actor again.
const (
	retellFirst = 100 * time.Millisecond
	retellMost  = 10 * time.Second
)

// Closed says that the socket has gone, with its WebSocket close code; clean is a close by handshake. It returns
// when the actor knows, the actor is no more, or the host stops: while the process lives the actor is told,
// whatever it is busy with, and woken if it sleeps.
func (c *Conn) Closed(code int, reason string, clean bool) {
	defer c.set.end(c.actor)
	h := c.set.host
	c.window.giveUp(errGone)
	gone, _ := json.Marshal(abi.Gone{Code: code, Reason: reason, Clean: clean}) // numbers and text always encode
	for pause := retellFirst; ; pause = min(2*pause, retellMost) {
		e := c.entry(func(t *turn) (Reply, error) { return Reply{}, t.seeOff(c, gone) })
		e.settle = func(t *turn, _ error) error { return t.dropConn(c) }
		_, err := h.post(h.ctx, c.actor, e)
		if c.isTold() || isGone(err) || !h.rest(pause) {
			return
		}
	}
}

// Flush returns when all that durable turns have said so far was handed to the sinks.
func (c *Conn) Flush() { c.set.flush() }

func (c *Conn) isTold() bool {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.told
}

// rest waits. It reports false if the host takes no new work.
func (h *Host) rest(d time.Duration) bool {
	if h.isDraining() {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// ConnInfo describes a connection to whoever looks at the actor.
type ConnInfo struct {
	Number  uint64 // among the actor's, in the order in which they came
	ID      string
	Kind    string
	Subject string
	Params  int // bytes
	State   int // bytes
	Events  []string
	Since   time.Time
}

// Connections lists an actor's connections as of its newest durable turn, oldest first.
func (h *Host) Connections(ctx context.Context, id tenants.ActorID) ([]ConnInfo, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	s := h.connSetOf(id)
	if s == nil {
		return nil, nil
	}
	var list []ConnInfo
	for _, c := range s.list() {
		s.mu.Lock()
		v := c.durable
		s.mu.Unlock()
		if v.isMember() {
			list = append(list, ConnInfo{Number: c.number, ID: c.id, Kind: c.kind, Subject: c.subject, Params: len(c.params), State: len(v.state), Events: v.events, Since: c.since})
		}
	}
	return list, nil
}
