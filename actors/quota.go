package actors

import (
	"errors"
	"io"
	"sync"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// What a namespace may have only so much of is held to by the store, in the order of deltas: exactly, but after the
// turn has run. What is here refuses earlier, in the host call or before the turn, what the store would refuse.

// mayCreate refuses an actor that the namespace may not have.
func (h *Host) mayCreate(ns tenants.ID) error {
	a := h.cfg.Registry.Allowance(ns)
	if most := a.Limit(tenants.QuotaActors); most > 0 {
		if held := h.cfg.Registry.Held(ns)[tenants.QuotaActors]; held >= most {
			return tenants.OverQuota(tenants.QuotaActors, most, held, 0)
		}
	}
	return a.MayWrite()
}

// rowQuotas are the quotas of agenda rows, by what the store counts them as.
var rowQuotas = map[agendaKind]struct {
	quota tenants.Quota
	count kv.Count
}{
	agendaSchedule: {tenants.QuotaSchedules, kv.MarkA},
	agendaQueue:    {tenants.QuotaQueued, kv.MarkB},
}

// mayAddRow refuses a schedule or a queue message that the namespace may not have.
func (t *turn) mayAddRow(kind agendaKind) error {
	q, ok := rowQuotas[kind]
	if !ok {
		return nil
	}
	most := t.a.allowance.Limit(q.quota)
	if most == 0 {
		return nil
	}
	held := t.a.h.cfg.Store.Totals(t.a.id.Space().Class())[q.count]
	if held+int64(t.grown[kind]) >= most {
		return tenants.OverQuota(q.quota, most, held, 0)
	}
	return nil
}

// growth is by how many bytes a turn changes what the actor stores, once that matters.
type growth struct {
	known bool
	bytes int64
}

// mayStore refuses a value that takes the namespace past what it may store. Only near that it costs anything.
func (t *turn) mayStore(key []byte, value int) error {
	most := t.a.allowance.Limit(tenants.QuotaStored)
	if most == 0 {
		return nil
	}
	held := t.a.h.cfg.Store.Totals(t.a.id.Space().Class())[kv.Bytes]
	if most-held > abi.MaxDelta {
		return nil // no turn can get there
	}
	if !t.growth.known {
		t.growth = growth{known: true}
		for _, op := range t.changes.Ops() {
			old, err := t.storedSize(op.Key)
			if err != nil {
				return err
			}
			t.growth.bytes += itemSize(op.Key, op.Value) - old
		}
	}
	old, err := t.storedSize(key)
	if err != nil {
		return err
	}
	if v, ok := t.changes.Get(key); ok {
		old = itemSize(key, v)
	}
	more := int64(len(key)+value) - old
	if more > 0 && held+t.growth.bytes+more > most {
		return tenants.OverQuota(tenants.QuotaStored, most, held, 0)
	}
	t.growth.bytes += more
	return nil
}

func itemSize(key, value []byte) int64 {
	if value == nil {
		return 0
	}
	return int64(len(key) + len(value))
}

// storedSize returns the bytes of a row as it was before the turn, zero if there was none.
func (t *turn) storedSize(key []byte) (int64, error) {
	below := kv.View{Layers: t.view.Layers[1:], Store: t.view.Store, Space: t.view.Space}
	v, err := below.Get(t.ctx, key)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, t.readError(err)
	}
	return itemSize(key, v), nil
}

// metered counts the bytes of a server's answer as they are read, until Close.
type metered struct {
	io.ReadCloser
	of    *tenants.Allowance
	tally *tenants.Tally
	once  sync.Once
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.count(int64(n))
	return n, err
}

func (m *metered) count(bytes int64) {
	m.of.Fetched(bytes)
	m.tally.Add(tenants.UsedEgress, bytes)
}

// Close implements io.Closer.
func (m *metered) Close() error {
	m.once.Do(m.tally.Done)
	return m.ReadCloser.Close()
}
