package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// A memory is kept if the guest has spent enough on it, in as many turns as may be, and on from then.
func TestCheapMemoriesAreNotKept(t *testing.T) {
	s := open(t, t.TempDir(), func(c *Config) { c.KeepGas = 1 << 40 })
	v, id, w, work := acquire(t, s, handwritten()), tenants.NewActorID(tenants.Default), newWorld(), turn{"work", "work", ""}
	i := newInstance(t, v, w)
	defer func() { i.Close() }()
	gas := mustTurn(t, i, w, work)
	sleep := func(turns int, want bool) {
		t.Helper()
		for range turns {
			mustTurn(t, i, w, work)
		}
		i.Sleep(id, 1)
		var kept bool
		if i, kept = wake(t, v, w, id, 1); kept != want {
			t.Errorf("after %d turns: kept is %v, want %v", turns, kept, want)
		}
	}
	sleep(5, false)
	s.cfg.KeepGas = 3 * gas
	sleep(0, false) // what it was before is forgotten
	sleep(2, false)
	sleep(3, true)
	sleep(1, true)
}

// A memory is given back only to its actor, at its position, on its image.
func TestWakeWantsTheVeryMemory(t *testing.T) {
	s := open(t, t.TempDir())
	wasm := handwritten()
	v, other := acquire(t, s, wasm), acquire(t, s, wasmtest.Cat(wasm, wasmtest.Custom("version", []byte{2})))
	id := tenants.NewActorID(tenants.Default)
	trap := func(i *Instance, w *world) { i.Call(startup(w), "no such export"); i.broken = true }
	tests := []struct {
		name     string
		before   func(*Instance, *world)
		after    func()
		v        *Version
		id       tenants.ActorID
		position uint64
		want     bool
	}{
		{name: "the very one", v: v, id: id, position: 7, want: true},
		{name: "earlier", v: v, id: id, position: 6},
		{name: "later", v: v, id: id, position: 8},
		{name: "another actor", v: v, id: tenants.NewActorID(tenants.Default), position: 7},
		{name: "another version with the same memory", v: other, id: id, position: 7},
		{name: "broken", v: v, id: id, position: 7, before: trap},
		{name: "forgotten", v: v, id: id, position: 7, after: func() { s.Forget(id) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.Forget(id)
			w := newWorld()
			fresh := newInstance(t, tt.v, w)
			defer fresh.Close()
			i := newInstance(t, v, w)
			for _, tn := range []string{"work", "grow", "work"} {
				mustTurn(t, i, w, turn{tn, tn, ""})
			}
			if tt.before != nil {
				tt.before(i, w)
			}
			memory := slices.Clone(i.mem.Bytes())
			i.Sleep(id, 7)
			if tt.after != nil {
				tt.after()
			}
			if !tt.want {
				memory = fresh.mem.Bytes()
			}
			i, kept := wake(t, tt.v, w, tt.id, tt.position)
			defer i.Close()
			if kept != tt.want || !slices.Equal(i.mem.Bytes(), memory) {
				t.Errorf("kept is %v, want %v; the memory is right: %v", kept, tt.want, slices.Equal(i.mem.Bytes(), memory))
			}
			again, kept := wake(t, tt.v, w, tt.id, tt.position)
			defer again.Close()
			if kept {
				t.Error("a memory was used twice")
			}
		})
	}
}

// What a crash, a full disk or an operator may do to the files of a preparation makes it run again, and
// never more.
func TestDamagedPreparation(t *testing.T) {
	wasm := handwritten()
	cut := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}
	flip := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		b[len(b)/2] ^= 0x10
		return os.WriteFile(path, b, 0o600)
	}
	empty := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	for what, damage := range map[string]func(string) error{"removed": os.Remove, "cut": cut, "flipped": flip, "emptied": empty} {
		for _, file := range []string{"images/*.json", "images/*.image", "compiled/*/*"} {
			t.Run(file+" "+what, func(t *testing.T) {
				dir := t.TempDir()
				own := func(c *Config) { c.CompiledDir = "" }
				s := open(t, dir, own)
				v, err := s.Acquire(context.Background(), source(wasm))
				must(t, err)
				want := v.image.Digest()
				v.Release()
				must(t, s.Close())
				paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(file)))
				if err != nil || len(paths) == 0 {
					t.Fatal("there are no files", err)
				}
				for _, path := range paths {
					must(t, damage(path))
				}
				v = acquire(t, open(t, dir, own), wasm)
				if got := v.image.Digest(); got != want {
					t.Errorf("the image is %v, want %v", got, want)
				}
				w := newWorld()
				i := newInstance(t, v, w)
				defer i.Close()
				mustTurn(t, i, w, turn{"work", "work", ""})
			})
		}
	}
}

// A folder of another class, or another module, is of no use to a version.
func TestPreparationsAreApart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	wasm := handwritten()
	a := acquire(t, s, wasm)
	src := source(wasm)
	src.Class = "other"
	b, err := s.Acquire(context.Background(), src)
	must(t, err)
	defer b.Release()
	if a.base() == b.base() || a.image.Digest() == b.image.Digest() {
		t.Error("two classes share a preparation")
	}
	must(t, errors.Join(os.Rename(a.base()+".json", b.base()+".json"), os.Rename(a.base()+".image", b.base()+".image")))
	s = open(t, dir)
	c, err := s.Acquire(context.Background(), src)
	must(t, err)
	defer c.Release()
	if c.image.Digest() != b.image.Digest() {
		t.Error("a version has taken the preparation of another class")
	}
}
