package badgerkv

import (
	"context"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// moment reads at one timestamp, however long that takes. What is dying is not looked for: a space that was destroyed
// before the timestamp is not among Spaces, and of one that is destroyed later the engine keeps what the timestamp sees.
type moment struct {
	s   *Store
	txn *badger.Txn
}

// Moment calls f with what the store holds now; see kv.Store.
func (s *Store) Moment(ctx context.Context, f func(kv.Moment) error) error {
	return s.view(ctx, func(txn *badger.Txn) error { return f(moment{s, txn}) })
}

// Get implements kv.Reader.
func (m moment) Get(ctx context.Context, space kv.Space, key []byte) ([]byte, error) {
	if err := m.s.ready(ctx); err != nil {
		return nil, err
	}
	return readItem(m.txn, space, key)
}

// Scan implements kv.Reader.
func (m moment) Scan(ctx context.Context, space kv.Space, r kv.Range) iter.Seq2[kv.Item, error] {
	return func(yield func(kv.Item, error) bool) {
		if err := m.s.scan(ctx, m.txn, space, r, yield); err != nil && err != errStop {
			yield(kv.Item{}, err)
		}
	}
}

// Spaces implements kv.Moment.
func (m moment) Spaces(ctx context.Context, class string) iter.Seq2[kv.Held, error] {
	return func(yield func(kv.Held, error) bool) {
		err := m.s.eachSpace(ctx, m.txn, class, "", func(space kv.Space, h head) error {
			return yieldHeld(m.txn, space, h, yield)
		})
		if err != nil && err != errStop {
			yield(kv.Held{}, err)
		}
	}
}
