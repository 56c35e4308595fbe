package model

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// Tables of an actor's space, by the first byte of a key; see package actors.
const (
	tableState = 's'
	tableKV    = 'k'
	tableVars  = 'v'
	busyTables = "gSR" // agenda, sent, received: empty when nobody has anything to do
	known      = "mskvgxCPSRThqd"
)

// stored is what the store has of one actor.
type stored struct {
	data *data
	busy []string // rows of work that is not done
}

// read returns what the store has in a space.
func read(s kv.Reader, space kv.Space) (*stored, error) {
	st := &stored{data: newData()}
	for it, err := range s.Scan(context.Background(), space, kv.Range{}) {
		if err != nil {
			return nil, err
		}
		if err := st.take(string(it.Key), string(it.Value)); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func (st *stored) take(key, value string) error {
	switch rest := key[1:]; {
	case key[0] == tableState:
		st.data.state = value
		fmt.Sscanf(value, `{"count":%d}`, &st.data.count)
	case key[0] == tableVars:
		fmt.Sscan(value, &st.data.count)
	case key[0] == tableKV && strings.HasPrefix(rest, sentItem):
		st.data.got[strings.TrimPrefix(rest, sentItem)] = strings.Fields(value)
	case key[0] == tableKV && strings.HasPrefix(rest, "seen"): // turns of hooks
	case key[0] == tableKV:
		st.data.kv[rest] = value
	case strings.IndexByte(busyTables, key[0]) >= 0:
		st.busy = append(st.busy, key+" "+value)
	case strings.IndexByte(known, key[0]) < 0:
		return fmt.Errorf("there is a row %q of no known table", key)
	}
	return nil
}

// differs says how what the store has of an actor differs from the model, empty if it does not. The numbers
// of sends are left out.
func (st *stored) differs(a *actor, want *data) string {
	got := st.data
	if a.guest == scripted && got.state != want.state {
		return fmt.Sprintf("state %q, want %q", got.state, want.state)
	}
	if got.count != want.count && a.guest != scripted {
		return fmt.Sprintf("count %d, want %d", got.count, want.count)
	}
	for _, k := range slices.Sorted(maps.Keys(want.kv)) {
		if v, ok := got.kv[k]; !ok || v != want.kv[k] {
			return fmt.Sprintf("item %q is %.40q, want %.40q", k, v, want.kv[k])
		}
	}
	for k := range got.kv {
		if _, ok := want.kv[k]; !ok {
			return fmt.Sprintf("item %q is there", k)
		}
	}
	return ""
}

// sends says how what an actor got differs from what it must have got. While sends are under way it may be
// the beginning of that.
func (st *stored) sends(want *data, underWay bool) string {
	for from, list := range st.data.got {
		if !begins(want.got[from], list, strings.HasPrefix(from, anyOrder)) {
			return fmt.Sprintf("it got %v of %s, want %v", list, from, want.got[from])
		}
	}
	for from, list := range want.got {
		if !underWay && len(st.data.got[from]) != len(list) {
			return fmt.Sprintf("it got %v of %s, want %v", st.data.got[from], from, list)
		}
	}
	return ""
}

// begins reports whether part is the beginning of all; in any order, whether all has as many of each.
func begins(all, part []string, anyOrder bool) bool {
	if !anyOrder {
		return len(part) <= len(all) && slices.Equal(part, all[:len(part)])
	}
	n := map[string]int{}
	for _, s := range all {
		n[s]++
	}
	for _, s := range part {
		if n[s]--; n[s] < 0 {
			return false
		}
	}
	return true
}

// compare waits until all work is done, and compares everything that is stored with the model.
func (r *run) compare() error {
	settle(r.t, r.s, r.clock)
	r.moved = r.clock.Now().Sub(actorstest.NewClock().Now())
	r.counts["compare"]++
	for _, a := range r.actors {
		if err := r.compareActor(a); err != nil {
			return fmt.Errorf("%v: %w", a.address, err)
		}
	}
	for _, ns := range namespaces {
		if err := r.compareList(ns); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) compareActor(a *actor) error {
	there, err := r.exists(a)
	if err != nil || there != (a.data != nil) {
		return fmt.Errorf("it is there: %t, want %t, %v", there, a.data != nil, err)
	}
	if !there {
		return nil
	}
	st, err := read(r.s.Store, a.id.Space())
	if err != nil {
		return err
	}
	if diff := st.differs(a, a.data); diff != "" {
		return fmt.Errorf("%s", diff)
	}
	if diff := st.sends(a.data, false); diff != "" {
		return fmt.Errorf("%s", diff)
	}
	return nil
}

// compareList compares the list of a namespace's actors.
func (r *run) compareList(ns tenants.ID) error {
	list, next, err := r.s.Host.List(context.Background(), ns, "", "", 1000)
	if err != nil || next != "" {
		return fmt.Errorf("list of %s: %q, %v", ns, next, err)
	}
	for _, info := range list {
		if a := r.byID(info.ID.String()); a == nil || a.address != info.Address {
			return fmt.Errorf("%v is listed with the id %s, and is not in the model", info.Address, info.ID)
		}
	}
	if want := len(r.living(ns)); len(list) != want {
		return fmt.Errorf("%s has %d actors, want %d", ns, len(list), want)
	}
	return nil
}

func (w *world) living(ns tenants.ID) (list []*actor) {
	for _, a := range w.actors {
		if a.data != nil && a.address.Namespace == ns {
			list = append(list, a)
		}
	}
	return list
}
