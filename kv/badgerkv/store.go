package badgerkv

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Store is a kv.Store on one Badger database.
//
// Of deltas that are queued under a lease when its space is claimed anew, those that are in a
// group by then are written and counted in the new Lease.Pos, and Claim waits for that group; the
// others are refused.
//
// A destroyed id stays known, and its Claim ErrNotFound, until its bytes are gone; then nothing of
// it is left, not even a tombstone, and the disk does not grow with the spaces that once were.
type Store struct {
	db     *badger.DB
	owner  *os.File // holds the folder's lock
	config Config
	boot   uint64
	limits kv.Limits

	txnLimit cost // the most that one transaction holds
	group    bounds

	snaps   snapshots
	space   space
	dying   dying
	acks    acks
	failure failure
	stats   counters
	totals  totals

	stop  chan struct{}  // closed by Close
	loops sync.WaitGroup // the goroutines that stop ends
	sweep chan struct{}  // there may be garbage; holds one token

	closed    atomic.Bool // closing, for those who only look
	closeOnce sync.Once
	closeErr  error

	// mu guards the fields below. Nothing is read, written or called while it is held.
	mu      sync.Mutex
	work    sync.Cond // on mu: the queue has a job, or closing is set
	queue   queue
	entries map[kv.Space]*entry
	claims  uint64 // of this boot
	closing bool   // no job is accepted any more
	stopped bool   // the committer has answered all jobs and is gone
}

var _ kv.Store = (*Store)(nil)

// Open opens or makes the store in c.Dir and starts its goroutines: the committer, the sweeper of
// destroyed spaces and the value log's collector. Close stops them and waits.
//
// The boot number is on disk before Open returns, so every lease of this process is newer than
// those of all processes before.
func Open(c Config) (*Store, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	owner, err := lock(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{owner: owner, config: c, stop: make(chan struct{}), sweep: make(chan struct{}, 1), entries: make(map[kv.Space]*entry)}
	s.work.L = &s.mu
	s.failure.init()
	s.acks.init()
	if err = s.enterSpace(); err == nil { // first: the engine writes when it is opened
		err = s.attach()
	}
	if err != nil {
		owner.Close()
		return nil, err
	}
	return s, nil
}

// attach opens the engine and starts on it.
func (s *Store) attach() (err error) {
	if s.db, err = openEngine(s.config); err != nil {
		return err
	}
	s.txnLimit = cost{int(s.db.MaxBatchSize()) - 1024, int(s.db.MaxBatchCount()) - 16}
	s.limits = limitsFor(s.txnLimit)
	s.group = bounds{
		jobs:  groupJobs,
		cost:  cost{int(s.db.MaxBatchSize()) / 2, int(s.db.MaxBatchCount()) / 2},
		mixed: groupMixed,
	}
	ts := s.db.MaxVersion()
	s.db.SetDiscardTs(ts)
	s.snaps.init(ts)
	if err := s.start(); err != nil {
		s.db.Close()
		return err
	}
	return nil
}

// openEngine opens Badger on what a killed process may have left.
func openEngine(c Config) (*badger.DB, error) {
	if err := removeUnborn(c.Dir); err != nil {
		return nil, err
	}
	if err := checkWhole(c.Dir); err != nil {
		return nil, err
	}
	if err := enter(c.Dir); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(c.options())
	return db, translate("open", err)
}

// start reads and writes the store's own rows and starts the goroutines.
func (s *Store) start() error {
	if err := s.nextBoot(); err != nil {
		return err
	}
	if err := s.loadTotals(); err != nil {
		return err
	}
	if err := s.loadDying(); err != nil {
		return err
	}
	if s.space.min > 0 {
		s.loops.Go(s.spaceLoop)
	}
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.sweepLoop)
	s.loops.Go(s.collectLoop)
	s.wakeSweeper()
	return nil
}

// Limits returns the bounds of one delta. They hold for spaces whose class and id have at most 96
// bytes together; longer ones leave less room.
func (s *Store) Limits() kv.Limits { return s.limits }

// Failed is closed after an unknown outcome.
func (s *Store) Failed() <-chan struct{} { return s.failure.ch }

// Err returns nil, or after Failed the *kv.UnknownError that every call gets.
func (s *Store) Err() error { return s.failure.get() }

// Close finishes the deltas in flight, waits for reads in progress and for all done callbacks, and
// closes the engine. It must not be called from a done callback or from within a scan.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
		s.work.Broadcast()
		close(s.stop)
		s.loops.Wait()
		s.acks.wait()
		s.snaps.close()
		s.closeErr = s.closeEngine()
		s.owner.Close() // the lock; a nil file is no failure
	})
	return s.closeErr
}

// closeEngine closes Badger. After a failure it may never end, since Badger retries a flush for
// ever; the process is about to exit then, and must not hang here.
func (s *Store) closeEngine() error {
	closed := make(chan error, 1)
	go func() { closed <- closeDB(s.db, s.config) }()
	var giveUp <-chan time.Time
	if s.Err() != nil {
		giveUp = time.After(10 * time.Second)
	}
	select {
	case err := <-closed:
		return err
	case <-giveUp:
		return fmt.Errorf("badgerkv: close: %w", s.Err())
	}
}

// closeDB closes Badger and notes which tables it leaves. On a full disk that note may find no room.
func closeDB(db *badger.DB, c Config) error {
	if err := db.Close(); err != nil {
		return translate("close", err)
	}
	if err := leaveTables(c.Dir); err != nil {
		c.Logger.Warn("the tables of the store could not be noted", "error", err)
	}
	return nil
}

// ready returns why a call that began now would be refused, or nil.
func (s *Store) ready(ctx context.Context) error {
	if err := s.failure.get(); err != nil {
		return err
	}
	return ctx.Err()
}

// failure is the unknown outcome that stops the store. It happens at most once.
type failure struct {
	ch  chan struct{}
	err atomic.Pointer[kv.UnknownError]
}

func (f *failure) init() { f.ch = make(chan struct{}) }

func (f *failure) set(cause error) {
	if f.err.CompareAndSwap(nil, &kv.UnknownError{Cause: cause}) {
		close(f.ch)
	}
}

func (f *failure) get() error {
	if err := f.err.Load(); err != nil {
		return err
	}
	return nil
}
