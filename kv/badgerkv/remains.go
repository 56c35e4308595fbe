package badgerkv

import (
	"context"
	"errors"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Spaces yields the spaces of class; see kv.Store. The order is that of the rows: the shorter id before the longer, then
// by bytes. Each costs two seeks, however much it holds.
func (s *Store) Spaces(ctx context.Context, class, after string) iter.Seq2[kv.Space, error] {
	return func(yield func(kv.Space, error) bool) {
		err := s.view(ctx, func(txn *badger.Txn) error {
			return s.eachSpace(ctx, txn, class, after, func(space kv.Space, _ head) error {
				if !yield(space, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && err != errStop {
			yield(kv.Space{}, err)
		}
	}
}

// eachSpace calls fn for the spaces of class behind after that hold something and are not destroyed.
func (s *Store) eachSpace(ctx context.Context, txn *badger.Txn, class, after string, fn func(kv.Space, head) error) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = spacesPrefix(class)
	it := txn.NewIterator(o)
	defer it.Close()
	from := o.Prefix
	if after != "" {
		from = successor(spacePrefix(kv.NewSpace(class, after), 0))
	}
	for it.Seek(from); it.Valid(); it.Seek(from) {
		if err := s.ready(ctx); err != nil {
			return err
		}
		key := it.Item().Key()
		id, _, ok := cutPart(key[len(o.Prefix):])
		if !ok || id == "" {
			return corrupt("row of a space", key)
		}
		space := kv.NewSpace(class, id)
		from = successor(spacePrefix(space, 0))
		row, _, err := readRow(txn, headKey(space))
		if errors.Is(err, kv.ErrNotFound) {
			continue // what is left of it is being removed
		}
		if err != nil {
			return err
		}
		h, ok := decodeHead(row)
		if !ok {
			return corrupt("head", headKey(space))
		}
		if h.has(destroyed) {
			continue
		}
		if err := fn(space, h); err != nil {
			return err
		}
	}
	return nil
}

// spacesPrefix begins the rows of all spaces of a class.
func spacesPrefix(class string) []byte {
	return append(appendPart([]byte{tableClass}, class), rowSpace)
}

// Remains counts the rows of a class, and the spaces of it that an old read may still see. The due index is in the order
// of time, for all classes: it is looked through only if there is nothing else.
func (s *Store) Remains(ctx context.Context, class string, max int) (int, error) {
	n, err := s.countRows(ctx, max, appendPart([]byte{tableClass}, class), appendPart(prefixGarbage[:2:2], class))
	if n == 0 && err == nil && s.Totals(class) != (kv.Counts{}) {
		n = 1 // its row, with what it holds
	}
	if n > 0 || err != nil {
		return n, err
	}
	s.dying.forget(s.snaps.oldest()) // behind the count, which was itself a read
	if n = s.dying.of(class); n > 0 {
		return min(n, max), nil
	}
	err = s.view(ctx, func(txn *badger.Txn) error {
		return s.walk(ctx, txn, prefixDue, kv.Range{}, func(key []byte, _ *badger.Item) error {
			if len(key) < 8 {
				return corrupt("row of the due index", key)
			}
			if of, _, ok := cutPart(key[8:]); ok && of == class {
				n++
			}
			return nil
		})
	})
	return min(n, max), err
}

// countRows counts the rows behind prefixes, at most max. It begins at the end: what was removed was removed from the
// front, where its tombstones are passed one by one.
func (s *Store) countRows(ctx context.Context, max int, prefixes ...[]byte) (n int, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		for _, prefix := range prefixes {
			err := s.walk(ctx, txn, prefix, kv.Range{Reverse: true}, func([]byte, *badger.Item) error {
				if n++; n >= max {
					return errStop
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == errStop {
		err = nil
	}
	return n, err
}
