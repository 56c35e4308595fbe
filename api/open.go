package api

import (
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Webhooks come from those who can show no token. A manifest can list paths of raw requests that need none, and they
// do not if the namespace grants it.

// openRate is how many requests a minute may come from one address to the open paths of a namespace.
const openRate = 120

// open reports whether a request without a token may pass, and sets who and ns: nobody, in the namespace that it
// names. The actor must be there and is named by its key; what is not open, absent or not granted is all the same.
func (s *Server) open(q *request) (bool, error) {
	t := &q.target
	if _, found, _ := credentials(q); found || !q.route.rawHTTP() || t.direct || t.create {
		return false, nil
	}
	asked, err := q.namespace()
	if err != nil {
		return false, err
	}
	ns := tenants.Default
	if asked != "" {
		if ns, err = tenants.ParseID(asked); err != nil {
			return false, nil
		}
	}
	path := q.rawPath()
	v, err := s.cfg.Registry.Resolve(ns, t.name)
	if err != nil || !s.isOpen(v, t.name, path) {
		return false, nil
	}
	if err := s.count(visitor{namespace: string(ns)}, openRate, q.Request); err != nil {
		return false, err
	}
	id, err := s.host.Resolve(q.Context(), tenants.Address{Namespace: ns, Name: t.name, Key: t.key})
	if err != nil {
		return false, nil
	}
	// It may be among those that run a canary.
	if v, err = s.cfg.Registry.ResolveFor(id, t.name); err != nil || !s.isOpen(v, t.name, path) {
		return false, nil
	}
	q.who, q.ns = tenants.Principal{Namespace: ns}, ns
	return true, nil
}

func (s *Server) isOpen(v *tenants.Version, actor, path string) bool {
	return s.cfg.Registry.Grants(v.Namespace, v.Module).Open && abi.IsOpenPath(v.Actors[actor].Open, path)
}
