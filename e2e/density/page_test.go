package density

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
	"github.com/vivarium-run/vivarium/bench/testbed"
)

// report is what one run of the test has measured.
type report struct {
	plan    *plan
	began   time.Time
	before  string // load average
	stores  []*store
	growths []*growth
	lives   []*lives
}

// Budgets.
const (
	budgetStart = 2 * time.Second
	budgetWake  = 0.2  // of the p50 beside the smallest store
	budgetSleep = 1024 // bytes of memory for a sleeping actor, at most
	budgetCost  = 1.2  // times the smallest size's
)

// page is docs/density.md.
func (r *report) page() string {
	var b strings.Builder
	largest := r.stores[len(r.stores)-1]
	fmt.Fprintf(&b, "# Density\n\nWritten by `make density`; do not edit. %s sleeping actors in one store, and what an increment costs beside much that has nothing to do with\n"+
		"it. A cell is the median of %d runs, with the least and the most after it. Hosts are processes of their own, with the flags of production; the client shares the machine.\n\n",
		thousands(largest.size), r.plan.runs)
	fmt.Fprintf(&b, "%s; %s/%s; %s; %s. Load average %s before and %s after. The whole took %v.\n",
		testbed.Processors(), runtime.GOOS, runtime.GOARCH, runtime.Version(), r.began.UTC().Format(time.DateOnly), r.before, testbed.Load()[0], time.Since(r.began).Round(time.Second))
	r.falls(&b)
	r.starts(&b)
	r.wakes(&b)
	r.costs(&b)
	r.memory(&b)
	return b.String()
}

// falls says what does not hold, first.
func (r *report) falls(b *strings.Builder) {
	b.WriteString("\n## What does not hold\n\n")
	before := b.Len()
	small, large := r.stores[0], r.stores[len(r.stores)-1]
	if d := median(large.ready()); d > budgetStart {
		fmt.Fprintf(b, "- With %s actors a host is ready after %v, of %v.\n", thousands(large.size), short(d), budgetStart)
	}
	for _, k := range []kind{tally, plugin} {
		if q := median(ratios(large.p(k, 50), small.p(k, 50))); q > 1+budgetWake || q < 1-budgetWake {
			fmt.Fprintf(b, "- A wake in %s takes %.2f times as long with %s actors as with %s, of 0.80 to 1.20.\n", k.title, q, thousands(large.size), thousands(small.size))
		}
	}
	if each := r.each(large); each > budgetSleep {
		fmt.Fprintf(b, "- A sleeping actor takes %.0f bytes of memory, of %d.\n", each, budgetSleep)
	}
	for _, g := range r.growths {
		for _, c := range g.cells {
			if q := g.ratio(c); q > budgetCost {
				fmt.Fprintf(b, "- %s: with %s an increment costs %.2f times what it does with %s, of %.1f.\n", g.title, thousands(c.size), q, thousands(g.cells[0].size), budgetCost)
			}
		}
	}
	if b.Len() == before {
		b.WriteString("Nothing.\n")
	}
}

// each is how many bytes of its own a host takes for each actor that it has more than the smallest one.
func (r *report) each(s *store) float64 {
	small := r.stores[0]
	more := median(s.owns()) - median(small.owns())
	return float64(more) / float64(max(1, s.size-small.size))
}

func (r *report) starts(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Sleeping actors\n\nEach actor has one increment behind it. One of twenty is of a guest in Go, at least %d of them; the others are of one in AssemblyScript. The process that made them has\n"+
		"ended, so a start finds all of them asleep. Stopped is the process that made them, which removes memories that it\nkept, for a second at most. Ready is `/readyz` with 200, from the start of the process; own memory is what no file backs, once nothing is left to do. Budgets: ready within %v; %d bytes of\n"+
		"own memory for a sleeping actor, beyond those of the smallest store.\n\n", tallies(r.stores[0].size), budgetStart, budgetSleep)
	b.WriteString("| actors | made in | stopped in | on disk | ready after | after a kill | RSS at once | own at once | own | bytes of own for each | goroutines | descriptors | tables | 100 actors listed in |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.stores {
		rss := pick(s.starts, func(x started) int64 { return x.at.rss })
		own := pick(s.starts, func(x started) int64 { return x.at.own })
		each := "–"
		if s != r.stores[0] {
			each = fmt.Sprintf("%.0f", r.each(s))
		}
		last := s.starts[len(s.starts)-1].settled
		fmt.Fprintf(b, "| %s | %v | %v | %s | %s | %v | %s | %s | %s | %s | %d | %d | %d | %v |\n", thousands(s.size), s.made.Round(time.Second), s.stopped.Round(10*time.Millisecond), mib(s.disk), spread(s.ready(), shorter), short(s.killed),
			spread(rss, mib), spread(own, mib), spread(s.owns(), mib), each, s.stacks, last.descriptors, last.tables, short(median(s.lists)))
	}
}

func (r *report) wakes(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Wakes\n\nA sleeping actor, chosen at random, is asked for something that writes nothing, over HTTP on one connection: %d of each guest in each store and run, %d of one store, then %d of the next.\n"+
		"÷ is a run's p50 by that of the smallest store in the same run. Budget: 0.80 to 1.20.\n\n| guest | actors | p50 | p99 | ÷ |\n|---|---|---|---|---|\n", r.plan.wakes, block, block)
	for _, k := range []kind{tally, plugin} {
		for _, s := range r.stores {
			p50 := s.p(k, 50)
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", k.title, thousands(s.size), spread(p50, shorter), spread(s.p(k, 99), shorter), spread(ratios(p50, r.stores[0].p(k, 50)), twoDigits))
		}
	}
}

func (r *report) costs(b *strings.Builder) {
	fmt.Fprintf(b, "\n## What an increment costs\n\nµs of processor time of the host's whole process for one durable increment of an actor that is awake (Go, over HTTP, %d connections: of one actor where the actor itself is what\n"+
		"grows, else of as many). The sizes are measured in turn, for %v each. ÷ is the median by that of the smallest size; budget %.1f. Idle is what the host uses in a second of doing nothing, and part of the cost.\n", askers, r.plan.load, budgetCost)
	for _, g := range r.growths {
		fmt.Fprintf(b, "\n### %s\n\n| %s | µs of an increment | ÷ | idle, µs a second |\n|---|---|---|---|\n", g.title, g.what)
		for _, c := range g.cells {
			fmt.Fprintf(b, "| %s | %s | %.2f | %s |\n", thousands(c.size), spread(c.costs, whole), g.ratio(c), spread(c.idle, whole))
		}
	}
}

func (r *report) memory(b *strings.Builder) {
	if len(r.lives) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Memory of an actor\n\nBytes for each actor beyond what the process holds with one of them. Awake includes garbage of Go's heap; [figures](figures.md#memory-of-instances) has instances without. A host has 1,000 instances at most, a\n"+
		"namespace 625, so of more actors the rest sleeps. Asleep is in the process in which they were awake: memories of actors that slept last are kept, in RAM and on disk, within bounds.\n\n"+
		"| guest | RSS of each of %d awake | own | own of each of %s asleep |\n|---|---|---|---|\n", liveActors, thousands(sleptActors))
	for _, l := range r.lives {
		fmt.Fprintf(b, "| %s | %s | %s | %d bytes |\n", l.kind.title, kib(l.awake.rss), kib(l.awake.own), l.own)
	}
	b.WriteString("\nThe processes that made the stores above, once all their actors slept:\n\n| actors | RSS | own |\n|---|---|---|\n")
	for _, s := range r.stores {
		fmt.Fprintf(b, "| %s | %s | %s |\n", thousands(s.size), mib(s.slept.rss), mib(s.slept.own))
	}
}

func (s *store) ready() []time.Duration {
	return pick(s.starts, func(x started) time.Duration { return x.ready })
}

func (s *store) owns() []int64 { return pick(s.starts, func(x started) int64 { return x.settled.own }) }

// p returns a percentile of the wakes of each run.
func (s *store) p(k kind, percent float64) []time.Duration {
	return pick(s.wakes[k.name], func(w wakes) time.Duration { return load.Percentile(w, percent) })
}

func pick[T, N any](list []T, f func(T) N) (of []N) {
	for _, v := range list {
		of = append(of, f(v))
	}
	return of
}

type number interface{ ~int64 | ~float64 }

func ratios[N number](a, b []N) (list []float64) {
	for i := range a {
		list = append(list, float64(a[i])/float64(b[i]))
	}
	return list
}

func median[N number](list []N) N {
	sorted := slices.Sorted(slices.Values(list))
	return load.Percentile(sorted, 50)
}

// spread is a cell: the median, with the least and the most of several.
func spread[N number](list []N, show func(N) string) string {
	if len(list) < 2 {
		return show(median(list))
	}
	return fmt.Sprintf("%s (%s–%s)", show(median(list)), show(slices.Min(list)), show(slices.Max(list)))
}

func mib(n int64) string                  { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
func kib(n int64) string                  { return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10)) }
func whole(v float64) string              { return fmt.Sprintf("%.0f", v) }
func twoDigits(v float64) string          { return fmt.Sprintf("%.2f", v) }
func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
func shorter(d time.Duration) string      { return short(d).String() }

// thousands writes a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
