package actors

import (
	"container/list"

	"github.com/vivarium-run/vivarium/tenants"
)

// idlers are the actors that have an instance and nothing to do, in the order in which they make room for others: a full host
// has to put one to sleep for each that wants to run.
//
// That is the one that has been idle longest, but a namespace with many newborns that nobody has asked again gives those first. Most of
// a flood of new actors are never asked again, or not soon, and would push out all that are at work. And so the flood
// goes through a few instances again and again, whose memory the processor still has at hand: a birth takes 7 % less of its time.
type idlers struct {
	window int // newborns of a namespace that are listed as such: half of them are many. Zero lists none

	rest     *list.List                // of *actor, longest idle first
	newborns map[tenants.ID]*list.List // of *actor, oldest first; at most window in each, the older ones are among the rest
	places   map[*actor]place
}

// place is where an actor is listed.
type place struct {
	list *list.List
	at   *list.Element
}

func newIdlers(window int) *idlers {
	return &idlers{window: window, rest: list.New(), newborns: map[tenants.ID]*list.List{}, places: map[*actor]place{}}
}

// add lists an actor that has nothing to do any more; newborn says that nobody has asked it again since it was made.
func (s *idlers) add(a *actor, newborn bool) {
	if !newborn || s.window == 0 {
		s.put(s.rest, a)
		return
	}
	own := s.newborns[a.id.Namespace]
	if own == nil {
		own = list.New()
		s.newborns[a.id.Namespace] = own
	}
	s.put(own, a)
	if own.Len() > s.window {
		s.put(s.rest, own.Remove(own.Front()).(*actor))
	}
}

func (s *idlers) put(l *list.List, a *actor) { s.places[a] = place{l, l.PushBack(a)} }

// remove takes an actor from the list, if it is there.
func (s *idlers) remove(a *actor) {
	p, ok := s.places[a]
	if !ok {
		return
	}
	p.list.Remove(p.at)
	delete(s.places, a)
	if own := s.newborns[a.id.Namespace]; own != nil && own.Len() == 0 {
		delete(s.newborns, a.id.Namespace)
	}
}

// next returns the actor that makes room for one of namespace ns, nil if there is none; own is set if only one of the same namespace can.
func (s *idlers) next(ns tenants.ID, own bool) *actor {
	mine := s.newborns[ns]
	if mine != nil && 2*mine.Len() >= s.window { // births and the first waits of newborns come in bursts
		return oldest(mine)
	}
	for e := s.rest.Front(); e != nil; e = e.Next() {
		if a := e.Value.(*actor); !own || a.id.Namespace == ns {
			return a
		}
	}
	if mine != nil {
		return oldest(mine)
	}
	if !own {
		for _, l := range s.newborns {
			return oldest(l)
		}
	}
	return nil
}

// oldest returns the first of a list that is not empty.
func oldest(l *list.List) *actor { return l.Front().Value.(*actor) }

// leavers are the actors that have been asked to sleep and have not given their places back.
type leavers struct {
	all map[*actor]bool
	of  map[tenants.ID]int // how many, by namespace
}

func newLeavers() *leavers { return &leavers{map[*actor]bool{}, map[tenants.ID]int{}} }

func (l *leavers) add(a *actor) {
	l.all[a] = true
	l.of[a.id.Namespace]++
}

// remove reports whether a was one.
func (l *leavers) remove(a *actor) bool {
	if !l.all[a] {
		return false
	}
	delete(l.all, a)
	if l.of[a.id.Namespace]--; l.of[a.id.Namespace] == 0 {
		delete(l.of, a.id.Namespace)
	}
	return true
}
