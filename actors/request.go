package actors

import (
	"context"
	"errors"
	"slices"
	"sync"
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
	result   chan result        // capacity 1
	id       uint64             // within the actor's life; zero until its turn has begun
	held     bool               // what will answer it is durable: the loss of an instance does not lose it
	used     atomic.Int64       // gas of its turns
	gone     atomic.Bool        // nobody waits any more
	parts    *parts             // not nil: a raw HTTP request, which may be answered in parts
	told     func(Reply, error) // not nil: also told of the answer, once; must not block
	// answered, when not nil, is called in the turn that answers an open request, with the answer.
	answered func(t *turn, reply Reply, failure error) error

	kept bool // somebody else may want its outcome, so it is done whoever leaves

	mu        sync.Mutex  // guards the fields below
	quit      func(error) // cuts off the turn that is about to begin; nil if none is
	done      *result     // the answer, once it is given
	followers []*request  // repetitions, which get the same answer
}

// gas returns what the request has used so far.
func (r *request) gas() int64 { return r.used.Load() }

// lineage is where a request comes from.
type lineage struct {
	subject string          // verified subject of the client that asks; empty means anonymous, or an actor
	sender  tenants.ActorID // the actor that asks; zero means a client, or the host
	origin  string          // verified subject of the client at the beginning
	chain   []link          // actors through which the request came, the first caller first
	limit   int64           // gas that the caller hands down; zero means a turn's own
}

type result struct {
	reply Reply
	err   error
}

// A request is either begun by the actor or given up by the one who waits, never both. Between taken and begun its turn
// waits for a place and for a processor.
const (
	requestWaiting = iota
	requestTaken
	requestGivenUp
	requestBegun
)

// take reports whether the actor may run the request.
func (r *request) take() bool { return r.state.CompareAndSwap(requestWaiting, requestTaken) }

// begin reports whether the guest may begin with the request that was taken: somebody waits for it still.
func (r *request) begin() bool {
	return r.state.CompareAndSwap(requestTaken, requestBegun) || !r.isGivenUp()
}

func (r *request) isGivenUp() bool { return r.state.Load() == requestGivenUp }

// errLeft is the cause of the end of a turn that had not begun when its client left.
var errLeft = errors.New("actors: nobody waits for the turn any more")

// during notes how to cut off the turn that was taken; nil when it has ended. If who waited has left since, that is done
// at once.
func (r *request) during(quit func(error)) {
	r.mu.Lock()
	r.quit = quit
	r.mu.Unlock()
	if quit != nil && r.isGivenUp() {
		quit(errLeft)
	}
}

// abandon gives up a request that was taken, unless its guest has begun.
func (r *request) abandon() {
	if r.kept || !r.state.CompareAndSwap(requestTaken, requestGivenUp) {
		return
	}
	r.mu.Lock()
	quit := r.quit
	r.mu.Unlock()
	if quit != nil {
		quit(errLeft)
	}
}

// answer gives the result to those who wait. It never blocks. Only the first answer counts.
func (r *request) answer(reply Reply, err error) {
	r.mu.Lock()
	if r.done != nil {
		r.mu.Unlock()
		return
	}
	r.done = &result{reply, err}
	followers := r.followers
	r.followers = nil
	r.mu.Unlock()
	if r.result != nil {
		r.result <- *r.done
	}
	if r.told != nil {
		r.told(reply, err)
	}
	for _, f := range followers {
		f.answer(reply, err)
	}
}

// isAnswered reports whether the answer has been given.
func (r *request) isAnswered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done != nil
}

// follow gives f the answer of r, now or when it comes.
func (r *request) follow(f *request) {
	r.mu.Lock()
	done := r.done
	if done == nil {
		r.followers = append(r.followers, f)
	}
	r.mu.Unlock()
	if done != nil {
		f.answer(done.reply, done.err)
	}
}

// giveUp answers a request that nobody has taken; it will never run.
func (r *request) giveUp(err error) {
	if r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
		r.answer(Reply{}, err)
	}
}

// wait returns the answer. If ctx ends first, a request whose guest has not begun will never run; one
// that runs goes on without us when the client has gone, and is waited for when only its time is
// up: its turn ends by the same deadline and knows better how.
func (r *request) wait(ctx context.Context) (Reply, error) {
	late := time.NewTimer(time.Until(r.deadline))
	defer late.Stop()
	select {
	case got := <-r.result:
		return got.reply, got.err
	case <-ctx.Done():
		return Reply{}, r.leave(ctx)
	case <-late.C:
	}
	if r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
		return Reply{}, errWaited
	}
	select {
	case got := <-r.result:
		return got.reply, got.err
	case <-ctx.Done():
		return Reply{}, r.leave(ctx)
	}
}

// waitTaken is wait for one that must know how a request ended that was taken, even if ctx ends: every turn
// ends by its deadline.
func (r *request) waitTaken(ctx context.Context) (Reply, error) {
	select {
	case got := <-r.result:
		return got.reply, got.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
		return Reply{}, r.leave(ctx)
	}
	got := <-r.result
	return got.reply, got.err
}

var errWaited = abi.Errorf(abi.CodeActionTimedOut, "The request waited too long for the actor")

// leave says that the one who waits has gone, because ctx ended.
func (r *request) leave(ctx context.Context) error {
	r.gone.Store(true)
	if !r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
		r.abandon()
	}
	return &abi.Error{Code: abi.CodeActionTimedOut, Message: "The client went away", Cause: context.Cause(ctx)}
}

// openRequests are the requests of one actor that outlived their turns. Each ends at its deadline at the
// latest, unless its answer has begun. The actor's goroutine uses them; only what takes an answer back that
// was not committed runs elsewhere.
type openRequests struct {
	last uint64 // id given last; begins at a random number, so that no id means something in another life

	mu   sync.Mutex // guards the fields below
	byID map[uint64]*request
	lost int // how often all of them were lost
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
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keepLocked(r)
}

func (o *openRequests) keepLocked(r *request) {
	if o.byID == nil {
		o.byID = map[uint64]*request{}
	}
	o.byID[r.id] = r
}

// get returns an open request for which somebody waits, or nil.
func (o *openRequests) get(id uint64) *request {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.byID[id]; r != nil && !r.gone.Load() {
		return r
	}
	return nil
}

// take removes an open request that is being answered. What it returns puts it back, if the answer is never
// committed; one whose instance has gone meanwhile is answered so, and one that is held waits on where it is held.
func (o *openRequests) take(r *request) (back func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byID, r.id)
	lost, held := o.lost, r.held
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch {
		case held:
		case o.lost != lost:
			r.answer(Reply{}, errReplyLost)
		default:
			o.keepLocked(r)
		}
	}
}

// drop forgets a request, and reports whether it was open.
func (o *openRequests) drop(r *request) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.byID[r.id]
	delete(o.byID, r.id)
	return ok
}

// expire answers the requests whose time is up, and returns how many are still open and not yet begun to be
// answered, and in all.
func (o *openRequests) expire() (waiting, all int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.byID) == 0 {
		return 0, 0
	}
	now := time.Now()
	for id, r := range o.byID {
		switch {
		case r.parts.begun(): // it ends with its client, or with the actor
			continue
		case r.parts == nil && r.gone.Load(): // that of a raw request is told to the guest
			delete(o.byID, id)
		case r.isAnswered(): // with the one that it repeats
			delete(o.byID, id)
		case !now.Before(r.deadline):
			r.answer(Reply{}, abi.Errorf(abi.CodeActionTimedOut, "The actor did not answer in time"))
			delete(o.byID, id)
		default:
			waiting++
		}
	}
	return waiting, len(o.byID)
}

// next returns when the first of them is to be answered that its time is up; zero if none is.
func (o *openRequests) next() (next time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.byID {
		if !r.parts.begun() && (next.IsZero() || r.deadline.Before(next)) {
			next = r.deadline
		}
	}
	return next
}

// lose answers all of them that are not held: what would have answered them is gone.
func (o *openRequests) lose(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost++
	for id, r := range o.byID {
		if r.held {
			continue
		}
		r.answer(Reply{}, err)
		delete(o.byID, id)
	}
}

// through returns the lineage of what an actor asks while it serves a request of this lineage.
func (l lineage) through(at link) lineage {
	return lineage{sender: at.id, origin: l.origin, chain: append(slices.Clone(l.chain), at)}
}
