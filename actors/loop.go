package actors

import (
	"os"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs"
)

// run is the actor's goroutine. It starts when somebody needs the actor and ends when the actor
// sleeps, is destroyed, or cannot be opened. While the actor waits, this, step, next, await and pause are on its stack, which the
// collector halves as long as they take less than a quarter: what is done before and after is in functions of its own, so that 4 KiB do.
func (a *actor) run() {
	growStack()
	defer a.end()
	if !a.arise() {
		return
	}
	idle := time.NewTimer(a.h.cfg.IdleTime)
	defer idle.Stop()
	for a.step(idle) {
	}
}

// arise opens the actor, or answers all that waits for it with why it cannot be.
//
//go:noinline
func (a *actor) arise() bool {
	if err := a.open(); err != nil {
		a.mail.fail(err)
		return false
	}
	a.tally = a.allowance.Tally(a.id)
	if !a.newborn && !a.isPostOffice() {
		a.h.settle(a, a.record.info(a.id))
	}
	return true
}

// step does the next thing. It reports false if there is none any more.
//
//go:noinline
func (a *actor) step(idle *time.Timer) bool {
	e := a.next(idle)
	switch {
	case a.mail.isEvicted():
		a.vanish()
		return false
	case e == nil:
		a.fallAsleep()
		return false
	case !a.serve(e):
		return false
	}
	a.stay(idle)
	return true
}

// stay begins the time that the actor may wait with nothing to do.
//
//go:noinline
func (a *actor) stay(idle *time.Timer) {
	a.calm = false
	idle.Reset(min(a.idleTime(), calmTime))
}

// growStack has the goroutine's stack grow at once to what a turn needs. It would grow by steps, from 2 KiB, and be copied at each with
// all that is on it then; now nothing is.
//
//go:noinline
func growStack() byte {
	var room [12 << 10]byte
	return room[len(os.Args)%len(room)]
}

// calmTime is how long an actor waits for its next turn before it gives back what a turn would need again: far more than it
// takes to make that anew, and far less than until it sleeps.
const calmTime = time.Second

// calmDown gives back what the next turn would need again, for some 10 µs of its time: the engine's stack, 10 to 32 KiB, the memory of
// Extism's blocks and that of envelopes. It reports false if it has been done, or the actor may sleep already.
func (a *actor) calmDown() bool {
	if a.calm || a.idleTime() <= calmTime {
		return false
	}
	a.calm, a.kernel, a.buf = true, hostfuncs.Kernel{}, nil
	if a.instance != nil {
		a.instance.CalmDown()
	}
	return true
}

// next returns what to do next: by turns the oldest entry and what is due. It waits until there is
// something. It returns nil when the actor is to sleep; its mailbox is then closed.
func (a *actor) next(idle *time.Timer) *entry {
	for !a.mail.isEvicted() {
		if e := a.take(); e != nil {
			a.unpark()
			return e
		}
		a.gotToWork()
		if a.mayRest() && (!a.park() || a.mail.wasNudged()) {
			if a.mail.closeIfEmpty() {
				return nil
			}
			continue
		}
		if a.mayLend() && (!a.park() || a.mail.wasNudged()) {
			a.lend()
			continue
		}
		a.await(idle)
	}
	return nil
}

// maxBriefs is how many brief entries may come in a row.
const maxBriefs = 64

// take returns the oldest entry or what is due, by turns, or nil. Brief entries come before both, some at a
// time: the senders of messages do not wait for the handler of others, and it finds them together.
func (a *actor) take() *entry {
	if a.briefs < maxBriefs {
		if e := a.mail.takeBrief(); e != nil {
			a.briefs++
			return e
		}
	}
	a.briefs = 0
	a.dueFirst = !a.dueFirst
	if a.dueFirst {
		if e := a.takeDue(); e != nil {
			return e
		}
	}
	if e := a.mail.take(); e != nil {
		return e
	}
	return a.takeDue()
}

// await returns when there may be something to do.
//
//go:noinline
func (a *actor) await(idle *time.Timer) {
	due, late := a.alarms()
	over := a.pause(idle, due, late)
	a.standing.stir()
	due.stop()
	late.stop()
	if over {
		a.idleOver(idle)
	}
}

// ringer is a timer, nil for one that never rings.
type ringer struct{ *time.Timer }

func (r ringer) stop() {
	if r.Timer != nil {
		r.Stop()
	}
}

func (r ringer) rings() <-chan time.Time {
	if r.Timer == nil {
		return nil
	}
	return r.C
}

// alarms returns timers for the next row of the agenda and for the next open request whose time is up, which the caller stops.
//
//go:noinline
func (a *actor) alarms() (due, late ringer) {
	next := a.agenda.next()
	if !next.IsZero() && next.Before(a.resting) {
		next = a.resting
	}
	a.standing.rest(a.agenda.working(), next)
	if !next.IsZero() {
		due.Timer = time.NewTimer(max(0, min(next.Sub(a.h.now()), longest)))
	}
	if next := a.requests.next(); !next.IsZero() {
		late.Timer = time.NewTimer(time.Until(next))
	}
	return due, late
}

// pause waits. It reports whether the time is over for which the actor waits with nothing to do.
//
//go:noinline
func (a *actor) pause(idle *time.Timer, due, late ringer) bool {
	select {
	case <-a.mail.ready:
	case <-due.rings():
	case <-late.rings():
	case <-a.h.ctx.Done():
		a.mail.nudge()
	case <-idle.C:
		return true
	}
	return false
}

// idleOver has the actor sleep, if it may and has given back what it does not need.
//
//go:noinline
func (a *actor) idleOver(idle *time.Timer) {
	if a.calmDown() {
		idle.Reset(a.idleTime() - calmTime)
		return
	}
	if !a.mayRest() {
		idle.Reset(a.idleTime())
		if !a.mayLend() {
			return
		}
	}
	a.mail.nudge()
}
