package api

import (
	"errors"
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// getHealth answers as long as the process serves at all.
func (s *Server) getHealth(w http.ResponseWriter, _ *request) error {
	return writeJSON(w, http.StatusOK, object{"status": "ok"})
}

// getReady answers whether the host takes work. Not to take it is no fault, so never a 500. A host whose disk is
// full is ready: who is sent elsewhere could not even read.
func (s *Server) getReady(w http.ResponseWriter, _ *request) error {
	err := s.host.Ready()
	switch {
	case err == nil && abi.CodeOf(s.host.Writable()) == abi.CodeStorageFull:
		return writeJSON(w, http.StatusOK, object{"status": "read_only", "reason": abi.CodeStorageFull.String()})
	case err == nil:
		return writeJSON(w, http.StatusOK, object{"status": "ok"})
	}
	var e *abi.Error
	if errors.As(err, &e) && statusOf(e.Code) >= http.StatusServiceUnavailable {
		return err
	}
	return &abi.Error{Code: abi.CodeUnavailable, Message: "The host takes no work", Cause: err}
}

// getMetadata is the first call of every client of Rivet's, which then goes where clientEndpoint says, with its own token and
// namespace.
func (s *Server) getMetadata(w http.ResponseWriter, _ *request) error {
	m := object{"runtime": "vivarium", "version": s.cfg.Version}
	if s.cfg.PublicURL != nil {
		m["clientEndpoint"] = s.cfg.PublicURL.String()
	}
	return writeJSON(w, http.StatusOK, m)
}

// namespaceBody describes a namespace in Rivet's shape. Its name is its id.
type namespaceBody struct {
	NamespaceID tenants.ID `json:"namespace_id"`
	Name        tenants.ID `json:"name"`
	DisplayName string     `json:"display_name"`
	CreateTS    int64      `json:"create_ts"`
	Deleting    bool       `json:"deleting,omitempty"`  // in lists: it is being removed
	Importing   bool       `json:"importing,omitempty"` // in lists: it is being imported
}

func describeNamespace(n tenants.Namespace) namespaceBody {
	if n.DisplayName == "" {
		n.DisplayName = string(n.ID)
	}
	return namespaceBody{NamespaceID: n.ID, Name: n.ID, DisplayName: n.DisplayName, CreateTS: n.Created.UnixMilli()}
}

// removalBody says how far the removal of a deleted namespace has come.
type removalBody struct {
	SinceTS int64 `json:"since_ts"`
	Actors  int   `json:"actors_removed"` // since the host started
	Rows    int   `json:"rows_left"`      // of the store, at most 100,000
}

func describeRemoval(r actors.Removal) object {
	type leaving struct {
		namespaceBody
		Deleting removalBody `json:"deleting"`
	}
	b := describeNamespace(r.Namespace)
	b.Importing = r.Arriving // what is left is then what has come
	return object{"namespace": leaving{b, removalBody{r.Since.UnixMilli(), r.Actors, r.Rows}}}
}

// getNamespace shows a namespace; and to an operator one that is being removed, until it is gone.
func (s *Server) getNamespace(w http.ResponseWriter, q *request) error {
	n, err := s.cfg.Registry.Namespace(q.ns)
	if err == nil {
		return writeJSON(w, http.StatusOK, object{"namespace": describeNamespace(n)})
	}
	r, err := s.host.Removal(q.Context(), q.ns)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, describeRemoval(r))
}

// deleteNamespace deletes a namespace with all that it has. Its name must be said twice: what is gone is gone.
func (s *Server) deleteNamespace(w http.ResponseWriter, q *request) error {
	if err := q.only("confirm"); err != nil {
		return err
	}
	confirm, err := q.one("confirm")
	if err != nil {
		return err
	}
	if confirm != string(q.ns) {
		return abi.Errorf(abi.CodeInvalidRequest, "to delete the namespace with all that it has, repeat its name: ?confirm=%s", q.ns)
	}
	r, err := s.host.DeleteNamespace(q.Context(), q.ns)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, describeRemoval(r))
}

// listNamespaces shows an operator all namespaces and everybody else their own.
func (s *Server) listNamespaces(w http.ResponseWriter, q *request) error {
	list := []namespaceBody{}
	for _, n := range s.cfg.Registry.Namespaces() {
		if n.ID == q.ns || q.who.May(tenants.RightOperate) {
			list = append(list, describeNamespace(n))
		}
	}
	if q.who.May(tenants.RightOperate) {
		for _, l := range s.cfg.Registry.Leaving() {
			b := describeNamespace(l.Namespace)
			b.Deleting, b.Importing = !l.Arriving, l.Arriving
			list = append(list, b)
		}
	}
	return writeJSON(w, http.StatusOK, object{"namespaces": list, "pagination": pagination{}})
}

func (s *Server) createNamespace(w http.ResponseWriter, q *request) error {
	var b struct {
		Name        string `json:"name"`
		DisplayName string `json:"display_name"`
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	id, err := tenants.ParseID(b.Name)
	if err != nil {
		return err
	}
	n, err := s.cfg.Registry.CreateNamespace(q.Context(), id, b.DisplayName)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"namespace": describeNamespace(n)})
}
