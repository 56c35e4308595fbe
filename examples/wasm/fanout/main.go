// Fanout is the pattern "fan-out and fan-in": a coordinator starts a hundred workers, each works on a part,
// and the request is answered when all parts are in. Here the parts are ranges of numbers, in which the
// workers count primes.
//
// The workers are started as tasks. A task is begun, the turn ends, and so the coordinator is free: it takes
// other requests, and the workers call it back, each as soon as it is done. Were they called inside
// the turn, they would work one after the other, and calling back would be refused with
// actor/call_cycle.
//
// Use it for work that can be divided. Workers are actors and run on all cores; a part should be worth
// the turns that it costs: one in the worker, two in the coordinator. An actor has at most 256 tasks.
package main

import (
	"strconv"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is the coordinator's: the jobs that are not done, by number.
type State struct {
	Last int          `json:"last"`
	Jobs map[int]*Job `json:"jobs"`
}

// Job is one request.
type Job struct {
	Request guest.OpenRequest `json:"request"`
	Missing map[int]bool      `json:"missing"` // parts that are not in
	Primes  int               `json:"primes"`
}

// Part is a part of a job: the numbers from Lo to below Hi.
type Part struct {
	Job    int `json:"job"`
	Number int `json:"number"`
	Lo     int `json:"lo"`
	Hi     int `json:"hi"`
}

var _ = guest.Actor("coordinator", guest.Def[State]{
	Actions: guest.Actions{
		"primes": guest.Do2(primes),
		"report": guest.Do2(report),
	},
	Events: []string{"progress"},
	Tasks:  guest.Tasks{"worked": guest.Task(worked)},
})

var _ = guest.Actor("worker", guest.Def[struct{}]{
	Key:     []string{"coordinator", "number"},
	Actions: guest.Actions{"work": guest.Do(work)},
})

// primes counts the primes below a limit with so many workers. Its result is a number.
func primes(c *guest.Ctx[State], limit, workers int) error {
	if limit < 0 || limit > 10_000_000 || workers < 1 || workers > 100 {
		return guest.UserError("bad_job", "the limit is at most 10,000,000, and there are 1 to 100 workers")
	}
	c.State.Last++
	job := &Job{Request: c.KeepOpen(), Missing: map[int]bool{}}
	for i := range workers {
		job.Missing[i] = true
		part := Part{Job: c.State.Last, Number: i, Lo: limit * i / workers, Hi: limit * (i + 1) / workers}
		// The workers are kept and used again: making an actor costs more than a turn of it.
		worker := guest.To("worker", c.ID(), strconv.Itoa(i)).OrCreate(nil)
		if _, err := c.Start("worked", guest.CallTask(worker, "work", part), part); err != nil {
			return err
		}
	}
	if c.State.Jobs == nil {
		c.State.Jobs = map[int]*Job{}
	}
	c.State.Jobs[c.State.Last] = job
	return nil
}

// work is a worker's. What it calls back is the coordinator's own turn.
func work(c *guest.Ctx[struct{}], p Part) error {
	n := 0
	for i := max(p.Lo, 2); i < p.Hi; i++ {
		if prime(i) {
			n++
		}
	}
	return c.Call(guest.ToID(c.Sender()), "report", p, n)
}

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

// report takes a part's result. A task may do its work twice, when the host was killed meanwhile: a part
// that is in already changes nothing.
func report(c *guest.Ctx[State], p Part, primes int) error {
	if c.Sender() == "" {
		return guest.UserError("not_for_clients", "only workers report")
	}
	job := c.State.Jobs[p.Job]
	if job == nil || !job.Missing[p.Number] {
		return nil
	}
	job.Primes += primes
	delete(job.Missing, p.Number)
	if len(job.Missing) > 0 {
		return c.Broadcast("progress", p.Job, len(job.Missing))
	}
	return finish(c, p.Job, func(r guest.OpenRequest) error { return c.Reply(r, job.Primes) })
}

// worked is told how a worker's call ended. One that reported is none of its business.
func worked(c *guest.Ctx[State], p Part, r *guest.Result) error {
	err := r.Err()
	if err == nil || c.State.Jobs[p.Job] == nil {
		return nil
	}
	return finish(c, p.Job, func(r guest.OpenRequest) error { return c.ReplyError(r, err) })
}

// finish ends a job, and answers if somebody still waits.
func finish(c *guest.Ctx[State], number int, reply func(guest.OpenRequest) error) error {
	r := c.State.Jobs[number].Request
	delete(c.State.Jobs, number)
	if !c.RequestOpen(r) {
		return nil
	}
	return reply(r)
}

func main() {}
