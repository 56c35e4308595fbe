package compile

import (
	"context"
	"errors"
	"time"
)

// flight is one compilation with all the calls that wait for it. It belongs to no class until one of
// its calls gets a place at the gate, so that a call is never behind the queue of another class.
type flight struct {
	name   string // of the entry to be
	ctx    context.Context
	cancel context.CancelFunc
	users  int  // guarded by Compiler.mu
	begun  bool // guarded by Compiler.mu

	done  chan struct{} // closed after entry and err are set
	entry Entry
	err   error
}

// ErrClosed is in the chain of what Compile returns after Close.
var ErrClosed = errors.New("compiler is closed")

var errClosed = &Error{Kind: KindUnavailable, Detail: "the host is shutting down", Err: ErrClosed}

// join returns the flight that makes name, with one more user.
func (c *Compiler) join(name string) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	f := c.flights[name]
	if f == nil {
		f = &flight{name: name, done: make(chan struct{})}
		f.ctx, f.cancel = context.WithCancel(c.ctx)
		c.flights[name] = f
	}
	f.users++
	return f, nil
}

// leave ends one use. A flight without users is cancelled, and forgotten so that the next call begins
// another.
func (c *Compiler) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.users--; f.users > 0 {
		return
	}
	f.cancel()
	if c.flights[f.name] == f {
		delete(c.flights, f.name)
	}
}

// start runs the flight on the place of t, unless another call has started it. The place is given back
// when the worker is dead. The goroutine ends with the worker; Close waits for it.
func (c *Compiler) start(f *flight, t *ticket, wasm []byte) {
	c.mu.Lock()
	begun, closed := f.begun, c.closed
	f.begun = true
	if !begun && !closed {
		c.wg.Add(1)
	}
	c.mu.Unlock()
	switch {
	case begun:
		c.gate.leave(t)
	case closed:
		f.err = errClosed
		close(f.done)
		c.gate.leave(t)
	default:
		go func() {
			defer c.wg.Done()
			defer c.gate.leave(t)
			begun := time.Now()
			f.entry, f.err = c.compile(f.ctx, f.name, wasm)
			c.runs.count(begun, f.err)
			c.land(f)
		}()
	}
}

// land publishes the result and lets later calls begin anew.
func (c *Compiler) land(f *flight) {
	c.mu.Lock()
	if c.flights[f.name] == f {
		delete(c.flights, f.name)
	}
	c.mu.Unlock()
	close(f.done)
}
