package density

import (
	"flag"
	"time"
)

var (
	long = flag.Bool("density.long", false, "measure a million actors, and write docs/density.md; see make density")
	most = flag.Int("density.actors", 1_000_000, "actors of the largest store in the long form, at least 10,000")
	runs = flag.Int("density.runs", 3, "how often each host is started, and each cost measured, in the long form")
)

// plan is how much is made and measured. Sizes ascend; the first is what the others are compared to.
type plan struct {
	actors []int // asleep in a store
	wakes  int   // of each guest in each store and run
	runs   int
	load   time.Duration // of each measurement of a cost

	items, turns, namespaces, sockets []int
}

// thePlan returns the short form, or what the flags say.
func thePlan() *plan {
	if !*long {
		return &plan{
			actors: []int{200, 2000}, wakes: 50, runs: 2, load: 300 * time.Millisecond,
			items: []int{10, 10_000}, turns: []int{10, 2000}, namespaces: []int{1, 30}, sockets: []int{10, 300},
		}
	}
	p := &plan{
		wakes: 500, runs: *runs, load: 1500 * time.Millisecond,
		items: decades(10), turns: decades(100), namespaces: decades(1), sockets: decades(10),
	}
	for n := *most; n >= 1000; n /= 10 {
		p.actors = append([]int{n}, p.actors...)
	}
	return p
}

// decades returns what is measured of three decades.
func decades(from int) []int { return []int{from, 10 * from, 100 * from, 1000 * from} }
