package actors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// scanFunc is a kv.View's or, with a space, a store's.
type scanFunc func(context.Context, kv.Range) iter.Seq2[kv.Item, error]

// readPage calls f with up to limit items of r, and no more when they have gone past abi.MaxListBytes; more
// says whether there are others.
func readPage(ctx context.Context, scan scanFunc, r kv.Range, limit int, f func(kv.Item) error) (more bool, err error) {
	n, size := 0, 0
	for it, err := range scan(ctx, r) {
		if err != nil {
			return false, err
		}
		if size += len(it.Value); n == limit || n > 0 && size > abi.MaxListBytes {
			return true, nil
		}
		n++
		if err := f(it); err != nil {
			return false, err
		}
	}
	return false, nil
}

// committed returns what reads an actor's rows on disk, if there is the actor.
func (h *Host) committed(ctx context.Context, id tenants.ActorID) (scanFunc, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	return func(ctx context.Context, r kv.Range) iter.Seq2[kv.Item, error] {
		return h.cfg.Store.Scan(ctx, id.Space(), r)
	}, nil
}

// ListSchedules returns committed schedules, in order of id, after an id; more says whether there are others.
func (h *Host) ListSchedules(ctx context.Context, id tenants.ActorID, after string, limit int) (list []abi.Schedule, more bool, err error) {
	scan, err := h.committed(ctx, id)
	if err != nil {
		return nil, false, err
	}
	r := kv.PrefixRange(agendaKey(agendaSchedule, nil))
	if after != "" {
		r.Lo = append(agendaKey(agendaSchedule, []byte(after)), 0)
	}
	list = []abi.Schedule{}
	more, err = readPage(ctx, scan, r, limit, func(it kv.Item) error {
		s, err := decodeSchedule(it.Value)
		if err == nil {
			list = append(list, s.Schedule)
		}
		return err
	})
	return list, more, readError(err)
}

// Queued is a message that waits in a queue.
type Queued struct {
	ID       string          `json:"id"`
	Queue    string          `json:"queue"`
	Body     json.RawMessage `json:"body"`
	Sent     int64           `json:"sent"` // ms since 1970, as Due
	Due      int64           `json:"due"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"error,omitempty"` // of the last attempt
	Sender   string          `json:"sender,omitempty"`
	Subject  string          `json:"subject,omitempty"`
}

// ListQueue returns committed messages that wait, by queue and in the order in which they were sent, after a
// cursor (nil: from the start); next is the cursor of the following page, nil at the end.
func (h *Host) ListQueue(ctx context.Context, id tenants.ActorID, after []byte, limit int) (list []Queued, next []byte, err error) {
	scan, err := h.committed(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	r := kv.PrefixRange(bodyKey(nil))
	if len(after) > 0 {
		r.Lo = append(bodyKey(after), 0)
	}
	list = []Queued{}
	var last []byte
	more, err := readPage(ctx, scan, r, limit, func(it kv.Item) error {
		last = append(last[:0], it.Key[1:]...)
		q, ok, err := h.queued(ctx, id, it)
		if ok {
			list = append(list, q)
		}
		return err
	})
	if err != nil {
		return nil, nil, readError(err)
	}
	if more {
		next = last
	}
	return list, next, nil
}

// queued joins a message's body with its standing. A message that was handled since the scan began has none.
func (h *Host) queued(ctx context.Context, id tenants.ActorID, it kv.Item) (Queued, bool, error) {
	q := Queued{Body: bytes.Clone(it.Value)}
	var err error
	if q.Queue, q.ID, err = cutQueueName(it.Key[1:]); err != nil {
		return q, false, err
	}
	row, err := h.cfg.Store.Get(ctx, id.Space(), agendaKey(agendaQueue, it.Key[1:]))
	if err != nil {
		return q, false, notThere(err)
	}
	due, body, err := cutAgendaRow(row)
	if err != nil {
		return q, false, err
	}
	m, _, err := readMessage(it.Key[1:], body)
	if err != nil {
		return q, false, err
	}
	q.Due, q.Sent, q.Attempts, q.Error, q.Sender, q.Subject = due.UnixMilli(), m.Sent, m.Attempts, m.Error, m.Sender, m.Subject
	return q, true, nil
}

// notThere drops the error of a row that is absent.
func notThere(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

// ListDead returns committed dead letters, oldest first, after an id; more says whether there are others.
func (h *Host) ListDead(ctx context.Context, id tenants.ActorID, after string, limit int) (list []abi.DeadLetter, more bool, err error) {
	scan, err := h.committed(ctx, id)
	if err != nil {
		return nil, false, err
	}
	list, more, err = readLetters(ctx, scan, after, limit)
	return list, more, readError(err)
}
