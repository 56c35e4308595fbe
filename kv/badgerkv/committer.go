package badgerkv

import (
	"errors"
	"runtime"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// commitLoop is the committer: the only goroutine that writes. Close ends it, once the queue is
// empty, and waits for it.
func (s *Store) commitLoop() {
	for {
		jobs := s.nextGroup()
		if jobs == nil {
			return
		}
		if s.Err() == nil {
			s.commitGroup(jobs)
		} else {
			s.finish(jobs, nil)
		}
	}
}

// nextGroup waits for jobs. While a group is being synced the next one gathers in the queue, so
// there is no timer: a lone delta never waits, and many share a sync.
func (s *Store) nextGroup() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.queue.empty() {
		if s.closing {
			s.stopped = true
			return nil
		}
		s.work.Wait()
	}
	return s.queue.take(s.group)
}

// commitGroup takes jobs from their verdict to their done, in the order that the package comment
// gives.
func (s *Store) commitGroup(jobs []*job) {
	txn := s.db.NewTransactionAt(s.snaps.newest(), true)
	defer txn.Discard()
	verdicts := make([]error, len(jobs))
	var n, bytes int
	for i, j := range jobs {
		err := s.measure(txn, j)
		if err == nil {
			if verdicts[i] = s.judge(j); verdicts[i] != nil {
				continue
			}
			err = apply(txn, j)
		}
		if err != nil {
			// The store cannot be read, or an accepted job did not fit. Positions have moved, so
			// there is no way back.
			s.fail(jobs, err)
			return
		}
		n++
		bytes += j.cost.bytes
	}
	if n > 0 {
		w := &writer{txn: txn}
		s.totals.write(w)
		if w.err != nil {
			s.fail(jobs, w.err)
			return
		}
		ts, begun := s.snaps.newest()+1, time.Now()
		if err := s.commit(txn, ts, n); err != nil {
			s.fail(jobs, err)
			return
		}
		s.stats.syncs.Since(begun)
		s.stats.add(n, bytes)
		s.publish(ts, jobs, verdicts)
	}
	s.finish(jobs, verdicts)
}

// commit writes the transaction of n jobs to disk, synced.
func (s *Store) commit(txn *badger.Txn, ts uint64, n int) error {
	h := &s.config.hooks
	if h.beforeCommit != nil {
		h.beforeCommit(n)
	}
	commit := func() error { return txn.CommitAt(ts, nil) }
	var err error
	if h.commit != nil {
		err = h.commit(commit)
	} else {
		err = commit()
	}
	if err != nil {
		return translate("commit group", err)
	}
	if h.afterCommit != nil {
		h.afterCommit()
	}
	return nil
}

// publish lets reads see a transaction that is on disk, and the engine drop what no read needs.
func (s *Store) publish(ts uint64, jobs []*job, verdicts []error) {
	garbage := false
	for i, j := range jobs {
		if verdicts[i] == nil && j.destroy {
			s.dying.add(j.lease.Space) // BEFORE a snapshot can see the space being swept
		}
		garbage = garbage || j.garbage
	}
	oldest := s.snaps.publish(ts)
	s.db.SetDiscardTs(oldest)
	s.dying.forget(oldest)
	if garbage {
		s.wakeSweeper()
	}
}

// fail stops the store for good: what the group wrote is not known.
func (s *Store) fail(jobs []*job, cause error) {
	s.config.Logger.Error("store stopped: outcome of a commit is unknown", "error", cause)
	s.failure.set(cause)
	s.finish(jobs, nil)
}

// finish lets go of the entries that jobs held and calls each done with its verdict. After a
// failure all get the failure instead.
func (s *Store) finish(jobs []*job, verdicts []error) {
	failed := s.Err()
	list := make([]ack, len(jobs))
	s.mu.Lock()
	for i, j := range jobs {
		list[i] = ack{j.done, failed}
		if failed == nil {
			list[i].err = verdicts[i]
		}
		if e := j.entry; e != nil {
			e.inflight--
			e.landLocked()
			s.dropLocked(j.lease.Space, e)
		}
	}
	s.mu.Unlock()
	s.acks.push(list...)
	// Let the callbacks and whoever they wake queue their next deltas first, so that these share
	// the next sync. Without it the committer is back with the few that came meanwhile: at 64
	// spaces in flight 19 deltas shared a sync, with it 38.
	runtime.Gosched()
}

// measure reads what the verdict about a job depends on.
func (s *Store) measure(txn *badger.Txn, j *job) (err error) {
	if j.refused != nil || j.remove != nil || j.entry == nil {
		return nil
	}
	if j.nameTaken, err = nameTaken(txn, j); err == nil {
		j.growth, err = growth(txn, j)
	}
	return err
}

// nameTaken reports whether j binds a name that belongs to another space, on disk or in the group.
func nameTaken(txn *badger.Txn, j *job) (bool, error) {
	if j.delta == nil || j.delta.Bind == nil {
		return false, nil
	}
	id, _, err := readRow(txn, nameKey(j.lease.Space.Class(), j.delta.Bind))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil && string(id) != j.lease.Space.ID(), err
}
