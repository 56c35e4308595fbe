package testkit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/testkit"
)

func TestQueues(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("full", "a")
	for _, m := range []string{"x", "y"} {
		if err := a.QueueSend("each", m); err != nil {
			t.Fatal(err)
		}
	}
	if k.Settle(); journal(a) != "each x, each y" {
		t.Errorf("the journal is %s", journal(a))
	}
	if err := a.QueueSend("none", 1); abi.CodeOf(err) != abi.CodeQueueNotFound {
		t.Errorf("a queue that is not: %v", err)
	}
	var got string
	if err := a.QueueBegin("each", "z").Result(&got); err != nil || got != "done z" {
		t.Errorf("the completion is %q, %v", got, err)
	}
	p := a.QueueBegin("each", "fail")
	k.Settle()
	if q := a.Queued(); len(q) != 1 || q[0].Attempts != 1 || string(q[0].Body) != `"fail"` {
		t.Errorf("queued: %+v", q)
	}
	k.Advance(time.Minute + 21*time.Second)
	if err := p.Result(nil); !testkit.IsUser(err, "refused") {
		t.Errorf("the sender got %v", err)
	}
	dead := a.DeadLetters()
	if len(dead) != 1 || dead[0].Attempts != abi.MaxAttempts || len(a.Queued()) != 0 {
		t.Fatalf("dead letters: %+v", dead)
	}
	a.RetryDead(dead[0].ID)
	if k.Settle(); len(a.DeadLetters()) != 0 || len(a.Queued()) != 1 {
		t.Errorf("after the retry: dead %+v, queued %+v", a.DeadLetters(), a.Queued())
	}
}

// Schedules run at their own moments on the way, wake those that sleep, and survive the host.
func TestSchedules(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("full", "a")
	a.MustCall(nil, "every", "tick", 10_000, "note", []any{"tick"})
	a.MustCall(nil, "after", 25_000, "note", []any{"once"})
	if list := a.Schedules(); len(list) != 2 {
		t.Errorf("schedules %+v", list)
	}
	a.Sleep()
	if k.Advance(40 * time.Second); journal(a) != "tick, tick, once, tick, tick" {
		t.Errorf("the journal is %s", journal(a))
	}
	k.Crash()
	if k.Advance(10 * time.Second); !strings.HasSuffix(journal(a), "tick, tick, tick") {
		t.Errorf("after a crash: %s", journal(a))
	}
	before := journal(a)
	k.Outage(time.Hour)
	if next := k.Settle(); !next.After(k.Now()) {
		t.Errorf("next is %v at %v", next, k.Now())
	}
	if got, want := journal(a), before+", tick"; got != want { // what was missed comes once
		t.Errorf("after an hour: %s, want %s", got, want)
	}
}
