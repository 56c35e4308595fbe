package actors

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// The turns of connections. Each runs the guest only if its manifest asks for the kind.

// maxSocketMessageOption bounds what a manifest may let a socket's message be.
const maxSocketMessageOption = 32 << 20

func (t *turn) manifest() abi.ActorManifest { return t.a.version.Actors[t.a.record.Name] }

// hook runs the guest for something that has no answer beyond yes and no.
func (t *turn) hook(turn abi.Turn) error {
	_, err := t.runGuest(&ask{Turn: turn})
	t.open = false // nobody waits beyond this turn
	return err
}

// letIn makes c a member, if the guest has nothing against it.
func (t *turn) letIn(c *Conn, head []byte) error {
	m := t.manifest()
	hook, kind := abi.HookConnect, abi.KindConnect
	if c.kind == abi.ConnSocket {
		hook, kind = abi.HookOpen, abi.KindOpen
		if !m.HasHook(abi.HookOpen) && !m.HasHook(abi.HookMessage) {
			return abi.Errorf(abi.CodeNoHandler, "the actor takes no raw sockets")
		}
	}
	if c.maxMessage = m.Options.MaxMessageSize; c.maxMessage <= 0 {
		c.maxMessage = abi.MaxSocketMessage
	}
	c.maxMessage = min(c.maxMessage, maxSocketMessageOption)
	c.interval = milliseconds(m.Options.ConnectionLivenessInterval, 0)
	c.timeout = milliseconds(m.Options.ConnectionLivenessTimeout, 0)
	c.set.mu.Lock()
	c.set.last++
	c.number = c.set.last
	c.set.mu.Unlock()
	if err := t.a.checker().Params(c.params); err != nil {
		return err
	}
	t.conns.own = c
	if err := t.changeConn(c, &connValue{member: true}); err != nil {
		return err
	}
	if !m.HasHook(hook) {
		return nil
	}
	return t.hook(abi.Turn{Kind: kind, Conn: t.describeConn(c), Head: head})
}

// seeOff ends a membership and tells the guest. The connection is in no list any more when the guest runs.
func (t *turn) seeOff(c *Conn, gone []byte) error {
	m := t.manifest()
	hook, kind := abi.HookDisconnect, abi.KindDisconnect
	if c.kind == abi.ConnSocket {
		hook, kind = abi.HookClose, abi.KindClose
	}
	doc := t.describeConn(c)
	if err := t.dropConn(c); err != nil {
		return err
	}
	if !m.HasHook(hook) {
		return nil
	}
	return t.hook(abi.Turn{Kind: kind, Conn: doc, Head: gone})
}

// dropConn ends a membership for good, whether or not the guest can be told.
func (t *turn) dropConn(c *Conn) error {
	err := t.changeConn(c, t.connValue(c).with(func(v *connValue) { v.member = false }))
	t.after(func() {
		c.set.mu.Lock()
		defer c.set.mu.Unlock()
		c.told = true
	})
	return err
}

// callOn makes a call one of a connection's client.
func (t *turn) callOn(c *Conn, k *ask) error {
	if !t.connValue(c).isMember() {
		return errNoConn
	}
	k.Conn = t.describeConn(c)
	return nil
}

// subscribe begins or ends a subscription. Doing it twice is doing it once.
func (t *turn) subscribe(c *Conn, event string, on bool) error {
	v := t.connValue(c)
	if !v.isMember() {
		return errNoConn
	}
	if event == "" || len(event) > abi.MaxEventName || !utf8.ValidString(event) {
		return abi.Errorf(abi.CodeInvalidRequest, "an event name is 1 to %d bytes of UTF-8", abi.MaxEventName)
	}
	at, had := slices.BinarySearch(v.events, event)
	if had == on {
		return nil
	}
	events := slices.Clone(v.events) // a connValue is never written to
	if !on {
		events = slices.Delete(events, at, at+1)
	} else if events = slices.Insert(events, at, event); len(events) > abi.MaxConnEvents {
		return abi.Errorf(abi.CodeInvalidRequest, "a connection has at most %d subscriptions", abi.MaxConnEvents)
	}
	m := t.manifest()
	if on && m.HasHook(abi.HookSubscribe) {
		if err := t.hook(abi.Turn{Kind: abi.KindSubscribe, Name: event, Conn: t.describeConn(c)}); err != nil {
			return err
		}
		v = t.connValue(c) // the guest may have set its state
		if !v.isMember() {
			return nil
		}
	}
	return t.changeConn(c, v.with(func(v *connValue) { v.events = events }))
}

// message hands a raw socket's message to the guest.
func (t *turn) message(c *Conn, data []byte, text bool) error {
	if !t.connValue(c).isMember() {
		return errNoConn
	}
	if m := t.manifest(); !m.HasHook(abi.HookMessage) {
		return abi.Errorf(abi.CodeNoHandler, "the actor takes no messages of raw sockets")
	}
	head, err := json.Marshal(abi.Frame{Text: text})
	if err != nil {
		return fmt.Errorf("actors: encode a frame's head: %w", err)
	}
	return t.hook(abi.Turn{Kind: abi.KindMessage, Conn: t.describeConn(c), Args: data, Head: head})
}

// around makes a call that came without a connection one with a connection of its own, if the guest has hooks
// to run around it. It costs other calls nothing.
func (t *turn) around(k *ask, params json.RawMessage, head func() abi.RequestHead) error {
	m := t.manifest()
	if !m.HasHook(abi.HookConnect) && !m.HasHook(abi.HookDisconnect) {
		return nil
	}
	if err := t.a.checker().Params(params); err != nil {
		return err
	}
	c := &Conn{actor: t.a.id, id: newConnID(), kind: abi.ConnRequest, subject: t.entry.subject, params: params, since: t.now}
	t.conns.own = c
	if err := t.changeConn(c, &connValue{member: true}); err != nil {
		return err
	}
	k.Hooks, k.Conn = true, t.describeConn(c)
	if head == nil {
		return nil
	}
	b, err := json.Marshal(head())
	if err != nil {
		return fmt.Errorf("actors: encode a request's head: %w", err)
	}
	k.Head = b
	return nil
}

var errNoConn = abi.Errorf(abi.CodeConnNotFound, "the actor has no such connection")
