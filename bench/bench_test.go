package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
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
		{`{"output":}`, -1}, {`{"output":-2}`, -1}, {`{"output":1.5}`, -1}, {`{"output":1`, -1}, {`{}`, -1}, {"", -1},
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

func TestParseMetrics(t *testing.T) {
	got := parseMetrics("# HELP a b\n# TYPE a counter\na 3\nb{c=\"d e}\"} 1.5\nb{c=\"f\"} 2\n\nnonsense\n")
	if want := map[string]float64{"a": 3, "b": 3.5}; !reflect.DeepEqual(got, want) {
		t.Errorf("parseMetrics = %v, want %v", got, want)
	}
}

func TestParseOptions(t *testing.T) {
	for _, args := range []string{"-form other", "-runs 0", "-dur 0s", "-only (", "more"} {
		if _, err := parseOptions(strings.Fields(args)); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
	o, err := parseOptions([]string{"-form", "wire"})
	if err != nil || !reflect.DeepEqual(o.kinds, []string{kindFloor, kindWorkerd, kindHost}) {
		t.Errorf("%+v, %v", o, err)
	}
}

// A server that answers well and forgets is found out.
func TestAsk(t *testing.T) {
	tests := []struct {
		name    string
		count   func(asked int64) int64 // what an increment answers
		get     func(acked int64) int64 // what a get answers
		wantErr string
	}{
		{name: "right", count: func(n int64) int64 { return n }, get: func(n int64) int64 { return n }},
		{name: "an increment is lost", count: func(n int64) int64 { return n }, get: func(n int64) int64 { return n - 1 }, wantErr: "in sum"},
		{name: "a count does not grow", count: func(n int64) int64 { return min(n, 5) }, get: func(n int64) int64 { return n }, wantErr: "returned 5 after 5"},
	}
	o := options{dur: 20 * time.Millisecond, warm: time.Millisecond}
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
			to := target{server: &server{kind: kindFloor, addr: s.Listener.Addr().String(), pid: os.Getpid()}, name: "t", actors: all("counter", "increment get")}
			r := result{Workload: "increment"}
			err := ask{action: "increment", actors: 1, conns: 2}.measure(t.Context(), o, to, 0, &r)
			if tt.wantErr == "" {
				if err != nil || r.Errors != 0 || r.Requests == 0 || r.P50 <= 0 || r.P99 < r.P50 || r.RSS <= 0 {
					t.Errorf("measure = %+v, %v", r, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("measure = %+v, %v; want an error with %q", r, err, tt.wantErr)
			}
		})
	}
}

// script is a load that does what it is told.
type script func(t target, run int) error

func (s script) measure(_ context.Context, _ options, t target, run int, _ *result) error {
	return s(t, run)
}

// sleeper is a server of a kind that does nothing. Call it on a locked thread: see prepare.
func sleeper(t *testing.T, kind string) *server {
	p := &process{name: "sleep", cmd: exec.Command("sleep", "300"), done: make(chan struct{})}
	prepare(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	s := &server{kind: kind, p: p, pid: p.pid()}
	t.Cleanup(func() { _ = s.stop() })
	return s
}

// state is a process's, as ps has it.
func state(t *testing.T, s *server) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))[2]
}

// The servers take turns, the others frozen meanwhile. A run that fails spoils none of the others, and a peer that fails twice is
// left alone.
func TestTakeTurns(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	floor, peer, host := sleeper(t, kindFloor), sleeper(t, kindRivet), sleeper(t, kindHost)
	servers := []*server{floor, peer, host}
	var order []string
	fails := func(to target, run int) error {
		order = append(order, fmt.Sprint(to.name, run))
		for _, s := range servers {
			if frozen := state(t, s) == "T"; frozen == (s == to.server) {
				t.Errorf("%s is frozen %v while %s runs", s.kind, frozen, to.kind)
			}
		}
		if to.peer() || to.name == "b" && run == 0 {
			return errors.New("wrong answer")
		}
		return nil
	}
	restarts := 0
	peer.start = func(context.Context) (*process, error) {
		restarts++
		servers = []*server{floor, host}
		return nil, errors.New("it does not start")
	}
	of := func(s *server, name string) target { return target{server: s, name: name, actors: all("x", "nop")} }
	targets := []target{of(floor, "a"), of(peer, "p"), of(host, "b")}
	list := []workload{{name: "w", action: "nop", measurer: script(fails)}, {name: "not theirs", action: "say", measurer: script(fails)}}
	results, err := takeTurns(t.Context(), options{runs: 3}, list, targets)
	if got, want := strings.Join(order, " "), "a0 p0 b0 a1 p1 b1 a2 b2"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if len(results) != 8 || err == nil || !strings.Contains(err.Error(), "1 of 8 runs failed") {
		t.Errorf("%d results, %v", len(results), err)
	}
	if restarts != 1 {
		t.Errorf("the peer was started %d times more", restarts)
	}
}
