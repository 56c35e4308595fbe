package tenants

import (
	"context"

	"github.com/vivarium-run/vivarium/kv"
)

// Departure is what a namespace's registry gives for a copy of the namespace elsewhere. Its rows, beside those that
// Records and Usage pass on, are the namespace's name and display name. Secrets are sealed for the host that has them,
// so only their names leave.
type Departure struct {
	Namespace
	Secrets []string // names, sorted
	Modules []Digest // of the files that versions need, each once, in the order of the versions

	m kv.Moment
}

// Depart begins a departure, as of m.
func (r *Registry) Depart(ctx context.Context, m kv.Moment, id ID) (*Departure, error) {
	ns, err := r.Namespace(id)
	if err != nil {
		return nil, err
	}
	d := &Departure{Namespace: ns, m: m}
	for item, err := range m.Scan(ctx, d.registry(), kv.PrefixRange(secretKey(""))) {
		if err != nil {
			return nil, storeError("read secrets", err)
		}
		d.Secrets = append(d.Secrets, string(item.Key[1:]))
	}
	seen := map[Digest]bool{}
	for item, err := range m.Scan(ctx, d.registry(), kv.PrefixRange([]byte("v"))) {
		if err != nil {
			return nil, storeError("read versions", err)
		}
		v, err := decodeVersion(item.Value)
		if err != nil {
			return nil, errCorrupt("registry of "+string(id), item.Key, err)
		}
		if !seen[v.Digest] {
			d.Modules = append(d.Modules, v.Digest)
		}
		seen[v.Digest] = true
	}
	return d, nil
}

func (d *Departure) registry() kv.Space { return kv.NewSpace(classOf(d.ID), spaceRegistry) }

// Records passes on what the registry keeps, in order, without secrets.
func (d *Departure) Records(ctx context.Context, put func(kv.Item) error) error {
	return d.pass(ctx, d.registry(), func(it kv.Item) error {
		if it.Key[0] == secretKey("")[0] {
			return nil
		}
		return put(it)
	})
}

// Usage passes on what the namespace has used.
func (d *Departure) Usage(ctx context.Context, put func(kv.Item) error) error {
	return d.pass(ctx, usageSpace(d.ID), put)
}

func (d *Departure) pass(ctx context.Context, space kv.Space, put func(kv.Item) error) error {
	for it, err := range d.m.Scan(ctx, space, kv.Range{}) {
		if err != nil {
			return storeError("read records", err)
		}
		if err := put(it); err != nil {
			return err
		}
	}
	return nil
}
