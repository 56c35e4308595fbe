package badgerkv

import (
	"context"
	"iter"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Lookup returns the space that name finds within class, or kv.ErrNotFound.
func (s *Store) Lookup(ctx context.Context, class string, name []byte) (space kv.Space, err error) {
	if !validPart(class) || len(name) == 0 || len(name) > maxKey {
		return kv.Space{}, kv.ErrNotFound
	}
	err = s.view(ctx, func(txn *badger.Txn) error {
		key := nameKey(class, name)
		id, _, err := readRow(txn, key)
		if err != nil {
			return err
		}
		if !validPart(string(id)) {
			return corrupt("name", key)
		}
		space = kv.NewSpace(class, string(id))
		return nil
	})
	return space, err
}

// List yields the bindings of class with a name in r, in byte order of names, as of one moment.
// A name is valid until the next iteration.
func (s *Store) List(ctx context.Context, class string, r kv.Range) iter.Seq2[kv.Binding, error] {
	return func(yield func(kv.Binding, error) bool) {
		if !validPart(class) {
			return
		}
		err := s.view(ctx, func(txn *badger.Txn) error {
			return s.walk(ctx, txn, namePrefix(class, 0), r, func(name []byte, item *badger.Item) error {
				return item.Value(func(id []byte) error {
					if !validPart(string(id)) {
						return corrupt("name", name)
					}
					if !yield(kv.Binding{Name: name, Space: kv.NewSpace(class, string(id))}, nil) {
						return errStop
					}
					return nil
				})
			})
		})
		if err != nil && err != errStop {
			yield(kv.Binding{}, err)
		}
	}
}

// Due yields the spaces that want to be woken at or before t, earliest first, as of one moment.
func (s *Store) Due(ctx context.Context, t time.Time) iter.Seq2[kv.Wake, error] {
	return func(yield func(kv.Wake, error) bool) {
		err := s.view(ctx, func(txn *badger.Txn) error {
			return s.walk(ctx, txn, prefixDue, kv.Range{}, func(_ []byte, item *badger.Item) error {
				ms, space, ok := cutDue(item.Key())
				if !ok {
					return corrupt("due row", item.Key())
				}
				if ms > t.UnixMilli() || !yield(kv.Wake{Space: space, Due: time.UnixMilli(ms)}, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && err != errStop {
			yield(kv.Wake{}, err)
		}
	}
}

// validPart reports whether s can be a class or an id.
func validPart(s string) bool { return len(s) >= 1 && len(s) <= 255 }
