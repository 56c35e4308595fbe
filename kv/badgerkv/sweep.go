package badgerkv

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// A step of the sweeper removes at most this many rows, so that no other space's delta waits for
// more than a small sync.
const sweepRows = 512

// sweepRetry is how long the sweeper rests after an error that may pass.
const sweepRetry = time.Minute

// garbage is one row of the garbage list: what is left to remove of a space.
type garbage struct {
	space kv.Space
	kind  byte
	key   []byte // of the row
	sets  []byte // of garbageChunks: encoded chunk sets
}

// eachGarbage calls fn for the garbage list as of one moment. The key and sets are fn's to keep.
func (s *Store) eachGarbage(fn func(garbage) error) error {
	ctx := context.Background()
	err := s.view(ctx, func(txn *badger.Txn) error {
		return s.walk(ctx, txn, prefixGarbage, kv.Range{}, func(_ []byte, item *badger.Item) error {
			g := garbage{key: item.KeyCopy(nil)}
			var rest []byte
			var ok bool
			if g.space, rest, ok = cutSpace(g.key[len(prefixGarbage):]); !ok || len(rest) == 0 {
				return corrupt("garbage row", g.key)
			}
			g.kind = rest[0]
			var err error
			if g.sets, err = item.ValueCopy(nil); err != nil {
				return translate("read garbage", err)
			}
			return fn(g)
		})
	})
	if err == errStop {
		err = nil
	}
	return err
}

// wakeSweeper tells the sweeper that there may be garbage.
func (s *Store) wakeSweeper() {
	select {
	case s.sweep <- struct{}{}:
	default: // it will look anyway
	}
}

// sweepLoop removes what destroyed spaces and overwritten large values leave behind. It works by
// ordinary jobs in the class of the space, so a tenant pays for its own garbage, and from the
// garbage list alone, so a restart goes on where the last process stopped. Close ends it and waits.
func (s *Store) sweepLoop() {
	var retry <-chan time.Time
	for {
		select {
		case <-s.stop:
			return
		case <-s.failure.ch:
			return
		case <-s.sweep:
		case <-retry:
		}
		retry = nil
		err := s.sweepAll()
		if errors.Is(err, kv.ErrClosed) || s.Err() != nil {
			return
		}
		if errors.Is(err, kv.ErrReadOnly) {
			continue // whoever sees that there is space again wakes it
		}
		if err != nil {
			s.config.Logger.Error("sweep failed", "error", err, "retry_after", sweepRetry)
			retry = time.After(sweepRetry)
		}
	}
}

// sweepAll removes garbage until a look at the list finds none.
func (s *Store) sweepAll() error {
	for {
		var list []garbage
		err := s.eachGarbage(func(g garbage) error {
			if list = append(list, g); len(list) == sweepRows {
				return errStop
			}
			return nil
		})
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.sweepList(list); err != nil {
			return err
		}
	}
}

// sweepAtOnce bounds the destroyed spaces that are swept beside each other, so that they share syncs.
const sweepAtOnce = 32

// sweepList removes what a part of the list names: first whole spaces, with which rows go that list their chunks.
func (s *Store) sweepList(list []garbage) error {
	whole := map[kv.Space]bool{}
	room := make(chan struct{}, sweepAtOnce)
	errs := make([]error, len(list))
	var sweeping sync.WaitGroup
	for i, g := range list {
		if g.kind != garbageSpace {
			continue
		}
		whole[g.space] = true
		room <- struct{}{}
		sweeping.Go(func() { // ends with its space
			defer func() { <-room }()
			errs[i] = s.sweepSpace(g)
		})
	}
	sweeping.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, g := range list {
		if g.kind == garbageSpace || whole[g.space] {
			continue
		}
		if err := s.sweepChunks(g); err != nil {
			return err
		}
	}
	return nil
}

// sweepSpace removes all rows of a destroyed space and forgets it. The row that lists it goes with
// the last step, and the rows that list its stale chunks before: an id that were used again must
// not lose chunks to the old one's list.
func (s *Store) sweepSpace(g garbage) error {
	own := g.key[:len(g.key)-1]
	for _, prefix := range [][]byte{spacePrefix(g.space, 0), append(own[:len(own):len(own)], garbageChunks)} {
		if err := s.sweepPrefix(g.space, prefix); err != nil {
			return err
		}
	}
	if err := s.removeRows(g.space, [][]byte{g.key}); err != nil {
		return err
	}
	s.dying.gone(g.space, s.snaps.newest())
	s.dying.forget(s.snaps.oldest())
	return nil
}

// sweepPrefix removes all rows behind prefix. Each step begins behind the last one's rows: from
// the front it would pass over their tombstones.
func (s *Store) sweepPrefix(space kv.Space, prefix []byte) error {
	ctx := context.Background()
	var r kv.Range
	for {
		var rows [][]byte
		err := s.view(ctx, func(txn *badger.Txn) error {
			return s.walk(ctx, txn, prefix, r, func(_ []byte, item *badger.Item) error {
				if rows = append(rows, item.KeyCopy(nil)); len(rows) == sweepRows {
					return errStop
				}
				return nil
			})
		})
		if err != nil && err != errStop {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		if err := s.removeRows(space, rows); err != nil {
			return err
		}
		r.Lo = append(rows[len(rows)-1][len(prefix):], 0)
	}
}

// sweepChunks removes stale chunk sets and then the row that lists them.
func (s *Store) sweepChunks(g garbage) error {
	var rows [][]byte
	for b := g.sets; len(b) > 0; {
		set, rest, ok := cutChunkSet(b)
		if !ok {
			return corrupt("garbage row", g.key)
		}
		b = rest
		for part := range set.parts {
			if rows = append(rows, chunkKey(g.space, set, part)); len(rows) == sweepRows {
				if err := s.removeRows(g.space, rows); err != nil {
					return err
				}
				rows = nil
			}
		}
	}
	return s.removeRows(g.space, append(rows, g.key))
}

// removeRows removes rows through the committer and returns when that is on disk.
func (s *Store) removeRows(space kv.Space, rows [][]byte) error {
	done := make(chan error, 1)
	j := &job{lease: kv.Lease{Space: space}, remove: rows, done: func(err error) { done <- err }}
	for _, key := range rows {
		j.cost.add(1, len(key))
	}
	s.submit(j)
	err := <-done
	if err == nil && s.config.hooks.swept != nil {
		s.config.hooks.swept(len(rows))
	}
	return err
}
