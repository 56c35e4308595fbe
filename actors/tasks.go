package actors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// A task is work whose outcome is a turn:
//
//  1. the delta of the turn that begins it holds an agenda row, and a row of what is to be sent;
//  2. once it is durable a courier does the work, outside any turn, and brings the outcome to the actor as a
//     turn of its own, whose delta also deletes the rows: the effect is there once;
//  3. if that turn fails, the row says so and when to try again, with the outcome that is still in memory.
//
// A process that ends between 1 and 2 begins the work again at its next start, under the same id. What the
// work did elsewhere may so happen twice: at least once.

// task is the body of a task's agenda row.
type task struct {
	Kind     string            `json:"kind"` // fetch, call or timer
	Fetch    *abi.FetchRequest `json:"fetch,omitempty"`
	Module   string            `json:"module,omitempty"` // of the fetch, and its version: what they may reach
	Version  int               `json:"version,omitempty"`
	Target   *abi.Target       `json:"target,omitempty"`
	Action   string            `json:"action,omitempty"`
	Size     int               `json:"size,omitempty"` // of the body, in a row of its own
	Context  []byte            `json:"context,omitempty"`
	Request  uint64            `json:"request,omitempty"`  // that the task was begun for
	Deadline int64             `json:"deadline,omitempty"` // of it, ms since 1970; zero if it has none
	Subject  string            `json:"subject,omitempty"`  // lineage
	Sender   string            `json:"sender,omitempty"`
	Origin   string            `json:"origin,omitempty"`
	Chain    []taskLink        `json:"chain,omitempty"`
	Gas      int64             `json:"gas,omitempty"`      // that is left of the request's
	Life     uint64            `json:"life"`               // of the actor, in which the work began
	Restarts int               `json:"restarts,omitempty"` // lives before it
	Attempts int               `json:"attempts,omitempty"` // turns that failed
	Error    string            `json:"error,omitempty"`    // of the last one
}

type taskLink struct {
	ID   string `json:"id"`
	Wait uint64 `json:"wait,omitempty"`
}

// The kinds of tasks.
const (
	taskFetch = "fetch"
	taskCall  = "call"
	taskTimer = "timer"
)

func init() {
	agendaWorks[agendaTask] = (*actor).doTask
	revivers["task"] = reviveTask
}

func taskKey(id string) []byte     { return agendaKey(agendaTask, []byte(id)) }
func taskBodyKey(id string) []byte { return tableKey(tableTaskBody, []byte(id)) }

// StartFetch implements hostfuncs.Tasks.
func (t *turn) StartFetch(request, body, context []byte) (string, error) {
	f, _, err := t.fetchRequest(request, body)
	if err != nil {
		return "", err
	}
	if len(body) > maxTaskBody {
		return "", abi.Errorf(abi.CodeBodyTooLarge, "the body of a task is larger than %d bytes", maxTaskBody)
	}
	v := t.a.version
	return t.startTask(&task{Kind: taskFetch, Fetch: &f, Module: v.Module, Version: v.Number}, body, context, t.now)
}

// maxTaskBody bounds what a task keeps to send, in bytes: it is one value of the store.
const maxTaskBody = 4 << 20

// StartCall implements hostfuncs.Tasks. The target is looked for, and made, when the call is.
func (t *turn) StartCall(target []byte, action string, args, context []byte) (string, error) {
	var to abi.Target
	switch {
	case t.startup:
		return "", errStartup
	case !isList(args):
		return "", errArgs
	case len(args) > abi.MaxArgs, len(target) > abi.MaxArgs:
		return "", abi.Errorf(abi.CodeBodyTooLarge, "the arguments are larger than %d bytes", abi.MaxArgs)
	case len(t.entry.chain) >= abi.MaxCallDepth:
		return "", abi.Errorf(abi.CodeCallDepth, "a chain of calls has at most %d actors", abi.MaxCallDepth)
	}
	if err := t.countCall(); err != nil {
		return "", err
	}
	if err := decodeStrict(target, &to); err != nil {
		return "", abi.Errorf(abi.CodeInvalidArgument, "the target is not one: %s", clip(err.Error()))
	}
	if to.ID == "" {
		if _, err := t.address(to.Name, to.Key); err != nil {
			return "", err
		}
	}
	to.Input = bytes.Clone(to.Input)
	return t.startTask(&task{Kind: taskCall, Target: &to, Action: action}, args, context, t.now)
}

// StartTimer implements hostfuncs.Tasks.
func (t *turn) StartTimer(ms int64, context []byte) (string, error) {
	if ms < 0 || ms > abi.MaxScheduleAhead*24*time.Hour.Milliseconds() {
		return "", abi.Errorf(abi.CodeInvalidArgument, "a timer takes 0 ms to %d days", abi.MaxScheduleAhead)
	}
	return t.startTask(&task{Kind: taskTimer}, nil, context, t.now.Add(time.Duration(ms)*time.Millisecond))
}

// startTask adds a task to the turn. What it is begun for travels with it.
func (t *turn) startTask(k *task, body, context []byte, due time.Time) (string, error) {
	switch {
	case t.startup:
		return "", errStartup
	case t.a.version.Plain:
		return "", abi.Errorf(abi.CodeNotSupported, "a module without a manifest has no turn for a task's outcome")
	case len(context) > abi.MaxTaskContext:
		return "", abi.Errorf(abi.CodeInvalidArgument, "a task's context is larger than %d bytes", abi.MaxTaskContext)
	case t.dueRows(agendaTask) >= abi.MaxTasks:
		return "", &abi.Error{Code: abi.CodeTooManyTasks, Retry: time.Second}
	}
	var random [16]byte
	t.Random(random[:])
	id := hex.EncodeToString(random[:])
	k.Size, k.Context, k.Life = len(body), bytes.Clone(context), t.a.generation()
	t.hand(k)
	row, err := json.Marshal(k)
	if err != nil {
		return "", abi.Errorf(abi.CodeInvalidArgument, "the task cannot be written down: %s", clip(err.Error()))
	}
	if len(body) > 0 {
		if err := t.put(taskBodyKey(id), body); err != nil {
			return "", err
		}
	}
	if err := t.dueRow(agendaTask, []byte(id), due, row); err != nil {
		t.changes.Delete(taskBodyKey(id)) // the guest is told that there is no task
		return "", err
	}
	return id, nil
}

// hand writes into a task whom it is begun for.
func (t *turn) hand(k *task) {
	from := t.entry
	k.Request, k.Subject, k.Origin = t.request(), from.subject, from.origin
	if from.sender != (tenants.ActorID{}) {
		k.Sender = from.sender.String()
	}
	for _, l := range from.chain {
		k.Chain = append(k.Chain, taskLink{l.id.String(), l.wait})
	}
	if from.limit > 0 {
		k.Gas = max(1, from.limit-from.gas())
	}
	r := from.request
	if from.inner {
		r = t.a.requests.get(t.served)
	}
	if r != nil && (from.outside || from.inner) && !r.parts.begun() {
		k.Deadline = r.deadline.UnixMilli()
	}
}

// lineage is the inverse of hand. Waits of another process mean nothing.
func (k *task) lineage(a *actor) lineage {
	l := lineage{subject: k.Subject, origin: k.Origin, limit: k.Gas}
	l.sender, _ = tenants.ParseActorID(a.id.Namespace, k.Sender)
	for _, c := range k.Chain {
		if id, ok := tenants.ParseActorID(a.id.Namespace, c.ID); ok {
			if k.Life>>32 != a.lease.Epoch.Boot {
				c.Wait = 0
			}
			l.chain = append(l.chain, link{id, c.Wait})
		}
	}
	return l
}

// CancelTask implements hostfuncs.Tasks.
func (t *turn) CancelTask(id string) (bool, error) {
	if len(id) > 64 {
		return false, nil
	}
	_, ok, err := t.get(taskKey(id))
	if err != nil || !ok {
		return false, err
	}
	if err := t.dropRow(agendaTask, []byte(id)); err != nil {
		return false, err
	}
	t.changes.Delete(taskBodyKey(id))
	t.after(func() { t.a.couriers.cancel(id) })
	return true, nil
}

// readTask returns a task as the turn sees it; nil if it has ended.
func (t *turn) readTask(id string) (*task, error) {
	row, ok, err := t.get(taskKey(id))
	if err != nil || !ok {
		return nil, err
	}
	_, body, err := cutAgendaRow(row)
	if err != nil {
		return nil, err
	}
	return decodeTask(id, body)
}

func decodeTask(id string, body []byte) (*task, error) {
	k := new(task)
	if err := json.Unmarshal(body, k); err != nil {
		return nil, fmt.Errorf("actors: task %s: %w", id, kv.ErrCorrupt)
	}
	return k, nil
}

// writeTask changes a task's row. It is the host's, and not counted against what the guest may write.
func (t *turn) writeTask(id string, k *task, due time.Time) error {
	row, err := json.Marshal(k)
	if err == nil {
		t.changes.Put(taskKey(id), agendaRow(due, row))
	}
	return err
}

// endTask deletes a task's rows.
func (t *turn) endTask(id string) {
	if t.hasRow(taskKey(id)) {
		t.grow(agendaTask, -1)
	}
	t.changes.Delete(taskKey(id))
	t.changes.Delete(taskBodyKey(id))
}

// outcome is one turn of a task.
type outcome struct {
	id       string
	envelope []byte
	last     bool        // the task ends with it
	ran      bool        // the guest had it, whatever came of it; read once the turn is answered
	free     func()      // gives its memory back
	kept     atomic.Bool // the actor has it, and frees it
}

// outcomeEntry is the turn that brings an outcome to the guest.
func (h *Host) outcomeEntry(o *outcome, l lineage) *entry {
	e := newEntry(entryTurn, h.deadline(), nil)
	e.inner, e.lineage = true, l
	e.run = func(t *turn) (Reply, error) {
		k, err := t.readTask(o.id)
		if err != nil || k == nil {
			return Reply{}, err // it was cancelled
		}
		t.a.requests.expire()
		if r := t.a.requests.get(k.Request); r != nil {
			t.served = k.Request
			defer func() { r.used.Add(e.gas()) }()
		}
		if o.last {
			t.endTask(o.id)
		}
		o.ran = true
		return t.runTask(o, k)
	}
	if e.writes = o.last; o.last {
		e.settle = func(t *turn, failure error) error { return t.taskFailed(o, failure) }
	}
	return e
}

// runTask runs the guest's turn of a task.
func (t *turn) runTask(o *outcome, k *task) (Reply, error) {
	if t.a.version.Plain {
		return Reply{}, nil // of a module that had a manifest once
	}
	if r, err := abi.ParseReply(o.envelope); err == nil && r.Status == abi.StatusHost {
		t.told = &abi.Error{Code: r.Code, Message: r.Message}
		if len(r.Metadata) > 0 {
			t.told.Metadata = json.RawMessage(r.Metadata)
		}
	}
	head, err := json.Marshal(abi.Task{ID: o.id, Kind: k.Kind, Attempt: 1 + k.Restarts + k.Attempts})
	if err != nil {
		return Reply{}, err
	}
	return t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindTask, Args: o.envelope, Head: head, Context: k.Context}})
}

// taskFailed writes what becomes of a task whose turn failed: it is tried again, or given up.
func (t *turn) taskFailed(o *outcome, failure error) error {
	k, err := t.readTask(o.id)
	if err != nil || k == nil {
		return err
	}
	k.Attempts++
	if k.Attempts < abi.MaxAttempts {
		o.kept.Store(t.a.outcomes.keep(o.id, o.envelope, o.free))
	}
	t.a.couriers.cancel(o.id) // so that the next attempt can have one
	k.Error = clip(abi.AsError(failure).PublicMessage())
	if k.Attempts < abi.MaxAttempts {
		return t.writeTask(o.id, k, t.now.Add(backoff(k.Attempts)))
	}
	return t.buryTask(o.id, k)
}

// buryTask gives a task up, and ends it.
func (t *turn) buryTask(id string, k *task) error {
	t.a.log("error", "host", fmt.Sprintf("the task %s (%s) was given up: %s", id, k.Kind, k.Error))
	body, _, err := t.get(taskBodyKey(id))
	if err != nil {
		return err
	}
	t.endTask(id)
	l := &letter{DeadLetter: abi.DeadLetter{Kind: "task", Name: k.Kind, Error: k.Error, Attempts: k.Attempts}}
	if isJSON(k.Context) {
		l.Body = k.Context
	}
	if len(body) <= maxDeadBody {
		l.Revive = encode(deadTask{*k, body})
	}
	return t.bury(l)
}

// deadTask is what it takes to begin a task again that is a dead letter.
type deadTask struct {
	Task task   `json:"task"`
	Body []byte `json:"body,omitempty"`
}

// maxDeadBody bounds what a dead letter keeps of what its task was to send; one with more cannot be tried again.
const maxDeadBody = 64 << 10

// reviveTask begins the work of a dead letter again, as a task of its own: nobody waits for it any more.
func reviveTask(t *turn, l *letter) error {
	if l.Revive == nil {
		return abi.Errorf(abi.CodeNotSupported, "what the task was to send is larger than %d bytes and was not kept", maxDeadBody)
	}
	var d deadTask
	if json.Unmarshal(l.Revive, &d) != nil {
		return kv.ErrCorrupt
	}
	k := d.Task
	k.Request, k.Deadline, k.Gas, k.Restarts, k.Attempts, k.Error, k.Chain = 0, 0, 0, 0, 0, "", nil
	_, err := t.startTask(&k, d.Body, k.Context, t.now)
	return err
}

// outcomes are those of tasks whose turn failed, until it is tried again: a fetch is then not made twice.
// They belong to the actor's goroutine.
type outcomes struct {
	of    map[string]kept
	bytes int
}

// kept is one of them.
type kept struct {
	envelope []byte
	free     func() // gives its memory back
}

// keep remembers an outcome. It reports false if there is no room: the work is then done again.
func (o *outcomes) keep(id string, envelope []byte, free func()) bool {
	if o.bytes+len(envelope) > maxKept || o.of[id].envelope != nil {
		return false
	}
	if free == nil { // that of a stream, which takes no room
		free = func() {}
	}
	if o.of == nil {
		o.of = map[string]kept{}
	}
	o.of[id] = kept{envelope, free}
	o.bytes += len(envelope)
	return true
}

// maxKept bounds what an actor remembers so, in bytes.
const maxKept = abi.MaxFetchBody + 256<<10

// take forgets an outcome and returns it, nil if there is none, and what gives its memory back.
func (o *outcomes) take(id string) ([]byte, func()) {
	k, ok := o.of[id]
	if !ok {
		return nil, func() {}
	}
	o.bytes -= len(k.envelope)
	delete(o.of, id)
	return k.envelope, k.free
}

// keepOnly forgets those of tasks that have ended.
func (o *outcomes) keepOnly(lives func(id string) bool) {
	for id := range o.of {
		if !lives(id) {
			_, free := o.take(id)
			free()
		}
	}
}

// drop forgets all of them.
func (o *outcomes) drop() {
	for id := range o.of {
		_, free := o.take(id)
		free()
	}
}
