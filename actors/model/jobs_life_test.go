package model

import (
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// planCreate makes an actor, or finds it.
func planCreate(w *world) *job {
	a := w.pick(func(a *actor) bool { return !a.child && (a.data == nil || w.chance(10)) })
	if a == nil {
		return nil
	}
	j := &job{order: order{Kind: "create", NS: a.address.Namespace, Name: a.address.Name, Key: a.address.Key}}
	fresh, id, killing := a.data == nil, a.id.String(), w.killing
	if fresh {
		j.after = map[*actor]*data{a: newData()}
	}
	j.check = func(got answer) error {
		if got.Code != 0 || got.Created != fresh && !killing || !fresh && got.ID != id {
			return fmt.Errorf("answered %+v, want created: %t, or the id %s", got, fresh, id)
		}
		return nil
	}
	return j
}

// planDestroy ends an actor with its children.
func planDestroy(w *world) *job {
	a := w.pickFamily(func(a *actor) bool { return a.data != nil && a.id != noID })
	if a == nil {
		return nil
	}
	j := &job{after: map[*actor]*data{a: nil}, order: order{Kind: "destroy", NS: a.address.Namespace, ID: a.id.String()}}
	for _, c := range w.childrenOf(a) {
		j.after[c] = nil
	}
	killing := w.killing
	j.check = func(got answer) error {
		if got.Code != 0 && !(killing && got.Code == abi.CodeActorNotFound) {
			return fmt.Errorf("answered %+v", got)
		}
		return nil
	}
	return j
}
