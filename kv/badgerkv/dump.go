package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// Dump yields every row; see kv.Store. An item's key is the row's, its value the row's behind its meta byte.
func (s *Store) Dump(ctx context.Context) iter.Seq2[kv.Item, error] {
	return func(yield func(kv.Item, error) bool) {
		var buf []byte
		err := s.view(ctx, func(txn *badger.Txn) error {
			return s.walk(ctx, txn, nil, kv.Range{}, func(key []byte, item *badger.Item) error {
				return item.Value(func(v []byte) error {
					buf = append(append(buf[:0], item.UserMeta()), v...)
					if !yield(kv.Item{Key: key, Value: buf}, nil) {
						return errStop
					}
					return nil
				})
			})
		})
		if err != nil && err != errStop {
			yield(kv.Item{}, err)
		}
	}
}

// MaxDumpItem is the most that key and value of an item of Dump have together, in bytes.
const MaxDumpItem = chunkSize + maxKey + 1024

// CheckItem returns ErrCorrupt for an item that no Dump yields.
func CheckItem(it kv.Item) error {
	r, ok := parseRow(it.Key)
	if !ok || len(it.Value) == 0 || !r.validValue(it.Value[0], it.Value[1:]) {
		return corrupt("dumped row", it.Key[:min(len(it.Key), 100)])
	}
	return nil
}

// loader is a kv.Loader into a new database.
type loader struct {
	config Config
	db     *badger.DB
	owner  *os.File
	batch  *badger.WriteBatch
	last   []byte // key of the last item
	err    error
}

// Load returns what fills the store in c.Dir, which has none yet. Whatever happens it is to be closed. It holds the
// memory of some tables, however much is loaded.
func Load(c Config) (kv.Loader, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if left, err := os.ReadDir(c.Dir); err == nil && len(left) > 0 {
		return nil, fmt.Errorf("badgerkv: load: %s is not empty", c.Dir)
	}
	owner, err := lock(c.Dir)
	if err != nil {
		return nil, err
	}
	db, err := openEngine(c)
	if err != nil {
		owner.Close()
		return nil, err
	}
	// One timestamp for all: what comes later has a greater one.
	return &loader{config: c, db: db, owner: owner, batch: db.NewWriteBatchAt(1)}, nil
}

// Put implements kv.Loader. The item is copied.
func (l *loader) Put(it kv.Item) error {
	if l.err != nil {
		return l.err
	}
	if l.err = CheckItem(it); l.err == nil && bytes.Compare(it.Key, l.last) <= 0 {
		l.err = corrupt("dumped row out of order", it.Key)
	}
	if l.err == nil {
		l.last = append(l.last[:0], it.Key...)
		e := badger.NewEntry(bytes.Clone(it.Key), bytes.Clone(it.Value[1:])).WithMeta(it.Value[0])
		l.err = translate("load", l.batch.SetEntry(e))
	}
	return l.err
}

// Close implements kv.Loader. It returns the first failure of all.
func (l *loader) Close() error {
	if l.db == nil {
		return l.err
	}
	if l.err != nil {
		l.batch.Cancel()
	} else {
		l.err = translate("load", l.batch.Flush())
	}
	l.err = errors.Join(l.err, translate("load", l.db.Sync()), closeDB(l.db, l.config), l.owner.Close())
	l.db = nil
	return l.err
}
