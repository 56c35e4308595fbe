package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What the agenda means to an actor: how turns write rows, and what happens to those whose work was
// refused.

// dueRow writes a row of the agenda.
func (t *turn) dueRow(kind agendaKind, name []byte, due time.Time, body []byte) error {
	key := agendaKey(kind, name)
	had := t.hasRow(key)
	if !had {
		if err := t.mayAddRow(kind); err != nil {
			return err
		}
	}
	if err := t.put(key, agendaRow(due, body)); err != nil {
		return err
	}
	if !had {
		t.grow(kind, 1)
	}
	return nil
}

// dropRow removes a row of the agenda.
func (t *turn) dropRow(kind agendaKind, name []byte) error {
	key := agendaKey(kind, name)
	had := t.hasRow(key)
	if err := t.delete(key); err != nil {
		return err
	}
	if had {
		t.grow(kind, -1)
	}
	return nil
}

// hasRow reports whether the turn sees an agenda row, without reading it.
func (t *turn) hasRow(key []byte) bool {
	if v, ok := t.changes.Get(key); ok {
		return v != nil
	}
	return t.a.agenda.has(string(key))
}

func (t *turn) grow(kind agendaKind, n int) {
	if t.grown == nil {
		t.grown = map[agendaKind]int{}
	}
	t.grown[kind] += n
}

// dueRows returns how many rows of a kind the turn sees.
func (t *turn) dueRows(kind agendaKind) int { return t.a.agenda.counts[kind] + t.grown[kind] }

// options are what the actor's live version says of it.
func (t *turn) options() abi.Options { return t.a.version.Actors[t.a.record.Name].Options }

// newID returns an id that no other row of the actor ever had. Ids of later turns, and later ids of one
// turn, are greater: the number of the delta that the turn will be is in front.
func (t *turn) newID() string {
	t.made++
	return fmt.Sprintf("%011x%05x", t.a.number+1, t.made)
}

// choice returns a limit of the actor's own choice, or what it is without one.
func choice(chosen, usual, most int) int {
	if chosen <= 0 {
		return usual
	}
	return min(chosen, most)
}

const (
	// restTime is how long an actor rests whose due work was refused.
	restTime = time.Second
	// longRest is for those that cannot run until somebody acts.
	longRest = 30 * time.Second
)

// putBack lets agenda rows wait again that a turn was to work on and left as they are: it was refused. That
// is not an attempt. The actor then rests, or it would try without end.
func (a *actor) putBack(e *entry, err error) {
	if err == nil && e.rows == nil {
		a.resting = time.Time{} // whatever was wrong is not any more
		return
	}
	for _, key := range e.rows {
		if a.agenda.busy(key) {
			a.agenda.idle(key, time.Time{})
			a.rest(err)
		}
	}
}

// rest keeps the actor from its due work for a while. One that cannot run until somebody uploads a version
// sleeps meanwhile.
func (a *actor) rest(why error) {
	d := restTime
	if abi.CodeOf(why) == abi.CodeActorNoVersion {
		d = longRest
		a.mail.nudge()
	}
	if e := abi.AsError(why); e != nil {
		d = min(max(d, e.Retry), time.Minute)
	}
	a.resting = a.h.now().Add(d)
}

// takeUpAgain gets a whole lease after a delta was refused: what it did to the agenda never was, so what is due
// is read again.
func (a *actor) takeUpAgain() {
	why := a.flight.broken()
	if why == nil || a.h.Ready() != nil {
		return
	}
	a.rest(commitError(why))
	if err := a.reclaim(); err != nil && !errors.Is(err, errNoActor) { // else it was never made, or is no more
		a.h.cfg.Logger.Warn("cannot take up an actor again", "tenant", a.id.Namespace, "actor", a.id, "error", err)
	}
}

// noteDelay counts how late a schedule is that is taken up.
func (a *actor) noteDelay(key string) {
	if agendaKind(key[1]) == agendaSchedule {
		a.h.stats.late.Add(a.agenda.delay(key, a.h.now()))
	}
}

// leaveWork hands what the actor has not done to the alarm.
func (a *actor) leaveWork() {
	next, now := a.agenda.due(), a.h.now()
	if a.gone || next.IsZero() && a.flight.broken() == nil {
		return
	}
	switch {
	case a.resting.After(now):
		a.h.alarm.rest(a.id, a.resting)
	case !next.After(now):
		a.h.alarm.rest(a.id, now.Add(snoozeTime)) // it could not do its work
	}
	a.h.alarm.again()
}
