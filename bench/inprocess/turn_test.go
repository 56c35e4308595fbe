package inprocess

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/bench/load"
	"github.com/vivarium-run/vivarium/tenants"
)

// guests are the folders of the guests that are measured, each with an actor named counter.
var guests = map[string]string{"go": "examples/wasm/counter"}

// warmActors is how many actors the benchmarks of existing actors share.
const warmActors = 100

// open starts a host with a guest and a namespace for it.
func open(b *testing.B, guest string) *actorstest.Stack {
	b.Helper()
	dir, err := os.MkdirTemp("", "vivarium-bench-") // b.TempDir puts what -bench matched into the path
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	s := actorstest.Open(b, actorstest.Options{Dir: dir, KeepGas: 1_000_000})
	s.Upload(tenants.Default, "counter", guests[guest])
	return s
}

// each runs f as a sub-benchmark for each guest, with 1 and with 32 callers.
func each(b *testing.B, f func(b *testing.B, s *actorstest.Stack, callers int)) {
	for guest := range guests {
		b.Run("guest="+guest, func(b *testing.B) {
			s := open(b, guest)
			for _, callers := range []int{1, 32} {
				b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { f(b, s, callers) })
			}
		})
	}
}

// measure has callers do b.N calls between them and reports p50 and p99 beside the mean. Time per
// operation is the time of all divided by b.N, so it shrinks as callers share commits.
func measure(b *testing.B, callers int, call func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	times := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() { // ends with the last call, or the first error
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				begun := time.Now()
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
				times[i] = time.Since(begun)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(load.Percentile(times, 50).Microseconds()), "p50-µs")
	b.ReportMetric(float64(load.Percentile(times, 99).Microseconds()), "p99-µs")
}

// warm returns actors that are awake.
func warm(b *testing.B, s *actorstest.Stack) []tenants.ActorID {
	b.Helper()
	ids := make([]tenants.ActorID, warmActors)
	for i := range ids {
		ids[i] = s.Actor(tenants.Default, "counter", "warm", strconv.Itoa(i))
		s.MustCall(ids[i], nil, "nop")
	}
	return ids
}

// run does an action whose arguments are encoded already.
func run(s *actorstest.Stack, id tenants.ActorID, action, args string) error {
	_, err := s.Host.Call(context.Background(), id, actors.Request{Action: action, Args: json.RawMessage(args)})
	return err
}

// counts returns the sum of the actors' counts.
func counts(s *actorstest.Stack, ids []tenants.ActorID) (sum int) {
	for _, id := range ids {
		var n int
		s.MustCall(id, &n, "get")
		sum += n
	}
	return sum
}

// BenchmarkNop is a turn that changes nothing, and so commits nothing.
func BenchmarkNop(b *testing.B) {
	each(b, func(b *testing.B, s *actorstest.Stack, callers int) {
		ids := warm(b, s)
		measure(b, callers, func(i int) error { return run(s, ids[i%len(ids)], "nop", "[]") })
	})
}

// BenchmarkIncrement is a turn that changes the state and is on disk when it answers.
func BenchmarkIncrement(b *testing.B) {
	each(b, func(b *testing.B, s *actorstest.Stack, callers int) {
		ids := warm(b, s)
		before := counts(s, ids)
		measure(b, callers, func(i int) error { return run(s, ids[i%len(ids)], "increment", "[1]") })
		if got := counts(s, ids) - before; got != b.N {
			b.Errorf("%d turns increased the counts by %d", b.N, got)
		}
	})
}

// BenchmarkNew makes an actor and increments it.
func BenchmarkNew(b *testing.B) {
	var made atomic.Int64 // addresses are never used again
	each(b, func(b *testing.B, s *actorstest.Stack, callers int) {
		measure(b, callers, func(int) error {
			key, err := tenants.NewKey("new", strconv.FormatInt(made.Add(1), 10))
			if err != nil {
				return err
			}
			a := tenants.Address{Namespace: tenants.Default, Name: "counter", Key: key}
			_, _, err = s.Host.CallOrCreate(context.Background(), a, actors.CreateOptions{}, actors.Request{Action: "increment", Args: json.RawMessage("[1]")})
			return err
		})
	})
}
