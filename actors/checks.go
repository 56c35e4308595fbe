package actors

import (
	"sync"

	"github.com/vivarium-run/vivarium/actors/internal/schemas"
	"github.com/vivarium-run/vivarium/tenants"
)

// maxCheckers bounds the compiled schemas that are kept. When there are more, all go: the next check of
// each compiles it again, in well under a millisecond.
const maxCheckers = 512

// checkers keeps the compiled schemas of versions whose manifest asks for checks.
type checkers struct {
	mu   sync.Mutex // guards kept
	kept map[checkerKey]func() *schemas.Checker
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
	get := c.kept[key]
	if get == nil {
		// The upload compiled these schemas. One that a newer host does not take any more is left to the guest.
		get = sync.OnceValue(func() *schemas.Checker { k, _ := schemas.New(&m); return k })
		if c.kept == nil || len(c.kept) >= maxCheckers {
			c.kept = map[checkerKey]func() *schemas.Checker{}
		}
		c.kept[key] = get
	}
	c.mu.Unlock()
	return get() // outside of the lock: only those who need this one wait for it
}

// checker returns what checks the requests to the actor, before its guest runs. Its methods take
// anything if the manifest does not ask for checks.
func (a *actor) checker() *schemas.Checker { return a.h.checkers.of(a.version, a.record.Name) }

// check holds an entry to the schemas of the actor's manifest.
func (a *actor) check(e *entry) error {
	switch {
	case e.kind == entryCreate:
		return a.checker().Input(e.create.Input)
	case e.kind == entryAction && !e.request.IsRaw:
		return a.checker().Args(e.request.Action, e.request.Args)
	}
	return nil
}
