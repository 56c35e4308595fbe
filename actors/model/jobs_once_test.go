package model

import (
	"encoding/json"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// repeatable is a request with an idempotency key that is done.
type repeatable struct {
	order order
	check func(answer) error
	at    int // serial number of the model
}

// alreadyDone is what a repetition hears whose first answer was too large to keep.
var alreadyDone = wantCode(abi.CodeAlreadyDone, "already_done")

// onceAge is for how long the model repeats requests, in serial numbers; much less than the day for which the
// host remembers them.
const onceAge = 4000

// once gives the job an idempotency key; recorded says whether its answer is kept.
func (j *job) once(w *world, recorded bool) {
	w.serial++
	j.order.Once = fmt.Sprint("once ", w.serial)
	j.order.Caller = []string{"", "ada", "bob"}[w.rnd.Intn(3)]
	j.keep = recorded
}

// remembered draws a request that is done, of an actor that there is.
func (w *world) remembered() (r repeatable, ok bool) {
	if n := len(w.done); n > 300 {
		w.done = w.done[n-300:]
	}
	if len(w.done) == 0 {
		return r, false
	}
	r = w.done[w.rnd.Intn(len(w.done))]
	a := w.byID(r.order.ID)
	if a == nil || w.touched[a] || w.serial-r.at > onceAge {
		return r, false
	}
	w.touched[a] = true
	return r, true
}

// planRepeat repeats a request: the answer is the same, and nothing is done.
func planRepeat(w *world) *job {
	r, ok := w.remembered()
	if !ok {
		return nil
	}
	return &job{order: r.order, check: r.check}
}

// planMismatch asks for something else with a key that is used.
func planMismatch(w *world) *job {
	r, ok := w.remembered()
	if !ok {
		return nil
	}
	r.order.Args = json.RawMessage(`["something else"]`)
	return &job{order: r.order, check: wantCode(abi.CodeIdempotencyMismatch, "idempotency_mismatch")}
}
