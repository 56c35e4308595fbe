package model

import (
	"fmt"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// job is one order with what must come of it. The actors that it touches are no other job's of the batch.
type job struct {
	name  string
	order order
	check func(answer) error // is the answer right?
	// after has what the actors hold that the job touches, when it is done; nil for one that is no more. It
	// leaves out what it does not touch.
	after map[*actor]*data
	// aside has what stays even if the job's own turn is not done, or fails: what it called.
	aside map[*actor]*data
	sends []send
	keep  bool   // it has an idempotency key, and may be repeated later
	turn  *actor // whose scripted turn it is, and whether that fails
	fails bool
}

// send is what an actor does in a later turn, once: a message of another, mostly.
type send struct {
	from  string // id of who sent it, or another name of the item in which it writes it down
	to    string // id
	n     int    // of the pair; zero if it is none
	line  string // that it writes, if it is not n
	fails bool   // and leaves nothing
}

func (s send) written() string {
	if s.line != "" {
		return s.line
	}
	return fmt.Sprint(s.n)
}

// anyOrder begins the names of items to which many write, in no order that is known.
const anyOrder = "~"

// jobKind makes jobs. plan returns nil if there is nothing to do now.
type jobKind struct {
	name   string
	weight int
	plan   func(w *world) *job
}

// jobKinds are all kinds of jobs that run beside each other.
var jobKinds = []jobKind{
	{"turn", 100, planTurn},
	{"counter", 8, planCounter},
	{"plain", 8, planPlain},
	{"create", 12, planCreate},
	{"destroy", 3, planDestroy},
	{"repeat", 6, planRepeat},
	{"repeat with other arguments", 2, planMismatch},
	{"stranger", 2, planStranger},
}

// planJob draws a job; nil if nothing can be done beside what is planned already.
func (w *world) planJob() *job {
	k := draw(w, jobKinds, func(k jobKind) int { return k.weight })
	j := k.plan(w)
	if j == nil {
		return nil
	}
	if j.name = k.name; k.name != "turn" { // of a turn its steps and its end count
		w.counts["job: "+k.name]++
	}
	return j
}

// draw returns one of a list by weight.
func draw[T any](w *world, list []T, weight func(T) int) T {
	total := 0
	for _, one := range list {
		total += weight(one)
	}
	n := w.rnd.Intn(total)
	for _, one := range list {
		if n -= weight(one); n < 0 {
			return one
		}
	}
	panic("not reached")
}

// planBatch draws up to n jobs that can run at once.
func (w *world) planBatch(n int) (batch []*job) {
	clear(w.touched)
	for range n {
		if j := w.planJob(); j != nil {
			batch = append(batch, j)
		}
	}
	return batch
}

// take makes what a job does the model's. got was the answer, which a record keeps up to some size.
func (w *world) take(j *job, got answer) {
	w.turns++
	w.apply(j.aside)
	w.apply(j.after)
	w.deliver(j.sends)
	if j.turn != nil {
		j.turn.failed = j.fails
	}
	if j.keep {
		check := j.check
		if len(got.Output) > abi.MaxIdempotencyBody || got.Code == abi.CodeAlreadyDone {
			check = alreadyDone
		}
		w.done = append(w.done, repeatable{j.order, check, w.serial})
	}
}

func (w *world) apply(changes map[*actor]*data) {
	for a, d := range changes {
		switch {
		case d == nil:
			a.id, a.failed = noID, false
		case a.data != nil:
			d.got = a.data.got // sends of the batch may have come since d was planned
		}
		a.data = d
	}
}

// get notes that a send is to be done. Others may hold the list that it extends.
func (d *data) get(s send) { d.got[s.from] = append(slices.Clone(d.got[s.from]), s.written()) }

// deliver notes what receivers must have got.
func (w *world) deliver(sends []send) {
	for _, s := range sends {
		if from := w.byID(s.from); from != nil {
			from.data.sent[s.to] = s.n
		}
		if to := w.byID(s.to); to != nil && !s.fails {
			to.data.get(s)
		}
	}
}
