package badgerkv

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// BenchmarkCommit reports durable commits a second with so many spaces in flight, each with one
// delta of four rows at a time, by our committer and, for comparison, by one transaction a commit.
func BenchmarkCommit(b *testing.B) {
	for _, inFlight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("committer/inflight=%d", inFlight), func(b *testing.B) {
			s := openBench(b)
			run(b, s, inFlight, func(l kv.Lease, d *kv.Delta) error {
				done := make(chan error, 1)
				s.Commit(l, d, func(err error) { done <- err })
				return <-done
			})
			st := s.Stats()
			b.ReportMetric(float64(st.Commits)/float64(st.Groups), "commits/sync")
		})
		b.Run(fmt.Sprintf("direct/inflight=%d", inFlight), func(b *testing.B) {
			s := openBench(b)
			var mu sync.Mutex
			ts := s.snaps.newest()
			run(b, s, inFlight, func(l kv.Lease, d *kv.Delta) error {
				txn := s.db.NewTransactionAt(0, true)
				defer txn.Discard()
				j := &job{lease: l, delta: d, after: head{pos: d.N, epoch: l.Epoch}}
				if err := apply(txn, j); err != nil {
					return err
				}
				mu.Lock()
				ts++
				done := make(chan error, 1)
				txn.CommitAt(ts, func(err error) { done <- err })
				mu.Unlock()
				return <-done
			})
		})
	}
}

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// run commits b.N deltas from inFlight goroutines, each with a space of its own.
func run(b *testing.B, s *Store, inFlight int, commit func(kv.Lease, *kv.Delta) error) {
	b.Helper()
	leases := make([]kv.Lease, inFlight)
	for i := range leases {
		l, err := s.Claim(b.Context(), kv.NewSpace(fmt.Sprintf("tenant%d", i%10), fmt.Sprintf("actor-%d", i)))
		if err != nil {
			b.Fatal(err)
		}
		leases[i] = l
	}
	var mu sync.Mutex
	var slow []time.Duration
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i, l := range leases {
		wg.Go(func() {
			var mine []time.Duration
			n := uint64(0)
			for k := i; k < b.N; k += inFlight {
				n++
				start := time.Now()
				if err := commit(l, turn(n)); err != nil {
					b.Error(err)
					return
				}
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			slow = append(slow, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(percentile(slow, 99).Microseconds()), "p99-µs")
}

// turn is what a small actor's turn writes: state, two items, a schedule.
func turn(n uint64) *kv.Delta {
	return &kv.Delta{N: n, Ops: []kv.Op{
		{Key: []byte("s"), Value: make([]byte, 512)},
		{Key: []byte("k/a"), Value: make([]byte, 100)},
		{Key: []byte("k/b"), Value: make([]byte, 100)},
		{Key: []byte("t/a"), Value: make([]byte, 40)},
	}}
}

func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[(len(d)-1)*p/100]
}
