package api

import (
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// egressBody says beyond which hosts nothing reaches that a namespace grants its modules; null is no bound.
type egressBody struct {
	Hosts *[]string `json:"hosts"`
}

func (s *Server) getEgress(w http.ResponseWriter, q *request) error {
	return writeJSON(w, http.StatusOK, egressBody{s.cfg.Registry.EgressBound(q.ns)})
}

// putEgress replaces the bound.
func (s *Server) putEgress(w http.ResponseWriter, q *request) error {
	var b egressBody
	if err := q.decode(&b, true); err != nil {
		return err
	}
	if b.Hosts != nil {
		if err := actors.CheckEgress(*b.Hosts); err != nil {
			return abi.Errorf(abi.CodeInvalidRequest, "%v", err)
		}
	}
	if err := s.cfg.Registry.SetEgressBound(q.Context(), q.ns, b.Hosts); err != nil {
		return err
	}
	return s.getEgress(w, q)
}
