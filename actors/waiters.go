package actors

import (
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// waiters are the senders that wait for their queue messages to be done, by the message's agenda key. The
// actor's goroutine adds; the store's may remove.
type waiters struct {
	mu    sync.Mutex // guards byKey
	byKey map[string]*request
}

func (w *waiters) add(key string, r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byKey == nil {
		w.byKey = map[string]*request{}
	}
	w.byKey[key] = r
}

func (w *waiters) get(key string) *request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byKey[key]
}

func (w *waiters) remove(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byKey, key)
}

// answer ends the wait for one message.
func (w *waiters) answer(key string, reply Reply, err error) {
	if r := w.get(key); r != nil {
		w.remove(key)
		r.answer(reply, err)
	}
}

// expire forgets senders who do not wait any more, and returns how many do.
func (w *waiters) expire() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byKey) == 0 {
		return 0
	}
	now := time.Now()
	for key, r := range w.byKey {
		if !now.Before(r.deadline) || r.state.Load() == requestGivenUp {
			delete(w.byKey, key)
		}
	}
	return len(w.byKey)
}

// giveUp tells all of them that they have waited in vain: the actor's life in memory ends. Their messages
// are on disk.
func (w *waiters) giveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, r := range w.byKey {
		r.answer(Reply{}, errWaitedEnough)
		delete(w.byKey, key)
	}
}

// errWaitedEnough is the answer to a sender whose message is still in the queue. No client sees it.
var errWaitedEnough = &abi.Error{Code: abi.CodeActionTimedOut}
