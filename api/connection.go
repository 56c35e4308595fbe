package api

import (
	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// What is spoken once a client is let in: Rivet's messages on a connection, anything on a raw socket.

// Open implements actors.Sink: the first thing that a client gets is who it is.
func (p *peer) Open(c *actors.Conn) {
	if !p.raw {
		p.say(p.encoding.Init(c.Actor().String(), c.ID()))
	}
}

// Event implements actors.Sink.
func (p *peer) Event(f *actors.EventFrame) {
	p.k.send(f.Form(p.encoding.Name(), func(f *actors.EventFrame) []byte {
		return messageFrame(p.encoding.Event(f.Name, f.Args), !p.encoding.Binary())
	}))
}

// Message implements actors.Sink.
func (p *peer) Message(data []byte, text bool) { p.k.send(messageFrame(data, text)) }

// Close implements actors.Sink.
func (p *peer) Close(code int, reason string) { p.k.close(code, reason) }

// Busy implements actors.Sink.
func (p *peer) Busy() bool { return p.k.busy() }

// obey does what a client's message asks for.
func (p *peer) obey(data []byte, text bool) {
	m, err := p.encoding.Parse(data)
	if err != nil || text == p.encoding.Binary() {
		p.k.close(closeError, "actor.invalid_request")
		return
	}
	p.k.begin()
	err = p.s.countMessage(p.q)
	if m.Event != "" {
		if err != nil {
			p.settled(err)
			return
		}
		p.conn.Subscribe(m.Event, m.Subscribe, p.settled)
		return
	}
	answer := func(r actors.Reply, err error) {
		defer p.k.done()
		if err != nil {
			e := p.s.public(err, p.q.Request)
			p.s.logError(e, p.q.Request, p.w)
			p.fail(e, &m.ID)
			return
		}
		p.say(p.encoding.Response(m.ID, outputOf(r)))
	}
	if err == nil {
		err = p.q.enters(tenants.ActionDoor(m.Name))
	}
	if err != nil {
		answer(actors.Reply{}, err)
		return
	}
	p.conn.Call(actors.Request{Action: m.Name, Args: m.Args}, answer)
}

// pass hands a raw socket's message to the actor.
func (p *peer) pass(data []byte, text bool) {
	p.k.begin()
	if err := p.s.countMessage(p.q); err != nil {
		p.settled(err)
		return
	}
	p.conn.Message(data, text, p.settled)
}

// settled ends the socket if what the client sent without waiting for an answer was refused: it would never know.
func (p *peer) settled(err error) {
	defer p.k.done()
	if err == nil || abi.CodeOf(err) == abi.CodeConnNotFound {
		return // all is well, or the socket is on its way out
	}
	e := p.s.public(err, p.q.Request)
	p.s.logError(e, p.q.Request, p.w)
	p.fail(e, nil)
	p.k.close(closeError, closeReason(e))
}
