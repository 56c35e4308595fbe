package guest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Tasks take the outcomes of tasks, by name. A task is work that goes on while the actor does other
// things, or sleeps: it begins when its turn is durable, and its outcome is a later turn. It survives
// a restart, then perhaps doing its work twice. An outcome whose turn fails is given again,
// abi.MaxAttempts times in all.
type Tasks map[string]TaskHandler

// TaskHandler takes the outcomes of one kind of task; [Task] makes it.
type TaskHandler interface {
	// bindTask puts an actor's *Ctx into the handler, or reports that it is written for another.
	bindTask(c any) (boundTask, bool)
}

// boundTask is a handler with its actor's Ctx; see boundQueue.
type boundTask struct {
	value reflect.Type
	run   func(t *abi.Turn, value []byte) error
}

// Task makes a handler. v is the value that Start was given, through JSON. As it outlives the version
// of the module that gave it, T should be able to read what earlier versions wrote.
func Task[S, T any](f func(c *Ctx[S], v T, r *Result) error) TaskHandler {
	return &task[S]{reflect.TypeFor[T](), func(c *Ctx[S], value []byte, r *Result) error {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return fmt.Errorf("value of task %s does not fit %T: %w", r.ID, v, err)
		}
		return f(c, v, r)
	}}
}

// task is a TaskHandler for actors whose state is an S.
type task[S any] struct {
	value reflect.Type
	run   func(c *Ctx[S], value []byte, r *Result) error
}

func (t *task[S]) bindTask(c any) (boundTask, bool) {
	ctx, ok := c.(*Ctx[S])
	return boundTask{t.value, func(turn *abi.Turn, value []byte) error {
		r, err := resultOf(turn)
		if err != nil {
			return err
		}
		return t.run(ctx, value, r)
	}}, ok
}

// Work is what a task does: a [Fetch], a [CallTask] or a [TimerTask].
type Work interface {
	start(c *env, context []byte) (id []byte, err error)
}

// Start begins a task. Its outcome goes to the Def's handler of that name, with value, which JSON must
// be able to encode, at most abi.MaxTaskContext bytes with the name. The id is for CancelTask.
func (c *env) Start(handler string, w Work, value any) (id string, err error) {
	if _, ok := c.hooks.tasks[handler]; !ok {
		return "", fmt.Errorf("guest: the actor has no handler of tasks %q", handler)
	}
	b, err := marshal(value)
	if err != nil {
		return "", err
	}
	// The context is name, NUL, value: a name has no NUL, see addHandlers.
	context := append(append([]byte(handler), 0), b...)
	task, err := w.start(c, context)
	return string(task), err
}

// CancelTask ends a task whose outcome is not wanted any more, and reports whether there was one.
func (c *env) CancelTask(id string) (bool, error) {
	n, err := c.host.TaskCancel(id)
	return n == 1, err
}

// TimerTask returns work that is to wait.
func TimerTask(d time.Duration) Work { return timer(d) }

type timer time.Duration

func (t timer) start(c *env, context []byte) ([]byte, error) {
	return c.host.TaskTimer(max(0, time.Duration(t).Milliseconds()), context)
}

// CallTask returns work that calls an action of another actor. That one may call back meanwhile.
func CallTask(to Ref, action string, args ...any) Work { return &remote{to, action, args} }

type remote struct {
	to     Ref
	action string
	args   []any
}

func (r *remote) start(c *env, context []byte) ([]byte, error) {
	b, err := list(r.args)
	if err != nil {
		return nil, err
	}
	return c.host.TaskCall(r.to.document(), r.action, b, context)
}

// Result is the outcome of a task. It is valid until the turn ends.
type Result struct {
	ID      string // the task's, the same for each attempt
	Attempt int    // from 1

	reply abi.Reply
}

// Err says why the work failed, nil if it did not: a *Error if an action refused, otherwise an
// *abi.Error, such as abi.CodeFetchFailed. Any answer of a server is a success.
func (r *Result) Err() error { return failureOf(&r.reply) }

// More reports whether this is a part of a streamed answer with others to come.
func (r *Result) More() bool { return r.reply.Status == abi.StatusOpen }

// Decode decodes an action's result into what v points to, or returns Err. No result leaves v as it
// is.
func (r *Result) Decode(v any) error {
	if err := r.Err(); err != nil || len(r.reply.Result) == 0 {
		return err
	}
	return unmarshal(r.reply.Result, v)
}

// Response returns what a server answered, or Err.
func (r *Result) Response() (*Response, error) { return responseOf(&r.reply) }

// resultOf reads the outcome that the turn brings.
func resultOf(t *abi.Turn) (*Result, error) {
	d, err := head[abi.Task](t)
	if err != nil {
		return nil, err
	}
	r := &Result{ID: d.ID, Attempt: d.Attempt}
	r.reply, err = abi.ParseReply(t.Args)
	return r, err
}

func (h *hooks) runTask(t *abi.Turn) error {
	name, value, _ := strings.Cut(string(t.Context), "\x00")
	b, ok := h.tasks[name]
	if !ok {
		return fmt.Errorf("no handler of tasks %q", name)
	}
	return b.run(t, []byte(value))
}
