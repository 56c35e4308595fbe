package actors

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/tenants"
)

// feed is what an actor says, line by line, to those who look at it: its log or its events. The
// newest lines are kept; a reader that is too slow loses lines and sees the gap in their numbers.
type feed[T any] struct {
	number func(*T, uint64) // writes a line's number
	size   func(T) int      // bytes that a line holds
	missed *atomic.Uint64   // lines that readers were too slow for, in all feeds

	mu     sync.Mutex // guards the fields below
	seq    uint64     // of the newest line
	lines  []T        // the newest, oldest first
	bytes  int
	follow map[chan T]struct{}
}

// Bounds on one feed.
const (
	feedLines  = 512
	feedBytes  = 64 << 10
	followRoom = 256 // lines that a slow reader may be behind
)

// add appends a line and returns how many bytes the feed has grown by.
func (f *feed[T]) add(line T, keep bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.bytes
	f.seq++
	f.number(&line, f.seq)
	if keep {
		f.lines = append(f.lines, line)
		f.bytes += f.size(line)
		for len(f.lines) > feedLines || f.bytes > feedBytes && len(f.lines) > 1 {
			f.bytes -= f.size(f.lines[0])
			var zero T
			f.lines[0] = zero
			f.lines = f.lines[1:]
		}
	}
	for ch := range f.follow {
		select {
		case ch <- line:
		default: // too slow: the gap shows in the numbers
			f.missed.Add(1)
		}
	}
	return f.bytes - before
}

// since returns the kept lines with a number above after, and, if follow is set, a channel that
// gets every later line.
func (f *feed[T]) since(after uint64, follow bool) ([]T, chan T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.seq - uint64(len(f.lines)) // number before the first kept line
	var kept []T
	if skip := int(max(after, first) - first); skip < len(f.lines) {
		kept = append(kept, f.lines[skip:]...)
	}
	if !follow {
		return kept, nil
	}
	ch := make(chan T, followRoom)
	if f.follow == nil {
		f.follow = map[chan T]struct{}{}
	}
	f.follow[ch] = struct{}{}
	return kept, ch
}

func (f *feed[T]) leave(ch chan T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.follow, ch)
}

func (f *feed[T]) followed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.follow) > 0
}

// feeds are the feeds of all actors. What they keep is bounded in all: the actor that was quiet
// longest is forgotten first.
type feeds[T any] struct {
	number func(*T, uint64)
	size   func(T) int
	keep   bool // lines for readers that come later
	limit  int  // bytes in all
	missed atomic.Uint64

	mu     sync.Mutex // guards the fields below
	actors map[tenants.ActorID]*list.Element
	recent *list.List // of *namedFeed[T], loudest last
	bytes  int
}

type namedFeed[T any] struct {
	feed[T]
	id tenants.ActorID
}

// feedCost is what an empty feed is charged, in bytes.
const feedCost = 512

func newFeeds[T any](keep bool, limit int, number func(*T, uint64), size func(T) int) *feeds[T] {
	return &feeds[T]{number: number, size: size, keep: keep, limit: limit, actors: map[tenants.ActorID]*list.Element{}, recent: list.New()}
}

// of returns an actor's feed, made if asked to.
func (s *feeds[T]) of(id tenants.ActorID, create bool) *namedFeed[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.actors[id]; ok {
		s.recent.MoveToBack(e)
		return e.Value.(*namedFeed[T])
	}
	if !create {
		return nil
	}
	f := &namedFeed[T]{feed: feed[T]{number: s.number, size: s.size, missed: &s.missed}, id: id}
	s.actors[id] = s.recent.PushBack(f)
	s.bytes += feedCost
	return f
}

// add appends lines to an actor's feed. A feed that keeps nothing is not made for a line that
// nobody reads.
func (s *feeds[T]) add(id tenants.ActorID, lines ...T) {
	f := s.of(id, s.keep)
	if f == nil {
		return
	}
	grown := 0
	for _, l := range lines {
		grown += f.add(l, s.keep)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += grown
	for e := s.recent.Front(); e != nil && s.bytes > s.limit; {
		next := e.Next()
		if f := e.Value.(*namedFeed[T]); !f.followed() {
			s.bytes -= f.bytes + feedCost
			delete(s.actors, f.id)
			s.recent.Remove(e)
		}
		e = next
	}
}

// forget drops the feeds of a namespace's actors. Who follows one gets nothing more.
func (s *feeds[T]) forget(ns tenants.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.actors {
		if id.Namespace == ns {
			s.bytes -= e.Value.(*namedFeed[T]).bytes + feedCost
			delete(s.actors, id)
			s.recent.Remove(e)
		}
	}
}

// lines returns what is kept of an actor's feed after a number.
func (s *feeds[T]) lines(id tenants.ActorID, after uint64) []T {
	f := s.of(id, false)
	if f == nil {
		return nil
	}
	kept, _ := f.since(after, false)
	return kept
}

// tail sends what is kept after a number and every later line, until ctx ends; then the channel is
// closed.
func (s *feeds[T]) tail(ctx context.Context, id tenants.ActorID, after uint64) <-chan T {
	f := s.of(id, true)
	kept, live := f.since(after, true)
	out := make(chan T)
	go func() { // ends with ctx
		defer close(out)
		defer f.leave(live)
		for {
			var line T
			if len(kept) > 0 {
				line, kept = kept[0], kept[1:]
			} else {
				select {
				case line = <-live:
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
