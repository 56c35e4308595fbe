package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// once sends each request once over some connections and gives the bodies to check; zero time is as long as it takes.
func (t target) once(ctx context.Context, conns int, cut time.Duration, requests [][]byte, check func(i int, body []byte) error) (load.Result, error) {
	c := load.Config{Addr: t.addr, Conns: conns, Cut: cut, Requests: requests, Limit: loadLimit, Tries: makingTries}
	if check != nil {
		c.Check = func(_, i int, body []byte) error { return check(i, body) }
	}
	return load.Run(ctx, c)
}

// many returns a request to each of so many actors.
func (t target) many(n int, action, args, format string, a ...any) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = t.request(action, fmt.Sprintf(format, a...)+fmt.Sprintf("-%d", i), args)
	}
	return list
}

// making is how many connections make actors of a target at a time.
func (t target) making() int {
	if t.kind == kindRivet {
		return 1
	}
	return 32
}

// wake asks sleeping actors, each for the first time since it fell asleep.
type wake struct{ actors int }

const (
	makeTime  = 2 * time.Second  // in which sleepers are made; fewer are asked by who makes fewer
	evictTime = 13 * time.Second // workerd evicts what was idle for 10 s
)

// sleepers of a target: how many of each run were made.
var sleepers = map[string][]int{}

// prepare makes the actors of all runs and has them sleep. Who cannot be told to is left alone for long enough.
func (w wake) prepare(ctx context.Context, o options, t target) error {
	sleepers[t.name] = nil
	for run := range o.runs {
		r, err := t.once(ctx, t.making(), makeTime, t.many(w.actors, "put", `["hello"]`, "wake-%d", run), nil)
		if err != nil {
			return err
		}
		if t.actors["rest"] != "" {
			if _, err := t.once(ctx, t.making(), 0, t.many(r.Requests, "rest", "[]", "wake-%d", run), nil); err != nil {
				return err
			}
		}
		sleepers[t.name] = append(sleepers[t.name], r.Requests)
	}
	if t.actors["rest"] == "" {
		return pause(ctx, evictTime)
	}
	return settle(ctx, t.server)
}

func (w wake) measure(ctx context.Context, _ options, t target, run int, res *result) error {
	if run >= len(sleepers[t.name]) || sleepers[t.name][run] == 0 {
		return fmt.Errorf("nobody sleeps")
	}
	woke, err := t.metrics(ctx)
	if err != nil {
		return err
	}
	requests := t.many(sleepers[t.name][run], "woken", "[]", "wake-%d", run)
	r, err := observe(ctx, t, res, func() (load.Result, error) {
		return t.once(ctx, 1, onceTime, requests, func(_ int, body []byte) error { return expect(body, `{"output":1}`) })
	})
	if err != nil || t.kind != kindHost {
		return err
	}
	now, err := t.metrics(ctx)
	if n := now["host_wakes_total"] - woke["host_wakes_total"]; err == nil && int(n) < r.Requests {
		err = fmt.Errorf("%d requests woke %v actors", r.Requests, n)
	}
	return err
}

// schedules gives actors a schedule each, all for the same moment, and asks them afterwards how late it ran.
type schedules struct{ actors int }

const (
	remindTime = 2 * time.Second // in which the schedules are made
	ringTime   = 30 * time.Second
)

func (w schedules) measure(ctx context.Context, _ options, t target, run int, res *result) error {
	due := time.Now().Add(remindTime + time.Second)
	made, err := t.once(ctx, t.making(), remindTime, t.many(w.actors, "remind", fmt.Sprintf("[%d]", due.UnixMilli()), "schedule-%d", run), nil)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Until(due)); err != nil {
		return err
	}
	late, err := t.lateness(ctx, t.many(made.Requests, "late", "[]", "schedule-%d", run))
	if err != nil {
		return err
	}
	slices.Sort(late)
	r := load.Result{Requests: len(late), Elapsed: max(time.Millisecond, load.Percentile(late, 100)), Latencies: late}
	res.set(r, make([]usage, 2), make([]usage, 2))
	return nil
}

// lateness asks actors how late their schedules ran, by their own clocks, until all have run.
func (t target) lateness(ctx context.Context, requests [][]byte) ([]time.Duration, error) {
	late, left := make([]time.Duration, len(requests)), requests
	at := make([]int, len(requests)) // of what is left, its place
	for i := range at {
		at[i] = i
	}
	for end := time.Now().Add(ringTime); len(left) > 0; {
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d schedules have not run after %v", len(left), len(late), ringTime)
		}
		_, err := t.once(ctx, t.making(), 0, left, func(i int, body []byte) error {
			ms, err := parseCount(body)
			late[at[i]] = time.Duration(ms) * time.Millisecond
			return err
		})
		if err != nil {
			return nil, err
		}
		var again []int
		for _, i := range at {
			if late[i] < 0 {
				again = append(again, i)
			}
		}
		at, left = again, pick(requests, again)
	}
	return late, nil
}

func pick[T any](all []T, at []int) []T {
	var some []T
	for _, i := range at {
		some = append(some, all[i])
	}
	return some
}

// memory makes actors on a server that has just been started, and compares what it has before and after. A host lets all of them live.
type memory struct{ actors int }

const memoryTime = 8 * time.Second // in which they are made

func (w memory) measure(ctx context.Context, _ options, t target, run int, res *result) error {
	t.more = []string{"--max-instances", strconv.Itoa(2 * w.actors)} // of which a namespace has five eighths
	defer func() { t.more = nil }()
	if err := t.restart(ctx); err != nil {
		return err
	}
	ask := func(n int, name string) (load.Result, error) {
		return t.once(ctx, t.making(), memoryTime, t.many(n, "increment", "[1]", name+"-%d", run), nil)
	}
	if _, err := ask(2, "memory-first"); err != nil {
		return err
	}
	before, awake, err := t.held(ctx)
	if err != nil {
		return err
	}
	r, err := ask(w.actors, "memory")
	if err != nil {
		return err
	}
	after, now, err := t.held(ctx)
	if err != nil {
		return err
	}
	live := float64(r.Requests)
	if t.kind == kindHost {
		live = now - awake // others are asleep already
	}
	if live < 1 {
		return fmt.Errorf("no actor is alive")
	}
	res.set(r, make([]usage, 2), make([]usage, 2))
	res.Actors, res.Memory = int(live), float64(after-before)/(1<<10)/live
	return nil
}

// calmTime is what servers get to collect their garbage: workerd evicts after 10 s.
const calmTime = 6 * time.Second

// held is what a server that is still has of the memory, and how many instances a host says that it has.
func (t target) held(ctx context.Context) (bytes int64, instances float64, err error) {
	if err := pause(ctx, calmTime); err != nil {
		return 0, 0, err
	}
	if err := settle(ctx, t.server); err != nil {
		return 0, 0, err
	}
	if bytes, err = ownMemory(t.pid); err != nil {
		return 0, 0, err
	}
	m, err := t.metrics(ctx)
	return bytes, m["host_instances"], err
}

// upload sends a version that nobody has seen, and asks a new actor of it.
type upload struct{}

func (upload) measure(ctx context.Context, _ options, t target, run int, res *result) error {
	b, err := t.module.bytes(fmt.Sprintf("%d-%d", run, time.Now().UnixNano()))
	if err != nil {
		return err
	}
	head := fmt.Appendf(nil, "PUT /modules/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/wasm\r\nContent-Length: %d\r\n\r\n", t.module.name, t.addr, t.token, len(b))
	requests := [][]byte{append(head, b...), t.request("get", fmt.Sprintf("upload-%d", run), "[]")}
	r, err := observe(ctx, t, res, func() (load.Result, error) {
		return t.once(ctx, 1, 0, requests, func(i int, body []byte) error {
			if i == 0 {
				return nil
			}
			return expect(body, `{"output":0}`)
		})
	})
	if err == nil {
		took := r.Elapsed.Seconds() * 1000
		res.P50, res.P99, res.Max = took, took, took
	}
	return err
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
