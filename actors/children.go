package actors

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// A child is an actor that another made with limits that only narrow, and that ends with it. Its record
// names its parent; its parent has a row of it, durable before the child is made, so that none is ever
// without a parent which knows it.

// childRow is what a parent keeps of a child.
type childRow struct {
	Lifetime int64           `json:"lifetime,omitempty"` // moment at which the child ends by itself
	Last     *abi.ChildUsage `json:"last,omitempty"`     // of one that was destroyed
}

func childKey(id tenants.ActorID) []byte { return tableKey(tableChildren, []byte(id.String())) }

// maxChildren bounds the children that an actor makes, also those that have ended.
const maxChildren = 10_000

func init() { agendaWorks[agendaLifetime] = endLifetime }

// endLifetime is the end of a child's time.
func endLifetime(a *actor, _, _ []byte) (*entry, error) {
	e := newEntry(entryTurn, a.h.deadline(), func(t *turn) (Reply, error) {
		t.leave = beDestroyed
		return Reply{}, nil
	})
	e.bare, e.rows = true, []string{string(agendaKey(agendaLifetime, nil))} // which wait again if it cannot end now
	return e, nil
}

// childOptions are what a child is made with.
type childOptions struct {
	id     tenants.ActorID
	parent tenants.ActorID
	limits *abi.ChildLimits
	pin    *pin
}

// pin is a version that is live for one parent's children only.
type pin struct {
	Module  string `json:"module"`
	Version int    `json:"version"`
	By      string `json:"by"` // module of the parent
}

// createChild makes a child at once. The row of it is a delta of its own, before the child's.
func (t *turn) createChild(addr tenants.Address, s *abi.ActorSpec, input []byte) (info Info, created bool, err error) {
	if info, err := t.a.h.Find(t.ctx, addr); abi.CodeOf(err) != abi.CodeActorNotFound {
		if err == nil {
			var mine bool
			if _, mine, err = t.get(childKey(info.ID)); err == nil && !mine {
				err = exists(info) // it is somebody else's
			}
		}
		return info, false, err
	}
	if err := t.a.h.Writable(); err != nil {
		return info, false, err // the row that comes before the child would break the actor's lease
	}
	made, err := t.counter(childCountKey)
	if err != nil {
		return info, false, err
	}
	if made >= maxChildren {
		return info, false, abi.Errorf(abi.CodeActorOverloaded, "the actor has made %d children", maxChildren)
	}
	limits, err := t.narrow(s.Limits)
	if err != nil {
		return info, false, err
	}
	id := tenants.NewActorID(addr.Namespace)
	row := childRow{}
	if limits.Lifetime > 0 {
		row.Lifetime = t.now.Add(time.Duration(limits.Lifetime) * time.Millisecond).UnixMilli()
	}
	doc, err := json.Marshal(row)
	if err != nil {
		return info, false, err
	}
	child, err := t.pinned(addr.Name)
	if err != nil {
		return info, false, err
	}
	o := CreateOptions{Input: slices.Clone(input), child: &childOptions{id: id, parent: t.a.id, limits: limits, pin: child}}
	err = t.waitFor(tenants.ActorID{}, func(ctx context.Context, from lineage) error {
		count := kv.Op{Key: childCountKey, Value: binary.BigEndian.AppendUint64(nil, made+1)}
		if err := t.a.commitAside([]kv.Op{count, {Key: childKey(id), Value: doc}}); err != nil {
			return err
		}
		o.from = from
		var err error
		info, created, err = t.a.h.GetOrCreate(ctx, addr, o)
		return err
	})
	switch {
	case err == nil && created:
		// For what follows in the turn, which has not read the delta.
		t.changes.Put(childKey(id), doc)
		t.setCounter(childCountKey, made+1)
		if own := t.a.record.Limits; own != nil && own.Gas > 0 {
			t.a.usage.Gas += limits.Gas
		}
		return info, true, nil
	case err == nil:
		err = exists(info) // somebody else's, made meanwhile
	}
	t.changes.Delete(childKey(id)) // there is no such child
	return info, false, err
}

// commitAside makes rows durable in the middle of a turn, whatever becomes of it.
func (a *actor) commitAside(ops []kv.Op) error {
	changes := &kv.Overlay{}
	for _, op := range ops {
		changes.Put(op.Key, op.Value)
	}
	a.commit(&kv.Delta{Ops: changes.Ops()}, changes, &outbox{request: &request{}})
	a.flight.drain()
	failpoint.Reach(failpoint.AsideDurable)
	if err := a.flight.broken(); err != nil {
		return abi.Wrap(abi.CodeActorConflict, err)
	}
	return nil
}

// narrow returns the limits of a child: no wider than those of an actor that is a child itself, whose own
// gas pays for the child's once that is made.
func (t *turn) narrow(want *abi.ChildLimits) (*abi.ChildLimits, error) {
	l := abi.ChildLimits{}
	if want != nil {
		l = *want
	}
	if l.TurnGas < 0 || l.Gas < 0 || l.Memory < 0 || l.Stored < 0 || l.Lifetime < 0 || len(l.Egress) > maxPatterns {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a child's limits are zero or more")
	}
	l.Lifetime = min(l.Lifetime, maxAhead.Milliseconds()) // or its end could overflow
	own := t.a.record.Limits
	if own == nil {
		return &l, nil
	}
	for _, f := range []struct {
		name       string
		mine, want *int64
	}{{"turn_gas", &own.TurnGas, &l.TurnGas}, {"memory", &own.Memory, &l.Memory}, {"stored", &own.Stored, &l.Stored}} {
		if *f.want == 0 {
			*f.want = *f.mine
		}
		if *f.mine > 0 && *f.want > *f.mine {
			return nil, abi.Errorf(abi.CodeInvalidArgument, "the limit %s is above the parent's own", f.name)
		}
	}
	for _, host := range l.Egress {
		if !slices.Contains(own.Egress, host) {
			return nil, abi.Errorf(abi.CodeInvalidArgument, "the parent may not reach %q itself", clip(host))
		}
	}
	if own.Gas > 0 {
		left := own.Gas - t.a.usage.Gas
		if l.Gas == 0 || l.Gas > left {
			return nil, abi.Errorf(abi.CodeInvalidArgument, "the limit gas is to be set, and is above the %d that the parent has left", left)
		}
	}
	return &l, nil
}

// pinned returns the version that the actor uploaded for its children, nil if there is none of this name.
func (t *turn) pinned(name string) (*pin, error) {
	row, ok, err := t.get(tableKey(tablePins, []byte(name)))
	if err != nil || !ok {
		return nil, err
	}
	var p pin
	if err := json.Unmarshal(row, &p); err != nil {
		return nil, fmt.Errorf("actors: uploaded version: %w", kv.ErrCorrupt)
	}
	return &p, nil
}

// ChildUsage implements hostfuncs.Peers.
func (t *turn) ChildUsage(id string) ([]byte, bool, error) {
	child, ok := tenants.ParseActorID(t.a.id.Namespace, id)
	if !ok {
		return nil, false, nil
	}
	row, ok, err := t.get(childKey(child))
	if err != nil || !ok {
		return nil, false, err
	}
	var kept childRow
	if err := json.Unmarshal(row, &kept); err != nil {
		return nil, false, fmt.Errorf("actors: child: %w", kv.ErrCorrupt)
	}
	u, err := t.a.h.usageOf(t.ctx, child)
	switch {
	case abi.CodeOf(err) == abi.CodeActorNotFound && kept.Last != nil:
		u = *kept.Last
	case abi.CodeOf(err) == abi.CodeActorNotFound:
		u = abi.ChildUsage{Ended: "destroyed"}
		if kept.Lifetime > 0 && kept.Lifetime <= t.now.UnixMilli() {
			u.Ended = "lifetime"
		}
	case err != nil:
		return nil, false, err
	}
	doc, err := json.Marshal(u)
	return doc, true, err
}

// usageOf returns what a child has used, as its newest turn left it.
func (h *Host) usageOf(ctx context.Context, id tenants.ActorID) (u abi.ChildUsage, err error) {
	if _, err := readRecord(ctx, h.cfg.Store, id); err != nil {
		return u, err
	}
	b, err := h.cfg.Store.Get(ctx, id.Space(), usageKey)
	if err != nil {
		return u, nil // it has not had a turn
	}
	return u, json.Unmarshal(b, &u)
}

// killChild notes the last usage of a child that the actor is about to destroy. It reports false if the actor is no
// child of it.
func (t *turn) killChild(id tenants.ActorID) (mine bool, err error) {
	row, ok, err := t.get(childKey(id))
	if err != nil || !ok {
		return false, err
	}
	u, err := t.a.h.usageOf(t.ctx, id)
	if err != nil {
		return true, nil // it has gone already
	}
	if u.Ended == "" {
		u.Ended = "killed"
	}
	var kept childRow
	if err := json.Unmarshal(row, &kept); err != nil {
		return true, fmt.Errorf("actors: child: %w", kv.ErrCorrupt)
	}
	kept.Last = &u
	doc, err := json.Marshal(kept)
	if err == nil {
		t.changes.Put(childKey(id), doc)
	}
	return true, err
}

// destroyChildren ends the actor's children, in the middle of their turns, before it ends itself. One that takes
// longer than a turn may ends later. What is refused for the moment is an error: the actor must not end before its
// children, or nobody would end them.
func (a *actor) destroyChildren() error {
	ctx, cancel := context.WithTimeout(a.h.ctx, a.h.cfg.TurnTime)
	defer cancel()
	for it, err := range a.h.cfg.Store.Scan(a.h.ctx, a.id.Space(), kv.PrefixRange([]byte{tableChildren})) {
		if err != nil {
			return readError(err)
		}
		id, ok := tenants.ParseActorID(a.id.Namespace, string(it.Key[1:]))
		if !ok {
			continue
		}
		switch err := a.h.destroySoon(ctx, id); abi.CodeOf(err) {
		case 0, abi.CodeActorNotFound:
		case abi.CodeUnavailable, abi.CodeStorageFull, abi.CodeHostBusy, abi.CodeActorConflict, abi.CodeOutcomeUnknown:
			return err
		default:
			a.h.cfg.Logger.Error("a child outlives its parent", "tenant", a.id.Namespace, "actor", a.id, "child", id, "error", err)
		}
		if a.h.ctx.Err() != nil {
			return errDraining // the child may not have been asked
		}
	}
	return nil
}

// destroySoon is Destroy, but does not take the request back when ctx ends before the actor could be destroyed.
func (h *Host) destroySoon(ctx context.Context, id tenants.ActorID) error {
	e := newEntry(entryDestroy, h.deadline(), nil)
	e.kills = true
	if err := h.put(ctx, id, e); err != nil {
		return err
	}
	select {
	case got := <-e.result:
		return got.err
	case <-ctx.Done():
		return nil
	}
}
