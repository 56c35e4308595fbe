package actors

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// instances bounds how many instances live at once, in all and of one namespace. When there is no
// room, the actor that has been idle longest goes to sleep for the one that wants to run.
type instances struct {
	max, share int // in all, of one namespace

	mu      sync.Mutex // guards the fields below
	live    int
	of      map[tenants.ID]int // live, by namespace
	idle    *list.List         // of *actor, longest idle first
	places  map[*actor]*list.Element
	waiting []*claim // oldest first
}

// claim is one who waits for a place.
type claim struct {
	ns      tenants.ID
	granted chan struct{} // closed when it has got one
}

// newInstances bounds them to max, of which a namespace has three quarters at most.
func newInstances(max int) *instances {
	return &instances{max: max, share: max - max/4, of: map[tenants.ID]int{}, idle: list.New(), places: map[*actor]*list.Element{}}
}

// roomLocked reports whether a namespace may have one more place.
func (s *instances) roomLocked(ns tenants.ID) bool { return s.live < s.max && s.of[ns] < s.share }

// acquire takes a place for a namespace, waiting for one until ctx ends.
func (s *instances) acquire(ctx context.Context, ns tenants.ID) error {
	s.mu.Lock()
	if s.roomLocked(ns) {
		s.takeLocked(ns)
		s.mu.Unlock()
		return nil
	}
	c := &claim{ns, make(chan struct{})}
	s.waiting = append(s.waiting, c)
	s.evictLocked(c)
	s.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, c); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return &abi.Error{Code: abi.CodeHostBusy, Retry: time.Second}
	}
	return nil // granted at the last moment
}

func (s *instances) takeLocked(ns tenants.ID) {
	s.live++
	s.of[ns]++
}

// evictLocked asks the idle actor to sleep whose place serves c: of its own namespace if that has its
// share, else the one that has been idle longest.
func (s *instances) evictLocked(c *claim) {
	for e := s.idle.Front(); e != nil; e = e.Next() {
		a := e.Value.(*actor)
		if s.of[c.ns] >= s.share && a.id.Namespace != c.ns {
			continue
		}
		s.idle.Remove(e)
		delete(s.places, a)
		a.mail.nudge()
		return
	}
}

// release gives a namespace's place back, to the first who may have it.
func (s *instances) release(ns tenants.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	if s.of[ns]--; s.of[ns] == 0 {
		delete(s.of, ns)
	}
	for i, c := range s.waiting {
		if s.roomLocked(c.ns) {
			s.takeLocked(c.ns)
			s.waiting = slices.Delete(s.waiting, i, i+1)
			close(c.granted)
			return
		}
	}
}

// park lists an actor as idle. It reports false if somebody waits whom its place would serve.
func (s *instances) park(a *actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.waiting {
		if c.ns == a.id.Namespace || s.of[c.ns] < s.share {
			return false
		}
	}
	s.places[a] = s.idle.PushBack(a)
	return true
}

func (s *instances) unpark(a *actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.places[a]; ok {
		s.idle.Remove(e)
		delete(s.places, a)
	}
}

// count returns how many instances live.
func (s *instances) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}
