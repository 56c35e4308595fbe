package badgerkv

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// recount brings a store of format 1, which did not count, to the counts of format 2: it reads all rows and writes
// the head of each space and the totals of each class anew. Marks begin at zero. It may be cut off and done again:
// until it has ended the store says that it is of format 1. It runs before any other goroutine.
func (s *Store) recount() error {
	r := &recounter{s: s, totals: map[string]kv.Counts{}}
	ctx := context.Background()
	err := s.view(ctx, func(txn *badger.Txn) error {
		r.txn = txn
		if err := s.walk(ctx, txn, nil, kv.Range{}, r.row); err != nil {
			return err
		}
		return r.endSpace()
	})
	if err != nil {
		return err
	}
	for class, holds := range r.totals {
		r.rows = append(r.rows, badger.NewEntry(totalsKey(class), appendCounts(nil, holds)).WithMeta(metaInline))
	}
	return r.flush()
}

// recounter walks the rows in order: a space has its chunks first, then its head, its items and its name.
type recounter struct {
	s      *Store
	txn    *badger.Txn
	space  kv.Space
	head   head
	holds  kv.Counts // of the space
	totals map[string]kv.Counts
	rows   []*badger.Entry // to write
}

func (r *recounter) row(key []byte, item *badger.Item) error {
	row, ok := parseRow(key)
	if !ok || row.kind != kindHead && row.kind != kindItem && row.kind != kindNameOf {
		return nil
	}
	if row.space != r.space {
		if err := r.endSpace(); err != nil {
			return err
		}
		r.space = row.space
	}
	switch row.kind {
	case kindNameOf:
		r.holds[kv.Names]++
	case kindHead:
		return item.Value(func(v []byte) error {
			if r.head, ok = decodeHead(v); !ok {
				return corrupt("head", key)
			}
			return nil
		})
	default:
		w := &writer{txn: r.txn}
		r.holds[kv.Bytes] += w.sizeOf(r.space, item, len(key)-len(itemKey(r.space, nil)))
		return w.err
	}
	return nil
}

func (r *recounter) endSpace() error {
	space, h, holds := r.space, r.head, r.holds
	r.space, r.head, r.holds = kv.Space{}, head{}, kv.Counts{}
	if !space.Valid() || h.pos == 0 || h.has(destroyed) {
		return nil
	}
	h.holds = holds
	total := r.totals[space.Class()]
	for i, n := range holds {
		total[i] += n
	}
	r.totals[space.Class()] = total
	r.rows = append(r.rows, badger.NewEntry(headKey(space), h.encode()).WithMeta(metaInline))
	if len(r.rows) < sweepRows {
		return nil
	}
	return r.flush()
}

// flush writes what was gathered, synced.
func (r *recounter) flush() error {
	txn := r.s.db.NewTransactionAt(r.s.snaps.newest(), true)
	defer txn.Discard()
	for _, e := range r.rows {
		if err := txn.SetEntry(e); err != nil {
			return translate("recount", err)
		}
	}
	r.rows = nil
	ts := r.s.snaps.newest() + 1
	if err := txn.CommitAt(ts, nil); err != nil {
		return translate("recount", err)
	}
	r.s.snaps.publish(ts)
	return nil
}
