package actors

import (
	"context"
	"sync"
	"time"
)

// turnContext ends at a turn's deadline, or before that with its parent or when the turn is cut off. Few turns wait for
// anything, and until one does this has no timer and is no child of its parent, which is the same for all turns.
type turnContext struct {
	parent context.Context
	until  time.Time

	mu     sync.Mutex // guards the fields below
	cause  error      // why it has ended, nil if it has not
	done   chan struct{}
	alarm  *time.Timer // nil like done until somebody asks for that
	orphan func() bool // no child of its parent any more
}

var _ context.Context = (*turnContext)(nil)

// newTurnContext returns one that its owner ends, by cut, when the turn has ended.
func newTurnContext(parent context.Context, until time.Time) *turnContext {
	if earlier, ok := parent.Deadline(); ok && earlier.Before(until) {
		until = earlier
	}
	return &turnContext{parent: parent, until: until}
}

// Deadline implements context.Context.
func (c *turnContext) Deadline() (time.Time, bool) { return c.until, true }

// Value implements context.Context: there are none.
func (c *turnContext) Value(any) any { return nil }

// Err implements context.Context.
func (c *turnContext) Err() error {
	switch c.ended() {
	case nil:
		return nil
	case context.DeadlineExceeded:
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// ended returns why the context has ended, or nil.
func (c *turnContext) ended() error {
	c.mu.Lock()
	cause := c.cause
	c.mu.Unlock()
	switch {
	case cause != nil:
		return cause
	case c.parent.Err() != nil:
		c.cut(context.Cause(c.parent))
	case !time.Now().Before(c.until):
		c.cut(context.DeadlineExceeded)
	default:
		return nil
	}
	return c.ended()
}

// Done implements context.Context.
func (c *turnContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done
	}
	c.done = make(chan struct{})
	if c.cause != nil {
		close(c.done)
		return c.done
	}
	c.alarm = time.AfterFunc(time.Until(c.until), func() { c.cut(context.DeadlineExceeded) })
	c.orphan = context.AfterFunc(c.parent, func() { c.cut(context.Cause(c.parent)) })
	return c.done
}

// cut ends the context. Only the first cause counts.
func (c *turnContext) cut(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if c.done != nil {
		close(c.done)
		c.alarm.Stop()
		c.orphan()
	}
}
