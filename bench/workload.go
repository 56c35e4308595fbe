package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// workload is one row of questions. An actor is always addressed by its key, in the gateway's query
// form, which finds or makes it within the request.
type workload struct {
	name   string // short, for programs
	title  string
	action string // increment or nop; empty means GET /healthz
	actors int
	conns  int
	once   bool // each actor is new and asked once; otherwise they are made before and asked again and again
}

func workloads(o options) []workload {
	all := []workload{
		{name: "health", title: "health ping, 32 connections", conns: 32},
		{name: "nop", title: "action that changes nothing, 100 actors, 32 connections", action: "nop", actors: 100, conns: 32},
		{name: "increment-1", title: "durable increment, 1 actor, 32 connections", action: "increment", actors: 1, conns: 32},
		{name: "increment-100", title: "durable increment, 100 actors, 32 connections", action: "increment", actors: 100, conns: 32},
		{name: "first", title: fmt.Sprintf("first increment of a new actor, one after the other (%d)", o.first), action: "increment", actors: o.first, conns: 1, once: true},
		{name: "new", title: fmt.Sprintf("%d new actors, an increment each, 32 connections", o.newActors), action: "increment", actors: o.newActors, conns: 32, once: true},
	}
	var chosen []workload
	for _, w := range all {
		if o.only.MatchString(w.name) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// measure runs a workload on a target once. A result is returned also with an error.
func measure(ctx context.Context, o options, t target, w workload, run int) (result, error) {
	res := result{Workload: w.name, Target: t.name, Run: run}
	x := newExam(w)
	err := func() error {
		c := load.Config{Addr: t.addr, Conns: w.conns, Requests: t.requests(w, w.action, run), Check: x.check}
		if !w.once {
			if err := x.warm(ctx, c, o.warm); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
			c.Duration = o.dur
		}
		before, err := usages(t.pid, os.Getpid())
		if err != nil {
			return err
		}
		r, err := load.Run(ctx, c)
		res.Errors = r.Errors
		if err != nil {
			return err
		}
		after, err := usages(t.pid, os.Getpid())
		if err != nil {
			return err
		}
		res.set(r, before, after)
		x.acked += r.Requests
		if w.action == "increment" {
			return x.sum(ctx, load.Config{Addr: t.addr, Conns: 32, Requests: t.requests(w, "get", run)})
		}
		return nil
	}()
	if err != nil {
		res.Error, res.Errors = err.Error(), max(1, res.Errors)
	}
	return res, err
}

func usages(pids ...int) ([]usage, error) {
	var list []usage
	for _, pid := range pids {
		u, err := usageOf(pid)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, nil
}

// requests returns a request for each actor of one run of a workload; another run has other actors.
func (t target) requests(w workload, action string, run int) [][]byte {
	if w.action == "" {
		return [][]byte{fmt.Appendf(nil, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", t.addr)}
	}
	body := `{"args":[]}`
	if action == "increment" {
		body = `{"args":[1]}`
	}
	list := make([][]byte, w.actors)
	for i := range list {
		list[i] = fmt.Appendf(nil, "POST /gateway/%s/action/%s?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%s-%d-%d HTTP/1.1\r\n"+
			"Host: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			t.actor, action, w.name, run, i, t.addr, t.token, len(body), body)
	}
	return list
}

// exam checks the answers of one run.
type exam struct {
	workload
	last  [][]int64 // by connection and actor: the last count that it was told
	acked int       // increments that were acknowledged
}

func newExam(w workload) *exam {
	x := &exam{workload: w, last: make([][]int64, w.conns)}
	for i := range x.last {
		x.last[i] = make([]int64, w.actors)
	}
	return x
}

// warm asks each actor once, so that it is there, and then for a while.
func (x *exam) warm(ctx context.Context, c load.Config, dur time.Duration) error {
	r, err := load.Run(ctx, c)
	x.acked += r.Requests
	if err != nil || dur == 0 {
		return err
	}
	c.Duration = dur
	r, err = load.Run(ctx, c)
	x.acked += r.Requests
	return err
}

// check judges one answer. It runs on the connection's goroutine.
func (x *exam) check(conn, actor int, body []byte) error {
	switch x.action {
	case "":
		return expect(body, `{"status":"ok"}`)
	case "nop":
		return expect(body, `{}`)
	}
	n, err := parseCount(body)
	if err != nil {
		return err
	}
	last := &x.last[conn][actor]
	if n <= *last || x.once && n != 1 {
		return fmt.Errorf("increment returned %d after %d", n, *last)
	}
	*last = n
	return nil
}

func expect(body []byte, want string) error {
	if got := bytes.TrimSpace(body); string(got) != want {
		return fmt.Errorf("answered %q, want %q", got, want)
	}
	return nil
}

// maxRead bounds how many actors sum asks: a sleeping one must wake for it, which takes as long as
// what was measured.
const maxRead = 500

// sum asks actors for their counts, which together must be the acknowledged increments. Of actors
// that were asked once, and answered 1, it takes a sample from all over the run.
func (x *exam) sum(ctx context.Context, c load.Config) error {
	want := x.acked
	if x.once {
		c.Requests = sample(c.Requests, maxRead)
		want = len(c.Requests)
	}
	var sum atomic.Int64
	c.Check = func(_, _ int, body []byte) error {
		n, err := parseCount(body)
		sum.Add(n)
		return err
	}
	if _, err := load.Run(ctx, c); err != nil {
		return fmt.Errorf("read the counts: %w", err)
	}
	if got := sum.Load(); got != int64(want) {
		return fmt.Errorf("the counts are %d in sum after %d acknowledged increments", got, want)
	}
	return nil
}

// sample returns at most n of the values, evenly spaced.
func sample[T any](values []T, n int) []T {
	if len(values) <= n {
		return values
	}
	chosen := make([]T, n)
	for i := range chosen {
		chosen[i] = values[i*len(values)/n]
	}
	return chosen
}

// parseCount reads {"output":N}.
func parseCount(body []byte) (int64, error) {
	s, ok := bytes.CutPrefix(bytes.TrimSpace(body), []byte(`{"output":`))
	if s, ok2 := bytes.CutSuffix(s, []byte("}")); ok && ok2 {
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, errors.New("not a count: " + strconv.Quote(string(body)))
}
