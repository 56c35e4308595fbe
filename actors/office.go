package actors

import (
	"bytes"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// The post office of a namespace delivers what destroyed actors had sent and not yet delivered. It is a space
// with an agenda and no guest: no address finds it and no client reaches it.

func (a *actor) isPostOffice() bool { return a.id == tenants.PostOffice(a.id.Namespace) }

// handOver bounds what one turn of the post office takes, in bytes.
const handOver = 4 << 20

// leaveSends hands what the actor has not delivered to the post office, before the actor goes. A crash between
// that and the actor's end leaves the sends with both; the receiver does each number once.
func (a *actor) leaveSends() error {
	a.flight.drain()
	if a.agenda.counts[agendaOutgoing]+a.agenda.counts[agendaForget] == 0 {
		return nil
	}
	var ops []kv.Op
	size := 0
	for _, kind := range []agendaKind{agendaOutgoing, agendaForget} {
		for it, err := range a.h.cfg.Store.Scan(a.h.ctx, a.id.Space(), kv.PrefixRange(agendaKey(kind, nil))) {
			if err != nil {
				return readError(err)
			}
			ops = append(ops, kv.Op{Key: agendaKey(kind, append([]byte(a.id.String()), it.Key[2:]...)), Value: bytes.Clone(it.Value)})
			if size += len(it.Value); size >= handOver || len(ops) >= abi.MaxDeltaOps {
				if err := a.h.mail(a.id.Namespace, ops); err != nil {
					return err
				}
				ops, size = nil, 0
			}
		}
	}
	return a.h.mail(a.id.Namespace, ops)
}

// mail puts agenda rows into a namespace's post office, durably.
func (h *Host) mail(ns tenants.ID, ops []kv.Op) error {
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		for _, op := range ops {
			t.changes.Put(op.Key, op.Value)
		}
		return Reply{}, nil
	})
	e.bare, e.writes = true, true
	_, err := h.post(h.ctx, tenants.PostOffice(ns), e)
	if err != nil {
		return abi.AsError(err)
	}
	return nil
}
