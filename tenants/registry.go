package tenants

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// What the registry's largest deltas need of the store: the delete of a module with all versions,
// and a publish, with room for keys.
const (
	maxDeltaOps   = maxVersions + 1
	maxDeltaBytes = 2*maxRecord + 1<<10
)

// HasActors reports whether a namespace has actors of a name. Other changes of the namespace wait
// for it, so it must not make one.
type HasActors func(ns ID, actorName string) (bool, error)

// Registry keeps namespaces, modules and versions: in memory, where reading takes no lock and does
// no I/O, and before that on disk. Safe for concurrent use.
//
// A change returns once it is durable; changes of one namespace happen one after the other. A
// change that fails has changed nothing, except that after CodeOutcomeUnknown it may be there when
// the registry is opened again; until then the registry takes no more changes of that namespace.
// A context ends the wait for other changes, not a change that has begun.
type Registry struct {
	store     kv.Store
	blobs     *blobs
	hasActors HasActors
	vault     *Vault // nil without keys of secrets
	host      book   // the host's space; who holds its ledger may replace tenants
	tenants   atomic.Pointer[map[ID]*tenant]
	plans     Plans
	usage     usageWriter
	leaving   atomic.Pointer[map[ID]*leaver] // who holds the host's ledger may replace it, as tenants

	mu        sync.Mutex // guards listeners
	listeners []func(ns ID)
}

// OpenRegistry loads everything from store, which stays the caller's to close, and creates the
// namespace Default if there is none. dir is where module files are kept; it is made if missing
// and belongs to this registry alone. Records that cannot be are kv.ErrCorrupt.
func OpenRegistry(ctx context.Context, store kv.Store, dir string) (*Registry, error) {
	if l := store.Limits(); l.MaxOps < maxDeltaOps || l.MaxBytes < maxDeltaBytes || l.MaxValue < maxRecord {
		return nil, fmt.Errorf("tenants: the store's limits of %d operations, %d bytes and %d a value are below %d, %d and %d",
			l.MaxOps, l.MaxBytes, l.MaxValue, maxDeltaOps, maxDeltaBytes, maxRecord)
	}
	b, err := openBlobs(dir)
	if err != nil {
		return nil, err
	}
	host, err := openLedger(ctx, store, kv.NewSpace(hostClass, spaceRegistry))
	if err != nil {
		return nil, err
	}
	r := &Registry{store: store, blobs: b, host: book{ledger: host}}
	all := map[ID]*tenant{}
	r.tenants.Store(&all)
	leaving := map[ID]*leaver{}
	r.leaving.Store(&leaving)
	if err := r.load(ctx, all, leaving); err != nil {
		r.Close()
		return nil, err
	}
	if _, ok := all[Default]; !ok {
		if _, err := r.CreateNamespace(ctx, Default, ""); err != nil {
			r.Close()
			return nil, err
		}
	}
	r.usage.start(r)
	return r, nil
}

// load fills all, before anybody else sees it.
func (r *Registry) load(ctx context.Context, all map[ID]*tenant, leaving map[ID]*leaver) error {
	h := newHostReader()
	for item, err := range r.store.Scan(ctx, r.host.ledger.lease.Space, kv.Range{}) {
		if err != nil {
			return storeError("load namespaces", err)
		}
		if err := h.add(item); err != nil {
			return errCorrupt("registry of the host", item.Key, err)
		}
	}
	for _, ns := range h.namespaces {
		all[ns.ID] = &tenant{Namespace: ns}
	}
	for _, l := range h.leaving {
		leaving[l.ID] = &leaver{Leaving: l}
	}
	r.host.gate.Store(h.gate)
	for id, t := range all {
		loaded, err := r.loadTenant(ctx, t.Namespace)
		if err != nil {
			return err
		}
		all[id] = loaded
		r.referAll(loaded)
	}
	for _, l := range leaving {
		if err := r.loadLeaver(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// referAll counts the files that a namespace's versions need.
func (r *Registry) referAll(t *tenant) {
	for _, p := range t.catalog.Load().modules {
		for _, v := range p.versions {
			r.blobs.refer(v.Digest, v.Bytes)
		}
	}
}

// loadTenant claims a namespace's registry space and reads it.
func (r *Registry) loadTenant(ctx context.Context, ns Namespace) (t *tenant, err error) {
	l, err := openLedger(ctx, r.store, kv.NewSpace(classOf(ns.ID), spaceRegistry))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	rd := newReader(ns.ID)
	for item, err := range r.store.Scan(ctx, l.lease.Space, kv.Range{}) {
		if err != nil {
			return nil, storeError("load "+string(ns.ID), err)
		}
		if err := rd.add(item); err != nil {
			return nil, errCorrupt("registry of "+string(ns.ID), item.Key, err)
		}
	}
	c, err := rd.catalog()
	if err != nil {
		return nil, errCorrupt("registry of "+string(ns.ID), nil, err)
	}
	t = &tenant{Namespace: ns, book: book{ledger: l}, allowance: newAllowance()}
	t.catalog.Store(c)
	t.gate.Store(rd.gate)
	t.terms.Store(&rd.terms)
	if err := r.resumeUsage(ctx, t); err != nil {
		return nil, err
	}
	r.apply(t)
	return t, nil
}

// SetHasActors tells the registry how to find out whether a name has actors. Without it no name
// has. It must be called before the registry is used by anybody else.
func (r *Registry) SetHasActors(f HasActors) { r.hasActors = f }

// book returns what keeps a namespace's tokens, or the host's if ns is empty.
func (r *Registry) book(ns ID) (*book, error) {
	if ns == "" {
		return &r.host, nil
	}
	t, err := r.tenant(ns)
	if err != nil {
		return nil, err
	}
	return &t.book, nil
}

// listen has f called after each change of what tokens are good in a namespace, or in all if it is empty.
func (r *Registry) listen(f func(ns ID)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, f)
}

func (r *Registry) changed(ns ID) {
	r.mu.Lock()
	listeners := slices.Clone(r.listeners)
	r.mu.Unlock()
	for _, f := range listeners {
		f(ns)
	}
}

// Close waits for changes under way and gives the spaces back. Reading goes on, later changes are
// CodeUnavailable. What was used until now is stored. It never fails and may be called again.
func (r *Registry) Close() error {
	r.usage.close(r)
	r.host.ledger.close() // first: no namespace is added any more
	for _, t := range *r.tenants.Load() {
		if t.ledger != nil { // nil if loading failed before it
			t.ledger.close()
		}
	}
	for _, l := range *r.leaving.Load() {
		if l.tenant != nil {
			l.tenant.ledger.close()
		}
	}
	return nil
}

// Modules returns a namespace's modules in order of their names; none for an unknown namespace.
func (r *Registry) Modules(ns ID) []Module {
	t, err := r.tenant(ns)
	if err != nil {
		return nil
	}
	return t.catalog.Load().list()
}

// Module returns one module, or CodeModuleNotFound, or ErrForeign.
func (r *Registry) Module(ns ID, name string) (Module, error) {
	p, err := r.program(ns, name)
	if err != nil {
		return Module{}, err
	}
	return p.Module, nil
}

// Versions returns all versions of a module from the first, or an error as Module does.
func (r *Registry) Versions(ns ID, module string) ([]Version, error) {
	p, err := r.program(ns, module)
	if err != nil {
		return nil, err
	}
	list := make([]Version, len(p.versions))
	for i, v := range p.versions {
		list[i] = *v
	}
	return list, nil
}

// Version returns version n of a module, or an error as Module does.
func (r *Registry) Version(ns ID, module string, n int) (Version, error) {
	p, err := r.program(ns, module)
	if err != nil {
		return Version{}, err
	}
	v, err := p.version(n)
	if err != nil {
		return Version{}, err
	}
	return *v, nil
}

func (r *Registry) program(ns ID, module string) (*program, error) {
	t, err := r.tenant(ns)
	if err != nil {
		return nil, err
	}
	return t.catalog.Load().module(module)
}

// Resolve returns the live version that defines an actor name, CodeActorNoVersion if there is
// none, or ErrForeign. It is made for each request: no lock, no I/O, no allocation.
func (r *Registry) Resolve(ns ID, actorName string) (*Version, error) {
	t, err := r.tenant(ns)
	if err != nil {
		return nil, err
	}
	if v, ok := t.catalog.Load().live[actorName]; ok {
		return v, nil
	}
	return nil, abi.Wrap(abi.CodeActorNoVersion, nil)
}

// Config returns what a module's guests may read, shared; nil if there is nothing or no such
// module. It costs as little as Resolve.
func (r *Registry) Config(ns ID, module string) map[string]string {
	if p, err := r.program(ns, module); err == nil {
		return p.Config
	}
	return nil
}
