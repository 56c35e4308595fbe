package tenants

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// ledger writes one space of the registry, one delta at a time.
//
// What it guards is memory that must equal the space. So a writer goes in this order:
//
//  1. lock;
//  2. decide, from memory;
//  3. commitLocked, which waits until the delta is on disk;
//  4. only if that was nil: change memory;
//  5. unlock.
type ledger struct {
	store kv.Store
	turn  chan struct{} // a mutex whose wait a context can end; guards what is below, and memory

	lease kv.Lease
	pos   uint64 // number of the space's last delta
	// live is false after a refused delta: the store fences the rest of that lease.
	live bool
	// must lets what is written pass the bounds of the namespace.
	must bool
	// stopped is why this ledger will never write again; nil while it may.
	stopped error
}

// openLedger claims a space. The caller reads it afterwards: nobody else changes it any more.
func openLedger(ctx context.Context, store kv.Store, space kv.Space) (*ledger, error) {
	lease, err := store.Claim(ctx, space)
	if err != nil {
		return nil, storeError("claim", err)
	}
	return &ledger{store: store, turn: make(chan struct{}, 1), lease: lease, pos: lease.Pos, live: true}, nil
}

// lock waits for the writer before. It fails when ctx ends first, at once while nothing can be written, and after the
// end.
func (l *ledger) lock(ctx context.Context) error {
	if err := l.store.Writable(); errors.Is(err, kv.ErrReadOnly) {
		return storeError("begin a change", err)
	}
	select {
	case l.turn <- struct{}{}:
		if l.stopped != nil {
			l.unlock()
			return l.stopped
		}
		return nil
	case <-ctx.Done():
		return storeError("wait for another change", ctx.Err())
	}
}

func (l *ledger) unlock() { <-l.turn }

// commitLocked returns nil once ops are on disk. It does not stop waiting when ctx ends: only the
// store knows what became of a delta. After any error the caller must leave memory as it is.
func (l *ledger) commitLocked(ctx context.Context, ops []kv.Op) error {
	if err := l.renewLocked(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	l.store.Commit(l.lease, &kv.Delta{N: l.pos + 1, Ops: ops, Must: l.must}, func(err error) { done <- err })
	err := <-done
	if err == nil {
		l.pos++
		return nil
	}
	l.live = false
	if errors.As(err, new(*kv.UnknownError)) || errors.Is(err, kv.ErrFenced) {
		l.stop(err) // memory may be behind the disk from now on
	}
	return storeError("commit", err)
}

// renewLocked makes sure that there is a lease which the store takes deltas under.
func (l *ledger) renewLocked(ctx context.Context) error {
	if l.stopped != nil || l.live {
		return l.stopped
	}
	lease, err := l.store.Claim(ctx, l.lease.Space)
	if err != nil {
		return storeError("claim again", err)
	}
	if lease.Pos != l.pos {
		l.stop(fmt.Errorf("%w: at delta %d, not %d", kv.ErrFenced, lease.Pos, l.pos))
		return l.stopped
	}
	l.lease, l.live = lease, true
	return nil
}

// close waits for the writer and releases the space. Later commits are CodeUnavailable.
func (l *ledger) close() {
	l.turn <- struct{}{}
	defer l.unlock()
	if l.live {
		l.store.Release(l.lease)
		l.live = false
	}
	if l.stopped == nil {
		l.stop(errors.New("the registry is closed"))
	}
}

// end is close for a space that is about to go: later changes are refused with why.
func (l *ledger) end(why error) {
	l.close()
	l.turn <- struct{}{}
	defer l.unlock()
	l.stopped = why
}

// stop refuses all later commits. Nothing of those is written, so the cause is told as text: its
// own kind, an unknown outcome, is not theirs.
func (l *ledger) stop(cause error) {
	l.stopped = abi.Wrap(abi.CodeUnavailable, fmt.Errorf("tenants: registry: no more changes: %v", cause))
}

// storeError gives an error of the store its code.
func storeError(doing string, err error) error {
	if bound := new(kv.BoundError); errors.As(err, &bound) {
		return BoundQuota(bound)
	}
	c := abi.CodeInternal
	switch {
	case errors.As(err, new(*kv.UnknownError)):
		c = abi.CodeOutcomeUnknown
	case errors.Is(err, kv.ErrReadOnly):
		c = abi.CodeStorageFull
	case errors.Is(err, kv.ErrFenced), errors.Is(err, kv.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		c = abi.CodeUnavailable
	}
	return abi.Wrap(c, fmt.Errorf("tenants: registry: %s: %w", doing, err))
}
