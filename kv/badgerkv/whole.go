package badgerkv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	badgertable "github.com/dgraph-io/badger/v4/table"

	"github.com/vivarium-run/vivarium/internal/durable"
	"github.com/vivarium-run/vivarium/kv"
)

// The engine believes its files. It ends the process over a table that is cut off, does not find what is in a block
// that it cannot read, and deletes tables that its manifest does not name, all of them if that is gone. So all of it
// is looked at BEFORE the engine is opened, and nothing is changed then:
//
//  1. there is a manifest if there are tables;
//  2. it names every table that the last stop left, see leaveTables;
//  3. each table that it names is whole. What else lies there a kill has left half written, and is nobody's.

const (
	manifestFile = badger.ManifestFilename
	stoppedFile  = "TABLES" // the tables of a store that was closed; gone while it is open
)

// readAtOpen bounds the tables of which every block is read when a store is opened, in bytes, the newest first: about a
// second. Of older ones only the index is. CheckFiles reads all.
const readAtOpen = 1 << 30

// checkWhole returns an ErrCorrupt for a store that is not as the engine left it.
func checkWhole(dir string) error {
	named, err := namedTables(dir)
	if err != nil {
		return fmt.Errorf("badgerkv: open: %w", err)
	}
	if err := checkStopped(dir, named); err != nil {
		return err
	}
	left := int64(readAtOpen)
	var b buffers
	for _, id := range slices.Backward(named) {
		name := badgertable.NewFilename(id, dir)
		size, err := checkTable(name, &b, left > 0)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is gone")
		}
		if err != nil {
			return fmt.Errorf("badgerkv: open: %w: table %s: %w", kv.ErrCorrupt, filepath.Base(name), err)
		}
		left -= size
	}
	return nil
}

// namedTables returns the tables that the manifest names, in order of their age. A manifest that cannot be read is
// the engine's to refuse; it is ErrCorrupt if it is gone and tables are not.
func namedTables(dir string) (ids []uint64, err error) {
	f, err := os.Open(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if tables, _ := filepath.Glob(filepath.Join(dir, "*.sst")); len(tables) > 0 {
			return nil, fmt.Errorf("%w: there is no %s, and there are tables", kv.ErrCorrupt, manifestFile)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", kv.ErrCorrupt, err)
	}
	for id := range m.Tables {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// checkStopped finds what a manifest has lost since the last stop. It looks the same as one that a kill cut off.
func checkStopped(dir string, named []uint64) error {
	note, err := os.ReadFile(filepath.Join(dir, stoppedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("badgerkv: open: %w", err)
	}
	for _, id := range parseNote(note) {
		if !slices.Contains(named, id) {
			return fmt.Errorf("badgerkv: open: %w: %s has lost table %d", kv.ErrCorrupt, manifestFile, id)
		}
	}
	return nil
}

// A note is the checksum of a list, and the list. One that is damaged says nothing: it harms nobody by itself.

func newNote(tables []uint64) []byte {
	doc, _ := json.Marshal(tables) // of numbers
	return fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE(doc), doc)
}

func parseNote(note []byte) (tables []uint64) {
	_, doc, _ := bytes.Cut(note, []byte(" "))
	if json.Unmarshal(doc, &tables) != nil || !bytes.Equal(note, newNote(tables)) {
		return nil
	}
	return tables
}

// enter forgets what the last stop left, for good: from now on tables come and go.
func enter(dir string) error {
	err := os.Remove(filepath.Join(dir, stoppedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = durable.SyncFolder(dir)
	}
	if err != nil {
		return fmt.Errorf("badgerkv: open: %w", err)
	}
	return nil
}

// leaveTables notes which tables a store has whose engine is closed. Nothing depends on its being there.
func leaveTables(dir string) error {
	named, err := namedTables(dir)
	if err != nil {
		return fmt.Errorf("badgerkv: close: %w", err)
	}
	name := filepath.Join(dir, stoppedFile)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(newNote(named))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("badgerkv: close: %w", err)
	}
	return nil
}
