package badgerkv

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// space is what the disk has room for. Badger maps its log: on a full disk the next write is no error but a
// signal that ends the process, and again at each start. So the store stops taking deltas while there still is
// room for what is under way: what is in memory and has to be flushed, compactions, the caches of others.
type space struct {
	min   int64
	level atomic.Int32
	free  atomic.Int64 // when it was last looked at, for Stats; less than zero if nobody has
}

// Levels, each with less room than the one before.
const (
	// roomy: everything is written.
	roomy = iota
	// full: less than MinFree is free. Deltas are refused. Spaces may be destroyed, and what they leave is
	// removed, since that gives room back; callers cannot do that without end.
	full
	// spent: less than a quarter of MinFree is free. Nothing is written.
	spent
)

// lookEvery is how often the store looks at the free space. A disk takes some hundred MiB in that time at the
// most, and a look costs a microsecond.
const lookEvery = 200 * time.Millisecond

// levelOf returns the level for so many free bytes. A store that was full is so until a quarter more is free
// than it needs, so that it does not change to and fro with each table that is written and each that goes.
func levelOf(before int32, free, min int64) int32 {
	switch {
	case free < min/4:
		return spent
	case free < min, before != roomy && free < min+min/4:
		return full
	}
	return roomy
}

// refuse returns why a job may not be written, or nil.
func (p *space) refuse(j *job) error {
	switch level := p.level.Load(); {
	case level == roomy, level == full && j.delta == nil:
		return nil
	}
	return errNoRoom
}

var errNoRoom = fmt.Errorf("badgerkv: too little space is free: %w", kv.ErrReadOnly)

// Writable returns nil, or why a delta would be refused; see kv.Store.
func (s *Store) Writable() error {
	if err := s.failure.get(); err != nil {
		return err
	}
	if s.closed.Load() {
		return kv.ErrClosed
	}
	if s.space.level.Load() != roomy {
		return errNoRoom
	}
	return nil
}

// lookAtSpace sets the level, and tells the log when that changes.
func (s *Store) lookAtSpace() error {
	free, err := s.config.Free()
	if err != nil {
		return fmt.Errorf("badgerkv: look at free space: %w", err)
	}
	s.space.free.Store(free)
	before := s.space.level.Load()
	now := levelOf(before, free, s.space.min)
	if s.space.level.Store(now); now == before {
		return nil
	}
	log := s.config.Logger.With("free_bytes", free, "min_free_bytes", s.space.min)
	switch now {
	case roomy:
		log.Info("there is space again: the store takes writes")
	case full:
		log.Warn("the disk is full: the store takes no writes until there is space again")
	case spent:
		log.Error("the disk is full to the last: the store does not even remove what was destroyed")
	}
	if now != spent {
		s.wakeSweeper()
	}
	return nil
}

// spaceLoop looks at the free space, again and again. Close ends the loop and waits.
func (s *Store) spaceLoop() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-s.stop:
			return
		case <-s.failure.ch:
			return
		case <-tick.C:
		}
		err := s.lookAtSpace()
		if err != nil && !failed {
			s.config.Logger.Error("the free space is not known; it counts as before", "error", err)
		}
		failed = err != nil
	}
}

// enterSpace looks for the first time, before anything is written.
func (s *Store) enterSpace() error {
	s.space.free.Store(-1)
	if s.space.min = s.config.MinFree; s.space.min == 0 {
		return nil
	}
	err := s.lookAtSpace()
	if err == nil && s.space.level.Load() == spent {
		err = fmt.Errorf("badgerkv: open: of %d bytes less than a quarter is free in %s: %w", s.space.min, s.config.Dir, kv.ErrReadOnly)
	}
	return err
}
