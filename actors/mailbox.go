package actors

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// maxMailbox bounds the outside requests that wait for one actor.
const maxMailbox = 256

// errAsleep says that the actor goes to sleep and takes nothing more: wait until it is gone and
// wake it again.
var errAsleep = errors.New("actors: going to sleep")

// mailbox holds what waits for an actor, in order. Any goroutine may put; only the actor's takes.
type mailbox struct {
	// ready gets a value when something was put or the actor was nudged.
	ready chan struct{}

	mu      sync.Mutex // guards the fields below
	queue   []*entry
	outside int   // entries in queue that count against maxMailbox
	posted  int   // entries ever put
	nudged  bool  // sleep as soon as the queue is empty
	closed  error // not nil: nothing is taken any more, and why
	killed  bool  // an entry that kills waits
	evicted bool  // the actor is to vanish: its namespace was deleted
	cut     func(cause error)
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// put appends e. It returns errAsleep or the reason for which the mailbox was closed, and
// CodeActorOverloaded for an outside request that finds it full.
func (m *mailbox) put(e *entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed != nil {
		return m.closed
	}
	if e.outside {
		if m.outside >= maxMailbox {
			return errMailboxFull
		}
		m.outside++
	}
	if e.kills {
		m.queue = slices.Insert(m.queue, 0, e)
		if m.killed = true; m.cut != nil {
			m.cut(errKilled)
		}
	} else {
		m.queue = append(m.queue, e)
	}
	m.posted++
	m.signal()
	return nil
}

var errMailboxFull = &abi.Error{Code: abi.CodeActorOverloaded, Retry: time.Second}

// ahead returns how many turns come before that of an outside request: of those that wait, and the one that runs.
func (m *mailbox) ahead() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut != nil {
		return m.outside + 1
	}
	return m.outside
}

// errKilled is the cause of the end of a turn whose actor is being killed.
var errKilled = errors.New("actors: killed in the middle of a turn")

// during notes how to cut off the turn that begins; nil when it has ended. Once an entry that kills waits, every
// turn is cut off at once.
func (m *mailbox) during(cut func(cause error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = cut
	switch {
	case cut == nil:
	case m.evicted:
		cut(tenants.ErrForeign)
	case m.killed:
		cut(errKilled)
	}
}

// evict has the actor vanish: the turn that runs is cut off, and all that waits is answered as if the namespace had
// never been.
func (m *mailbox) evict() {
	m.mu.Lock()
	m.evicted = true
	if m.cut != nil {
		m.cut(tenants.ErrForeign)
	}
	m.mu.Unlock()
	m.fail(tenants.ErrForeign)
}

func (m *mailbox) isEvicted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.evicted
}

// take removes and returns the oldest entry, nil if there is none.
func (m *mailbox) take() *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return nil
	}
	e := m.queue[0]
	m.queue[0] = nil
	if m.queue = m.queue[1:]; len(m.queue) == 0 {
		m.queue = nil // or the array would grow for ever at its end
	}
	if e.outside {
		m.outside--
	}
	if e.kills {
		m.killed = false // the hook destroy may have its time
	}
	return e
}

// takeBrief is take if the oldest entry is brief.
func (m *mailbox) takeBrief() *entry {
	m.mu.Lock()
	brief := len(m.queue) > 0 && m.queue[0].brief
	m.mu.Unlock()
	if !brief {
		return nil
	}
	return m.take()
}

// nudge asks the actor to sleep once it has nothing to do.
func (m *mailbox) nudge() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nudged = true
	m.signal()
}

// calm takes nudge back.
func (m *mailbox) calm() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nudged = false
}

// poke lets the actor look again at what is due.
func (m *mailbox) poke() { m.signal() }

// signal wakes the actor's goroutine; a signal that is already waiting serves.
func (m *mailbox) signal() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

func (m *mailbox) wasNudged() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nudged
}

// closeIfEmpty closes the mailbox for sleep. It reports false if something waits.
func (m *mailbox) closeIfEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) > 0 {
		return false
	}
	if m.closed == nil {
		m.closed = errAsleep
	}
	return true
}

// fail closes the mailbox because of err and answers all that waits with it.
func (m *mailbox) fail(err error) {
	m.mu.Lock()
	queue := m.queue
	m.queue, m.outside = nil, 0
	if m.closed == nil {
		m.closed = err
	}
	m.signal()
	m.mu.Unlock()
	for _, e := range queue {
		if e.take() {
			e.answer(Reply{}, err)
		}
	}
}

// entry is one thing that an actor is asked to do: a turn, whatever began it.
type entry struct {
	*request
	kind    entryKind
	outside bool // counts against the mailbox
	bare    bool // it runs no guest, so it needs no live version
	inner   bool // who waits for it is the host itself: the guest cannot answer it
	kills   bool // it comes before all that wait, and cuts off the turn that runs
	brief   bool // it only writes something down, for due work to take up
	writes  bool // its turn writes something whenever it succeeds
	// run is what the turn does, on the actor's goroutine, with a guest or without one. What it leaves in
	// the turn is committed if it returns no error.
	run func(t *turn) (Reply, error)
	// settle, when not nil, is for work that a durable record began. After a failure of run it writes, in a
	// turn that is committed instead, what becomes of the record. Refusals of ours do not come to it.
	settle func(t *turn, failure error) error
	// rows are the keys of the agenda rows that the entry works on. Those that its turn leaves as they are,
	// because it was refused, wait again when it has ended.
	rows []string
}

// fromClient reports whether a client asks, whom the host may tell to come again. What actors ask of each other is part of a
// turn that runs already.
func (e *entry) fromClient() bool { return e.outside && !e.brief && e.sender == (tenants.ActorID{}) }

type entryKind uint8

const (
	entryTurn entryKind = iota
	entryCreate
	entryDestroy
)

// newEntry returns an entry for which somebody waits until deadline.
func newEntry(kind entryKind, deadline time.Time, run func(*turn) (Reply, error)) *entry {
	return &entry{kind: kind, request: &request{deadline: deadline, result: make(chan result, 1)}, run: run}
}
