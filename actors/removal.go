package actors

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// remover removes what deleted namespaces leave, in the order that tenants.Leaving gives. It works from the store and
// the registry alone, so a restart goes on where the last process stopped.
type remover struct {
	h    *Host
	poke chan struct{} // capacity 1: look again
	done chan struct{} // closed when the goroutine has ended

	cleared map[tenants.ID]time.Time // when a namespace had nothing left but what the store sweeps; run's alone

	mu      sync.Mutex         // guards removed
	removed map[tenants.ID]int // actors, by this process
}

const (
	// removeBatch bounds the actors that are listed at a time, and whose ends share syncs.
	removeBatch = 128
	// removeRest is how long a removal rests that waits for something, such as the store's sweep.
	removeRest = 100 * time.Millisecond
	// removeAgain is how long a namespace counts as cleared.
	removeAgain = 2 * time.Second
	// removeRetry is how long it rests after a failure.
	removeRetry = time.Second
)

func startRemover(h *Host) *remover {
	r := &remover{h: h, poke: make(chan struct{}, 1), done: make(chan struct{}), cleared: map[tenants.ID]time.Time{}, removed: map[tenants.ID]int{}}
	go r.run() // ends with h.ctx; Close waits
	return r
}

// Removal is how far the removal of a namespace has come.
type Removal struct {
	tenants.Leaving
	Actors int // that were destroyed since the process started
	Rows   int // that are left in the store, at most maxRows
}

// maxRows bounds what is counted for people who look.
const maxRows = 100_000

// DeleteNamespace deletes a namespace. When it returns that is durable, and nothing of the namespace can be found, runs
// or begins, but what is cut off right now. What it kept is removed afterwards; Removal says how far that has come.
// Its errors are those of tenants.Registry.
func (h *Host) DeleteNamespace(ctx context.Context, ns tenants.ID) (Removal, error) {
	l, err := h.cfg.Registry.DeleteNamespace(ctx, ns)
	if err != nil {
		return Removal{}, err
	}
	failpoint.Reach(failpoint.RemovalMarked)
	h.evict(ns)
	h.remover.look()
	r, err := h.Removal(ctx, ns)
	if abi.CodeOf(err) == abi.CodeNamespaceNotFound {
		return Removal{Leaving: l}, nil // that was quick
	}
	return r, err
}

// Removal returns how far the removal of a namespace has come, or tenants.ErrForeign for one that is not being removed.
func (h *Host) Removal(ctx context.Context, ns tenants.ID) (Removal, error) {
	l, ok := h.cfg.Registry.Leaves(ns)
	if !ok {
		return Removal{}, tenants.ErrForeign
	}
	rows, err := h.cfg.Store.Remains(ctx, string(ns), maxRows)
	if err != nil {
		return Removal{}, readError(err)
	}
	h.remover.mu.Lock()
	defer h.remover.mu.Unlock()
	return Removal{Leaving: l, Actors: h.remover.removed[ns], Rows: rows}, nil
}

// look has the remover look again.
func (r *remover) look() {
	select {
	case r.poke <- struct{}{}:
	default: // it will look anyway
	}
}

// evict ends a namespace's actors in this process, and the connections of those that sleep. It returns what is to be
// waited for.
func (h *Host) evict(ns tenants.ID) (ending []*actor) {
	h.mu.Lock()
	for id, a := range h.awake {
		if id.Namespace == ns {
			ending = append(ending, a)
		}
	}
	h.mu.Unlock()
	for _, a := range ending {
		a.mail.evict()
	}
	h.connMu.Lock()
	var sets []*connSet
	for id, s := range h.conns {
		if id.Namespace == ns {
			sets = append(sets, s)
		}
	}
	h.connMu.Unlock()
	for _, s := range sets {
		s.closeAll(closeGone, "actor.destroyed")
	}
	return ending
}

// run removes until nothing is left, again and again.
func (r *remover) run() {
	defer close(r.done)
	for {
		var again <-chan time.Time
		for _, l := range r.h.cfg.Registry.Leaving() {
			if l.Arriving {
				continue
			}
			err := r.remove(l.ID)
			if r.h.ctx.Err() != nil {
				return
			}
			switch {
			case err == nil:
				r.h.cfg.Logger.Info("a deleted namespace is gone", "tenant", l.ID, "took", time.Since(l.Since).Round(time.Millisecond))
			case abi.CodeOf(err) == abi.CodeHostBusy:
				again = time.After(removeRest)
			default:
				r.h.cfg.Logger.Error("a deleted namespace is not removed yet", "tenant", l.ID, "error", err, "retry_after", removeRetry)
				again = time.After(removeRetry)
			}
		}
		select {
		case <-r.poke:
		case <-again:
		case <-r.h.ctx.Done():
			return
		}
	}
}

// remove takes a namespace through the steps that are left. CodeHostBusy asks to be called again.
func (r *remover) remove(ns tenants.ID) error {
	// An import that was under way may have made a space behind us: from time to time it is looked for.
	if time.Since(r.cleared[ns]) > removeAgain {
		if err := r.clear(ns); err != nil {
			return err
		}
		r.cleared[ns] = time.Now()
	}
	if err := r.h.cfg.Registry.ForgetNamespace(r.h.ctx, ns); err != nil {
		return err
	}
	delete(r.cleared, ns)
	r.mu.Lock()
	delete(r.removed, ns)
	r.mu.Unlock()
	failpoint.Reach(failpoint.RemovalDone)
	return nil
}

// clear removes all that a namespace has. The bytes are the store's to sweep afterwards.
func (r *remover) clear(ns tenants.ID) error {
	h, reg := r.h, r.h.cfg.Registry
	for _, a := range h.evict(ns) {
		<-a.done
	}
	failpoint.Reach(failpoint.RemovalEvicted)
	if err := r.removeActors(ns); err != nil {
		return err
	}
	h.logs.forget(ns)
	h.events.forget(ns)
	h.crashes.forget(ns)
	h.checkers.forget(ns)
	h.cfg.Sandbox.ForgetClass(string(ns))
	for _, d := range reg.LeavingDigests(ns) {
		h.cfg.Sandbox.Discard(string(ns), d)
	}
	failpoint.Reach(failpoint.RemovalActors)
	if err := reg.RemoveFiles(h.ctx, ns); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RemovalFiles)
	if err := reg.RemoveRegistry(h.ctx, ns); err != nil {
		return err
	}
	failpoint.Reach(failpoint.RemovalRegistry)
	return nil
}

// removeActors destroys every space of a namespace but its registry's, some at a time, until there is none.
func (r *remover) removeActors(ns tenants.ID) error {
	after := ""
	for {
		batch, last, err := r.list(ns, after)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		after = last // behind those that go: they leave a trail that is slow to pass
		if err := r.destroyAll(batch); err != nil {
			return err
		}
		r.mu.Lock()
		r.removed[ns] += len(slices.DeleteFunc(batch, func(s kv.Space) bool {
			id, ok := tenants.IDOfSpace(s)
			return !ok || id == tenants.PostOffice(ns)
		}))
		r.mu.Unlock()
		failpoint.Reach(failpoint.RemovalBatch)
	}
}

// list returns the next spaces behind after.
func (r *remover) list(ns tenants.ID, after string) (batch []kv.Space, last string, err error) {
	for s, err := range r.h.cfg.Store.Spaces(r.h.ctx, string(ns), after) {
		if err != nil {
			return nil, "", err
		}
		if tenants.IsRegistry(s) {
			continue
		}
		if batch = append(batch, s); len(batch) == removeBatch {
			break
		}
	}
	if len(batch) > 0 {
		last = batch[len(batch)-1].ID()
	}
	return batch, last, nil
}

// destroyAll destroys spaces without a word to their guests, and returns when all are gone, or the first failure.
func (r *remover) destroyAll(batch []kv.Space) error {
	ended := make(chan error, len(batch))
	for _, s := range batch {
		lease, err := r.h.cfg.Store.Claim(r.h.ctx, s)
		if err != nil {
			ended <- err // one that is gone was destroyed just before
			continue
		}
		r.h.cfg.Store.Destroy(lease, func(err error) {
			r.h.cfg.Store.Release(lease)
			ended <- err
		})
	}
	var first error
	for range batch {
		if err := <-ended; err != nil && abi.CodeOf(readError(err)) != abi.CodeActorNotFound && first == nil {
			first = err
		}
	}
	for _, s := range batch {
		if id, ok := tenants.IDOfSpace(s); ok {
			r.h.cfg.Sandbox.Forget(id)
		}
	}
	return first
}
