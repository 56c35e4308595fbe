package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// rooms are what is measured over WebSockets: actions of connections, and broadcasts to them.

// talk is a workload over WebSockets. With subscribers it is a broadcast, else actions.
type talk struct {
	name        string // short, for programs
	title       string
	action      string // of actor counter: nop or increment
	conns       int    // that call it
	shared      bool   // all call one actor; otherwise each one its own
	subscribers int
	window      int // requests of a connection, or messages, that are on their way
}

func talks(o options) []talk {
	all := []talk{
		{name: "nop", title: "action that changes nothing, 32 connections to an actor each", action: "nop", conns: 32, window: 1},
		{name: "nop-16", title: "the same, 16 in flight on each connection", action: "nop", conns: 32, window: 16},
		{name: "increment", title: "durable increment, 32 connections to an actor each", action: "increment", conns: 32, window: 1},
		{name: "increment-16", title: "the same, 16 in flight on each connection", action: "increment", conns: 32, window: 16},
		{name: "increment-1", title: "durable increment, 32 connections to one actor", action: "increment", conns: 32, shared: true, window: 1},
		{name: "broadcast-100", title: "broadcast to 100 sockets, one message in flight", subscribers: 100, window: 1},
		{name: "broadcast-1000", title: "broadcast to 1,000 sockets, one message in flight", subscribers: 1000, window: 1},
		{name: "broadcast-1000-16", title: "broadcast to 1,000 sockets, 16 messages in flight", subscribers: 1000, window: 16},
	}
	return slices.DeleteFunc(all, func(w talk) bool { return !o.only.MatchString(w.name) })
}

// line is a server to talk to, in one encoding.
type line struct {
	name  string // in the table
	addr  string // host:port
	pid   int    // whose time and memory count
	token string
	codec codec
	paths map[string]string // of each actor, with %s for its key
}

// hostPath is a host's, in the form that Rivet's client uses.
const hostPath = "/gateway/%s/connect?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%%s"

// dial opens a connection and reads its beginning.
func (l line) dial(ctx context.Context, actor, key string, subscribes bool) (*load.Socket, error) {
	target := fmt.Sprintf(l.paths[actor], key)
	if l.token != "" {
		target += "&rvt-token=" + l.token
	}
	if subscribes {
		target += "&event=said" // for workerd, whose sockets get their tags when they are accepted
	}
	s, err := load.DialSocket(ctx, l.addr, target, "Sec-WebSocket-Protocol: rivet, rivet_encoding."+l.codec.Name()+"\r\n")
	if err != nil {
		return nil, err
	}
	if err := l.begin(s, subscribes); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	return s, nil
}

// begin waits for the Init. A subscription has no answer: that of the action behind it says that it counts.
func (l line) begin(s *load.Socket, subscribes bool) error {
	m, err := s.Read()
	if err == nil {
		err = l.codec.isInit(m)
	}
	if err != nil || !subscribes {
		return err
	}
	frames := l.codec.frame(nil, l.codec.subscribe("said"))
	if err := s.Send(l.codec.call("nop", "[]").appendFrame(frames, 0)); err != nil {
		return err
	}
	if m, err = s.Read(); err != nil {
		return err
	}
	return l.codec.nothing(0, m)
}

// dialAll opens connections one after the other; what was opened is returned also with an error.
func (l line) dialAll(ctx context.Context, n int, actor string, key func(i int) string, subscribe bool) ([]*load.Socket, error) {
	var all []*load.Socket
	for i := range n {
		s, err := l.dial(ctx, actor, key(i), subscribe)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// runner is a load that can be repeated.
type runner interface {
	Run(context.Context, time.Duration) (load.Result, error)
}

// open connects the sockets of a workload. close is to be called also after an error.
func (w talk) open(ctx context.Context, l line, run int) (r runner, close func(), err error) {
	var sockets []*load.Socket
	close = func() {
		for _, s := range sockets {
			s.Close()
		}
	}
	if w.subscribers == 0 {
		key := func(i int) string {
			if w.shared {
				i = 0
			}
			return fmt.Sprintf("%s-%s-%d-%d", w.name, l.codec.Name(), run, i)
		}
		sockets, err = l.dialAll(ctx, w.conns, "counter", key, false)
		return w.calls(l, sockets), close, err
	}
	key := func(int) string { return fmt.Sprintf("%s-%s-%d", w.name, l.codec.Name(), run) }
	if sockets, err = l.dialAll(ctx, w.subscribers, "room", key, true); err != nil {
		return nil, close, err
	}
	publisher, err := l.dial(ctx, "room", key(0), false)
	if err != nil {
		return nil, close, err
	}
	b := w.broadcast(l, publisher, sockets)
	sockets = append(sockets[:len(sockets):len(sockets)], publisher)
	return b, close, nil
}

func (w talk) calls(l line, sockets []*load.Socket) *load.Calls {
	args := "[]"
	if w.action == "increment" {
		args = "[1]"
	}
	request := l.codec.call(w.action, args)
	last := make([]int64, len(sockets))
	check := func(socket, n int, m []byte) error {
		if w.action == "nop" {
			return l.codec.nothing(n, m)
		}
		count, err := l.codec.count(n, m)
		switch {
		case err != nil:
			return err
		case count <= last[socket], !w.shared && count != last[socket]+1:
			return fmt.Errorf("increment returned %d after %d", count, last[socket])
		}
		last[socket] = count
		return nil
	}
	return &load.Calls{
		Sockets: sockets, Window: w.window, Check: check,
		Request: func(b []byte, _, n int) []byte { return request.appendFrame(b, n) },
	}
}

// chat is what is said in a room: 48 bytes.
var chat = strings.Repeat("the lamps are on ", 3)[:48]

func (w talk) broadcast(l line, publisher *load.Socket, subscribers []*load.Socket) *load.Broadcast {
	args := func(n int) string { return fmt.Sprintf(`[%d,"%s"]`, n, chat) }
	return &load.Broadcast{
		Publisher: publisher, Subscribers: subscribers, Window: w.window, Answered: l.codec.nothing,
		Say:   func(b []byte, n int) []byte { return l.codec.call("say", args(n)).appendFrame(b, n) },
		Heard: func(n int) []byte { return l.codec.Event("said", []byte(args(n))) },
	}
}
