package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vivarium-run/vivarium/bench/load"
)

// spread is the median, minimum and maximum of some runs.
type spread struct {
	median, min, max float64
	n                int
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{median: load.Percentile(v, 50), min: v[0], max: v[len(v)-1], n: len(v)}
}

func (s spread) String() string {
	switch s.n {
	case 0:
		return "–"
	case 1:
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.min), number(s.max))
}

// number writes about three digits, and what is 100 or more without a fraction.
func number(x float64) string {
	digits := 3
	for _, limit := range []float64{1, 10, 100} {
		if math.Abs(x) >= limit {
			digits--
		}
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// writeMarkdown writes the machine and a table with a row for each workload on each target.
func writeMarkdown(w io.Writer, o options, m machine, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s · commit %s · %s · %s · %d cores, shared with the client · %s\n\n", m.Time.Format("2006-01-02 15:04 MST"), m.Commit, m.Go, m.OS, m.Cores, m.CPU)
	fmt.Fprintf(&b, "Before the run: load average %s; append of 4 KiB with fsync %s ms. %d runs of %v, interleaved; each cell is the median (least–most) of the runs.\n\n",
		cmp.Or(m.Load, "unknown"), number(m.Sync), o.runs, o.dur)
	writeHead(&b, "requests", "request", "floor")
	for _, wl := range workloads(o) {
		writeRows(&b, wl.title, rowsOf(wl.name, results))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeHead begins a table of what is counted, each row beside the base's.
func writeHead(b *strings.Builder, what, each, base string) {
	fmt.Fprintf(b, "| workload | server | %s/s | p50 ms | p99 ms | CPU µs/%s | RSS MiB | ÷ %s: %[1]s/s | ÷ %[3]s: p50 | ÷ %[3]s: CPU | errors |\n", what, each, base)
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
}

// writeRows writes a workload's rows, of which the first is the base.
func writeRows(b *strings.Builder, title string, rows []row) {
	for i, r := range rows {
		if i > 0 {
			title = ""
		}
		fmt.Fprintf(b, "| %s | %s\n", title, r.cells(rows[0]))
	}
}

// row is the runs of a workload on one target, by run.
type row struct {
	target string
	runs   []result
}

// rowsOf collects a workload's rows in the order in which the targets came: the base is first.
func rowsOf(workload string, results []result) []row {
	var rows []row
	for _, r := range results {
		if r.Workload != workload {
			continue
		}
		i := slices.IndexFunc(rows, func(o row) bool { return o.target == r.Target })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{target: r.Target})
		}
		rows[i].runs = append(rows[i].runs, r)
	}
	return rows
}

func (r row) cells(base row) string {
	micros := func(r result) float64 { return r.CPU * 1e6 }
	rate := func(r result) float64 { return r.Rate }
	p50 := func(r result) float64 { return r.P50 }
	cells := []string{
		r.target, r.of(rate).String(), r.of(p50).String(),
		r.of(func(r result) float64 { return r.P99 }).String(),
		r.of(micros).String(),
		r.of(func(r result) float64 { return r.RSS }).String(),
		r.over(base, rate).String(), r.over(base, p50).String(), r.over(base, micros).String(),
		strconv.Itoa(r.errors()),
	}
	return strings.Join(cells, " | ") + " |"
}

// of is the spread of a number over the runs without an error.
func (r row) of(f func(result) float64) spread {
	var values []float64
	for _, x := range r.runs {
		if x.Errors == 0 {
			values = append(values, f(x))
		}
	}
	return spreadOf(values)
}

// over is the spread of the ratio to the base, each run to the base's run beside it: what else
// the machine did then is in both. The base itself has none.
func (r row) over(base row, f func(result) float64) spread {
	var ratios []float64
	for _, x := range r.runs {
		for _, y := range base.runs {
			if r.target != base.target && x.Run == y.Run && x.Errors == 0 && y.Errors == 0 && f(y) > 0 {
				ratios = append(ratios, f(x)/f(y))
			}
		}
	}
	return spreadOf(ratios)
}

func (r row) errors() int {
	n := 0
	for _, x := range r.runs {
		n += x.Errors
	}
	return n
}
