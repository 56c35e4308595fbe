package attack

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/bench/load"
	"github.com/vivarium-run/vivarium/bench/testbed"
)

// Budgets of an overload.
const (
	budgetGoodput  = 0.8 // of the peak
	budgetAccepted = time.Second
	budgetRefused  = 50 * time.Millisecond
	budgetBack     = 5 * time.Second
	budgetGrowth   = 64 << 20
)

// measureOverload writes docs/overload.md. A budget that is missed is said there, and is no failure: it may be the machine's.
func measureOverload(t *testing.T) {
	o := openOverload(t)
	var all []*loaded
	for range *overloadRuns {
		o.measurePeak(t, 5*time.Second)
		for _, l := range []struct {
			factor float64
			both   bool
		}{{2, false}, {10, false}, {10, true}} {
			r := o.at(t, l.factor, *overloadTime, l.both)
			t.Log(r)
			all = append(all, r)
		}
	}
	path := filepath.Join(actorstest.Root(), "docs", "overload.md")
	if err := os.WriteFile(path, []byte(overloadPage(o, all)), 0o644); err != nil {
		t.Error(err)
	}
}

// falls returns what a run has missed.
func (r *loaded) falls() (list []string) {
	say := func(missed bool, format string, args ...any) {
		if missed {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	refused, accepted := load.Percentile(r.refused, 99), load.Percentile(r.accepted, 99)
	say(r.goodput < budgetGoodput*r.peak, "%.0f %% of the peak, of 80", 100*r.goodput/r.peak)
	say(accepted >= budgetAccepted, "p99 of what is taken %v, of 1s", short(accepted))
	say(refused >= budgetRefused, "p99 of refusals %v, of 50ms", short(refused))
	say(r.back >= budgetBack, "back to idle after %v, of 5s", short(r.back))
	say(r.rss[1] > r.rss[0]+budgetGrowth, "%d MiB more", (r.rss[1]-r.rss[0])>>20)
	say(r.wronged > 0, "%d of %d requests of the other namespace refused", r.wronged, len(r.quiet))
	return list
}

const overloadIntro = `# Overload

Written by ` + "`make overload`" + `; do not edit. A host of one processor (by taskset), whose clients call
an action that computes for some 2 ms, on %d actors. The generator has the other processor. Before each round the peak is measured
in a closed loop of 4 connections; then requests come in an open loop, over %d connections, at a multiple of that for %v: they
leave when they are due, whether those before are answered or not. The machine: %s, %s/%s, %s.%s

Budgets: at least 80 %% of the peak is answered with 200, p99 of these below 1 s; p99 of refusals below 50 ms; no more than 64 MiB of memory
added once a quarter of the time is over and all connections are there; 5 s after the end a call takes no more than three times what it does at idle. "Other" is a second namespace that calls the same
action %g times a second meanwhile. It must see no refusal. "By processor time" is how many calls a second of the host's own processor time is good for,
of those at the peak: what others run on the machine does not change it.

`

func overloadPage(o *overload, all []*loaded) string {
	var b strings.Builder
	fmt.Fprintf(&b, overloadIntro, loadActors, loadConns, *overloadTime, testbed.Processors(), runtime.GOOS, runtime.GOARCH, runtime.Version(), average(), quietRate)
	b.WriteString("| load | peak | 200 a second | of the peak | by processor time | taken, p50 / p99 | refused | refusals, p50 / p99 | not sent | memory | back after | other, p50 / p99 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	slices.SortStableFunc(all, func(x, y *loaded) int {
		return cmp.Or(cmp.Compare(x.factor, y.factor), cmp.Compare(len(x.name), len(y.name)))
	})
	var falls []string
	for _, r := range all {
		pair := func(list []time.Duration) string {
			if len(list) == 0 {
				return "–"
			}
			return fmt.Sprintf("%v / %v", short(load.Percentile(list, 50)), short(load.Percentile(list, 99)))
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f %% | %.0f %% | %s | %d | %s | %d | %d → %d MiB | %v | %s |\n", r.name, r.peak, r.goodput, 100*r.goodput/r.peak, 100*r.work,
			pair(r.accepted), len(r.refused), pair(r.refused), r.missed, r.rss[0]>>20, r.rss[1]>>20, short(r.back), pair(r.quiet))
		for _, f := range r.falls() {
			falls = append(falls, r.name+": "+f)
		}
	}
	b.WriteString("\n## What falls short\n\n")
	if len(falls) == 0 {
		b.WriteString("Nothing.\n")
	}
	for _, f := range falls {
		fmt.Fprintf(&b, "- %s.\n", f)
	}
	return b.String()
}
