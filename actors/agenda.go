package actors

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// The agenda of an actor is what it has to do without being asked: schedules, queue messages, sends to
// deliver, tasks. Each is a row
//
//	'g' <kind> <name>  ->  due (ms since 1970, big endian) | body
//
// in one table, so that a single scan at wake finds them all, and the space's due moment is that of
// the earliest. An actor without such rows pays nothing for it.

// agendaKind is the second byte of an agenda row's key.
type agendaKind byte

const (
	agendaSchedule agendaKind = 'c'
	agendaOutgoing agendaKind = 'o'
	agendaQueue    agendaKind = 'q'
	agendaTask     agendaKind = 't'
	agendaForget   agendaKind = 'f' // see sends.go
	agendaLifetime agendaKind = 'l' // see children.go
)

// agendaKey returns the key of a row.
func agendaKey(kind agendaKind, name []byte) []byte {
	return append(append(make([]byte, 0, 2+len(name)), tableAgenda, byte(kind)), name...)
}

// agendaRow returns the value of a row.
func agendaRow(due time.Time, body []byte) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(body)), uint64(due.UnixMilli()))
	return append(b, body...)
}

// cutAgendaRow is the inverse of agendaRow. body refers to row.
func cutAgendaRow(row []byte) (due time.Time, body []byte, err error) {
	if len(row) < 8 {
		return time.Time{}, nil, fmt.Errorf("actors: agenda row: %w", kv.ErrCorrupt)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(row))), row[8:], nil
}

// agendaWork says what an actor does about a row that is due. It returns the turn to run, or nil if
// the work goes on elsewhere: the row is then busy until a turn changes it or agenda.idle is called.
type agendaWork func(a *actor, name, body []byte) (*entry, error)

// agendaWorks has the work of each kind.
var agendaWorks = map[agendaKind]agendaWork{}

// agenda is the index of an actor's agenda rows by due moment, as of its newest turn. It belongs to the
// actor's goroutine.
type agenda struct {
	items  map[string]*agendaItem // by key
	queue  agendaQueueOrder       // those that are not busy
	counts map[agendaKind]int
}

type agendaItem struct {
	key string
	due int64 // ms since 1970
	at  int   // in the queue, -1 while busy
}

// load reads the index from the store. Nothing may be in flight.
func (g *agenda) load(ctx context.Context, r kv.Reader, s kv.Space) error {
	*g = agenda{}
	for it, err := range r.Scan(ctx, s, kv.PrefixRange([]byte{tableAgenda})) {
		if err != nil {
			return readError(err)
		}
		if err := g.set(string(it.Key), it.Value); err != nil {
			return err
		}
	}
	return nil
}

// apply takes up what a turn did to agenda rows.
func (g *agenda) apply(changes *kv.Overlay) error {
	for _, op := range changes.OpsWithin(kv.PrefixRange([]byte{tableAgenda})) {
		if op.Value == nil {
			g.remove(string(op.Key))
		} else if err := g.set(string(op.Key), op.Value); err != nil {
			return err
		}
	}
	return nil
}

func (g *agenda) set(key string, row []byte) error {
	due, _, err := cutAgendaRow(row)
	if err != nil || len(key) < 2 {
		return errors.Join(err, fmt.Errorf("actors: agenda key %q: %w", key, kv.ErrCorrupt))
	}
	g.remove(key)
	if g.items == nil {
		g.items, g.counts = map[string]*agendaItem{}, map[agendaKind]int{}
	}
	it := &agendaItem{key: key, due: due.UnixMilli()}
	g.items[key] = it
	g.counts[agendaKind(key[1])]++
	heap.Push(&g.queue, it)
	return nil
}

func (g *agenda) remove(key string) {
	it := g.items[key]
	if it == nil {
		return
	}
	delete(g.items, key)
	g.counts[agendaKind(key[1])]--
	if it.at >= 0 {
		heap.Remove(&g.queue, it.at)
	}
}

// due returns the moment of the earliest row, busy or not; zero if there is none. It is what the store
// is told: after a restart nothing is busy.
func (g *agenda) due() time.Time {
	var first int64
	for _, it := range g.items {
		if len(g.queue) == len(g.items) {
			break // none is busy, as mostly
		}
		if it.at < 0 && (first == 0 || it.due < first) {
			first = it.due
		}
	}
	if len(g.queue) > 0 && (first == 0 || g.queue[0].due < first) {
		first = g.queue[0].due
	}
	if first == 0 {
		return time.Time{}
	}
	return time.UnixMilli(first)
}

// next returns the moment of the earliest row that waits, zero if none does.
func (g *agenda) next() time.Time {
	if len(g.queue) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(g.queue[0].due)
}

// take returns the key of a row that is due, and makes it busy.
func (g *agenda) take(now time.Time) (key string, ok bool) {
	if len(g.queue) == 0 || g.queue[0].due > now.UnixMilli() {
		return "", false
	}
	it := heap.Pop(&g.queue).(*agendaItem)
	return it.key, true
}

// seize makes a row busy that waits, and reports whether it did.
func (g *agenda) seize(key string, now time.Time) bool {
	it := g.items[key]
	if it == nil || it.at < 0 || it.due > now.UnixMilli() {
		return false
	}
	heap.Remove(&g.queue, it.at)
	return true
}

// idle lets a busy row wait again, not before a moment.
func (g *agenda) idle(key string, notBefore time.Time) {
	if it := g.items[key]; it != nil && it.at < 0 {
		it.due = max(it.due, notBefore.UnixMilli())
		heap.Push(&g.queue, it)
	}
}

// working returns how many rows are busy.
func (g *agenda) working() int { return len(g.items) - len(g.queue) }

// busy reports whether work on a row goes on.
func (g *agenda) busy(key string) bool {
	it := g.items[key]
	return it != nil && it.at < 0
}

// has reports whether there is such a row.
func (g *agenda) has(key string) bool { return g.items[key] != nil }

// agendaQueueOrder is a heap: earliest first, then by key, so that equal programs run alike.
type agendaQueueOrder []*agendaItem

func (q agendaQueueOrder) Len() int { return len(q) }

func (q agendaQueueOrder) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].key < q[j].key
}

func (q agendaQueueOrder) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *agendaQueueOrder) Push(x any) {
	it := x.(*agendaItem)
	it.at = len(*q)
	*q = append(*q, it)
}

// Pop implements heap.Interface.
func (q *agendaQueueOrder) Pop() any {
	old := *q
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	it.at = -1
	return it
}
