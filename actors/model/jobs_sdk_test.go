package model

import (
	"fmt"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A counter and a plain actor are programs that know nothing of tests. The counter's state lives in its
// memory between turns, the plain one's in an Extism var.

// planCounter adds, reads, or fails with a state that must not stay.
func planCounter(w *world) *job {
	a := w.pick(alive(counter))
	if a == nil {
		return nil
	}
	j := &job{}
	switch after := a.data.clone(); w.rnd.Intn(4) {
	case 0:
		j.order = callOrder(a, "get", []int{})
		j.check = wantOutput(fmt.Sprint(after.count))
	case 1:
		j.order = callOrder(a, "fail", []int{})
		j.check = wantCode(abi.CodeUser, "refused")
	default:
		by := 1 + w.rnd.Intn(9)
		after.count += by
		j.order = callOrder(a, "increment", []int{by})
		j.check = wantOutput(fmt.Sprint(after.count))
		j.after = map[*actor]*data{a: after}
	}
	if w.killing || w.chance(4) {
		j.once(w, true)
	}
	return j
}

// planPlain counts, or fails with a var that must not stay.
func planPlain(w *world) *job {
	a := w.pick(alive(plain))
	if a == nil {
		return nil
	}
	j := &job{}
	switch w.rnd.Intn(4) {
	case 0:
		j.order = callOrder(a, "fail", []int{})
		j.check = wantCode(abi.CodeUser, "plugin_error")
	case 1:
		j.order = callOrder(a, "crash", []int{})
		j.check = wantCode(abi.CodeActorTrapped, "trapped")
		return j
	default:
		after := a.data.clone()
		after.count++
		j.order = callOrder(a, "count", []int{})
		j.check = wantOutput(fmt.Sprint(after.count))
		j.after = map[*actor]*data{a: after}
	}
	if w.killing || w.chance(4) {
		j.once(w, true)
	}
	return j
}

// planStranger calls an id of another namespace.
func planStranger(w *world) *job {
	a := w.actors[w.rnd.Intn(len(w.actors))]
	if a.id == noID {
		return nil
	}
	j := &job{order: scriptOrder(a, []actorstest.Step{actorstest.S("kv_put", "stranger", "x")}), check: wantCode(abi.CodeActorNotFound, "not_found")}
	for _, ns := range namespaces {
		if ns != a.address.Namespace {
			j.order.NS = ns
		}
	}
	return j
}

func wantOutput(want string) func(answer) error {
	return func(got answer) error {
		if got.Code != 0 || got.Output != want {
			return fmt.Errorf("answered %q %s, want %q", got.Output, got.Text, want)
		}
		return nil
	}
}

func wantCode(code abi.Code, name string) func(answer) error {
	return func(got answer) error {
		if got.Code != code || got.Name != name {
			return fmt.Errorf("answered %s %s (%s), want %s %s", got.Code, got.Name, got.Text, code, name)
		}
		return nil
	}
}
