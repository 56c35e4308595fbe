package actors

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// An import makes an actor of the rows that an export gave, or somebody else: nothing in them is trusted. The order is
//
//  1. a space of a new id, which no name finds and which has a mark: it is to be destroyed some time later;
//  2. the rows, each checked before it is written;
//  3. once all are there and agree, one delta: the record, the name and the moment of the first work, and the mark goes.
//
// A failure before 3 destroys the space, and after a kill the alarm wakes it for its mark, finds no record, and destroys it.

// importKey is the mark.
var importKey = []byte{tableRecord, 'i'}

// importTime is how long an import may take.
const importTime = 10 * time.Minute

// importDelta is the size to which rows are gathered in one delta, in bytes.
const importDelta = 1 << 20

// Import is an actor that is being imported. It is used by one goroutine, and ends with Finish or Discard.
type Import struct {
	h     *Host
	ctx   context.Context
	id    tenants.ActorID
	key   *tenants.Key
	lease kv.Lease
	n     uint64 // of the last delta
	ops   []kv.Op
	size  int
	rec   *record
	v     *tenants.Version
	rows  importCheck
	over  bool
}

// BeginImport begins to import an actor into a namespace, at key unless that is nil.
func (h *Host) BeginImport(ctx context.Context, ns tenants.ID, key *tenants.Key) (*Import, error) {
	h.mu.Lock()
	err := h.admitLocked(ns)
	h.mu.Unlock()
	if err == nil {
		err = h.Writable()
	}
	if err != nil {
		return nil, err
	}
	im := &Import{h: h, ctx: ctx, id: tenants.NewActorID(ns), key: key}
	if im.lease, err = h.cfg.Store.Claim(ctx, im.id.Space()); err != nil {
		return nil, readError(err)
	}
	im.rows.begin(im.id, h.now())
	return im, nil
}

// Put takes the next row. Its errors, beside those of the store, are CodeBadArchive for a row that no actor has, and what a
// creation at the address would be refused with: CodeActorExists, CodeModuleNotFound, CodeActorInvalidKey.
func (im *Import) Put(it kv.Item) error {
	if im.rec == nil {
		return im.readRecord(it)
	}
	if err := im.rows.row(it.Key, it.Value); err != nil {
		return err
	}
	im.ops = append(im.ops, kv.Op{Key: bytes.Clone(it.Key), Value: append([]byte{}, it.Value...)})
	if im.size += len(it.Key) + len(it.Value); im.size >= importDelta || len(im.ops) >= abi.MaxDeltaOps/2 {
		return im.flush()
	}
	return nil
}

// readRecord takes the first row.
func (im *Import) readRecord(it kv.Item) error {
	var r exportedRecord
	if !bytes.Equal(it.Key, recordKey) || decodeStrict(it.Value, &r) != nil {
		return badRow("the first row does not say who the actor is")
	}
	if im.key != nil {
		r.Key = *im.key
	}
	key, err := tenants.ParseKey(string(r.Key))
	if err != nil || key != r.Key || !tenants.ValidName(r.Name) || r.Created < 0 || r.Created > im.h.now().Add(maxSkew).UnixMilli() {
		return badRow("what it says of who the actor is cannot be")
	}
	addr := tenants.Address{Namespace: im.id.Namespace, Name: r.Name, Key: r.Key}
	if im.v, err = im.h.birthVersion(addr, &CreateOptions{}); err != nil {
		return err
	}
	if want := im.v.Actors[r.Name].Key; want != nil && len(r.Key.Components()) != len(want) {
		return abi.Errorf(abi.CodeActorInvalidKey, "a key of this actor has %d components: %q", len(want), want)
	}
	switch info, err := im.h.Find(im.ctx, addr); {
	case err == nil:
		return exists(info)
	case !isGone(err):
		return err
	}
	if err := im.h.mayCreate(addr.Namespace); err != nil {
		return err
	}
	im.rec = &record{Name: r.Name, Key: r.Key, Created: r.Created, Module: im.v.Module, Version: im.wrote(r.Version)}
	mark := kv.Op{Key: importKey, Value: []byte{}}
	due := im.h.now().Add(importTime)
	return im.commit(&kv.Delta{Ops: []kv.Op{mark}, Due: &due})
}

// maxSkew is how far the clock of another host may be ahead.
const maxSkew = 24 * time.Hour

// wrote returns the version of the module that has the bytes of the one which wrote the rows, so that a hook upgrade runs if
// another is live; zero if there is none.
func (im *Import) wrote(digest string) int {
	versions, err := im.h.cfg.Registry.Versions(im.id.Namespace, im.v.Module)
	if err != nil {
		return 0
	}
	for _, v := range versions {
		if v.Digest.String() == digest {
			return v.Number
		}
	}
	return 0
}

func (im *Import) flush() error {
	if len(im.ops) == 0 {
		return nil
	}
	ops := im.ops
	im.ops, im.size = nil, 0
	return im.commit(&kv.Delta{Ops: ops})
}

// commit writes the next delta and waits for it. What the namespace may not have is refused by the store, with the quota's code.
func (im *Import) commit(d *kv.Delta) error {
	if err := im.ctx.Err(); err != nil {
		return abi.Wrap(abi.CodeUnavailable, err)
	}
	im.n++
	d.N = im.n
	done := make(chan error, 1)
	im.h.cfg.Store.Commit(im.lease, d, func(err error) { done <- err })
	if err := <-done; err != nil {
		return commitError(err)
	}
	a := im.h.cfg.Registry.Allowance(im.id.Namespace)
	a.Wrote(int64(d.Size()))
	a.Add(tenants.UsedWritten, int64(d.Size()))
	return nil
}

// Finish makes the actor, durable when it returns. After an error the import is still to be discarded.
func (im *Import) Finish() (Info, error) {
	if im.rec == nil {
		return Info{}, badRow("there is no actor in it")
	}
	first, err := im.rows.finish()
	if err == nil {
		err = im.flush()
	}
	if err != nil {
		return Info{}, err
	}
	doc, err := json.Marshal(im.rec)
	if err != nil {
		return Info{}, err
	}
	info := im.rec.info(im.id)
	ops := []kv.Op{{Key: importKey}, {Key: recordKey, Value: doc}}
	marks := [2]int64{int64(im.rows.schedules), int64(im.rows.queued)} // as of agenda.marks
	if err := im.commit(&kv.Delta{Ops: ops, Bind: info.Address.Binding(), Due: &first, Marks: marks}); err != nil {
		return Info{}, err
	}
	im.over = true
	im.h.cfg.Store.Release(im.lease)
	im.h.alarm.again()
	return info, nil
}

// Discard destroys what there is of an import that has not been finished. It may be called again.
func (im *Import) Discard() {
	if im.over {
		return
	}
	im.over = true
	im.h.dropImport(im.lease, im.n > 0)
}

// dropImport destroys a space that is no actor's yet.
func (h *Host) dropImport(l kv.Lease, written bool) {
	defer h.cfg.Store.Release(l)
	if !written {
		return
	}
	done := make(chan error, 1)
	h.cfg.Store.Destroy(l, func(err error) { done <- err })
	if err := <-done; err != nil {
		h.cfg.Logger.Warn("an unfinished import is left, and tried to be removed again", "tenant", l.Space.Class(), "error", err)
	}
}

// isImport reports whether the space is of an import that was not finished.
func (a *actor) isImport() bool {
	_, err := a.h.cfg.Store.Get(a.h.ctx, a.id.Space(), importKey)
	return err == nil
}

// badRow refuses what is imported.
func badRow(format string, args ...any) error {
	return abi.Errorf(abi.CodeBadArchive, format, args...)
}
