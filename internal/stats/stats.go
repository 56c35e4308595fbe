// Package stats counts what the parts of a host do, for whoever asks how it is.
//
// It owns the counters: plain atomics, of a fixed size. It leaves to each part what is counted, and names, labels and
// the way out to cmd/host/internal/metrics, so that no part imports a metrics library.
//
// Its one invariant: counting never waits, allocates or fails, so that any path may count.
package stats

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the buckets of Times, each included in its bucket. What is above the last has a bucket
// of its own.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute,
}

// Times counts durations by length. The zero value is empty. Safe for concurrent use.
type Times struct {
	counts [len(Bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

// Add counts one duration; less than zero counts as zero.
func (t *Times) Add(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	t.counts[i].Add(1)
	if d > 0 {
		t.sum.Add(int64(d))
	}
}

// Since counts the time from start until now.
func (t *Times) Since(start time.Time) { t.Add(time.Since(start)) }

// Read returns the counts so far. Durations that are counted meanwhile may be in it by half.
func (t *Times) Read() (s Spread) {
	for i := range t.counts {
		s.Counts[i] = t.counts[i].Load()
	}
	s.Sum = time.Duration(t.sum.Load())
	return s
}

// Spread is what Times had counted at one moment.
type Spread struct {
	Counts [len(Bounds) + 1]uint64 // by bucket, the last one for what is above all bounds
	Sum    time.Duration
}

// Count returns how many durations there were.
func (s *Spread) Count() (n uint64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// Table counts by a small number, such as a code. The zero value is empty. Safe for concurrent use.
type Table struct {
	counts [TableSize]atomic.Uint64
}

// TableSize bounds the numbers of a Table; the last place is for all that are beyond.
const TableSize = 256

// Add counts one of number i.
func (t *Table) Add(i int) {
	if i < 0 || i >= TableSize {
		i = TableSize - 1
	}
	t.counts[i].Add(1)
}

// Each calls f with each number that was counted, and how often.
func (t *Table) Each(f func(i int, n uint64)) {
	for i := range t.counts {
		if n := t.counts[i].Load(); n > 0 {
			f(i, n)
		}
	}
}
