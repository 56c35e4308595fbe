package api

import (
	"io"
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
	return sendExport(w, "actor.export", func(out io.Writer) error { return s.cfg.Export(q.Context(), id, out) })
}

// sendExport answers with a file.
func sendExport(w http.ResponseWriter, name string, write func(io.Writer) error) error {
	w.Header().Set("Content-Type", typeBytes)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	out := &countingWriter{w: w}
	err := write(out)
	if out.err != nil {
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

// exportNamespace streams a namespace as of one moment. It is a copy of all that a tenant has, and so an operator's.
func (s *Server) exportNamespace(w http.ResponseWriter, q *request) error {
	if s.cfg.ExportNamespace == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no exports")
	}
	if err := q.only("namespace"); err != nil {
		return err
	}
	return sendExport(w, string(q.ns)+".export", func(out io.Writer) error { return s.cfg.ExportNamespace(q.Context(), q.ns, out) })
}

// importedBody says what an import made.
type importedBody struct {
	Namespace namespaceBody `json:"namespace"`
	From      tenants.ID    `json:"from"` // its name where it was exported
	Actors    int           `json:"actors"`
	Modules   int           `json:"modules"`
	Versions  int           `json:"versions"`
	Secrets   []string      `json:"secrets"` // names of those that are to be set again
}

// importNamespace makes a namespace of an export.
func (s *Server) importNamespace(w http.ResponseWriter, q *request) error {
	if s.cfg.ImportNamespace == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no imports")
	}
	if err := q.only("as", "namespace"); err != nil {
		return err
	}
	if q.contentType() != typeBytes {
		return abi.Errorf(abi.CodeUnsupportedType, "the body must be %s", typeBytes)
	}
	text, err := q.one("as")
	if err != nil {
		return err
	}
	if text != "" {
		if _, err := tenants.ParseID(text); err != nil {
			return err
		}
	}
	n, err := s.cfg.ImportNamespace(q.Context(), tenants.ID(text), &q.body)
	if err != nil {
		return err
	}
	if n.Secrets == nil {
		n.Secrets = []string{} // never null
	}
	return writeJSON(w, http.StatusCreated, importedBody{describeNamespace(n.Namespace), n.From, n.Actors, n.Modules, n.Versions, n.Secrets})
}
