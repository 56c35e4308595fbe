// Package slots shares the processors among guests.
//
// It owns who may run guest code right now: a fixed number of slots, handed out round robin by
// class (a namespace), so that a class with a thousand busy actors gets no more than its share
// while another waits. It knows nothing of guests, and of time only how long was waited and the
// pace at which runs end.
//
// Its one invariant: no more than the given number of slots are held, and a free slot never
// coexists with a waiter.
package slots

import (
	"context"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/internal/stats"
)

// Slots hands out slots. Safe for concurrent use.
type Slots struct {
	weight func(class string) int
	waits  stats.Times // of those who got a slot

	mu      sync.Mutex // guards the fields below
	free    int
	all     int               // slots, held or free
	classes map[string]*class // those with waiters
	ring    []*class          // the same, the one whose turn it is first
	paces   map[string]pace
}

// class is one class that has waiters.
type class struct {
	name    string
	credit  int // grants left before the next class has its turn
	waiters []*waiter
	left    int       // of waiters, those that have not gone
	since   time.Time // when the first of them came
}

type waiter struct {
	class   *class
	granted chan struct{} // closed with the slot handed over
	gone    bool          // guarded by Slots.mu; its context ended first
}

// New returns n slots, at least one. weight says how many turns of a round a class gets, at least
// one; nil means one for every class.
func New(n int, weight func(class string) int) *Slots {
	if weight == nil {
		weight = func(string) int { return 1 }
	}
	return &Slots{weight: weight, free: max(n, 1), all: max(n, 1), classes: map[string]*class{}}
}

// Acquire takes a slot, waiting for the class's turn until ctx ends.
func (s *Slots) Acquire(ctx context.Context, name string) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		s.waits.Add(0)
		return nil
	}
	w := s.waitLocked(name)
	s.mu.Unlock()
	return s.await(ctx, w)
}

// Release gives a slot back, to the next waiter if there is one.
func (s *Slots) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passLocked()
}

// Yield lets a waiter run in the caller's place and returns when the caller has a slot again. It
// returns at once, false, if nobody waits, or stay is set and nobody but of the caller's own class. After an
// error the caller has no slot.
func (s *Slots) Yield(ctx context.Context, name string, stay bool) (passed bool, err error) {
	s.mu.Lock()
	if len(s.ring) == 0 || stay && len(s.ring) == 1 && s.ring[0].name == name {
		s.mu.Unlock()
		return false, nil
	}
	w := s.waitLocked(name) // behind those of its class, and its class behind the others
	s.passLocked()
	s.mu.Unlock()
	return true, s.await(ctx, w)
}

// waitLocked queues a waiter.
func (s *Slots) waitLocked(name string) *waiter {
	c := s.classes[name]
	if c == nil {
		c = &class{name: name, credit: max(s.weight(name), 1), since: time.Now()}
		s.classes[name] = c
		s.ring = append(s.ring, c)
	}
	w := &waiter{granted: make(chan struct{})}
	c.waiters = append(c.waiters, w)
	c.left++
	w.class = c
	return w
}

// passLocked hands the caller's slot to the next waiter in turn, or frees it.
func (s *Slots) passLocked() {
	for len(s.ring) > 0 {
		c := s.ring[0]
		w := c.waiters[0]
		c.waiters[0] = nil
		c.waiters = c.waiters[1:]
		if !w.gone {
			c.credit--
			c.left--
		}
		switch {
		case len(c.waiters) == 0:
			s.ring = s.ring[1:]
			delete(s.classes, c.name)
		case c.credit <= 0:
			c.credit = max(s.weight(c.name), 1)
			s.ring = append(s.ring[1:], c)
		}
		if !w.gone {
			close(w.granted)
			return
		}
	}
	s.free++
}

// await returns when w has its slot. If ctx ends first the caller has none.
func (s *Slots) await(ctx context.Context, w *waiter) error {
	begun := time.Now()
	select {
	case <-w.granted:
		s.waits.Since(begun)
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted: // at the last moment
		s.passLocked()
	default:
		w.gone = true
		w.class.left--
	}
	return context.Cause(ctx)
}

// Waiting returns how many wait for a slot.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.ring {
		n += c.left
	}
	return n
}

// Waits returns how long those waited who got a slot.
func (s *Slots) Waits() stats.Spread { return s.waits.Read() }
