package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivarium-run/vivarium/internal/stats"
)

// family is one metric: its name, and how its series are read from a snapshot.
type family struct {
	name, help string
	labels     []string
	kind       string // counter, gauge or histogram
	values     func(s *snapshot, add func(v float64, labels ...string))
	times      func(s *snapshot, add func(t stats.Spread, labels ...string)) // of a histogram, in place of values
}

func (f *family) collect(s *snapshot, d *prometheus.Desc, to chan<- prometheus.Metric) {
	if f.times != nil {
		f.times(s, func(t stats.Spread, labels ...string) { to <- histogram(d, t, labels) })
		return
	}
	kind := prometheus.GaugeValue
	if f.kind == "counter" {
		kind = prometheus.CounterValue
	}
	f.values(s, func(v float64, labels ...string) { to <- prometheus.MustNewConstMetric(d, kind, v, labels...) })
}

// histogram translates a spread: Prometheus' buckets have all that is below a bound, in seconds.
func histogram(d *prometheus.Desc, t stats.Spread, labels []string) prometheus.Metric {
	buckets, n := map[float64]uint64{}, uint64(0)
	for i, bound := range stats.Bounds {
		n += t.Counts[i]
		buckets[bound.Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(d, t.Count(), t.Sum.Seconds(), buckets, labels...)
}

func gauge[T number](name, help string, read func(*snapshot) T) *family {
	return &family{name: name, help: help, kind: "gauge", values: one(read)}
}

func counter[T number](name, help string, read func(*snapshot) T) *family {
	return &family{name: name, help: help, kind: "counter", values: one(read)}
}

func one[T number](read func(*snapshot) T) func(*snapshot, func(float64, ...string)) {
	return func(s *snapshot, add func(float64, ...string)) { add(float64(read(s))) }
}

type number interface{ ~int | ~int64 | ~uint64 }

// counters is a counter for each value of a label.
func counters(name, help, label string, read func(*snapshot) map[string]uint64) *family {
	return &family{name: name, help: help, kind: "counter", labels: []string{label}, values: func(s *snapshot, add func(float64, ...string)) {
		for value, n := range read(s) {
			add(float64(n), value)
		}
	}}
}

func times(name, help string, read func(*snapshot) stats.Spread) *family {
	return &family{name: name, help: help, kind: "histogram", times: func(s *snapshot, add func(stats.Spread, ...string)) { add(read(s)) }}
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// families are all metrics of the host's own, group by group.
var families = slices.Concat(requests, sockets, turns, work, guests, store, namespaces, self)

// Row describes a metric for people.
type Row struct{ Name, Kind, Labels, Help string }

// Rows returns a row for each metric of the host's own, in the order of the groups.
func Rows() []Row {
	var rows []Row
	for _, f := range families {
		rows = append(rows, Row{f.name, f.kind, strings.Join(f.labels, ", "), f.help})
	}
	return rows
}
