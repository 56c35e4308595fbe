package badgerkv

import (
	"bytes"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// writer adds rows to a transaction and keeps the first error. Reads through the transaction see
// what it wrote, so a job sees the jobs before it in its group.
type writer struct {
	txn *badger.Txn
	err error
}

func (w *writer) set(key, value []byte, meta byte) {
	if w.err == nil {
		w.err = translate("build group", w.txn.SetEntry(badger.NewEntry(key, value).WithMeta(meta)))
	}
}

func (w *writer) remove(key []byte) {
	if w.err == nil {
		w.err = translate("build group", w.txn.Delete(key))
	}
}

// read returns the row of key, or nil if there is none.
func (w *writer) read(key []byte) (value []byte, meta byte) {
	if w.err != nil {
		return nil, 0
	}
	value, meta, err := readRow(w.txn, key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		w.err = err
	}
	return value, meta
}

// apply adds what an accepted job writes.
func apply(txn *badger.Txn, j *job) error {
	w := &writer{txn: txn}
	switch {
	case j.remove != nil:
		for _, key := range j.remove {
			w.remove(key)
		}
	case j.destroy:
		w.destroy(j)
	default:
		w.delta(j)
	}
	return w.err
}

func (w *writer) delta(j *job) {
	s, d := j.lease.Space, j.delta
	var stale []byte // encoded chunk sets
	for i, op := range d.Ops {
		key := itemKey(s, op.Key)
		if j.after.has(hasChunks) {
			stale = w.staleSet(stale, key)
		}
		switch {
		case op.Value == nil:
			w.remove(key)
		case len(op.Value) <= chunkSize:
			w.set(key, op.Value, metaInline)
		default:
			w.chunks(s, key, op.Value, chunkSet{d.N, uint32(i), partsOf(len(op.Value))})
		}
	}
	if len(stale) > 0 {
		w.set(garbageChunksKey(s, d.N), stale, metaInline)
		j.garbage = true
	}
	if d.Bind != nil {
		w.bind(j)
	}
	w.due(j)
	w.set(headKey(s), j.after.encode(), metaInline)
}

// staleSet appends the chunk set of the item that is about to change, if it has one.
func (w *writer) staleSet(stale, key []byte) []byte {
	if set, meta := w.read(key); meta == metaChunked {
		return append(stale, set...)
	}
	return stale
}

func (w *writer) chunks(s kv.Space, key, value []byte, set chunkSet) {
	for part := range set.parts {
		n := min(len(value), chunkSize)
		w.set(chunkKey(s, set, part), value[:n], metaInline)
		value = value[n:]
	}
	w.set(key, set.append(nil), metaChunked)
}

// bind gives the space its name and frees the one it had.
func (w *writer) bind(j *job) {
	s, name := j.lease.Space, j.delta.Bind
	if j.before.has(hasName) {
		old, _ := w.read(nameOfKey(s))
		if bytes.Equal(old, name) {
			return
		}
		w.remove(nameKey(s.Class(), old))
	}
	w.set(nameKey(s.Class(), name), []byte(s.ID()), metaInline)
	w.set(nameOfKey(s), name, metaInline)
}

// due moves the space's row of the due index.
func (w *writer) due(j *job) {
	before, after := j.before, j.after
	if before.has(hasDue) == after.has(hasDue) && before.due == after.due {
		return
	}
	if before.has(hasDue) {
		w.remove(dueKey(before.due, j.lease.Space))
	}
	if after.has(hasDue) {
		w.set(dueKey(after.due, j.lease.Space), nil, metaInline)
	}
}

// destroy takes the space out of every index and leaves its rows to the sweeper.
func (w *writer) destroy(j *job) {
	s := j.lease.Space
	if j.before.has(hasName) {
		name, _ := w.read(nameOfKey(s))
		w.remove(nameKey(s.Class(), name))
	}
	w.due(j)
	w.set(headKey(s), j.after.encode(), metaInline)
	w.set(garbageSpaceKey(s), nil, metaInline)
	j.garbage = true
}
