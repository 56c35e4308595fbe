package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// talk is a load over WebSockets. With subscribers it is a broadcast, else actions.
type talk struct {
	action      string // nop, increment or say
	conns       int    // that call it
	shared      bool   // all call one actor; otherwise each one its own
	subscribers int
	window      int // requests of a connection, or messages, that are on their way
}

func (w talk) measure(ctx context.Context, o options, t target, run int, res *result) error {
	runner, done, err := w.open(ctx, t, fmt.Sprintf("%s-%s-%s-%d", t.kind, res.Workload, t.codec.Name(), run))
	defer done()
	if err != nil {
		return err
	}
	if o.warm > 0 {
		if _, err := runner.Run(ctx, o.warm); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	_, err = observe(ctx, t, res, func() (load.Result, error) { return runner.Run(ctx, o.dur) })
	return err
}

// dial opens a connection to the actor of an action and reads its beginning.
func (t target) dial(ctx context.Context, action, key string, subscribes bool) (*load.Socket, error) {
	path := fmt.Sprintf("/gateway/%s/connect?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%s", t.actors[action], key)
	if t.token != "" && t.kind == kindHost {
		path += "&rvt-token=" + t.token
	}
	if subscribes && t.kind == kindWorkerd {
		path += "&event=said" // its sockets get their tags when they are accepted
	}
	s, err := load.DialSocket(ctx, t.addr, path, "Sec-WebSocket-Protocol: rivet, rivet_encoding."+t.codec.Name()+"\r\n")
	if err != nil {
		return nil, err
	}
	if err := t.begin(s, subscribes); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return s, nil
}

// begin waits for the Init. A subscription has no answer: that of the action behind it says that it counts.
func (t target) begin(s *load.Socket, subscribes bool) error {
	m, err := s.Read()
	if err == nil {
		err = t.codec.isInit(m)
	}
	if err != nil || !subscribes {
		return err
	}
	frames := t.codec.frame(nil, t.codec.subscribe("said"))
	if err := s.Send(t.codec.call("nop", "[]").appendFrame(frames, 0)); err != nil {
		return err
	}
	if m, err = s.Read(); err != nil {
		return err
	}
	return t.codec.nothing(0, m)
}

// dialers is how many connections are opened at a time.
const dialers = 8

// dialAll opens connections, a few at a time; what was opened is returned also with an error.
func (t target) dialAll(ctx context.Context, n int, action string, key func(i int) string, subscribe bool) ([]*load.Socket, error) {
	sockets, errs := make([]*load.Socket, n), make([]error, dialers)
	var wg sync.WaitGroup
	for d := range dialers {
		wg.Go(func() { // ends with its part
			for i := d; i < n && errs[d] == nil; i += dialers {
				sockets[i], errs[d] = t.dial(ctx, action, key(i), subscribe)
			}
		})
	}
	wg.Wait()
	var open []*load.Socket
	for _, s := range sockets {
		if s != nil {
			open = append(open, s)
		}
	}
	for _, err := range errs {
		if err != nil {
			return open, err
		}
	}
	return open, nil
}

// runner is a load that can be repeated.
type runner interface {
	Run(context.Context, time.Duration) (load.Result, error)
}

// open connects the sockets of a workload. close is to be called also after an error.
func (w talk) open(ctx context.Context, t target, name string) (r runner, close func(), err error) {
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
			return fmt.Sprintf("%s-%d", name, i)
		}
		sockets, err = t.dialAll(ctx, w.conns, w.action, key, false)
		return w.calls(t, sockets), close, err
	}
	key := func(int) string { return name }
	if sockets, err = t.dialAll(ctx, w.subscribers, "say", key, true); err != nil {
		return nil, close, err
	}
	publisher, err := t.dial(ctx, "say", name, false)
	if err != nil {
		return nil, close, err
	}
	b := w.broadcast(t, publisher, sockets)
	sockets = append(sockets[:len(sockets):len(sockets)], publisher)
	return b, close, nil
}

func (w talk) calls(t target, sockets []*load.Socket) *load.Calls {
	args := "[]"
	if w.action == "increment" {
		args = "[1]"
	}
	request := t.codec.call(w.action, args)
	last := make([]int64, len(sockets))
	check := func(socket, n int, m []byte) error {
		if w.action == "nop" {
			return t.codec.nothing(n, m)
		}
		count, err := t.codec.count(n, m)
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

func (w talk) broadcast(t target, publisher *load.Socket, subscribers []*load.Socket) *load.Broadcast {
	args := func(n int) string { return fmt.Sprintf(`[%d,"%s"]`, n, chat) }
	return &load.Broadcast{
		Publisher: publisher, Subscribers: subscribers, Window: w.window, Answered: t.codec.nothing,
		Say:   func(b []byte, n int) []byte { return t.codec.call("say", args(n)).appendFrame(b, n) },
		Heard: func(n int) []byte { return t.codec.Event("said", []byte(args(n))) },
	}
}
