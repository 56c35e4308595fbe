package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// ask is a load of actions over HTTP. An actor is always addressed by its key, in the gateway's query form, which finds
// or makes it within the request.
type ask struct {
	action string // health means GET /healthz
	bytes  int    // of the argument of put
	others int    // that each actor asks, of fan
	actors int
	conns  int
	once   bool // each actor is new and asked once; otherwise they are made before and asked again and again
}

const (
	onceTime  = 3 * time.Second  // in which new actors are made; those that are not made by then are not
	loadLimit = 30 * time.Second // of what has not ended

	makingTries = 3 // to make an actor before it is measured
)

// observe runs a load and sets its numbers.
func observe(ctx context.Context, t target, res *result, run func() (load.Result, error)) (load.Result, error) {
	before, err := usages(t.pid)
	if err != nil {
		return load.Result{}, err
	}
	counted, err := t.metrics(ctx)
	if err != nil {
		return load.Result{}, err
	}
	r, err := run()
	res.Errors = r.Errors
	if err != nil {
		return r, err
	}
	after, err := usages(t.pid)
	if err != nil {
		return r, err
	}
	res.set(r, before, after)
	now, err := t.metrics(ctx)
	const groups = "host_commit_groups_total"
	res.Groups = (now[groups] - counted[groups]) / float64(max(1, r.Requests))
	return r, err
}

// usages are of a server, and of this process.
func usages(pid int) ([]usage, error) {
	server, err := usageOfTree(pid)
	if err != nil {
		return nil, err
	}
	own, err := usageOf(os.Getpid())
	return []usage{server, own}, err
}

func (a ask) measure(ctx context.Context, o options, t target, run int, res *result) error {
	x := newExam(a)
	if err := x.begin(ctx, t, res.Workload, run); err != nil {
		return err
	}
	c := load.Config{Addr: t.addr, Conns: a.conns, Requests: a.requests(t, a.action, res.Workload, run), Check: x.check, Limit: loadLimit}
	if a.once {
		c.Cut = onceTime
	} else {
		if err := x.warm(ctx, c, t, o.warm); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
		c.Duration = o.dur
	}
	r, err := observe(ctx, t, res, func() (load.Result, error) { return load.Run(ctx, c) })
	x.acked += r.Requests
	if err != nil {
		return err
	}
	reader := map[string]string{"increment": "get", "put": "size"}[a.action]
	if reader == "" {
		return nil
	}
	back := a.requests(t, reader, res.Workload, run)
	if a.once {
		back = back[:min(len(back), r.Requests)]
	}
	return x.sum(ctx, load.Config{Addr: t.addr, Conns: min(32, a.conns), Requests: back, Limit: loadLimit})
}

// requests returns a request for each actor of one run of a workload; another run has other actors.
func (a ask) requests(t target, action, workload string, run int) [][]byte {
	if action == "health" {
		return [][]byte{fmt.Appendf(nil, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", t.addr)}
	}
	list := make([][]byte, a.actors)
	for i := range list {
		key := fmt.Sprintf("%s-%d", a.group(t, workload, run), i)
		list[i] = t.request(action, key, a.args(action, key))
	}
	return list
}

// group is what the keys of a run's actors begin with. Those of Rivet's engine serve all runs, since it makes few.
func (a ask) group(t target, workload string, run int) string {
	switch {
	case t.kind != kindRivet || a.once:
		return fmt.Sprintf("%s-%d", workload, run)
	case t.lazy:
		return "lazy"
	}
	return "shared"
}

func (a ask) args(action, key string) string {
	switch action {
	case "increment":
		return "[1]"
	case "put":
		return `["` + strings.Repeat("x", a.bytes) + `"]`
	case "ask":
		return `["` + key + `-asked"]`
	case "fan":
		return fmt.Sprintf(`["%s-asked",%d]`, key, a.others)
	}
	return "[]"
}

// request is one for an action, the same for all targets but for the names of actors.
func (t target) request(action, key, args string) []byte {
	actor := t.actors[action]
	if t.lazy && action == "increment" {
		action = "lazy"
	}
	auth := ""
	if t.token != "" {
		auth = "Authorization: Bearer " + t.token + "\r\n"
	}
	return fmt.Appendf(nil, "POST /gateway/%s/action/%s?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%s HTTP/1.1\r\n"+
		"Host: %s\r\n%sContent-Type: application/json\r\nX-Rivet-Encoding: json\r\nContent-Length: %d\r\n\r\n{\"args\":%s}",
		actor, action, key, t.addr, auth, len(args)+len(`{"args":}`), args)
}

// exam checks the answers of one run.
type exam struct {
	ask
	last  [][]int64 // by connection and actor: the last count that it was told
	acked int       // increments that were acknowledged
}

func newExam(a ask) *exam {
	x := &exam{ask: a, last: make([][]int64, a.conns)}
	for i := range x.last {
		x.last[i] = make([]int64, a.actors)
	}
	return x
}

// begin reads what the actors of a run have counted before, if they serve others, too.
func (x *exam) begin(ctx context.Context, t target, workload string, run int) error {
	if x.action != "increment" || x.group(t, workload, run) != x.group(t, workload, run+1) {
		return nil
	}
	var sum atomic.Int64
	_, err := t.once(ctx, t.making(), 0, x.requests(t, "get", workload, run), func(_ int, body []byte) error {
		n, err := parseCount(body)
		sum.Add(n)
		return err
	})
	x.acked = int(sum.Load())
	return err
}

// warm asks each actor once, so that it is there, and then for a while. To make one may need some tries: a host refuses
// what would wait for long, and Rivet's engine, which makes few at a time, may not answer.
func (x *exam) warm(ctx context.Context, c load.Config, t target, dur time.Duration) error {
	making := c
	making.Conns, making.Tries = min(t.making(), c.Conns), makingTries
	r, err := load.Run(ctx, making)
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
	case "health":
		return expect(body, `{"status":"ok"}`)
	case "nop", "put":
		return expect(body, `{}`, `{"output":["$Undefined",0]}`)
	case "ask":
		return expect(body, `{"output":1}`)
	case "fan":
		return expect(body, fmt.Sprintf(`{"output":%d}`, x.others))
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

func expect(body []byte, want ...string) error {
	got := string(bytes.TrimSpace(body))
	for _, w := range want {
		if got == w {
			return nil
		}
	}
	return fmt.Errorf("answered %q, want %q", got, want[0])
}

// maxRead bounds how many actors sum asks: a sleeping one must wake for it, which takes as long as
// what was measured.
const maxRead = 500

// sum asks actors for their counts, which together must be the acknowledged increments, or for the sizes of what they
// store. Of actors that were asked once, and of very many, it takes a sample from all over the run, which must have one
// each, or at least that.
func (x *exam) sum(ctx context.Context, c load.Config) error {
	want, atLeast := x.acked, false
	if len(c.Requests) > maxRead {
		c.Requests, atLeast = sample(c.Requests, maxRead), !x.once
	}
	switch {
	case x.action == "put":
		want = len(c.Requests) * x.bytes
	case x.once || atLeast:
		want = len(c.Requests)
	}
	var sum atomic.Int64
	c.Check = func(_, _ int, body []byte) error {
		n, err := parseCount(body)
		sum.Add(n)
		return err
	}
	if _, err := load.Run(ctx, c); err != nil {
		return fmt.Errorf("read what was stored: %w", err)
	}
	if got := sum.Load(); got != int64(want) && !(atLeast && got > int64(want)) {
		return fmt.Errorf("what is stored is %d in sum, want %d", got, want)
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
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil && n >= -1 {
			return n, nil
		}
	}
	return 0, errors.New("not a count: " + strconv.Quote(string(body)))
}
