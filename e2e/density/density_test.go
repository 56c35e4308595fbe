package density

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/bench/testbed"
)

// What a large store may have more than the smallest one, in any form.
const (
	moreDescriptors = 4
	moreGoroutines  = 4
)

// TestDensity has very many actors in a store, all asleep, and sees what of a host grows with them; and what makes an
// increment dearer that has nothing to do with it.
func TestDensity(t *testing.T) {
	p := thePlan()
	r := &report{plan: p, began: time.Now(), before: testbed.Load()[0]}
	r.stores = makeStores(t, p.actors)
	g := actorsGrow(r.stores)
	for run := range p.runs {
		r.run(t, g, run)
	}
	r.end(t)
	t.Logf("the stores took %v", time.Since(r.began).Round(time.Second))
	r.growths = append(r.growths, g)
	busy := openHost(t)
	for _, grow := range []func() *growth{
		func() *growth { return itemsGrow(busy, p.items) },
		func() *growth { return turnsGrow(busy, p.turns) },
		func() *growth { return namespacesGrow(t, p.namespaces) },
		func() *growth { return socketsGrow(t, p.sockets) },
	} {
		begun := time.Now()
		g := grow()
		t.Logf("%s: made in %v", g.title, time.Since(begun).Round(time.Second))
		for range p.runs {
			g.measure(t, p.load)
		}
		r.growths = append(r.growths, g)
	}
	if *long {
		r.lives = live(t)
	}
	r.judge(t)
	t.Logf("\n%s", r.page())
	if *long {
		if err := os.WriteFile(filepath.Join(actorstest.Root(), "docs", "density.md"), []byte(r.page()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// run starts all hosts, measures beside each other what they hold and do, and stops them.
func (r *report) run(t *testing.T, g *growth, run int) {
	t.Helper()
	for _, s := range r.stores {
		s.begin()
	}
	if *long {
		settle(hostsOf(r.stores)...)
	}
	for _, s := range r.stores {
		s.settled()
		pages := -1
		if *long {
			pages = 20
		}
		s.list(pages)
	}
	wakeInTurn(t, r.stores, r.plan.wakes, uint64(run))
	for _, c := range g.cells {
		c.requests = c.some() // the address is another one
	}
	g.measure(t, r.plan.load)
	for _, s := range r.stores {
		s.stop()
	}
}

// end looks into idle hosts in a way that ends them as a kill does, and sees how they start after it.
func (r *report) end(t *testing.T) {
	t.Helper()
	for _, s := range r.stores {
		s.start()
	}
	if *long {
		settle(hostsOf(r.stores)...)
	}
	for _, s := range r.stores {
		s.stacks = s.goroutines()
		s.start()
		s.killed = s.readyAfter
		s.stop()
	}
}

// judge fails the test over what is wrong at any speed of the machine, and in any size.
func (r *report) judge(t *testing.T) {
	t.Helper()
	small := r.stores[0]
	for _, s := range r.stores {
		for i, start := range s.starts {
			if start.awake != 0 {
				t.Errorf("%d actors: %d are awake after a start", s.size, start.awake)
			}
			if least := small.starts[i]; start.settled.descriptors > least.settled.descriptors+moreDescriptors {
				t.Errorf("%d actors: %d descriptors beside those of tables, %d with %d actors", s.size, start.settled.descriptors, least.settled.descriptors, small.size)
			}
		}
		if s.stacks > small.stacks+moreGoroutines {
			t.Errorf("%d actors: %d goroutines, %d with %d actors", s.size, s.stacks, small.stacks, small.size)
		}
		if want := s.of(plugin); !*long && s.listed != want {
			t.Errorf("%d actors: %d of %d are listed", s.size, s.listed, want)
		}
	}
	for _, g := range r.growths {
		for _, c := range g.cells {
			if ratio := g.ratio(c); ratio > worstRatio {
				t.Errorf("%s: with %d an increment costs %.1f times what it does with %d", g.title, c.size, ratio, g.cells[0].size)
			}
		}
	}
}

// worstRatio is far beyond what a busy machine makes of a cost that does not grow, and below what a walk over
// everything is.
const worstRatio = 4
