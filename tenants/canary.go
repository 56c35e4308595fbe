package tenants

import (
	"context"
	"hash/fnv"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Canary is a version that some of a module's actors run before it is live.
type Canary struct {
	Version int `json:"version"`
	Percent int `json:"percent"` // of the module's actors, 1 to 99
}

// SetCanary lets a part of a module's actors run a version; nil ends that. An actor is in the part by its id
// alone, so it stays there while the percentage does not fall. A version that lacks names which have actors
// is refused as in SetLive.
func (r *Registry) SetCanary(ctx context.Context, ns ID, module string, c *Canary, opts ...Option) (Module, error) {
	if c != nil && (c.Percent < 1 || c.Percent > 99) {
		return Module{}, abi.Errorf(abi.CodeInvalidRequest, "a canary has 1 to 99 percent of the actors")
	}
	var m Module
	err := r.change(ctx, ns, module, func(t *tenant, p *program) error {
		next := *p
		next.Canary = c
		m = next.Module
		if c == nil {
			if p.Canary == nil {
				return nil
			}
			return t.replaceLocked(ctx, &next)
		}
		v, err := p.version(c.Version)
		if err != nil {
			return err
		}
		if p.Live == 0 || p.Live == c.Version {
			return abi.Errorf(abi.CodeInvalidRequest, "a canary is a version beside the live one")
		}
		if err := r.checkActors(ns, p.lacking(v), opts); err != nil {
			return err
		}
		return t.replaceLocked(ctx, &next)
	})
	return m, err
}

// ResolveFor is Resolve for one actor: it may be among those that run the module's canary.
func (r *Registry) ResolveFor(id ActorID, actorName string) (*Version, error) {
	t, err := r.tenant(id.Namespace)
	if err != nil {
		return nil, err
	}
	c := t.catalog.Load()
	if v, ok := c.canary[actorName]; ok && inCanary(id, v.Module, c.modules[v.Module].Canary.Percent) {
		return v, nil
	}
	if v, ok := c.live[actorName]; ok {
		return v, nil
	}
	return nil, abi.Wrap(abi.CodeActorNoVersion, nil)
}

// inCanary reports whether an actor is among the first percent of a module's actors, in an order of its own
// for each module.
func inCanary(id ActorID, module string, percent int) bool {
	h := fnv.New64a()
	h.Write([]byte(module))
	h.Write(id.id[:])
	x := h.Sum64()
	x ^= x >> 33 // the low bits of FNV alone are not even
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x%100 < uint64(percent)
}
