package actors

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// request is what waits for an answer. It usually ends with its turn and may outlive it: then a later
// turn answers it, exactly once. Who asks, and until when, travels with it.
type request struct {
	lineage
	deadline time.Time
	state    atomic.Int32
	result   chan result // capacity 1
	id       uint64      // within the actor's life; zero until its turn has begun, and if nobody waits
	held     bool        // what will answer it is durable: the loss of an instance does not lose it
}

// lineage is where a request comes from.
type lineage struct {
	subject string            // verified subject of the client that asks; empty means anonymous, or an actor
	sender  tenants.ActorID   // the actor that asks; zero means a client, or the host
	origin  string            // verified subject of the client at the beginning
	chain   []tenants.ActorID // actors that wait for this request, the first caller first
	gas     int64             // what the caller hands down; zero means a turn's own
}

type result struct {
	reply Reply
	err   error
}

// A request is either taken by the actor or given up by the one who waits, never both.
const (
	requestWaiting = iota
	requestTaken
	requestGivenUp
)

// take reports whether the actor may run the request.
func (r *request) take() bool { return r.state.CompareAndSwap(requestWaiting, requestTaken) }

// answer gives the result to the one who waits. It never blocks. Only the first answer counts.
func (r *request) answer(reply Reply, err error) {
	select {
	case r.result <- result{reply, err}:
	default:
	}
}

// wait returns the answer. If ctx ends first, a request that nobody has taken will never run; one
// that runs goes on without us when the client has gone, and is waited for when only its time is
// up: its turn ends by the same deadline and knows better how.
func (r *request) wait(ctx context.Context) (Reply, error) {
	late := time.NewTimer(time.Until(r.deadline))
	defer late.Stop()
	select {
	case got := <-r.result:
		return got.reply, got.err
	case <-ctx.Done():
		r.state.CompareAndSwap(requestWaiting, requestGivenUp)
		return Reply{}, &abi.Error{Code: abi.CodeActionTimedOut, Message: "The client went away", Cause: context.Cause(ctx)}
	case <-late.C:
	}
	if r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
		return Reply{}, abi.Errorf(abi.CodeActionTimedOut, "The request waited too long for the actor")
	}
	select {
	case got := <-r.result:
		return got.reply, got.err
	case <-ctx.Done():
		return Reply{}, abi.Wrap(abi.CodeActionTimedOut, context.Cause(ctx))
	}
}

// openRequests are the requests of one actor that outlived their turns. They belong to the actor's
// goroutine. Each ends at its deadline at the latest.
type openRequests struct {
	byID map[uint64]*request
	last uint64 // id given last; begins at a random number, so that no id means something in another life
}

// number gives r its id.
func (o *openRequests) number(r *request) {
	if r.id == 0 && r.result != nil {
		o.last++
		r.id = o.last
	}
}

// keep takes up a request whose turn ended without an answer.
func (o *openRequests) keep(r *request) {
	if o.byID == nil {
		o.byID = map[uint64]*request{}
	}
	o.byID[r.id] = r
}

// get returns an open request, or nil.
func (o *openRequests) get(id uint64) *request { return o.byID[id] }

// drop forgets a request that is answered.
func (o *openRequests) drop(id uint64) { delete(o.byID, id) }

// expire answers the requests whose time is up, and returns how many are still open.
func (o *openRequests) expire(now time.Time) int {
	for id, r := range o.byID {
		if !now.Before(r.deadline) {
			r.answer(Reply{}, abi.Errorf(abi.CodeActionTimedOut, "The actor did not answer in time"))
			delete(o.byID, id)
		}
	}
	return len(o.byID)
}

// lose answers all of them that are not held: what would have answered them is gone.
func (o *openRequests) lose(err error) {
	for id, r := range o.byID {
		if r.held {
			continue
		}
		r.answer(Reply{}, err)
		delete(o.byID, id)
	}
}

// through returns the lineage of what an actor asks while it serves a request of this lineage.
func (l lineage) through(id tenants.ActorID) lineage {
	return lineage{sender: id, origin: l.origin, chain: append(slices.Clone(l.chain), id)}
}
