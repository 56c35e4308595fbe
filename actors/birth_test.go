package actors_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// callNew calls an action of the counter at an address, and makes that if there is none.
func callNew(ctx context.Context, s *actorstest.Stack, a tenants.Address, action, args string) (tenants.ActorID, outcome) {
	id, r, err := s.Host.CallOrCreate(ctx, a, actors.CreateOptions{}, actors.Request{Action: action, Args: json.RawMessage(args)})
	return id, outcome{r.Output, err}
}

// The first call does not wait for the commit of the turn that made its actor, and nothing of either is seen before.
func TestFirstCallComesBehindTheBirth(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	a := actorstest.Address(t, tenants.Default, "counter", "new")
	g.gate.Hold()
	defer g.gate.Resume()
	first, other := make(chan outcome, 1), make(chan actors.Info, 1)
	go func() {
		_, o := callNew(context.Background(), g.Stack, a, "increment", "[5]")
		first <- o
	}()
	g.gate.AwaitHeld(t, 2) // both turns have run
	go func() {
		info, created, err := g.Host.GetOrCreate(context.Background(), a, actors.CreateOptions{})
		if err != nil || created {
			t.Errorf("who came second: created %v, %v", created, err)
		}
		other <- info
	}()
	if _, err := g.Host.Find(t.Context(), a); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("found before it is durable: %v", err)
	}
	pending(t, "the first call", first)
	g.gate.Step(1)
	info := <-other // it is there, and does not wait for what others ask of it
	if found, err := g.Host.Find(t.Context(), a); err != nil || found != info {
		t.Errorf("found %+v, %v; made %+v", found, err, info)
	}
	pending(t, "the first call", first)
	g.gate.Step(1)
	g.want(first, 5)
}

// readsCounted counts how often a store is asked for an item.
type readsCounted struct {
	kv.Store
	n *atomic.Int64
}

func (s readsCounted) Get(ctx context.Context, space kv.Space, key []byte) ([]byte, error) {
	s.n.Add(1)
	return s.Store.Get(ctx, space, key)
}

// Until something of a newborn is durable its turns need not ask the store: they see each other's changes, and nothing else. Once it
// is, they see what is there.
func TestNewbornsDoNotAskTheStore(t *testing.T) {
	var reads atomic.Int64
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { return readsCounted{inner, &reads} }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	a := actorstest.Address(t, tenants.Default, "script", "new")
	args, err := json.Marshal([]any{[]any{step("kv_get", "none"), step("kv_put", "k", "v"), step("kv_get", "k")}})
	if err != nil {
		t.Fatal(err)
	}
	id, o := callNew(t.Context(), s, a, "do", string(args))
	if n := reads.Load(); o.err != nil || n != 0 {
		t.Errorf("the first call: %v, and the store was asked %d times", o.err, n)
	}
	if got := s.MustDo(id, step("kv_get", "k"), step("kv_get", "none")); got[0].B != "v" || got[1].N != abi.Absent {
		t.Errorf("then there are %+v", got)
	}
	if reads.Load() == 0 {
		t.Error("the store was not asked for what is durable")
	}
}

// Of a birth that the store refuses nothing is left, and who asked hears why or gets the actor that was first.
func TestRefusedBirths(t *testing.T) {
	for _, c := range []struct {
		name    string
		refusal error
		action  string
		code    abi.Code
	}{
		{"full", kv.ErrReadOnly, "increment", abi.CodeStorageFull},
		{"full, and the call reads", kv.ErrReadOnly, "get", abi.CodeStorageFull},
		{"another was first", kv.ErrExists, "increment", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := openGated(t, "")
			g.Upload(tenants.Default, "counter", counter)
			a := actorstest.Address(t, tenants.Default, "counter", "new")
			g.gate.Refuse(1, c.refusal)
			args := map[string]string{"increment": "[5]", "get": "[]"}[c.action]
			id, o := callNew(t.Context(), g.Stack, a, c.action, args)
			if abi.CodeOf(o.err) != c.code {
				t.Fatalf("answered %v", o.err)
			}
			if c.code == 0 {
				if string(o.out) != "5" {
					t.Errorf("the call answers %s", o.out)
				}
				return
			}
			if id != (tenants.ActorID{}) {
				t.Errorf("an actor %v", id)
			}
			kvtest.Eventually(t, "the actor that never was has gone", func() bool { n, _ := g.Host.Awake(); return n == 0 })
			if _, err := g.Host.Find(t.Context(), a); abi.CodeOf(err) != abi.CodeActorNotFound {
				t.Errorf("found: %v", err)
			}
			if _, o := callNew(t.Context(), g.Stack, a, "increment", "[1]"); o.err != nil || string(o.out) != "1" {
				t.Errorf("the next time %s, %v", o.out, o.err)
			}
		})
	}
}

// What goes wrong with the first call is not the actor's end, unless nobody may make it so.
func TestFirstCallsThatFail(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "counter", counter)
	for _, c := range []struct {
		name, input string
		request     actors.Request
		code        abi.Code
		made        bool
	}{
		{"the action fails", "", actors.Request{Action: "fail"}, abi.CodeUser, true},
		{"no such action", "", actors.Request{Action: "nothing"}, abi.CodeActionNotFound, true},
		{"bad arguments", "", actors.Request{Action: "increment", Args: json.RawMessage(`["x"]`)}, abi.CodeUser, true},
		{"bad input", `{"start":"x"}`, actors.Request{Action: "get"}, abi.CodeUser, false},
		{"bad params", "", actors.Request{Action: "get", Params: json.RawMessage("{")}, abi.CodeInvalidRequest, false},
		{"bad key of idempotency", "", actors.Request{Action: "get", Once: string(make([]byte, 1000))}, abi.CodeInvalidRequest, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := actorstest.Address(t, tenants.Default, "counter", c.name)
			id, _, err := s.Host.CallOrCreate(t.Context(), a, actors.CreateOptions{Input: []byte(c.input)}, c.request)
			if abi.CodeOf(err) != c.code {
				t.Errorf("answered %v", err)
			}
			info, err := s.Host.Find(t.Context(), a)
			if (err == nil) != c.made || info.ID != id {
				t.Errorf("found %v, %v; was told of %v", info.ID, err, id)
			}
		})
	}
}

// What the first call does outside at once waits for the birth, and so does the end of an actor that its first call ends.
func TestFirstCallsActOutside(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	other := g.Actor(tenants.Default, "script", "other")
	first := func(key string, steps ...actorstest.Step) (tenants.Address, chan outcome) {
		a, ch := actorstest.Address(t, tenants.Default, "script", key), make(chan outcome, 1)
		args, err := json.Marshal([][]actorstest.Step{steps})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, o := callNew(context.Background(), g.Stack, a, "do", string(args))
			ch <- o
		}()
		return a, ch
	}
	g.gate.Hold()
	defer g.gate.Resume()
	posted := g.Host.Posted(other)
	asker, asks := first("asker", step("call", to(other), "do", do(step("kv_put", "asked", "x"))))
	g.gate.AwaitHeld(t, 1)
	ender, ends := first("ender", step("destroy"))
	g.gate.AwaitHeld(t, 2) // meanwhile the first call of the asker has had the time of a whole birth
	if g.Host.Posted(other) != posted {
		t.Error("it asked before there was one")
	}
	pending(t, "who asks", asks)
	pending(t, "who ends itself", ends)
	g.gate.Resume()
	if o := <-asks; o.err != nil {
		t.Errorf("who asks: %v", o.err)
	}
	if _, err := g.Host.Find(t.Context(), asker); err != nil {
		t.Errorf("who asked: %v", err)
	}
	if got := g.MustDo(other, step("kv_get", "asked")); got[0].B != "x" {
		t.Errorf("who was asked has %q", got[0].B)
	}
	if o := <-ends; o.err != nil {
		t.Errorf("who ends itself: %v", o.err)
	}
	kvtest.Eventually(t, "it has ended", func() bool {
		_, err := g.Host.Find(t.Context(), ender)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
}

// Who calls at the same time gets one actor, and each call is done once.
func TestFirstCallsRace(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "counter", counter)
	a := actorstest.Address(t, tenants.Default, "counter", "raced")
	const callers = 32
	var mu sync.Mutex
	ids, counts := map[tenants.ActorID]bool{}, []int{}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			id, o := callNew(t.Context(), s, a, "increment", "[1]")
			var n int
			if o.err != nil || json.Unmarshal(o.out, &n) != nil {
				t.Errorf("answered %s, %v", o.out, o.err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[id], counts = true, append(counts, n)
		})
	}
	wg.Wait()
	slices.Sort(counts)
	if len(ids) != 1 || len(slices.Compact(counts)) != callers || counts[callers-1] != callers {
		t.Errorf("%d actors, counts %v", len(ids), counts)
	}
}
