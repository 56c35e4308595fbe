package actors

import (
	"bytes"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A turn answers an open request as an effect of its commit: the request is out of the actor's list from
// the operation on, so nobody answers it twice, and back in it if the turn fails or is refused.
//
// A turn may answer its own request in the same way. That is then the turn's answer: what the guest returns
// is not looked at, unless it fails the turn. So a guest can refuse a client and still keep what it wrote.

// request returns the id of the request that the turn serves; zero if nobody waits.
func (t *turn) request() uint64 {
	if t.entry.inner {
		return t.served
	}
	return t.entry.id
}

// find returns the open request with an id, which may be the turn's own.
func (t *turn) find(id uint64) (*request, error) {
	if t.startup {
		return nil, errStartup
	}
	if own := t.entry; !own.inner && own.id == id && !t.replied && !own.gone.Load() {
		return own.request, nil
	}
	t.a.requests.expire()
	if r := t.a.requests.get(id); r != nil {
		return r, nil
	}
	return nil, &abi.Error{Code: abi.CodeRequestNotOpen}
}

// Reply implements hostfuncs.Requests.
func (t *turn) Reply(id uint64, envelope []byte) error {
	r, err := t.find(id)
	if err != nil {
		return err
	}
	e, err := abi.ParseReply(bytes.Clone(envelope))
	if err != nil {
		return abi.Errorf(abi.CodeInvalidArgument, "the reply's envelope is malformed")
	}
	reply, failure, err := t.answerOf(r, &e)
	if err != nil {
		return err
	}
	if r.answered != nil {
		if err := r.answered(t, reply, failure); err != nil {
			return err
		}
	}
	if r == t.entry.request {
		t.replied = true
	} else {
		t.unless(t.a.requests.take(r))
	}
	t.after(func() { r.answer(reply, failure) })
	return nil
}

// answerOf reads the envelope of a reply: what the one who waits gets, or what is wrong with it.
func (t *turn) answerOf(r *request, e *abi.Reply) (reply Reply, failure, err error) {
	switch e.Status {
	case abi.StatusOK:
		reply, err = t.result(r, e)
		return reply, nil, err
	case abi.StatusUser:
		failure = userError(e)
	case abi.StatusHidden:
		failure = t.a.hidden(e.Message)
	case abi.StatusHost:
		failure = t.hostFailure(e)
	default:
		err = abi.Errorf(abi.CodeInvalidArgument, "a reply has no status %d", e.Status)
	}
	return Reply{}, failure, err
}

// hostFailure is a failure of the host that a guest passes on. It is believed only if the host told it in
// this turn, as the refusal of an operation, the answer of another actor or the outcome of a task; or if it is
// one that a guest may say of itself.
func (t *turn) hostFailure(e *abi.Reply) error {
	if t.told != nil && t.told.Code == e.Code {
		return t.told
	}
	if refused, ok := t.run.Refusal(e.Code); ok {
		return refused
	}
	if relayed := t.relayed[e.Code]; relayed != nil {
		return relayed
	}
	if guestCodes[e.Code] {
		return &abi.Error{Code: e.Code}
	}
	return t.a.hidden(e.Message)
}

// success reads the answer that the guest returned.
func (t *turn) success(e *abi.Reply) (Reply, error) {
	if t.replied || t.entry.inner {
		return Reply{}, nil
	}
	return t.result(t.entry.request, e)
}

// result checks a result for the one who waits for it.
func (t *turn) result(r *request, e *abi.Reply) (Reply, error) {
	if r.parts != nil {
		return t.lastPart(r.parts, e)
	}
	return jsonReply(t, e.Result)
}

// lastPart is the end of the answer to a raw HTTP request, or all of it.
func (t *turn) lastPart(p *parts, e *abi.Reply) (Reply, error) {
	reply := Reply{Kind: ReplyHTTP, Raw: bytes.Clone(e.Result)}
	if len(e.Head) > 0 && p.headed() {
		return Reply{}, errHeaded
	}
	head, err := parseHead(e.Head)
	if err != nil {
		return Reply{}, err
	}
	if reply.Head = head; len(e.Result) > abi.MaxOutbox {
		return Reply{}, abi.Errorf(abi.CodeOutputTooLarge, "the answer is larger than %d bytes", abi.MaxOutbox)
	}
	return reply, t.say(len(e.Result))
}

// keepOpen lets the turn's request outlive it. The answer to a raw HTTP request may begin with it.
func (t *turn) keepOpen(e *abi.Reply) error {
	if t.entry.result == nil || t.entry.inner || t.replied {
		t.left = t.entry.result == nil
		return nil // nobody waits for this turn itself
	}
	if _, open := t.a.requests.expire(); open >= abi.MaxOpenRequests {
		return &abi.Error{Code: abi.CodeTooManyOpen, Retry: time.Second}
	}
	if r := t.entry.request; r.parts != nil {
		if len(e.Head) > 0 {
			if err := t.ReplyHead(r.id, e.Head); err != nil {
				return err
			}
		}
		if len(e.Result) > 0 {
			if err := t.ReplyPart(r.id, e.Result); err != nil {
				return err
			}
		}
	}
	t.open = true
	r := t.entry.request
	t.unless(func() { t.a.requests.drop(r) }) // its own turn was refused, and that is its answer
	return nil
}

// ReplyHead implements hostfuncs.Requests.
func (t *turn) ReplyHead(id uint64, doc []byte) error {
	p, err := t.raw(id)
	if err != nil {
		return err
	}
	head, err := parseHead(doc)
	if err != nil {
		return err
	}
	if !p.begin() {
		return errHeaded
	}
	t.unless(p.unbegin)
	t.after(func() { p.setHead(head) })
	return nil
}

// ReplyPart implements hostfuncs.Requests.
func (t *turn) ReplyPart(id uint64, part []byte) error {
	p, err := t.raw(id)
	switch {
	case err != nil:
		return err
	case !p.headed():
		return abi.Errorf(abi.CodeInvalidArgument, "an answer begins with reply_head")
	case len(part) > abi.MaxResponsePart:
		return abi.Errorf(abi.CodeOutputTooLarge, "a part is larger than %d bytes", abi.MaxResponsePart)
	case len(part) == 0:
		return nil
	}
	if err := t.say(len(part)); err != nil {
		return err
	}
	if !p.reserve(len(part)) {
		return abi.Errorf(abi.CodeActorOverloaded, "the client is slower than the answer: go on in a later turn")
	}
	b := bytes.Clone(part)
	t.unless(func() { p.release(len(b)) })
	t.after(func() { p.push(b) })
	return nil
}

// raw returns where the answer to an open raw HTTP request goes.
func (t *turn) raw(id uint64) (*parts, error) {
	r, err := t.find(id)
	if err != nil {
		return nil, err
	}
	if r.parts == nil {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "only a raw HTTP request is answered in parts")
	}
	return r.parts, nil
}

// RequestOpen implements hostfuncs.Requests.
func (t *turn) RequestOpen(id uint64) bool {
	_, err := t.find(id)
	return err == nil
}
