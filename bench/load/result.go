package load

import (
	"math"
	"slices"
	"time"
)

// Result is what a load did.
type Result struct {
	Requests  int // acknowledged
	Errors    int
	Elapsed   time.Duration
	Latencies []time.Duration // of the acknowledged requests, ascending
}

func newResult(latencies [][]time.Duration, elapsed time.Duration, errs int) Result {
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return Result{Requests: len(all), Errors: errs, Elapsed: elapsed, Latencies: all}
}

// Rate returns the acknowledged requests per second.
func (r Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

// Percentile returns the smallest of the ascending values that at least p percent of them do not
// exceed (the nearest rank), with p in [0, 100]. It is zero if there are none.
func Percentile[T any](ascending []T, p float64) T {
	if len(ascending) == 0 {
		var zero T
		return zero
	}
	rank := int(math.Ceil(p / 100 * float64(len(ascending))))
	return ascending[min(max(rank, 1), len(ascending))-1]
}
