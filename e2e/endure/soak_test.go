package endure

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

var (
	soakTime = flag.Duration("soak.time", 0, "how long the soak goes on; zero is a short form that asserts what can be seen then")
	soakRate = flag.Float64("soak.rate", 200, "chores a second of the soak")
	soakOut  = flag.String("soak.out", "", "file that the soak's page is written to")
	soakKeep = flag.String("soak.samples", "", "file that each sample is added to, as a line")
)

// shortSoak is how long the short form has load.
const shortSoak = 5 * time.Second

// A host under load that comes and goes holds no more after hours than after minutes.
func TestSoak(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	w := &witness{more: make(chan struct{})}
	h.Output.See = w.see
	every := 10 * time.Second
	if *soakTime == 0 {
		every = 500 * time.Millisecond
	}
	h.Env = []string{witnessEnv(every)}
	c := openChurn(t, h)
	rest := c.rest(t, w, "before the load") // what an idle host holds, once all code is compiled
	list := c.load(t, w, every)
	end := c.rest(t, w, "after the load")
	for _, wrong := range c.tally.faults() {
		t.Error(wrong)
	}
	if text := h.faults(); text != "" {
		t.Errorf("the host says: %.3000s", text)
	}
	report := judge(list, rest, end, *soakTime > 0)
	report.chores, report.rate = c.tally.done, *soakRate
	t.Logf("\n%s", report.text())
	for _, v := range report.verdicts {
		if !v.ok {
			t.Errorf("%s: %s, want %s", v.what, v.got, v.want)
		}
	}
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d: %s", code, h.Printed())
	}
	h.verify()
	if *soakOut != "" {
		if err := os.WriteFile(*soakOut, []byte(report.text()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// load runs the churn and returns the samples of that time.
func (c *churn) load(t *testing.T, w *witness, every time.Duration) (list []sample) {
	t.Helper()
	length, between := shortSoak, time.Second
	if *soakTime > 0 {
		length, between = *soakTime, 15*time.Second
	}
	exec.Command("sync").Run() // what the build has left to write would stand in the way of commits
	small, large := actorstest.Guest(t, "examples/wasm/extism-as"), actorstest.Guest(t, "examples/wasm/counter")
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { c.run(ctx, *soakRate, 1) })
	wg.Go(func() { c.uploads(ctx, between, small, large) })
	began, tick := time.Now(), time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil && !c.h.Ended() {
		select {
		case <-tick.C:
			s := c.look(t, w)
			s.at = time.Since(began)
			list = append(list, s)
			keep(t, s)
		case <-ctx.Done():
		case <-c.h.Done:
			cancel()
		}
	}
	wg.Wait()
	if c.h.Ended() {
		t.Fatalf("the host ended: %.3000s", c.h.Printed())
	}
	return list
}

func (c *churn) look(t *testing.T, w *witness) sample {
	t.Helper()
	s, err := w.look(c.h.Process, c.h.Data)
	if err != nil {
		t.Fatal(err)
	}
	took := c.tally.lap()
	if s.calls = len(took); s.calls > 0 {
		s.p99 = took[min(s.calls-1, s.calls*99/100)]
	}
	return s
}

// rest waits until the host holds still, that is, until three lists of its goroutines in a row are as long, and
// returns what it holds then.
func (c *churn) rest(t *testing.T, w *witness, when string) (s sample) {
	t.Helper()
	c.h.http.CloseIdleConnections()
	var seen []string
	late := time.After(restTime)
	for lists := w.listed(); ; {
		select {
		case <-w.next(lists):
		case <-late:
			t.Fatalf("%s the host is not at rest: descriptors and goroutines were %q", when, seen)
		}
		lists = w.listed()
		s = c.look(t, w)
		seen = append(seen, fmt.Sprint(s.files, " ", s.goroutines))
		if n := len(seen); n > 3 && seen[n-1] == seen[n-2] && seen[n-2] == seen[n-3] {
			return s
		}
	}
}

// restTime is how long a host may take to come to rest: actors fall asleep after 30 s.
const restTime = 3 * time.Minute

// keep writes a sample down at once: a long run may be cut short.
func keep(t *testing.T, s sample) {
	t.Helper()
	if *soakKeep == "" {
		return
	}
	f, err := os.OpenFile(*soakKeep, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, s.line())
}

// line is a row of a table.
func (s sample) line() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %d | %d | %s | %s | %s | %s |", s.at.Round(time.Second), mib(s.anon), mib(s.file), mib(s.heap), s.goroutines, s.threads,
		s.files, mib(s.disk["store"]), mib(s.disk["modules"]), mib(s.disk["sandbox"]), s.p99.Round(10*time.Microsecond))
}

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// series returns one number of each sample.
func series(list []sample, of func(sample) float64) (xs []float64) {
	for _, s := range list {
		xs = append(xs, of(s))
	}
	return xs
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Clone(xs)
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// slope is by how much a series grows in ten minutes: the median of the slopes between any two samples, which a
// few that lie far out do not change.
func slope(list []sample, of func(sample) float64) float64 {
	var all []float64
	for i, a := range list {
		for _, b := range list[i+1:] {
			if gap := b.at - a.at; gap > 0 {
				all = append(all, (of(b)-of(a))/(gap.Minutes()/10))
			}
		}
	}
	return median(all)
}
