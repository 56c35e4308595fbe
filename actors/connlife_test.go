package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
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

// crowd connects n clients at once.
func crowd(t *testing.T, s *actorstest.Stack, id tenants.ActorID, kind string, n int) []*client {
	t.Helper()
	all := make([]*client, n)
	each(n, func(i int) {
		c, err := connecting(s, id, kind, "")
		if err != nil {
			t.Error(err)
		}
		all[i] = c
	})
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func quick(c *actors.Config) { c.IdleTime = 50 * time.Millisecond }

// An actor sleeps while a thousand sockets stay. A message of each wakes it, and they are told of each other.
func TestSocketsOutliveSleep(t *testing.T) {
	s, id := hooked(t, "raw", actorstest.Options{Config: quick})
	on(s, id, abi.KindMessage, step("socket_send", "$CONN", "$ARGS", 1))
	all := crowd(t, s, id, abi.ConnSocket, 1000)
	for round := range 2 {
		asleep(t, s)
		each(len(all), func(i int) {
			if err := all[i].message(fmt.Sprintf("%d/%d", round, i), true); err != nil {
				t.Error(err)
			}
		})
	}
	for i, c := range all {
		if got, want := c.sink.String(), fmt.Sprintf(`open, message "0/%d" true, message "1/%d" true`, i, i); got != want {
			t.Fatalf("socket %d got %s", i, got)
		}
	}
	if n := len(listed(t, s, id)); n != 1000 {
		t.Errorf("%d connections", n)
	}
}

// Every one of a thousand sockets that close at once, while the actor sleeps or is busy, is told to the guest.
func TestDisconnectsAreNeverLost(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{Config: quick})
	all := crowd(t, s, id, abi.ConnEvents, 400)
	on(s, id, abi.KindDisconnect, step("remember", "x"))
	asleep(t, s)
	each(len(all), func(i int) { all[i].Closed(1001, "away", true) })
	gone := map[string]bool{}
	for _, one := range s.Seen(id) {
		if one.Kind == int(abi.KindDisconnect) {
			var c abi.Conn
			if json.Unmarshal([]byte(one.Conn), &c) != nil || gone[c.ID] || one.Head != `{"code":1001,"reason":"away","clean":true}` {
				t.Fatalf("the guest saw %+v", one)
			}
			gone[c.ID] = true
		}
	}
	if len(gone) != len(all) || len(listed(t, s, id)) != 0 || s.Host.ConnSets() != 0 {
		t.Errorf("%d of %d disconnects, %d connections left, %d sets", len(gone), len(all), len(listed(t, s, id)), s.Host.ConnSets())
	}
}

// A thousand disconnects wait at once, more than the mailbox takes of outside requests.
func TestDisconnectsPassAFullMailbox(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "script", "a")
	all := crowd(t, g.Stack, id, abi.ConnEvents, 1000)
	g.gate.Hold()
	for range 16 { // all that may be in flight: the next turn waits
		g.start(id, "do", []any{step("kv_put", "k", "v")})
	}
	g.gate.AwaitHeld(t, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		each(len(all), func(i int) { all[i].Closed(1000, "", true) })
	}()
	kvtest.Eventually(t, "they wait", func() bool { return g.Host.Waiting(id) >= len(all)-1 })
	g.gate.Resume()
	<-done
	if n := len(listed(t, g.Stack, id)); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// A guest that fails in its disconnect loses what it did, but the connection has gone.
func TestDisconnectThatFails(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	for _, last := range []actorstest.Step{step("trap"), step("user", "no", "no"), step("hidden", "x")} {
		c := connect(t, s, id, abi.ConnEvents)
		on(s, id, abi.KindDisconnect, step("kv_put", "left", "x"), last)
		c.Closed(1006, "", false)
		if n := len(listed(t, s, id)); n != 0 {
			t.Errorf("%s: %d connections are left", last.Op, n)
		}
		if n := s.MustDo(id, step("kv_get", "left"))[0].N; n != abi.Absent {
			t.Errorf("%s: the failed turn left a KV item", last.Op)
		}
	}
	if n := s.Host.ConnSets(); n != 0 {
		t.Errorf("%d sets of connections are left", n)
	}
}

// A disconnect whose commit the store refuses is tried again.
func TestDisconnectAfterRefusedCommit(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "events", "a")
	c := connect(t, g.Stack, id, abi.ConnEvents)
	g.gate.Refuse(1, kv.ErrReadOnly)
	c.Closed(1000, "", true)
	if kinds := g.Kinds(id); kinds != "2 6 7" {
		t.Errorf("the guest saw turns %s, want 2 6 7", kinds)
	}
}

// Connections stay when the instance is reset and when the version changes.
func TestConnectionsOutliveInstanceAndVersion(t *testing.T) {
	s, id := hooked(t, "hooked", actorstest.Options{})
	c := connect(t, s, id, abi.ConnEvents)
	if err := c.subscribe("e", true); err != nil {
		t.Fatal(err)
	}
	s.MustDo(id, step("conn_state_set", c.ID(), `"kept"`))
	if _, err := c.call(step("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	s.MustDo(id, step("broadcast", "e", `[1]`))
	wasm := append(append([]byte{}, actorstest.Guest(t, actorstest.ScriptGuest)...), 0, 3, 1, 'v', '2') // a custom section: another version
	if v := s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, wasm); v.Number != 2 {
		t.Fatalf("version %d", v.Number)
	}
	if _, err := c.call(step("broadcast", "e", `[2]`)); err != nil {
		t.Fatal(err)
	}
	c.sink.want(t, "open, e[1], e[2]")
	if list := listed(t, s, id); len(list) != 1 || string(list[0].State) != `"kept"` {
		t.Errorf("connections %+v", list)
	}
}

// With its actor a connection ends.
func TestDestroyClosesConnections(t *testing.T) {
	s, id := hooked(t, "hooked", actorstest.Options{})
	all := crowd(t, s, id, abi.ConnEvents, 3)
	if err := s.Host.Destroy(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		c.sink.want(t, "open, close 1011 actor.destroyed")
		if _, err := c.call(step("nop")); abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("a call after it: %v", err)
		}
		c.Closed(1011, "actor.destroyed", true)
	}
	if n := s.Host.ConnSets(); n != 0 {
		t.Errorf("%d sets of connections are left", n)
	}
	if _, err := connecting(s, id, abi.ConnEvents, ""); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("a connection to it: %v", err)
	}
}

// A subscription may be refused by the guest; without the hook nobody is asked.
func TestSubscribeHook(t *testing.T) {
	s, id := hooked(t, "hooked", actorstest.Options{})
	c := connect(t, s, id, abi.ConnEvents)
	s.MustDo(id, step("kv_put", fmt.Sprintf("on/%d/secret", abi.KindSubscribe), actorstest.Script(step("user", "no", "not for you"))))
	if err := c.subscribe("open", true); err != nil {
		t.Error(err)
	}
	if err := c.subscribe("secret", true); abi.CodeOf(err) != abi.CodeUser {
		t.Errorf("a secret event: %v", err)
	}
	s.MustDo(id, step("broadcast", "secret", `[]`), step("broadcast", "open", `[]`))
	c.sink.want(t, "open, open[]")
	if kinds := s.Kinds(id); kinds != "2 3 6 16/open" {
		t.Errorf("the guest saw turns %s", kinds)
	}
}

// Actors without the hooks let everybody in, and cost no commit; raw sockets need a handler.
func TestConnectWithoutHooks(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := g.Actor(tenants.Default, "script", "a")
	before := g.gate.Commits()
	c := connect(t, g.Stack, id, abi.ConnEvents)
	if err := c.subscribe("e", true); err != nil {
		t.Fatal(err)
	}
	c.Closed(1000, "", true)
	if n := g.gate.Commits() - before; n != 0 {
		t.Errorf("%d commits", n)
	}
	if _, err := connecting(g.Stack, id, abi.ConnSocket, ""); abi.CodeOf(err) != abi.CodeNoHandler {
		t.Errorf("a raw socket: %v", err)
	}
}

// A stateless action on a module with connection hooks has a connection for its one turn.
func TestStatelessCall(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	r := actors.Request{Action: "do", Caller: "ann", Params: json.RawMessage(`{"p":1}`), Head: func() abi.RequestHead {
		return abi.RequestHead{Method: "POST", URL: "/action/do", Remote: "1.2.3.4"}
	}}
	r.Args, _ = json.Marshal([]any{[]any{step("turn"), step("conn_state_set", "$CONN", `1`), step("conn_send", "$CONN", "e", `[]`), step("conn_get", "$CONN")}})
	reply, err := s.Host.Call(t.Context(), id, r)
	if err != nil {
		t.Fatal(err)
	}
	var out []actorstest.Outcome
	var seen actorstest.Seen
	if err := json.Unmarshal(reply.Output, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out[0].B), &seen); err != nil {
		t.Fatal(err)
	}
	if !seen.Hooks || !strings.Contains(seen.Conn, `"kind":"request","params":{"p":1},"subject":"ann"`) || seen.Head != `{"method":"POST","url":"/action/do","remote":"1.2.3.4"}` {
		t.Errorf("the guest saw %+v", seen)
	}
	if out[1].N != 0 || out[2].N != 0 || !strings.Contains(out[3].B, `"state":1`) {
		t.Errorf("the connection gave %+v", out)
	}
	if n := s.Host.ConnSets(); n != 0 || len(listed(t, s, id)) != 0 {
		t.Errorf("%d sets of connections are left", n)
	}
	plain := s.Actor(tenants.Default, "script", "a")
	r.Args, _ = json.Marshal([]any{[]any{step("turn")}})
	if reply, err = s.Host.Call(t.Context(), plain, r); err != nil || !strings.Contains(string(reply.Output), `\"hooks\":false`) || strings.Contains(string(reply.Output), "1.2.3.4") {
		t.Errorf("without hooks the guest saw %s %v", reply.Output, err)
	}
}

// Pages of other origins than the manifest's are refused, and wake nobody.
func TestOrigins(t *testing.T) {
	s, id := hooked(t, "pages", actorstest.Options{Config: quick})
	asleep(t, s)
	for origin, want := range map[string]bool{"": true, "https://good.example": true, "https://GOOD.example/": true, "https://evil.example": false, "null": false, "http://good.example": false} {
		for _, kind := range []string{abi.ConnEvents, abi.ConnSocket} {
			c, err := s.Host.Connect(t.Context(), id, actors.ConnectRequest{Kind: kind, Origin: origin}, &sink{})
			if (err == nil) != want || err != nil && abi.CodeOf(err) != abi.CodeOriginDenied {
				t.Errorf("%s of %q: %v", kind, origin, err)
			}
			if err == nil {
				if c.MaxMessage() != 100 {
					t.Errorf("messages of %d bytes", c.MaxMessage())
				}
				c.Closed(1000, "", true)
			}
		}
		_, err := s.Host.Call(t.Context(), id, actors.Request{Action: "nop", Origin: origin})
		if (err == nil) != want {
			t.Errorf("call of %q: %v", origin, err)
		}
	}
	asleep(t, s)
	s.Host.Connect(t.Context(), id, actors.ConnectRequest{Kind: abi.ConnEvents, Origin: "https://evil.example"}, &sink{})
	if n, _ := s.Host.Awake(); n != 0 {
		t.Error("a foreign page woke the actor")
	}
}

// An actor has so many connections, and so much of theirs in memory, and no more.
func TestConnTotals(t *testing.T) {
	s, id := hooked(t, "script", actorstest.Options{})
	all := crowd(t, s, id, abi.ConnEvents, abi.MaxConns)
	if _, err := connecting(s, id, abi.ConnEvents, ""); abi.CodeOf(err) != abi.CodeTooManyConns {
		t.Errorf("one more: %v", err)
	}
	const size = 60 << 10
	state := `"` + strings.Repeat("x", size-2) + `"`
	set := 0
	for code := int64(0); code == 0; {
		var steps []actorstest.Step
		for i := range 16 {
			steps = append(steps, step("conn_state_set", all[set+i].ID(), state))
		}
		for _, o := range run(t, s, id, steps...) {
			if code = o.N; code != 0 {
				break
			}
			set++
		}
		if code != 0 && code != -int64(abi.CodeConnStateTooLarge) {
			t.Fatalf("state %d gave %d", set, code)
		}
	}
	if set != 64<<20/size {
		t.Errorf("%d states of %d bytes fit", set, size)
	}
	if _, err := s.Call(id, "do", []any{step("conn_list"), step("return", "1")}); err != nil { // 64 MiB would end the guest
		t.Errorf("the list: %v", err)
	}
	all[0].Closed(1000, "", true)
	if _, err := connecting(s, id, abi.ConnEvents, ""); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
}

// A client that goes while its connect waits leaves nothing.
func TestConnectGivenUp(t *testing.T) {
	s, id := hooked(t, "events", actorstest.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	busy := make(chan error, 1)
	go func() {
		_, err := s.Do(id, step("log", 2, "busy"), step("loop"))
		busy <- err
	}()
	kvtest.Eventually(t, "the actor is busy", func() bool { return strings.Contains(s.Log(id), "busy") })
	if _, err := s.Host.Connect(ctx, id, actors.ConnectRequest{Kind: abi.ConnEvents}, &sink{}); abi.CodeOf(err) != abi.CodeActionTimedOut {
		t.Errorf("error %v", err)
	}
	<-busy
	if n := s.Host.ConnSets(); n != 0 || len(listed(t, s, id)) != 0 {
		t.Errorf("%d sets of connections are left", n)
	}
}

// What many clients send and what many turns broadcast meet; each client sees a gapless order.
func TestHammerConnections(t *testing.T) {
	s, id := hooked(t, "script", actorstest.Options{})
	all := crowd(t, s, id, abi.ConnEvents, 20)
	each(len(all), func(i int) {
		c := all[i]
		if err := c.subscribe("n", true); err != nil {
			t.Error(err)
		}
		for range 10 {
			if _, err := c.call(step("remember", "n"), step("broadcast", "n", `["`+c.ID()+`"]`)); err != nil {
				t.Error(err)
			}
			if err := c.subscribe("other", true); err != nil {
				t.Error(err)
			}
		}
	})
	late := crowd(t, s, id, abi.ConnEvents, 1)[0]
	if err := late.subscribe("n", true); err != nil {
		t.Fatal(err)
	}
	tails := map[string]bool{}
	for _, c := range all {
		got := c.sink.String()
		if n := strings.Count(got, c.ID()); n != 10 {
			t.Errorf("a client got %d of its own 10 events", n)
		}
		tails[got[len(got)-200:]] = true
		c.Closed(1000, "", true)
	}
	if len(tails) != 1 {
		t.Errorf("the clients saw %d orders", len(tails))
	}
	late.sink.want(t, "open")
	late.Closed(1000, "", true)
}
