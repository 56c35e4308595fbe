package badgerkv

import (
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/kv"
)

// dying is the set of destroyed spaces whose rows are not all gone. Reads ask it after they have
// opened their snapshot, so:
//
//   - a space is added BEFORE its destroy can be read: a snapshot that has rows missing is always
//     younger than that;
//   - a space is forgotten AFTER the last snapshot is closed in which rows of it are left.
type dying struct {
	// count is the number of spaces; most of the time it is zero, and asking costs one load.
	count atomic.Int64

	mu     sync.RWMutex // guards the fields below
	spaces map[kv.Space]struct{}
	swept  []sweptSpace // waits for old snapshots to close
}

type sweptSpace struct {
	space kv.Space
	ts    uint64 // from here on nothing of it is left
}

func (d *dying) has(s kv.Space) bool {
	if d.count.Load() == 0 {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.spaces[s]
	return ok
}

func (d *dying) add(s kv.Space) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spaces == nil {
		d.spaces = make(map[kv.Space]struct{})
	}
	d.spaces[s] = struct{}{}
	d.count.Store(int64(len(d.spaces)))
}

// gone notes that nothing of s is left in snapshots from ts on.
func (d *dying) gone(s kv.Space, ts uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swept = append(d.swept, sweptSpace{s, ts})
}

// forget drops the spaces of which no snapshot from oldest on has anything.
func (d *dying) forget(oldest uint64) {
	if d.count.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.swept[:0]
	for _, s := range d.swept {
		if s.ts <= oldest {
			delete(d.spaces, s.space)
		} else {
			kept = append(kept, s)
		}
	}
	d.swept = kept
	d.count.Store(int64(len(d.spaces)))
}

// of returns how many spaces of a class are in the set.
func (d *dying) of(class string) (n int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for s := range d.spaces {
		if s.Class() == class {
			n++
		}
	}
	return n
}

// loadDying fills the set from the garbage rows. It runs before any other goroutine.
func (s *Store) loadDying() error {
	return s.eachGarbage(func(g garbage) error {
		if g.kind == garbageSpace {
			s.dying.add(g.space)
		}
		return nil
	})
}
