package actors

import "sync"

// window holds what one client has on its way to an actor, and bounds it. One message passes at any size.
type window struct {
	freed sync.Cond

	mu       sync.Mutex        // guards the fields below
	requests map[*request]bool // on their way; true for those that are of no use once the client has gone
	bytes    int
}

// Bounds of a window: enough that a client need not wait for each commit, and little enough for ten thousand.
const (
	windowEntries = 16
	windowBytes   = 1 << 20
)

func (w *window) init() {
	w.freed.L, w.requests = &w.mu, map[*request]bool{}
}

// enter waits until a request of size bytes may go. Requests have deadlines, so the wait ends.
func (w *window) enter(r *request, size int, useless bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := len(w.requests); n > 0 && (n >= windowEntries || w.bytes+size > windowBytes); n = len(w.requests) {
		w.freed.Wait()
	}
	w.requests[r] = useless
	w.bytes += size
}

func (w *window) leave(r *request, size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.requests, r)
	w.bytes -= size
	w.freed.Broadcast()
}

// giveUp ends what has not begun and is of no use any more.
func (w *window) giveUp(err error) {
	w.mu.Lock()
	var all []*request
	for r, useless := range w.requests {
		if useless {
			all = append(all, r)
		}
	}
	w.mu.Unlock()
	for _, r := range all {
		r.giveUp(err)
	}
}
