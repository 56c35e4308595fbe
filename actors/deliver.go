package actors

import (
	"encoding/json"
	"sync"
	"time"
)

// Sink is a connection's socket, as the actor sees it. Its methods are called one after the other and must not
// block: what a slow reader does not take is the sink's to bound. What comes after its own end it ignores.
type Sink interface {
	// Open comes first, once the connection is durable.
	Open(*Conn)
	// Event brings an event. All connections that get it share the frame.
	Event(*EventFrame)
	// Message brings a message of a raw socket, which the sink must not change.
	Message(data []byte, text bool)
	// Close ends the socket with a WebSocket close code.
	Close(code int, reason string)
	// Busy reports whether much is queued that is not waiting for a slow reader.
	Busy() bool
}

// EventFrame is an event on its way to connections.
type EventFrame struct {
	Name string
	Args json.RawMessage // the list of arguments

	forms []eventForm
}

type eventForm struct {
	encoding string
	bytes    []byte
}

// Form returns the frame in an encoding, made once for all connections. It is for Sink.Event, while that runs.
func (f *EventFrame) Form(encoding string, encode func(*EventFrame) []byte) []byte {
	for _, have := range f.forms {
		if have.encoding == encoding {
			return have.bytes
		}
	}
	b := encode(f)
	f.forms = append(f.forms, eventForm{encoding, b})
	return b
}

// deliveries hands to sinks what durable turns say, in order, on a goroutine of its own: an outbox opens on
// the store's goroutine, and ten thousand sockets would hold up everybody's commits there.
type deliveries struct {
	mu      *sync.Mutex     // of the connSet; guards the fields up to the gap
	running *sync.WaitGroup // counts the goroutine
	moved   sync.Cond       // done or weight has changed
	queue   []delivery
	asked   uint64 // deliveries ever queued
	done    uint64 // and done
	weight  int    // bytes of those that wait
	active  bool   // the goroutine runs

	// The goroutine's.
	opened      map[*Conn]struct{}
	subscribers map[string]map[*Conn]struct{} // by event
}

type delivery struct {
	bytes int
	do    func()
}

// Bounds on what waits to be delivered to one actor's connections: past them its turns wait. Deliveries do not
// block, so that ends.
const (
	maxDeliveries    = 4096
	maxDeliveryBytes = 8 << 20
	deliveryOverhead = 64 // bytes that one delivery is counted for, beside its own
)

// A burst fills the queue of a healthy reader before its writer gets to run. So after so many deliveries without
// a pause those whose writer is about to run get a moment.
const (
	deliveriesInARow = 64
	pauseTime        = time.Millisecond
	maxPauses        = 200
)

func (d *deliveries) init(mu *sync.Mutex, running *sync.WaitGroup) {
	d.mu, d.running, d.moved.L = mu, running, mu
	d.opened, d.subscribers = map[*Conn]struct{}{}, map[string]map[*Conn]struct{}{}
}

// deliver lets f run after everything that was queued before.
func (d *deliveries) deliver(bytes int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	bytes += deliveryOverhead
	d.queue = append(d.queue, delivery{bytes, f})
	d.weight += bytes
	d.asked++
	if !d.active {
		d.active = true
		d.running.Add(1)
		go d.run() // ends when the queue is empty; Host.Close waits
	}
}

func (d *deliveries) run() {
	defer d.running.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > 0 {
		batch := d.queue[:min(len(d.queue), deliveriesInARow)]
		d.queue = d.queue[len(batch):] // nobody else touches what is cut off
		d.mu.Unlock()
		bytes := 0
		for i := range batch {
			batch[i].do()
			bytes += batch[i].bytes
			batch[i].do = nil
		}
		if len(batch) == deliveriesInARow {
			d.pause()
		}
		d.mu.Lock()
		d.weight -= bytes
		d.done += uint64(len(batch))
		d.moved.Broadcast()
	}
	d.queue, d.active = nil, false
}

// pause lets sinks that are busy catch up, but waits for none for long.
func (d *deliveries) pause() {
	for range maxPauses {
		if !d.anyBusy() {
			return
		}
		time.Sleep(pauseTime)
	}
}

func (d *deliveries) anyBusy() bool {
	for c := range d.opened {
		if c.sink.Busy() {
			return true
		}
	}
	return false
}

// flush returns when everything that is queued now has been delivered.
func (d *deliveries) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for asked := d.asked; d.done < asked; {
		d.moved.Wait()
	}
}

// isActive reports whether something waits or is being delivered.
func (d *deliveries) isActive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active
}

// waitForRoom returns when more may be queued.
func (d *deliveries) waitForRoom() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > maxDeliveries || d.weight > maxDeliveryBytes {
		d.moved.Wait()
	}
}

// route makes deliveries go by a connection's value. It runs among the deliveries, so a subscription counts for
// exactly the events that come after it.
func (d *deliveries) route(c *Conn, v *connValue) {
	if v.member && !c.open {
		c.open, d.opened[c] = true, struct{}{}
		c.sink.Open(c)
	}
	wanted := v.events
	if !v.member {
		c.open, wanted = false, nil
		delete(d.opened, c)
	}
	for _, e := range c.routed {
		if list := d.subscribers[e]; len(list) > 1 {
			delete(list, c)
		} else {
			delete(d.subscribers, e)
		}
	}
	for _, e := range wanted {
		if d.subscribers[e] == nil {
			d.subscribers[e] = map[*Conn]struct{}{}
		}
		d.subscribers[e][c] = struct{}{}
	}
	c.routed = wanted
}

// fanOut brings an event to those who have subscribed to it.
func (d *deliveries) fanOut(f *EventFrame) {
	for c := range d.subscribers[f.Name] {
		c.sink.Event(f)
	}
}
