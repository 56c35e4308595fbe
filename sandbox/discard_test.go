package sandbox

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// keptFiles lists the files of a sandbox's folder, by their folder.
func keptFiles(t *testing.T, dir string) (list []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	}))
	slices.Sort(list)
	return list
}

// Who uploads and deletes without end fills no disk.
func TestDiscardLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(c *Config) { c.CompiledDir = "" })
	before := keptFiles(t, dir)
	for n := range byte(3) {
		src := source(wasmtest.Cat(handwritten(), wasmtest.Custom("n", []byte{n})))
		v, err := s.Acquire(context.Background(), src)
		must(t, err)
		v.Release()
		if got := keptFiles(t, dir); len(got) <= len(before) {
			t.Fatalf("a prepared module has left %q", got)
		}
		s.Discard(src.Class, src.Digest)
	}
	if got := keptFiles(t, dir); !slices.Equal(got, before) {
		t.Errorf("modules that are gone left %q", got)
	}
}

// A module whose start-up fails is nobody's, so nothing of it is kept.
func TestFailedStartLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(c *Config) { c.CompiledDir = "" })
	before := keptFiles(t, dir)
	var m wasmtest.Module
	m.Memory = wasmtest.Limits(1)
	m.Start(m.Func(nil, nil, nil, wasmtest.Code{wasmtest.Unreachable}))
	if _, err := s.Acquire(context.Background(), source(m.Encode())); err == nil {
		t.Fatal("the start-up did not fail")
	}
	if got := keptFiles(t, dir); !slices.Equal(got, before) {
		t.Errorf("it left %q", got)
	}
}

// What two namespaces have is made again for the one that keeps it, and its actors see nothing of that.
func TestDiscardBesideAnotherNamespace(t *testing.T) {
	dir := t.TempDir()
	change := func(c *Config) { c.CompiledDir = "" }
	s := open(t, dir, change)
	mine, theirs := source(handwritten()), source(handwritten())
	theirs.Class = "other"
	for _, src := range []Source{mine, theirs} {
		v, err := s.Acquire(context.Background(), src)
		must(t, err)
		v.Release()
	}
	s.Discard(theirs.Class, theirs.Digest)
	w := newWorld()
	v := acquire(t, s, handwritten())
	i := newInstance(t, v, w)
	mustTurn(t, i, w, turn{"work", "work", ""})
	i.Close()
	must(t, s.Close())
	again := open(t, dir, change)
	i = newInstance(t, acquire(t, again, handwritten()), w)
	defer i.Close()
	mustTurn(t, i, w, turn{"work", "work", ""})
}

// A folder of compiled code that others use too keeps it.
func TestDiscardInASharedFolder(t *testing.T) {
	shared := t.TempDir()
	s := open(t, t.TempDir(), func(c *Config) { c.CompiledDir = shared })
	src := source(handwritten())
	v, err := s.Acquire(context.Background(), src)
	must(t, err)
	v.Release()
	before := keptFiles(t, shared)
	s.Discard(src.Class, src.Digest)
	if got := keptFiles(t, shared); len(got) == 0 || !slices.Equal(got, before) {
		t.Errorf("of %q it kept %q", before, got)
	}
}
