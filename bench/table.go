package main

import (
	"fmt"
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

// row is the runs of a workload on one target, by run.
type row struct {
	target, kind string
	runs         []result
}

// rowsOf collects a workload's rows in the order in which the targets came.
func rowsOf(workload string, results []result) []row {
	var rows []row
	for _, r := range results {
		if r.Workload != workload {
			continue
		}
		i := slices.IndexFunc(rows, func(o row) bool { return o.target == r.Target })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{target: r.Target, kind: r.Kind})
		}
		rows[i].runs = append(rows[i].runs, r)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return rows
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

// over is the spread of the ratio to a base, each run to the base's run beside it: what else
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

// errors says how many runs failed, and why the first did.
func (r row) errors() string {
	n, why := 0, ""
	for _, x := range r.runs {
		if x.Errors > 0 {
			n++
			if why == "" {
				why = x.Error
			}
		}
	}
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d of %d runs: %s", n, len(r.runs), cell(why))
}

// maxCell bounds a text from a server within a table, in runes.
const maxCell = 100

// cell is a text as a cell of a table.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune("|`<>*_[]", r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxCell {
		s = string(r[:maxCell]) + "…"
	}
	return strings.TrimSpace(s)
}

// baseOf is the first row of a kind; without one, a row without runs.
func baseOf(kind string, rows []row) row {
	for _, r := range rows {
		if r.kind == kind {
			return r
		}
	}
	return row{}
}

// Numbers of a result.
func rate(r result) float64   { return r.Rate }
func p50(r result) float64    { return r.P50 }
func p99(r result) float64    { return r.P99 }
func micros(r result) float64 { return r.CPU * 1e6 }
func groups(r result) float64 { return r.Groups }
func kib(r result) float64    { return r.Memory }

// column is one of a table.
type column struct {
	title string
	cell  func(r row, all []row) string
}

// of is a column of a number.
func of(title string, f func(result) float64) column {
	return column{title, func(r row, _ []row) string { return r.of(f).String() }}
}

// over is a column of the ratio of a number to that of a kind of server.
func over(kind, what string, f func(result) float64) column {
	return column{"÷ " + kind + ": " + what, func(r row, all []row) string { return r.over(baseOf(kind, all), f).String() }}
}

// table is one of the page.
type table struct {
	name, title, text string
	chart             func(result) float64
	unit              string // of the chart
	columns           []column
}

// asked are the columns of a load that is repeated.
func asked(what, each string, more ...column) []column {
	return append([]column{of(what+"/s", rate), of("p50 ms", p50), of("p99 ms", p99), of("CPU µs/"+each, micros), over(kindFloor, what+"/s", rate), over(kindWorkerd, what+"/s", rate)}, more...)
}

var syncs = column{"commits/action", func(r row, _ []row) string {
	if r.kind != kindHost {
		return "–"
	}
	return r.of(groups).String()
}}

var tables = []table{
	{"actions", "Requests over HTTP", "", rate, "requests/s", asked("requests", "request")},
	{"increments", "Durable increments over HTTP", "A commit is one sync of the disk; what it is for each action that was acknowledged, says how many share one.", rate, "actions/s", asked("actions", "action", syncs)},
	{"births", "New actors", "Within 3 s at the most: who makes fewer by then has made fewer.", rate, "actors/s", asked("actors", "actor")},
	{"wakes", "Waking", "The actors were told to sleep; workerd's were left alone for 13 s, and it evicts what was idle for 10. Each answer says that nothing was asked since the wake; of AssemblyScript the host's count says it.", p50, "ms, p50", []column{of("p50 ms", p50), of("p99 ms", p99), of("CPU µs/wake", micros), over(kindWorkerd, "p50", p50)}},
	{"calls", "Actors that ask actors", "The one that is asked changes nothing. A hundred are asked at once by the peers, and one after the other within a turn by ours.", rate, "requests/s", asked("requests", "request")},
	{"stores", "KV writes", "Each on disk when it is answered.", rate, "writes/s", asked("writes", "write", syncs)},
	{"sockets", "Actions over WebSockets", "", rate, "actions/s", asked("actions", "action", syncs)},
	{"broadcasts", "Broadcasts", "", rate, "deliveries/s", asked("deliveries", "delivery")},
	{"schedules", "Schedules", "The rate is of all that were made within 2 s, from the moment at which they were due until the last one ran; p50 and p99 are how late they were by the clock of their actors.", rate, "runs/s", []column{of("runs/s", rate), of("late, p50 ms", p50), of("late, p99 ms", p99), over(kindWorkerd, "runs/s", rate)}},
	{"uploads", "Upload", "One whose code the host has never seen, checked, metered, compiled and started; the others take no uploads.", p50, "ms", []column{of("ms", p50)}},
	{"memory", "Memory of live actors", "What a server that was just started has more of the machine's memory after the actors than before, pages that instances share counted once and pages of files not at all, divided by those that live. The host is started with --max-instances for so many; they are made within 8 s.", kib, "KiB/actor", []column{of("KiB/actor", kib), {"live actors", func(r row, _ []row) string { return r.of(func(x result) float64 { return float64(x.Actors) }).String() }}, over(kindWorkerd, "KiB", kib)}},
}

// write writes a table with a row for each workload on each target.
func (t table) write(b *strings.Builder, list []workload, results []result) {
	titles := []string{"workload", "server"}
	for _, c := range t.columns {
		titles = append(titles, c.title)
	}
	titles = append(titles, "errors")
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(titles, " | "), strings.Repeat("---|", len(titles)))
	for _, w := range list {
		title := w.title
		rows := rowsOf(w.name, results)
		for _, r := range rows {
			cells := []string{title, r.target}
			for _, c := range t.columns {
				cells = append(cells, c.cell(r, rows))
			}
			fmt.Fprintf(b, "| %s |\n", strings.Join(append(cells, r.errors()), " | "))
			title = ""
		}
	}
}
