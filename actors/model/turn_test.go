package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

var noID tenants.ActorID

// outcome is what a step of a script must give.
type outcome struct {
	N   int64
	B   string
	any bool   // N and B are not known
	has string // B has this in it, if N and B are not known
}

// draft is a turn that is being planned.
type draft struct {
	w      *world
	self   *actor
	data   *data // as the turn sees it
	steps  []actorstest.Step
	want   []outcome
	sends  []send
	aside  map[*actor]*data
	nested bool // it is called from another turn, and may run twice: it only writes
}

// add appends a step.
func (d *draft) add(s actorstest.Step, want outcome) {
	d.steps = append(d.steps, s)
	d.want = append(d.want, want)
}

// stepKind draws steps of one kind. It adds nothing if there is nothing to do.
type stepKind struct {
	name   string
	weight int
	draw   func(d *draft)
}

// stepKinds are all that a turn may do, and writeKinds what one may do that is called from another.
var (
	writeKinds = slices.Concat(kvWrites, stateWrites)
	stepKinds  = slices.Concat(kvWrites, stateWrites, kvReads, stateReads, peerSteps, sendSteps, callSteps, lifeSteps, timeSteps)
)

// fill draws n steps.
func (d *draft) fill(kinds []stepKind, n int) {
	for range n {
		k := draw(d.w, kinds, func(k stepKind) int { return k.weight })
		before := len(d.steps)
		if k.draw(d); len(d.steps) > before {
			d.w.counts[k.name]++
		}
	}
}

// ending is how a turn ends.
type ending struct {
	name   string
	weight int
	step   actorstest.Step
	code   abi.Code // zero if the turn is committed
	user   string   // name of the user error
	child  bool     // for actors with a bound on a turn's gas only
}

var endings = []ending{
	{name: "end: well", weight: 60},
	{name: "end: asleep", weight: 8, step: actorstest.S("sleep")},
	{name: "end: user error", weight: 10, step: actorstest.S("user", "no", "as told"), code: abi.CodeUser, user: "no"},
	{name: "end: hidden error", weight: 6, step: actorstest.S("hidden", "as told"), code: abi.CodeGuestInternal},
	{name: "end: trap", weight: 6, step: actorstest.S("trap"), code: abi.CodeActorTrapped},
	{name: "end: exit", weight: 3, step: actorstest.S("exit"), code: abi.CodeActorTrapped},
	{name: "end: out of gas", weight: 10, step: actorstest.S("loop"), code: abi.CodeGasExhausted, child: true},
}

// end draws the turn's end.
func (d *draft) end() ending {
	e := draw(d.w, endings, func(e ending) int {
		if e.child && !d.self.child {
			return 0
		}
		return e.weight
	})
	d.w.counts[e.name]++
	if e.step.Op != "" {
		d.add(e.step, outcome{})
	}
	return e
}

// planTurn is a scripted turn with many steps.
func planTurn(w *world) *job {
	a := w.pick(alive(scripted))
	if a == nil {
		return nil
	}
	d := &draft{w: w, self: a, data: a.data.clone(), aside: map[*actor]*data{}}
	if a.hermit && a.failed {
		w.counts["reload"]++
		d.add(actorstest.S("turn"), outcome{any: true, has: `"reload":true`})
	}
	d.mark()
	d.fill(stepKinds, 8+w.rnd.Intn(32))
	e := d.end()
	j := &job{order: scriptOrder(a, d.steps), aside: d.aside, turn: a, fails: e.code != 0}
	if e.code == 0 {
		j.after, j.sends = map[*actor]*data{a: d.data}, d.sends
	}
	j.check = func(got answer) error { return d.compare(e, got) }
	if w.killing || w.chance(4) {
		j.once(w, e.code == 0 || e.code == abi.CodeUser)
	}
	return j
}

// mark writes the turn's number down, so that a turn which is done shows.
func (d *draft) mark() {
	d.w.serial++
	n := fmt.Sprint(d.w.serial)
	d.data.kv["turn"] = n
	d.add(actorstest.S("kv_put", "turn", n), outcome{})
}

// compare fails unless the answer is that of the draft.
func (d *draft) compare(e ending, got answer) error {
	if got.Code != e.code || e.code == abi.CodeUser && got.Name != e.user {
		return fmt.Errorf("answered %s %s (%s), want %s %s", got.Code, got.Name, got.Text, e.code, e.user)
	}
	if e.code != 0 {
		return nil
	}
	var list []actorstest.Outcome
	if err := json.Unmarshal([]byte(got.Output), &list); err != nil || len(list) != len(d.want) {
		return fmt.Errorf("answered %s to %d steps, %v", got.Output, len(d.want), err)
	}
	for i, o := range list {
		want := d.want[i]
		if want.any && strings.Contains(o.B, want.has) {
			continue
		}
		if want.any || o.N != want.N || o.B != want.B {
			return fmt.Errorf("step %d, %s %q %v, gave %d %q %s, want %+v", i, d.steps[i].Op, d.steps[i].B, d.steps[i].N, o.N, o.B, o.Error, want)
		}
	}
	return nil
}

// document is what a script with these outcomes answers.
func document(want []outcome) string {
	list := make([]struct {
		N int64  `json:"n"`
		B string `json:"b,omitempty"`
	}, len(want))
	for i, o := range want {
		list[i].N, list[i].B = o.N, o.B
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}
