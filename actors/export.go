package actors

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// An export of an actor is rows as they are in its space, for another actor to begin with: state, KV, vars, schedules with their
// runs, queue messages, dead letters of queues, idempotency keys. What is under way elsewhere is left out: sends, tasks, and the
// dead letters of both. The actor itself goes on with these, and two that do would do everything twice. So are
// children: they are actors of their own. A child is not exported at all, for its limits are its parent's to set.
//
// The first row is the actor's record, as an exportedRecord. Ids that are numbered by the space's deltas, which tell order, begin
// anew from zero: whatever the new actor makes comes behind them, and an export of it is the same again.

// exportedRecord says who an exported actor was.
type exportedRecord struct {
	Name    string      `json:"name"`
	Key     tenants.Key `json:"key"`
	Created int64       `json:"created"`           // ms since 1970
	Version string      `json:"version,omitempty"` // digest of the version that wrote its data, if that is known
}

// Export calls put with the rows of an actor as of one moment. Key and value are valid until put returns, whose error ends it.
func (h *Host) Export(ctx context.Context, id tenants.ActorID, put func(kv.Item) error) error {
	rec, err := readRecord(ctx, h.cfg.Store, id)
	switch {
	case err != nil:
		return err
	case rec.Parent != "":
		return abi.Errorf(abi.CodeInvalidRequest, "the actor is the child of another, which sets its limits: it cannot be exported")
	}
	out := exportedRecord{Name: rec.Name, Key: rec.Key, Created: rec.Created}
	if v, err := h.cfg.Registry.Version(id.Namespace, rec.Module, rec.Version); err == nil {
		out.Version = v.Digest.String()
	}
	if err := put(kv.Item{Key: recordKey, Value: encode(out)}); err != nil {
		return err
	}
	e := &exporter{put: put}
	for it, err := range h.cfg.Store.Scan(ctx, id.Space(), kv.Range{}) {
		if err == nil {
			err = e.row(it)
		}
		if err != nil {
			return readError(err)
		}
	}
	return nil
}

// exporter passes the rows of one actor on.
type exporter struct {
	put       func(kv.Item) error
	standings int // queue messages in the agenda, and
	bodies    int // in their table, which are in the same order
	letters   int
	runs      int
}

func (e *exporter) row(it kv.Item) error {
	switch it.Key[0] {
	case tableState, tableKV, tableVars, tableOnce:
		return e.put(it)
	case tableAgenda:
		return e.agenda(it)
	case tableQueue:
		return e.message(&e.bodies, it, 1)
	case tableDead:
		return e.letter(it)
	case tableRuns:
		if len(it.Key) < runKeyHead {
			return fmt.Errorf("actors: run at %q: %w", it.Key, kv.ErrCorrupt)
		}
		key := binary.BigEndian.AppendUint32(make([]byte, 1+8, len(it.Key)), uint32(e.runs))
		key[0] = tableRuns
		e.runs++
		return e.put(kv.Item{Key: append(key, it.Key[runKeyHead:]...), Value: it.Value})
	}
	return nil
}

func (e *exporter) agenda(it kv.Item) error {
	switch agendaKind(it.Key[1]) {
	case agendaSchedule:
		return e.put(it)
	case agendaQueue:
		return e.message(&e.standings, it, 2)
	}
	return nil
}

// message passes a row of a queue message on, whose name begins at a byte of the key.
func (e *exporter) message(n *int, it kv.Item, at int) error {
	queue, _, err := cutQueueName(it.Key[at:])
	if err != nil {
		return fmt.Errorf("actors: queue message at %q: %w", it.Key, err)
	}
	key := append(bytes.Clone(it.Key[:at]), queueName(queue)...)
	*n++
	return e.put(kv.Item{Key: append(key, exportedID(*n)...), Value: it.Value})
}

// exportedID is the nth id of a row: in their order, and before all that an actor makes.
func exportedID(n int) string { return fmt.Sprintf("%011x%05x", 0, n) }

// isExportedID reports whether an id can be of a row that was exported.
func isExportedID(id string) bool {
	return len(id) == 16 && strings.HasPrefix(id, "00000000000") && strings.Trim(id, "0123456789abcdef") == ""
}

// letter passes a dead letter on if it is of a queue, and how many there are.
func (e *exporter) letter(it kv.Item) error {
	if bytes.Equal(it.Key, deadCountKey) { // which comes behind them
		if e.letters == 0 {
			return nil
		}
		return e.put(kv.Item{Key: deadCountKey, Value: binary.AppendUvarint(nil, uint64(e.letters))})
	}
	var l letter
	if err := json.Unmarshal(it.Value, &l); err != nil {
		return fmt.Errorf("actors: dead letter at %q: %w", it.Key, kv.ErrCorrupt)
	}
	if l.Kind != "queue" {
		return nil
	}
	e.letters++
	l.ID = exportedID(e.letters)
	return e.put(kv.Item{Key: deadKey(l.ID), Value: encode(l)})
}
