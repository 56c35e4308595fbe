package actors

import (
	"context"
	"sync"
)

// window bounds what one client has on its way to an actor. One message passes at any size.
type window struct {
	mu    sync.Mutex // guards the fields below
	n     int
	bytes int

	freed chan struct{} // capacity 1: something has left
}

// Bounds of a window: enough that a client need not wait for each commit, and little enough for ten thousand.
const (
	windowEntries = 16
	windowBytes   = 1 << 20
)

func (w *window) init() { w.freed = make(chan struct{}, 1) }

// enter waits until size bytes may go. Only one goroutine may wait at a time.
func (w *window) enter(ctx context.Context, size int) error {
	for !w.tryEnter(size) {
		select {
		case <-w.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *window) tryEnter(size int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n > 0 && (w.n >= windowEntries || w.bytes+size > windowBytes) {
		return false
	}
	w.n++
	w.bytes += size
	return true
}

func (w *window) leave(size int) {
	w.mu.Lock()
	w.n--
	w.bytes -= size
	w.mu.Unlock()
	select {
	case w.freed <- struct{}{}:
	default:
	}
}
