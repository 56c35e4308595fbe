package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// sink writes down what reaches a socket.
type sink struct {
	mu    sync.Mutex
	lines []string
}

func (s *sink) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *sink) Open(*actors.Conn)              { s.add("open") }
func (s *sink) Event(f *actors.EventFrame)     { s.add("%s%s", f.Name, f.Args) }
func (s *sink) Message(data []byte, text bool) { s.add("message %q %v", data, text) }
func (s *sink) Close(code int, reason string)  { s.add("close %d %s", code, reason) }

func (s *sink) Busy() bool { return false }

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, ", ")
}

func (s *sink) want(t *testing.T, want string) {
	t.Helper()
	kvtest.Eventually(t, "the socket has got "+want, func() bool { return s.String() == want || len(s.String()) > len(want) })
	if got := s.String(); got != want {
		t.Errorf("the socket got %s\nwant %s", got, want)
	}
}

// client is a connection of a test.
type client struct {
	*actors.Conn
	sink *sink
}

// connecting lets somebody in.
func connecting(s *actorstest.Stack, id tenants.ActorID, kind, params string) (*client, error) {
	c := &client{sink: &sink{}}
	r := actors.ConnectRequest{Kind: kind, Params: json.RawMessage(params), Subject: "ann", Head: abi.RequestHead{Method: "GET", URL: "/connect?x=1"}}
	var err error
	c.Conn, err = s.Host.Connect(context.Background(), id, r, c.sink)
	return c, err
}

func connect(t *testing.T, s *actorstest.Stack, id tenants.ActorID, kind string) *client {
	t.Helper()
	c, err := connecting(s, id, kind, `{"p":1}`)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call runs an action on the connection and waits for it.
func (c *client) call(steps ...actorstest.Step) ([]actorstest.Outcome, error) {
	args, _ := json.Marshal([]any{steps})
	type result struct {
		out json.RawMessage
		err error
	}
	ch := make(chan result, 1)
	c.Call(actors.Request{Action: "do", Args: args}, func(r actors.Reply, err error) { ch <- result{r.Output, err} })
	r := <-ch
	if r.err != nil {
		return nil, r.err
	}
	var list []actorstest.Outcome
	return list, json.Unmarshal(r.out, &list)
}

func (c *client) subscribe(event string, on bool) error {
	ch := make(chan error, 1)
	c.Subscribe(event, on, func(err error) { ch <- err })
	return <-ch
}

func (c *client) message(data string, text bool) error {
	ch := make(chan error, 1)
	c.Message([]byte(data), text, func(err error) { ch <- err })
	return <-ch
}

// hooked returns a host with the scripted guest and an actor of it.
func hooked(t *testing.T, actor string, o actorstest.Options) (*actorstest.Stack, tenants.ActorID) {
	t.Helper()
	s := actorstest.Open(t, o)
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	return s, s.Actor(tenants.Default, actor, "a")
}

// on makes a kind of turn run a script from now on.
func on(s *actorstest.Stack, id tenants.ActorID, kind abi.Kind, steps ...actorstest.Step) {
	s.MustDo(id, actorstest.S("kv_put", fmt.Sprintf("on/%d", kind), actorstest.Script(steps...)))
}

// listed returns the connections that a turn sees.
func listed(t *testing.T, s *actorstest.Stack, id tenants.ActorID) []abi.Conn {
	t.Helper()
	var list []abi.Conn
	if err := json.Unmarshal([]byte(s.MustDo(id, actorstest.S("conn_list"))[0].B), &list); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(c abi.Conn) bool { return c.Kind == abi.ConnRequest }) // that of the call itself
}

// One turn lets a client in, with its state, and what it says comes after the opening and before its answers.
func TestConnect(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	on(s, id, abi.KindConnect, step("conn_state_set", "$CONN", `{"seat":7}`), step("conn_send", "$CONN", "welcome", `["you"]`), step("broadcast", "joined", `[1]`))
	c := connect(t, s, id, abi.ConnEvents)
	c.sink.want(t, `open, welcome["you"]`)
	seen := s.Seen(id)
	var conn abi.Conn
	if last := seen[len(seen)-1]; json.Unmarshal([]byte(last.Conn), &conn) != nil || last.Kind != int(abi.KindConnect) || last.Caller != "ann" || last.Head != `{"method":"GET","url":"/connect?x=1"}` {
		t.Errorf("the guest saw %+v", last)
	}
	if conn.ID != c.ID() || conn.Kind != abi.ConnEvents || string(conn.Params) != `{"p":1}` || conn.Subject != "ann" || len(c.ID()) != 36 {
		t.Errorf("the guest saw the connection %+v", conn)
	}
	for _, event := range []string{"b", "a", "b"} {
		if err := c.subscribe(event, true); err != nil {
			t.Fatal(err)
		}
	}
	list := listed(t, s, id)
	if len(list) != 1 || string(list[0].State) != `{"seat":7}` || strings.Join(list[0].Events, " ") != "a b" {
		t.Errorf("the actor's connections are %+v", list)
	}
	got, err := c.call(step("broadcast", "a", `[1]`), step("broadcast", "c", `[2]`), step("conn_send", c.ID(), "direct", `[3]`), step("conn_get", c.ID()))
	if err != nil || !strings.Contains(got[3].B, `"seat":7`) {
		t.Fatal(got, err)
	}
	if got := c.sink.String(); got != `open, welcome["you"], a[1], direct[3]` { // no wait: before the answer
		t.Errorf("the socket got %s", got)
	}
	if err := c.subscribe("a", false); err != nil {
		t.Fatal(err)
	}
	s.MustDo(id, step("broadcast", "a", `[4]`), step("broadcast", "b", `[5]`))
	c.sink.want(t, `open, welcome["you"], a[1], direct[3], b[5]`)
	infos, err := s.Host.Connections(t.Context(), id)
	if err != nil || len(infos) != 1 || infos[0].ID != c.ID() || infos[0].Params != 7 || infos[0].State != 10 || strings.Join(infos[0].Events, " ") != "b" {
		t.Errorf("the inspector shows %+v %v", infos, err)
	}
}

// A refused client leaves nothing, whatever the guest had done for it.
func TestConnectRefused(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	for name, tt := range map[string]struct {
		last actorstest.Step
		want abi.Code
	}{
		"user error": {step("user", "no", "not you"), abi.CodeUser},
		"hidden":     {step("hidden", "secret"), abi.CodeGuestInternal},
		"trap":       {step("trap"), abi.CodeActorTrapped},
	} {
		t.Run(name, func(t *testing.T) {
			on(s, id, abi.KindConnect, step("conn_state_set", "$CONN", `1`), step("conn_send", "$CONN", "x", `[]`), step("kv_put", "left", "x"), tt.last)
			c, err := connecting(s, id, abi.ConnEvents, "")
			if abi.CodeOf(err) != tt.want {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if got := c.sink.String(); got != "" {
				t.Errorf("the socket got %s", got)
			}
			if n := s.MustDo(id, step("kv_get", "left"))[0].N; n != abi.Absent {
				t.Error("the refused turn left a KV item")
			}
			if list := listed(t, s, id); len(list) != 0 {
				t.Errorf("connections %+v", list)
			}
			if n := s.Host.ConnSets(); n != 0 {
				t.Errorf("%d sets of connections are left", n)
			}
		})
	}
}

// A guest that hangs in its connect is ended by the turn's deadline, and the client is refused.
func TestConnectThatHangs(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	on(s, id, abi.KindConnect, step("loop"))
	s.Host.SetTurnTime(300 * time.Millisecond)
	_, err := connecting(s, id, abi.ConnEvents, "")
	if code := abi.CodeOf(err); code != abi.CodeActionTimedOut && code != abi.CodeGasExhausted {
		t.Errorf("error %v", err)
	}
	s.Host.SetTurnTime(time.Minute)
	if list := listed(t, s, id); len(list) != 0 {
		t.Errorf("connections %+v", list)
	}
}

func TestConnectLimits(t *testing.T) {
	s, id := hooked(t, "hooked", actorstest.Options{})
	if _, err := connecting(s, id, abi.ConnEvents, `"`+strings.Repeat("x", abi.MaxConnParams-2)+`"`); err != nil {
		t.Error(err)
	}
	for _, params := range []string{`"` + strings.Repeat("x", abi.MaxConnParams-1) + `"`, `{`, "\"\xff\""} {
		if _, err := connecting(s, id, abi.ConnEvents, params); abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("params of %d bytes: %v", len(params), err)
		}
	}
	c := connect(t, s, id, abi.ConnEvents)
	set := func(n int) abi.Code {
		got := run(t, s, id, step("conn_state_set", c.ID(), `"`+strings.Repeat("x", n-2)+`"`))
		if got[0].N < 0 {
			return abi.Code(-got[0].N)
		}
		return 0
	}
	if code := set(abi.MaxConnState); code != 0 {
		t.Errorf("the largest state: %v", code)
	}
	if code := set(abi.MaxConnState + 1); code != abi.CodeConnStateTooLarge {
		t.Errorf("one byte more: %v", code)
	}
	for i := range abi.MaxConnEvents {
		if err := c.subscribe(fmt.Sprint("e", i), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.subscribe("one more", true); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("one subscription more: %v", err)
	}
	if err := c.subscribe(strings.Repeat("e", abi.MaxEventName+1), true); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("a long event name: %v", err)
	}
}

// What the guest may ask of connections, and how it is refused.
func TestConnOperations(t *testing.T) {
	s, id := hooked(t, "hooked", actorstest.Options{})
	events, raw := connect(t, s, id, abi.ConnEvents), connect(t, s, id, abi.ConnSocket)
	for _, tt := range []struct {
		name string
		step actorstest.Step
		want abi.Code
	}{
		{"state of a stranger", step("conn_state_set", "x", `1`), abi.CodeConnNotFound},
		{"state that is no document", step("conn_state_set", events.ID(), `{`), abi.CodeInvalidArgument},
		{"send to a stranger", step("conn_send", "x", "e", `[]`), abi.CodeConnNotFound},
		{"event for a raw socket", step("conn_send", raw.ID(), "e", `[]`), abi.CodeInvalidArgument},
		{"payload that is no list", step("conn_send", events.ID(), "e", `{}`), abi.CodeInvalidArgument},
		{"message for an event client", step("socket_send", events.ID(), "x", 1), abi.CodeInvalidArgument},
		{"close of an event client", step("socket_close", events.ID(), 1000, ""), abi.CodeInvalidArgument},
		{"disconnect of a stranger", step("conn_disconnect", "x", ""), abi.CodeConnNotFound},
		{"close of a stranger", step("socket_close", "x", 1000, ""), abi.CodeConnNotFound},
	} {
		if got := run(t, s, id, tt.step)[0].N; got != -int64(tt.want) {
			t.Errorf("%s: %d, want %v", tt.name, got, tt.want)
		}
	}
	if n := s.MustDo(id, step("conn_get", "x"))[0].N; n != abi.Absent {
		t.Errorf("a stranger is %d", n)
	}
	s.MustDo(id, step("socket_send", raw.ID(), "hi", 1), step("socket_send", raw.ID(), "\x00", 0), step("socket_close", raw.ID(), 4001, "app.bye"))
	raw.sink.want(t, `open, message "hi" true, message "\x00" false, close 4001 app.bye`)
	got := run(t, s, id, step("conn_disconnect", events.ID(), "kicked"), step("conn_send", events.ID(), "late", `[]`), step("conn_list"))
	if got[1].N != -int64(abi.CodeConnNotFound) || strings.Contains(got[2].B, events.ID()) {
		t.Errorf("after the kick: %+v", got)
	}
	events.sink.want(t, `open, close 1000 kicked`)
	if _, err := events.call(step("nop")); abi.CodeOf(err) != abi.CodeConnNotFound {
		t.Errorf("a call of a kicked client: %v", err)
	}
	events.Closed(1000, "kicked", true)
	raw.Closed(4001, "app.bye", true)
	seen := s.Seen(id)
	gone := seen[len(seen)-2:]
	if gone[0].Kind != int(abi.KindDisconnect) || gone[0].Head != `{"code":1000,"reason":"kicked","clean":true}` || gone[1].Kind != int(abi.KindClose) {
		t.Errorf("the guest saw %+v", gone)
	}
}

// A failed turn takes back what it did to connections, an earlier one in flight keeps what it did.
func TestFailedTurnLeavesConnections(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "hooked", "a")
	c := connect(t, g.Stack, id, abi.ConnEvents)
	g.gate.Hold()
	first := g.start(id, "do", []any{step("conn_state_set", c.ID(), `1`), step("kv_put", "k", "v")})
	failed := g.start(id, "do", []any{step("conn_state_set", c.ID(), `2`), step("conn_disconnect", c.ID(), "x"), step("user", "no", "no")})
	read := g.start(id, "do", []any{step("conn_get", c.ID())})
	g.gate.AwaitHeld(t, 1)
	g.gate.Resume()
	<-first
	if o := <-failed; abi.CodeOf(o.err) != abi.CodeUser {
		t.Error(o.err)
	}
	if o := <-read; !strings.Contains(string(o.out), `\"state\":1`) {
		t.Errorf("the next turn saw %s %v", o.out, o.err)
	}
	c.sink.want(t, "open")
}

// Nothing of a connection is seen outside before its turn is on disk.
func TestConnectionsWaitForTheCommit(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "hooked", "a")
	c := connect(t, g.Stack, id, abi.ConnEvents)
	if err := c.subscribe("e", true); err != nil {
		t.Fatal(err)
	}
	g.gate.Hold()
	late := make(chan *client, 1)
	go func() { late <- connect(t, g.Stack, id, abi.ConnEvents) }()
	g.gate.AwaitHeld(t, 1)
	said := g.start(id, "do", []any{step("broadcast", "e", `[1]`), step("conn_state_set", c.ID(), `1`), step("conn_list")})
	kicked := g.start(id, "do", []any{step("conn_disconnect", c.ID(), "bye")})
	g.settled(id)
	pending(t, "broadcast", said)
	pending(t, "kick", kicked)
	infos, err := g.Host.Connections(t.Context(), id)
	if err != nil || len(infos) != 1 || infos[0].State != 0 {
		t.Errorf("the inspector shows %+v %v", infos, err)
	}
	c.sink.want(t, "open")
	g.gate.Resume()
	if o := <-said; o.err != nil || strings.Count(string(o.out), `\"kind\":\"events\"`) != 2 { // the one in flight is a member
		t.Errorf("the turn saw %s %v", o.out, o.err)
	}
	<-kicked
	c.sink.want(t, "open, e[1], close 1000 bye")
	(<-late).sink.want(t, "open")
}

// A refused commit takes back exactly what it and the turns on top of it did.
func TestRefusedCommitOfConnections(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "hooked", "a")
	c := connect(t, g.Stack, id, abi.ConnEvents)
	g.gate.Hold()
	g.gate.Refuse(2, kv.ErrReadOnly)
	write := func(state, key string) chan outcome {
		return g.start(id, "do", []any{step("conn_state_set", c.ID(), state), step("kv_put", "k", key)})
	}
	good, refused, after := write(`1`, "a"), write(`2`, "b"), write(`3`, "c")
	entering := make(chan error, 1)
	go func() { _, err := connecting(g.Stack, id, abi.ConnEvents, ""); entering <- err }()
	g.gate.AwaitHeld(t, 4)
	silent := g.start(id, "do", []any{step("conn_state_set", c.ID(), `4`), step("conn_send", c.ID(), "e", `[]`)}) // no delta of its own
	g.settled(id)
	g.gate.Resume()
	if o := <-good; o.err != nil {
		t.Error(o.err)
	}
	for name, ch := range map[string]chan outcome{"refused": refused, "after": after, "silent": silent} {
		if o := <-ch; o.err == nil {
			t.Errorf("the %s turn was answered %s", name, o.out)
		}
	}
	if err := <-entering; err == nil {
		t.Error("a client came in by a refused turn")
	}
	list := listed(t, g.Stack, id)
	if len(list) != 1 || string(list[0].State) != "1" {
		t.Errorf("connections %+v", list)
	}
	c.sink.want(t, "open")
}

// settled waits until every turn that was asked for has run. A log line is exempt from the output gate.
func (g *gated) settled(id tenants.ActorID) {
	g.t.Helper()
	before := len(g.Log(id))
	g.start(id, "do", []any{step("log", 2, "mark")})
	kvtest.Eventually(g.t, "the turns have run", func() bool { return len(g.Log(id)) > before })
}

// do runs steps that may fail.
func run(t *testing.T, s *actorstest.Stack, id tenants.ActorID, steps ...actorstest.Step) []actorstest.Outcome {
	t.Helper()
	got, err := s.Do(id, steps...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
