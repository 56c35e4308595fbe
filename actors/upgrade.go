package actors

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// upgrade takes the version that the actor is to run, if it is another than before, between two turns. Its
// connections and its requests stay.
func (a *actor) upgrade(deadline time.Time) error {
	v, err := a.target()
	if err != nil {
		return err
	}
	noted := a.version != nil && a.record.Version == a.version.Number // else the delta that said so was refused
	if noted && v == a.version {
		return nil
	}
	if noted && sameVersion(v, a.version) {
		a.version = v
		return nil
	}
	ctx, cancel := context.WithDeadline(a.h.ctx, deadline)
	defer cancel()
	if a.record.Version == 0 || a.record.Version == v.Number || a.newborn {
		return a.load(ctx, v)
	}
	return a.change(ctx, v)
}

// target returns the version that the actor is to run: the live one, or the one that it keeps because that
// one's hook failed.
func (a *actor) target() (*tenants.Version, error) {
	if p := a.record.Pin; p != nil {
		if a.version != nil {
			return a.version, nil
		}
		v, err := a.h.cfg.Registry.Version(a.id.Namespace, p.Module, p.Version)
		if err != nil {
			return nil, abi.Wrap(abi.CodeActorNoVersion, err)
		}
		return &v, nil
	}
	v, err := a.h.cfg.Registry.ResolveFor(a.id, a.record.Name)
	if err != nil || a.record.Kept != v.Number {
		return v, err
	}
	kept, err := a.h.cfg.Registry.Version(a.id.Namespace, v.Module, a.record.Version)
	if err != nil {
		return v, nil // it is gone
	}
	if a.version != nil && sameVersion(&kept, a.version) {
		return a.version, nil
	}
	return &kept, nil
}

func sameVersion(a, b *tenants.Version) bool {
	return a.Module == b.Module && a.Number == b.Number && a.Digest == b.Digest
}

// load makes v the version of the turns to come.
func (a *actor) load(ctx context.Context, v *tenants.Version) error {
	code, err := a.acquire(ctx, v)
	if err != nil {
		return err
	}
	a.swap(v, code)
	if a.record.Version != v.Number {
		a.record.Version, a.recordOwed = v.Number, !a.newborn
	}
	return nil
}

func (a *actor) acquire(ctx context.Context, v *tenants.Version) (*sandbox.Version, error) {
	return a.h.acquire(ctx, v.Namespace, v.Digest, func() ([]byte, error) { return a.h.cfg.Registry.Wasm(v.Digest) })
}

// swap replaces the version. The guest's memory goes with the old one.
func (a *actor) swap(v *tenants.Version, code *sandbox.Version) {
	if a.version != nil {
		a.cause = abi.WakeUpgrade
	}
	a.dropInstance()
	if a.code != nil {
		a.code.Release()
	}
	a.version, a.code, a.self = v, code, nil
}

// change goes from the version that wrote the actor's data to another. The hook upgrade runs with the
// higher of both, so that the newer code, which knows both shapes, does the work in both directions. If it
// fails the actor keeps the version that it has until another is live.
func (a *actor) change(ctx context.Context, v *tenants.Version) error {
	failpoint.Reach(failpoint.UpgradeBegun)
	defer failpoint.Reach(failpoint.UpgradeRan)
	from := a.record.Version
	if back := v.Number < from; back {
		old, err := a.h.cfg.Registry.Version(a.id.Namespace, v.Module, from)
		if err != nil {
			return a.load(ctx, v) // it is gone, and its hook with it
		}
		if err := a.ensureVersion(ctx, &old); err != nil {
			return err
		}
		if err := a.migrate(from, v.Number); err != nil {
			return a.keep(from, v.Number)
		}
		return a.load(ctx, v)
	}
	if err := a.ensureVersion(ctx, v); err != nil {
		return err
	}
	if err := a.migrate(from, v.Number); err == nil {
		return nil
	}
	old, err := a.h.cfg.Registry.Version(a.id.Namespace, v.Module, from)
	if err != nil {
		return abi.Errorf(abi.CodeActorNoVersion, "the actor's version is gone, and the new one's upgrade fails")
	}
	if err := a.ensureVersion(ctx, &old); err != nil {
		return err
	}
	return a.keep(from, v.Number)
}

// ensureVersion makes v the version that runs, without a word in the record.
func (a *actor) ensureVersion(ctx context.Context, v *tenants.Version) error {
	if a.version != nil && sameVersion(a.version, v) {
		return nil
	}
	code, err := a.acquire(ctx, v)
	if err != nil {
		return err
	}
	a.swap(v, code)
	return nil
}

// migrate runs the hook upgrade, if the version has it, and notes the new version in the same delta.
func (a *actor) migrate(from, to int) error {
	doc, err := json.Marshal(abi.Upgrade{From: from, To: to})
	if err != nil {
		return err
	}
	before := a.record
	a.record.Version, a.record.Kept = to, 0
	if !a.manifest().HasHook(abi.HookUpgrade) || a.version.Plain {
		a.recordOwed = true
		return nil
	}
	err = a.runTurn(newEntry(entryTurn, time.Now().Add(milliseconds(a.manifest().Options.OnMigrateTimeout, migrateTime)), func(t *turn) (Reply, error) {
		reply, err := t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindUpgrade, Head: doc}})
		if err == nil {
			err = t.writeRecord()
		}
		return reply, err
	}))
	if err != nil {
		a.record = before
	}
	return err
}

// migrateTime is how long the hook upgrade may take.
const migrateTime = 30 * time.Second

// keep notes that the actor stays with a version though another is live.
func (a *actor) keep(version, refused int) error {
	a.record.Version, a.record.Kept, a.recordOwed = version, refused, true
	a.log("error", "host", "the upgrade failed; the actor keeps its version until another is live")
	return nil
}

// writeRecord adds the actor's record to what the turn writes.
func (t *turn) writeRecord() error {
	row, err := json.Marshal(t.a.record)
	if err != nil {
		return err
	}
	t.changes.Put(recordKey, row)
	t.a.recordOwed = false
	info := t.a.record.info(t.a.id)
	t.after(func() { t.a.h.note(info) })
	return nil
}
