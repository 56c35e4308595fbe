package actors

import (
	"sync"

	"github.com/vivarium-run/vivarium/actors/internal/schemas"
	"github.com/vivarium-run/vivarium/tenants"
)

// Bounds of the compiled schemas that are kept. When there are more, all go: the next check of each compiles
// it again, in about a millisecond.
const (
	maxCheckers     = 512
	maxCheckerParts = 50_000 // some 50 MB
)

// checkers keeps the compiled schemas of versions whose manifest asks for checks.
type checkers struct {
	mu    sync.Mutex // guards the fields below
	kept  map[checkerKey]*schemas.Checker
	parts int // of all that are kept
}

// checkerKey names an actor of a version. A module that was deleted and made again counts its versions
// from 1 again, hence the digest.
type checkerKey struct {
	namespace      tenants.ID
	module, actor  string
	number         int
	digestOfModule tenants.Digest
}

// of returns the checker of an actor of a version, nil if nothing is to be checked.
func (c *checkers) of(v *tenants.Version, actor string) *schemas.Checker {
	m, ok := v.Actors[actor]
	if !ok || !m.CheckArgs {
		return nil
	}
	key := checkerKey{v.Namespace, v.Module, actor, v.Number, v.Digest}
	c.mu.Lock()
	k, ok := c.kept[key]
	c.mu.Unlock()
	if ok {
		return k
	}
	// Two actors may do this at once, which costs one of them its work. The upload compiled these schemas; one
	// that a newer host does not take any more is left to the guest.
	k, _ = schemas.New(&m)
	c.keep(key, k)
	return k
}

func (c *checkers) keep(key checkerKey, k *schemas.Checker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[key] != nil {
		return
	}
	if c.parts += k.Parts(); c.kept == nil || len(c.kept) >= maxCheckers || c.parts > maxCheckerParts {
		c.kept, c.parts = map[checkerKey]*schemas.Checker{}, k.Parts()
	}
	c.kept[key] = k
}

// forget drops the checkers of a namespace. What they count for goes with the next clearing.
func (c *checkers) forget(ns tenants.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.kept {
		if key.namespace == ns {
			delete(c.kept, key)
		}
	}
}

// checker returns what checks the requests to the actor, before its guest runs. Its methods take
// anything if the manifest does not ask for checks.
func (a *actor) checker() *schemas.Checker { return a.h.checkers.of(a.version, a.record.Name) }
