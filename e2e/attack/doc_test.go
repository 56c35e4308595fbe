package attack

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/testbed"
)

// verdicts counts the right answers by row, for the table.
var verdicts = tally{}

// missed counts the wrong ones.
var missed int

// tally counts verdicts by row. It is used between volleys only.
type tally map[int]map[string]int

func (t tally) add(row int, verdict string) {
	if t[row] == nil {
		t[row] = map[string]int{}
	}
	t[row][verdict]++
}

func (t tally) of(row int) (n int) {
	for _, k := range t[row] {
		n += k
	}
	return n
}

func (t tally) sum() (n int) {
	for row := range t {
		n += t.of(row)
	}
	return n
}

var threats = map[int]string{
	1: "endless loops", 2: "loops of host calls", 3: "call trees and bulk operations", 4: "proposals that are not there", 5: "recursion",
	6: "traps", 7: "thirty traps in a row", 8: "memory", 9: "tables", 10: "compile bombs, counts", 11: "malformed", 12: "how it is sent",
	13: "start functions", 14: "imports", 15: "imports of neighbours", 16: "WASI: files, sockets, environment", 17: "WASI: the rest",
	18: "pointers and handles", 19: "Extism memory", 20: "residue", 21: "hostile text and envelopes", 22: "logs and output",
	23: "exports and manifests that lie", 24: "hooks and actor_turn",
}

// Budgets of design.md §10.
const (
	budgetOver  = 50 * time.Millisecond
	budgetTimes = 5
)

// doc is what docs/attack.md says.
type doc struct {
	victim    []*beside
	overshoot []over
}

func (d doc) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Attacks\n\nWritten by `make attack`; do not edit. The machine: %s, %s/%s, %s.%s\n\n",
		testbed.Processors(), runtime.GOOS, runtime.GOARCH, runtime.Version(), average())
	b.WriteString("The rows are those of the threat table that are about uploading and running guests. The short form of the same\ncorpus runs in `go test ./...`. It has no times: what it asserts are verdicts, survival and what is given back.\n\n")
	d.short(&b)
	writeVerdicts(&b)
	d.writeVictim(&b)
	for _, n := range noiseMeasured {
		n.write(&b)
	}
	d.writeOvershoot(&b)
	fmt.Fprintf(&b, "\n## Memory\n\nThe host's own memory, without pages of files, before the attacks %d MiB, after all of them %d MiB (%v later). Budget: %d MiB more, within %v.\n",
		memory.before>>20, memory.after>>20, memory.took, budgetRSS>>20, backTime)
	return b.String()
}

// short says first what falls short.
func (d doc) short(b *strings.Builder) {
	b.WriteString("## What falls short\n\n")
	n := b.Len()
	if missed > 0 {
		fmt.Fprintf(b, "- %d verdicts were not as wanted; the run failed.\n", missed)
	}
	for _, s := range d.victim[1:] {
		if r := d.ratio(s); r > budgetTimes && !s.fair {
			fmt.Fprintf(b, "- Beside 16 attackers with \"%s\" the victim's p99 is %.1f times that of idle; the budget is %d.\n", s.name, r, budgetTimes)
		}
	}
	for _, o := range d.overshoot {
		if worst := quantile(o.took, 1); worst > budgetOver {
			fmt.Fprintf(b, "- \"%s\" was ended %v after its deadline; the budget is %v.\n", o.name, worst.Round(time.Millisecond), budgetOver)
		}
	}
	for _, n := range noiseMeasured {
		for _, f := range n.falls() {
			fmt.Fprintf(b, "- %s.\n", f)
		}
	}
	if memory.after > memory.before+budgetRSS {
		fmt.Fprintf(b, "- The host keeps %d MiB more than before; the budget is %d.\n", (memory.after-memory.before)>>20, budgetRSS>>20)
	}
	if b.Len() == n {
		b.WriteString("Nothing.\n")
	}
}

func writeVerdicts(b *strings.Builder) {
	b.WriteString("\n## Verdicts\n\nEach is one answer with exact status and code, from a host that lived on and gave back what the row had taken.\n\n| row | threat | cases | verdicts |\n|---|---|---|---|\n")
	for _, row := range slices.Sorted(maps.Keys(verdicts)) {
		names := slices.SortedFunc(maps.Keys(verdicts[row]), func(x, y string) int { return cmp.Compare(verdicts[row][y], verdicts[row][x]) })
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf("%d × %s", verdicts[row][name], name))
		}
		fmt.Fprintf(b, "| %d | %s | %d | %s |\n", row, threats[row], verdicts.of(row), strings.Join(list, ", "))
	}
	fmt.Fprintf(b, "| | all | %d | |\n", verdicts.sum())
}

func (d doc) ratio(s *beside) float64 {
	return float64(quantile(s.took, 0.99)) / float64(max(1, quantile(d.victim[0].took, 0.99)))
}

func (d doc) writeVictim(b *strings.Builder) {
	fmt.Fprintf(b, "\n## The victim\n\nTimes of a durable increment of another namespace, called every 10 ms, while 16 attackers repeat one thing, and alone before each:\n%d runs of %v for each thing. Attackers and victim run on the same processors as the host. \"Honest\" is what 16 clients do\nto the victim that attack nothing, as fast as they can.\n\n| beside | p50 | p99 | p99 of the runs | p99 / idle | calls | errors |\n|---|---|---|---|---|---|---|\n", runs, pieceRun)
	for _, s := range d.victim {
		var p99s []string
		for _, p := range s.p99s {
			p99s = append(p99s, fmt.Sprint(p.Round(100*time.Microsecond)))
		}
		fmt.Fprintf(b, "| %s | %v | %v | %s | %.1f | %d | %d |\n", s.name, quantile(s.took, 0.5).Round(10*time.Microsecond),
			quantile(s.took, 0.99).Round(10*time.Microsecond), strings.Join(p99s, ", "), d.ratio(s), len(s.took), s.wrong)
	}
}

func (d doc) writeOvershoot(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Overshoot\n\nTime from the deadline of a turn (%v after it was asked for) to its answer, %d runs each, inside one process. Zero is a turn\nthat another limit ended first.\n\n| bomb | verdict | p50 | max |\n|---|---|---|---|\n", deadline, runs)
	for _, o := range d.overshoot {
		fmt.Fprintf(b, "| %s | %s | %v | %v |\n", o.name, strings.Join(slices.Sorted(maps.Keys(o.codes)), ", "),
			quantile(o.took, 0.5).Round(100*time.Microsecond), quantile(o.took, 1).Round(100*time.Microsecond))
	}
}

// average says how busy the machine was, if the system tells it.
func average() string {
	if long := testbed.Load()[2]; long != "" {
		return fmt.Sprintf("\nIts load average at the end was %s over 15 minutes. What others ran beside makes these times longer.", long)
	}
	return ""
}
