package main

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fixed are results of a run that never was: the host does half of the floor and six times as much as workerd, but for
// the last of its runs, which failed, and Rivet's engine never answers.
func fixed() (options, machine, []result) {
	o := options{form: forms[len(forms)-1], runs: 3, dur: time.Second, newActors: 1, first: 1, live: 1, charts: "docs/charts", only: regexp.MustCompile("^(increment-100-32|memory)$")}
	m := machine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Cores: 2, CPU: "cpu", OS: "linux/amd64", Go: "go1", Commit: "c", Sync: 0.5, Versions: []string{"", "workerd 1"}}
	var results []result
	const w = "increment-100-32"
	for i, rate := range []float64{1000, 2000, 4000} {
		results = append(results,
			result{Workload: w, Target: "floor", Kind: kindFloor, Run: i, Rate: rate, P50: 1, P99: 2, CPU: 1e-5},
			result{Workload: w, Target: "workerd", Kind: kindWorkerd, Run: i, Rate: rate / 12, P50: 1, P99: 2, CPU: 1e-5},
			result{Workload: w, Target: "host, Go", Kind: kindHost, Run: i, Rate: rate / 2, P50: 2, P99: 3, CPU: 3e-5, Groups: 0.1},
			result{Workload: w, Target: "rivet", Kind: kindRivet, Run: i, Errors: 1, Error: "answered 504 | `<b>`\n" + strings.Repeat("x", 200)})
	}
	results[len(results)-2].Errors, results[len(results)-2].Rate = 1, 7 // it enters nothing but the errors
	return o, m, append(results, result{Workload: "memory", Target: "host, AssemblyScript", Kind: kindHost, Memory: 50, Actors: 600})
}

func TestPage(t *testing.T) {
	o, m, results := fixed()
	text := page(o, m, results, []string{"rivet: it is | not there"})
	for _, want := range []string{
		"# Benchmarks\n", "2026-01-02 03:04 UTC · commit c · go1 · linux/amd64 · 2 cores, shared with the client · cpu · workerd 1\n",
		"load average unknown; append of 4 KiB with fsync 0.500 ms. 3 runs of 1s",
		"**Not there:** rivet: it is   not there.\n",
		"![Durable increments over HTTP](charts/increments.svg)\n",
		"| durable increment, 100 actors, 32 connections | floor | 2000 (1000–4000) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 10.0 (10.0–10.0) | – | 12.0 (12.0–12.0) | – | 0 |\n",
		"|  | host, Go | 500 (500–1000) | 2.00 (2.00–2.00) | 3.00 (3.00–3.00) | 30.0 (30.0–30.0) | 0.500 (0.500–0.500) | 6.00 (6.00–6.00) | 0.100 (0.100–0.100) | 1 of 3 runs:  |\n",
		"|  | rivet | – | – | – | – | – | – | – | 3 of 3 runs: answered 504 ",
		"| durable increment, 100 actors, 32 connections | Go | 167/s | – | 2000/s | 500/s | 6.00 | 0.500 | ≥ 5 × workerd | ≥ 0.7 × floor | holds |\n",
		"| memory of a live actor, AssemblyScript | AssemblyScript | – | – | – | 50.0 KiB | – | – | ≤ 40 | ≤ 20 | **falls short** |\n",
		"| wake of a sleeping actor over HTTP, p50 | Go | – | – | – | – | – | – | ≤ 0.8 | ≤ 0.5 | not measured |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// A chart is well-formed, small, and says what the table does, whatever a title holds.
func TestCharts(t *testing.T) {
	o, _, results := fixed()
	charts := chartsOf(o, results)
	if len(charts) != 2 {
		t.Fatalf("%d charts", len(charts))
	}
	svg := charts["increments"]
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	for _, want := range []string{">2000<", ">167<", ">500<", ">–<", ">1,000<", "prefers-color-scheme:dark", `stroke="#2f81f7"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, "%!") || len(svg) > 16<<10 {
		t.Errorf("%d bytes:\n%s", len(svg), svg)
	}
	for i := range results {
		results[i].Errors = 1
	}
	if len(chartsOf(o, results)) != 0 || strings.Contains(page(o, machine{}, results, nil), "![") {
		t.Error("a chart of nothing")
	}
	o.charts = ""
	if len(chartsOf(o, results)) != 0 {
		t.Error("charts that nobody wants")
	}
}
