package guesttest

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Sleep puts the actor to sleep, with its connections kept. It returns the error of its Sleep, which
// keeps no actor awake. The next turn wakes it.
func (a *Actor) Sleep() error {
	err := a.hook(abi.HookSleep, &abi.Turn{Kind: abi.KindSleep})
	a.Forget()
	a.asleep = true
	return err
}

// Restart stands for another host process: connections and open requests are gone, and no hook is
// told. It returns the error of the actor's Wake.
func (a *Actor) Restart() error {
	a.Forget()
	a.host.List, a.host.Requests = nil, map[uint64]*answer{}
	return a.wake(abi.WakeRestart)
}

// SetState replaces the saved state by v, as JSON: what another version of the module left. The next turn
// reads it.
func (a *Actor) SetState(v any) {
	a.Forget()
	a.host.State, a.host.HasState = document(v), true
}

// Upgrade runs the actor's Upgrade and then its Wake, as a change of its module's version does. A test of the
// way back has the code of the version that is left, as the hook has.
func (a *Actor) Upgrade(from, to int) error {
	a.Forget()
	if err := a.hook(abi.HookUpgrade, &abi.Turn{Kind: abi.KindUpgrade, Head: document(abi.Upgrade{From: from, To: to})}); err != nil {
		return err
	}
	a.host.Identity.Version = to
	return a.wake(abi.WakeUpgrade)
}

// Destroy ends the actor and returns the error of its Destroy, which saves no actor. Calls then return
// abi.CodeActorNotFound.
func (a *Actor) Destroy() error {
	if a.gone {
		return nil
	}
	a.host.Destroyed = false // so that the hook's turn does not begin it again
	err := a.hook(abi.HookDestroy, &abi.Turn{Kind: abi.KindDestroy})
	a.gone = true
	return err
}

// Destroyed reports whether the actor has ended.
func (a *Actor) Destroyed() bool { return a.gone }

// Asleep reports whether the actor sleeps.
func (a *Actor) Asleep() bool { return a.asleep }

// SetGas sets what GasLeft says.
func (a *Actor) SetGas(gas int64) { a.host.Gas = gas }

// Advance moves the clock on. Schedules and timers that are due on the way run, each at its time.
func (a *Actor) Advance(d time.Duration) {
	end := a.host.Time.Add(d)
	for !a.gone {
		s, scheduled := a.host.Due(end.UnixMilli())
		t, timed := a.timer(end.UnixMilli())
		switch {
		case scheduled && (!timed || s.Next <= t.Due):
			a.moveTo(s.Next)
			a.fire(s)
		case timed:
			a.moveTo(t.Due)
			// What fails becomes a dead letter: see DeadLetters.
			_ = a.end(t.ID, &abi.Reply{})
		default:
			a.host.Time = end
			return
		}
	}
}

func (a *Actor) moveTo(ms int64) {
	if t := time.UnixMilli(ms); t.After(a.host.Time) {
		a.host.Time = t.In(a.host.Time.Location())
	}
}

// fire runs one schedule's action.
func (a *Actor) fire(s abi.Schedule) {
	kind := "once"
	switch {
	case s.Every != 0:
		kind = "every"
	case s.Cron != "":
		kind = "cron"
	}
	head := document(abi.Fire{ID: s.ID, Name: s.Name, Kind: kind, Due: s.Next, Run: s.Runs + 1})
	err := a.turn(&abi.Turn{Kind: abi.KindAction, Name: s.Action, Args: s.Args, Head: head})
	a.host.Fired(s, err)
}

// Schedules returns the actor's schedules in no order.
func (a *Actor) Schedules() []abi.Schedule {
	var list []abi.Schedule
	for _, s := range a.host.Plan {
		list = append(list, s)
	}
	return list
}

// Runs returns the runs of a schedule by its id, newest first.
func (a *Actor) Runs(id string) []abi.Run { return a.host.Runs[id] }

// DeadLetters returns what was given up, oldest first.
func (a *Actor) DeadLetters() []abi.DeadLetter { return a.host.DeadLetters }

func (a *Actor) bury(kind, id, name string, body []byte, err error) {
	a.host.DeadLetters = append(a.host.DeadLetters, abi.DeadLetter{
		ID: id, Kind: kind, Name: name, Body: body, Error: err.Error(), Attempts: abi.MaxAttempts, At: a.host.Time.UnixMilli(),
	})
}

func (a *Actor) wake(cause string) error {
	a.asleep, awake[a.name] = false, a
	return a.hook(abi.HookWake, &abi.Turn{Kind: abi.KindWake, Head: document(abi.Wake{Cause: cause, Generation: 1})})
}

// settle does what the last turn asked for.
func (a *Actor) settle() error {
	for len(a.host.Closed) > 0 {
		c := a.host.Closed[0]
		a.host.Closed = a.host.Closed[1:]
		if err := a.drop(c.Conn, abi.Gone{Code: c.Code, Reason: c.Reason, Clean: true}); err != nil {
			return err
		}
	}
	if a.host.Sleeping {
		a.host.Sleeping = false
		_ = a.Sleep() // logged by a host, and no reason to stay awake
	}
	if a.host.Destroyed {
		_ = a.Destroy() // the same
	}
	return nil
}
