// Package flow runs workflows in actors: a function whose steps are done one after the other over hours or
// weeks, whatever happens to the host meanwhile, and undone if one of them cannot be done.
//
// The function is run from its beginning in each turn. A step that the journal has is skipped and gives its
// result again; the first one that it does not have is begun as a task, and the function stops there. So it
// must come the same way each time: it may use its input and the results of steps, and no clock, no
// randomness and no variable besides. Journal and tasks are committed together, which is all that makes a
// workflow durable.
//
// Package flow leaves it to the services that steps call to do each key once: an outcome may be lost on its
// way, and then the step is called again with the same key.
package flow

import (
	"encoding/json"
	"errors"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is all that a workflow keeps.
type State struct {
	Status  Status                     `json:"status"`
	Error   string                     `json:"error,omitempty"` // why it is undone
	Input   json.RawMessage            `json:"input"`
	Journal []*Step                    `json:"journal"`         // begun steps, oldest first
	Inbox   map[string]json.RawMessage `json:"inbox,omitempty"` // events that nobody waits for yet
}

// Status says where a workflow is.
type Status string

// A workflow runs until it is done, or is being undone until it has failed.
const (
	Running Status = "running"
	Done    Status = "done"
	Undoing Status = "undoing"
	Failed  Status = "failed"
)

// Step is one line of the journal.
type Step struct {
	Name    string          `json:"name"`
	Do      *Call           `json:"do,omitempty"`    // nil for a sleep and for a wait
	Undo    string          `json:"undo,omitempty"`  // action that undoes Do, if there is one
	Event   bool            `json:"event,omitempty"` // it waits for an event
	Timer   string          `json:"timer,omitempty"` // task that ends a sleep or a wait
	Attempt int             `json:"attempt"`
	Done    bool            `json:"done"`
	Undone  bool            `json:"undone,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"` // it is done and has failed
}

// Call is an action of a service. It gets the step's key, then Arg.
type Call struct {
	To     guest.Ref       `json:"to"`
	Action string          `json:"action"`
	Arg    json.RawMessage `json:"arg"`
}

// Try is the value of a task: one attempt at a step, or at undoing it.
type Try struct {
	Step    string `json:"step"`
	Attempt int    `json:"attempt"`
	Undo    bool   `json:"undo,omitempty"`
}

const maxAttempts = 5 // at doing a step; undoing is tried until it succeeds

// backoff is how long to wait after an attempt.
func backoff(attempt int) time.Duration {
	return time.Second << min(2*(attempt-1), 12) // 1 s, 4 s, 16 s, ... at most 68 minutes
}

type ctx = guest.Ctx[State]

// Def makes an actor of a workflow: creating it, with the workflow's input, begins it.
func Def(workflow func(*Run) error) guest.Def[State] {
	e := engine{workflow}
	return guest.Def[State]{
		Create: guest.Create(func(c *ctx, input json.RawMessage) (State, error) {
			c.State = State{Status: Running, Input: input}
			err := e.advance(c)
			return c.State, err
		}),
		// The new version may have steps that the old one had not.
		Upgrade: func(c *ctx, u guest.Upgrade) error {
			if u.To < u.From {
				return nil
			}
			return e.advance(c)
		},
		Actions: guest.Actions{
			"status": guest.Action0(func(c *ctx) (State, error) { return c.State, nil }),
			"signal": guest.Do2(e.signal),
		},
		Tasks:  guest.Tasks{"tried": guest.Task(e.tried), "again": guest.Task(e.again), "time": guest.Task(e.time)},
		Events: []string{"status"},
	}
}

type engine struct{ workflow func(*Run) error }

// advance does what can be done now.
func (e engine) advance(c *ctx) error {
	if c.State.Status != Running {
		return nil
	}
	r := Run{c: c}
	err := e.workflow(&r)
	switch {
	case r.fault != nil:
		return r.fault
	case err == nil:
		c.State.Status = Done
	case errors.Is(err, errPaused):
		return nil
	default:
		c.State.Status, c.State.Error = Undoing, err.Error()
		if err := e.undo(c); err != nil {
			return err
		}
	}
	return c.Broadcast("status", c.State.Status, c.State.Error)
}

// undo begins to undo the newest step that can be. One that failed is undone, too: perhaps it only seemed to.
func (e engine) undo(c *ctx) error {
	for i := len(c.State.Journal) - 1; i >= 0; i-- {
		if s := c.State.Journal[i]; s.Undo != "" && !s.Undone {
			s.Attempt = 1
			return try(c, s, true)
		}
	}
	c.State.Status = Failed
	return c.Broadcast("status", c.State.Status, c.State.Error)
}

// try begins an attempt at a step.
func try(c *ctx, s *Step, undo bool) error {
	work := guest.CallTask(s.Do.To, s.Do.Action, c.ID()+"/"+s.Name, s.Do.Arg)
	if undo {
		work = guest.CallTask(s.Do.To, s.Undo, c.ID()+"/"+s.Name)
	}
	_, err := c.Start("tried", work, Try{s.Name, s.Attempt, undo})
	return err
}

// current returns the step that an outcome is about, nil if it is about none any more.
func current(c *ctx, t Try) *Step {
	s := find(c, t.Step)
	if s == nil || s.Attempt != t.Attempt || t.Undo != (c.State.Status == Undoing) || s.Done && !t.Undo {
		return nil
	}
	return s
}

func find(c *ctx, name string) *Step {
	for _, s := range c.State.Journal {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// tried takes the outcome of an attempt.
func (e engine) tried(c *ctx, t Try, r *guest.Result) error {
	s := current(c, t)
	if s == nil {
		return nil
	}
	var refused *guest.Error
	switch err := r.Err(); {
	case t.Undo && err == nil:
		s.Undone = true
		return e.undo(c)
	case err == nil:
		s.Done = true
		if err := r.Decode(&s.Result); err != nil {
			return err
		}
	case !t.Undo && (errors.As(err, &refused) || t.Attempt >= maxAttempts):
		s.Done, s.Error = true, err.Error()
	default:
		s.Attempt++
		_, err := c.Start("again", guest.TimerTask(backoff(t.Attempt)), Try{s.Name, s.Attempt, t.Undo})
		return err
	}
	return e.advance(c)
}

// again begins the next attempt.
func (e engine) again(c *ctx, t Try, _ *guest.Result) error {
	if s := current(c, t); s != nil {
		return try(c, s, t.Undo)
	}
	return nil
}

// time ends a sleep, or a wait that was too long.
func (e engine) time(c *ctx, t Try, _ *guest.Result) error {
	s := current(c, t)
	if s == nil {
		return nil
	}
	if s.Done = true; s.Event {
		s.Error = "nothing came in time"
	}
	return e.advance(c)
}

// signal brings an event, which may come before the workflow waits for it.
func (e engine) signal(c *ctx, name string, value json.RawMessage) error {
	s := find(c, name)
	if c.State.Status != Running || s != nil && (s.Done || !s.Event) {
		return guest.UserError("not_waiting", "the workflow does not wait for "+name)
	}
	if s == nil {
		if c.State.Inbox == nil {
			c.State.Inbox = map[string]json.RawMessage{}
		}
		c.State.Inbox[name] = value
		return nil
	}
	if _, err := c.CancelTask(s.Timer); err != nil {
		return err
	}
	s.Done, s.Result = true, value
	return e.advance(c)
}
