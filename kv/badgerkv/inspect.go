package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Inspection is a store that nobody uses, opened to be looked at: it claims nothing and writes no row. The engine
// under it is opened as ever, and takes up the log that a killed process left.
type Inspection struct {
	s *Store
}

var _ kv.Reader = (*Inspection)(nil)

// Inspect opens the store in c.Dir, which must be there and in which CheckFiles found nothing. A store that the
// engine cannot open is ErrCorrupt.
func Inspect(c Config) (in *Inspection, err error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	owner, err := lock(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{owner: owner, config: c}
	s.failure.init()
	if s.db, err = openDamaged(c); err != nil {
		owner.Close()
		return nil, err
	}
	ts := s.db.MaxVersion()
	s.db.SetDiscardTs(ts)
	s.snaps.init(ts)
	return &Inspection{s}, nil
}

// openDamaged is openEngine for files that may be damaged, over which the engine may panic.
func openDamaged(c Config) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("badgerkv: open: %w: %v", kv.ErrCorrupt, p)
		}
	}()
	if db, err = openEngine(c); err != nil {
		err = fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	}
	return db, err
}

// Close closes the engine.
func (in *Inspection) Close() error {
	return errors.Join(closeDB(in.s.db, in.s.config), in.s.owner.Close())
}

// Get implements kv.Reader.
func (in *Inspection) Get(ctx context.Context, space kv.Space, key []byte) ([]byte, error) {
	return in.s.Get(ctx, space, key)
}

// Scan implements kv.Reader.
func (in *Inspection) Scan(ctx context.Context, space kv.Space, r kv.Range) iter.Seq2[kv.Item, error] {
	return in.s.Scan(ctx, space, r)
}

// Spaces yields the spaces that hold something and are not destroyed, in byte order of class and id, the shorter
// before the longer.
func (in *Inspection) Spaces(ctx context.Context) iter.Seq2[kv.Held, error] {
	return func(yield func(kv.Held, error) bool) {
		err := in.s.view(ctx, func(txn *badger.Txn) error {
			return in.s.walk(ctx, txn, []byte{tableClass}, kv.Range{}, func(key []byte, item *badger.Item) error {
				r, ok := parseClassRow(key)
				if !ok || r.kind != kindHead {
					return nil
				}
				row, err := item.ValueCopy(nil)
				if err != nil {
					return translate("read", err)
				}
				h, ok := decodeHead(row)
				if !ok || h.has(destroyed) {
					return nil
				}
				return yieldHeld(txn, r.space, h, yield)
			})
		})
		if err != nil && err != errStop {
			yield(kv.Held{}, err)
		}
	}
}

// yieldHeld yields what is known of a space.
func yieldHeld(txn *badger.Txn, space kv.Space, h head, yield func(kv.Held, error) bool) (err error) {
	held := kv.Held{Space: space, Pos: h.pos, Due: h.dueTime(), Holds: h.holds}
	if h.has(hasName) {
		if held.Name, _, err = readRow(txn, nameOfKey(space)); err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	if !yield(held, nil) {
		return errStop
	}
	return nil
}

// Classes yields the classes of which there is any row, those of destroyed spaces included, in order.
func (in *Inspection) Classes(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := in.s.view(ctx, func(txn *badger.Txn) error {
			for _, prefix := range [][]byte{{tableClass}, prefixGarbage} {
				if err := eachClass(ctx, txn, prefix, yield); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && err != errStop {
			yield("", err)
		}
	}
}

// eachClass yields the classes of the keys behind a prefix, one seek for each.
func eachClass(ctx context.Context, txn *badger.Txn, prefix []byte, yield func(string, error) bool) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = prefix
	it := txn.NewIterator(o)
	defer it.Close()
	from := prefix
	for it.Seek(from); it.Valid(); it.Seek(from) {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := it.Item().KeyCopy(nil)
		class, _, ok := cutPart(key[len(prefix):])
		if !ok {
			from = append(key, 0) // none of ours, which Check reports
			continue
		}
		if !yield(class, nil) {
			return errStop
		}
		from = successor(appendPart(prefix[:len(prefix):len(prefix)], class))
	}
	return nil
}
