package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnContextEnds(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name  string
		end   func(c *turnContext, parent context.CancelCauseFunc)
		err   error
		cause error
	}{
		{"at its deadline", func(*turnContext, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"when it is cut", func(c *turnContext, _ context.CancelCauseFunc) { c.cut(boom); c.cut(errKilled) }, context.Canceled, boom},
		{"with its parent", func(_ *turnContext, end context.CancelCauseFunc) { end(boom) }, context.Canceled, boom},
	} {
		for _, watched := range []bool{false, true} {
			name := tt.name + ", unwatched"
			if watched {
				name = tt.name + ", watched"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, end := context.WithCancelCause(t.Context())
					c := newTurnContext(parent, time.Now().Add(time.Minute))
					defer c.cut(context.Canceled)
					if watched {
						c.Done()
					}
					time.Sleep(time.Minute - 1)
					if c.Err() != nil || c.ended() != nil {
						t.Fatalf("it ended early: %v, %v", c.Err(), c.ended())
					}
					tt.end(c, end)
					<-c.Done()
					if c.Err() != tt.err || c.ended() != tt.cause {
						t.Errorf("got %v, because of %v; want %v, because of %v", c.Err(), c.ended(), tt.err, tt.cause)
					}
				})
			})
		}
	}
}

// What is derived from a turn's context, by the standard library or by a hook's own time, ends with it and not later.
func TestTurnContextOfATurnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := newTurnContext(t.Context(), time.Now().Add(time.Minute))
		derived, cancel := context.WithTimeout(outer, time.Hour)
		defer cancel()
		inner := newTurnContext(outer, time.Now().Add(time.Second))
		late := newTurnContext(outer, time.Now().Add(time.Hour))
		if until, ok := late.Deadline(); !ok || time.Until(until) != time.Minute {
			t.Errorf("a context that outlives its parent ends in %v", time.Until(until))
		}
		<-inner.Done()
		if inner.Err() != context.DeadlineExceeded || outer.Err() != nil {
			t.Errorf("after the inner one's time: %v, and the outer one %v", inner.Err(), outer.Err())
		}
		outer.cut(errKilled)
		<-derived.Done()
		<-late.Done()
		if late.ended() == nil || derived.Err() == nil {
			t.Errorf("they go on after their parent: %v, %v", late.ended(), derived.Err())
		}
	})
}

// A context that somebody waited for leaves nothing behind with its parent.
func TestTurnContextLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left that waits
		parent, end := context.WithCancel(t.Context())
		c := newTurnContext(parent, time.Now().Add(time.Hour))
		c.Done()
		c.cut(context.Canceled)
		if c.alarm.Stop() || c.orphan() {
			t.Error("the timer or the parent still has it")
		}
		end()
	})
}
