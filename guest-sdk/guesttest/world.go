package guesttest

import (
	"encoding/json"
	"errors"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Send is a message to another actor: to an action with arguments, or to a queue with a body.
type Send struct {
	To            guest.Ref
	Action, Queue string
	Body          json.RawMessage // the list of arguments, or the body
}

// Sends returns what left for other actors since the last call of it.
func (a *Actor) Sends() []Send {
	var sends []Send
	for _, s := range a.host.Sends {
		sends = append(sends, Send{guest.Ref(s.To), s.Action, s.Queue, s.Body})
	}
	a.host.Sends = nil
	return sends
}

// Other is an actor that the actor under test made.
type Other struct {
	guest.ActorInfo
	Input     json.RawMessage
	Child     bool
	Limits    abi.ChildLimits
	Destroyed bool
}

// Others returns the actors that the actor made, oldest first.
func (a *Actor) Others() []Other {
	var others []Other
	for _, o := range a.host.Others {
		others = append(others, Other{o.ActorInfo, o.Input, o.Child, o.Limits, o.Gone})
	}
	return others
}

// SetUsage says what a child has used, by its id.
func (a *Actor) SetUsage(id string, u guest.ChildUsage) {
	for i := range a.host.Others {
		if o := &a.host.Others[i]; o.ID == id {
			o.Usage = u
		}
	}
}

// Upload is a module that the actor uploaded.
type Upload = memhost.Upload

// Uploads returns the modules that the actor uploaded.
func (a *Actor) Uploads() []Upload { return a.host.Uploads }

// Task is work that the actor began and that has not ended.
type Task struct {
	ID      string
	Kind    string      // fetch, call or timer
	Fetch   guest.Fetch // of a fetch
	To      guest.Ref   // of a call
	Action  string
	Args    json.RawMessage
	Due     time.Time // of a timer
	Attempt int
}

// Tasks returns the actor's tasks, oldest first.
func (a *Actor) Tasks() []Task {
	var tasks []Task
	for _, t := range a.host.Tasks {
		tasks = append(tasks, Task{
			ID: t.ID, Kind: t.Kind, Fetch: fetch(t.Fetch, t.Body), To: guest.Ref(t.To), Action: t.Action, Args: t.Args,
			Due: time.UnixMilli(t.Due), Attempt: t.Attempt,
		})
	}
	return tasks
}

// Complete ends a task with an outcome: a *guest.Response for a fetch, an error, or the result of a
// call. A handler that fails is tried abi.MaxAttempts times, then the outcome is dead; the error is the
// last one. Timers end by Advance.
func (a *Actor) Complete(id string, outcome any) error {
	r := reply(outcome)
	return a.end(id, &r)
}

// Part gives a task a part of a streamed answer. Complete brings the last one.
func (a *Actor) Part(id string, part *guest.Response) error {
	t, ok := a.host.End(id)
	if !ok {
		return errNoTask
	}
	a.host.Tasks = append(a.host.Tasks, t)
	r := reply(part)
	r.Status = abi.StatusOpen
	return a.outcome(&t, &r)
}

var errNoTask = errors.New("guesttest: no such task")

func (a *Actor) end(id string, r *abi.Reply) (err error) {
	t, ok := a.host.End(id)
	if !ok {
		return errNoTask
	}
	for t.Attempt = 1; t.Attempt <= abi.MaxAttempts; t.Attempt++ {
		if err = a.outcome(&t, r); err == nil {
			return nil
		}
	}
	a.bury("task", t.ID, t.Kind, nil, err)
	return err
}

func (a *Actor) outcome(t *memhost.Task, r *abi.Reply) error {
	return a.turn(&abi.Turn{Kind: abi.KindTask, Args: abi.AppendReply(nil, r), Head: document(t.Task), Context: t.Context})
}

// timer returns the timer that is due first, not after a moment.
func (a *Actor) timer(until int64) (first memhost.Task, ok bool) {
	for _, t := range a.host.Tasks {
		if t.Kind == "timer" && t.Due <= until && (!ok || t.Due < first.Due) {
			first, ok = t, true
		}
	}
	return first, ok
}

func (a *Actor) answerCall(to abi.Target, action string, args []byte) abi.Reply {
	if a.OnCall == nil {
		return reply(&abi.Error{Code: abi.CodeActorNotFound})
	}
	var list []json.RawMessage
	if err := json.Unmarshal(args, &list); err != nil {
		return reply(err)
	}
	v, err := a.OnCall(guest.Ref(to), action, list)
	if err != nil {
		return reply(err)
	}
	return reply(v)
}

func (a *Actor) answerFetch(r abi.FetchRequest, body []byte) abi.Reply {
	if a.OnFetch == nil {
		return reply(&abi.Error{Code: abi.CodeFetchFailed})
	}
	answer, err := a.OnFetch(fetch(r, body))
	if err != nil {
		return reply(err)
	}
	return reply(answer)
}

func fetch(r abi.FetchRequest, body []byte) guest.Fetch {
	return guest.Fetch{
		Method: r.Method, URL: r.URL, Header: r.Header, Secrets: r.Secrets, Body: body,
		Timeout: time.Duration(r.Timeout) * time.Millisecond, Stream: r.Stream,
	}
}

// reply is how the other side's outcome travels.
func reply(outcome any) abi.Reply {
	switch v := outcome.(type) {
	case nil:
		return abi.Reply{}
	case *guest.Response:
		return abi.Reply{Result: v.Body, Head: document(abi.ResponseHead{Status: v.Status, Header: v.Header})}
	case error:
		return failed(v)
	}
	return abi.Reply{Result: document(outcome)}
}

func failed(err error) abi.Reply {
	var ue *guest.Error
	var he *abi.Error
	switch {
	case errors.As(err, &ue):
		r := abi.Reply{Status: abi.StatusUser, Name: ue.Code, Message: ue.Message}
		if ue.Metadata != nil {
			r.Metadata = document(ue.Metadata)
		}
		return r
	case errors.As(err, &he):
		return abi.Reply{Status: abi.StatusHost, Code: he.Code, Message: he.PublicMessage()}
	}
	return abi.Reply{Status: abi.StatusHidden, Message: err.Error()}
}

// Answer calls an action as another actor does: it is an OnCall for one that knows only this one, and
// that is of another name, since the two are in a turn at once.
func (a *Actor) Answer(_ guest.Ref, action string, args []json.RawMessage) (any, error) {
	caller, sender := a.Caller, a.Sender
	a.Caller, a.Sender = "", "another"
	defer func() { a.Caller, a.Sender = caller, sender }()
	list := make([]any, len(args))
	for i, v := range args {
		list[i] = v
	}
	var result json.RawMessage
	if err := a.Call(&result, action, list...); err != nil || result == nil {
		return nil, err
	}
	return result, nil
}
