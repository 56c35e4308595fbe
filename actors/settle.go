package actors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// standing is what an actor that is awake lets others see of its work. Its goroutine writes it, around each
// wait for something to do.
type standing struct {
	mu    sync.Mutex // guards the fields below
	rests bool       // it waits
	count uint64     // of waits begun
	busy  int        // agenda rows on which work goes on elsewhere
	next  time.Time  // when the next row is due; zero if none waits
}

// rest says that the actor begins to wait.
func (s *standing) rest(busy int, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rests, s.busy, s.next = true, busy, next
	s.count++
}

// stir says that it looks for something to do, BEFORE it takes anything.
func (s *standing) stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rests = false
}

// settleTime is how often Settle looks. What ends work is in too many places for each to tell.
const settleTime = time.Millisecond

// Settle waits until the host has nothing left to do by itself: no entry waits or runs, nothing that is due at
// Config.Now is undone, no send or task is under way and no commit in flight. It returns the moment at which
// something is due next, zero if nothing is. Requests that are kept open are not waited for, nor what others
// ask for meanwhile. The error says, when ctx ends first, what goes on; or it is that of Ready.
//
// It is for tests, with a clock that moves only when it is told to.
func (h *Host) Settle(ctx context.Context) (next time.Time, err error) {
	tick := time.NewTicker(settleTime)
	defer tick.Stop()
	var before glance
	for {
		if err := h.Ready(); err != nil {
			return time.Time{}, err
		}
		now, err := h.glance()
		if err != nil {
			return time.Time{}, err
		}
		// One look at many actors is not of one moment. Two that are the same have a moment between them at
		// which all of them rested, and nobody but an actor gives another something to do.
		if now.stir == "" && before.stir == "" && before.marks != nil && maps.Equal(now.marks, before.marks) {
			return now.next, nil
		}
		if before = now; now.stir == "" {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("actors: the host is not settled: %s: %w", now.stir, context.Cause(ctx))
		}
	}
}

// glance is one look at all actors.
type glance struct {
	stir  string // what goes on somewhere; empty if nothing does
	next  time.Time
	marks map[*actor]mark
}

// mark tells apart whether an actor did anything between two looks.
type mark struct {
	posted int
	rests  uint64
}

func (h *Host) glance() (glance, error) {
	now := h.now()
	g := glance{marks: map[*actor]mark{}}
	h.mu.Lock()
	all := maps.Clone(h.awake)
	h.mu.Unlock()
	for _, a := range all {
		m, next, stir := a.glance(now)
		g.marks[a] = m
		g.next = sooner(g.next, next)
		if stir != "" {
			g.stir = fmt.Sprintf("actor %s: %s", a.id, stir)
		}
	}
	if h.isDelivering() {
		g.stir = "events are on their way to connections"
	}
	return g, h.glanceAsleep(&g, all, now)
}

// isDelivering reports whether something is on its way to connections.
func (h *Host) isDelivering() bool {
	h.connMu.Lock()
	all := slices.Collect(maps.Values(h.conns))
	h.connMu.Unlock()
	return slices.ContainsFunc(all, func(s *connSet) bool { return s.isActive() })
}

// glance says what the actor does; stir is empty if it does nothing.
func (a *actor) glance(now time.Time) (m mark, next time.Time, stir string) {
	a.mail.mu.Lock()
	waiting := len(a.mail.queue)
	m.posted = a.mail.posted
	a.mail.mu.Unlock()
	// After the mailbox: what is not there any more was taken by an actor that had stirred.
	s := &a.standing
	s.mu.Lock()
	rests, busy, next := s.rests, s.busy, s.next
	m.rests = s.count
	s.mu.Unlock()
	switch {
	case waiting > 0:
		stir = fmt.Sprintf("%d entries wait", waiting)
	case !rests:
		stir = "a turn runs"
	case busy > 0:
		stir = fmt.Sprintf("%d sends or tasks are under way", busy)
	case len(a.mail.ready) > 0:
		stir = "it is to look again"
	case !next.IsZero() && !next.After(now):
		stir = "something is due"
	case a.flight.count() > 0:
		stir = "a commit is in flight"
	}
	return m, next, stir
}

// glanceAsleep looks for actors that sleep and have something due.
func (h *Host) glanceAsleep(g *glance, awake map[tenants.ActorID]*actor, now time.Time) error {
	for w, err := range h.cfg.Store.Due(h.ctx, time.UnixMilli(farFuture)) {
		if err != nil {
			return abi.Wrap(abi.CodeUnavailable, err)
		}
		id, ok := tenants.IDOfSpace(w.Space)
		if !ok || awake[id] != nil {
			continue
		}
		due := w.Due
		if until, ok := h.alarm.resting(id, now); ok && until.After(due) {
			due = until
		}
		if !due.After(now) {
			g.stir = fmt.Sprintf("actor %s is to wake: something is due", id)
		}
		if g.next = sooner(g.next, due); w.Due.After(now) {
			break // the rest is later
		}
	}
	return nil
}

// sooner returns the earlier of two moments, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// count returns how many deltas are in flight.
func (f *flight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.deltas)
}

// Sleep puts an actor to sleep once it has nothing to do, as when its idle time is over, and returns when it
// has gone. An actor that keeps requests open, or has work under way, stays awake until that has ended; if ctx
// ends first its cause is returned, and the actor goes later. One that sleeps already stays as it is.
func (h *Host) Sleep(ctx context.Context, id tenants.ActorID) error {
	h.mu.Lock()
	a := h.awake[id]
	h.mu.Unlock()
	if a == nil {
		_, err := h.Get(ctx, id)
		return err
	}
	a.mail.nudge()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
