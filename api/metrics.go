package api

import (
	"net/http"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// getMetrics tells how the whole host is: of all namespaces together, so operators alone may ask.
func (s *Server) getMetrics(w http.ResponseWriter, q *request) error {
	if s.cfg.Metrics == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no metrics")
	}
	s.cfg.Metrics.ServeHTTP(w, q.Request)
	return nil
}
