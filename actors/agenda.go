package actors

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	queue  agendaQueueOrder       // those that wait
	work   agendaQueueOrder       // those that are busy
	counts map[agendaKind]int
	sends  map[string][]string // keys of a pair's sends, in order, by what they begin with; see sends.go
}

type agendaItem struct {
	key  string
	due  int64 // ms since 1970
	busy bool  // it is in work, not in the queue
	at   int   // there
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

// marks are the rows that the store counts for the namespace: schedules, and queue messages. See tenants.BoundQuota.
func (g *agenda) marks() [2]int64 {
	return [2]int64{int64(g.counts[agendaSchedule]), int64(g.counts[agendaQueue])}
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
	if pair, ok := pairOfKey(key); ok {
		if g.sends == nil {
			g.sends = map[string][]string{}
		}
		at, _ := slices.BinarySearch(g.sends[pair], key)
		g.sends[pair] = slices.Insert(g.sends[pair], at, key)
	}
	return nil
}

// pairOfKey returns what the keys of a pair's sends begin with, if key is one of them.
func pairOfKey(key string) (string, bool) {
	return key[:max(0, len(key)-8)], agendaKind(key[1]) == agendaOutgoing && len(key) > 2+8
}

func (g *agenda) remove(key string) {
	it := g.items[key]
	if it == nil {
		return
	}
	delete(g.items, key)
	g.counts[agendaKind(key[1])]--
	g.takeOut(it)
	pair, ok := pairOfKey(key)
	if at, found := slices.BinarySearch(g.sends[pair], key); !ok || !found {
		return
	} else if at == 0 { // as mostly
		g.sends[pair] = g.sends[pair][1:]
	} else {
		g.sends[pair] = slices.Delete(g.sends[pair], at, at+1)
	}
	if len(g.sends[pair]) == 0 {
		delete(g.sends, pair)
	}
}

// takeOut takes an item out of the queue, or of those in work.
func (g *agenda) takeOut(it *agendaItem) {
	if it.busy {
		heap.Remove(&g.work, it.at)
	} else {
		heap.Remove(&g.queue, it.at)
	}
}

// begin makes an item busy.
func (g *agenda) begin(it *agendaItem) {
	g.takeOut(it)
	it.busy = true
	heap.Push(&g.work, it)
}

// due returns the moment of the earliest row, busy or not; zero if there is none. It is what the store
// is told: after a restart nothing is busy.
func (g *agenda) due() time.Time {
	first := g.next()
	if len(g.work) > 0 {
		if at := time.UnixMilli(g.work[0].due); first.IsZero() || at.Before(first) {
			return at
		}
	}
	return first
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
	it := g.queue[0]
	g.begin(it)
	return it.key, true
}

// delay returns for how long a row has been due.
func (g *agenda) delay(key string, now time.Time) time.Duration {
	return now.Sub(time.UnixMilli(g.items[key].due))
}

// seize makes a row busy that waits, and reports whether it did.
func (g *agenda) seize(key string, now time.Time) bool {
	it := g.items[key]
	if it == nil || it.busy || it.due > now.UnixMilli() {
		return false
	}
	g.begin(it)
	return true
}

// idle lets a busy row wait again, not before a moment.
func (g *agenda) idle(key string, notBefore time.Time) {
	if it := g.items[key]; it != nil && it.busy {
		g.takeOut(it)
		it.due, it.busy = max(it.due, notBefore.UnixMilli()), false
		heap.Push(&g.queue, it)
	}
}

// working returns how many rows are busy.
func (g *agenda) working() int { return len(g.work) }

// busy reports whether work on a row goes on.
func (g *agenda) busy(key string) bool {
	it := g.items[key]
	return it != nil && it.busy
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
