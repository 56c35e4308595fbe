package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestIdleActorSleepsAndWakes(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.IdleTime = time.Millisecond }})
	s.Upload(tenants.Default, "counter", counter)
	id := s.Actor(tenants.Default, "counter")
	for want := 1; want <= 5; want++ {
		var n int
		if s.MustCall(id, &n, "increment", 1); n != want {
			t.Fatalf("count is %d, want %d", n, want)
		}
		kvtest.Eventually(t, "sleep", func() bool { awake, live := s.Host.Awake(); return awake == 0 && live == 0 })
	}
}

// An actor that has nothing to do gives back what it does not need before it sleeps, and sleeps when it would have.
func TestCalmActorsSleep(t *testing.T) {
	const idle = 1200 * time.Millisecond // a little after it
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.IdleTime = idle }})
	s.Upload(tenants.Default, "counter", counter)
	id := s.Actor(tenants.Default, "counter")
	for want := 1; want <= 2; want++ {
		var n int
		begun := time.Now()
		if s.MustCall(id, &n, "increment", 1); n != want {
			t.Fatalf("count is %d, want %d", n, want)
		}
		kvtest.Eventually(t, "sleep", func() bool { awake, live := s.Host.Awake(); return awake == 0 && live == 0 })
		if took := time.Since(begun); took < idle {
			t.Errorf("it slept after %v, before it had been idle for %v", took, idle)
		}
	}
}

// Actors beyond the bound on instances take turns: the one that was idle longest sleeps.
func TestInstancesAreBounded(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.MaxInstances = 2 }})
	s.Upload(tenants.Default, "counter", counter)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := s.Actor(tenants.Default, "counter", fmt.Sprint(i))
			for range 5 {
				if _, err := s.Call(id, "increment", 1); err != nil {
					t.Error(err)
				}
				if _, live := s.Host.Awake(); live > 2 {
					t.Errorf("%d instances live", live)
				}
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		var n int
		if s.MustCall(s.Actor(tenants.Default, "counter", fmt.Sprint(i)), &n, "get"); n != 5 {
			t.Errorf("actor %d counts %d", i, n)
		}
	}
}

// Whoever makes actors without end, and asks each once, has them make room for each other: those that are at work stay awake.
func TestBirthsLeaveTheOthersAwake(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.MaxInstances = 64 }}) // 40 of one namespace
	s.Upload(tenants.Default, "counter", counter)
	var atWork []tenants.ActorID
	for i := range 20 {
		id := s.Actor(tenants.Default, "counter", fmt.Sprint("work", i))
		for range 3 {
			s.MustCall(id, nil, "increment", 1)
		}
		atWork = append(atWork, id)
	}
	var first tenants.ActorID
	for i := range 120 {
		id := s.Actor(tenants.Default, "counter", fmt.Sprint("once", i))
		s.MustCall(id, nil, "increment", 1)
		if i == 100 {
			first = id
		}
	}
	for _, id := range atWork {
		if !s.Host.IsAwake(id) {
			t.Errorf("%v was put to sleep", id)
		}
	}
	kvtest.Eventually(t, "one of those that were asked once sleeps", func() bool { return !s.Host.IsAwake(first) })
	var n int
	if s.MustCall(first, &n, "get"); n != 1 {
		t.Errorf("it counts %d", n)
	}
}

// An address finds its actor, awake or not, until that is destroyed.
func TestAddressesFindActors(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "counter", counter)
	a := actorstest.Address(t, tenants.Default, "counter", "one")
	find := func(when string, want actors.Info, code abi.Code) {
		t.Helper()
		if id, err := s.Host.Resolve(t.Context(), a); id != want.ID || abi.CodeOf(err) != code {
			t.Errorf("%s: it has the id %s, %v", when, id, err)
		}
		if got, err := s.Host.Find(t.Context(), a); got.ID != want.ID || got.Module != want.Module || abi.CodeOf(err) != code {
			t.Errorf("%s: it is %+v, %v", when, got, err)
		}
	}
	find("before it is made", actors.Info{}, abi.CodeActorNotFound)
	info, err := s.Host.Create(t.Context(), a, actors.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	find("awake", info, 0)
	if err := s.Host.Sleep(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	kvtest.Eventually(t, "it sleeps", func() bool { return !s.Host.IsAwake(info.ID) })
	find("asleep", info, 0)
	if id, _, err := s.Host.CallOrCreate(t.Context(), a, actors.CreateOptions{}, actors.Request{Action: "increment", Args: []byte("[1]")}); id != info.ID || err != nil {
		t.Errorf("a call finds %s, %v", id, err)
	}
	if err := s.Host.Destroy(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	find("destroyed", actors.Info{}, abi.CodeActorNotFound)
}

func TestGetOrCreateMakesOne(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "counter", counter)
	a := actorstest.Address(t, tenants.Default, "counter", "one")
	var mu sync.Mutex
	ids, births := map[tenants.ActorID]bool{}, 0
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			info, created, err := s.Host.GetOrCreate(t.Context(), a, actors.CreateOptions{Input: []byte(`{"start":7}`)})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Call(info.ID, "increment", 1); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[info.ID] = true
			if created {
				births++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || births != 1 {
		t.Errorf("%d actors, %d births", len(ids), births)
	}
	_, err := s.Host.Create(t.Context(), a, actors.CreateOptions{})
	if abi.CodeOf(err) != abi.CodeActorExists {
		t.Errorf("create: %v", err)
	}
	for id := range ids {
		var n int
		if s.MustCall(id, &n, "get"); n != 57 {
			t.Errorf("count is %d, want 57", n)
		}
	}
}

// A destroyed actor is gone on every path, and its successor shares nothing with it.
func TestDestroy(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	a := actorstest.Address(t, tenants.Default, "hostile", "x")
	old := s.Actor(tenants.Default, "hostile", "x")
	s.MustCall(old, nil, "write", "mark")
	s.MustCall(old, nil, "setVar", "v", "mark")
	s.MustCall(old, nil, "log", 1, 10)
	if err := s.Host.Destroy(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := s.Host.Destroy(t.Context(), old); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("destroy again: %v", err)
	}
	gone := func(what string, err error) {
		t.Helper()
		if abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("%s of a destroyed actor: %v", what, err)
		}
	}
	_, err := s.Host.Find(t.Context(), a)
	gone("find", err)
	_, err = s.Call(old, "peek")
	gone("call", err)
	_, _, _, err = s.Host.State(t.Context(), old)
	gone("state", err)
	_, err = s.Host.Logs(t.Context(), old, 0)
	gone("logs", err)
	_, _, err = s.Host.KVList(t.Context(), old, nil, nil, 10)
	gone("kv", err)

	id := s.Actor(tenants.Default, "hostile", "x")
	if id == old {
		t.Fatal("the id was used again")
	}
	var marks struct{ State, KV string }
	if s.MustCall(id, &marks, "peek"); marks.State != "" || marks.KV != "" {
		t.Errorf("the successor holds %+v", marks)
	}
	var v string
	if s.MustCall(id, &v, "getVar", "v"); v != "" {
		t.Errorf("the successor's var is %q", v)
	}
	if log := s.Log(id); log != "" {
		t.Errorf("the successor's log is %q", log)
	}
	_, err = s.Call(old, "peek")
	gone("call, after the successor's birth,", err)
}

// Calls and destruction at once: each call is answered, by a result or not_found, and nothing of
// the actor stays.
func TestDestroyUnderLoad(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "counter", counter)
	for round := range 10 {
		id := s.Actor(tenants.Default, "counter", "x")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if _, err := s.Call(id, "increment", 1); err != nil && abi.CodeOf(err) != abi.CodeActorNotFound {
						t.Errorf("round %d: %v", round, err)
					}
				}
			})
		}
		wg.Go(func() {
			if err := s.Host.Destroy(t.Context(), id); err != nil {
				t.Errorf("round %d: destroy: %v", round, err)
			}
		})
		wg.Wait()
	}
	kvtest.Eventually(t, "all asleep", func() bool { _, live := s.Host.Awake(); return live == 0 })
}

// Two namespaces with the same module names, actor names and keys never meet.
func TestNamespacesNeverMeet(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	nss := []tenants.ID{"alpha", "alpha-1", "beta"}
	ids := map[tenants.ID]tenants.ActorID{}
	for i, ns := range nss {
		s.Upload(ns, "hostile", hostile)
		ids[ns] = s.Actor(ns, "hostile", "same", "key")
		s.MustCall(ids[ns], nil, "write", fmt.Sprint("mark of ", i))
	}
	for i, ns := range nss {
		var marks struct{ State, KV string }
		if s.MustCall(ids[ns], &marks, "peek"); marks.State != fmt.Sprint("mark of ", i) || marks.KV != marks.State {
			t.Errorf("%s holds %+v", ns, marks)
		}
		list, _, err := s.Host.List(t.Context(), ns, "", "", 10)
		if err != nil || len(list) != 1 || list[0].ID != ids[ns] {
			t.Errorf("%s lists %v, %v", ns, list, err)
		}
		for _, other := range nss {
			if other == ns {
				continue
			}
			foreign, ok := tenants.ParseActorID(ns, ids[other].String())
			if !ok {
				t.Fatal("id does not parse")
			}
			if _, err := s.Call(foreign, "peek"); abi.CodeOf(err) != abi.CodeActorNotFound {
				t.Errorf("%s calls the actor of %s: %v", ns, other, err)
			}
		}
	}
}

func TestListPages(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	for i := range 7 {
		s.Actor(tenants.Default, "hostile", fmt.Sprint(i))
	}
	s.Actor(tenants.Default, "bystander", "org", "room")
	var got []string
	cursor := ""
	for {
		list, next, err := s.Host.List(t.Context(), tenants.Default, "hostile", cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, string(a.Address.Key))
		}
		if cursor = next; next == "" {
			break
		}
	}
	if strings.Join(got, " ") != "0 1 2 3 4 5 6" {
		t.Errorf("listed %v", got)
	}
	if _, _, err := s.Host.List(t.Context(), tenants.Default, "", "not a cursor!", 3); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("bad cursor: %v", err)
	}
}

func TestKeyShape(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	for _, key := range [][]string{nil, {"org"}, {"org", "room", "x"}} {
		_, _, err := s.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "bystander", key...), actors.CreateOptions{})
		if abi.CodeOf(err) != abi.CodeActorInvalidKey {
			t.Errorf("key %q: %v", key, err)
		}
	}
	var key []string
	if s.MustCall(s.Actor(tenants.Default, "bystander", "a,b", "c/d"), &key, "key"); fmt.Sprint(key) != "[a,b c/d]" {
		t.Errorf("the guest sees key %q", key)
	}
}

// A new version takes over between two turns, with the state kept.
func TestUpgradeKeepsState(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "m", counter)
	id := s.Actor(tenants.Default, "counter")
	s.MustCall(id, nil, "increment", 41)
	// The same program with one more custom section is another version.
	other := append(append([]byte{}, actorstest.Guest(t, counter)...), 0, 3, 2, 'v', '2')
	v := s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "m", Live: true}, other)
	if v.Number != 2 {
		t.Fatalf("version %d", v.Number)
	}
	var n int
	if s.MustCall(id, &n, "increment", 1); n != 42 {
		t.Errorf("count is %d after the upgrade", n)
	}
	if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "m", 1); err != nil {
		t.Fatal(err)
	}
	if s.MustCall(id, &n, "increment", 1); n != 43 {
		t.Errorf("count is %d after the way back", n)
	}
	if err := s.Host.DeleteModule(t.Context(), tenants.Default, "m"); abi.CodeOf(err) != abi.CodeModuleInUse {
		t.Errorf("delete of a module with actors: %v", err)
	}
}

// What a guest is told: who it is, the time, randomness, config.
func TestWhatGuestsSee(t *testing.T) {
	var now atomic.Int64 // an actor looks at the clock whenever it likes
	now.Store(1_800_000_000_123)
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.Now = func() time.Time { return time.UnixMilli(now.Load()) } }})
	s.Upload(tenants.Default, "mod", hostile)
	value := "bar"
	if _, err := s.Registry.SetConfig(t.Context(), tenants.Default, "mod", map[string]*string{"foo": &value}); err != nil {
		t.Fatal(err)
	}
	id := s.Actor(tenants.Default, "hostile", "k")
	var self abi.Self
	s.MustCall(id, &self, "self")
	if self.ID != id.String() || self.Namespace != "default" || self.Name != "hostile" || fmt.Sprint(self.Key) != "[k]" || self.Module != "mod" || self.Version != 1 {
		t.Errorf("self is %+v", self)
	}
	var times []int64
	if s.MustCall(id, &times, "now"); fmt.Sprint(times) != "[1800000000123 1800000000123 1800000000123]" {
		t.Errorf("the clock shows %v", times)
	}
	now.Add(-time.Hour.Milliseconds())
	if s.MustCall(id, &times, "now"); times[0] < 1800000000123 {
		t.Errorf("the clock went back: %v", times)
	}
	var slept int64
	if s.MustCall(id, &slept, "sleep", 20); slept < 20 || slept > 1000 {
		t.Errorf("slept %d ms", slept)
	}
	for _, action := range []string{"random", "entropy"} {
		seen := map[string]bool{}
		for range 5 {
			out, err := s.Call(id, action, 16)
			if err != nil || seen[string(out)] {
				t.Errorf("%s gave %s twice, %v", action, out, err)
			}
			seen[string(out)] = true
		}
	}
	var conf *string
	if s.MustCall(id, &conf, "config", "foo"); conf == nil || *conf != "bar" {
		t.Errorf("config is %v", conf)
	}
	if s.MustCall(id, &conf, "config", "none"); conf != nil {
		t.Errorf("config that is not set is %q", *conf)
	}
	r, err := s.Host.Call(t.Context(), id, actors.Request{Action: "caller", Caller: "user-7"})
	if err != nil || string(r.Output) != `"user-7"` {
		t.Errorf("caller is %s, %v", r.Output, err)
	}
	_, err = s.Call(id, "nonsense")
	meta, _ := json.Marshal(abi.AsError(err).Metadata)
	if abi.CodeOf(err) != abi.CodeActionNotFound || !strings.Contains(string(meta), "peek") {
		t.Errorf("unknown action: %v %s", err, meta)
	}
}

// Drain lets turns finish, refuses new work and leaves nothing awake.
func TestDrain(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	id := g.Actor(tenants.Default, "counter")
	g.gate.Hold()
	answer := g.start(id, "increment", 1)
	g.gate.AwaitHeld(t, 1)
	drained := make(chan error, 1)
	go func() { drained <- g.Host.Drain(context.Background()) }()
	kvtest.Eventually(t, "draining", func() bool { return g.Host.Ready() != nil })
	if _, err := g.Call(id, "get"); abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("a call while draining: %v", err)
	}
	if _, _, err := g.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "counter", "new"), actors.CreateOptions{}); abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("a creation while draining: %v", err)
	}
	g.gate.Resume()
	g.want(answer, 1)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if awake, live := g.Host.Awake(); awake != 0 || live != 0 {
		t.Errorf("%d actors awake, %d instances live", awake, live)
	}
}

// A drain that runs out of patience stops guests that never end.
func TestDrainStopsEndlessGuests(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	failed := make(chan error, 1)
	go func() { _, err := s.Call(id, "writeSpin", "x"); failed <- err }()
	kvtest.Eventually(t, "the guest runs", func() bool { return s.Host.Posted(id) >= 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Host.Drain(ctx); err == nil {
		t.Error("the drain says that every turn ended")
	}
	if err := <-failed; abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("the call was answered %v", err)
	}
}

// Who waited for a turn that a drain cut off hears whether others may have been asked for something.
func TestDrainTellsOfUnknownOutcomes(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	caller, other := s.Actor(tenants.Default, "script", "caller"), s.Actor(tenants.Default, "script", "other")
	failed := make(chan error, 1)
	go func() {
		_, err := s.Do(caller,
			S("kv_put", "mine", "x"),
			S("call", abi.Target{ID: other.String()}, "do", [][]actorstest.Step{{S("kv_put", "theirs", "x")}}),
			S("log", "asked", 2), S("loop"))
		failed <- err
	}()
	kvtest.Eventually(t, "the other has answered", func() bool { return strings.Contains(s.Log(caller), "asked") })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Host.Drain(ctx); err == nil {
		t.Error("the drain says that every turn ended")
	}
	if err := <-failed; abi.CodeOf(err) != abi.CodeOutcomeUnknown {
		t.Errorf("the caller's client was answered %v", err)
	}
	s.Close()
	s = actorstest.Open(t, actorstest.Options{Dir: s.Dir})
	if v, err := s.Host.KVGet(t.Context(), other, []byte("theirs")); string(v) != "x" {
		t.Errorf("what was asked of the other is gone: %q, %v", v, err)
	}
	if _, err := s.Host.KVGet(t.Context(), caller, []byte("mine")); abi.CodeOf(err) != abi.CodeNotFound {
		t.Errorf("the cut turn left something: %v", err)
	}
}

// A namespace whose actors take all the places they can get leaves some for others.
func TestNamespaceShareOfInstances(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.MaxInstances = 4 }})
	s.Upload("greedy", "hostile", hostile)
	s.Upload("modest", "counter", counter)
	modest := s.Actor("modest", "counter", "x")
	var ids []tenants.ActorID
	for i := range 5 {
		ids = append(ids, s.Actor("greedy", "hostile", fmt.Sprint(i)))
	}
	slow := make(chan error, len(ids))
	for _, id := range ids {
		go func() { _, err := s.Call(id, "sleep", 1500); slow <- err }()
	}
	kvtest.Eventually(t, "three sleepers", func() bool {
		n := 0
		for _, id := range ids {
			if strings.Contains(s.Log(id), "sleeping") {
				n++
			}
		}
		return n >= 3
	})
	if len(slow) > 0 {
		t.Fatal("the sleepers ended before the test began")
	}
	s.MustCall(modest, nil, "increment", 1)
	if len(slow) > 0 {
		t.Error("the other namespace had to wait for the sleepers")
	}
	for range ids {
		if err := <-slow; err != nil {
			t.Error(err)
		}
	}
}

// The actors that a turn asks take places that are kept for them. Once they have answered they make room at once, for whoever comes from
// outside, and are not waited for until they are long idle.
func TestCalleesMakeRoom(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) {
		c.MaxInstances, c.IdleTime = 64, time.Hour // 40 of one namespace, and 8 more that are called
	}})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	var calls []actorstest.Step
	for i := range 60 {
		calls = append(calls, S("call", abi.Target{Name: "script", Key: []string{fmt.Sprint("callee", i)}, Create: true}, "echo", "[1]"))
	}
	s.MustDo(s.Actor(tenants.Default, "script", "caller"), calls...)
	began := time.Now()
	for i := range 4 {
		s.MustDo(s.Actor(tenants.Default, "script", fmt.Sprint("next", i)), S("self"))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("those that came next had to wait for %v", took)
	}
	if _, live := s.Host.Awake(); live > 40 {
		t.Errorf("%d instances live", live)
	}
}
