package sandbox

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

// measured is what a turn took and what it left.
type measured struct {
	Gas    int64
	Memory uint32 // checksum
	Pages  uint32
}

// lab runs the turns of all guests from two memories: the image, and one that has served turns and slept.
// All that it needs is in a folder, so that another process finds the same memories.
type lab struct {
	s      *Sandbox
	id     tenants.ActorID
	guests []guest
	code   map[string]*Version
	slept  map[string]*pagedelta.Delta
	rows   map[string]map[string][]byte // of the moment when slept was captured
}

// openLab prepares the guests, or finds them as an earlier lab in the folder has.
func openLab(t *testing.T, dir string, s *Sandbox) *lab {
	t.Helper()
	l := &lab{
		s: s, id: tenants.NewActorID(tenants.Default), guests: testGuests(),
		code: map[string]*Version{}, slept: map[string]*pagedelta.Delta{}, rows: map[string]map[string][]byte{},
	}
	for _, g := range l.guests {
		v := acquire(t, s, g.wasm(t))
		l.code[g.name] = v
		file := filepath.Join(dir, g.name)
		if b, err := os.ReadFile(file + ".delta"); err == nil {
			d, err := pagedelta.Decode(b)
			must(t, err)
			doc, err := os.ReadFile(file + ".rows")
			must(t, err)
			rows := map[string][]byte{}
			must(t, json.Unmarshal(doc, &rows))
			l.slept[g.name], l.rows[g.name] = d, rows
			continue
		}
		w := newWorld()
		i := newInstance(t, v, w)
		for range 3 {
			for _, tn := range g.turns {
				w.begin(w.rows)
				mustTurn(t, i, w, tn)
			}
		}
		d, err := pagedelta.Capture(i.mem, mark(l.id, 1), i.globals.Values(nil))
		must(t, err)
		i.Close()
		l.slept[g.name], l.rows[g.name] = d, w.rows
		doc, err := json.Marshal(w.rows)
		must(t, err)
		must(t, os.WriteFile(file+".delta", d.Bytes(), 0o600))
		must(t, os.WriteFile(file+".rows", doc, 0o600))
	}
	return l
}

// each runs every turn from both memories.
func (l *lab) each(f func(name string, m measured)) error {
	w := newWorld()
	for _, g := range l.guests {
		v := l.code[g.name]
		for _, from := range []string{"image", "slept"} {
			for _, tn := range g.turns {
				i, err := v.NewInstance(startup(w), w)
				if err != nil {
					return err
				}
				w.begin(nil)
				if from == "slept" {
					if err := i.apply(l.slept[g.name]); err != nil {
						return err
					}
					w.begin(l.rows[g.name])
				}
				name := fmt.Sprint(g.name, " ", tn.name, " ", from)
				gas, err := runTurn(i, w, tn)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				f(name, measured{gas, crc32.ChecksumIEEE(i.mem.Bytes()), i.mem.WasmPages()})
				i.Close()
			}
		}
	}
	return nil
}

func (l *lab) all(t *testing.T) map[string]measured {
	t.Helper()
	all := map[string]measured{}
	must(t, l.each(func(name string, m measured) { all[name] = m }))
	return all
}

// labDir tells the test binary that it is the child of TestGasRepeats.
const labDir = "VIVARIUM_LAB_DIR"

// From one memory with one seed and clock a turn takes the same gas and leaves the same memory, wherever
// and however often it runs.
func TestGasRepeats(t *testing.T) {
	if dir := os.Getenv(labDir); dir != "" {
		doc, err := json.Marshal(openLab(t, dir, open(t, dir)).all(t))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "child"), doc, 0o600))
		return
	}
	dir := t.TempDir()
	s := open(t, dir)
	l := openLab(t, dir, s)
	want := l.all(t)
	for name, m := range want {
		if m.Gas <= 0 {
			t.Errorf("%s takes %d gas", name, m.Gas)
		}
		t.Logf("%-50s %10d gas", name, m.Gas)
	}
	same := func(t *testing.T, got map[string]measured) {
		t.Helper()
		if reflect.DeepEqual(got, want) {
			return
		}
		for name, m := range want {
			if got[name] != m {
				t.Errorf("%s: %+v, want %+v", name, got[name], m)
			}
		}
	}
	t.Run("100 runs", func(t *testing.T) {
		for n := range 100 {
			if n%2 == 0 {
				s.dropShells() // so that half of the runs have new instances, and half reset ones
			}
			if same(t, l.all(t)); t.Failed() {
				t.Fatalf("run %d", n)
			}
		}
	})
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint("GOMAXPROCS=", n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			var wg sync.WaitGroup
			for range 3 { // more than there are slots
				wg.Go(func() {
					err := l.each(func(name string, m measured) {
						if m != want[name] {
							t.Errorf("%s: %+v, want %+v", name, m, want[name])
						}
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
	t.Run("another quantum", func(t *testing.T) {
		same(t, openLab(t, dir, open(t, dir, func(c *Config) { c.Quantum = 777 })).all(t))
	})
	t.Run("opened again", func(t *testing.T) { same(t, openLab(t, dir, open(t, dir)).all(t)) })
	t.Run("interpreter", func(t *testing.T) {
		s := open(t, dir)
		interpret(t, s)
		same(t, openLab(t, dir, s).all(t))
	})
	for _, procs := range []string{"1", "2"} {
		t.Run("another process, GOMAXPROCS="+procs, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestGasRepeats$", "-test.timeout=2m")
			child.Env = append(os.Environ(), labDir+"="+dir, "GOMAXPROCS="+procs)
			if out, err := child.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			doc, err := os.ReadFile(filepath.Join(dir, "child"))
			must(t, err)
			got := map[string]measured{}
			must(t, json.Unmarshal(doc, &got))
			same(t, got)
		})
	}
}

// The garbage collector of a guest runs in TestGasRepeats: a turn that leaves 6 MiB of garbage can be
// repeated in a memory that does not hold it all.
func TestGarbageIsCollected(t *testing.T) {
	s := open(t, t.TempDir())
	g := testGuests()[0]
	v := acquire(t, s, g.wasm(t))
	w := newWorld()
	i := newInstance(t, v, w)
	defer i.Close()
	for range 20 {
		mustTurn(t, i, w, g.turns[1])
	}
	if n := i.mem.WasmPages() * 64 >> 10; n > 40 {
		t.Errorf("the guest has %d MiB", n)
	}
}

// The start-up of a module takes the same gas and leaves the same image whenever it runs.
func TestStartRepeats(t *testing.T) {
	for _, g := range testGuests() {
		t.Run(g.name, func(t *testing.T) {
			a, b := acquire(t, open(t, t.TempDir()), g.wasm(t)), acquire(t, open(t, t.TempDir()), g.wasm(t))
			if a.gas != b.gas || a.image.Digest() != b.image.Digest() {
				t.Errorf("gas %d and %d, images %v and %v", a.gas, b.gas, a.image.Digest(), b.image.Digest())
			}
		})
	}
}

// An actor that sleeps between all its turns pays what one pays that never does, and has the same memory
// after each.
func TestSleepChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	for _, g := range testGuests() {
		t.Run(g.name, func(t *testing.T) {
			v := acquire(t, s, g.wasm(t))
			awake, sleeps := newWorld(), newWorld()
			a, b := newInstance(t, v, awake), newInstance(t, v, sleeps)
			id := tenants.NewActorID(tenants.Default)
			for n := range 6 * len(g.turns) {
				tn := g.turns[n*5%len(g.turns)]
				awake.begin(awake.rows)
				sleeps.begin(sleeps.rows)
				if x, y := mustTurn(t, a, awake, tn), mustTurn(t, b, sleeps, tn); x != y {
					t.Errorf("turn %d, %s: %d gas awake, %d after a sleep", n, tn.name, x, y)
				}
				b.Sleep(id, uint64(n))
				if n%3 == 0 {
					s.dropShells()
				}
				var kept bool
				if b, kept = wake(t, v, sleeps, id, uint64(n)); !kept {
					t.Fatalf("turn %d, %s: the memory was not kept", n, tn.name)
				}
				if string(a.mem.Bytes()) != string(b.mem.Bytes()) || !reflect.DeepEqual(a.globals.Values(nil), b.globals.Values(nil)) {
					t.Fatalf("turn %d, %s: the memory is not that before the sleep", n, tn.name)
				}
			}
			if !reflect.DeepEqual(awake.rows, sleeps.rows) {
				t.Error("the rows differ")
			}
			a.Close()
			b.Close()
		})
	}
}

// An instance that gives back what it does not need goes on as one that never does: with the same gas, memory and rows.
func TestCalmChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	for _, g := range testGuests() {
		t.Run(g.name, func(t *testing.T) {
			v := acquire(t, s, g.wasm(t))
			busy, calm := newWorld(), newWorld()
			a, b := newInstance(t, v, busy), newInstance(t, v, calm)
			defer a.Close()
			defer b.Close()
			for n, tn := range g.turns {
				busy.begin(busy.rows)
				calm.begin(calm.rows)
				if x, y := mustTurn(t, a, busy, tn), mustTurn(t, b, calm, tn); x != y {
					t.Errorf("turn %d, %s: %d gas, %d when calm", n, tn.name, x, y)
				}
				b.CalmDown()
			}
			if string(a.mem.Bytes()) != string(b.mem.Bytes()) || !reflect.DeepEqual(busy.rows, calm.rows) {
				t.Error("memory or rows differ")
			}
		})
	}
}
