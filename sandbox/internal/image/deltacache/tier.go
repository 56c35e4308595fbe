package deltacache

import (
	"container/list"

	"github.com/vivarium-run/vivarium/tenants"
)

// tier is a set of entries in the order in which they came, with the bytes they cost in all and for
// each namespace. The zero value is empty.
type tier struct {
	bytes  int64
	all    list.List
	shares map[tenants.ID]*share
}

// share is the part of a tier that one namespace has.
type share struct {
	bytes int64
	list  list.List
}

// seat is an entry's place in a tier.
type seat struct {
	cost          int64
	inAll, inOwns *list.Element
}

// add puts e, which is in no tier, at the end.
func (t *tier) add(e *entry, cost int64) {
	s := t.shares[e.id.Namespace]
	if s == nil {
		if t.shares == nil {
			t.shares = map[tenants.ID]*share{}
		}
		s = &share{}
		t.shares[e.id.Namespace] = s
	}
	t.bytes += cost
	s.bytes += cost
	e.at, e.seat = t, seat{cost, t.all.PushBack(e), s.list.PushBack(e)}
}

// leave takes e out of its tier, if it is in one.
func (e *entry) leave() {
	t := e.at
	if t == nil {
		return
	}
	e.at = nil
	s := t.shares[e.id.Namespace]
	if s == nil {
		return // Close has emptied the tier
	}
	t.bytes -= e.seat.cost
	s.bytes -= e.seat.cost
	t.all.Remove(e.seat.inAll)
	s.list.Remove(e.seat.inOwns)
	if s.list.Len() == 0 {
		delete(t.shares, e.id.Namespace)
	}
}

func (t *tier) len() int { return t.all.Len() }

func (t *tier) bytesOf(ns tenants.ID) int64 {
	if s := t.shares[ns]; s != nil {
		return s.bytes
	}
	return 0
}

// oldest returns the entry that came first, or nil.
func (t *tier) oldest() *entry { return front(&t.all) }

func (t *tier) oldestOf(ns tenants.ID) *entry {
	if s := t.shares[ns]; s != nil {
		return front(&s.list)
	}
	return nil
}

func front(l *list.List) *entry {
	if f := l.Front(); f != nil {
		return f.Value.(*entry)
	}
	return nil
}
