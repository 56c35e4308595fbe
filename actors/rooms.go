package actors

import (
	"context"
	"io"
	"sync"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// What servers answered to tasks waits in memory until the actors have taken it, and a slow actor is no reason
// for the host to run out of it. So a fetch takes a small room before it begins, and a large one when its
// answer outgrows that; it gives both back when the actor has the answer. The server waits meanwhile. A large
// room waits for nobody but an actor, so the two kinds cannot block each other.
//
// What tasks send is on disk until a server or an actor has it, and what is not small takes a room, too.
const (
	smallAnswer = 64 << 10
	smallRooms  = 2048 // 128 MiB in all
	largeRooms  = 32   // 256 MiB
	bodyRooms   = 64   // 256 MiB
)

// rooms are places for answers. A namespace has a quarter of them at most.
type rooms struct {
	total, share int

	mu   sync.Mutex // guards the fields below
	used int
	of   map[tenants.ID]int
	free chan struct{} // closed, and made anew, when a room is given back
}

func newRooms(total int) *rooms {
	return &rooms{total: total, share: total / 4, of: map[tenants.ID]int{}, free: make(chan struct{})}
}

// take waits for a room. What it returns gives it back, once.
func (r *rooms) take(ctx context.Context, ns tenants.ID) (func(), error) {
	for {
		r.mu.Lock()
		if r.used < r.total && r.of[ns] < r.share {
			r.used++
			r.of[ns]++
			r.mu.Unlock()
			return sync.OnceFunc(func() { r.give(ns) }), nil
		}
		free := r.free
		r.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *rooms) give(ns tenants.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used--
	if r.of[ns]--; r.of[ns] == 0 {
		delete(r.of, ns)
	}
	close(r.free)
	r.free = make(chan struct{})
}

// readRoomy reads a body to its end, and takes a large room when it is not small. It returns what gives that
// back.
func (h *Host) readRoomy(ctx context.Context, ns tenants.ID, body io.Reader) (b []byte, free func(), err error) {
	b, err = io.ReadAll(io.LimitReader(body, smallAnswer))
	if err != nil || len(b) < smallAnswer {
		return b, func() {}, err
	}
	if free, err = h.large.take(ctx, ns); err != nil {
		return nil, func() {}, err
	}
	rest, err := io.ReadAll(io.LimitReader(body, abi.MaxFetchBody))
	return append(b, rest...), free, err
}
