package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// UsedHour is what was used in an hour.
type UsedHour struct {
	Start time.Time
	Used
}

// fresh is how old stored usage may be for who asks for it.
const fresh = time.Second

// Usage returns what a namespace has used, by hours in which it did, from the hour of from to that before to. It is
// what had been used a second ago, or later.
func (r *Registry) Usage(ctx context.Context, ns ID, from, to time.Time) ([]UsedHour, error) {
	if err := r.freshUsage(ctx, ns); err != nil {
		return nil, err
	}
	list := []UsedHour{}
	for item, err := range r.store.Scan(ctx, usageSpace(ns), kv.Range{Lo: namespaceUsageKey(hourOf(from)), Hi: namespaceUsageKey(hourOf(to))}) {
		if err != nil {
			return nil, storeError("read usage", err)
		}
		hour, u, err := decodeUsageRow(item)
		if err != nil {
			return nil, errCorrupt("usage of "+string(ns), item.Key, err)
		}
		list = append(list, UsedHour{startOf(hour), u})
	}
	return list, nil
}

// ActorUsage is Usage of one actor. Of an actor that never was there is none.
func (r *Registry) ActorUsage(ctx context.Context, id ActorID, from, to time.Time) ([]UsedHour, error) {
	if err := r.freshUsage(ctx, id.Namespace); err != nil {
		return nil, err
	}
	list := []UsedHour{}
	for hour := hourOf(from); hour < hourOf(to); hour++ {
		u, err := readUsage(ctx, r.store, usageSpace(id.Namespace), actorUsageKey(hour, id))
		if err != nil {
			return nil, err
		}
		if u != (Used{}) {
			list = append(list, UsedHour{startOf(hour), u})
		}
	}
	return list, nil
}

// freshUsage stores what a namespace has used, if that was not done just now.
func (r *Registry) freshUsage(ctx context.Context, ns ID) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	t.usage.mu.Lock()
	old := time.Since(t.usage.stored) > fresh
	t.usage.mu.Unlock()
	if !old {
		return nil
	}
	if err := r.storeUsage(ctx, t); err != nil && r.store.Writable() == nil {
		return fmt.Errorf("tenants: store usage: %w", err)
	}
	return nil
}
