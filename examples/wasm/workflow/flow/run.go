package flow

import (
	"encoding/json"
	"errors"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Run is what a workflow's function has in its hands. Steps are known by their names, which must differ; a
// later version of the module may add steps anywhere and leave out some, but a name keeps its meaning. An
// error that a step returns is to be returned, unless the workflow knows another way on.
type Run struct {
	c     *ctx
	fault error // of the host; it fails the turn and not the workflow
}

// errPaused ends a run of the function at a step that is not done.
var errPaused = errors.New("flow: the step is not done yet")

// Input decodes what the workflow was begun with.
func (r *Run) Input(v any) error { return json.Unmarshal(r.c.State.Input, v) }

// Call calls an action of a service with the step's key and arg. undo is the action that takes it back,
// given the key; empty if nothing can. result may be nil. What fails is tried again with growing pauses;
// what the service refuses is not.
func (r *Run) Call(name string, to guest.Ref, action, undo string, arg, result any) error {
	return r.step(name, result, func(s *Step) error {
		b, err := json.Marshal(arg)
		if err != nil {
			return err
		}
		s.Do, s.Undo = &Call{to, action, b}, undo
		return try(r.c, s, false)
	})
}

// Sleep waits. The actor sleeps meanwhile, too.
func (r *Run) Sleep(name string, d time.Duration) error {
	return r.step(name, nil, func(s *Step) error { return r.timer(s, d) })
}

// Wait waits for an event that somebody brings with the action signal, and fails if it takes too long.
func (r *Run) Wait(name string, atMost time.Duration, v any) error {
	return r.step(name, v, func(s *Step) error {
		s.Event = true
		if value, ok := r.c.State.Inbox[name]; ok {
			delete(r.c.State.Inbox, name)
			s.Done, s.Result = true, value
			return nil
		}
		return r.timer(s, atMost)
	})
}

func (r *Run) timer(s *Step, d time.Duration) (err error) {
	s.Timer, err = r.c.Start("time", guest.TimerTask(d), Try{Step: s.Name, Attempt: s.Attempt})
	return err
}

// step gives the result of a step that is done, and begins one that the journal does not have.
func (r *Run) step(name string, result any, begin func(*Step) error) error {
	s := find(r.c, name)
	if s == nil {
		s = &Step{Name: name, Attempt: 1}
		if r.fault = begin(s); r.fault != nil {
			return r.fault
		}
		r.c.State.Journal = append(r.c.State.Journal, s)
	}
	switch {
	case !s.Done:
		return errPaused
	case s.Error != "":
		return errors.New(name + ": " + s.Error)
	case result == nil || len(s.Result) == 0:
		return nil
	}
	return json.Unmarshal(s.Result, result)
}
