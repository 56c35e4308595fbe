package tenants

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

func TestUsedForm(t *testing.T) {
	u := Used{1, 2, 3, math.MaxInt32, 1 << 50, 0, 7}
	if got, err := decodeUsed(u.encode()); err != nil || got != u {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := decodeUsed(u.encode()[:2]); err != nil || got != (Used{1, 2}) {
		t.Errorf("a row with fewer metrics: %v, %v", got, err)
	}
	for _, bad := range [][]byte{{0x80}, append(u.encode(), 1), {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}} {
		if _, err := decodeUsed(bad); err == nil {
			t.Errorf("%x is taken", bad)
		}
	}
}

func FuzzUsed(f *testing.F) {
	f.Add(Used{1, 2, 3}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := decodeUsed(b)
		if err != nil {
			return
		}
		if again, err := decodeUsed(u.encode()); err != nil || again != u {
			t.Errorf("%x is %v, and then %v, %v", b, u, again, err)
		}
	})
}

// used returns the sum of what is stored of a namespace, or of an actor.
func used(t *testing.T, r *Registry, id ActorID) (sum Used) {
	t.Helper()
	now := time.Now()
	hours, err := r.Usage(t.Context(), id.Namespace, now.Add(-time.Hour), now.Add(time.Hour))
	if id != (ActorID{Namespace: id.Namespace}) {
		hours, err = r.ActorUsage(t.Context(), id, now.Add(-time.Hour), now.Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hours {
		sum = sum.Add(h.Used)
	}
	return sum
}

func store(t *testing.T, r *Registry, ns ID) {
	t.Helper()
	tn, err := r.tenant(ns)
	if err == nil {
		err = r.storeUsage(t.Context(), tn)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestUsageAddsUp(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	a := r.Allowance(Default)
	one, two := NewActorID(Default), NewActorID(Default)
	var wg sync.WaitGroup
	for _, id := range []ActorID{one, two} {
		for range 8 {
			wg.Go(func() {
				for range 100 {
					tally := a.Tally(id)
					tally.Add(UsedTurns, 1)
					tally.Add(UsedGas, 10)
					tally.Add(UsedWritten, 100)
					a.SpendGas(11)
					tally.Done()
				}
			})
		}
	}
	for range 20 { // while it is counted
		store(t, r, Default)
	}
	wg.Wait()
	check := func() {
		t.Helper()
		for _, id := range []ActorID{one, two} {
			if got, want := used(t, r, id), (Used{UsedTurns: 800, UsedGas: 8000, UsedWritten: 80_000}); got != want {
				t.Errorf("actor: got %v, want %v", got, want)
			}
		}
		if got, want := used(t, r, ActorID{Namespace: Default}), (Used{UsedTurns: 1600, UsedGas: 17_600, UsedWritten: 160_000}); got != want {
			t.Errorf("namespace: got %v, want %v", got, want)
		}
	}
	store(t, r, Default)
	check()
	store(t, r, Default)
	a.mu.Lock()
	if len(a.tallies) != 0 {
		t.Errorf("%d tallies of actors that sleep are kept", len(a.tallies))
	}
	a.mu.Unlock()
	if got := r.Stats(); got[0].Used[UsedTurns] != 1600 || got[0].Used[UsedGas] != 17_600 {
		t.Errorf("statistics %+v", got)
	}
	a.Fetched(7) // and counted when the registry is closed
	a.Add(UsedEgress, 7)
	closeAll()

	r, closeAll = d.open(t)
	defer closeAll()
	if got := used(t, r, ActorID{Namespace: Default}); got[UsedEgress] != 7 || got[UsedTurns] != 1600 {
		t.Errorf("after a restart: %v", got)
	}
	if got := r.Stats(); len(got) != 1 || got[0].Namespace != Default || got[0].Used != (Used{}) || got[0].Held[QuotaGasPerMonth] != 17_600 {
		t.Errorf("after a restart the statistics are %+v", got)
	}
	if m := r.Held(Default); m[QuotaGasPerMonth] != 17_600 || m[QuotaWrittenPerMonth] != 160_000 || m[QuotaEgressPerMonth] != 7 {
		t.Errorf("after a restart the month has %v", m)
	}
}

// Rows that are too old go, and only those.
func TestUsageIsForgotten(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	defer closeAll()
	tn, err := r.tenant(Default)
	if err != nil {
		t.Fatal(err)
	}
	now, id := hourOf(time.Now()), NewActorID(Default)
	keys := map[string]bool{ // and whether it stays
		string(actorUsageKey(now-keepActorHours-1, id)):         false,
		string(actorUsageKey(now-keepActorHours, id)):           true,
		string(namespaceUsageKey(now - keepNamespaceHours - 1)): false,
		string(namespaceUsageKey(now - keepNamespaceHours)):     true,
	}
	if err := tn.usage.open(t.Context(), r.store, Default, true); err != nil {
		t.Fatal(err)
	}
	var ops []kv.Op
	for key := range keys {
		ops = append(ops, kv.Op{Key: []byte(key), Value: Used{1}.encode()})
	}
	for i := range usageRows + 10 {
		old := NewActorID(Default)
		ops = append(ops, kv.Op{Key: actorUsageKey(uint32(i%3), old), Value: Used{1}.encode()})
	}
	for len(ops) > 0 {
		n := min(len(ops), usageRows)
		if err := tn.usage.commit(t.Context(), ops[:n]); err != nil {
			t.Fatal(err)
		}
		ops = ops[n:]
	}
	r.Allowance(Default).Add(UsedRequests, 1)
	store(t, r, Default)
	left := map[string]bool{}
	for item, err := range r.store.Scan(t.Context(), usageSpace(Default), kv.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		left[string(item.Key)] = true
	}
	for key, stays := range keys {
		if left[key] != stays {
			t.Errorf("%q is there: %v", key, left[key])
		}
		delete(left, key)
	}
	if delete(left, string(namespaceUsageKey(now))); len(left) != 0 {
		t.Errorf("%d rows too many", len(left))
	}
}
