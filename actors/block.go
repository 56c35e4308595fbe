package actors

import (
	"context"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// block runs f, which acts outside at once and may wait, in the middle of a turn. The output gate stands
// here too: f begins only when the actor's earlier turns are durable, since what it does may tell of them.
// The turn's clock moves on over it.
func (t *turn) block(f func(ctx context.Context)) error {
	if t.startup {
		return errStartup
	}
	var refused error
	err := t.a.instance.Wait(func() {
		t.a.flight.drain()
		if refused = t.a.flight.broken(); refused == nil {
			failpoint.Reach(failpoint.CallOpen)
			t.acted = true
			f(t.ctx)
			failpoint.Reach(failpoint.CallAnswered)
		}
	})
	if now := t.a.h.now(); now.After(t.now) {
		t.now, t.a.clock = now, now
	}
	switch {
	case err != nil:
		return err
	case refused != nil:
		return abi.Wrap(abi.CodeActorConflict, refused) // this turn will not be committed either
	}
	return nil
}

// link is one actor of a chain of calls.
type link struct {
	id tenants.ActorID
	// wait tells the blocking call apart that the actor was in when it asked; zero if its turn had ended.
	wait uint64
}

// waits knows which actor waits, inside a turn, for which. A call that would close a circle is refused: it
// could end only by its deadline.
type waits struct {
	of   map[tenants.ActorID]waiting
	last uint64
}

type waiting struct {
	number uint64
	on     tenants.ActorID
}

// begin notes that from waits for to, and returns the number of the wait; or a call_cycle error. The chain is
// that of the request which from serves. The host's lock is held.
func (w *waits) beginLocked(chain []link, from, to tenants.ActorID) (uint64, error) {
	path := []tenants.ActorID{from, to}
	for at := to; at != from; {
		next, ok := w.of[at]
		if !ok {
			path = nil
			break
		}
		at = next.on
		path = append(path, at)
	}
	for i, l := range chain {
		// It waits for this very chain, through requests that outlived their turns.
		if path == nil && l.id == to && l.wait != 0 && w.of[to].number == l.wait {
			for _, rest := range chain[i:] {
				path = append(path, rest.id)
			}
			path = append(path, from, to)
		}
	}
	if path != nil {
		return 0, cycle(path)
	}
	if w.of == nil {
		w.of = map[tenants.ActorID]waiting{}
	}
	w.last++
	w.of[from] = waiting{w.last, to}
	return w.last, nil
}

func (w *waits) endLocked(from tenants.ActorID) { delete(w.of, from) }

func cycle(path []tenants.ActorID) error {
	ids := make([]string, len(path))
	for i, id := range path {
		ids[i] = id.String()
	}
	return (&abi.Error{Code: abi.CodeCallCycle}).With(map[string]any{
		"chain": ids,
		"next":  "send, which does not wait, or begin the call as a task and answer in a later turn",
	})
}

// callDeadline is until when a request of a turn may take.
func (t *turn) callDeadline() time.Time {
	if d := t.a.h.deadline(); d.Before(t.entry.deadline) {
		return d
	}
	return t.entry.deadline
}
