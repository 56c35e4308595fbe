package testkit

import (
	"context"
	"time"
)

// Now returns the moment that the clock shows.
func (k *Kit) Now() time.Time { return k.clock.Now() }

// Advance moves the clock on and lets what is due happen, each at its own moment: schedules, messages, timers,
// tries again. It returns when the host is settled, and settles it before it begins.
func (k *Kit) Advance(d time.Duration) {
	k.tb.Helper()
	end := k.Now().Add(d)
	for {
		next := k.Settle()
		if next.IsZero() || next.After(end) {
			break
		}
		k.Pass(next.Sub(k.Now()))
	}
	k.Pass(end.Sub(k.Now()))
	k.Settle()
}

// Pass moves the clock on at once and waits for nothing, as when a machine is busy.
func (k *Kit) Pass(d time.Duration) {
	k.clock.Advance(d)
	k.stack.Host.Look()
}

// Settle waits until the host has nothing to do by itself: all that is due is done, sends are delivered, tasks
// have ended, everything is on disk. It returns the moment at which something is due next, zero if nothing is.
// Requests that an actor keeps open are not waited for.
func (k *Kit) Settle() time.Time {
	k.tb.Helper()
	ctx, cancel := k.patience()
	defer cancel()
	for {
		before := k.closed.Load()
		next, err := k.stack.Host.Settle(ctx)
		k.must(err)
		if k.closing.Wait(); k.closed.Load() == before {
			return next // no client left meanwhile, which its actor was told
		}
	}
}

func (k *Kit) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(k.tb.Context(), k.o.Patience)
}
