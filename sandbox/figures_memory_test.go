//go:build figures

package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// memoryFigures are what instances cost a process, each measured in a process of its own.
type memoryFigures struct {
	specs []memorySpec
	cells map[memorySpec]*memoryCells
}

// memorySpec is what a process holds.
type memorySpec struct {
	Guest string
	Way   int
	N     int
}

type memoryCells struct{ idle, called, tables, heap, idleRSS, calledRSS, garbage cell }

// memoryPlain is how many instances are made of the ways that have no image: each Go instance takes
// megabytes.
const memoryPlain = 100

func newMemoryFigures(*testing.T) *memoryFigures {
	f := &memoryFigures{cells: map[memorySpec]*memoryCells{}}
	for n, g := range figureGuests() {
		f.specs = append(f.specs, memorySpec{g.name, 0, 1000})
		if n < 2 { // the rest of what the budgets name
			f.specs = append(f.specs, memorySpec{g.name, 0, 10_000}, memorySpec{g.name, 1, memoryPlain}, memorySpec{g.name, 2, memoryPlain})
		}
	}
	for _, s := range f.specs {
		f.cells[s] = &memoryCells{}
	}
	return f
}

// footprint is what a process takes, in bytes.
type footprint struct {
	RSS  float64 // resident pages, a shared one counted for each mapping that has touched it
	PSS  float64 // the same, each shared page counted once in all
	PTE  float64 // page tables, which are neither in RSS nor in PSS
	Heap float64 // what lives on Go's heap, a part of the first two
}

// memoryOf is what a child measured: without instances, with idle ones, after a call of each, and the
// same before the garbage of all this was collected.
type memoryOf struct{ Base, Idle, Garbage, Called footprint }

// memoryChildSpec tells the test binary what to hold, and memoryChildOut where to write the measures.
const (
	memoryChildSpec = "VIVARIUM_FIGURES_MEMORY"
	memoryChildOut  = "VIVARIUM_FIGURES_OUT"
)

func (f *memoryFigures) run(t *testing.T) {
	for _, s := range f.specs {
		m := measureMemory(t, s)
		each := func(of footprint, part func(footprint) float64) float64 {
			return (part(of) - part(m.Base)) / float64(s.N)
		}
		rss := func(p footprint) float64 { return p.RSS }
		tables := func(p footprint) float64 { return p.PTE }
		heap := func(p footprint) float64 { return p.Heap }
		cost := func(p footprint) float64 { return p.PSS + p.PTE }
		c := f.cells[s]
		c.idle.add(each(m.Idle, cost))
		c.called.add(each(m.Called, cost))
		c.garbage.add(each(m.Garbage, cost))
		c.tables.add(each(m.Called, tables))
		c.heap.add(each(m.Called, heap))
		c.idleRSS.add(each(m.Idle, rss))
		c.calledRSS.add(each(m.Called, rss))
	}
}

func measureMemory(t *testing.T, s memorySpec) (m memoryOf) {
	t.Helper()
	doc, err := json.Marshal(s)
	must(t, err)
	out := filepath.Join(t.TempDir(), "memory")
	child := exec.Command(os.Args[0], "-test.run=^TestFigures$", "-test.timeout=5m")
	child.Env = append(os.Environ(), memoryChildSpec+"="+string(doc), memoryChildOut+"="+out)
	if text, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%+v: %v: %s", s, err, text)
	}
	doc, err = os.ReadFile(out)
	must(t, err)
	must(t, json.Unmarshal(doc, &m))
	return m
}

// memoryChild does the work of a child, if this process is one.
func memoryChild(t *testing.T) bool {
	doc := os.Getenv(memoryChildSpec)
	if doc == "" {
		return false
	}
	var s memorySpec
	must(t, json.Unmarshal([]byte(doc), &s))
	var m memoryOf
	w := newEngines(t).ways(t, figureWasm(t, s.Guest))[s.Way]
	var call turn
	for _, g := range figureGuests() {
		if g.name == s.Guest {
			call = g.turn
		}
	}
	one := w.start() // all that is made once is made
	one.call(call)
	one.close()
	m.Base = settled(t)
	list := make([]live, s.N)
	for n := range list {
		list[n] = w.start()
	}
	m.Idle = settled(t)
	for _, l := range list {
		l.call(call)
	}
	m.Garbage = footprintOf(t)
	m.Called = settled(t)
	doc2, err := json.Marshal(m)
	must(t, err)
	must(t, os.WriteFile(os.Getenv(memoryChildOut), doc2, 0o600))
	for _, l := range list {
		l.close()
	}
	return true
}

// settled returns the footprint without garbage.
func settled(t *testing.T) footprint {
	debug.FreeOSMemory()
	return footprintOf(t)
}

func footprintOf(t *testing.T) footprint {
	t.Helper()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{
		Heap: float64(m.HeapAlloc),
		RSS:  kernelBytes(t, "/proc/self/smaps_rollup", "Rss:"),
		PSS:  kernelBytes(t, "/proc/self/smaps_rollup", "Pss:"),
		PTE:  kernelBytes(t, "/proc/self/status", "VmPTE:"),
	}
}

// kernelBytes reads a line such as "Rss:  123 kB".
func kernelBytes(t *testing.T, path, name string) float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			n, err := strconv.ParseFloat(f[1], 64)
			must(t, err)
			return n * 1024
		}
	}
	t.Fatal(path, "has no", name)
	return 0
}

// cost returns the median memory of an instance after a call, in bytes.
func (f *memoryFigures) cost(guest string, n int) float64 {
	return f.cells[memorySpec{guest, 0, n}].called.median()
}

// spread returns by how much the runs differ at most, in hundredths of the median.
func (f *memoryFigures) spread() (most float64) {
	for _, c := range f.cells {
		most = max(most, 100*(slices.Max(c.called)-slices.Min(c.called))/c.called.median())
	}
	return most
}

func (f *memoryFigures) write(p *page) {
	p.table("Memory of instances", fmt.Sprintf("For each instance, beyond what the process had with none, in KiB. *Own* is PSS, which counts a page that instances share once, and page tables; RSS counts a shared page for each instance that has touched it. Page tables and Go's heap are parts of *own* after a call. Go's heap is collected before it is counted, but in the last column. The runs differ by at most %.1f %%. A host holds at most 1,000 instances; 10,000 are the sandbox alone, whose own bound is half of the kernel's mappings.", f.spread()),
		"guest", "way", "instances", "RSS idle", "RSS after a call", "own idle", "own after a call", "page tables", "Go's heap", "own with garbage")
	titles := map[string]string{}
	for _, g := range figureGuests() {
		titles[g.name] = g.title
	}
	for _, s := range f.specs {
		c := f.cells[s]
		p.row(titles[s.Guest], wayNames[s.Way], fmt.Sprint(s.N), c.idleRSS.alone(kibs), c.calledRSS.alone(kibs), c.idle.alone(kibs), c.called.alone(kibs),
			c.tables.alone(kibs), c.heap.alone(kibs), c.garbage.alone(kibs))
	}
}

func kibs(bytes float64) string { return fmt.Sprintf("%.1f", bytes/1024) }
