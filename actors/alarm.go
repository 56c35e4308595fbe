package actors

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/tenants"
)

// alarm wakes sleeping actors that have something due. Awake ones look after themselves. It keeps
// nothing of an actor but the earliest moment of all: the index is the store's.
type alarm struct {
	h    *Host
	poke chan struct{} // capacity 1: look again
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex                    // guards the fields below
	snooze map[tenants.ActorID]time.Time // actors that could not do their work when they were woken
	waking int                           // actors that the alarm woke and that still do what was due
	of     map[tenants.ID]int            // the same by namespace
	short  bool                          // there was no room for an actor
}

const (
	// maxWaking bounds the actors that wake at one time because something is due, and wakingShare those of one
	// namespace: what keeps them busy, such as a turn of a minute, must not keep others asleep.
	maxWaking   = 128
	wakingShare = maxWaking - maxWaking/4
	// maxLooked bounds the rows of a namespace's share that a round looks past.
	maxLooked = 10_000
	// snoozeTime is how long an actor rests that was woken and could not do its work.
	snoozeTime = time.Second
	// farFuture is past every moment that a schedule may have.
	farFuture = math.MaxInt64 / 2
)

func startAlarm(h *Host) *alarm {
	al := &alarm{
		h: h, poke: make(chan struct{}, 1), done: make(chan struct{}),
		snooze: map[tenants.ActorID]time.Time{}, of: map[tenants.ID]int{},
	}
	go al.run() // ends with h.ctx; Close waits
	return al
}

// again makes the alarm look at the store now: an actor sleeps that has work, or the clock has moved.
func (al *alarm) again() {
	select {
	case al.poke <- struct{}{}:
	default:
	}
}

// rest keeps the alarm away from an actor until a moment.
func (al *alarm) rest(id tenants.ActorID, until time.Time) {
	al.mu.Lock()
	defer al.mu.Unlock()
	al.snooze[id] = until
}

// sweep forgets what is past: most of these actors have done their work since, or are no more.
func (al *alarm) sweep(now time.Time) {
	al.mu.Lock()
	defer al.mu.Unlock()
	for id, until := range al.snooze {
		if !now.Before(until) {
			delete(al.snooze, id)
		}
	}
}

// resting returns until when an actor is to be left alone.
func (al *alarm) resting(id tenants.ActorID, now time.Time) (until time.Time, ok bool) {
	al.mu.Lock()
	defer al.mu.Unlock()
	until, ok = al.snooze[id]
	return until, ok && now.Before(until)
}

// begin makes room for an actor to wake in. full says that there is none for anybody.
func (al *alarm) begin(ns tenants.ID) (ok, full bool) {
	al.mu.Lock()
	defer al.mu.Unlock()
	if al.waking >= maxWaking || al.of[ns] >= wakingShare {
		al.short = true
		return false, al.waking >= maxWaking
	}
	al.waking++
	al.of[ns]++
	return true, false
}

// end gives the room back, to whoever had none.
func (al *alarm) end(ns tenants.ID) {
	al.mu.Lock()
	defer al.mu.Unlock()
	al.waking--
	if al.of[ns]--; al.of[ns] == 0 {
		delete(al.of, ns)
	}
	if al.short {
		al.short = false
		al.again()
	}
}

func (al *alarm) run() {
	defer close(al.done)
	for {
		next, err := al.round()
		if err != nil && al.h.ctx.Err() == nil {
			al.h.cfg.Logger.Error("cannot read what is due", "error", err)
			next = al.h.now().Add(snoozeTime)
		}
		if !al.wait(next) {
			return
		}
	}
}

// wait returns when next has come, or somebody pokes; false when the host ends.
func (al *alarm) wait(next time.Time) bool {
	timer := time.NewTimer(max(0, next.Sub(al.h.now())))
	defer timer.Stop()
	select {
	case <-al.h.ctx.Done():
		return false
	case <-al.poke:
	case <-timer.C:
	}
	return true
}

// longest is how long the alarm waits at most: a moment far away may be nearer after a change of the
// machine's clock.
const longest = time.Minute

// round wakes every sleeping actor that has something due, and returns when to look again.
func (al *alarm) round() (next time.Time, err error) {
	now := al.h.now()
	next = now.Add(longest)
	al.sweep(now)
	if later, ok := al.roundLater(now); ok {
		return later, nil
	}
	looked := 0
	for w, err := range al.h.cfg.Store.Due(al.h.ctx, time.UnixMilli(farFuture)) {
		if err != nil {
			return next, err
		}
		if w.Due.After(now) {
			return earlier(next, w.Due), nil
		}
		id, ok := tenants.IDOfSpace(w.Space)
		if !ok || al.h.isAwake(id) {
			continue
		}
		if until, ok := al.resting(id, now); ok {
			next = earlier(next, until)
			continue
		}
		switch ok, full := al.begin(id.Namespace); {
		case ok:
			al.h.rouse(id, func() { al.end(id.Namespace) })
		case full:
			return next, nil // the end of one of them is when to look again
		default:
			if looked++; looked == maxLooked {
				return next, nil
			}
		}
	}
	return next, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// isAwake reports whether an actor's goroutine runs.
func (h *Host) isAwake(id tenants.ActorID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.awake[id] != nil
}

// rouse wakes an actor because something is due. settled is called once it has got to its work, or has
// gone.
func (h *Host) rouse(id tenants.ActorID, settled func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.admitLocked(id.Namespace) != nil || h.awake[id] != nil {
		settled()
		return
	}
	h.startLocked(id, nil).roused = settled
}

// Look makes the host look at what is due. It is for clocks that do not move by themselves, which
// tests have.
func (h *Host) Look() {
	h.mu.Lock()
	for _, a := range h.awake {
		a.mail.poke()
	}
	h.mu.Unlock()
	h.alarm.again()
}

// stop ends the alarm with the host's context.
func (al *alarm) stop(cancel context.CancelFunc) {
	cancel()
	<-al.done
}
