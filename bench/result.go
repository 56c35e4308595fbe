package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// result is one run of a workload on a target. With an error the numbers may be missing, and they
// enter no table.
type result struct {
	Workload  string  `json:"workload"`
	Target    string  `json:"target"`
	Kind      string  `json:"kind"`
	Run       int     `json:"run"`
	Requests  int     `json:"requests"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"requests_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	CPU       float64 `json:"server_cpu_seconds_per_request"`
	ClientCPU float64 `json:"client_cpu_seconds_per_request"`
	RSS       float64 `json:"server_rss_mib"`      // at the end of the run
	Groups    float64 `json:"commits_per_request"` // transactions of a host, each synced once
	Memory    float64 `json:"memory_kib_per_actor"`
	Actors    int     `json:"live_actors"` // that this is of
	Errors    int     `json:"errors"`
	Error     string  `json:"error,omitempty"` // the first
}

// set takes the numbers of a load. before and after are the server's and the client's usage.
func (r *result) set(l load.Result, before, after []usage) {
	ms := func(p float64) float64 {
		return float64(load.Percentile(l.Latencies, p)) / float64(time.Millisecond)
	}
	perRequest := func(i int) float64 {
		return (after[i].cpu - before[i].cpu).Seconds() / float64(max(1, l.Requests))
	}
	r.Requests, r.Seconds, r.Rate = l.Requests, l.Elapsed.Seconds(), l.Rate()
	r.P50, r.P99, r.Max = ms(50), ms(99), ms(100)
	r.CPU, r.ClientCPU = perRequest(0), perRequest(1)
	r.RSS = float64(after[0].rss) / (1 << 20)
}

// writeJSON writes the machine and each result as a line.
func writeJSON(w io.Writer, m machine, results []result) error {
	e := json.NewEncoder(w)
	if err := e.Encode(map[string]machine{"machine": m}); err != nil {
		return err
	}
	for _, r := range results {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
