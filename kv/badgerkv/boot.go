package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// nextBoot checks the format, and writes the number of this boot, synced. It runs before any
// other goroutine.
func (s *Store) nextBoot() error {
	txn := s.db.NewTransactionAt(s.snaps.newest(), true)
	defer txn.Discard()
	version, err := readNumber(txn, keyVersion)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		if err := txn.Set(keyVersion, binary.BigEndian.AppendUint64(nil, formatVersion)); err != nil {
			return translate("write format", err)
		}
	case err != nil:
		return err
	case version > formatVersion:
		return fmt.Errorf("badgerkv: %s has format %d, this program knows formats up to %d: use a newer program",
			s.config.Dir, version, formatVersion)
	}
	boot, err := readNumber(txn, keyBoot)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	s.boot = boot + 1
	if err := txn.Set(keyBoot, binary.BigEndian.AppendUint64(nil, s.boot)); err != nil {
		return translate("write boot number", err)
	}
	ts := s.snaps.newest() + 1
	if err := txn.CommitAt(ts, nil); err != nil {
		return translate("write boot number", err)
	}
	s.snaps.publish(ts)
	return nil
}

func readNumber(txn *badger.Txn, key []byte) (uint64, error) {
	v, _, err := readRow(txn, key)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, corrupt("number", key)
	}
	return binary.BigEndian.Uint64(v), nil
}
