//go:build figures

package sandbox

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var figuresOut = flag.String("figures.out", "", "file that TestFigures writes")

// figureRuns is how often everything is measured. A cell is the median of so many runs, and each run
// begins after all others have had theirs, so that a busy minute does not fall on one row alone.
const figureRuns = 3

// TestFigures measures what the sandbox costs, beside the engine without us, and writes one page. It
// fails if a guest gives another answer on one of the engines; it has no opinion on time.
func TestFigures(t *testing.T) {
	if memoryChild(t) {
		return
	}
	load := loadAverage()
	compute, life, sleep, upload, memory := newComputeFigures(t), newLifeFigures(t), newSleepFigures(t), newUploadFigures(t), newMemoryFigures(t)
	for n := range figureRuns {
		start := time.Now()
		compute.run(t)
		life.run(t)
		sleep.run(t)
		upload.run(t)
		memory.run(t)
		t.Logf("run %d took %v", n+1, time.Since(start).Round(time.Second))
	}
	var p page
	p.say("# Figures\n\nWritten by `make figures` in one run, which measures everything %d times. A cell is the median, with the least and the most after it.\nDo not edit.\n", figureRuns)
	p.say("%s\n", machine(load))
	p.budgets(budgetRows(compute, life, sleep, memory))
	compute.write(&p)
	life.write(&p)
	sleep.write(&p)
	memory.write(&p)
	upload.write(&p)
	if *figuresOut != "" {
		must(t, os.WriteFile(*figuresOut, []byte(p.String()), 0o644))
	}
	t.Log(p.String())
}

// machine says where and on what the figures were taken.
func machine(before string) string {
	cpu := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d processors; %s/%s %s; %s; wazero %s; %s. Load average %s before and %s after: other work shared the machine.",
		cpu, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, strings.TrimSpace(string(kernel)), runtime.Version(), wazeroVersion(),
		time.Now().UTC().Format(time.DateOnly), before, loadAverage())
}

// wazeroVersion reads go.mod: a test binary does not always know what it is made of.
func wazeroVersion() string {
	b, _ := os.ReadFile(root() + "/go.mod")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "github.com/tetratelabs/wazero" {
			return f[1]
		}
	}
	return "unknown"
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// cell is one number, of each run.
type cell []float64

func (c *cell) add(v float64)           { *c = append(*c, v) }
func (c *cell) took(of []time.Duration) { c.add(float64(median(of))) }

func (c cell) median() float64 { return median(c) }

// alone writes the median by itself, where runs do not differ.
func (c cell) alone(unit func(float64) string) string { return unit(c.median()) }

// text writes the cell by a function that writes one value.
func (c cell) text(unit func(float64) string) string {
	if len(c) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", unit(c.median()), unit(slices.Min(c)), unit(slices.Max(c)))
}

func median[T float64 | time.Duration](of []T) T {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}

// fast returns the tenth percentile: what else runs on the machine only adds to a computation.
func fast(of []time.Duration) float64 {
	s := slices.Sorted(slices.Values(of))
	return float64(s[len(s)/10])
}

// span writes nanoseconds in the unit that suits them.
func span(ns float64) string {
	switch {
	case ns < 1e4:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	case ns < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	case ns < 1e7:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	case ns < 1e9:
		return fmt.Sprintf("%.0f ms", ns/1e6)
	}
	return fmt.Sprintf("%.2f s", ns/1e9)
}

func times(v float64) string   { return fmt.Sprintf("%.2f", v) }
func kib(bytes float64) string { return fmt.Sprintf("%.1f KiB", bytes/1024) }
func count(v float64) string   { return fmt.Sprintf("%.0f", v) }

// page is the text that is written.
type page struct{ strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) row(cells ...string) { p.say("| %s |", strings.Join(cells, " | ")) }

func (p *page) table(title, text string, head ...string) {
	p.say("\n## %s\n\n%s\n", title, text)
	p.row(head...)
	p.say("|%s", strings.Repeat("---|", len(head)))
}

// budget is one aim of the design.
type budget struct {
	name      string
	measured  float64
	first, in float64 // at first, and in the end
	unit      func(float64) string
}

func budgetRows(compute *computeFigures, life *lifeFigures, sleep *sleepFigures, memory *memoryFigures) (rows []budget) {
	for i, g := range compute.guests {
		rows = append(rows, budget{"metered ÷ unmetered, " + g.name, compute.ratio(i, 0).median(), 1.5, 1.25, times})
	}
	rows = append(rows,
		budget{"memory of a live actor, Go, after a call", memory.cost("counter", 1000), 250 << 10, 150 << 10, kib},
		budget{"memory of a live actor, AssemblyScript", memory.cost("assemblyscript", 1000), 40 << 10, 20 << 10, kib},
		budget{"wake to the first answer, Go, one call behind", sleep.first("counter", 1), 350e3, 150e3, span},
	)
	return rows
}

func (p *page) budgets(rows []budget) {
	p.table("Against the budgets", "Memory is that of 1,000 instances in a process of their own. A wake is of the sandbox alone, without the network and the commit.",
		"what", "measured", "at first", "in the end", "")
	for _, r := range rows {
		verdict := "**missed**"
		switch {
		case r.measured <= r.in:
			verdict = "met"
		case r.measured <= r.first:
			verdict = "met at first"
		}
		p.row(r.name, r.unit(r.measured), "≤ "+r.unit(r.first), "≤ "+r.unit(r.in), verdict)
	}
}
