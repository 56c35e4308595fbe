package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Check reports what is wrong with the store: rows that are none of ours, and rows that do not agree. The rows of one space that must agree are its head with its name and its moment in the due
// index, both ways, items with their chunks, and both with what the head counts; of a class the heads and the totals.
// It holds no more than the names of one space's chunks, and the totals of classes. The error is
// that of ctx, or of a store that cannot be read on.
func (in *Inspection) Check(ctx context.Context, report kv.Report) (err error) {
	defer func() {
		if p := recover(); p != nil { // the engine, over damaged bytes
			err = fmt.Errorf("badgerkv: check: %w: %v", kv.ErrCorrupt, p)
		}
	}()
	return in.s.view(ctx, func(txn *badger.Txn) error {
		c := &checker{txn: txn, totals: map[string]kv.Counts{}}
		c.report = func(d kv.Damage) { c.found++; report(d) }
		c.numbers()
		err := in.s.walk(ctx, txn, nil, kv.Range{}, c.row)
		c.endSpace()
		c.endTotals()
		return err
	})
}

// checker walks the rows in order. A class has its names first, then its spaces; a space its chunks, its head, its
// items and its name; the due index and the garbage list come at the end.
type checker struct {
	txn    *badger.Txn
	report kv.Report
	boot   uint64

	space  kv.Space
	held   heldRows
	totals map[string]kv.Counts // of classes, by the heads of their spaces
	found  int                  // so far: counts that are wrong after it may follow from it
}

// heldRows is what was seen of one space.
type heldRows struct {
	head  head
	live  bool // there is a head, and it is no tombstone
	gone  bool // it is a tombstone
	rows  int  // beside the head
	name  []byte
	parts map[chunkSet]uint32 // chunks by their set, whose parts is zero
	used  map[chunkSet]uint32 // sets that items name, with their parts
	bytes int64               // of items
}

func nameOfSpace(s kv.Space) string { return fmt.Sprintf("space %q/%x", s.Class(), s.ID()) }

// numbers checks the rows of the store as a whole.
func (c *checker) numbers() {
	version, err := readNumber(c.txn, keyVersion)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		c.report.Found("store/no_version", "the store", "it does not say of which format it is")
	case err == nil && version > formatVersion:
		c.report.Found("store/newer_version", "the store", "it has the format %d, this program knows %d", version, formatVersion)
	}
	c.boot, err = readNumber(c.txn, keyBoot)
	if errors.Is(err, kv.ErrNotFound) {
		c.report.Found("store/no_boot", "the store", "it does not say how often it was opened")
	}
}

// row checks one row, and notes what must agree with others of its space.
func (c *checker) row(key []byte, item *badger.Item) error {
	r, ok := parseRow(key)
	if !ok {
		c.report.Found("store/unknown_row", fmt.Sprintf("row %q", clip(key)), "no program of ours writes such a row")
		return nil
	}
	switch r.kind {
	case kindChunk, kindHead, kindItem, kindNameOf:
		if r.space != c.space {
			c.endSpace()
			c.space = r.space
		}
	default:
		c.endSpace()
	}
	return item.Value(func(v []byte) error {
		if !r.validValue(item.UserMeta(), v) {
			c.report.Found("store/bad_row", fmt.Sprintf("row %q", clip(key)), "it cannot be read")
			return nil
		}
		c.valid(r, item, v)
		return nil
	})
}

func (c *checker) valid(r row, item *badger.Item, v []byte) {
	h, meta := &c.held, item.UserMeta()
	switch r.kind {
	case kindName:
		c.binding(r, string(v))
	case kindDue:
		c.due(r)
	case kindTotals:
		c.total(r.space.Class(), v)
	case kindChunk:
		h.rows++
		h.parts = add(h.parts, r.set, h.parts[r.set]+1)
	case kindHead:
		h.head, _ = decodeHead(v)
		h.gone = h.head.has(destroyed)
		h.live = !h.gone
	case kindItem:
		if h.rows++; meta == metaChunked {
			set, _, _ := cutChunkSet(v)
			parts := set.parts
			set.parts = 0
			h.used = add(h.used, set, parts)
		}
		w := &writer{txn: c.txn} // a missing chunk is found elsewhere
		h.bytes += w.sizeOf(r.space, item, len(item.Key())-len(itemKey(r.space, nil)))
	case kindNameOf:
		h.rows++
		h.name = bytes.Clone(v)
	}
}

func add(m map[chunkSet]uint32, set chunkSet, n uint32) map[chunkSet]uint32 {
	if m == nil {
		m = map[chunkSet]uint32{}
	}
	m[set] = n
	return m
}

func clip(key []byte) []byte { return key[:min(len(key), 200)] }

// has returns the value of a row, nil if there is none.
func (c *checker) has(key []byte) []byte {
	v, _, err := readRow(c.txn, key)
	if err != nil {
		return nil
	}
	return v
}

// headOf returns the head of another space than the one that is walked, zero if there is none.
func (c *checker) headOf(s kv.Space) head {
	h, _ := decodeHead(c.has(headKey(s)))
	return h
}

// binding checks a name against the space that it finds.
func (c *checker) binding(r row, id string) {
	s := kv.NewSpace(r.space.Class(), id)
	if h := c.headOf(s); !h.has(hasName) || !bytes.Equal(c.has(nameOfKey(s)), r.name) {
		c.report.Found("store/name_of_nobody", fmt.Sprintf("name %q of %q", clip(r.name), s.Class()), "it finds %s, which does not have it", nameOfSpace(s))
	}
}

// due checks a row of the due index against the space that it wakes.
func (c *checker) due(r row) {
	if h := c.headOf(r.space); !h.has(hasDue) || h.due != r.due {
		c.report.Found("store/due_of_nobody", nameOfSpace(r.space), "the due index has it at %d ms, and it does not", r.due)
	}
}

// total checks what a class is said to hold against the heads of its spaces, which come before.
func (c *checker) total(class string, v []byte) {
	says, _ := decodeCounts(v)
	if holds := c.totals[class]; holds != says && c.found == 0 {
		c.report.Found("store/wrong_totals", fmt.Sprintf("class %q", class), "it is said to hold %v, and its spaces hold %v", says, holds)
	}
	delete(c.totals, class)
}

// endTotals looks for classes that hold something and are not said to.
func (c *checker) endTotals() {
	for class, holds := range c.totals {
		if holds != (kv.Counts{}) && c.found == 0 {
			c.report.Found("store/wrong_totals", fmt.Sprintf("class %q", class), "its spaces hold %v, and nothing says so", holds)
		}
	}
}

// count checks what the head of a space counts, and adds it to its class.
func (c *checker) count(s kv.Space, h heldRows) {
	names := int64(0)
	if h.name != nil {
		names = 1
	}
	holds := h.head.holds
	if c.found == 0 && (holds[kv.Bytes] != h.bytes || holds[kv.Names] != names) {
		c.report.Found("store/wrong_counts", nameOfSpace(s), "its head counts %d bytes and %d names, and it has %d and %d",
			holds[kv.Bytes], holds[kv.Names], h.bytes, names)
	}
	total := c.totals[s.Class()]
	for i, n := range holds {
		total[i] += n
	}
	c.totals[s.Class()] = total
}

// endSpace checks what was seen of a space.
func (c *checker) endSpace() {
	s, h := c.space, c.held
	c.space, c.held = kv.Space{}, heldRows{}
	if !s.Valid() || c.has(garbageSpaceKey(s)) != nil {
		return // a destroyed space may be half swept
	}
	where := nameOfSpace(s)
	switch {
	case h.gone:
		c.report.Found("store/lost_garbage", where, "it was destroyed, and nothing will sweep it")
		return
	case !h.live:
		c.report.Found("store/no_head", where, "it has %d rows and no head: nothing finds them", h.rows)
		return
	case h.head.pos == 0 || h.head.epoch.Boot == 0 || h.head.epoch.Boot > c.boot:
		c.report.Found("store/bad_head", where, "its last delta is number %d of boot %d, and the store is at boot %d", h.head.pos, h.head.epoch.Boot, c.boot)
	}
	if h.head.has(hasName) != (h.name != nil) || h.name != nil && string(c.has(nameKey(s.Class(), h.name))) != s.ID() {
		c.report.Found("store/name_lost", where, "its name %q does not find it", clip(h.name))
	}
	if h.head.has(hasDue) && c.has(dueKey(h.head.due, s)) == nil {
		c.report.Found("store/due_lost", where, "it is due at %d ms, and the due index does not have it: nothing wakes it", h.head.due)
	}
	c.chunks(s, h)
	c.count(s, h)
}

// chunks checks that items find the chunks that they name, and that somebody names each chunk.
func (c *checker) chunks(s kv.Space, h heldRows) {
	where := nameOfSpace(s)
	for set, parts := range h.used {
		if h.parts[set] != parts {
			c.report.Found("store/missing_chunk", where, "a value of delta %d has %d of %d chunks", set.delta, h.parts[set], parts)
		}
		delete(h.parts, set)
	}
	if len(h.parts)+len(h.used) > 0 && !h.head.has(hasChunks) {
		c.report.Found("store/bad_head", where, "it says that no value was cut")
	}
	if len(h.parts) == 0 {
		return
	}
	prefix := garbageChunksKey(s, 0)
	prefix = prefix[:len(prefix)-8]
	it := c.txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		b, err := it.Item().ValueCopy(nil)
		for ok := err == nil; ok && len(b) > 0; {
			var set chunkSet
			if set, b, ok = cutChunkSet(b); ok {
				set.parts = 0
				delete(h.parts, set)
			}
		}
	}
	for set, n := range h.parts {
		c.report.Found("store/stray_chunk", where, "%d chunks of delta %d belong to no value, and nothing will sweep them", n, set.delta)
	}
}
