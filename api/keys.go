package api

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"

	"github.com/vivarium-run/vivarium/tenants"
)

// keyBody describes a key that a namespace registered.
type keyBody struct {
	ID       string       `json:"id"`
	PEM      string       `json:"pem,omitempty"`
	URL      string       `json:"url,omitempty"`
	Issuer   string       `json:"issuer"`
	Audience string       `json:"audience"`
	Role     tenants.Role `json:"role"`
	CreateTS int64        `json:"create_ts"`

	// Of a URL: the ids of its keys, when it answered last, and why it did not answer since.
	Keys    []string `json:"keys,omitempty"`
	FetchTS int64    `json:"fetch_ts,omitempty"`
	Problem string   `json:"problem,omitempty"`
}

func (s *Server) describeKey(ns tenants.ID, k tenants.TokenKey) keyBody {
	b := keyBody{ID: k.ID, URL: k.URL, Issuer: k.Issuer, Audience: k.Audience, Role: k.Role, CreateTS: k.Created.UnixMilli()}
	if k.Public != nil {
		b.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Public}))
		return b
	}
	kids, fetched, problem := s.cfg.Registry.FetchedKeys(ns, k.ID)
	slices.Sort(kids)
	b.Keys, b.Problem = kids, problem
	if !fetched.IsZero() {
		b.FetchTS = fetched.UnixMilli()
	}
	return b
}

func (s *Server) listKeys(w http.ResponseWriter, q *request) error {
	list := []keyBody{}
	for _, k := range s.cfg.Registry.TokenKeys(q.ns) {
		list = append(list, s.describeKey(q.ns, k))
	}
	return writeJSON(w, http.StatusOK, object{"keys": list})
}

// putKey registers a key: 201 for a new one, 200 in place of another. One behind a URL is fetched at once, so that the
// answer says whether that works.
func (s *Server) putKey(w http.ResponseWriter, q *request) error {
	var b struct {
		PEM      string          `json:"pem"`
		JWK      json.RawMessage `json:"jwk"`
		URL      string          `json:"url"`
		Issuer   string          `json:"issuer"`
		Audience string          `json:"audience"`
		Role     tenants.Role    `json:"role"`
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	n := tenants.NewTokenKey{ID: q.params["key"], PEM: b.PEM, JWK: b.JWK, URL: b.URL, Issuer: b.Issuer, Audience: b.Audience, Role: b.Role}
	k, created, err := s.cfg.Registry.PutTokenKey(q.Context(), q.ns, n)
	if err != nil {
		return err
	}
	s.tokens.Prepare(q.Context(), q.ns, k.ID, s.now())
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, object{"key": s.describeKey(q.ns, k)})
}

func (s *Server) deleteKey(w http.ResponseWriter, q *request) error {
	if err := s.cfg.Registry.DeleteTokenKey(q.Context(), q.ns, q.params["key"]); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{})
}
