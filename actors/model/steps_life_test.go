package model

import (
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var lifeSteps = []stepKind{
	{"actor_create", 3, createOne},
	{"actor_create, child", 3, createChild},
	{"actor_destroy", 1, destroyOne},
}

// childGas is what a child may use in a turn: enough for any script, and soon used up by a loop.
const childGas = 200_000_000

func spec(a *actor) abi.ActorSpec {
	return abi.ActorSpec{Name: a.address.Name, Key: a.address.Key.Components(), Get: true}
}

// createOne makes an actor, or finds it, at once: it stays if the turn fails.
func createOne(d *draft) {
	a := d.w.pick(func(a *actor) bool { return d.near(a) && !a.child })
	if a == nil {
		return
	}
	if a.data == nil {
		d.aside[a] = newData()
	}
	d.add(actorstest.S("actor_create", spec(a), ""), outcome{any: true, has: `"id":"`})
}

// createChild makes an actor that ends with this one.
func createChild(d *draft) {
	a := d.w.pick(func(a *actor) bool { return d.near(a) && a.child && a.data == nil })
	if a == nil || d.self.child {
		return
	}
	s := spec(a)
	s.Child, s.Limits = true, &abi.ChildLimits{TurnGas: childGas}
	d.aside[a] = newData()
	d.aside[a].parent = d.self
	d.add(actorstest.S("actor_create", s, ""), outcome{any: true, has: `"id":"`})
}

// destroyOne ends an actor and its children, at once.
func destroyOne(d *draft) {
	a := d.w.pickFamily(func(a *actor) bool { return d.near(a) && a.data != nil && d.aside[a] == nil })
	if a == nil {
		return
	}
	for _, one := range append(d.w.childrenOf(a), a) {
		d.aside[one] = nil
	}
	d.add(actorstest.S("actor_destroy", target(a)), outcome{N: 1, any: d.w.killing})
}

// pickFamily is pick for an actor with all its children, if no job of the batch touches them.
func (w *world) pickFamily(suits func(*actor) bool) *actor {
	a := w.pick(func(a *actor) bool {
		if !suits(a) {
			return false
		}
		for _, c := range w.childrenOf(a) {
			if w.touched[c] {
				return false
			}
		}
		return true
	})
	if a != nil {
		for _, c := range w.childrenOf(a) {
			w.touched[c] = true
		}
	}
	return a
}
