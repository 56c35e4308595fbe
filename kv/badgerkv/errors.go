package badgerkv

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"

	"github.com/vivarium-run/vivarium/kv"
)

// translate turns an error of the engine into one of ours. The engine's text stays, its values do
// not: nobody above may come to depend on them.
func translate(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrKeyNotFound):
		return fmt.Errorf("badgerkv: %s: %w", op, kv.ErrNotFound)
	case errors.Is(err, badger.ErrDBClosed), errors.Is(err, badger.ErrBlockedWrites):
		return fmt.Errorf("badgerkv: %s: %w", op, kv.ErrClosed)
	case errors.Is(err, y.ErrChecksumMismatch):
		return fmt.Errorf("badgerkv: %s: %w: %v", op, kv.ErrCorrupt, err)
	}
	return fmt.Errorf("badgerkv: %s: %v", op, err)
}

// corrupt reports a row that we did not write like this.
func corrupt(what string, key []byte) error {
	return fmt.Errorf("badgerkv: %s at %q: %w", what, key, kv.ErrCorrupt)
}
