package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = ` S 1 2 2 0 -1 4194560 100 0 0 0 250 50 7 3 20 0 9 0 12345 2000000 256 18446744073709551615`
	got, err := parseStat([]byte("42 (a) R (host)" + rest))
	want := usage{cpu: 3100 * time.Millisecond, rss: 256 * int64(os.Getpagesize())}
	if err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
	for _, in := range []string{"", "42 (host) S 1 2", strings.Replace("42 (host)"+rest, "250", "x", 1)} {
		if _, err := parseStat([]byte(in)); err == nil {
			t.Errorf("parseStat(%q) has no error", in)
		}
	}
}

func TestParseListening(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"host", `{"time":"x","level":"INFO","msg":"listening","url":"http://127.0.0.1:6420","data":"d"}`, "127.0.0.1:6420"},
		{"workerd", `{"event":"listen","socket":"http","port":8788}`, "127.0.0.1:8788"},
		{"another of its events", `{"event":"listen"}`, ""},
		{"another line", `{"msg":"stopping","url":"http://127.0.0.1:1"}`, ""},
		{"text", "listening on http://127.0.0.1:1", ""},
		{"another scheme", `{"msg":"listening","url":"unix:/x"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseListening(tt.in); ok != (tt.want != "") || ok && got != tt.want {
				t.Errorf("parseListening = %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestParseCount(t *testing.T) {
	tests := []struct {
		in   string
		want int64 // -1 means an error
	}{
		{`{"output":17}`, 17}, {"{\"output\":0}\n", 0},
		{`{"output":}`, -1}, {`{"output":-1}`, -1}, {`{"output":1.5}`, -1}, {`{"output":1`, -1}, {`{}`, -1}, {"", -1},
	}
	for _, tt := range tests {
		got, err := parseCount([]byte(tt.in))
		if (err != nil) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("parseCount(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func TestNumberAndSpread(t *testing.T) {
	for x, want := range map[float64]string{0: "0.000", 0.0304: "0.030", 0.5: "0.500", 3.456: "3.46", 34.56: "34.6", 345.6: "346", 34567.8: "34568"} {
		if got := number(x); got != want {
			t.Errorf("number(%v) = %s, want %s", x, got, want)
		}
	}
	for _, tt := range []struct {
		in   []float64
		want string
	}{{nil, "–"}, {[]float64{2}, "2.00"}, {[]float64{9, 1, 2}, "2.00 (1.00–9.00)"}} {
		if got := spreadOf(tt.in).String(); got != tt.want {
			t.Errorf("spreadOf(%v) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestSample(t *testing.T) {
	if got := fmt.Sprint(sample([]int{0, 1, 2, 3, 4, 5, 6}, 3)); got != "[0 2 4]" {
		t.Errorf("3 of 7: %s", got)
	}
	if got := fmt.Sprint(sample([]int{0, 1}, 3)); got != "[0 1]" {
		t.Errorf("3 of 2: %s", got)
	}
}

func TestMarkdown(t *testing.T) {
	o := options{runs: 3, dur: time.Second, newActors: 1, first: 1, only: regexp.MustCompile("^health$")}
	m := machine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Cores: 2, CPU: "cpu", OS: "linux/amd64", Go: "go1", Commit: "c", Sync: 0.5}
	var results []result
	for i, rate := range []float64{1000, 2000, 4000} {
		results = append(results,
			result{Workload: "health", Target: "floor", Run: i, Rate: rate, P50: 1, P99: 2, CPU: 1e-5, RSS: 10},
			result{Workload: "health", Target: "ours", Run: i, Rate: rate / 2, P50: 2, P99: 3, CPU: 3e-5, RSS: 20})
	}
	results[5].Errors, results[5].Rate = 1, 7 // the ours of the last run: it enters nothing but the errors
	var b strings.Builder
	if err := writeMarkdown(&b, o, m, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2026-01-02 03:04 UTC · commit c · go1 · linux/amd64 · 2 cores",
		"load average unknown; append of 4 KiB with fsync 0.500 ms. 3 runs of 1s",
		"| health ping, 32 connections | floor | 2000 (1000–4000) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 10.0 (10.0–10.0) | 10.0 (10.0–10.0) | – | – | – | 0 |\n",
		"|  | ours | 500 (500–1000) | 2.00 (2.00–2.00) | 3.00 (3.00–3.00) | 30.0 (30.0–30.0) | 20.0 (20.0–20.0) | 0.500 (0.500–0.500) | 2.00 (2.00–2.00) | 3.00 (3.00–3.00) | 1 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// A server that answers well and forgets is found out.
func TestMeasure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a process's usage is read from /proc")
	}
	tests := []struct {
		name    string
		count   func(asked int64) int64 // what an increment answers
		get     func(acked int64) int64 // what a get answers
		wantErr string
	}{
		{name: "right", count: func(n int64) int64 { return n }, get: func(n int64) int64 { return n }},
		{name: "an increment is lost", count: func(n int64) int64 { return n }, get: func(n int64) int64 { return n - 1 }, wantErr: "in sum after"},
		{name: "a count does not grow", count: func(n int64) int64 { return min(n, 5) }, get: func(n int64) int64 { return n }, wantErr: "returned 5 after 5"},
	}
	o := options{dur: 20 * time.Millisecond, warm: time.Millisecond}
	w := workload{name: "increment", action: "increment", actors: 1, conns: 2}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/action/get") {
					fmt.Fprintf(w, `{"output":%d}`, tt.get(n.Load()))
					return
				}
				fmt.Fprintf(w, `{"output":%d}`, tt.count(n.Add(1)))
			}))
			defer s.Close()
			r, err := measure(t.Context(), o, target{name: "t", addr: s.Listener.Addr().String(), pid: os.Getpid(), actor: "counter"}, w, 0)
			if tt.wantErr == "" {
				if err != nil || r.Errors != 0 || r.Requests == 0 || r.P50 <= 0 || r.P99 < r.P50 || r.RSS <= 0 {
					t.Errorf("measure = %+v, %v", r, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || r.Errors == 0 || r.Error == "" {
				t.Errorf("measure = %+v, %v; want an error with %q", r, err, tt.wantErr)
			}
		})
	}
}

// The servers take turns, and a run that fails spoils none of the others.
func TestTakeTurns(t *testing.T) {
	var order []string
	results, err := takeTurns(t.Context(), 2, []string{"w"}, []string{"a", "b"}, func(w, s string, run int) (result, error) {
		order = append(order, fmt.Sprint(w, s, run))
		if s == "b" && run == 0 {
			return result{Workload: w, Target: s, Errors: 1}, errors.New("wrong answer")
		}
		return result{Workload: w, Target: s, Run: run}, nil
	})
	if got, want := strings.Join(order, " "), "wa0 wb0 wa1 wb1"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if len(results) != 4 || err == nil || !strings.Contains(err.Error(), "1 of 4 runs failed") {
		t.Errorf("%d results, %v", len(results), err)
	}
}
