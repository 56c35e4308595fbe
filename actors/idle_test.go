package actors

import (
	"fmt"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// idleActors makes actors of a namespace that are told apart by their key.
func idleActors(ns tenants.ID, n int) []*actor {
	all := make([]*actor, n)
	for i := range all {
		all[i] = &actor{id: tenants.NewActorID(ns), record: record{Name: fmt.Sprint(ns, i)}, mail: newMailbox()}
	}
	return all
}

// makeRoom takes the next n out.
func makeRoom(s *idlers, ns tenants.ID, own bool, n int) (names []string) {
	for range n {
		a := s.next(ns, own)
		if a == nil {
			return append(names, "none")
		}
		s.remove(a)
		names = append(names, a.record.Name)
	}
	return names
}

func TestIdlersOrder(t *testing.T) {
	const window = 4
	for _, tt := range []struct {
		name string
		fill func(s *idlers)
		ns   tenants.ID
		own  bool
		want string
	}{
		{"the longest idle", func(s *idlers) {
			for _, a := range idleActors("a", 3) {
				s.add(a, false)
			}
		}, "a", false, "[a0 a1 a2 none]"},
		{"many newborns of the same namespace first, few last", func(s *idlers) {
			s.add(idleActors("old", 1)[0], false)
			for _, a := range idleActors("a", 3) {
				s.add(a, true)
			}
		}, "a", false, "[a0 a1 old0 a2 none]"},
		{"many newborns of another namespace have no part in it", func(s *idlers) {
			for _, a := range idleActors("b", window) {
				s.add(a, true)
			}
			s.add(idleActors("old", 1)[0], false)
		}, "a", false, "[old0 b0 b1 b2 b3 none]"},
		{"those beyond the window wait among the rest", func(s *idlers) {
			for _, a := range idleActors("a", window+2) {
				s.add(a, true)
			}
		}, "a", false, "[a2 a3 a4 a0 a1 a5 none]"},
		{"only of its own namespace", func(s *idlers) {
			s.add(idleActors("b", 1)[0], false)
			s.add(idleActors("a", 1)[0], false)
			s.add(idleActors("b", 1)[0], true)
			s.add(idleActors("a", 2)[1], true)
		}, "a", true, "[a0 a1 none]"},
		{"one that was asked again is a newborn no more", func(s *idlers) {
			all := idleActors("a", 4)
			for _, a := range all {
				s.add(a, true)
			}
			s.remove(all[0])
			s.add(all[0], false)
		}, "a", false, "[a1 a2 a0 a3 none]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newIdlers(window)
			tt.fill(s)
			if got := fmt.Sprint(makeRoom(s, tt.ns, tt.own, len(s.places)+1)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			makeRoom(s, "", false, len(s.places))
			if len(s.places)+s.rest.Len()+len(s.newborns) != 0 {
				t.Errorf("left behind: %+v", s)
			}
		})
	}
}

// A host that is too small for a window knows no newborns.
func TestIdlersWithoutWindow(t *testing.T) {
	s := newIdlers(0)
	for i, a := range idleActors("a", 3) {
		s.add(a, i != 1)
	}
	if got := fmt.Sprint(makeRoom(s, "a", true, 4)); got != "[a0 a1 a2 none]" {
		t.Errorf("got %v", got)
	}
}
