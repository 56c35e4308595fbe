package badgerkv

import "sync"

// ack is one call of done that is due.
type ack struct {
	done func(error)
	err  error
}

// acks calls done callbacks in the order in which they were pushed, on a goroutine that lives
// while there are any. So the committer is in its next sync while they run, and a caller that
// holds a lock of its own in Commit never meets its callback.
type acks struct {
	mu      sync.Mutex
	idle    sync.Cond // on mu: nothing is due
	due     []ack
	running bool
}

func (a *acks) init() { a.idle.L = &a.mu }

func (a *acks) push(list ...ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due = append(a.due, list...)
	if !a.running && len(a.due) > 0 {
		a.running = true
		go a.run() // ends when nothing is due; wait waits for it
	}
}

func (a *acks) run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.due) > 0 {
		list := a.due
		a.due = nil
		a.mu.Unlock()
		for _, k := range list {
			k.done(k.err)
		}
		a.mu.Lock()
	}
	a.running = false
	a.idle.Broadcast()
}

// wait returns when no callback is due or running.
func (a *acks) wait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running {
		a.idle.Wait()
	}
}
