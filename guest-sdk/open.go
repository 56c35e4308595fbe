package guest

import (
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// OpenRequest is a request that waits for its answer longer than its turn. Keep it in the state or in
// the value of a task. It is lost, and its client told so, when the host stops or the guest traps.
// Zero is a request that nobody waits for: what is answered to it goes nowhere.
type OpenRequest uint64

// KeepOpen lets the turn end without an answer to its request. What the action returns then is
// dropped, unless it is an error, which is the answer. An actor may have abi.MaxOpenRequests.
func (c *env) KeepOpen() OpenRequest {
	c.open = c.open || c.turn.Request != 0
	return OpenRequest(c.turn.Request)
}

// RequestOpen reports whether somebody still waits.
func (c *env) RequestOpen(r OpenRequest) bool {
	if r == 0 {
		return false
	}
	n, err := c.host.RequestOpen(int64(r))
	check(err)
	return n == 1
}

// Reply answers an open request with v: the result of an action, the completion of a queue message,
// or, for a raw HTTP request, a *Response. Nil is no value. The answer leaves once the turn is durable.
// The error is abi.CodeRequestNotOpen if it has an answer, or its client has gone.
func (c *env) Reply(r OpenRequest, v any) error {
	var reply abi.Reply
	var err error
	switch v := v.(type) {
	case nil:
	case *Response:
		reply, err = v.reply()
	default:
		reply.Result, err = marshal(v)
	}
	if err != nil {
		return err
	}
	return c.answer(r, &reply)
}

// ReplyError answers an open request with an error, as an action that returns it does.
func (c *env) ReplyError(r OpenRequest, err error) error {
	reply := replyTo(err)
	return c.answer(r, &reply)
}

func (c *env) answer(r OpenRequest, reply *abi.Reply) error {
	if r == 0 {
		return nil
	}
	return c.host.Reply(int64(r), abi.AppendReply(nil, reply))
}

// ReplyHead begins the answer to an open raw HTTP request. Parts follow, in this turn or in others,
// each of which leaves when its turn is durable; ReplyEnd ends it.
func (c *env) ReplyHead(r OpenRequest, status int, h Header) error {
	return c.start(r, &Response{Status: status, Header: h})
}

// ReplyPart goes on with an answer that has begun, by at most abi.MaxResponsePart bytes.
func (c *env) ReplyPart(r OpenRequest, part []byte) error {
	if r == 0 {
		return nil
	}
	return c.host.ReplyPart(int64(r), part)
}

// ReplyEnd ends an answer that has begun.
func (c *env) ReplyEnd(r OpenRequest) error { return c.Reply(r, nil) }

// start begins an answer with a head and perhaps a first part.
func (c *env) start(r OpenRequest, a *Response) error {
	if r == 0 {
		return nil
	}
	b, err := a.head()
	if err != nil {
		return err
	}
	if err := c.host.ReplyHead(int64(r), b); err != nil || len(a.Body) == 0 {
		return err
	}
	return c.host.ReplyPart(int64(r), a.Body)
}
