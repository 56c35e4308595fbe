package actors

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
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
			return &abi.Error{Code: abi.CodeActorOverloaded, Retry: time.Second}
		}
		m.outside++
	}
	m.queue = append(m.queue, e)
	m.posted++
	m.signal()
	return nil
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
	return e
}

// nudge asks the actor to sleep once it has nothing to do.
func (m *mailbox) nudge() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nudged = true
	m.signal()
}

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
	m.mu.Unlock()
	for _, e := range queue {
		if e.take() {
			e.answer(Reply{}, err)
		}
	}
}

// entry is one thing that an actor is asked to do.
type entry struct {
	kind     entryKind
	outside  bool // counts against the mailbox
	deadline time.Time
	request  Request       // of an action
	create   CreateOptions // of a creation

	state  atomic.Int32
	result chan result // capacity 1
}

type entryKind uint8

const (
	entryAction entryKind = iota
	entryCreate
	entryDestroy
)

type result struct {
	reply Reply
	err   error
}

// An entry is either taken by the actor or given up by the one who waits, never both.
const (
	entryWaiting = iota
	entryTaken
	entryGivenUp
)

func newEntry(kind entryKind, deadline time.Time) *entry {
	return &entry{kind: kind, deadline: deadline, result: make(chan result, 1)}
}

// take reports whether the actor may run the entry.
func (e *entry) take() bool { return e.state.CompareAndSwap(entryWaiting, entryTaken) }

// answer gives the result to the one who waits. It never blocks; it must be called once.
func (e *entry) answer(r Reply, err error) { e.result <- result{r, err} }

// wait returns the answer. If ctx ends first, an entry that nobody has taken will never run; one
// that runs goes on without us when the client has gone, and is waited for when only its time is
// up: its turn ends by the same deadline and knows better how.
func (e *entry) wait(ctx context.Context) (Reply, error) {
	late := time.NewTimer(time.Until(e.deadline))
	defer late.Stop()
	select {
	case r := <-e.result:
		return r.reply, r.err
	case <-ctx.Done():
		e.state.CompareAndSwap(entryWaiting, entryGivenUp)
		return Reply{}, &abi.Error{Code: abi.CodeActionTimedOut, Message: "The client went away", Cause: context.Cause(ctx)}
	case <-late.C:
	}
	if e.state.CompareAndSwap(entryWaiting, entryGivenUp) {
		return Reply{}, abi.Errorf(abi.CodeActionTimedOut, "The request waited too long for the actor")
	}
	select {
	case r := <-e.result:
		return r.reply, r.err
	case <-ctx.Done():
		return Reply{}, abi.Wrap(abi.CodeActionTimedOut, context.Cause(ctx))
	}
}
