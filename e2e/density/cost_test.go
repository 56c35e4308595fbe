package density

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// growth is something that may grow without making an increment cost more.
type growth struct {
	title string // of the table
	what  string // the column of sizes
	cells []*cell
}

// cell is one size of a growth: a host that has it, and the increments that are measured there.
type cell struct {
	*host
	size     int
	requests [][]byte
	sockets  int       // that are to be open all the time
	idle     []float64 // µs a second that the host uses with nothing to do, one of each round
	costs    []float64 // µs of an increment, one of each round
}

// askers is how many connections increment, the same in all cells: how many turns share a sync is part of the cost.
const askers = 8

// measure takes one round: every cell in turn, so that all see the same machine.
func (g *growth) measure(t *testing.T, d time.Duration) {
	t.Helper()
	for _, c := range g.cells {
		c.run(d / 4) // everything is awake then
	}
	g.idle(d)
	for _, c := range g.cells {
		before := c.Processor()
		n := c.run(d)
		c.costs = append(c.costs, perCall(c.Processor()-before, n))
		if open := int(c.metric("host_sockets")); open != c.sockets {
			t.Fatalf("%d sockets of %d are open", open, c.sockets)
		}
	}
}

// idle notes what the hosts use by themselves.
func (g *growth) idle(d time.Duration) {
	var before []time.Duration
	for _, c := range g.cells {
		before = append(before, c.Processor())
	}
	<-time.After(d)
	for i, c := range g.cells {
		c.idle = append(c.idle, float64((c.Processor()-before[i]).Microseconds())/d.Seconds())
	}
}

// run increments for a while and returns how often.
func (c *cell) run(d time.Duration) int {
	c.t.Helper()
	r, err := load.Run(c.t.Context(), load.Config{Addr: c.Addr(), Conns: askers, Requests: c.requests, Duration: d, Check: counted})
	if err != nil {
		c.t.Fatalf("increment: %v: %s", err, c.Printed())
	}
	return r.Requests
}

func counted(_, _ int, body []byte) error {
	if !bytes.HasPrefix(body, []byte(`{"output":`)) {
		return fmt.Errorf("an increment returned %.100s", body)
	}
	return nil
}

func perCall(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(max(n, 1)) }

// ratio is the median cost of a cell as a multiple of the smallest one's.
func (g *growth) ratio(c *cell) float64 { return median(c.costs) / median(g.cells[0].costs) }
