package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// totals is what the spaces of each class hold together, and the most that they may. Only the committer changes
// what they hold: with the verdict about a job, so that of jobs in one group each sees those before it.
type totals struct {
	mu      sync.Mutex // guards the fields below
	classes map[string]*total
	changed []*total // since their rows were built
}

type total struct {
	class   string
	holds   kv.Counts
	most    kv.Counts // zero is no bound
	changed bool      // it is in the list of those
}

func (t *totals) ofLocked(class string) *total {
	c := t.classes[class]
	if c == nil {
		if t.classes == nil {
			t.classes = map[string]*total{}
		}
		c = &total{class: class}
		t.classes[class] = c
	}
	return c
}

// add takes growth up into a class, or says which bound it breaks. must lets it pass all of them.
func (t *totals) add(class string, growth kv.Counts, must bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.ofLocked(class)
	for i, n := range growth {
		if most := c.most[i]; !must && n > 0 && most > 0 && c.holds[i]+n > most {
			return &kv.BoundError{What: kv.Count(i), Most: most, Held: c.holds[i]}
		}
	}
	if growth == (kv.Counts{}) {
		return nil
	}
	for i, n := range growth {
		c.holds[i] += n
	}
	if !c.changed {
		c.changed = true
		t.changed = append(t.changed, c)
	}
	return nil
}

// write adds the rows of the classes that have changed to a transaction.
func (t *totals) write(w *writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.changed {
		c.changed = false
		if c.holds == (kv.Counts{}) {
			w.remove(totalsKey(c.class))
		} else {
			w.set(totalsKey(c.class), appendCounts(nil, c.holds), metaInline)
		}
	}
	t.changed = t.changed[:0]
}

// Bound sets the most that a class may hold; see kv.Store.
func (s *Store) Bound(class string, most kv.Counts) {
	s.totals.mu.Lock()
	defer s.totals.mu.Unlock()
	s.totals.ofLocked(class).most = most
}

// Totals returns what a class holds; see kv.Store.
func (s *Store) Totals(class string) kv.Counts {
	s.totals.mu.Lock()
	defer s.totals.mu.Unlock()
	if c := s.totals.classes[class]; c != nil {
		return c.holds
	}
	return kv.Counts{}
}

// loadTotals reads the rows of all classes. It runs before any other goroutine.
func (s *Store) loadTotals() error {
	ctx := context.Background()
	return s.view(ctx, func(txn *badger.Txn) error {
		return s.walk(ctx, txn, prefixTotals, kv.Range{}, func(class []byte, item *badger.Item) error {
			return item.Value(func(v []byte) error {
				holds, ok := decodeCounts(v)
				if !ok || len(class) == 0 || len(class) > 255 {
					return corrupt("totals", class)
				}
				s.totals.ofLocked(string(class)).holds = holds
				return nil
			})
		})
	})
}

// growth returns by how much an accepted job changes what its space holds. Reads through the transaction see the
// jobs before it.
func growth(txn *badger.Txn, j *job) (g kv.Counts, err error) {
	before := j.entry.head.holds
	switch {
	case j.destroy:
		for i, n := range before {
			g[i] = -n
		}
		return g, nil
	case j.delta.Bind != nil && !j.entry.head.has(hasName):
		g[kv.Names] = 1
	}
	for i, n := range j.delta.Marks {
		mark := kv.MarkA + kv.Count(i)
		g[mark] = max(n, -before[mark])
	}
	g[kv.Bytes], err = byteGrowth(txn, j)
	return g, err
}

// recent is the item that a space's last delta wrote last, and its bytes. Most deltas write the same one again, an actor's
// state, and to read its row only for its size took 4 % of the processor time of a small turn.
type recent struct {
	key   []byte
	bytes int64
}

// note keeps what an accepted delta wrote last.
func (r *recent) note(ops []kv.Op) {
	if len(ops) == 0 {
		return
	}
	op := ops[len(ops)-1]
	r.key, r.bytes = append(r.key[:0], op.Key...), opBytes(op)
}

// opBytes returns the bytes of the item that op leaves.
func opBytes(op kv.Op) int64 {
	if op.Value == nil {
		return 0
	}
	return int64(len(op.Key) + len(op.Value))
}

// byteGrowth returns by how many bytes j changes its space's items. Of two operations for one key the last counts.
func byteGrowth(txn *badger.Txn, j *job) (n int64, err error) {
	w := &writer{txn: txn}
	ops, recent := j.delta.Ops, &j.entry.recent
	last := lastOps(ops)
	for i, op := range ops {
		if last(i) != i {
			continue
		}
		n += opBytes(op)
		switch {
		case j.entry.head.pos == 0: // it has nothing yet
		case len(recent.key) > 0 && bytes.Equal(op.Key, recent.key):
			n -= recent.bytes
		default:
			n -= w.itemSize(j.lease.Space, op.Key)
		}
	}
	return n, w.err
}

// lastOps returns what finds the last operation for the key of another one.
func lastOps(ops []kv.Op) func(i int) int {
	const few = 8 // no map is worth it
	if len(ops) > few {
		last := make(map[string]int, len(ops))
		for i, op := range ops {
			last[string(op.Key)] = i
		}
		return func(i int) int { return last[string(ops[i].Key)] }
	}
	return func(i int) int {
		for k := len(ops) - 1; k > i; k-- {
			if string(ops[k].Key) == string(ops[i].Key) {
				return k
			}
		}
		return i
	}
}

// itemSize returns the bytes of an item, zero if there is none.
func (w *writer) itemSize(space kv.Space, key []byte) int64 {
	if w.err != nil {
		return 0
	}
	item, err := w.txn.Get(itemKey(space, key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0
	}
	if err != nil {
		w.err = translate("read", err)
		return 0
	}
	return w.sizeOf(space, item, len(key))
}

// sizeOf returns the bytes of the item in a row.
func (w *writer) sizeOf(space kv.Space, item *badger.Item, key int) int64 {
	var n int64
	err := item.Value(func(v []byte) (err error) {
		if n = int64(len(v)); item.UserMeta() == metaChunked {
			n, err = chunkedSize(w.txn, space, v)
		}
		return err
	})
	if err != nil && w.err == nil {
		w.err = translate("read", err)
	}
	return int64(key) + n
}

// chunkedSize returns the bytes of a value that was cut: all its chunks but the last are full.
func chunkedSize(txn *badger.Txn, space kv.Space, row []byte) (n int64, err error) {
	set, rest, ok := cutChunkSet(row)
	if !ok || len(rest) != 0 || set.parts == 0 {
		return 0, corrupt("chunk set", headKey(space))
	}
	last, err := txn.Get(chunkKey(space, set, set.parts-1))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", corrupt("missing chunk", headKey(space)), err)
	}
	// Item.ValueSize knows nothing of what the transaction itself has written.
	err = last.Value(func(v []byte) error {
		n = int64(set.parts-1)*chunkSize + int64(len(v))
		return nil
	})
	return n, err
}
