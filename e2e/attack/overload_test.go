package attack

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

var (
	longOverload = flag.Bool("overload.long", false, "load a host of one processor for long, and write docs/overload.md; see make overload")
	overloadTime = flag.Duration("overload.time", 20*time.Second, "length of each load")
	overloadRuns = flag.Int("overload.runs", 3, "rounds")
)

// What the load consists of.
const (
	loadActors = 64
	loadConns  = 1000
	quietRate  = 20.0 // a second, of the other namespace
	quietConns = 32
)

// working is a plain module whose action "work" computes for about 2 ms.
func working() []byte {
	return plain(func(m *wt.Module) {
		m.Export("work", 0, m.Func(nil, wt.T(wt.I32), wt.T(wt.I32), wt.Code{}.I32Const(2_600_000).LocalSet(0).
			Loop(wt.Empty).LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End).I32Const(0)))
	})()
}

// beSmall makes the capacity of a host that does not run yet small: one processor. In the long form that is all
// that the host sees, and the generator has another; in the short form it is one of Go's threads, on any of them.
func (h *host) beSmall() {
	if *longOverload {
		h.Under = []string{"taskset", "-c", "0"}
	} else {
		h.Env = []string{"GOMAXPROCS=1"}
	}
}

// overload is a host and what is asked of it.
type overload struct {
	*host
	loud, quiet [][]byte // requests
	peak        float64  // answers a second
	work        float64  // answers for each second of a processor, at the peak
	idle        time.Duration
}

// TestOverload asks a host for more than it can do: it goes on doing what it can, refuses the rest, serves another
// namespace and comes back.
func TestOverload(t *testing.T) {
	if *longOverload {
		t.Run("measured", measureOverload)
		return
	}
	o := openOverload(t)
	o.measurePeak(t, time.Second)
	before := o.holds()
	for _, both := range []bool{false, true} {
		r := o.at(t, 10, 2*time.Second, both)
		t.Logf("%s", r)
		if r.wronged > 0 {
			t.Errorf("the other namespace is refused %d of %d", r.wronged, len(r.quiet))
		}
		if n := r.statuses[200]; n == 0 || r.statuses[503] == 0 {
			t.Errorf("at ten times what it can do the host answers %v", r.statuses)
		}
	}
	if now := o.holds(); now.Threads > before.Threads+slackThreads {
		t.Errorf("%d threads, before %d", now.Threads, before.Threads)
	}
}

func openOverload(t *testing.T) *overload {
	t.Helper()
	o := &overload{host: newHost(t)}
	o.beSmall()
	o.serve()
	for token, list := range map[string]*[][]byte{o.attacker: &o.loud, o.victim: &o.quiet} {
		if a := o.upload(token, "worker", working()); a.status != 201 {
			t.Fatalf("upload: %s", a)
		}
		for i := range loadActors {
			id, a := o.actor(token, "worker", fmt.Sprint(i), "")
			if id == "" {
				t.Fatalf("make an actor: %s", a)
			}
			if a := o.call(token, id, "work"); a.status != 200 {
				t.Fatalf("the first call: %s", a)
			}
			*list = append(*list, fmt.Appendf(nil, "POST /gateway/%s/action/work HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: 11\r\n\r\n{\"args\":[]}", id, token))
		}
	}
	return o
}

// measurePeak finds out what the host can do: in a closed loop, from as many connections as keep it busy.
func (o *overload) measurePeak(t *testing.T, d time.Duration) {
	t.Helper()
	one, err := load.Run(t.Context(), load.Config{Addr: o.Addr(), Conns: 1, Requests: o.loud, Duration: d / 2})
	if err != nil {
		t.Fatal(err)
	}
	o.idle = load.Percentile(one.Latencies, 50)
	before := o.Processor()
	r, err := load.Run(t.Context(), load.Config{Addr: o.Addr(), Conns: 4, Requests: o.loud, Duration: d})
	if err != nil {
		t.Fatal(err)
	}
	o.peak, o.work = r.Rate(), float64(r.Requests)/(o.Processor()-before).Seconds()
}

// loaded is what the host did under one load.
type loaded struct {
	factor   float64
	name     string
	peak     float64
	goodput  float64 // answers with 200 a second
	work     float64 // of these for each second of a processor, in parts of that at the peak
	statuses map[int]int
	accepted []time.Duration // ascending
	refused  []time.Duration
	missed   int
	rss      [2]int64      // when a quarter of the time is over and all connections are there, and the most
	back     time.Duration // after the end, until a call takes as long as at idle
	quiet    []time.Duration
	wronged  int // of quiet, those that were not answered 200
}

func (r *loaded) String() string {
	return fmt.Sprintf("%s: %.0f of %.0f a second, by processor time %.0f %%, %v, %d missed; accepted p50 %v p99 %v, refused p50 %v p99 %v; %d to %d MiB; back after %v; the other namespace p50 %v p99 %v", r.name, r.goodput, r.peak, 100*r.work, r.statuses, r.missed,
		short(load.Percentile(r.accepted, 50)), short(load.Percentile(r.accepted, 99)), short(load.Percentile(r.refused, 50)), short(load.Percentile(r.refused, 99)),
		r.rss[0]>>20, r.rss[1]>>20, short(r.back), short(load.Percentile(r.quiet, 50)), short(load.Percentile(r.quiet, 99)))
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// at loads the host with a multiple of its peak, and beside it, if both, another namespace with a little. What is
// wrong at any speed is an error here.
func (o *overload) at(t *testing.T, factor float64, d time.Duration, both bool) *loaded {
	t.Helper()
	r := &loaded{factor: factor, name: fmt.Sprintf("%g×", factor), peak: o.peak, statuses: map[int]int{}}
	used := o.Processor()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := make(chan [2]int64)
	go func() { watched <- o.memory(ctx, d/4) }() // ends with ctx
	quiet := make(chan []load.Answer, 1)
	if both {
		r.name += ", one of two namespaces"
		go func() { quiet <- o.besides(t, d) }() // ends with the load
	}
	got := o.open(t, o.loud, factor*o.peak, loadConns, d)
	r.missed = got.Missed
	for _, a := range got.Answers {
		switch r.statuses[a.Status]++; a.Status {
		case 200:
			r.accepted = append(r.accepted, a.Took)
		case 429, 503:
			r.refused = append(r.refused, a.Took)
		default:
			t.Errorf("an answer of %d", a.Status)
		}
	}
	r.goodput = float64(len(r.accepted)) / got.Elapsed.Seconds()
	slices.Sort(r.accepted)
	slices.Sort(r.refused)
	if both {
		for _, a := range <-quiet {
			if a.Status != 200 {
				r.wronged++
			}
			r.quiet = append(r.quiet, a.Took)
		}
		slices.Sort(r.quiet)
	}
	r.work = float64(len(r.accepted)+len(r.quiet)) / (o.Processor() - used).Seconds() / o.work
	r.back = o.comeBack(t)
	cancel()
	r.rss = <-watched
	o.alive(t)
	return r
}

// besides is the other namespace: it asks at a rate in the long form. In the short form it waits for each answer, since on a
// machine that stalls what it asks would pile up.
func (o *overload) besides(t *testing.T, d time.Duration) (answers []load.Answer) {
	if *longOverload {
		return o.open(t, o.quiet, quietRate, quietConns, d).Answers
	}
	r, err := load.Run(t.Context(), load.Config{Addr: o.Addr(), Conns: 1, Requests: o.quiet, Duration: d})
	if err != nil {
		t.Errorf("the other namespace: %v", err)
	}
	for _, took := range r.Latencies {
		answers = append(answers, load.Answer{Took: took, Status: 200})
	}
	return answers
}

func (o *overload) open(t *testing.T, requests [][]byte, rate float64, conns int, d time.Duration) load.OpenResult {
	got, err := load.Open{Addr: o.Addr(), Conns: conns, Rate: rate, Requests: requests, Duration: d}.Run(t.Context())
	if err != nil || got.Broken > 0 {
		t.Errorf("%d connections broke: %v %v", got.Broken, err, got.First)
	}
	return got
}

// memory watches the host's memory until ctx ends: after some time, and the most.
func (o *overload) memory(ctx context.Context, after time.Duration) (rss [2]int64) {
	began := time.Now()
	for {
		now := o.holds().RSS()
		if rss[0] == 0 && time.Since(began) >= after {
			rss[0] = now
		}
		rss[1] = max(rss[1], now)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return rss
		}
	}
}

// comeBack returns how long it takes until a call is as fast as at idle, or three times that.
func (o *overload) comeBack(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < patience {
		r, err := load.Run(t.Context(), load.Config{Addr: o.Addr(), Conns: 1, Requests: o.loud[:1]})
		if err == nil && load.Percentile(r.Latencies, 50) < 3*o.idle {
			return time.Since(began)
		}
	}
	t.Errorf("after %v a call is not as fast as at idle, %v", patience, o.idle)
	return patience
}
