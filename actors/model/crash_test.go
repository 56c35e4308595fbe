package model

import (
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/tenants"
)

var crashRounds = flag.Int("crash.rounds", 1, "how often the crash test goes through its steps; more than one takes all of them each time")

// shortSteps is at how many steps of each scenario the suite kills.
const shortSteps = 3

// scenario is one kind of work, at each step of which the process may be killed.
type scenario struct {
	name string
	// prepare makes what the work begins with, and orders returns the work: each order waits for the one
	// before it.
	prepare func(c *crash)
	orders  func(c *crash) []order
	// check says what is wrong when all work is done.
	check func(c *crash) string
	// leaves says what is wrong when the work was not answered and nobody asked again: it is done, or nothing
	// of it is.
	leaves func(c *crash) string
	omit   failpoint.Rollback // the host forgets this, and the check must see it
}

// crash is one scenario with a folder of its own.
type crash struct {
	scenario
	t      *testing.T
	dir    string
	clock  *actorstest.Clock
	s      *actorstest.Stack
	actors map[string]tenants.ActorID
}

// Killed at each step of each kind of work a host loses nothing that it has answered, leaves nothing half
// done and does nothing twice.
func TestCrashPoints(t *testing.T) {
	came := map[failpoint.Point]int{}
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			ready := sc.open(t)
			steps := stepsOf(t, ready)
			for _, at := range chooseSteps(steps, came) {
				came[steps[at-1]]++ // or its neighbour: goroutines run beside each other
				killAt(t, ready, at)
			}
		})
	}
	for _, p := range failpoint.Points {
		t.Logf("%3d times killed at: %s", came[p], p)
		if came[p] == 0 && *crashRounds > 1 && !t.Failed() {
			t.Errorf("no scenario comes to the step %q", p)
		}
	}
}

// chooseSteps returns at which steps to kill: all of them, or in the short form some, others each time, first
// where no scenario before was killed.
func chooseSteps(steps []failpoint.Point, came map[failpoint.Point]int) (list []int) {
	if *crashRounds == 1 {
		for _, i := range rand.Perm(len(steps)) {
			list = append(list, i+1)
		}
		slices.SortStableFunc(list, func(i, j int) int { return came[steps[i-1]] - came[steps[j-1]] })
		return list[:min(shortSteps, len(list))]
	}
	for range *crashRounds {
		for i := range steps {
			list = append(list, i+1)
		}
	}
	return list
}

// open prepares a scenario in a folder of its own.
func (sc scenario) open(t *testing.T) *crash {
	t.Helper()
	c := &crash{scenario: sc, t: t, dir: template(t), clock: actorstest.NewClock(), actors: map[string]tenants.ActorID{}}
	c = c.copy(t)
	c.start()
	sc.prepare(c)
	settle(t, c.s, c.clock)
	c.s.Close()
	return c
}

// copy returns a scenario as it is, in another folder. Its host must be closed.
func (c *crash) copy(t *testing.T) *crash {
	t.Helper()
	d := *c
	d.dir, d.clock, d.actors = filepath.Join(t.TempDir(), "data"), actorstest.NewClock(), maps.Clone(c.actors)
	d.clock.Advance(c.moved())
	if err := os.CopyFS(d.dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	return &d
}

// moved is how far the clock of the scenario has moved on.
func (c *crash) moved() time.Duration { return c.clock.Now().Sub(actorstest.NewClock().Now()) }

func (c *crash) start() { c.s = actorstest.Open(c.t, stackOptions(c.dir, c.clock)) }

func (c *crash) errand(die int) errand {
	e := errand{Dir: c.dir, Moved: c.moved(), Die: die, LeftOut: c.omit, Settle: true}
	for _, o := range c.orders(c) {
		e.Batches = append(e.Batches, []order{o})
	}
	return e
}

// stepsOf returns the steps that a scenario comes to when nobody kills it.
func stepsOf(t *testing.T, ready *crash) []failpoint.Point {
	t.Helper()
	c := ready.copy(t)
	f := c.errand(0).send(t)
	if !f.done || len(f.steps) == 0 {
		t.Fatalf("undisturbed the work came to %q and was done: %t", f.steps, f.done)
	}
	c.start()
	defer c.s.Close()
	if diff := c.check(c); diff != "" {
		t.Fatalf("undisturbed: %s", diff)
	}
	return f.steps
}

// killAt runs a scenario, kills it at a step, and fails if anything is wrong then.
func killAt(t *testing.T, ready *crash, at int) {
	t.Helper()
	c := ready.copy(t)
	e := c.errand(at)
	f := e.send(t)
	if diff := c.after(e, f); diff != "" {
		t.Errorf("killed at step %d, after %q: %s", at, f.steps, diff)
	}
}

// after returns what is wrong when a host was killed, left alone at first, and then asked again for what was
// not answered.
func (c *crash) after(e errand, f fate) string {
	t, sc := c.t, c.scenario
	t.Helper()
	c.clock.Advance(time.Hour) // whatever the child's clock showed
	failpoint.LeaveOut(sc.omit)
	defer failpoint.LeaveOut("")
	c.start()
	defer c.s.Close()
	settle(t, c.s, c.clock)
	if c.leaves != nil {
		if diff := c.leaves(c); diff != "" {
			return "left alone: " + diff
		}
	}
	for i, batch := range e.Batches {
		if got, ok := f.answers[[2]int{i, 0}]; ok {
			if got.Code != 0 {
				return fmt.Sprintf("order %d was answered %+v", i, got)
			}
			continue
		}
		if got := batch[0].give(c.s.Host); got.Code != 0 && !batch[0].Ends {
			return fmt.Sprintf("order %d, asked again, was answered %+v", i, got)
		}
	}
	settle(t, c.s, c.clock)
	return c.check(c)
}

var templateDir string

// template returns a folder with the modules of all scenarios, made once.
func template(t *testing.T) string {
	t.Helper()
	if templateDir != "" {
		return templateDir
	}
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		t.Fatal(err)
	}
	s := actorstest.Open(t, stackOptions(dir, actorstest.NewClock()))
	for n := range 2 {
		s.UploadBytes(tenants.Default, uploadOptions("script", n == 0), version(t, n))
	}
	s.Close()
	templateDir = dir
	return dir
}

// A host that does a send again when it has been done is noticed: the test can fail.
func TestCrashPointsSeeWhatIsDoneTwice(t *testing.T) {
	sc := sendScenario
	sc.omit = failpoint.SendTwice
	c := sc.open(t).copy(t)
	e := c.errand(1)
	e.Count = failpoint.SendReceived // which of all steps that is differs: couriers run beside each other
	f := e.send(t)
	if f.done {
		t.Fatalf("no send was received in %q", f.steps)
	}
	if diff := c.after(e, f); !strings.Contains(diff, "twice") {
		t.Errorf("killed before the sender knows, it says %q", diff)
	}
}
