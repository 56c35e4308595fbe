package memhost

import (
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Task is work that the actor began and whose outcome the test plays. Which fields are set depends
// on Kind.
type Task struct {
	abi.Task
	Context []byte
	Fetch   abi.FetchRequest
	Body    []byte // of the fetch
	To      abi.Target
	Action  string
	Args    []byte
	Due     int64 // moment of a timer, milliseconds since 1970
}

func (h *Host) begin(kind string, t Task, context []byte) ([]byte, error) {
	switch {
	case len(context) > abi.MaxTaskContext:
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a task's context is up to %d bytes", abi.MaxTaskContext)
	case len(h.Tasks) >= abi.MaxTasks:
		return nil, &abi.Error{Code: abi.CodeTooManyTasks}
	}
	t.Task = abi.Task{ID: h.NewID("task"), Kind: kind, Attempt: 1}
	t.Context = slices.Clone(context)
	h.Tasks = append(h.Tasks, t)
	return []byte(t.ID), nil
}

// End removes a task and returns it, false if there is none with the id.
func (h *Host) End(id string) (Task, bool) {
	i := slices.IndexFunc(h.Tasks, func(t Task) bool { return t.ID == id })
	if i < 0 {
		return Task{}, false
	}
	t := h.Tasks[i]
	h.Tasks = slices.Delete(slices.Clone(h.Tasks), i, i+1)
	return t, true
}

// TaskFetch implements the operation task_fetch.
func (h *Host) TaskFetch(request, body, context []byte) ([]byte, error) {
	r, err := fetchRequest(request)
	if err != nil {
		return nil, err
	}
	return h.begin("fetch", Task{Fetch: r, Body: slices.Clone(body)}, context)
}

// TaskCall implements the operation task_call.
func (h *Host) TaskCall(to []byte, action string, args, context []byte) ([]byte, error) {
	t, err := target(to)
	if err != nil {
		return nil, err
	}
	return h.begin("call", Task{To: t, Action: action, Args: slices.Clone(args)}, context)
}

// TaskTimer implements the operation task_timer.
func (h *Host) TaskTimer(ms int64, context []byte) ([]byte, error) {
	if ms < 0 {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a timer of %d ms", ms)
	}
	return h.begin("timer", Task{Due: h.Time.UnixMilli() + ms}, context)
}

// TaskCancel implements the operation task_cancel.
func (h *Host) TaskCancel(id string) (int64, error) {
	_, ok := h.End(id)
	return one(ok), nil
}

// Fetch implements the operation fetch.
func (h *Host) Fetch(request, body []byte) ([]byte, error) {
	r, err := fetchRequest(request)
	if err != nil {
		return nil, err
	}
	if h.OnFetch == nil {
		return nil, &abi.Error{Code: abi.CodeEgressDenied}
	}
	answer := h.OnFetch(r, slices.Clone(body))
	return abi.AppendReply(nil, &answer), nil
}

func fetchRequest(b []byte) (r abi.FetchRequest, err error) {
	if err := json.Unmarshal(b, &r); err != nil || r.URL == "" {
		return r, abi.Errorf(abi.CodeInvalidArgument, "a fetch is JSON with a url")
	}
	return r, nil
}
