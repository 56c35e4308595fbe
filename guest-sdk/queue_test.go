package guest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// jobs keeps what its queues did.
type jobs struct {
	Done    []string
	Waiting guest.OpenRequest
}

type jobsCtx = guest.Ctx[jobs]

var attempts int // of the message "poison", which no rollback undoes

var _ = guest.Actor("jobs", guest.Def[jobs]{
	Queues: guest.Queues{
		"one": guest.Queue(func(c *jobsCtx, m *guest.Message[string]) (int, error) {
			c.State.Done = append(c.State.Done, fmt.Sprintf("%s by %s%s", m.Body, m.Subject, m.Sender))
			if m.Body == "poison" {
				attempts = m.Attempt
				return 0, guest.UserError("poison", "not this one")
			}
			return len(m.Body), nil
		}),
		"quiet": guest.QueueDo(func(c *jobsCtx, m *guest.Message[int]) error {
			c.State.Done = append(c.State.Done, fmt.Sprint("quiet ", m.Body))
			return nil
		}),
		"later": guest.QueueDo(func(c *jobsCtx, m *guest.Message[int]) error { c.State.Waiting = m.KeepOpen(); return nil }),
		"many": guest.QueueBatch(3, func(c *jobsCtx, ms []*guest.Message[int]) error {
			sum := 0
			for _, m := range ms {
				sum += m.Body
			}
			c.State.Done = append(c.State.Done, fmt.Sprintf("%d make %d", len(ms), sum))
			return ms[0].Complete(sum)
		}),
	},
	CanPublish: map[string]func(c *jobsCtx) (bool, error){
		"one": func(c *jobsCtx) (bool, error) { return c.Caller() != "eve", nil },
	},
	Options:   guest.Options{ActionTimeout: 30 * time.Second, MaxQueueSize: 10},
	CheckArgs: true,
	Actions: guest.Actions{
		"put":    guest.Do2(func(c *jobsCtx, queue string, body any) error { return c.Enqueue(queue, body) }),
		"finish": guest.Do(func(c *jobsCtx, v any) error { return c.Reply(c.State.Waiting, v) }),
		"dead":   guest.Action(func(c *jobsCtx, after string) ([]guest.DeadLetter, error) { return c.DeadLetters(after) }),
		"retry":  guest.Action(func(c *jobsCtx, id string) (bool, error) { return c.Redrive(id) }),
		"far":    guest.Do(func(c *jobsCtx, body string) error { return c.EnqueueTo(guest.To("jobs", "far"), "one", body) }),
	},
})

func TestQueue(t *testing.T) {
	a := guesttest.New(t, "jobs", guesttest.Options{Caller: "ann"})
	var n int
	if err := a.QueueSend(&n, "one", "hello"); err != nil || n != 5 {
		t.Errorf("completion %d, %v", n, err)
	}
	if err := a.QueueSend(nil, "quiet", 1); err != nil {
		t.Error(err)
	}
	if err := a.QueueSend(nil, "none", 1); abi.CodeOf(err) != abi.CodeQueueNotFound {
		t.Errorf("no such queue: %v", err)
	}
	a.Caller = "eve"
	if err := a.QueueSend(nil, "one", "x"); abi.CodeOf(err) != abi.CodeForbidden {
		t.Errorf("eve sends: %v", err)
	}
	if err := a.QueueSend(nil, "quiet", 2); err != nil {
		t.Error(err)
	}

	for i := 1; i <= 4; i++ {
		a.MustCall(nil, "put", "many", i)
	}
	a.MustCall(nil, "put", "one", "mine")
	if err := a.Call(nil, "put", "none", 1); abi.CodeOf(err) != abi.CodeQueueNotFound {
		t.Errorf("no such queue: %v", err)
	}
	if err := a.Drain(); err != nil {
		t.Error(err)
	}
	var s jobs
	a.State(&s)
	want := []string{"hello by ann", "quiet 1", "quiet 2", "3 make 6", "1 make 4", "mine by test-jobs"}
	if !slices.Equal(s.Done, want) {
		t.Errorf("done %q, want %q", s.Done, want)
	}

	if err := a.QueueSend(nil, "later", 1); !errors.Is(err, guesttest.ErrOpen) {
		t.Errorf("kept open: %v", err)
	}
	a.MustCall(nil, "finish", "at last")
	a.MustCall(nil, "far", "hey")
	if sends := a.Sends(); len(sends) != 1 || sends[0].Queue != "one" || string(sends[0].Body) != `"hey"` || sends[0].To.Name != "jobs" {
		t.Errorf("sends %+v", sends)
	}
}

func TestQueueGivesUp(t *testing.T) {
	a := guesttest.New(t, "jobs", guesttest.Options{})
	if err := a.QueueSend(nil, "one", "poison"); !errors.Is(err, guest.UserError("poison", "")) || attempts != abi.MaxAttempts {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
	if err := a.QueueSend(nil, "quiet", "no number"); !errors.Is(err, guest.UserError("invalid_message", "")) {
		t.Errorf("a body of the wrong type: %v", err)
	}
	var s jobs
	if a.State(&s); len(s.Done) > 0 {
		t.Errorf("attempts that failed left %q", s.Done)
	}
	var dead []guest.DeadLetter
	a.MustCall(&dead, "dead", "")
	if len(dead) != 2 || dead[0].Name != "one" || string(dead[0].Body) != `"poison"` {
		t.Fatalf("dead letters %+v", dead)
	}
	var rest []guest.DeadLetter
	if a.MustCall(&rest, "dead", dead[0].ID); len(rest) != 1 || rest[0].ID != dead[1].ID {
		t.Errorf("behind the first: %+v", rest)
	}
	attempts = 0
	var ok bool
	a.MustCall(&ok, "retry", dead[0].ID)
	if err := a.Drain(); !ok || err == nil || attempts != abi.MaxAttempts {
		t.Errorf("tried again: %v, %d attempts, %v", ok, attempts, err)
	}
	if a.MustCall(&ok, "retry", "none"); ok {
		t.Error("a letter that there is none of was tried again")
	}
}
