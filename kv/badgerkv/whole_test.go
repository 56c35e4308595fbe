package badgerkv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
)

// stoppedStore returns the folder of a store with a few tables that was closed.
func stoppedStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for n := range 3 { // each close flushes a table
		s := openSmall(t, dir, hooks{})
		l := claim(t, s, kv.NewSpace("class", fmt.Sprint(n)))
		if err := <-submit(s, l, 1, put("k", "v"), put("l", string(bytes.Repeat([]byte("x"), 100_000)))); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != lockFile {
			list = append(list, f.Name())
		}
	}
	return list
}

// The engine would end the process over some of these files, find nothing in others, and delete what a manifest that
// is cut off does not name.
func TestDamagedStoreIsNotOpened(t *testing.T) {
	whole := stoppedStore(t)
	tables, err := filepath.Glob(filepath.Join(whole, "*.sst"))
	if err != nil || len(tables) < 2 {
		t.Fatalf("tables: %q, %v", tables, err)
	}
	oldest := filepath.Base(tables[0])
	change := func(name string, f func([]byte) []byte) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, f(b), 0o600)
		}
	}
	flip := func(at func(n int) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(len(b))] ^= 1; return b }
	}
	for name, damage := range map[string]func(dir string) error{
		"a byte of a block":      change(oldest, flip(func(n int) int { return n / 2 })),
		"a byte of an index":     change(oldest, flip(func(n int) int { return n - 30 })),
		"a table is cut off":     change(oldest, func(b []byte) []byte { return b[:len(b)-100] }),
		"a table is empty":       change(oldest, func([]byte) []byte { return nil }),
		"garbage behind a table": change(oldest, func(b []byte) []byte { return append(b, "garbage"...) }),
		"a table is gone":        func(dir string) error { return os.Remove(filepath.Join(dir, oldest)) },
		"the manifest is gone":   func(dir string) error { return os.Remove(filepath.Join(dir, manifestFile)) },
		"the manifest is cut off": change(manifestFile, func(b []byte) []byte {
			return b[:16] // what it begins with
		}),
		"the manifest is garbage": change(manifestFile, flip(func(n int) int { return n / 2 })),
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			before := names(t, dir)
			s, err := Open(Config{Dir: dir, MemTableSize: 8 << 20})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
			if after := names(t, dir); !slices.Equal(before, after) {
				t.Errorf("of %q it left %q", before, after)
			}
			found := 0
			if err := CheckFiles(dir, func(kv.Damage) { found++ }); err != nil || found == 0 {
				t.Errorf("CheckFiles finds nothing: %v", err)
			}
		})
	}
}

// The note of the last stop harms nobody when it is damaged or gone, and is gone itself while the store is open.
func TestNoteOfTheStop(t *testing.T) {
	dir := stoppedStore(t)
	name := filepath.Join(dir, stoppedFile)
	whole, err := os.ReadFile(name)
	if err != nil || len(parseNote(whole)) == 0 {
		t.Fatalf("the note is %q, %v", whole, err)
	}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1
		if got := parseNote(b); got != nil {
			t.Errorf("%q says %v", b, got)
		}
	}
	if err := os.WriteFile(name, whole[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSmall(t, dir, hooks{})
	if _, err := os.Stat(name); err == nil {
		t.Error("it is there while the store is open")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || len(parseNote(b)) == 0 {
		t.Errorf("after the next stop it is %q, %v", b, err)
	}
}

// A process that is killed while it makes a table leaves half of one, which is nobody's: the log still has what is
// in it.
func TestHalfATableOfAKill(t *testing.T) {
	dir := stoppedStore(t)
	half := filepath.Join(dir, "000999.sst")
	if err := os.WriteFile(half, []byte("half a table"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckFiles(dir, func(d kv.Damage) { t.Errorf("found %s", d.String()) }); err != nil {
		t.Error(err)
	}
	s := openSmall(t, dir, hooks{})
	defer s.Close()
	for n := range 3 {
		if got, err := s.Get(t.Context(), kv.NewSpace("class", fmt.Sprint(n)), []byte("k")); err != nil || string(got) != "v" {
			t.Errorf("space %d: %q, %v", n, got, err)
		}
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("the engine keeps it")
	}
}
