package tenants

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
)

// Metric is one thing that is counted as used.
type Metric int

// The metrics. Numbers are part of the stored form, so they are only appended.
const (
	UsedRequests Metric = iota // that a token was accepted for, and messages of sockets; of namespaces only
	UsedTurns                  // with a guest or without one
	UsedFailures               // of them those that failed
	UsedGas                    // also by turns that failed
	UsedWritten                // bytes of committed keys and values
	UsedEvents                 // that were broadcast
	UsedEgress                 // bytes that were sent to other servers and received
	metrics                    // how many there are
)

var metricNames = [metrics]string{"requests", "turns", "failures", "gas", "written_bytes", "events", "egress_bytes"}

// String returns the metric's name in the API.
func (m Metric) String() string { return metricNames[m] }

// Metrics is every metric, in the order of their numbers.
func Metrics() []Metric {
	all := make([]Metric, metrics)
	for i := range all {
		all[i] = Metric(i)
	}
	return all
}

// Used is what was used, by metric.
type Used [metrics]int64

// Add returns the sum of two.
func (u Used) Add(o Used) Used {
	for i := range u {
		u[i] += o[i]
	}
	return u
}

// encode returns the stored form: a varint for each metric.
func (u Used) encode() []byte {
	b := make([]byte, 0, 4*metrics)
	for _, n := range u {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// decodeUsed is the inverse of encode. A row of an older program has fewer metrics.
func decodeUsed(b []byte) (u Used, err error) {
	for i := 0; len(b) > 0; i++ {
		n, size := binary.Uvarint(b)
		if size <= 0 || i >= len(u) || n > 1<<62 {
			return u, errors.New("malformed usage")
		}
		u[i], b = int64(n), b[size:]
	}
	return u, nil
}

// counters count up from many goroutines.
type counters [metrics]atomic.Int64

// read returns what was counted.
func (c *counters) read() (u Used) {
	for i := range c {
		u[i] = c[i].Load()
	}
	return u
}

// drain returns what was counted since it was drained last.
func (c *counters) drain() (u Used) {
	for i := range c {
		u[i] = c[i].Swap(0)
	}
	return u
}

func (c *counters) add(u Used) {
	for i, n := range u {
		if n != 0 {
			c[i].Add(n)
		}
	}
}

// Tally counts what one actor uses, for the actor and for its namespace. Safe for concurrent use.
type Tally struct {
	of   *Allowance
	id   ActorID
	n    counters
	held int // by awake actors; guarded by of.mu
}

// Add counts n of m. Gas of the namespace is counted where it is spent; see Allowance.SpendGas.
func (t *Tally) Add(m Metric, n int64) {
	t.n[m].Add(n)
	if m != UsedGas {
		t.of.Add(m, n)
	}
}

// Done says that the actor sleeps. What it has used stays until it is stored.
func (t *Tally) Done() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.held--
}

// hourOf is the number of the hour of a moment, since 1970.
func hourOf(t time.Time) uint32 { return uint32(t.Unix() / 3600) }

// startOf is the inverse of hourOf.
func startOf(hour uint32) time.Time { return time.Unix(int64(hour)*3600, 0).UTC() }
