package actors_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// gated is a host whose commits a test can hold back.
type gated struct {
	*actorstest.Stack
	gate *kvtest.Gate
	t    *testing.T
}

func openGated(t *testing.T, dir string) *gated {
	t.Helper()
	g := &gated{t: t}
	g.Stack = actorstest.Open(t, actorstest.Options{Dir: dir, Store: func(s kv.Store) kv.Store {
		g.gate = kvtest.NewGate(s)
		return g.gate
	}})
	return g
}

type outcome struct {
	out json.RawMessage
	err error
}

// start posts a call and returns where its answer will be. Calls of one actor that are started one
// after the other run in that order.
func (g *gated) start(id tenants.ActorID, action string, args ...any) chan outcome {
	g.t.Helper()
	ch := make(chan outcome, 1)
	if args == nil {
		args = []any{}
	}
	list, err := json.Marshal(args)
	if err != nil {
		g.t.Fatal(err)
	}
	posted := g.Host.Posted(id)
	go func() {
		r, err := g.Host.Call(context.Background(), id, actors.Request{Action: action, Args: list})
		ch <- outcome{r.Output, err}
	}()
	kvtest.Eventually(g.t, "the call is posted", func() bool { return g.Host.Posted(id) > posted })
	return ch
}

// ran waits until every call that was started has run its turn. A log line is exempt from the
// output gate, so it tells.
func (g *gated) ran(id tenants.ActorID) {
	g.t.Helper()
	before := len(g.Log(id))
	g.start(id, "log", 1, 4)
	kvtest.Eventually(g.t, "the turns have run", func() bool { return len(g.Log(id)) > before })
}

func pending(t *testing.T, what string, ch chan outcome) {
	t.Helper()
	select {
	case o := <-ch:
		t.Fatalf("%s was answered before the commit it depends on: %s %v", what, o.out, o.err)
	default:
	}
}

func (g *gated) want(ch chan outcome, want any) {
	g.t.Helper()
	o := <-ch
	if o.err != nil {
		g.t.Fatal(o.err)
	}
	doc, _ := json.Marshal(want)
	var got, exp any
	if json.Unmarshal(o.out, &got) != nil || json.Unmarshal(doc, &exp) != nil || !reflect.DeepEqual(got, exp) {
		g.t.Errorf("got %s, want %s", o.out, doc)
	}
}

// A turn sees the writes of the turns before it while their commits are in flight, and its answer
// waits for them.
func TestTurnReadsThroughDeltasInFlight(t *testing.T) {
	type rng = map[string]any
	type item = map[string]string
	g := openGated(t, "")
	g.Upload(tenants.Default, "hostile", hostile)
	id := g.Actor(tenants.Default, "hostile")
	for _, k := range []string{"a", "b", "c", "d"} {
		g.MustCall(id, nil, "put", k, "old")
	}
	g.gate.Hold()
	g.start(id, "put", "b", "new")
	g.start(id, "delete", "c")
	g.start(id, "put", "bb", "new")
	g.start(id, "write", "mark") // state and a KV item
	reads := []struct {
		what   string
		answer chan outcome
		want   any
	}{
		{"get", g.start(id, "get", "b"), "new"},
		{"get of a deleted item", g.start(id, "get", "c"), nil},
		{"get of an old item", g.start(id, "get", "a"), "old"},
		{"state", g.start(id, "peek"), map[string]string{"state": "mark", "kv": "mark"}},
		{"list", g.start(id, "list", rng{"prefix": "b"}), []item{{"key": "b", "value": "new"}, {"key": "bb", "value": "new"}}},
		{"range", g.start(id, "list", rng{"lo": "a", "hi": "d"}), []item{{"key": "a", "value": "old"}, {"key": "b", "value": "new"}, {"key": "bb", "value": "new"}}},
		{"reverse with limit", g.start(id, "list", rng{"hi": "e", "reverse": true, "limit": 2}), []item{{"key": "d", "value": "old"}, {"key": "bb", "value": "new"}}},
		{"delete range", g.start(id, "deleteRange", rng{"lo": "b", "hi": "d"}), 2},
		{"list after it", g.start(id, "list", rng{"hi": "e"}), []item{{"key": "a", "value": "old"}, {"key": "d", "value": "old"}}},
	}
	g.ran(id)
	if n := g.gate.Held(); n != 5 {
		t.Errorf("%d commits are held, want 5", n)
	}
	for _, r := range reads {
		pending(t, r.what, r.answer)
	}
	g.gate.Resume()
	for _, r := range reads {
		t.Run(r.what, func(t *testing.T) { g.t = t; g.want(r.answer, r.want) })
	}
}

// Nothing leaves before the commit: no answer, no event, nothing that the inspector shows.
func TestNothingLeavesBeforeTheCommit(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	id := g.Actor(tenants.Default, "counter")
	g.MustCall(id, nil, "increment", 1)
	events, err := g.Host.FollowEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	g.gate.Hold()
	answer := g.start(id, "increment", 41)
	read := g.start(id, "get")
	failed := g.start(id, "fail")
	g.gate.AwaitHeld(t, 1)
	pending(t, "increment", answer)
	pending(t, "get", read)
	pending(t, "fail", failed)
	select {
	case e := <-events:
		t.Errorf("event %s %s before the commit", e.Name, e.Args)
	default:
	}
	if _, state, _, _ := g.Host.State(t.Context(), id); string(state) != `{"count":1}` {
		t.Errorf("the inspector shows %s", state)
	}
	g.gate.Resume()
	g.want(answer, 42)
	g.want(read, 42)
	if o := <-failed; abi.CodeOf(o.err) != abi.CodeUser {
		t.Errorf("fail answered %v", o.err)
	}
	select {
	case e := <-events:
		if e.Name != "count" || string(e.Args) != "[42]" {
			t.Errorf("event %s %s", e.Name, e.Args)
		}
	case <-time.After(10 * time.Second):
		t.Error("no event after the commit")
	}
}

// At most 16 deltas of an actor are in flight; then its next turn waits.
func TestDeltasInFlightAreBounded(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	id := g.Actor(tenants.Default, "counter")
	g.gate.Hold()
	var answers []chan outcome
	for range 20 {
		answers = append(answers, g.start(id, "increment", 1))
	}
	g.gate.AwaitHeld(t, 16)
	g.gate.Step(1)
	g.want(answers[0], 1)
	g.gate.AwaitHeld(t, 16) // the freed place is taken, and no more
	if n := g.gate.Held(); n != 16 {
		t.Errorf("%d deltas in flight", n)
	}
	g.gate.Resume()
	for i, a := range answers[1:] {
		g.want(a, i+2)
	}
}

// A refused commit drops its turn and every later one in flight; the actor goes on from what is on
// disk.
func TestRefusedCommit(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want abi.Code
	}{
		"read-only": {kv.ErrReadOnly, abi.CodeStorageFull},
		"fenced":    {kv.ErrFenced, abi.CodeActorConflict},
	} {
		t.Run(name, func(t *testing.T) {
			g := openGated(t, "")
			g.Upload(tenants.Default, "counter", counter)
			id := g.Actor(tenants.Default, "counter")
			g.MustCall(id, nil, "increment", 1)
			g.gate.Hold()
			g.gate.Refuse(2, tt.err)
			good, refused, after, read := g.start(id, "increment", 10), g.start(id, "increment", 100), g.start(id, "increment", 1000), g.start(id, "get")
			g.gate.AwaitHeld(t, 3)
			g.gate.Resume()
			g.want(good, 11)
			if o := <-refused; abi.CodeOf(o.err) != tt.want {
				t.Errorf("refused turn: %s %v", o.out, o.err)
			}
			if o := <-after; o.err == nil {
				t.Errorf("a turn on top of a refused one was answered %s", o.out)
			}
			if o := <-read; o.err == nil && string(o.out) != "11" {
				t.Errorf("a read on top of a refused turn was answered %s", o.out)
			}
			g.want(g.start(id, "increment", 1), 12)
		})
	}
}

// A turn without writes that ran on top of a delta which is refused meanwhile is not answered either.
func TestReaderOnTopOfRefusedCommit(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "hostile", hostile)
	id := g.Actor(tenants.Default, "hostile")
	g.gate.Hold()
	g.gate.Refuse(1, kv.ErrReadOnly)
	refused := g.start(id, "put", "k", "never")
	g.gate.AwaitHeld(t, 1)
	read := g.start(id, "sleep", 500)
	kvtest.Eventually(t, "the reader runs", func() bool { return strings.Contains(g.Log(id), "sleeping") })
	g.gate.Resume()
	if o := <-refused; o.err == nil {
		t.Error("the refused turn was answered")
	}
	if o := <-read; o.err == nil {
		t.Errorf("a reader of what never was is answered %s", o.out)
	}
}

// An unknown outcome stops the host; after a restart the log decides.
func TestUnknownOutcome(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(map[bool]string{false: "not written", true: "written"}[written], func(t *testing.T) {
			dir := t.TempDir()
			g := openGated(t, dir)
			g.Upload(tenants.Default, "counter", counter)
			id := g.Actor(tenants.Default, "counter")
			g.MustCall(id, nil, "increment", 1)
			g.gate.Unknown(1, written)
			_, err := g.Call(id, "increment", 1)
			if abi.CodeOf(err) != abi.CodeOutcomeUnknown {
				t.Fatalf("error is %v, want %v", err, abi.CodeOutcomeUnknown)
			}
			<-g.Store.Failed()
			if err := g.Host.Ready(); err == nil {
				t.Error("the host says that it is ready")
			}
			if _, err := g.Call(id, "get"); err == nil {
				t.Error("a call after an unknown outcome was answered")
			}
			g.Close()
			s := actorstest.Open(t, actorstest.Options{Dir: dir})
			var n int
			if s.MustCall(id, &n, "get"); n != map[bool]int{false: 1, true: 2}[written] {
				t.Errorf("after the restart the count is %d", n)
			}
		})
	}
}
