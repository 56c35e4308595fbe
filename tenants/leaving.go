package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Leaving is a namespace that was deleted and of which something is left. It is deleted in this order, and each step
// begins again after a restart:
//
//  1. DeleteNamespace marks it, durably: from then on it is found nowhere, its ledger writes nothing, and all that goes
//     on under its tokens ends;
//  2. whoever keeps something in its spaces removes it, all but the registry's;
//  3. RemoveFiles removes the files that no other namespace needs, and RemoveRegistry then the records that name them;
//  4. ForgetNamespace removes the mark, once the store has nothing of its class. The name is then free.
type Leaving struct {
	Namespace
	Since time.Time `json:"since"` // when it was deleted
	// Arriving says that it is being filled, as Arrival says. What a process that died was filling is being removed.
	Arriving bool `json:"arriving,omitempty"`
}

// leaver is a namespace on its way out.
type leaver struct {
	Leaving
	// tenant is nil if a restart finds its registry's space gone.
	tenant   *tenant
	unwanted bool // it was deleted before it had arrived; who holds the host's ledger may set it
}

// DeleteNamespace takes a namespace away, durably when it returns. Its removal is then to be driven, as Leaving says.
// One that is leaving already is no error, one that is not there is ErrForeign, and Default cannot go.
func (r *Registry) DeleteNamespace(ctx context.Context, id ID) (Leaving, error) {
	if id == Default {
		return Leaving{}, abi.Errorf(abi.CodeInvalidRequest, "the namespace %s cannot be deleted", Default)
	}
	l, err := r.markLeaving(ctx, id)
	if err != nil {
		return Leaving{}, err
	}
	if l.tenant != nil {
		l.tenant.end()
	}
	r.changed("") // also those who come from elsewhere and look into this one
	return l.Leaving, nil
}

// markLeaving replaces the namespace's record, on disk and then in memory.
func (r *Registry) markLeaving(ctx context.Context, id ID) (*leaver, error) {
	if err := r.host.ledger.lock(ctx); err != nil {
		return nil, err
	}
	defer r.host.ledger.unlock()
	if l, ok := (*r.leaving.Load())[id]; ok {
		l.unwanted = true
		return l, nil
	}
	t, err := r.tenant(id)
	if err != nil {
		return nil, err
	}
	l := &leaver{Leaving: Leaving{Namespace: t.Namespace, Since: now()}, tenant: t}
	b, err := json.Marshal(l.Leaving)
	if err != nil {
		return nil, fmt.Errorf("tenants: encode namespace: %w", err)
	}
	if err := r.host.ledger.commitLocked(ctx, []kv.Op{{Key: namespaceKey(id)}, {Key: leavingKey(id), Value: b}}); err != nil {
		return nil, err
	}
	r.setLeaving(l) // first: it is never in neither
	all := maps.Clone(*r.tenants.Load())
	delete(all, id)
	r.tenants.Store(&all)
	return l, nil
}

// end has the namespace write nothing more.
func (t *tenant) end() {
	t.ledger.end(ErrForeign)
	t.usage.end()
}

// loadLeaver reads what is left of a namespace's registry, at the start.
func (r *Registry) loadLeaver(ctx context.Context, l *leaver) error {
	if l.Arriving {
		return r.loadArrival(ctx, l)
	}
	t, err := r.loadTenant(ctx, l.Namespace)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t.end()
	l.tenant = t
	r.referAll(t)
	return nil
}

// Leaving returns the namespaces that are being removed, in order of their ids.
func (r *Registry) Leaving() []Leaving {
	var list []Leaving
	for _, l := range *r.leaving.Load() {
		list = append(list, l.Leaving)
	}
	slices.SortFunc(list, func(a, b Leaving) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// Leaves returns a namespace that is being removed; ok is false for any other.
func (r *Registry) Leaves(id ID) (l Leaving, ok bool) {
	if one := (*r.leaving.Load())[id]; one != nil {
		return one.Leaving, true
	}
	return l, false
}

// IsRegistry reports whether a space is that of a namespace's registry, which RemoveRegistry removes.
func IsRegistry(s kv.Space) bool { return s.ID() == spaceRegistry }

// RemoveFiles removes the module files of a leaving namespace that no other needs. While a copy of the store is being
// made they stay: it is then CodeHostBusy, to be tried again.
func (r *Registry) RemoveFiles(ctx context.Context, id ID) error {
	l := (*r.leaving.Load())[id]
	if l == nil || l.tenant == nil {
		return nil
	}
	t := l.tenant
	t.ledger.turn <- struct{}{} // a change that came before the end has ended
	defer t.ledger.unlock()
	digests := t.digests()
	if !t.dropped {
		for _, d := range digests {
			r.blobs.drop(d)
		}
		t.dropped = true
	}
	return r.blobs.removed(digests)
}

// digests returns those of all versions, some maybe more than once.
func (t *tenant) digests() (list []Digest) {
	if t.catalog.Load() == nil {
		return t.left
	}
	for _, p := range t.catalog.Load().modules {
		for _, v := range p.versions {
			list = append(list, v.Digest)
		}
	}
	return list
}

// LeavingDigests returns the digests of the versions that a leaving namespace has, some maybe more than once.
func (r *Registry) LeavingDigests(id ID) []Digest {
	if l := (*r.leaving.Load())[id]; l != nil && l.tenant != nil {
		return l.tenant.digests()
	}
	return nil
}

// RemoveRegistry destroys the registry's space of a leaving namespace, once its files are gone. One that is gone itself
// is no error.
func (r *Registry) RemoveRegistry(ctx context.Context, id ID) error {
	if (*r.leaving.Load())[id] == nil {
		return nil
	}
	lease, err := r.store.Claim(ctx, kv.NewSpace(classOf(id), spaceRegistry))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeError("claim", err)
	}
	defer r.store.Release(lease)
	if lease.Pos == 0 {
		return nil
	}
	done := make(chan error, 1)
	r.store.Destroy(lease, func(err error) { done <- err })
	if err := <-done; err != nil {
		return storeError("destroy", err)
	}
	return nil
}

// ForgetNamespace ends the removal of a namespace. While the store has anything of its class it is CodeHostBusy, to be
// tried again, and so it is within the second of its deletion: a token of whole seconds that was made before would
// be as young as a namespace that is made now.
func (r *Registry) ForgetNamespace(ctx context.Context, id ID) error {
	if err := r.host.ledger.lock(ctx); err != nil {
		return err
	}
	defer r.host.ledger.unlock()
	l := (*r.leaving.Load())[id]
	if l == nil {
		return nil
	}
	n, err := r.store.Remains(ctx, classOf(id), 1)
	if err != nil {
		return storeError("look for what is left", err)
	}
	if wait := time.Until(l.Since.Truncate(time.Second).Add(time.Second)); n > 0 || wait > 0 {
		return &abi.Error{Code: abi.CodeHostBusy, Retry: wait}
	}
	if err := r.host.ledger.commitLocked(ctx, []kv.Op{{Key: leavingKey(id)}}); err != nil {
		return err
	}
	r.store.Bound(classOf(id), kv.Counts{}) // the next one's are its own
	leaving := maps.Clone(*r.leaving.Load())
	delete(leaving, id)
	r.leaving.Store(&leaving)
	return nil
}
