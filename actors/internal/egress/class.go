package egress

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// class is what the requests of one namespace share, and share with no other: their number and the
// connections that are kept open.
type class struct {
	slots     chan struct{}
	transport *http.Transport
	users     int // requests that run or wait; guarded by classes.mu
}

// classes holds the classes that have requests, or connections that wait for some.
type classes struct {
	perClass int
	idle     int           // classes without a request that are kept
	slots    chan struct{} // of all requests
	closed   chan struct{} // closed when no more requests are taken
	make     func() *http.Transport

	mu    sync.Mutex // guards named and the classes' users
	named map[string]*class
}

// enter waits for a slot of the class and for one of all. What it returns must be called once the
// request is over.
func (cs *classes) enter(ctx context.Context, name string) (*class, func(), error) {
	c := cs.use(name)
	// The class's own slot comes first: those of a class that is full must not hold slots of all.
	if err := cs.take(ctx, c.slots); err != nil {
		cs.leave(c)
		return nil, nil, err
	}
	if err := cs.take(ctx, cs.slots); err != nil {
		<-c.slots
		cs.leave(c)
		return nil, nil, err
	}
	return c, sync.OnceFunc(func() {
		<-cs.slots
		<-c.slots
		cs.leave(c)
	}), nil
}

func (cs *classes) take(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		if ctx.Err() != nil { // of two things that happened, select takes either
			<-slots
			return context.Cause(ctx)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-cs.closed:
		return &abi.Error{Code: abi.CodeUnavailable}
	}
}

func (cs *classes) use(name string) *class {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.named[name]
	if c == nil {
		if len(cs.named) >= cs.idle {
			cs.sweepLocked()
		}
		c = &class{slots: make(chan struct{}, cs.perClass), transport: cs.make()}
		cs.named[name] = c
	}
	c.users++
	return c
}

func (cs *classes) leave(c *class) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.users--
}

// sweepLocked forgets the classes without a request, and so the connections that they keep.
func (cs *classes) sweepLocked() {
	for name, c := range cs.named {
		if c.users == 0 {
			c.transport.CloseIdleConnections()
			delete(cs.named, name)
		}
	}
}

// close takes no more requests and waits for those that run. It is called once.
func (cs *classes) close() {
	close(cs.closed)
	for range cap(cs.slots) {
		cs.slots <- struct{}{}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, c := range cs.named {
		c.transport.CloseIdleConnections()
	}
}

// keptFor is how long a connection waits for the next request.
const keptFor = 30 * time.Second
