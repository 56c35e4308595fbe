package actors

import (
	"errors"
	"sync"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// Bounds on the deltas of one actor that are not durable yet: past them its next turn waits.
const (
	maxInFlight      = 16
	maxInFlightBytes = 8 << 20
)

// flight holds the deltas of one actor that were handed to the store and are not durable yet, each
// with the outboxes that wait for it. This is the output gate: nothing in an outbox is seen
// outside before every delta that its turn may have read is on disk.
//
// The actor's goroutine calls launch, follow and the waits; the store calls landed.
type flight struct {
	landing chan struct{} // gets a value when a delta has landed
	refused func()        // called after a delta was refused; must not block

	mu     sync.Mutex // guards the fields below
	deltas []*flying  // oldest first
	bytes  int
	refuse error // why a delta was refused; the lease is then broken
	begun  bool  // a delta has landed
}

// flying is one delta on its way.
type flying struct {
	changes *kv.Overlay
	bytes   int
	gate    []*outbox // of the delta's own turn, then of turns after it that wrote nothing
}

func newFlight(refused func()) *flight {
	return &flight{landing: make(chan struct{}, 1), refused: refused}
}

// launch adds a delta BEFORE it is handed to the store.
func (f *flight) launch(changes *kv.Overlay, bytes int, o *outbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deltas = append(f.deltas, &flying{changes, bytes, []*outbox{o}})
	f.bytes += bytes
}

// follow lets the outbox of a turn that wrote nothing wait for the newest delta in flight. It
// reports false if there is none.
func (f *flight) follow(o *outbox) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.deltas) == 0 {
		return false
	}
	last := f.deltas[len(f.deltas)-1]
	last.gate = append(last.gate, o)
	return true
}

// landed takes the outcome of the oldest delta and opens, or drops, the outboxes behind it. The
// delta leaves the list only after them, so that no later turn's outbox can overtake one of them.
func (f *flight) landed(err error) {
	f.mu.Lock()
	if err != nil && f.refuse == nil {
		f.refuse = err
	}
	d := f.deltas[0]
	failpoint.Reach(failpoint.TurnDurable)
	for len(d.gate) > 0 {
		gate := d.gate
		d.gate = nil
		f.mu.Unlock()
		for _, o := range gate {
			o.release(err)
		}
		f.mu.Lock()
	}
	failpoint.Reach(failpoint.TurnReleased)
	f.begun = true
	f.deltas[0] = nil
	f.deltas = f.deltas[1:]
	f.bytes -= d.bytes
	f.mu.Unlock()
	select {
	case f.landing <- struct{}{}:
	default:
	}
	if err != nil {
		f.refused()
	}
}

// layers returns the changes in flight, newest first, for a kv.View. all says that none has landed: they are all there ever were.
func (f *flight) layers(own *kv.Overlay) (layers []*kv.Overlay, all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	layers = make([]*kv.Overlay, 0, 1+len(f.deltas))
	layers = append(layers, own)
	for i := len(f.deltas) - 1; i >= 0; i-- {
		layers = append(layers, f.deltas[i].changes)
	}
	return layers, !f.begun
}

// waitForRoom returns when another delta may be launched.
func (f *flight) waitForRoom() {
	f.wait(func() bool { return len(f.deltas) < maxInFlight && f.bytes < maxInFlightBytes })
}

// drain returns when nothing is in flight. The store answers every delta, so both waits end.
func (f *flight) drain() { f.wait(func() bool { return len(f.deltas) == 0 }) }

func (f *flight) wait(enough func() bool) {
	for {
		f.mu.Lock()
		ok := enough()
		f.mu.Unlock()
		if ok {
			return
		}
		<-f.landing
	}
}

// broken returns why the lease is broken, nil if it is whole.
func (f *flight) broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuse
}

// mend forgets a broken lease after a new claim. Nothing may be in flight.
func (f *flight) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = nil
}

// outbox is what one turn wants to say outside, held until its commit. Its functions run on a
// goroutine of the store's and must not block.
type outbox struct {
	request *request
	reply   Reply
	err     error
	open    bool     // the request stays open
	effects []func() // events and the like, in the order in which the turn made them
	undo    []func() // what to take back if the turn was not committed
}

// release lets the outbox out, or drops it and answers why the store did not take the turn.
func (o *outbox) release(err error) {
	if err != nil {
		for _, f := range o.undo {
			f()
		}
		o.request.answer(Reply{}, commitError(err))
		return
	}
	for _, f := range o.effects {
		f()
	}
	if !o.open {
		o.request.answer(o.reply, o.err)
	}
}

// commitError says to a client why a turn was not committed.
func commitError(err error) error {
	var unknown *kv.UnknownError
	var bound *kv.BoundError
	switch {
	case errors.As(err, &unknown):
		return abi.Wrap(abi.CodeOutcomeUnknown, err)
	case errors.As(err, &bound):
		return tenants.BoundQuota(bound)
	case errors.Is(err, kv.ErrExists):
		return abi.Wrap(abi.CodeActorExists, err)
	case errors.Is(err, kv.ErrNotFound):
		return abi.Wrap(abi.CodeActorNotFound, err)
	case errors.Is(err, kv.ErrTooLarge):
		return abi.Wrap(abi.CodeDeltaTooLarge, err)
	case errors.Is(err, kv.ErrReadOnly):
		return abi.Wrap(abi.CodeStorageFull, err)
	case errors.Is(err, kv.ErrFenced):
		return abi.Wrap(abi.CodeActorConflict, err)
	case errors.Is(err, kv.ErrClosed):
		return abi.Wrap(abi.CodeUnavailable, err)
	}
	return abi.Wrap(abi.CodeInternal, err)
}
