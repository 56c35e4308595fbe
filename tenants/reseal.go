package tenants

import (
	"context"

	"github.com/vivarium-run/vivarium/kv"
)

// Resealed is what became of the secrets of all namespaces.
type Resealed struct {
	Moved      int // from an old key to the one that seals
	Unreadable int // left as they are
}

// Reseal seals again, with the vault's first key, what an old one sealed: each namespace in one change, durable when
// it returns. What does not open stays as it is: without a key, everything. After an error the rest is as it was, and the next Reseal goes on
// there.
func (r *Registry) Reseal(ctx context.Context) (all Resealed, err error) {
	for _, ns := range r.Namespaces() {
		n, err := r.reseal(ctx, ns.ID)
		all.Moved += n.Moved
		all.Unreadable += n.Unreadable
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (r *Registry) reseal(ctx context.Context, ns ID) (n Resealed, err error) {
	t, err := r.tenant(ns)
	if err != nil || len(t.gate.Load().secrets) == 0 {
		return n, err
	}
	moved := 0
	err = t.change(ctx, func(g *gate) (ops []kv.Op, err error) {
		for name, s := range g.secrets {
			switch r.stateOf(ns, s) {
			case SecretUnreadable:
				n.Unreadable++
			case SecretOldKey:
				op, err := r.move(g, ns, name)
				if err != nil {
					return nil, err
				}
				ops = append(ops, op)
				moved++
			}
		}
		return ops, nil
	})
	if err == nil {
		n.Moved = moved
	}
	return n, err
}

// move replaces a secret of g by the same one, sealed with the first key, and returns the op that stores it.
func (r *Registry) move(g *gate, ns ID, name string) (kv.Op, error) {
	next := *g.secrets[name]
	value, err := r.openSecret(ns, &next)
	if err != nil {
		return kv.Op{}, err
	}
	defer clear(value)
	if next.Key, next.Sealed, err = r.vault.seal(next.place(ns), value); err != nil {
		return kv.Op{}, err
	}
	g.secrets[name] = &next
	return record(secretKey(name), next)
}
