package main

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/cmd/host/internal/metrics"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

// sources are the parts that the metrics read. They are asked only once the node has all of them.
func (n *node) sources(store *badgerkv.Store) metrics.Sources {
	return metrics.Sources{
		API:    func() api.Stats { return n.api.Stats() }, // which is made with the handler of the metrics
		Actors: n.actors.Stats, Sandbox: n.sandbox.Stats, Store: store.Stats, Namespaces: n.registry.Stats, Version: version(), Logger: n.log,
	}
}

// metricsServer is what listens for a scraper beside the public port. It serves the metrics, to whoever reaches it, and
// nothing else: --metrics-listen says who can.
func metricsServer(h http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET "+metrics.Path, h)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// addrOf is where a listener listens, nil if there is none.
func addrOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}
