package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Option changes what Publish and SetLive refuse.
type Option uint8

// Force makes a version live although it lacks names which have actors. They keep their state and
// wait for a version that defines them.
const Force Option = 1

// Publish makes an upload the newest version of v.Module, which it creates if there is none, and
// the live one if live is true. It returns the version and true, once both are durable.
//
// The caller fills v except Number, Digest, Bytes and Created. Codec and Input of a plain module
// may be empty for JSON and InputArgs, and Actors for one actor named as the module.
//
// Identical bytes with the same input form are the same version: Publish then returns the old one
// and false, made live again if live is true. It keeps its labels, note and report; those of v are
// ignored. The file is replaced, so an upload repairs a damaged one.
//
// It uses st up, whatever it returns. Errors, beside those of Version's form:
//
//	ErrForeign           no such namespace
//	CodeModuleNameTaken  another module owns an actor name; metadata {actor, module}
//	CodeModuleInUse      the version would be live and lacks names of the module which have actors;
//	                     metadata {actors}; not with Force. Actors made meanwhile are not seen.
//	CodeModuleLimit      too many modules, versions or actors, or the manifest is too large
//	CodeQuota            more modules, or bytes of them, than the namespace may have
func (r *Registry) Publish(ctx context.Context, st *Staged, v Version, live bool, opts ...Option) (Version, bool, error) {
	defer st.Discard()
	t, err := r.tenant(v.Namespace)
	if err != nil {
		return Version{}, false, err
	}
	v.Digest, v.Bytes, v.Created = st.Digest, st.Bytes, now()
	v.setDefaults()
	if err := v.check(); err != nil {
		return Version{}, false, err
	}
	if err := t.ledger.lock(ctx); err != nil {
		return Version{}, false, err
	}
	defer t.ledger.unlock()
	p, ok := t.catalog.Load().modules[v.Module]
	if !ok {
		p = &program{Module: Module{Namespace: t.ID, Name: v.Module, Created: v.Created}}
	}
	if old := p.same(&v); old != nil {
		return r.republishLocked(ctx, t, st, p, old, live, opts)
	}
	added, err := r.addVersionLocked(ctx, t, st, p, v, live, opts)
	if err != nil {
		return Version{}, false, err
	}
	return *added, true, nil
}

// MayPublish returns what Publish would refuse now, whatever an upload of a module turns out to be: CodeQuota if the
// namespace has no room for it, ErrForeign. Bytes are those that have come so far.
func (r *Registry) MayPublish(ns ID, module string, bytes int64) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	return t.mayAdd(module, bytes)
}

// mayAdd holds a new version to the namespace's quotas.
func (t *tenant) mayAdd(module string, bytes int64) error {
	c := t.catalog.Load()
	modules, held := c.size()
	if _, ok := c.modules[module]; !ok {
		if most := t.allowance.Limit(QuotaModules); most > 0 && modules >= most {
			return OverQuota(QuotaModules, most, modules, 0)
		}
	}
	if most := t.allowance.Limit(QuotaModuleBytes); most > 0 && held+bytes > most {
		return OverQuota(QuotaModuleBytes, most, held, 0)
	}
	return nil
}

func (v *Version) setDefaults() {
	if !v.Plain {
		return
	}
	if v.Codec == "" {
		v.Codec = abi.JSON
	}
	if v.Input == "" {
		v.Input = InputArgs
	}
	if len(v.Actors) == 0 {
		v.Actors = map[string]abi.ActorManifest{v.Module: {}}
	}
}

// republishLocked publishes the bytes of an old version.
func (r *Registry) republishLocked(ctx context.Context, t *tenant, st *Staged, p *program, old *Version, live bool, opts []Option) (Version, bool, error) {
	if err := r.blobs.keep(st); err != nil {
		return Version{}, false, err
	}
	defer r.blobs.drop(st.Digest) // old refers to it
	if live {
		if _, err := r.setLiveLocked(ctx, t, p, old, opts); err != nil {
			return Version{}, false, err
		}
	}
	return *old, false, nil
}

// addVersionLocked adds a version to p, the module as it is or a new one.
func (r *Registry) addVersionLocked(ctx context.Context, t *tenant, st *Staged, p *program, v Version, live bool, opts []Option) (*Version, error) {
	v.Number = p.Latest + 1
	record, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("tenants: encode version: %w", err)
	}
	if len(record) > maxRecord {
		return nil, abi.Errorf(abi.CodeModuleLimit, "manifest, report, labels and note have %d bytes as JSON, more than %d", len(record), maxRecord)
	}
	// What memory keeps is what a restart would read, and shares nothing with the caller.
	added, err := decodeVersion(record)
	if err != nil {
		return nil, fmt.Errorf("tenants: read back version: %w", err)
	}
	if err := t.mayAdd(p.Name, added.Bytes); err != nil {
		return nil, err
	}
	next, err := p.add(added)
	if err != nil {
		return nil, err
	}
	if live {
		if err := r.checkActors(t.ID, next.lacking(added), opts); err != nil {
			return nil, err
		}
		next.Live = added.Number // it is no canary: it is new
	}
	c, err := t.catalog.Load().with(next)
	if err != nil {
		return nil, err
	}
	op, err := putModule(&next.Module)
	if err != nil {
		return nil, err
	}
	ops := []kv.Op{op, {Key: versionKey(v.Module, v.Number), Value: record}}
	if err := r.commitFile(ctx, t, st, ops); err != nil {
		return nil, err
	}
	t.catalog.Store(c)
	return added, nil
}

// commitFile makes the file of a new version durable, and then its records.
func (r *Registry) commitFile(ctx context.Context, t *tenant, st *Staged, ops []kv.Op) error {
	if err := r.blobs.keep(st); err != nil {
		return err
	}
	err := t.ledger.commitLocked(ctx, ops)
	// After an unknown outcome the records may be there: the file must be, too.
	if err != nil && !errors.As(err, new(*kv.UnknownError)) {
		r.blobs.drop(st.Digest)
	}
	return err
}

// SetLive makes version number the live one. The errors are those of Publish, and
// CodeModuleNotFound for an unknown module or version. Number 0 is CodeInvalidRequest: a module
// cannot be taken down, only deleted.
func (r *Registry) SetLive(ctx context.Context, ns ID, module string, number int, opts ...Option) (Module, error) {
	if number < 1 {
		return Module{}, abi.Errorf(abi.CodeInvalidRequest, "versions are numbered from 1")
	}
	var m Module
	err := r.change(ctx, ns, module, func(t *tenant, p *program) error {
		v, err := p.version(number)
		if err != nil {
			return err
		}
		m, err = r.setLiveLocked(ctx, t, p, v, opts)
		return err
	})
	return m, err
}

func (r *Registry) setLiveLocked(ctx context.Context, t *tenant, p *program, v *Version, opts []Option) (Module, error) {
	if p.Live == v.Number {
		return p.Module, nil
	}
	if err := r.checkActors(t.ID, p.lacking(v), opts); err != nil {
		return Module{}, err
	}
	next := *p
	next.Live = v.Number
	if next.Canary != nil && next.Canary.Version == v.Number {
		next.Canary = nil // it has all actors now
	}
	if err := t.replaceLocked(ctx, &next); err != nil {
		return Module{}, err
	}
	return next.Module, nil
}

// checkActors refuses to leave actors of any of names without a version.
func (r *Registry) checkActors(ns ID, names []string, opts []Option) error {
	if r.hasActors == nil || slices.Contains(opts, Force) {
		return nil
	}
	var used []string
	for _, actor := range names {
		has, err := r.hasActors(ns, actor)
		if err != nil {
			return fmt.Errorf("tenants: look for actors named %s: %w", actor, err)
		}
		if has {
			used = append(used, actor)
		}
	}
	if len(used) == 0 {
		return nil
	}
	return abi.Errorf(abi.CodeModuleInUse, "there are actors that would have no version").
		With(map[string][]string{"actors": used})
}

// DeleteModule removes a module with its versions, its config and its files, and frees its actor
// names. It is CodeModuleInUse, as in Publish, if any of the names has actors; it cannot be forced.
// A module made again under the name begins with version 1.
func (r *Registry) DeleteModule(ctx context.Context, ns ID, module string) error {
	return r.change(ctx, ns, module, func(t *tenant, p *program) error {
		if err := r.checkActors(ns, p.names, nil); err != nil {
			return err
		}
		c, err := t.catalog.Load().without(module)
		if err != nil {
			return err
		}
		ops := []kv.Op{{Key: moduleKey(module)}}
		for _, v := range p.versions {
			ops = append(ops, kv.Op{Key: versionKey(module, v.Number)})
		}
		if err := t.ledger.commitLocked(ctx, ops); err != nil {
			return err
		}
		t.catalog.Store(c)
		for _, v := range p.versions {
			r.blobs.drop(v.Digest)
		}
		return nil
	})
}

// change runs f, alone among the namespace's changes, on a module.
func (r *Registry) change(ctx context.Context, ns ID, module string, f func(*tenant, *program) error) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	if err := t.ledger.lock(ctx); err != nil {
		return err
	}
	defer t.ledger.unlock()
	p, err := t.catalog.Load().module(module)
	if err != nil {
		return err
	}
	return f(t, p)
}

// replaceLocked stores the record of a module whose versions are as before, on disk and then in
// memory.
func (t *tenant) replaceLocked(ctx context.Context, p *program) error {
	c, err := t.catalog.Load().with(p)
	if err != nil {
		return err
	}
	op, err := putModule(&p.Module)
	if err != nil {
		return err
	}
	if err := t.ledger.commitLocked(ctx, []kv.Op{op}); err != nil {
		return err
	}
	t.catalog.Store(c)
	return nil
}
