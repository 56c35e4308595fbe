package api

import (
	"net/http"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// exportActor streams an actor as of one moment. It is a POST so that nothing takes one by the way, and is audited.
func (s *Server) exportActor(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	if _, err := s.host.Get(q.Context(), id); err != nil {
		return err
	}
	if s.cfg.Export == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no exports")
	}
	w.Header().Set("Content-Type", typeBytes)
	w.Header().Set("Content-Disposition", `attachment; filename="actor.export"`)
	out := &countingWriter{w: w}
	if err = s.cfg.Export(q.Context(), id, out); out.err != nil {
		return nil // the client has gone, and net/http cuts the connection
	}
	return err
}

// importActor makes an actor of an export.
func (s *Server) importActor(w http.ResponseWriter, q *request) error {
	if s.cfg.Import == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no imports")
	}
	if err := q.only("namespace", "key"); err != nil {
		return err
	}
	if q.contentType() != typeBytes {
		return abi.Errorf(abi.CodeUnsupportedType, "the body must be %s", typeBytes)
	}
	var key *tenants.Key
	if q.query.Has("key") {
		text, err := q.one("key")
		if err != nil {
			return err
		}
		k, err := tenants.ParseKey(text)
		if err != nil {
			return err
		}
		key = &k
	}
	info, err := s.cfg.Import(q.Context(), q.ns, key, &q.body)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, object{"actor": s.describe(info)})
}
