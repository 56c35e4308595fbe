package badgerkv

import (
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

// job is one thing for the committer to do: a delta, a destroy, or a step of the sweeper.
type job struct {
	lease kv.Lease // a sweep's names only the space whose class pays for it
	done  func(error)
	cost  cost

	// Exactly one of these is set.
	delta   *kv.Delta
	destroy bool
	remove  [][]byte // rows that the sweeper found

	chunks  bool   // delta cuts a value into chunks
	refused error  // why the job was dead before it was queued
	entry   *entry // held by the job; nil if the lease was stale already

	nameTaken     bool      // set by measure: the delta's name belongs to another space
	growth        kv.Counts // set by measure, of what the space holds
	before, after head      // set by judge
	garbage       bool      // set by apply: the sweeper has something to do
}

// Commit queues d; see kv.Store. The checks that need no order are made here, the others when d's
// group is formed.
func (s *Store) Commit(l kv.Lease, d *kv.Delta, done func(error)) {
	j := &job{lease: l, delta: d, done: done}
	j.cost, j.chunks = deltaCost(l.Space, d)
	if err := s.check(d, j.cost); err != nil {
		j.refused = err
	}
	s.submit(j)
}

// Destroy ends the space; see kv.Store. It comes behind the lease's deltas in flight.
func (s *Store) Destroy(l kv.Lease, done func(error)) {
	s.submit(&job{lease: l, destroy: true, done: done, cost: destroyCost(l.Space)})
}

// submit queues j. Jobs that are refused take the same way, so that their done comes in order.
func (s *Store) submit(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		s.acks.push(ack{j.done, s.closedErr()})
		return
	}
	if s.closing && j.refused == nil {
		j.refused = kv.ErrClosed
	}
	if j.refused == nil {
		j.refused = s.space.refuse(j)
	}
	if j.remove == nil {
		if j.entry = s.heldLocked(j.lease); j.entry != nil {
			j.entry.inflight++
		}
	}
	if j.refused != nil {
		j.cost = cost{}
	}
	s.queue.push(j)
	s.work.Signal()
}

// closedErr is what a store without a committer answers.
func (s *Store) closedErr() error {
	if err := s.failure.get(); err != nil {
		return err
	}
	return kv.ErrClosed
}

func fenced(format string, args ...any) error {
	return fmt.Errorf("badgerkv: "+format+": %w", append(args, kv.ErrFenced)...)
}

// judge accepts j, which was measured, or says why nothing of it may be written. An accepted job moves its entry forward; a refused one breaks its lease.
func (s *Store) judge(j *job) error {
	if j.remove != nil {
		return j.refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := j.entry
	switch {
	case e == nil:
		if j.refused != nil {
			return j.refused
		}
		return fenced("epoch %v is not claimed", j.lease.Epoch)
	case e.epoch != j.lease.Epoch:
		return fenced("epoch %v was claimed after %v", e.epoch, j.lease.Epoch)
	case e.broken:
		return fenced("an earlier delta of epoch %v was refused", e.epoch)
	}
	err := j.refused
	switch {
	case err != nil:
	case j.nameTaken:
		err = kv.ErrExists
	case j.delta != nil && j.delta.N != e.head.pos+1 && !j.begins(e):
		err = fenced("delta %d after %d", j.delta.N, e.head.pos)
	default:
		err = s.totals.add(j.lease.Space.Class(), j.growth, j.destroy || j.delta.Must)
	}
	if err != nil {
		e.broken = true
		return err
	}
	j.before, j.after = e.head, j.next(e)
	e.head = j.after
	if j.delta != nil {
		e.recent.note(j.delta.Ops)
	}
	if j.destroy {
		e.broken, e.released = true, true
	}
	return nil
}

// begins reports whether j is the first delta of a space, which may choose its number.
func (j *job) begins(e *entry) bool { return j.delta.Begins && j.delta.N > 0 && e.head == (head{}) }

// next returns the head that an accepted job leaves.
func (j *job) next(e *entry) head {
	if j.destroy {
		return head{flags: destroyed, pos: e.head.pos, epoch: e.epoch}
	}
	h := e.head
	h.pos, h.epoch = j.delta.N, e.epoch
	for i, n := range j.growth {
		h.holds[i] += n
	}
	if j.chunks {
		h.flags |= hasChunks
	}
	if j.delta.Bind != nil {
		h.flags |= hasName
	}
	if j.delta.Due != nil {
		h.setDue(*j.delta.Due)
	}
	return h
}
