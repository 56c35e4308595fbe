package badgerkv

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

// entry is what the committer knows of a space from its first Claim to the end of the last delta
// under a lease. A space without an entry has nothing in flight: its row on disk is the truth.
type entry struct {
	epoch    kv.Epoch // of the newest claim
	head     head     // behind the last delta that was put in a group
	broken   bool     // a delta under epoch was refused
	released bool     // the owner let go; the entry goes when nothing is in flight
	inflight int      // jobs from submit to finish
	recent   recent   // of the delta that head is behind

	// loading is closed when the first claim has read the head; nil from then on.
	loading chan struct{}
	// landed is the number of the last delta that reads can see; landed <= head.pos. landing, if
	// not nil, is closed when they are equal.
	landed  uint64
	landing chan struct{}
}

var errBadSpace = errors.New("badgerkv: invalid space")

// Claim makes the caller the owner of space. It reads one row if the space is not in use, and if
// deltas of an earlier lease are being written it waits for them: for one sync.
func (s *Store) Claim(ctx context.Context, space kv.Space) (kv.Lease, error) {
	if !space.Valid() {
		return kv.Lease{}, errBadSpace
	}
	for {
		if err := s.ready(ctx); err != nil {
			return kv.Lease{}, err
		}
		s.mu.Lock()
		if s.closing {
			s.mu.Unlock()
			return kv.Lease{}, kv.ErrClosed
		}
		e := s.entries[space]
		switch {
		case e == nil:
			e = &entry{loading: make(chan struct{})}
			s.entries[space] = e
			s.mu.Unlock()
			return s.claimFirst(space, e)
		case e.loading != nil:
			loading := e.loading
			s.mu.Unlock()
			select {
			case <-loading:
			case <-ctx.Done():
				return kv.Lease{}, ctx.Err()
			}
		default:
			l, err := s.claimLocked(space, e)
			landing := e.landing
			s.mu.Unlock()
			if err == nil && landing != nil {
				err = s.awaitLanding(ctx, l, landing)
			}
			return l, err
		}
	}
}

// ClaimNew makes the caller the first owner of a space.
func (s *Store) ClaimNew(space kv.Space) (kv.Lease, error) {
	if !space.Valid() {
		return kv.Lease{}, errBadSpace
	}
	if err := s.failure.get(); err != nil {
		return kv.Lease{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return kv.Lease{}, kv.ErrClosed
	case s.entries[space] != nil:
		return kv.Lease{}, fmt.Errorf("badgerkv: a new space: %w", kv.ErrExists)
	}
	e := &entry{}
	s.entries[space] = e
	return s.claimLocked(space, e)
}

// claimFirst reads the head of a space that nobody uses into its new entry, which keeps every
// other claim waiting. If it fails the entry is gone, and the next claim tries on its own.
func (s *Store) claimFirst(space kv.Space, e *entry) (kv.Lease, error) {
	h, err := s.readHead(space)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(e.loading)
	e.loading = nil
	e.head, e.landed = h, h.pos
	l := kv.Lease{}
	if err == nil {
		l, err = s.claimLocked(space, e)
	}
	if err != nil {
		delete(s.entries, space)
	}
	return l, err
}

func (s *Store) claimLocked(space kv.Space, e *entry) (kv.Lease, error) {
	if e.head.has(destroyed) {
		return kv.Lease{}, fmt.Errorf("badgerkv: claim of a destroyed space: %w", kv.ErrNotFound)
	}
	s.claims++
	e.epoch = kv.Epoch{Boot: s.boot, Claim: s.claims}
	e.broken, e.released = false, false
	if e.landed < e.head.pos && e.landing == nil {
		e.landing = make(chan struct{})
	}
	return kv.Lease{Space: space, Epoch: e.epoch, Pos: e.head.pos, Due: e.head.dueTime(), Written: e.head.epoch}, nil
}

// awaitLanding returns when reads can see all deltas up to l.Pos. The owner builds its next delta
// on what it reads now; without this it could read the state before a delta that l.Pos counts.
// Older leases are fenced already. If it fails, l was never given out and its entry may go.
func (s *Store) awaitLanding(ctx context.Context, l kv.Lease, landing chan struct{}) error {
	var err error
	select {
	case <-landing:
		err = s.failure.get()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.Release(l)
	}
	return err
}

// landLocked notes that a group with deltas of e is done. All that e.head counts was in it, since
// there is one group at a time.
func (e *entry) landLocked() {
	e.landed = e.head.pos
	if e.landing != nil {
		close(e.landing)
		e.landing = nil
	}
}

// Release ends the lease after its deltas in flight.
func (s *Store) Release(l kv.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.heldLocked(l); e != nil {
		e.released = true
		s.dropLocked(l.Space, e)
	}
}

// heldLocked returns the entry of a lease that may still submit deltas, or nil.
func (s *Store) heldLocked(l kv.Lease) *entry {
	e := s.entries[l.Space]
	if e == nil || e.loading != nil || e.released || e.epoch != l.Epoch {
		return nil
	}
	return e
}

// dropLocked forgets an entry that nobody needs.
func (s *Store) dropLocked(space kv.Space, e *entry) {
	if e.released && e.inflight == 0 && s.entries[space] == e {
		delete(s.entries, space)
	}
}
