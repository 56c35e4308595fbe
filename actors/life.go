package actors

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// leaving is what a turn decides of its actor's life.
type leaving uint8

const (
	stay leaving = iota
	goToSleep
	beDestroyed
)

// SleepAfter implements hostfuncs.Life.
func (t *turn) SleepAfter() error {
	if t.startup {
		return errStartup
	}
	t.leave = max(t.leave, goToSleep)
	return nil
}

// Destroy implements hostfuncs.Life. The actor goes right behind the turn; should the process die in between, or the
// store refuse it, a row that is due has it go later.
func (t *turn) Destroy() error {
	if t.startup {
		return errStartup
	}
	t.leave = beDestroyed
	t.changes.Put(agendaKey(agendaLifetime, nil), agendaRow(t.now, nil))
	return nil
}

// manifest returns what the actor's version says of it.
func (a *actor) manifest() *abi.ActorManifest {
	m := a.version.Actors[a.record.Name]
	return &m
}

// hook returns the turn of a hook, which has a time of its own.
func (a *actor) hook(k *ask, limit time.Duration) *entry {
	return newEntry(entryTurn, time.Now().Add(limit), func(t *turn) (Reply, error) { return t.runGuest(k) })
}

// milliseconds is an option of the manifest, or its default.
func milliseconds(option int64, def time.Duration) time.Duration {
	if option > 0 {
		return time.Duration(option) * time.Millisecond
	}
	return def
}

// hookTime is how long a hook may take.
const hookTime = abi.MaxHookSeconds * time.Second

// isHook reports whether a kind of turn is a hook of the actor's life or of its clients, which has a time of its
// own and whose traps make a crash loop.
func isHook(k abi.Kind) bool {
	switch k {
	case abi.KindWake, abi.KindSleep, abi.KindDestroy, abi.KindUpgrade, abi.KindConnect, abi.KindDisconnect, abi.KindOpen, abi.KindClose,
		abi.KindGone, abi.KindSubscribe, abi.KindPublish:
		return true
	}
	return false
}

// turnTime is how long the guest may take in a turn of a kind, within the request's own deadline; zero is no
// other bound.
func (a *actor) turnTime(k abi.Kind) time.Duration {
	o := &a.manifest().Options
	switch {
	case k == abi.KindConnect, k == abi.KindOpen:
		// What Rivet does in three steps is one turn.
		if o.OnBeforeConnectTimeout+o.CreateConnStateTimeout+o.OnConnectTimeout == 0 {
			return hookTime
		}
		return milliseconds(o.OnBeforeConnectTimeout, hookTime) + milliseconds(o.CreateConnStateTimeout, hookTime) + milliseconds(o.OnConnectTimeout, hookTime)
	case k == abi.KindWake, k == abi.KindSleep, k == abi.KindDestroy, k == abi.KindUpgrade:
		return 0 // their requests have it
	case isHook(k):
		return hookTime
	}
	return milliseconds(o.ActionTimeout, 0)
}

// within bounds what follows in the turn to d. The function that it returns lifts the bound.
func (t *turn) within(d time.Duration) (lift func()) {
	if d == 0 {
		return func() {}
	}
	outer := t.ctx
	inner := newTurnContext(outer, time.Now().Add(d))
	t.ctx = inner
	return func() {
		inner.cut(context.Canceled)
		t.ctx = outer
	}
}

// awaken runs the hook wake if the guest's memory is not that of the turn before: on every wake, by page
// delta or by reload, and after a trap. Its failure is that of whoever woke the actor.
func (a *actor) awaken() error {
	if a.cause == "" || a.newborn {
		return nil
	}
	if !a.manifest().HasHook(abi.HookWake) || a.version.Plain {
		a.cause = ""
		return nil
	}
	head := abi.Wake{Cause: a.cause, Memory: a.instance != nil, Generation: a.generation()}
	if next := a.agenda.due(); !next.IsZero() {
		head.Overdue = max(0, a.h.now().Sub(next).Milliseconds())
	}
	e := newEntry(entryTurn, time.Now().Add(milliseconds(a.manifest().Options.CreateVarsTimeout, hookTime)), func(t *turn) (Reply, error) {
		if err := a.ensureInstance(t); err != nil {
			return Reply{}, err
		}
		head.Memory = !a.reload
		doc, err := json.Marshal(head)
		if err != nil {
			return Reply{}, err
		}
		if head.Cause == abi.WakeRestart && a.h.Writable() == nil { // or an actor could not even be read
			t.setCounter(wokenKey, a.lease.Epoch.Boot) // so that the next wake is none of a restart
		}
		return t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindWake, Head: doc}})
	})
	if err := a.runTurn(e); err != nil {
		return err
	}
	a.cause = ""
	return nil
}

// causeOfWake says why an actor that was just opened wakes. A process that wrote the actor's last delta had
// it awake before.
func (a *actor) causeOfWake() string {
	switch {
	case a.newborn:
		return abi.WakeCreate
	case a.lease.Written.Boot == a.lease.Epoch.Boot:
		return abi.WakeSleep
	}
	return abi.WakeRestart
}

// generation numbers the actor's lives: it grows with each.
func (a *actor) generation() uint64 { return a.lease.Epoch.Boot<<32 | a.lease.Epoch.Claim&(1<<32-1) }

// fallAsleep runs the hook sleep, the last turn of a life, unless the store would refuse it as it did an earlier one. Its
// failure is logged; the actor sleeps.
func (a *actor) fallAsleep() {
	if a.instance == nil || a.flight.broken() != nil || a.version.Plain || !a.manifest().HasHook(abi.HookSleep) || a.h.ctx.Err() != nil {
		return
	}
	a.runTurn(a.hook(&ask{Turn: abi.Turn{Kind: abi.KindSleep}}, milliseconds(a.manifest().Options.SleepGracePeriod, hookTime)))
}

// sayGoodbye runs the hook destroy. Whatever it does, the actor goes; what it sends is delivered.
func (a *actor) sayGoodbye() {
	if a.h.ctx.Err() != nil || a.upgrade(time.Now().Add(hookTime)) != nil || a.version.Plain || !a.manifest().HasHook(abi.HookDestroy) {
		return
	}
	if a.awaken() == nil {
		a.runTurn(a.hook(&ask{Turn: abi.Turn{Kind: abi.KindDestroy}}, milliseconds(a.manifest().Options.SleepGracePeriod, hookTime)))
	}
}

// idleTime is how long the actor stays awake with nothing to do.
func (a *actor) idleTime() time.Duration {
	if a.version == nil {
		return a.h.cfg.IdleTime
	}
	o := &a.manifest().Options
	if o.NoSleep {
		return forever
	}
	return milliseconds(o.SleepTimeout, a.h.cfg.IdleTime)
}

const forever = 100 * 365 * 24 * time.Hour
