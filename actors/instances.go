package actors

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// instances bounds how many instances live at once. When there is no room, the actor that has been
// idle longest goes to sleep for the one that wants to run.
type instances struct {
	max int

	mu      sync.Mutex // guards the fields below
	live    int
	idle    *list.List // of *actor, longest idle first
	places  map[*actor]*list.Element
	waiting []chan struct{} // each is closed when it has got a place
}

func newInstances(max int) *instances {
	return &instances{max: max, idle: list.New(), places: map[*actor]*list.Element{}}
}

// acquire takes a place, waiting for one until ctx ends.
func (s *instances) acquire(ctx context.Context) error {
	s.mu.Lock()
	if s.live < s.max {
		s.live++
		s.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	s.waiting = append(s.waiting, granted)
	if e := s.idle.Front(); e != nil {
		victim := s.idle.Remove(e).(*actor)
		delete(s.places, victim)
		victim.mail.nudge()
	}
	s.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if w == granted {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return &abi.Error{Code: abi.CodeHostBusy, Retry: time.Second}
		}
	}
	return nil // granted at the last moment
}

// release gives a place back.
func (s *instances) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
		return
	}
	s.live--
}

// park lists an actor as idle. It reports false if somebody waits for a place.
func (s *instances) park(a *actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		return false
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
