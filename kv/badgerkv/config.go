package badgerkv

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Config says where the store is and how much memory it may take. Only Dir is required.
type Config struct {
	// Dir is the folder of the database; it is made if it is missing. One process may hold it.
	Dir string
	// Logger gets the store's own lines; nil drops them.
	Logger *slog.Logger

	// MemTableSize is the size in bytes of the table that gathers writes in memory; Badger holds
	// up to five. 15 % of it bound a transaction, and so Limits. Zero means 64 MiB, the least that
	// admits a delta of 8 MiB and 10,000 operations; no less than 8 MiB.
	MemTableSize int64

	// MinFree is how many bytes must be free on the disk of Dir for the store to take deltas; see space.go.
	// Zero means that nobody looks.
	MinFree int64
	// Free returns the bytes that are free; nil asks the system. For tests.
	Free func() (int64, error)

	hooks hooks
}

// hooks let tests of this package stand between the committer's steps. Nil funcs do nothing.
type hooks struct {
	// options may change the engine's settings.
	options func(*badger.Options)
	// beforeCommit runs when a group of n jobs has been judged and built.
	beforeCommit func(n int)
	// commit stands in for the engine's commit, which it may call or not.
	commit func(commit func() error) error
	// afterCommit runs when the engine has synced the group and no done was called yet.
	afterCommit func()
	// swept runs after each step of the sweeper with the number of rows removed.
	swept func(n int)
}

const (
	defaultMemTable = 64 << 20
	minMemTable     = 8 << 20

	// valueThreshold is where Badger moves a value to its value log. It takes no part here: values
	// are cut into chunks far below it, because the value log's sync errors are only logged.
	valueThreshold = 1 << 20
)

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MemTableSize == 0 {
		c.MemTableSize = defaultMemTable
	}
	if c.Free == nil {
		c.Free = func() (int64, error) { return freeSpace(c.Dir) }
	}
}

func (c *Config) validate() error {
	switch {
	case c.Dir == "":
		return errors.New("badgerkv: config without a folder")
	case c.MemTableSize < minMemTable:
		return fmt.Errorf("badgerkv: memtable of %d bytes, need at least %d", c.MemTableSize, minMemTable)
	case c.MinFree < 0:
		return errors.New("badgerkv: negative free space")
	}
	return nil
}

// options returns the engine's settings; storage.md has the measurements behind them.
func (c *Config) options() badger.Options {
	o := badger.DefaultOptions(c.Dir).
		WithLogger(engineLog{c.Logger}).
		WithSyncWrites(true).       // not the default
		WithDetectConflicts(false). // there is one writer
		WithNumVersionsToKeep(1).
		WithMemTableSize(c.MemTableSize).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(256 << 20).
		WithCompression(options.None).
		WithBlockCacheSize(0). // the kernel's is enough: blocks and indexes are read where tables are mapped
		WithIndexCacheSize(0).
		WithNumCompactors(2)
	if c.hooks.options != nil {
		c.hooks.options(&o)
	}
	return o
}
