package model

import (
	"fmt"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var sendSteps = []stepKind{{"send", 14, sendOne}}

// sentItem is where a receiver writes down what it gets of a sender: the numbers, in the order in which they
// came, each as often as it came.
const sentItem = "in/"

// sendOne sends a number to an actor, itself perhaps, which adds it to those it has got.
func sendOne(d *draft) {
	to := d.w.actors[d.w.rnd.Intn(len(d.w.actors))]
	if to.data == nil || to.id == noID || to.guest != scripted || to.hermit || to.address.Namespace != d.self.address.Namespace {
		return
	}
	s := send{from: d.self.id.String(), to: to.id.String(), fails: d.w.chance(12)}
	s.n = d.data.sent[s.to] + 1
	d.data.sent[s.to] = s.n
	d.sends = append(d.sends, s)
	script := []actorstest.Step{actorstest.S("append", sentItem+s.from, fmt.Sprint(s.n))}
	if s.fails {
		script = append(script, d.w.failure())
	}
	d.add(actorstest.S("send", abi.Target{ID: s.to}, "do", [][]actorstest.Step{script}), outcome{})
}

// failure draws a step that ends a turn badly.
func (w *world) failure() actorstest.Step {
	return []actorstest.Step{actorstest.S("user", "no", "as told"), actorstest.S("hidden", "as told"), actorstest.S("trap")}[w.rnd.Intn(3)]
}
