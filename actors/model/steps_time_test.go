package model

import (
	"fmt"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// timeSteps begin work that is done in a later turn: of a schedule, a queue message, a timer.
var timeSteps = []stepKind{
	{"equip", 6, equip},
	{"schedule_set", 5, scheduleOne},
	{"schedule_set and cancel", 2, scheduleNone},
	{"queue_send", 6, queueOne},
	{"task_timer", 4, timerOne},
	{"task_call", 2, taskCall},
}

// What turns of queues and tasks do is in an actor's own KV. It writes down the message, or the context.
var (
	onQueue = fmt.Sprintf("on/%d/jobs", abi.KindQueue)
	onTask  = fmt.Sprintf("on/%d", abi.KindTask)
)

// equip lets an actor take messages and outcomes.
func equip(d *draft) {
	if d.data.kv[onTask] != "" {
		return
	}
	d.data.kv[onQueue] = actorstest.Script(actorstest.S("append", sentItem+anyOrder+"queue", "$ARGS"))
	d.data.kv[onTask] = actorstest.Script(actorstest.S("append", sentItem+anyOrder+"task", "$CONTEXT"))
	d.add(actorstest.S("kv_put", onQueue, d.data.kv[onQueue]), outcome{})
	d.add(actorstest.S("kv_put", onTask, d.data.kv[onTask]), outcome{})
}

// equipped reports whether an actor took its equipment in an earlier turn: a turn that fails gives none.
func equipped(a *actor) bool { return a.data != nil && a.id != noID && a.data.kv[onTask] != "" }

// later notes that one more line is to appear in an item of an actor.
func (d *draft) later(to *actor, item, line string) {
	d.sends = append(d.sends, send{from: item, to: to.id.String(), line: line})
}

func (d *draft) schedule() (item string, s actorstest.Step) {
	d.w.serial++
	item = fmt.Sprint("schedule ", d.w.serial)
	spec := abi.Schedule{Action: "do", After: 1 + int64(d.w.rnd.Intn(60_000))} // zero would be none
	script := [][]actorstest.Step{{actorstest.S("append", sentItem+item, "1")}}
	return item, actorstest.S("schedule_set", spec, script)
}

func scheduleOne(d *draft) {
	if d.self.hermit {
		return
	}
	item, s := d.schedule()
	d.later(d.self, item, "1")
	d.add(s, outcome{any: true})
}

func scheduleNone(d *draft) {
	_, s := d.schedule()
	d.add(s, outcome{any: true})
	d.add(actorstest.S("schedule_cancel", "$LAST"), outcome{N: 1})
}

func queueOne(d *draft) {
	to := d.w.actors[d.w.rnd.Intn(len(d.w.actors))]
	if !equipped(to) || to.hermit || to.address.Namespace != d.self.address.Namespace {
		return
	}
	d.w.serial++
	d.later(to, anyOrder+"queue", fmt.Sprintf("[%d]", d.w.serial))
	d.add(actorstest.S("queue_send", abi.Target{ID: to.id.String()}, "jobs", fmt.Sprint(d.w.serial)), outcome{})
}

func timerOne(d *draft) {
	if !equipped(d.self) || d.self.hermit {
		return
	}
	d.w.serial++
	d.later(d.self, anyOrder+"task", fmt.Sprint(d.w.serial))
	d.add(actorstest.S("task_timer", d.w.rnd.Intn(60_000), fmt.Sprint(d.w.serial)), outcome{any: true})
}

// taskCall calls another actor without waiting for it. The call may be made twice, its outcome comes once.
func taskCall(d *draft) {
	to := d.w.actors[d.w.rnd.Intn(len(d.w.actors))]
	if !equipped(d.self) || d.self.hermit || to.hermit || !alive(scripted)(to) || to.id == noID || to.address.Namespace != d.self.address.Namespace {
		return
	}
	d.w.serial++
	d.later(d.self, anyOrder+"task", fmt.Sprint(d.w.serial))
	d.add(actorstest.S("task_call", abi.Target{ID: to.id.String()}, "nop", "[]", fmt.Sprint(d.w.serial)), outcome{any: true})
}
