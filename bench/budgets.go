package main

import (
	"fmt"
	"strings"
)

const budgetText = `The budgets of the design, from this run. What the host must do at least is *required*; *where to go* is a direction. A ratio is
the median of the runs' own ratios, so it is not quite that of the medians.
`

// budget is a row of the design's: a number of a workload, with what it must be.
type budget struct {
	what, workload string
	number         func(result) float64
	unit           string
	guests         []string // names of the host's targets
	required, goal bound
}

// bound is what a number must be.
type bound struct {
	base string // kind of server to divide by; empty is the number itself
	at   float64
	most bool // at most; otherwise at least
}

func (b bound) String() string {
	sign := "≥"
	if b.most {
		sign = "≤"
	}
	text := fmt.Sprintf("%s %g", sign, b.at)
	if b.base != "" {
		text += " × " + b.base
	}
	return text
}

// holds reports whether a row keeps a bound; known is false if it cannot be said.
func (b bound) holds(r row, all []row, f func(result) float64) (ok, known bool) {
	s := r.of(f)
	if b.base != "" {
		s = r.over(baseOf(b.base, all), f)
	}
	if s.n == 0 {
		return false, false
	}
	if b.most {
		return s.median <= b.at, true
	}
	return s.median >= b.at, true
}

func atLeast(at float64, base string) bound { return bound{base: base, at: at} }
func atMost(at float64) bound               { return bound{at: at, most: true} }

var (
	bothGuests = []string{"host, Go", "host, AssemblyScript"}
	bothJSON   = []string{"host, Go, json", "host, AssemblyScript, json"}
)

var budgets = []budget{
	{"durable increment, 100 actors, 32 connections", "increment-100-32", rate, "/s", bothGuests, atLeast(5, kindWorkerd), atLeast(0.7, kindFloor)},
	{"new actors, 32 connections", "new", rate, "/s", bothGuests, atLeast(20, kindWorkerd), atLeast(0.4, kindFloor)},
	{"first request to a new actor, p50", "first", p50, " ms", bothGuests, atMost(1), atMost(0.5)},
	{"wake of a sleeping actor over HTTP, p50", "wake", p50, " ms", bothGuests, atMost(0.8), atMost(0.5)},
	{"wake of a sleeping actor over HTTP, p99", "wake", p99, " ms", bothGuests, atMost(4), atMost(2)},
	{"broadcast to 1,000 sockets, delivered", "broadcast-1000", rate, "/s", bothJSON, atLeast(2, kindWorkerd), atLeast(0.9, kindFloor)},
	{"memory of a live actor, Go", "memory", kib, " KiB", bothGuests[:1], atMost(250), atMost(150)},
	{"memory of a live actor, AssemblyScript", "memory", kib, " KiB", bothGuests[1:], atMost(40), atMost(20)},
	{"commits per acknowledged turn, 512 connections", "increment-100-512", groups, "", bothGuests, atMost(0.125), atMost(0.125)},
}

// elsewhere are those that other programs measure.
const elsewhere = `
Measured by others: the wake inside the host and metered compute in [figures.md](figures.md), the overshoot of endless loops and call bombs and what others
feel of them in [attack.md](attack.md).
`

func writeBudgets(b *strings.Builder, results []result) {
	b.WriteString("| | guest | workerd | rivet | floor | ours | ÷ workerd | ÷ floor | required | where to go | |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, w := range budgets {
		for _, guest := range w.guests {
			w.write(b, guest, rowsOf(w.workload, results))
		}
	}
	b.WriteString(elsewhere)
}

func (w budget) write(b *strings.Builder, guest string, rows []row) {
	ours := row{}
	for _, r := range rows {
		if r.target == guest {
			ours = r
		}
	}
	cellOf := func(r row) string {
		s := r.of(w.number)
		if s.n == 0 || r.kind != kindHost && w.unit == "" {
			return "–"
		}
		return number(s.median) + w.unit
	}
	ratio := func(kind string) string {
		s := ours.over(baseOf(kind, rows), w.number)
		if s.n == 0 {
			return "–"
		}
		return number(s.median)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(guest, "host, "), ", json")
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.what, name,
		cellOf(baseOf(kindWorkerd, rows)), cellOf(baseOf(kindRivet, rows)), cellOf(baseOf(kindFloor, rows)), cellOf(ours),
		ratio(kindWorkerd), ratio(kindFloor), w.required, w.goal, w.verdict(ours, rows))
}

// verdict is how a row stands.
func (w budget) verdict(ours row, rows []row) string {
	there, known := w.goal.holds(ours, rows, w.number)
	if known && there {
		return "there"
	}
	switch holds, known := w.required.holds(ours, rows, w.number); {
	case !known:
		return "not measured"
	case holds:
		return "holds"
	}
	return "**falls short**"
}
