package tenants

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// A namespace's usage space holds
//
//	a <hour u32 BE> <id of an actor, 16 bytes>   Used of the actor in that hour
//	n <hour u32 BE>                              Used of the namespace
//
// What is used is counted in memory and added to these rows from time to time, so a process that is killed loses what
// came after the last time.

// How long rows are kept.
const (
	keepActorHours     = 7 * 24
	keepNamespaceHours = 13 * 31 * 24
)

// usageRows is how many rows are written, or removed, at a time.
const usageRows = 2000

// usageSpace is where a namespace's usage is.
func usageSpace(ns ID) kv.Space { return kv.NewSpace(classOf(ns), spaceUsage) }

func namespaceUsageKey(hour uint32) []byte { return binary.BigEndian.AppendUint32([]byte("n"), hour) }

func actorUsageKey(hour uint32, id ActorID) []byte {
	return append(binary.BigEndian.AppendUint32([]byte("a"), hour), id.id[:]...)
}

// decodeUsageRow reads a row of a usage space.
func decodeUsageRow(item kv.Item) (hour uint32, u Used, err error) {
	want := map[byte]int{'a': 1 + 4 + 16, 'n': 1 + 4}
	if len(item.Key) == 0 || len(item.Key) != want[item.Key[0]] {
		return 0, u, errors.New("unknown kind of row")
	}
	u, err = decodeUsed(item.Value)
	return binary.BigEndian.Uint32(item.Key[1:]), u, err
}

// usageBook writes the usage space of a namespace.
type usageBook struct {
	mu     sync.Mutex // guards the fields below, and is held while rows are written
	ledger *ledger    // nil until something is written
	ended  bool       // the namespace was deleted: nothing is written any more
	swept  uint32     // the hour in which old rows were removed last
	stored time.Time  // when what was used was stored last
}

// storeUsage adds what a namespace has used since the last time to its rows, durable when it returns.
func (r *Registry) storeUsage(ctx context.Context, t *tenant) error {
	b := &t.usage
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil
	}
	pending := t.allowance.drain()
	b.stored = time.Now()
	hour := hourOf(b.stored)
	err := b.open(ctx, r.store, t.ID, len(pending) > 0)
	for err == nil && len(pending) > 0 {
		some := pending[:min(len(pending), usageRows)]
		if err = b.add(ctx, r.store, hour, some); err == nil {
			pending = pending[len(some):]
		}
	}
	for _, p := range pending {
		p.back.add(p.used) // for the next time
	}
	if err == nil && b.ledger != nil {
		err = b.sweep(ctx, r.store, hour)
	}
	return err
}

// open claims the usage space, once there is something to write.
func (b *usageBook) open(ctx context.Context, store kv.Store, ns ID, needed bool) (err error) {
	if b.ledger != nil || !needed {
		return nil
	}
	if b.ledger, err = openLedger(ctx, store, usageSpace(ns)); err != nil {
		return err
	}
	b.ledger.must = true // what was used was used
	return nil
}

// add writes rows with what was used in an hour.
func (b *usageBook) add(ctx context.Context, store kv.Store, hour uint32, list []pendingUse) error {
	space := b.ledger.lease.Space
	ops := make([]kv.Op, 0, len(list))
	for _, p := range list {
		key := namespaceUsageKey(hour)
		if p.id != (ActorID{}) {
			key = actorUsageKey(hour, p.id)
		}
		old, err := readUsage(ctx, store, space, key)
		if err != nil {
			return err
		}
		ops = append(ops, kv.Op{Key: key, Value: old.Add(p.used).encode()})
	}
	return b.commit(ctx, ops)
}

func (b *usageBook) commit(ctx context.Context, ops []kv.Op) error {
	if err := b.ledger.lock(ctx); err != nil {
		return err
	}
	defer b.ledger.unlock()
	return b.ledger.commitLocked(ctx, ops)
}

// readUsage returns a row, zero if there is none.
func readUsage(ctx context.Context, r kv.Reader, space kv.Space, key []byte) (u Used, err error) {
	row, err := r.Get(ctx, space, key)
	if errors.Is(err, kv.ErrNotFound) {
		return u, nil
	}
	if err != nil {
		return u, storeError("read usage", err)
	}
	if u, err = decodeUsed(row); err != nil {
		return u, errCorrupt("usage of "+space.Class(), key, err)
	}
	return u, nil
}

// sweep removes rows that are too old, once an hour.
func (b *usageBook) sweep(ctx context.Context, store kv.Store, hour uint32) error {
	if b.swept == hour {
		return nil
	}
	for _, old := range []struct {
		kind string
		keep uint32
	}{{"a", keepActorHours}, {"n", keepNamespaceHours}} {
		r := kv.Range{Lo: []byte(old.kind), Hi: binary.BigEndian.AppendUint32([]byte(old.kind), hour-min(hour, old.keep))}
		for {
			var ops []kv.Op
			for item, err := range store.Scan(ctx, b.ledger.lease.Space, r) {
				if err != nil {
					return storeError("sweep usage", err)
				}
				if ops = append(ops, kv.Op{Key: append([]byte(nil), item.Key...)}); len(ops) == usageRows {
					break
				}
			}
			if len(ops) == 0 {
				break
			}
			if err := b.commit(ctx, ops); err != nil {
				return err
			}
		}
	}
	b.swept = hour
	return nil
}

func (b *usageBook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ledger != nil {
		b.ledger.close()
	}
}

// end is close for a namespace that was deleted.
func (b *usageBook) end() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.close()
}

// pendingUse is what somebody has used and nobody has stored.
type pendingUse struct {
	id   ActorID // zero for the namespace
	used Used
	back *counters // where it came from
}

// drain takes what was counted since the last time, and forgets the tallies of actors that sleep.
func (a *Allowance) drain() (list []pendingUse) {
	if u := a.used.drain(); u != (Used{}) {
		list = append(list, pendingUse{used: u, back: &a.used})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, t := range a.tallies {
		if u := t.n.drain(); u != (Used{}) {
			list = append(list, pendingUse{id, u, &t.n})
		} else if t.held == 0 {
			delete(a.tallies, id)
		}
	}
	return list
}

// resumeUsage takes up what a namespace has used this month.
func (r *Registry) resumeUsage(ctx context.Context, t *tenant) error {
	now := time.Now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	var sum Used
	for item, err := range r.store.Scan(ctx, usageSpace(t.ID), kv.Range{Lo: namespaceUsageKey(hourOf(month)), Hi: []byte("o")}) {
		if err != nil {
			return storeError("load usage of "+string(t.ID), err)
		}
		_, u, err := decodeUsageRow(item)
		if err != nil {
			return errCorrupt("usage of "+string(t.ID), item.Key, err)
		}
		sum = sum.Add(u)
	}
	t.allowance.resume(sum, now)
	return nil
}
