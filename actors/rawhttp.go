package actors

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// RawRequest is an HTTP request for the actor's own handler.
type RawRequest struct {
	Head   abi.RequestHead
	Body   []byte
	Caller string // verified subject of the client; empty means anonymous
	Origin string // as in Request
}

// RawResponse is the actor's answer to a RawRequest. It must be closed.
type RawResponse struct {
	Head abi.ResponseHead // Status is between 200 and 599, names and values of Header are well formed
	// Body is the whole body, if Next is nil.
	Body []byte
	// Next returns the next part of the body when its turn is durable, and io.EOF after the last one. Any
	// other error means that the body is not complete.
	Next func(context.Context) ([]byte, error)

	close func()
}

// Close tells the actor that the client has gone, unless it has got everything.
func (r *RawResponse) Close() {
	if r.close != nil {
		r.close()
	}
}

// Request hands a raw HTTP request to the actor and returns the answer as soon as its head is durable. If
// ctx ends before, or the answer is closed before its end, the actor's hook gone runs. An actor without the
// hook request answers CodeNoHandler.
func (h *Host) Request(ctx context.Context, id tenants.ActorID, r RawRequest) (*RawResponse, error) {
	if len(r.Body) > abi.MaxBody {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the body is larger than %d bytes", abi.MaxBody)
	}
	if err := h.checkOrigin(ctx, id, r.Origin); err != nil {
		return nil, err
	}
	head, err := json.Marshal(r.Head)
	if err != nil {
		return nil, err
	}
	k := &ask{Turn: abi.Turn{Kind: abi.KindRequest, Head: head, Args: r.Body}}
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		if t.a.version.Plain || !t.a.manifest().HasHook(abi.HookRequest) {
			return Reply{}, &abi.Error{Code: abi.CodeNoHandler}
		}
		return t.runGuest(k)
	})
	e.outside, e.parts = true, newParts()
	e.lineage = lineage{subject: r.Caller, origin: r.Caller}
	if err := h.put(ctx, id, e); err != nil {
		return nil, err
	}
	return h.response(ctx, id, e.request)
}

// response waits for the head of an answer, or for all of it.
func (h *Host) response(ctx context.Context, id tenants.ActorID, r *request) (*RawResponse, error) {
	late := time.NewTimer(time.Until(r.deadline))
	defer late.Stop()
	for {
		select {
		case <-r.parts.ready:
			if head := r.parts.take(); head != nil {
				return h.streamed(id, r, *head, nil), nil
			}
		case got := <-r.result:
			if head := r.parts.take(); head != nil {
				return h.streamed(id, r, *head, &got), nil
			}
			if got.err != nil {
				return nil, got.err
			}
			return &RawResponse{Head: got.reply.Head, Body: got.reply.Raw}, nil
		case <-ctx.Done():
			err := r.leave(ctx)
			h.clientGone(id, r)
			return nil, err
		case <-late.C:
			if r.state.CompareAndSwap(requestWaiting, requestGivenUp) {
				return nil, errWaited
			} // else its turn or its actor ends it
		}
	}
}

// streamed is an answer in parts; last is what ends it, if that is known already.
func (h *Host) streamed(id tenants.ActorID, r *request, head abi.ResponseHead, last *result) *RawResponse {
	next := func(ctx context.Context) ([]byte, error) {
		for {
			if b := r.parts.pop(); b != nil {
				return b, nil
			}
			if last != nil {
				b := last.reply.Raw
				last.reply.Raw = nil
				if len(b) > 0 {
					return b, nil
				}
				if last.err != nil {
					return nil, last.err
				}
				return nil, io.EOF
			}
			select {
			case <-r.parts.ready:
			case got := <-r.result:
				last = &got // behind all parts: see outbox
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	return &RawResponse{Head: head, Next: next, close: func() {
		if last == nil && !r.gone.Swap(true) {
			h.clientGone(id, r)
		}
	}}
}

// clientGone lets the actor forget a request whose client has gone, and tells its guest if it wants to know. It
// is never refused. An actor that sleeps has no open requests.
func (h *Host) clientGone(id tenants.ActorID, r *request) {
	h.mu.Lock()
	a := h.awake[id]
	h.mu.Unlock()
	if a == nil {
		return
	}
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		if t.a.requests.drop(r) && !t.a.version.Plain && t.a.manifest().HasHook(abi.HookGone) {
			return Reply{}, t.a.mail.put(t.a.goneEntry(r))
		}
		return Reply{}, nil
	})
	e.bare, e.inner = true, true // it must not fail for the guest's sake
	_ = a.mail.put(e)            // an actor that takes nothing more loses its requests
}

// goneEntry is the turn of the hook gone, whose time begins when it runs.
func (a *actor) goneEntry(r *request) *entry {
	e := newEntry(entryTurn, a.h.deadline(), func(t *turn) (Reply, error) {
		t.served = r.id
		return t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindGone}})
	})
	e.inner, e.lineage = true, r.lineage
	return e
}
