package badgerkv

import (
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

// cost is the most that a job can add to a transaction, as Badger counts it. It is known before
// the job is queued, so that a group never turns out too large while it is built.
type cost struct {
	bytes   int
	entries int
}

// rowOverhead is what Badger adds to the bytes of a key and a value.
const rowOverhead = 12

func (c *cost) add(entries, bytes int) {
	c.entries += entries
	c.bytes += bytes + entries*rowOverhead
}

func (c cost) exceeds(limit cost) bool { return c.bytes > limit.bytes || c.entries > limit.entries }

// deltaCost returns the cost of d, and whether it cuts a value into chunks.
func deltaCost(s kv.Space, d *kv.Delta) (c cost, chunks bool) {
	prefix := spaceOverhead + len(s.Class()) + len(s.ID())
	c.add(1, prefix+headSize)
	c.add(1, prefix+countsSize) // the class's totals, once a group
	c.add(1, prefix+10)         // garbage row; the sets it may list are counted with the ops
	for _, op := range d.Ops {
		row := prefix + len(op.Key) + chunkSetSize
		if len(op.Value) <= chunkSize {
			c.add(1, row+len(op.Value))
			continue
		}
		chunks = true
		parts := int(partsOf(len(op.Value)))
		c.add(1+parts, row+chunkSetSize+parts*(prefix+16)+len(op.Value))
	}
	if d.Bind != nil {
		// Two rows for the new name, and the former name's row to delete.
		c.add(3, 3*prefix+2*len(d.Bind)+maxKey)
	}
	if d.Due != nil {
		c.add(2, 2*(prefix+8))
	}
	return c, chunks
}

// destroyCost returns the cost of ending a space: head, totals, two name rows, due row, garbage row.
func destroyCost(s kv.Space) (c cost) {
	prefix := spaceOverhead + len(s.Class()) + len(s.ID())
	c.add(6, 6*prefix+headSize+countsSize+maxKey+8)
	return c
}

// maxKey is the longest item key and the longest name.
const maxKey = 4 << 10

// limitsFor derives the bounds of a delta from those of a transaction: whatever keeps within them
// fits, as long as the names of its space do not exceed maxName.
func limitsFor(txn cost) kv.Limits {
	const (
		ops      = 10_240 // 10,000 for a guest and some for its host
		value    = 8 << 20
		fixed    = 64 << 10 // head, name, due and garbage rows, chunk keys
		perEntry = spaceOverhead + maxName + chunkSetSize + rowOverhead
	)
	l := kv.Limits{MaxOps: min(ops, txn.entries/4), MaxKey: maxKey}
	l.MaxBytes = txn.bytes - l.MaxOps*perEntry - fixed
	l.MaxValue = min(value, l.MaxBytes-maxKey)
	return l
}

var errEmptyKey = errors.New("badgerkv: empty key")

// check refuses a delta that no transaction may hold.
func (s *Store) check(d *kv.Delta, c cost) error {
	l := &s.limits
	tooLarge := func(what string, got, limit int) error {
		return fmt.Errorf("badgerkv: %s: %d, limit %d: %w", what, got, limit, kv.ErrTooLarge)
	}
	if len(d.Ops) > l.MaxOps {
		return tooLarge("operations", len(d.Ops), l.MaxOps)
	}
	for _, op := range d.Ops {
		switch {
		case len(op.Key) == 0:
			return errEmptyKey
		case len(op.Key) > l.MaxKey:
			return tooLarge("bytes of a key", len(op.Key), l.MaxKey)
		case len(op.Value) > l.MaxValue:
			return tooLarge("bytes of a value", len(op.Value), l.MaxValue)
		}
	}
	if d.Bind != nil && len(d.Bind) == 0 {
		return errEmptyKey
	}
	if len(d.Bind) > l.MaxKey {
		return tooLarge("bytes of a name", len(d.Bind), l.MaxKey)
	}
	if n := d.Size(); n > l.MaxBytes {
		return tooLarge("bytes", n, l.MaxBytes)
	}
	if c.exceeds(s.txnLimit) {
		return tooLarge("bytes with the space's own names", c.bytes, s.txnLimit.bytes)
	}
	return nil
}
