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
	if err := s.upgrade(); err != nil {
		return err
	}
	txn := s.db.NewTransactionAt(s.snaps.newest(), true)
	defer txn.Discard()
	if err := txn.Set(keyVersion, binary.BigEndian.AppendUint64(nil, formatVersion)); err != nil {
		return translate("write format", err)
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

// upgrade makes rows of an older format what this program expects.
func (s *Store) upgrade() error {
	version, err := s.readVersion()
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil // it is new
	case err != nil:
		return err
	case version > formatVersion:
		return fmt.Errorf("badgerkv: %s has format %d, this program knows formats up to %d: use a newer program",
			s.config.Dir, version, formatVersion)
	case version < 2:
		return s.recount()
	}
	return nil
}

func (s *Store) readVersion() (uint64, error) {
	txn := s.db.NewTransactionAt(s.snaps.newest(), false)
	defer txn.Discard()
	return readNumber(txn, keyVersion)
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
