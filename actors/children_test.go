package actors_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// child makes a child of parent with a key and returns its id.
func child(t *testing.T, s *actorstest.Stack, parent tenants.ActorID, key string, l abi.ChildLimits) tenants.ActorID {
	t.Helper()
	got := s.MustDo(parent, step("actor_create", abi.ActorSpec{Name: "script", Key: []string{key}, Child: true, Limits: &l}))
	var info abi.ActorInfo
	if err := json.Unmarshal([]byte(got[0].B), &info); err != nil {
		t.Fatal(err)
	}
	id, ok := tenants.ParseActorID(tenants.Default, info.ID)
	if !ok {
		t.Fatalf("the child is %s", got[0].B)
	}
	return id
}

// usage returns what a parent is told of a child.
func usage(t *testing.T, s *actorstest.Stack, parent, id tenants.ActorID) (u abi.ChildUsage) {
	t.Helper()
	got := s.MustDo(parent, step("child_usage", id.String()))
	if err := json.Unmarshal([]byte(got[0].B), &u); err != nil {
		t.Fatalf("usage %q: %v", got[0].B, err)
	}
	return u
}

// A child's gas is bounded in a turn and in all; what it used is known to its parent, and it ends at its limit,
// over a restart too.
func TestChildGas(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	parent := s.Actor(tenants.Default, "script", "parent")
	const turn, all = 30_000_000, 100_000_000
	id := child(t, s, parent, "looper", abi.ChildLimits{TurnGas: turn, Gas: all})
	if got := s.MustDo(id, step("gas_left")); got[0].N > turn || got[0].N < turn/2 {
		t.Errorf("the child's turn begins with %d", got[0].N)
	}
	loops := 0
	for ; loops < 10; loops++ {
		_, err := s.Do(id, step("loop"))
		if abi.CodeOf(err) == abi.CodeChildEnded {
			break
		}
		if abi.CodeOf(err) != abi.CodeGasExhausted {
			t.Fatalf("loop %d: %v", loops, err)
		}
	}
	if loops < 3 || loops > 4 {
		t.Errorf("the child looped %d times", loops)
	}
	if u := usage(t, s, parent, id); u.Ended != "gas" || u.Gas < all || u.Gas > all+turn/10 {
		t.Errorf("usage is %+v", u)
	}
	s.Close()
	s = actorstest.Open(t, actorstest.Options{Dir: dir})
	if _, err := s.Do(id, step("gas_left")); abi.CodeOf(err) != abi.CodeChildEnded {
		t.Errorf("after a restart: %v", err)
	}
	s.MustDo(parent, step("remember", "x"))
}

// A child's memory, stored bytes and time are bounded.
func TestChildLimits(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	parent := s.Actor(tenants.Default, "script", "parent")
	small := child(t, s, parent, "small", abi.ChildLimits{Stored: 10_000})
	if _, err := s.Do(small, step("kv_put", "a", strings.Repeat("x", 8000))); err != nil {
		t.Error(err)
	}
	if _, err := s.Do(small, step("kv_put", "b", strings.Repeat("x", 8000))); abi.CodeOf(err) != abi.CodeDeltaTooLarge {
		t.Errorf("stored past the limit: %v", err)
	}
	s.MustDo(small, step("kv_delete", "a"))
	s.MustDo(small, step("kv_put", "b", strings.Repeat("x", 8000)))
	if u := usage(t, s, parent, small); u.Stored < 8000 || u.Stored > 10_000 {
		t.Errorf("usage is %+v", u)
	}
	tight := child(t, s, parent, "tight", abi.ChildLimits{Memory: 12 << 20})
	if _, err := s.Do(tight, step("kv_put", "big", strings.Repeat("x", 900_000)), step("bytes", 30<<20)); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("memory past the limit: %v", err)
	}
	free := s.Actor(tenants.Default, "script", "free")
	s.MustDo(free, step("bytes", 30<<20))
	mortal := child(t, s, parent, "mortal", abi.ChildLimits{Lifetime: 60_000})
	s.MustDo(mortal, step("remember", "x"))
	clock.Advance(61 * time.Second)
	s.Host.Look()
	kvtest.Eventually(t, "the child to end", func() bool {
		_, err := s.Host.Get(t.Context(), mortal)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
	if u := usage(t, s, parent, mortal); u.Ended != "lifetime" {
		t.Errorf("usage is %+v", u)
	}
}

// Children end with their parent, and when it kills them; nobody else's actor is a child.
func TestChildrenEnd(t *testing.T) {
	s := openScript(t, nil)
	parent := s.Actor(tenants.Default, "script", "parent")
	a, b := child(t, s, parent, "a", abi.ChildLimits{}), child(t, s, parent, "b", abi.ChildLimits{})
	grandchild := child(t, s, b, "c", abi.ChildLimits{})
	s.MustDo(a, step("remember", "x"))
	if got := s.MustDo(parent, step("actor_destroy", to(a))); got[0].N != 1 {
		t.Errorf("killing gives %+v", got)
	}
	if u := usage(t, s, parent, a); u.Ended != "killed" {
		t.Errorf("usage of the killed child is %+v", u)
	}
	other := s.Actor(tenants.Default, "script", "other")
	got, err := s.Do(parent, step("actor_create", abi.ActorSpec{Name: "script", Key: []string{"other"}, Child: true, Get: true}), step("child_usage", other.String()), step("child_usage", "nonsense"))
	if err != nil || got[0].N != -int64(abi.CodeActorExists) || got[1].N != -1 || got[2].N != -1 {
		t.Errorf("somebody else's actor: %+v, %v", got, err)
	}
	if err := s.Host.Destroy(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tenants.ActorID{b, grandchild} {
		if _, err := s.Host.Get(t.Context(), id); abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("a child outlives its parent: %v", err)
		}
	}
}

// A parent that ends a child does not wait for it: the turn that the child is in is cut off, and what waits behind
// it never begins.
func TestKillingCutsATurnOff(t *testing.T) {
	arrived, cut, busy := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if r.URL.Path == "/busy" {
			<-busy
			return
		}
		<-r.Context().Done()
		close(cut)
	}), nil)
	parent := s.Actor(tenants.Default, "script", "parent")
	calls := func(id tenants.ActorID, steps ...actorstest.Step) chan error {
		failed := make(chan error, 1)
		go func() { _, err := s.Do(id, steps...); failed <- err }() // ends with the answer
		return failed
	}
	fetches := child(t, s, parent, "fetches", abi.ChildLimits{Egress: []string{url}})
	first := calls(fetches, step("fetch", get(url), ""))
	<-arrived
	second := calls(fetches, step("remember", "x"))
	kvtest.Eventually(t, "a second call", func() bool { return s.Host.Waiting(fetches) == 1 })
	if got := s.MustDo(parent, step("actor_destroy", to(fetches))); got[0].N != 1 {
		t.Errorf("killing gives %+v", got)
	}
	<-cut
	if err := <-first; abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("the turn that was cut off: %v", err)
	}
	if err := <-second; abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("the turn behind it: %v", err)
	}

	// One that waits for its parent is no exception.
	caller := child(t, s, parent, "caller", abi.ChildLimits{})
	kill := calls(parent, step("fetch", get(url+"/busy"), ""), step("actor_destroy", to(caller)))
	<-arrived
	third := calls(caller, step("call", to(parent), "nop", "[]"))
	kvtest.Eventually(t, "a call of the parent", func() bool { return s.Host.Waiting(parent) == 1 })
	close(busy)
	if err := <-kill; err != nil {
		t.Error(err)
	}
	if err := <-third; abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("the child that called: %v", err)
	}
	if _, err := s.Host.Get(t.Context(), caller); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("the child that called is there: %v", err)
	}
}

// Limits only narrow on the way down, and a grandchild's gas is paid from its parent's.
func TestChildrenNarrow(t *testing.T) {
	s := openScript(t, nil)
	parent := s.Actor(tenants.Default, "script", "parent")
	mid := child(t, s, parent, "mid", abi.ChildLimits{TurnGas: 1_000_000_000, Gas: 2_000_000_000, Memory: 32 << 20, Stored: 1 << 20})
	make := func(l abi.ChildLimits) int64 {
		t.Helper()
		got, err := s.Do(mid, step("actor_create", abi.ActorSpec{Name: "script", Key: []string{"deep"}, Limits: &l}))
		if err != nil {
			t.Fatal(err)
		}
		return min(got[0].N, 0)
	}
	for name, l := range map[string]abi.ChildLimits{
		"more gas a turn": {TurnGas: 2_000_000_000, Gas: 1}, "more gas": {Gas: 3_000_000_000}, "no gas bound": {}, "more memory": {Gas: 1, Memory: 64 << 20},
		"more stored": {Gas: 1, Stored: 2 << 20}, "egress": {Gas: 1, Egress: []string{"example.com"}}, "negative": {Gas: -1},
	} {
		if n := make(l); n != -int64(abi.CodeInvalidArgument) {
			t.Errorf("%s: %d", name, n)
		}
	}
	if n := make(abi.ChildLimits{Gas: 1_500_000_000}); n != 0 {
		t.Errorf("a narrower child: %d", n)
	}
	if u := usage(t, s, parent, mid); u.Gas < 1_500_000_000 {
		t.Errorf("the grandchild's gas is not paid: %+v", u)
	}
}

// A guest has a part in the uploads that may go on at once, and gives it back.
func TestUploadsOfGuestsAreCounted(t *testing.T) {
	uploads := make(chan struct{}, 1)
	s := openScript(t, func(c *actors.Config) {
		c.EnterUpload = func(ns tenants.ID) (func(), error) {
			select {
			case uploads <- struct{}{}:
				return func() { <-uploads }, nil
			default:
				return nil, &abi.Error{Code: abi.CodeHostBusy, Retry: time.Second}
			}
		}
	})
	parent := s.Actor(tenants.Default, "script", "parent")
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "script", tenants.Grants{Uploads: true}); err != nil {
		t.Fatal(err)
	}
	upload := func() actorstest.Outcome {
		t.Helper()
		wasm := base64.StdEncoding.EncodeToString(actorstest.Guest(t, "examples/wasm/extism-c"))
		got, err := s.Do(parent, step("decode", wasm), step("module_upload", "plug", "$LAST", ""))
		if err != nil {
			t.Fatal(err)
		}
		return got[1]
	}
	uploads <- struct{}{} // somebody else's
	if got := upload(); got.N != -int64(abi.CodeHostBusy) {
		t.Errorf("while there is no room: %+v", got)
	}
	<-uploads
	if got := upload(); got.N < 0 || len(uploads) != 0 {
		t.Errorf("with room: %+v, and %d go on", got, len(uploads))
	}
}

// With the capability, and only then, an actor uploads a module that its children alone run, until it is
// deployed. The module goes the way of any upload.
func TestUploadForChildren(t *testing.T) {
	s := openScript(t, nil)
	parent := s.Actor(tenants.Default, "script", "parent")
	wasm := actorstest.Guest(t, "examples/wasm/extism-c")
	if len(wasm) > 500<<10 {
		t.Fatal("the plug-in is too large for a script")
	}
	upload := func(module string, b []byte, options string) actorstest.Outcome {
		t.Helper()
		// Text in JSON cannot carry the bytes, so they come by base64.
		got, err := s.Do(parent, step("decode", base64.StdEncoding.EncodeToString(b)), step("module_upload", module, "$LAST", options))
		if err != nil {
			t.Fatal(err)
		}
		return got[1]
	}
	if got := upload("plug", wasm, ""); got.N != -int64(abi.CodeForbidden) {
		t.Errorf("without a grant: %+v", got)
	}
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "script", tenants.Grants{Uploads: true}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		module, options string
		wasm            []byte
		want            abi.Code
	}{
		"not Wasm":         {"plug", "", []byte("nonsense"), abi.CodeModuleMalformed},
		"live":             {"plug", `{"live":true}`, wasm, abi.CodeInvalidArgument},
		"unknown option":   {"plug", `{"force":true}`, wasm, abi.CodeInvalidArgument},
		"another's module": {"script", "", wasm, abi.CodeForbidden},
		"bad name":         {"a/b", "", wasm, abi.CodeInvalidRequest},
	} {
		if got := upload(tt.module, tt.wasm, tt.options); got.N != -int64(tt.want) {
			t.Errorf("%s: %+v, want %v", name, got, tt.want)
		}
	}
	got := upload("plug", wasm, `{"note":"by an agent","input":"value"}`)
	var answer struct {
		Version int
		Live    bool
		Actors  map[string][]string
	}
	if err := json.Unmarshal([]byte(got.B), &answer); err != nil || answer.Version != 1 || answer.Live || len(answer.Actors["plug"]) == 0 {
		t.Fatalf("an upload gives %+v, %v", got, err)
	}
	if _, _, err := s.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "plug", "x"), actors.CreateOptions{}); abi.CodeOf(err) != abi.CodeModuleNotFound {
		t.Errorf("a client makes an actor of it: %v", err)
	}
	made, err := s.Do(parent, step("actor_create", abi.ActorSpec{Name: "plug", Key: []string{"c"}, Child: true}),
		step("call", target{Name: "plug", Key: []string{"c"}}, "greet", `["Ada"]`), step("result"))
	if err != nil || made[0].N < 0 || made[2].B != `"Hello, Ada!"` {
		t.Errorf("a child of the upload: %+v, %v", made, err)
	}
	if again := upload("plug", wasm, `{"input":"value"}`); !strings.Contains(again.B, `"created":false`) {
		t.Errorf("the same bytes again: %+v", again)
	}
	if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "plug", 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "plug", "y"), actors.CreateOptions{}); err != nil {
		t.Errorf("after it was deployed: %v", err)
	}
}

// An actor that somebody else makes at the address meanwhile is no child, and leaves no row of one.
func TestChildMadeByAnother(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	parent := g.Actor(tenants.Default, "script", "parent")
	g.gate.Hold()
	turn := make(chan actorstest.Outcome, 1)
	go func() { // ends with the turn
		got, _ := g.Do(parent, step("actor_create", abi.ActorSpec{Name: "script", Key: []string{"x"}, Child: true, Get: true}))
		turn <- got[0]
	}()
	g.gate.AwaitHeld(t, 1) // the row of the child
	made := make(chan tenants.ActorID, 1)
	go func() { made <- g.Actor(tenants.Default, "script", "x") }()
	g.gate.AwaitHeld(t, 2)
	g.gate.Resume()
	id := <-made
	if got := <-turn; got.N != -int64(abi.CodeActorExists) {
		t.Errorf("the parent got %+v", got)
	}
	if n := rows(t, g.Stack, parent)["C"]; n != 0 {
		t.Errorf("the parent has %d children", n)
	}
	if err := g.Host.Destroy(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Host.Get(t.Context(), id); err != nil {
		t.Errorf("it ended with the parent: %v", err)
	}
}

// Finding a child that is there already costs its parent nothing, and a lifetime without end is one.
func TestChildIsPaidOnce(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	parent := s.Actor(tenants.Default, "script", "parent")
	mid := child(t, s, parent, "mid", abi.ChildLimits{Gas: 2_000_000_000, Lifetime: math.MaxInt64})
	for range 3 {
		s.MustDo(mid, step("actor_create", abi.ActorSpec{Name: "script", Key: []string{"deep"}, Child: true, Get: true, Limits: &abi.ChildLimits{Gas: 1_000_000_000}}))
	}
	if u := usage(t, s, parent, mid); u.Gas < 1_000_000_000 || u.Gas > 1_500_000_000 {
		t.Errorf("usage is %+v", u)
	}
	clock.Advance(time.Hour)
	s.Host.Look()
	s.MustDo(mid, step("remember", "x"))
}

// A child that may store nothing more still gets noted how what it began ended.
func TestFullChildIsSettled(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	parent := s.Actor(tenants.Default, "script", "parent")
	id := child(t, s, parent, "small", abi.ChildLimits{Stored: 10_000})
	s.MustDo(id, step("schedule_set", map[string]any{"every": 5000, "name": "n", "action": "do"}, do(step("user", "no", "never"))))
	left := 10_000 - usage(t, s, parent, id).Stored
	s.MustDo(id, step("kv_put", "fill", strings.Repeat("x", int(left)-20)))
	clock.Advance(6 * time.Second)
	s.Host.Look()
	kvtest.Eventually(t, "the run", func() bool { return rows(t, s, id)["h"] == 1 })
	clock.Advance(time.Second)
	s.Host.Look()
	if got := s.MustDo(id, step("schedule_get", "n")); !strings.Contains(got[0].B, `"runs":1`) {
		t.Errorf("the schedule is %s", got[0].B)
	}
}

// A child that is busy when its parent ends follows it as soon as it is free.
func TestBusyChildEndsWithItsParent(t *testing.T) {
	s := openScript(t, nil)
	parent := s.Actor(tenants.Default, "script", "parent")
	id := child(t, s, parent, "busy", abi.ChildLimits{})
	free := actors.Occupy(t, s.Host, id)
	defer free()
	s.Host.SetTurnTime(100 * time.Millisecond)
	if err := s.Host.Destroy(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	free()
	kvtest.Eventually(t, "the child to end", func() bool {
		_, err := s.Host.Get(t.Context(), id)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
}
