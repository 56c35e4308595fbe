package guesttest

import (
	"bytes"
	"encoding/json"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

type answer = memhost.Answer

// Pending is a request that the actor may answer later.
type Pending struct {
	a   *Actor
	id  uint64
	end *abi.Reply // what the turn itself answered
	err error
}

// Begin calls an action whose answer may come in a later turn.
func (a *Actor) Begin(action string, args ...any) *Pending {
	return a.begin(&abi.Turn{Kind: abi.KindAction, Name: action, Args: arguments(args)}, "")
}

// BeginRequest makes a raw HTTP request whose answer may come later.
func (a *Actor) BeginRequest(r guest.Request) *Pending {
	return a.begin(&abi.Turn{Kind: abi.KindRequest, Args: r.Body, Head: requestHead(&r)}, "")
}

// Request makes a raw HTTP request, and returns its answer or its error, as Call does.
func (a *Actor) Request(r guest.Request) (*guest.Response, error) {
	return a.BeginRequest(r).Response()
}

func requestHead(r *guest.Request) []byte {
	return document(abi.RequestHead{Method: r.Method, URL: r.URL, Header: r.Header, Remote: r.Remote})
}

// begin runs a client's turn, on a connection if it has one.
func (a *Actor) begin(t *abi.Turn, conn string) *Pending {
	t.Caller, t.Sender, t.Request = a.Caller, a.Sender, a.host.Expect()
	p := &Pending{a: a, id: t.Request}
	switch c := a.host.Conn(conn); {
	case c != nil:
		t.Conn, t.Caller = document(c), c.Subject
	case t.Kind == abi.KindAction && t.Sender == "" && (a.manifest.HasHook(abi.HookConnect) || a.manifest.HasHook(abi.HookDisconnect)):
		temporary := a.conn(abi.ConnRequest, a.Params)
		t.Hooks, t.Conn, t.Head = true, document(temporary), requestHead(&guest.Request{Method: "POST", URL: "/action/" + t.Name})
		defer a.host.Drop(temporary.ID)
	}
	r, err := a.run(t)
	if p.err = err; err == nil && r.Status == abi.StatusOpen {
		return p
	}
	p.end = &r
	delete(a.host.Requests, p.id)
	return p
}

// reply returns the end of the answer, nil if there is none yet.
func (p *Pending) reply() *abi.Reply {
	if p.end != nil {
		return p.end
	}
	if a := p.a.host.Requests[p.id]; a != nil {
		return a.Reply
	}
	return &abi.Reply{Status: abi.StatusHost, Code: abi.CodeReplyLost}
}

// Done reports whether the actor has answered.
func (p *Pending) Done() bool { return p.reply() != nil }

// Result decodes the answer as [Actor.Call] does, or returns [ErrOpen].
func (p *Pending) Result(result any) error {
	if p.err != nil {
		return p.err
	}
	r := p.reply()
	if r == nil {
		return ErrOpen
	}
	if err := failure(r); err != nil || result == nil || len(r.Result) == 0 {
		return err
	}
	return json.Unmarshal(r.Result, result)
}

// Response returns the answer to a raw HTTP request. While it comes in parts it is what came so far,
// with [ErrOpen].
func (p *Pending) Response() (*guest.Response, error) {
	if p.err != nil {
		return nil, p.err
	}
	a, r := p.a.host.Requests[p.id], p.reply()
	if r != nil && failure(r) != nil {
		return nil, failure(r)
	}
	var d abi.ResponseHead
	var body []byte
	switch {
	case a != nil && a.Head != nil:
		d, body = *a.Head, bytes.Join(a.Parts, nil)
	case r == nil:
		return nil, ErrOpen
	default:
		if err := json.Unmarshal(r.Head, &d); err != nil {
			return nil, err
		}
	}
	if r == nil {
		return &guest.Response{Status: d.Status, Header: d.Header, Body: body}, ErrOpen
	}
	return &guest.Response{Status: d.Status, Header: d.Header, Body: append(body, r.Result...)}, nil
}

// Gone lets the client of an open request go away, and returns the error of the actor's Gone.
func (p *Pending) Gone() error {
	delete(p.a.host.Requests, p.id)
	return p.a.hook(abi.HookGone, &abi.Turn{Kind: abi.KindGone, Request: p.id})
}
