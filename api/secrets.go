package api

import (
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// secretBody describes a secret. There is no way to its value.
type secretBody struct {
	Name     string              `json:"name"`
	Host     string              `json:"host"`
	Modules  []string            `json:"modules,omitempty"` // none means all
	Version  int                 `json:"version"`
	State    tenants.SecretState `json:"state"`
	CreateTS int64               `json:"create_ts"`
}

func describeSecret(s tenants.Secret, state tenants.SecretState) secretBody {
	return secretBody{s.Name, s.Host, s.Modules, s.Version, state, s.Created.UnixMilli()}
}

// firsthand refuses a token that was derived of another, with or without limits: what it is for is somebody's
// errand, and secrets are none.
func (q *request) firsthand() error {
	if q.who.From != nil {
		return abi.Errorf(abi.CodeForbidden, "a derived token may not do this")
	}
	return nil
}

func (s *Server) listSecrets(w http.ResponseWriter, q *request) error {
	if err := q.firsthand(); err != nil {
		return err
	}
	list := []secretBody{}
	for _, l := range s.cfg.Registry.Secrets(q.ns) {
		list = append(list, describeSecret(l.Secret, l.State))
	}
	return writeJSON(w, http.StatusOK, object{"secrets": list})
}

// putSecret sets a secret: 201 for a new one, 200 in place of another.
func (s *Server) putSecret(w http.ResponseWriter, q *request) error {
	var b struct {
		Value   string   `json:"value"`
		Host    string   `json:"host"`
		Modules []string `json:"modules"`
	}
	if err := q.firsthand(); err != nil {
		return err
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	host, err := actors.SecretHost(b.Host)
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "a secret is for one host, a name or an address without a port: %v", err)
	}
	n := tenants.NewSecret{Name: q.params["secret"], Host: host, Modules: b.Modules, Value: []byte(b.Value)}
	secret, created, err := s.cfg.Registry.PutSecret(q.Context(), q.ns, n)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, object{"secret": describeSecret(secret, tenants.SecretReady)})
}

func (s *Server) deleteSecret(w http.ResponseWriter, q *request) error {
	if err := q.firsthand(); err != nil {
		return err
	}
	if err := s.cfg.Registry.DeleteSecret(q.Context(), q.ns, q.params["secret"]); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{})
}
