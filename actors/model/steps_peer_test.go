package model

import (
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var peerSteps = []stepKind{
	{"actor_find", 3, findOne},
	{"call of another namespace", 1, callStranger},
}

var callSteps = []stepKind{{"call", 5, callOne}}

// findOne looks for an address that no other job of the batch makes or ends.
func findOne(d *draft) {
	a := d.w.pick(func(a *actor) bool { return d.near(a) })
	if a == nil {
		return
	}
	d.w.touched[a] = true
	want := outcome{N: abi.Absent}
	if a.data != nil {
		want = outcome{any: true, has: a.id.String()}
	}
	d.add(actorstest.S("actor_find", target(a)), want)
}

// near suits the other actors of the draft's namespace.
func (d *draft) near(a *actor) bool {
	return a != d.self && a.address.Namespace == d.self.address.Namespace
}

func target(a *actor) abi.Target {
	return abi.Target{Name: a.address.Name, Key: a.address.Key.Components()}
}

// callStranger names an actor of another namespace by its id, which must lead nowhere.
func callStranger(d *draft) {
	a := d.w.actors[d.w.rnd.Intn(len(d.w.actors))]
	if a.id == noID || a.address.Namespace == d.self.address.Namespace {
		return
	}
	d.add(actorstest.S("call", abi.Target{ID: a.id.String()}, "nop", "[]"), outcome{any: true})
	d.add(actorstest.S("result"), outcome{N: -int64(abi.CodeActorNotFound), any: false, B: ""})
}

// callOne has another actor write, well or not. What it did stays, whatever becomes of the caller.
func callOne(d *draft) {
	to := d.w.pick(func(a *actor) bool { return d.near(a) && alive(scripted)(a) && a.id != noID && !a.hermit })
	if to == nil {
		return
	}
	in := &draft{w: d.w, self: to, data: to.data.clone(), nested: true}
	in.mark()
	in.fill(writeKinds, 1+d.w.rnd.Intn(4))
	d.add(actorstest.S("call", abi.Target{ID: to.id.String()}, "do", [][]actorstest.Step{in.steps}), outcome{any: true})
	if d.w.chance(4) {
		s := d.w.failure()
		last := &d.steps[len(d.steps)-1]
		*last = actorstest.S("call", abi.Target{ID: to.id.String()}, "do", [][]actorstest.Step{append(in.steps, s)})
		d.add(actorstest.S("result"), map[string]outcome{
			"user":   {N: int64(abi.StatusUser)},
			"hidden": {N: -int64(abi.CodeGuestInternal)},
			"trap":   {N: -int64(abi.CodeActorTrapped)},
		}[s.Op])
		return
	}
	d.aside[to] = in.data
	want := outcome{B: document(in.want)}
	for _, o := range in.want {
		want.any = want.any || o.any
	}
	if want.any {
		want = outcome{any: true}
	}
	d.add(actorstest.S("result"), want)
}
