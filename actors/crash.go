package actors

import (
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// An actor that traps whenever it starts would do nothing but start. After some traps in hooks within a
// while it is left alone, for longer each time.
const (
	crashLimit  = 5
	crashWindow = time.Minute
	crashRest   = time.Second // doubles with each crash above the limit
	crashMost   = 5 * time.Minute
)

// crashes remembers the actors whose hooks trapped lately, and no others.
type crashes struct {
	mu sync.Mutex // guards of
	of map[tenants.ActorID]*crash
}

type crash struct {
	times []time.Time // within the window, oldest first
	loop  int         // crashes since the limit was reached
	until time.Time   // the actor is left alone
}

// crashed counts a failure of a hook, if it ended the instance.
func (a *actor) crashed(err error) {
	switch abi.CodeOf(err) {
	case abi.CodeActorTrapped, abi.CodeGasExhausted, abi.CodeActionTimedOut, abi.CodeTooManyHostCalls:
		if a.h.crashes.add(a.id, a.h.now()) {
			a.h.stats.loops.Add(1)
		}
	}
}

// add counts a crash, and reports whether a loop begins with it.
func (c *crashes) add(id tenants.ActorID, now time.Time) (begins bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweepLocked(now)
	if c.of == nil {
		c.of = map[tenants.ActorID]*crash{}
	}
	one := c.of[id]
	if one == nil {
		one = &crash{}
		c.of[id] = one
	}
	if n := len(one.times); n > 0 && now.Sub(one.times[n-1]) > crashWindow && !now.Before(one.until.Add(crashWindow)) {
		*one = crash{} // it has been well for a while
	}
	if one.times = append(one.times, now); len(one.times) > crashLimit {
		one.times = one.times[1:]
	}
	if len(one.times) == crashLimit && now.Sub(one.times[0]) < crashWindow || one.loop > 0 {
		one.until = now.Add(min(crashRest<<min(one.loop, 16), crashMost))
		one.loop++
	}
	return one.loop == 1
}

// looping returns how many actors are left alone.
func (c *crashes) looping(now time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.of {
		if now.Before(one.until) {
			n++
		}
	}
	return n
}

// sweepLocked forgets actors that have been quiet.
func (c *crashes) sweepLocked(now time.Time) {
	for id, one := range c.of {
		if now.Sub(one.times[len(one.times)-1]) > crashWindow && now.Sub(one.until) > crashMost {
			delete(c.of, id)
		}
	}
}

// forget drops what is known of a namespace's actors.
func (c *crashes) forget(ns tenants.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.of {
		if id.Namespace == ns {
			delete(c.of, id)
		}
	}
}

// check refuses an actor that is left alone.
func (c *crashes) check(id tenants.ActorID, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.of[id]; one != nil && now.Before(one.until) {
		return &abi.Error{Code: abi.CodeCrashLoop, Retry: max(time.Second, one.until.Sub(now))}
	}
	return nil
}

// reset forgets an actor's crashes.
func (c *crashes) reset(id tenants.ActorID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, id)
}

// CrashLoop returns until when an actor is left alone because its hooks trap; zero if it is not.
func (h *Host) CrashLoop(id tenants.ActorID) time.Time {
	h.crashes.mu.Lock()
	defer h.crashes.mu.Unlock()
	if one := h.crashes.of[id]; one != nil && h.now().Before(one.until) {
		return one.until
	}
	return time.Time{}
}

// ResetCrashes lets an actor that is left alone start again.
func (h *Host) ResetCrashes(id tenants.ActorID) { h.crashes.reset(id) }
