package stats

import (
	"sync"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	var times Times
	for _, d := range []time.Duration{-time.Second, 0, Bounds[0], Bounds[0] + 1, Bounds[len(Bounds)-1], time.Hour} {
		times.Add(d)
	}
	s := times.Read()
	want := map[int]uint64{0: 3, 1: 1, len(Bounds) - 1: 1, len(Bounds): 1}
	for i, n := range s.Counts {
		if n != want[i] {
			t.Errorf("bucket %d has %d, want %d", i, n, want[i])
		}
	}
	if s.Count() != 6 || s.Sum != 2*Bounds[0]+1+Bounds[len(Bounds)-1]+time.Hour {
		t.Errorf("got %d durations of %v", s.Count(), s.Sum)
	}
	for i := 1; i < len(Bounds); i++ {
		if Bounds[i] <= Bounds[i-1] {
			t.Errorf("bound %d is not above the one before", i)
		}
	}
}

func TestTableTakesAnyNumber(t *testing.T) {
	var table Table
	for _, i := range []int{0, 3, 3, TableSize - 1, TableSize, 1 << 40, -1} {
		table.Add(i)
	}
	got := map[int]uint64{}
	table.Each(func(i int, n uint64) { got[i] = n })
	if len(got) != 3 || got[0] != 1 || got[3] != 2 || got[TableSize-1] != 4 {
		t.Errorf("got %v", got)
	}
}

func TestHammerCounts(t *testing.T) {
	const goroutines, each = 8, 1000
	var times Times
	var table Table
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				times.Add(time.Duration(i) * time.Millisecond)
				table.Add(g)
				times.Read()
			}
		})
	}
	wg.Wait()
	s, n := times.Read(), uint64(0)
	table.Each(func(_ int, c uint64) { n += c })
	if s.Count() != goroutines*each || n != goroutines*each || s.Sum != goroutines*each*(each-1)/2*time.Millisecond {
		t.Errorf("got %d durations of %v and %d counts", s.Count(), s.Sum, n)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var times Times
	var table Table
	start := time.Now()
	if n := testing.AllocsPerRun(100, func() { times.Since(start); table.Add(7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTimes(b *testing.B) {
	var times Times
	start := time.Now()
	for b.Loop() {
		times.Since(start)
	}
}
