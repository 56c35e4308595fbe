//go:build figures

package sandbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

// sleepFigures are about actors that sleep and wake.
type sleepFigures struct {
	guests []lifeGuest
	code   []*Version
	s      *Sandbox
	cells  map[string]*sleepCells
}

type sleepCells struct{ bytes, pages, sleep, wake, first, without cell }

// sleepCalls are how many calls an actor has behind it when it falls asleep, and how many actors of the
// kind a run has.
var sleepCalls = []struct{ calls, rounds int }{{1, 40}, {100, 20}, {1000, 7}}

func newSleepFigures(t *testing.T) *sleepFigures {
	f := &sleepFigures{guests: figureGuests()[:2], s: open(t, t.TempDir()), cells: map[string]*sleepCells{}}
	for _, g := range f.guests {
		f.code = append(f.code, acquire(t, f.s, figureWasm(t, g.name)))
		for _, c := range sleepCalls {
			f.cells[sleepKey(g.name, c.calls)] = &sleepCells{}
		}
	}
	return f
}

func sleepKey(guest string, calls int) string { return fmt.Sprint(guest, " ", calls) }

func (f *sleepFigures) run(t *testing.T) {
	for n, g := range f.guests {
		for _, c := range sleepCalls {
			var took [4][]time.Duration
			var d *pagedelta.Delta
			for range c.rounds {
				var times [4]time.Duration
				d, times = f.round(t, f.code[n], g.turn, c.calls)
				for k, v := range times {
					took[k] = append(took[k], v)
				}
			}
			cells := f.cells[sleepKey(g.name, c.calls)]
			cells.bytes.add(float64(len(d.Bytes())))
			cells.pages.add(float64(d.Pages()))
			for k, into := range []*cell{&cells.sleep, &cells.wake, &cells.first, &cells.without} {
				into.took(took[k])
			}
		}
	}
}

// round lets a new actor serve some calls, sleep and wake, with its memory and then without it. It
// returns what was kept and the times of the sleep, the wake, the wake with its first answer, and the
// same without the memory.
func (f *sleepFigures) round(t *testing.T, v *Version, call turn, calls int) (*pagedelta.Delta, [4]time.Duration) {
	w := newWorld()
	i := newInstance(t, v, w)
	for range calls {
		mustTurn(t, i, w, call)
	}
	id := tenants.NewActorID(tenants.Default)
	d, err := pagedelta.Capture(i.mem, mark(id, 1), i.globals.Values(nil))
	must(t, err)
	var took [4]time.Duration
	start := time.Now()
	i.Sleep(id, 1)
	took[0] = time.Since(start)

	start = time.Now()
	i, kept := wake(t, v, w, id, 1)
	took[1] = time.Since(start)
	mustTurn(t, i, w, call)
	took[2] = time.Since(start)
	if !kept {
		t.Errorf("a memory with %d calls behind it is not kept", calls)
	}
	i.Sleep(id, 2)
	f.s.Forget(id)

	start = time.Now()
	i, kept = wake(t, v, w, id, 2)
	mustTurn(t, i, w, call)
	took[3] = time.Since(start)
	if kept {
		t.Error("a memory is there that was forgotten")
	}
	i.Close()
	return d, took
}

// first returns the median time to the first answer after a sleep.
func (f *sleepFigures) first(guest string, calls int) float64 {
	return f.cells[sleepKey(guest, calls)].first.median()
}

func (f *sleepFigures) write(p *page) {
	p.table("Sleep and wake", "An actor falls asleep with so many calls behind it: the pages that differ from the image are compressed and kept, and its shell is reset. It wakes into a shell. The last column wakes from the image and the committed state alone.",
		"guest", "calls", "delta", "pages of 4 KiB", "sleep", "wake", "wake and first answer", "the same without the delta")
	for _, g := range f.guests {
		for _, n := range sleepCalls {
			c := f.cells[sleepKey(g.name, n.calls)]
			p.row(g.title, fmt.Sprint(n.calls), c.bytes.text(kib), c.pages.text(count), c.sleep.text(span), c.wake.text(span), c.first.text(span), c.without.text(span))
		}
	}
}
