package compile

import (
	"slices"
	"sync"
)

// gate decides who may start a worker: one of a class, a few overall, and a free place goes to the
// classes in turn, within a class to who came first.
type gate struct {
	maxWaiting, maxPerClass int

	mu      sync.Mutex // guards all below
	free    int
	waiting int
	classes map[string]*class
	turn    []*class // those with waiting tickets; the one whose turn it is comes first
}

type class struct {
	name    string
	running bool
	queue   []*ticket
}

// ticket is one place in the queue, or at work.
type ticket struct {
	class   *class
	ready   chan struct{} // closed when the holder may work
	granted bool          // guarded by gate.mu
}

func newGate(places, maxWaiting, maxPerClass int) *gate {
	return &gate{maxWaiting: maxWaiting, maxPerClass: maxPerClass, free: places, classes: map[string]*class{}}
}

// ask returns a ticket, which is ready at once if there is a place. The caller gives it back with leave.
func (g *gate) ask(name string) (*ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.classes[name]
	if c == nil {
		c = &class{name: name}
		g.classes[name] = c
	}
	t := &ticket{class: c, ready: make(chan struct{})}
	switch {
	case g.free > 0 && !c.running:
		// Whoever waits now waits for its own class, since settle leaves nobody else waiting.
		g.grantLocked(t)
		return t, nil
	case g.waiting >= g.maxWaiting:
		return nil, &Error{Kind: KindBusy, Detail: "too many modules wait to be compiled"}
	case len(c.queue) >= g.maxPerClass:
		return nil, &Error{Kind: KindBusy, Detail: "too many modules of this namespace wait to be compiled"}
	}
	if len(c.queue) == 0 {
		g.turn = append(g.turn, c)
	}
	c.queue = append(c.queue, t)
	g.waiting++
	return t, nil
}

// leave ends the work of t or its wait.
func (g *gate) leave(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := t.class
	if t.granted {
		c.running = false
		g.free++
	} else {
		c.queue = slices.DeleteFunc(c.queue, func(q *ticket) bool { return q == t })
		g.waiting--
		if len(c.queue) == 0 {
			g.turn = slices.DeleteFunc(g.turn, func(q *class) bool { return q == c })
		}
	}
	g.settleLocked()
	if !c.running && len(c.queue) == 0 {
		delete(g.classes, c.name)
	}
}

// settleLocked gives free places to those whose turn it is.
func (g *gate) settleLocked() {
	for g.free > 0 {
		i := slices.IndexFunc(g.turn, func(c *class) bool { return !c.running })
		if i < 0 {
			return
		}
		c := g.turn[i]
		g.turn = slices.Delete(g.turn, i, i+1)
		t := c.queue[0]
		if c.queue = c.queue[1:]; len(c.queue) > 0 {
			g.turn = append(g.turn, c) // to the end: the others come first
		}
		g.waiting--
		g.grantLocked(t)
	}
}

func (g *gate) grantLocked(t *ticket) {
	t.granted = true
	t.class.running = true
	g.free--
	close(t.ready)
}
