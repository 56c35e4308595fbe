package actors

import (
	"cmp"
	"slices"
	"sync"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// connSet holds the connections of one actor. It outlives the actor's sleep, its instance and its version,
// and ends with the last connection.
//
// What changes of a connection is a connValue, which is replaced and never written to. Each connection has two:
// seen is as the newest successful turn left it, and what the next turn goes by; durable is as of the newest
// turn on disk, and all that is shown outside. A turn that runs keeps its changes to itself (connChanges). They
// become seen when it succeeds, BEFORE its delta goes to the store, and durable when that has landed. If the
// store refuses it, seen falls back to durable: the store has then refused every later turn too, and no new one
// begins before the last of them is undone.
type connSet struct {
	host *Host
	refs int // connections that began and have not ended, at most MaxConns; guarded by host.connMu

	mu      sync.Mutex       // guards the fields below, and the values of the connections
	members map[string]*Conn // whose seen or durable value says so
	bytes   int              // params and states of members, as seen
	last    uint64           // number of the newest connection
	over    bool             // closeAll was called

	deliveries
}

// maxConnBytes bounds the params and states of an actor's connections, which the host keeps in memory.
const maxConnBytes = 64 << 20

// connValue is what turns may change of a connection. Nil is that of one that never was a member.
type connValue struct {
	member bool
	state  []byte   // a document; nil means none
	events []string // subscriptions, sorted
}

func (v *connValue) isMember() bool { return v != nil && v.member }

// with returns a copy with one thing changed.
func (v *connValue) with(change func(*connValue)) *connValue {
	n := connValue{}
	if v != nil {
		n = *v
	}
	change(&n)
	return &n
}

// connSetOf returns the connections of an actor, or nil.
func (h *Host) connSetOf(id tenants.ActorID) *connSet {
	h.connMu.Lock()
	defer h.connMu.Unlock()
	return h.conns[id]
}

// beginConn makes room for a connection. end gives it back.
func (h *Host) beginConn(id tenants.ActorID) (*connSet, error) {
	h.connMu.Lock()
	defer h.connMu.Unlock()
	s := h.conns[id]
	if s == nil {
		s = &connSet{host: h, members: map[string]*Conn{}}
		s.deliveries.init(&s.mu, &h.delivering)
		h.conns[id] = s
	}
	if s.refs >= abi.MaxConns {
		return nil, abi.Errorf(abi.CodeTooManyConns, "the actor has %d connections, which is the most", abi.MaxConns)
	}
	s.refs++
	return s, nil
}

func (s *connSet) end(id tenants.ActorID) {
	s.host.connMu.Lock()
	defer s.host.connMu.Unlock()
	if s.refs--; s.refs == 0 {
		delete(s.host.conns, id)
	}
}

// list returns the connections that are members by some value, oldest first.
func (s *connSet) list() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Conn, 0, len(s.members))
	for _, c := range s.members {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Conn) int { return cmp.Compare(a.number, b.number) })
	return all
}

func (s *connSet) get(id string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[id]
}

// see sets what the next turn goes by.
func (s *connSet) seeLocked(c *Conn, v *connValue) {
	s.bytes += c.weigh(v) - c.weigh(c.seen)
	c.seen = v
	s.enrolLocked(c)
}

// settle takes up a change that is on disk: the outside may see it, and deliveries go by it.
func (s *connSet) settle(c *Conn, v *connValue) {
	s.mu.Lock()
	c.durable = v
	s.enrolLocked(c)
	s.mu.Unlock()
	s.deliver(0, func() { s.route(c, v) })
}

func (s *connSet) enrolLocked(c *Conn) {
	if c.seen.isMember() || c.durable.isMember() {
		s.members[c.id] = c
	} else {
		delete(s.members, c.id)
	}
}

// weigh returns the bytes that a connection holds by a value.
func (c *Conn) weigh(v *connValue) int {
	if !v.isMember() {
		return 0
	}
	return len(c.params) + len(v.state)
}

// closeAll ends every connection, once, because the actor is no more.
func (s *connSet) closeAll(code int, reason string) {
	s.mu.Lock()
	before := s.over
	s.over = true
	s.mu.Unlock()
	if before {
		return
	}
	for _, c := range s.list() {
		s.settle(c, c.durable.with(func(v *connValue) { v.member = false }))
		s.deliver(0, func() { c.sink.Close(code, reason) })
	}
}

// connChanges are what one turn has done to connections.
type connChanges struct {
	own       *Conn                // the one that joins in this turn, or is there for this turn only
	values    map[*Conn]*connValue // what the turn changed
	bytes     int                  // by which params and states have grown
	published bool                 // seen by the next turn
}

// publishConns lets the next turn see what this one, which has succeeded, did to connections.
func (t *turn) publishConns() {
	if len(t.conns.values) == 0 {
		return
	}
	s := t.connSet()
	if s == nil {
		return // only a connection for the turn itself was changed
	}
	t.conns.published = true
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, v := range t.conns.values {
		if c.sink != nil {
			s.seeLocked(c, v)
		}
	}
}

// revertConns is the undo of a turn that changed connections. Nothing is to be done after a failure of the
// turn itself: nobody has seen its changes.
func (t *turn) revertConns() {
	if !t.conns.published {
		return
	}
	s := t.connSet()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range t.conns.values {
		if c.sink != nil {
			s.seeLocked(c, c.durable)
		}
	}
}

// changeConn changes a connection in this turn.
func (t *turn) changeConn(c *Conn, v *connValue) error {
	grown := c.weigh(v) - c.weigh(t.connValue(c))
	if s := t.connSet(); s != nil && grown > 0 {
		s.mu.Lock()
		total := s.bytes + t.conns.bytes + grown
		s.mu.Unlock()
		if total > maxConnBytes {
			return abi.Errorf(abi.CodeConnStateTooLarge, "params and states of the actor's connections are larger than %d bytes", maxConnBytes)
		}
	}
	if t.conns.values == nil {
		t.conns.values = map[*Conn]*connValue{}
		t.unless(t.revertConns)
	}
	t.conns.values[c] = v
	t.conns.bytes += grown
	if c.sink != nil {
		t.after(func() { c.set.settle(c, v) })
	}
	return nil
}

// connSet returns the actor's connections, nil if it never had one.
func (t *turn) connSet() *connSet {
	if t.set == nil {
		t.set = t.a.h.connSetOf(t.a.id)
	}
	return t.set
}

// connValue returns a connection as the turn sees it.
func (t *turn) connValue(c *Conn) *connValue {
	if v, ok := t.conns.values[c]; ok {
		return v
	}
	if c.set == nil {
		return nil
	}
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.seen
}
