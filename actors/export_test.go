package actors

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// SetTurnTime changes the time of requests that come from now on. Nothing may be running.
func (h *Host) SetTurnTime(d time.Duration) { h.cfg.TurnTime = d }

// Posted returns how many entries were ever put into the mailbox of an actor that is awake.
func (h *Host) Posted(id tenants.ActorID) int { posted, _ := h.mailOf(id); return posted }

// Waiting returns how many entries are in the mailbox of an actor that is awake.
func (h *Host) Waiting(id tenants.ActorID) int { _, waiting := h.mailOf(id); return waiting }

// Nudge asks all actors that are awake to sleep.
func (h *Host) Nudge() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.awake {
		a.mail.nudge()
	}
}

func (h *Host) mailOf(id tenants.ActorID) (posted, waiting int) {
	h.mu.Lock()
	a := h.awake[id]
	h.mu.Unlock()
	if a == nil {
		return 0, 0
	}
	a.mail.mu.Lock()
	defer a.mail.mu.Unlock()
	return a.mail.posted, len(a.mail.queue)
}

// InTurn reports whether an actor that is awake runs a turn of which a guest is part, or is about to.
func (h *Host) InTurn(id tenants.ActorID) bool {
	h.mu.Lock()
	a := h.awake[id]
	h.mu.Unlock()
	if a == nil {
		return false
	}
	a.mail.mu.Lock()
	defer a.mail.mu.Unlock()
	return a.mail.cut != nil
}

// Claims returns how many turns wait for a place.
func (h *Host) Claims() int {
	h.instances.mu.Lock()
	defer h.instances.mu.Unlock()
	return len(h.instances.waiting)
}

// ForgetPair runs the turn that ends a pair on its sender, as a courier that told the receiver about number n.
func ForgetPair(h *Host, from, to tenants.ActorID, n uint64) {
	p := pair{from: from.String(), to: to.String(), name: to.String()}
	h.tell(from, func(t *turn) (Reply, error) { return Reply{}, t.forgotten(p, n, nil) })
}

// PostEnd leaves the end of a pair with the post office, as a sender does that goes.
func PostEnd(h *Host, from, to tenants.ActorID, n uint64) error {
	p := pair{from: from.String(), to: to.String(), name: from.String() + to.String()}
	row := agendaRow(h.now(), binary.BigEndian.AppendUint64(nil, n))
	return h.mail(from.Namespace, []kv.Op{{Key: p.forgetKey(), Value: row}})
}

// SetOnceCount makes an actor believe that it keeps n records of idempotency keys.
func SetOnceCount(t *testing.T, h *Host, id tenants.ActorID, n uint64) {
	t.Helper()
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		t.setCounter(onceCountKey, n)
		return Reply{}, nil
	})
	if _, err := h.post(context.Background(), id, e); err != nil {
		t.Fatal(err)
	}
}

// Refusal returns what an upload is told of a start-up that ended with err after it had slept for a while.
func Refusal(err error, slept time.Duration) error {
	return (&probe{slept: slept}).refusal("start-up", err)
}

// ConnSets returns for how many actors the host keeps connections.
func (h *Host) ConnSets() int {
	h.connMu.Lock()
	defer h.connMu.Unlock()
	return len(h.conns)
}

// Occupy holds an actor in a turn until what it returns is called.
func Occupy(t *testing.T, h *Host, id tenants.ActorID) (free func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	e := newEntry(entryTurn, h.deadline(), func(*turn) (Reply, error) { close(begun); <-end; return Reply{}, nil })
	e.bare = true
	if err := h.put(context.Background(), id, e); err != nil {
		t.Fatal(err)
	}
	<-begun
	return sync.OnceFunc(func() { close(end) })
}

// IsAwake reports whether an actor is awake.
func (h *Host) IsAwake(id tenants.ActorID) bool { return h.isAwake(id) }
