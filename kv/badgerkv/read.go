package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// view runs fn on one moment of the store.
func (s *Store) view(ctx context.Context, fn func(*badger.Txn) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	ts, err := s.snaps.begin()
	if err != nil {
		return err
	}
	defer s.snaps.end(ts)
	txn := s.db.NewTransactionAt(ts, false)
	defer txn.Discard()
	return fn(txn)
}

// readRow returns a copy of a row and its meta byte, or kv.ErrNotFound. The value is not nil.
func readRow(txn *badger.Txn, key []byte) (value []byte, meta byte, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, 0, kv.ErrNotFound // bare: misses are common, and say nothing more
	}
	if err != nil {
		return nil, 0, translate("read", err)
	}
	value, err = item.ValueCopy([]byte{})
	return value, item.UserMeta(), translate("read", err)
}

// readHead returns the head of space, zero if it never was.
func (s *Store) readHead(space kv.Space) (h head, err error) {
	err = s.view(context.Background(), func(txn *badger.Txn) error {
		key := headKey(space)
		row, _, err := readRow(txn, key)
		if errors.Is(err, kv.ErrNotFound) {
			if s.dying.has(space) {
				h.flags = destroyed // its head is swept, the rest of it is not
			}
			return nil
		}
		if err != nil {
			return err
		}
		var ok bool
		if h, ok = decodeHead(row); !ok {
			return corrupt("head", key)
		}
		return nil
	})
	return h, err
}

// Get returns the value of key, a copy that the caller owns, or kv.ErrNotFound.
func (s *Store) Get(ctx context.Context, space kv.Space, key []byte) (value []byte, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		if s.dying.has(space) {
			return kv.ErrNotFound
		}
		value, err = readItem(txn, space, key)
		return err
	})
	return value, err
}

// readItem returns a copy of an item's value, or kv.ErrNotFound.
func readItem(txn *badger.Txn, space kv.Space, key []byte) ([]byte, error) {
	if len(key) == 0 || len(key) > maxKey {
		return nil, kv.ErrNotFound
	}
	value, meta, err := readRow(txn, itemKey(space, key))
	if err == nil && meta == metaChunked {
		value, err = joinChunks(txn, space, value)
	}
	if err != nil {
		return nil, err
	}
	return value, nil
}

// joinChunks returns the value of an item's row that names a chunk set.
func joinChunks(txn *badger.Txn, space kv.Space, row []byte) ([]byte, error) {
	set, rest, ok := cutChunkSet(row)
	if !ok || len(rest) != 0 {
		return nil, corrupt("chunk set", headKey(space))
	}
	value := make([]byte, 0, int(set.parts)*chunkSize)
	for part := range set.parts {
		key := chunkKey(space, set, part)
		item, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil, corrupt("missing chunk", key)
		}
		if err == nil {
			err = item.Value(func(v []byte) error {
				value = append(value, v...)
				return nil
			})
		}
		if err != nil {
			return nil, translate("read chunk", err)
		}
	}
	return value, nil
}

// Scan yields the items of r in order, as of one moment.
func (s *Store) Scan(ctx context.Context, space kv.Space, r kv.Range) iter.Seq2[kv.Item, error] {
	return func(yield func(kv.Item, error) bool) {
		err := s.view(ctx, func(txn *badger.Txn) error {
			if s.dying.has(space) {
				return nil
			}
			return s.scan(ctx, txn, space, r, yield)
		})
		if err != nil && err != errStop {
			yield(kv.Item{}, err)
		}
	}
}

// scan yields the items that txn sees; errStop says that nobody wants more.
func (s *Store) scan(ctx context.Context, txn *badger.Txn, space kv.Space, r kv.Range, yield func(kv.Item, error) bool) error {
	return s.walk(ctx, txn, itemKey(space, nil), r, func(key []byte, item *badger.Item) error {
		return item.Value(func(v []byte) (err error) {
			if item.UserMeta() == metaChunked {
				v, err = joinChunks(txn, space, v)
			} else if v == nil {
				v = []byte{}
			}
			if err == nil && !yield(kv.Item{Key: key, Value: v}, nil) {
				err = errStop
			}
			return err
		})
	})
}

// errStop ends a walk early. Callers drop it.
var errStop = errors.New("badgerkv: stop")

// walk calls fn for the rows of r behind prefix, with the key behind the prefix. Both are valid
// until fn returns. No value is in the value log, so there is nothing to prefetch: it would start
// a goroutine for each row.
func (s *Store) walk(ctx context.Context, txn *badger.Txn, prefix []byte, r kv.Range, fn func(key []byte, item *badger.Item) error) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = prefix
	o.Reverse = r.Reverse
	it := txn.NewIterator(o)
	defer it.Close()
	for seek(it, prefix, r); it.Valid(); it.Next() {
		if err := s.ready(ctx); err != nil {
			return err
		}
		item := it.Item()
		key := item.Key()[len(prefix):]
		if r.Reverse && bytes.Compare(key, r.Lo) < 0 || !r.Reverse && r.Hi != nil && bytes.Compare(key, r.Hi) >= 0 {
			return nil
		}
		if err := fn(key, item); err != nil {
			return err
		}
	}
	return nil
}

// seek moves to the first row of r in its direction.
func seek(it *badger.Iterator, prefix []byte, r kv.Range) {
	if !r.Reverse {
		it.Seek(append(prefix[:len(prefix):len(prefix)], r.Lo...))
		return
	}
	end := successor(prefix)
	if r.Hi != nil {
		end = append(prefix[:len(prefix):len(prefix)], r.Hi...)
	}
	// A reverse seek finds the last key at or before end, which is not part of r.
	it.Seek(end)
	if it.Valid() && bytes.Equal(it.Item().Key(), end) {
		it.Next()
	}
}
