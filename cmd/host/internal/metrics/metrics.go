// Package metrics tells Prometheus how a host is.
//
// It owns the names, help texts and labels of what is told, and alone imports Prometheus' library. It leaves the counting
// to the parts, whose Stats it reads when it is asked: nothing here is on the path of a request.
//
// Its one invariant: the number of series is bounded by the code. A label's values come from tables of ours (routes,
// codes, kinds), never from what a tenant or a client chose. Namespaces, which operators name, are told one by one up to a
// bound, and the others together.
package metrics

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// Path is where the metrics are served.
const Path = "/metrics"

// Sources are the parts of a host. Each returns at once, and is safe for concurrent use.
type Sources struct {
	API     func() api.Stats
	Actors  func() actors.Stats
	Sandbox func() sandbox.Stats
	Store   func() badgerkv.Stats
	// Namespaces returns the oldest namespace first.
	Namespaces func() []tenants.NamespaceStats
	Version    string // of the host
	Logger     *slog.Logger
}

// snapshot is what the parts say at one moment.
type snapshot struct {
	api     api.Stats
	actors  actors.Stats
	sandbox sandbox.Stats
	store   badgerkv.Stats

	namespaces []tenants.NamespaceStats
	version    string
}

func (s *Sources) read() *snapshot {
	return &snapshot{s.API(), s.Actors(), s.Sandbox(), s.Store(), s.Namespaces(), s.Version}
}

// maxScrapes bounds the answers that are made at one time; more are 503.
const maxScrapes = 4

// Handler returns what answers GET /metrics, with the metrics of the host, the Go runtime and the process.
func Handler(s Sources) http.Handler {
	return promhttp.HandlerFor(Registry(s), promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.Logger.Handler(), slog.LevelError),
		MaxRequestsInFlight: maxScrapes,
	})
}

// Registry returns what gathers the same.
func Registry(s Sources) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector reads the parts once for each scrape.
type collector struct {
	sources Sources
	descs   []*prometheus.Desc // of families, in their order
}

func newCollector(s Sources) *collector {
	c := &collector{sources: s}
	for _, f := range families {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.sources.read()
	for i, f := range families {
		f.collect(s, c.descs[i], to)
	}
}
