package kvtest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// Gate is a kv.Store in front of another that tests can shut: it holds back deltas, lets them go
// one by one, and makes chosen ones fail. It keeps the contract of kv.Store: whatever it delays or
// refuses, a caller could have met with a slow or failing engine.
//
// While the gate is held, Commit, Destroy and Release wait in one queue. Reads and claims pass: a
// Claim fences deltas of older leases that wait in the gate, as it does those that wait in an
// engine.
type Gate struct {
	inner  kv.Store
	failed chan struct{}
	closed chan struct{}  // under mu
	watch  sync.WaitGroup // the goroutine that waits for the engine to fail

	mu      sync.Mutex // guards the fields below; held while the queue is forwarded, to keep order
	held    bool
	full    bool
	queue   []func() // forwards one call each; runs with mu held
	commits faulty
	ends    faulty // of Destroy
	unknown *kv.UnknownError
}

// faulty counts the calls of one kind, of which some are to fail.
type faulty struct {
	calls  int // so far
	faults map[int]fault
}

// next counts a call, and reports whether it is to fail, and how.
func (f *faulty) next() (fault, bool) {
	f.calls++
	one, ok := f.faults[f.calls]
	delete(f.faults, f.calls)
	return one, ok
}

func (f *faulty) set(n int, one fault) {
	if f.faults == nil {
		f.faults = map[int]fault{}
	}
	f.faults[f.calls+n] = one
}

type fault struct {
	err     error
	written bool // of an unknown outcome: the delta reaches the store
}

var _ kv.Store = (*Gate)(nil)

// NewGate returns an open gate in front of inner, which it owns from now on.
func NewGate(inner kv.Store) *Gate {
	g := &Gate{
		inner:  inner,
		failed: make(chan struct{}),
		closed: make(chan struct{}),
	}
	g.watch.Go(func() {
		select {
		case <-inner.Failed():
			g.fail(&kv.UnknownError{Cause: inner.Err()})
		case <-g.closed:
		}
	})
	return g
}

// Hold shuts the gate.
func (g *Gate) Hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = true
}

// Resume forwards what is held, in order, and opens the gate.
func (g *Gate) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = false
	g.forwardLocked(len(g.queue))
}

// Step forwards the first n calls that are held. The gate stays shut.
func (g *Gate) Step(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forwardLocked(min(n, len(g.queue)))
}

func (g *Gate) forwardLocked(n int) {
	for _, forward := range g.queue[:n] {
		forward()
	}
	g.queue = append([]func(){}, g.queue[n:]...)
}

// Held returns the number of calls that wait.
func (g *Gate) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue)
}

// AwaitHeld returns when at least n calls wait, and fails the test if that takes too long.
func (g *Gate) AwaitHeld(t testing.TB, n int) {
	t.Helper()
	Eventually(t, "held calls", func() bool { return g.Held() >= n })
}

// Commits returns the number of calls of Commit so far.
func (g *Gate) Commits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.commits.calls
}

// Refuse makes the nth call of Commit from now on fail with err; 1 is the next. Nothing of the
// delta is written and its lease is broken. Common errors are kv.ErrReadOnly and kv.ErrFenced.
func (g *Gate) Refuse(n int, err error) { g.fault(&g.commits, n, fault{err: err}) }

// RefuseDestroy is Refuse for calls of Destroy.
func (g *Gate) RefuseDestroy(n int, err error) { g.fault(&g.ends, n, fault{err: err}) }

// Fill makes the store read-only, as a full disk does, until it is called with false: deltas are refused,
// destroys are not.
func (g *Gate) Fill(full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.full = full
}

// Writable answers for the gate, and then for the store behind it.
func (g *Gate) Writable() error {
	if err := g.stopped(); err != nil {
		return err
	}
	g.mu.Lock()
	full := g.full
	g.mu.Unlock()
	if full {
		return kv.ErrReadOnly
	}
	return g.inner.Writable()
}

// Unknown makes the nth call of Commit from now on end in an unknown outcome, which stops the
// store. If written is set the delta is on disk nevertheless, and seen after a reopen.
func (g *Gate) Unknown(n int, written bool) {
	g.fault(&g.commits, n, fault{err: errInjected, written: written})
}

// UnknownDestroy is Unknown for calls of Destroy.
func (g *Gate) UnknownDestroy(n int, written bool) {
	g.fault(&g.ends, n, fault{err: errInjected, written: written})
}

var errInjected = &kv.UnknownError{Cause: errors.New("kvtest: injected")}

func (g *Gate) fault(calls *faulty, n int, f fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls.set(n, f)
}

// pass runs forward now, or later if the gate is held.
func (g *Gate) pass(forward func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passLocked(forward)
}

func (g *Gate) passLocked(forward func()) {
	if g.held {
		g.queue = append(g.queue, forward)
	} else {
		forward()
	}
}

// Commit forwards d unless it is to fail. A delta that is not to be written is replaced by one
// with an impossible number: the engine refuses that in its place in the lease's order and breaks
// the lease, as the contract wants, and only the error is exchanged.
func (g *Gate) Commit(l kv.Lease, d *kv.Delta, done func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, fails := g.commits.next()
	if !fails && g.full {
		f, fails = fault{err: kv.ErrReadOnly}, true
	}
	g.passLocked(func() {
		send := d
		if g.unknown != nil || fails && !f.written {
			send = &kv.Delta{}
		}
		g.inner.Commit(l, send, g.answer(f, done))
	})
}

// answer tells done what a call came to that was to fail in this way, or in none.
func (g *Gate) answer(f fault, done func(error)) func(error) {
	return func(err error) {
		if unknown := new(kv.UnknownError); errors.As(f.err, &unknown) {
			g.fail(unknown)
		}
		done(g.verdict(err, f.err))
	}
}

// verdict replaces the engine's error by an injected one, and any by that of a stopped store.
func (g *Gate) verdict(err, injected error) error {
	if stopped := g.stopped(); stopped != nil && !errors.Is(err, kv.ErrClosed) {
		return stopped
	}
	if injected != nil {
		return injected
	}
	return err
}

func (g *Gate) fail(err *kv.UnknownError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unknown == nil {
		g.unknown = err
		close(g.failed)
	}
}

func (g *Gate) stopped() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unknown == nil {
		return nil
	}
	return g.unknown
}

// Destroy forwards unless the store has stopped, or it is to fail.
func (g *Gate) Destroy(l kv.Lease, done func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, fails := g.ends.next()
	g.passLocked(func() {
		if g.unknown != nil || fails && !f.written {
			g.inner.Commit(l, &kv.Delta{}, g.answer(f, done)) // refused in its place; see Commit
			return
		}
		g.inner.Destroy(l, g.answer(f, done))
	})
}

// Release forwards behind the lease's deltas.
func (g *Gate) Release(l kv.Lease) { g.pass(func() { g.inner.Release(l) }) }

// Claim forwards at once.
func (g *Gate) Claim(ctx context.Context, s kv.Space) (kv.Lease, error) {
	if err := g.stopped(); err != nil {
		return kv.Lease{}, err
	}
	return g.inner.Claim(ctx, s)
}

// ClaimNew forwards at once.
func (g *Gate) ClaimNew(s kv.Space) (kv.Lease, error) {
	if err := g.stopped(); err != nil {
		return kv.Lease{}, err
	}
	return g.inner.ClaimNew(s)
}

// Get forwards at once.
func (g *Gate) Get(ctx context.Context, s kv.Space, key []byte) ([]byte, error) {
	if err := g.stopped(); err != nil {
		return nil, err
	}
	return g.inner.Get(ctx, s, key)
}

// Lookup forwards at once.
func (g *Gate) Lookup(ctx context.Context, class string, name []byte) (kv.Space, error) {
	if err := g.stopped(); err != nil {
		return kv.Space{}, err
	}
	return g.inner.Lookup(ctx, class, name)
}

// Scan forwards at once.
func (g *Gate) Scan(ctx context.Context, s kv.Space, r kv.Range) iter.Seq2[kv.Item, error] {
	return guard(g, func() iter.Seq2[kv.Item, error] { return g.inner.Scan(ctx, s, r) })
}

// List forwards at once.
func (g *Gate) List(ctx context.Context, class string, r kv.Range) iter.Seq2[kv.Binding, error] {
	return guard(g, func() iter.Seq2[kv.Binding, error] { return g.inner.List(ctx, class, r) })
}

// Due forwards at once.
func (g *Gate) Due(ctx context.Context, t time.Time) iter.Seq2[kv.Wake, error] {
	return guard(g, func() iter.Seq2[kv.Wake, error] { return g.inner.Due(ctx, t) })
}

// Spaces forwards at once.
func (g *Gate) Spaces(ctx context.Context, class, after string) iter.Seq2[kv.Space, error] {
	return guard(g, func() iter.Seq2[kv.Space, error] { return g.inner.Spaces(ctx, class, after) })
}

// Remains forwards at once.
func (g *Gate) Remains(ctx context.Context, class string, max int) (int, error) {
	if err := g.stopped(); err != nil {
		return 0, err
	}
	return g.inner.Remains(ctx, class, max)
}

// Dump forwards at once.
func (g *Gate) Dump(ctx context.Context) iter.Seq2[kv.Item, error] {
	return guard(g, func() iter.Seq2[kv.Item, error] { return g.inner.Dump(ctx) })
}

// Moment forwards at once.
func (g *Gate) Moment(ctx context.Context, f func(kv.Moment) error) error {
	if err := g.stopped(); err != nil {
		return err
	}
	return g.inner.Moment(ctx, f)
}

// guard ends a sequence with the failure of a stopped store.
func guard[T any](g *Gate, open func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if err := g.stopped(); err != nil {
			yield(zero, err)
			return
		}
		for v, err := range open() {
			if stopped := g.stopped(); stopped != nil {
				yield(zero, stopped)
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// Bound forwards.
func (g *Gate) Bound(class string, most kv.Counts) { g.inner.Bound(class, most) }

// Totals forwards.
func (g *Gate) Totals(class string) kv.Counts { return g.inner.Totals(class) }

// Limits forwards.
func (g *Gate) Limits() kv.Limits { return g.inner.Limits() }

// Failed is closed after an injected unknown outcome, or one of the engine's.
func (g *Gate) Failed() <-chan struct{} { return g.failed }

// Err returns the injected unknown outcome, or the engine's.
func (g *Gate) Err() error {
	if err := g.stopped(); err != nil {
		return err
	}
	return g.inner.Err()
}

// Close opens the gate, so that deltas in flight finish, and closes the store.
func (g *Gate) Close() error {
	g.Resume()
	err := g.inner.Close()
	g.mu.Lock()
	select {
	case <-g.closed:
	default:
		close(g.closed)
	}
	g.mu.Unlock()
	g.watch.Wait()
	return err
}
