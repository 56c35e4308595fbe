package actors

import (
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

// importFlight holds the deltas of an import that were handed to the store and are not durable yet: as many as share a
// sync well, and no more than some bytes of them.
type importFlight struct {
	store kv.Store

	mu    sync.Mutex // guards the fields below
	moved *sync.Cond // on mu: a delta has landed
	bytes int        // in flight, with importOverhead for each
	err   error      // the first that was refused
}

const (
	importOverhead  = 4 << 10
	maxImportFlight = 8 << 20
)

func newImportFlight(store kv.Store) *importFlight {
	f := &importFlight{store: store}
	f.moved = sync.NewCond(&f.mu)
	return f
}

// launch hands a delta to the store once there is room, or returns why one before it was refused.
func (f *importFlight) launch(l kv.Lease, d *kv.Delta) error {
	size := d.Size() + importOverhead
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.err == nil && f.bytes > maxImportFlight {
		f.moved.Wait()
	}
	if f.err != nil {
		return f.err
	}
	f.bytes += size
	f.store.Commit(l, d, func(err error) { f.landed(size, err) })
	return nil
}

func (f *importFlight) landed(size int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes -= size
	if err != nil && f.err == nil {
		f.err = commitError(err)
	}
	f.moved.Broadcast()
}

// wait returns when nothing is in flight, and why something was refused.
func (f *importFlight) wait() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.bytes > 0 {
		f.moved.Wait()
	}
	return f.err
}
