//go:build figures

package sandbox

import (
	"testing"
	"time"
)

// lifeFigures are times in the life of an instance.
type lifeFigures struct {
	guests []lifeGuest
	cells  map[lifeKey]*cell
}

type lifeGuest struct {
	name  string
	title string
	turn  turn
	ways  []way
}

type lifeKey struct {
	guest, step string
	way         int
}

const (
	lifeNew   = "new instance"
	lifeFirst = "its first call"
	lifeWarm  = "a warm call"
	lifeReset = "reset of a used shell"
	lifeAgain = "first call after it"

	lifeRounds = 25 // in a run, each with an instance of each way
)

var lifeSteps = []string{lifeNew, lifeFirst, lifeWarm, lifeReset, lifeAgain}

// figureGuests are the guests whose instances are measured, by their names in testGuests.
func figureGuests() []lifeGuest {
	count := turn{"count", "count", ""}
	return []lifeGuest{
		{name: "counter", title: "Go", turn: sdkTurn("counter", "increment", "[1]")},
		{name: "assemblyscript", title: "AssemblyScript", turn: count},
		{name: "c", title: "C", turn: count},
		{name: "rust", title: "Rust", turn: count},
	}
}

func figureWasm(tb testing.TB, name string) []byte {
	tb.Helper()
	for _, g := range testGuests() {
		if g.name == name {
			return g.wasm(tb)
		}
	}
	tb.Fatal("no guest", name)
	return nil
}

func newLifeFigures(t *testing.T) *lifeFigures {
	e := newEngines(t)
	f := &lifeFigures{guests: figureGuests(), cells: map[lifeKey]*cell{}}
	for n, g := range f.guests {
		f.guests[n].ways = e.ways(t, figureWasm(t, g.name))
		for _, step := range lifeSteps {
			for w := range wayNames {
				f.cells[lifeKey{g.name, step, w}] = &cell{}
			}
		}
	}
	return f
}

func (f *lifeFigures) run(t *testing.T) {
	for _, g := range f.guests {
		took := map[lifeKey][]time.Duration{}
		for range lifeRounds {
			for w := range g.ways {
				f.round(t, g, w, func(step string, d time.Duration) {
					key := lifeKey{g.name, step, w}
					took[key] = append(took[key], d)
				})
			}
		}
		for key, of := range took {
			f.cells[key].took(of)
		}
	}
}

// round lives one life.
func (f *lifeFigures) round(t *testing.T, g lifeGuest, w int, took func(step string, d time.Duration)) {
	timed := func(step string, do func()) {
		start := time.Now()
		do()
		took(step, time.Since(start))
	}
	var i live
	timed(lifeNew, func() { i = g.ways[w].start() })
	defer func() { i.close() }()
	call := func() {
		if _, out := i.call(g.turn); out == "" {
			t.Errorf("%s says nothing", g.name)
		}
	}
	timed(lifeFirst, call)
	for range 5 {
		call()
	}
	timed(lifeWarm, call)
	if i.reset != nil {
		timed(lifeReset, i.reset)
		timed(lifeAgain, call)
	}
}

func (f *lifeFigures) write(p *page) {
	p.table("Instances", "An instance here begins as a private copy of its version's image, and its start-up is not run; on the engine alone it is. The call is one that counts: Go with the SDK and JSON, the plug-ins with an Extism var. A run has 25 instances of each. Without the mailbox, the store and the commit.",
		append([]string{"guest", "step"}, wayNames...)...)
	for _, g := range f.guests {
		for _, step := range lifeSteps {
			row := []string{g.title, step}
			for w := range wayNames {
				row = append(row, f.cells[lifeKey{g.name, step, w}].text(span))
			}
			p.row(row...)
		}
	}
}
