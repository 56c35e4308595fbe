package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// Everything that a sandbox does at once, with more guests than slots and more versions than are kept: each
// turn has its result and its gas, and nothing is left.
func TestHammerSandbox(t *testing.T) {
	s := open(t, t.TempDir(), func(c *Config) { c.IdleVersions, c.IdleShells, c.Slots, c.Quantum = 2, 2, 2, 500 })
	wasm := handwritten()
	var sources []Source
	for n := range 4 {
		src := source(wasmtest.Cat(wasm, wasmtest.Custom("n", []byte{byte(n)})))
		src.Class = fmt.Sprint("class ", n%2)
		sources = append(sources, src)
	}
	hammer := func() {
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), 0))
				for range 25 {
					if err := oneLife(s, sources[r.IntN(len(sources))], r); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	hammer()
	before := runtime.NumGoroutine()
	hammer()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) { // those of the last calls may take a moment to end
			t.Fatalf("%d goroutines became %d", before, runtime.NumGoroutine())
		}
	}
	s.dropShells()
	if st := s.Stats(); st.Memories != 0 || st.Waiting != 0 {
		t.Errorf("left are %+v", st)
	}
}

// oneLife acquires a version, runs a turn, sleeps, perhaps loses the memory, wakes and runs another.
func oneLife(s *Sandbox, src Source, r *rand.Rand) error {
	v, err := s.Acquire(context.Background(), src)
	if err != nil {
		return err
	}
	defer v.Release()
	w := newWorld()
	id := tenants.NewActorID(tenants.Default)
	i, err := v.NewInstance(startup(w), w)
	if err != nil {
		return err
	}
	work := turn{"work", "work", ""}
	first, err := runTurn(i, w, work)
	if err != nil {
		return err
	}
	i.Sleep(id, 1)
	switch r.IntN(4) {
	case 0:
		s.Forget(id)
	case 1:
		s.dropShells()
	case 2:
		s.Stats()
	}
	w.begin(nil)
	i, kept, err := v.Wake(startup(w), w, id, 1)
	if err != nil {
		return err
	}
	defer i.Close()
	again, err := runTurn(i, w, work)
	if err == nil && !kept && again != first {
		err = fmt.Errorf("the first turn takes %d and %d gas", first, again)
	}
	return err
}
