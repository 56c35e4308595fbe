package client

import "sync"

// news is an event, or a change of the status.
type news struct {
	event  Event
	status Status
	err    error
	isNote bool // of the status
}

// inbox holds what waits for its handlers. Whoever puts something in never waits.
type inbox struct {
	limit int           // bytes of events; one may be longer
	ready chan struct{} // holds a token while there may be something

	mu     sync.Mutex // guards the fields below
	queue  []news
	events int // in queue
	bytes  int // of them
	closed bool
}

// maxEvents bounds the events that wait: a turn may have a thousand.
const maxEvents = 4096

func newInbox(limit int) *inbox { return &inbox{limit: limit, ready: make(chan struct{}, 1)} }

// add puts an event in. It reports false if there is no room.
func (b *inbox) add(e Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events >= maxEvents || b.events > 0 && b.bytes+len(e.args) > b.limit {
		return false
	}
	b.events++
	b.bytes += len(e.args)
	b.putLocked(news{event: e})
	return true
}

// note puts a change of the status in. When many wait, it takes the place of the last.
func (b *inbox) note(s Status, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := news{status: s, err: err, isNote: true}
	if last := len(b.queue) - 1; last >= b.events+maxNotes && b.queue[last].isNote {
		b.queue[last] = n
		return
	}
	b.putLocked(n)
}

// maxNotes bounds the changes that wait one behind another.
const maxNotes = 64

func (b *inbox) putLocked(n news) {
	if !b.closed {
		b.queue = append(b.queue, n)
		b.wakeLocked()
	}
}

func (b *inbox) wakeLocked() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// close lets nothing more in. If now is set, what is in it is dropped.
func (b *inbox) close(now bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; now {
		b.queue = nil
	}
	b.wakeLocked()
}

// take waits for news. It reports false when there will be none.
func (b *inbox) take() (news, bool) {
	for {
		if n, ok, end := b.first(); ok || end {
			return n, ok
		}
		<-b.ready
	}
}

// first takes what has waited longest. end reports that nothing will come.
func (b *inbox) first() (n news, ok, end bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.queue = nil // frees what a burst needed
		return n, false, b.closed
	}
	n, b.queue[0] = b.queue[0], news{}
	b.queue = b.queue[1:]
	if !n.isNote {
		b.events--
		b.bytes -= len(n.event.args)
	}
	return n, true, false
}
