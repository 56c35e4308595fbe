package actors

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// chainTime is how long a turn that others wait for may wait for a place. They hold places themselves, so
// it must not queue behind them.
const chainTime = 100 * time.Millisecond

// instances bounds how many instances live at once, in all and of one namespace. When there is no
// room, an idle actor goes to sleep for the one that wants to run; see idlers.
type instances struct {
	max, share int // in all, of one namespace
	spare      int // of these, for turns that an actor waits for
	ahead      int // places that are kept free while there are idle actors

	mu      sync.Mutex // guards the fields below
	live    int
	of      map[tenants.ID]int // live, by namespace
	idle    *idlers
	leaving *leavers
	waiting []*claim // oldest first
}

// claim is one who wants a place, and memory of its namespace's for it.
type claim struct {
	ns        tenants.ID
	chained   bool
	allowance *tenants.Allowance // nil if it takes no memory
	memory    int64              // bytes
	granted   chan struct{}      // closed when it has got both
}

// newInstances bounds them to max, of which a namespace has three quarters at most. The last eighth of
// both is for turns that are called from a turn, or callers could take all places that their callees need.
// Of what is left a large host keeps some free, so that a new actor need not wait for the sleep of another.
func newInstances(max int) *instances {
	return &instances{
		max: max, share: max - max/4, spare: max / 8, ahead: max / 64,
		of: map[tenants.ID]int{}, idle: newIdlers(max / 16), leaving: newLeavers(),
	}
}

// roomLocked reports whether a namespace may have one more place.
func (s *instances) roomLocked(ns tenants.ID, chained bool) bool {
	if chained {
		return s.live < s.max && s.of[ns] < s.share
	}
	return s.live < s.max-s.spare && s.of[ns] < s.share-s.spare
}

// takeLocked gives c what it wants, or says what there is not: a place, or memory.
func (s *instances) takeLocked(c *claim) error {
	if !s.roomLocked(c.ns, c.chained) {
		return errNoPlace
	}
	if c.allowance != nil {
		if err := c.allowance.TakeMemory(c.memory, false); err != nil {
			return err
		}
	}
	s.live++
	s.of[c.ns]++
	return nil
}

var errNoPlace = &abi.Error{Code: abi.CodeHostBusy, Retry: time.Second}

// acquire takes what c wants, waiting for it until ctx ends. A turn that is called from a turn waits less, and so does
// one whose namespace has no memory left: it waits for an idle actor of its own, if there is one.
func (s *instances) acquire(ctx context.Context, c *claim) error {
	s.mu.Lock()
	err := s.takeLocked(c)
	if err == nil {
		s.makeRoomLocked(c.ns)
		s.mu.Unlock()
		return nil
	}
	c.granted = make(chan struct{})
	s.waiting = append(s.waiting, c)
	lacksMemory, evicted := err != errNoPlace, false
	if lacksMemory {
		evicted = s.evictLocked(c.ns, true)
	} else {
		s.makeRoomLocked(c.ns)
	}
	s.mu.Unlock()
	bound := func(d time.Duration) context.CancelFunc {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		return cancel
	}
	if c.chained {
		defer bound(chainTime)()
	}
	switch {
	case lacksMemory && evicted:
		defer bound(memoryTime)()
	case lacksMemory:
		defer bound(0)() // nobody of its own makes room
	}
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, c); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return err
	}
	return nil // granted at the last moment
}

// memoryTime is how long a turn waits for the memory of an idle actor, which goes to sleep for it.
const memoryTime = 2 * time.Second

// leastClaims is how many may wait for a place in any case.
const leastClaims = 64

// crowded reports whether as many of a namespace wait for a place as it may have places.
func (s *instances) crowded(ns tenants.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := max(leastClaims, s.share-s.spare)
	if len(s.waiting) < most {
		return false
	}
	n := 0
	for _, c := range s.waiting {
		if c.ns == ns {
			n++
		}
	}
	return n >= most
}

// shareOf is how many places the namespace of c may have.
func (s *instances) shareOf(c *claim) int {
	if c.chained {
		return s.share
	}
	return s.share - s.spare
}

// makeRoomLocked asks idle actors to sleep until as many places are free, or about to be, as wait for one that a namespace may
// have, and some more. Places that are kept for chained turns do not count, so that who takes one has another leave for it.
func (s *instances) makeRoomLocked(ns tenants.ID) {
	own, all := s.ahead, s.ahead
	for _, c := range s.waiting {
		if c.ns == ns {
			own++
		}
		if s.of[c.ns] < s.shareOf(c) {
			all++
		}
	}
	for s.share-s.spare-s.of[ns]+s.leaving.of[ns] < own && s.evictLocked(ns, true) {
	}
	for s.max-s.spare-s.live+len(s.leaving.all) < all && s.evictLocked(ns, false) {
	}
}

// evictLocked asks the idle actor to sleep that makes room for a namespace, one of its own if own is set. It reports false if there is none.
func (s *instances) evictLocked(ns tenants.ID, own bool) bool {
	a := s.idle.next(ns, own)
	if a == nil {
		return false
	}
	s.idle.remove(a)
	s.leaving.add(a)
	a.mail.nudge()
	return true
}

// release gives a namespace's place back, to the first who may have it. An actor that had it is idle no more.
func (s *instances) release(ns tenants.ID, a *actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.remove(a)
	s.leaving.remove(a)
	s.live--
	if s.of[ns]--; s.of[ns] == 0 {
		delete(s.of, ns)
	}
	for i, c := range s.waiting {
		if s.takeLocked(c) == nil {
			s.waiting = slices.Delete(s.waiting, i, i+1)
			close(c.granted)
			return
		}
	}
}

// park lists an actor as idle, as idlers.add does. It reports false if somebody waits whom its place would serve.
func (s *instances) park(a *actor, newborn bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.waiting {
		if c.ns == a.id.Namespace || s.of[c.ns] < s.shareOf(c) {
			return false
		}
	}
	s.idle.add(a, newborn)
	return true
}

// unpark has an actor that has something to do be idle no more. If it had been asked to sleep, another is in its stead.
func (s *instances) unpark(a *actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.remove(a)
	if s.leaving.remove(a) {
		s.makeRoomLocked(a.id.Namespace)
	}
}

// queued returns how many wait for a place.
func (s *instances) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// count returns how many instances live.
func (s *instances) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}
