package testkit

import (
	"context"
	"time"
)

// Restart stops the host as an operator does and starts it again on the same data: turns end, actors sleep with
// their hooks; then they wake with the cause restart. Connections and the guest's memory are gone.
func (k *Kit) Restart() { k.Outage(0) }

// Outage is Restart with a time between the end and the beginning.
func (k *Kit) Outage(d time.Duration) {
	k.tb.Helper()
	ctx, cancel := k.patience()
	defer cancel()
	k.must(k.stack.Host.Drain(ctx))
	k.reopen(d)
}

// Crash ends the host without a word to the guests and starts it again: turns that run are cut off, no hook
// runs. What was answered is there.
func (k *Kit) Crash() {
	k.tb.Helper()
	k.reopen(0)
}

func (k *Kit) reopen(d time.Duration) {
	k.tb.Helper()
	k.web.stop()
	k.web = nil
	k.stack.Close()
	k.hangUp()
	k.clock.Advance(d)
	k.open()
}

// Sleep puts the actor to sleep, as when it was idle for long, and returns when it does. Its Sleep hook runs, and
// the next turn wakes it. Actors of the kit do not sleep by themselves, unless their module says when. One that
// keeps requests open or has work under way cannot sleep.
func (a *Actor) Sleep() {
	a.k.tb.Helper()
	ctx, cancel := a.k.patience()
	defer cancel()
	if err := a.k.stack.Host.Sleep(ctx, a.id); err != nil {
		a.k.tb.Fatalf("testkit: sleep %s: %v", a.name, err)
	}
}

// Destroy ends the actor and its data.
func (a *Actor) Destroy() {
	a.k.tb.Helper()
	if err := a.k.stack.Host.Destroy(context.WithoutCancel(a.k.tb.Context()), a.id); err != nil {
		a.k.tb.Fatalf("testkit: destroy %s: %v", a.name, err)
	}
}
