package actors_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

const memoryGuest = "guest-sdk/testguests/memory"

// sleeper is a host whose actors sleep when the test says so. It has room for one instance: whoever
// runs next puts the other to sleep. So a sleep is complete when a call of another actor is answered.
type sleeper struct {
	*actorstest.Stack
	gate  *kvtest.Gate
	t     *testing.T
	other tenants.ActorID
}

func openSleeper(t *testing.T, dir string) *sleeper {
	t.Helper()
	s := &sleeper{t: t}
	s.Stack = actorstest.Open(t, actorstest.Options{
		Dir:    dir,
		Store:  func(st kv.Store) kv.Store { s.gate = kvtest.NewGate(st); return s.gate },
		Config: func(c *actors.Config) { c.MaxInstances, c.IdleTime = 1, time.Hour },
	})
	s.Upload("others", "hostile", hostile)
	s.other = s.Actor("others", "bystander", "org", "room")
	return s
}

// sleep puts the actor that has an instance to sleep.
func (s *sleeper) sleep() {
	s.t.Helper()
	s.MustCall(s.other, nil, "key")
}

// idler is a host whose actors sleep as soon as they have nothing to do.
func openIdler(t *testing.T) *sleeper {
	t.Helper()
	s := &sleeper{t: t}
	s.Stack = actorstest.Open(t, actorstest.Options{
		Store:  func(st kv.Store) kv.Store { s.gate = kvtest.NewGate(st); return s.gate },
		Config: func(c *actors.Config) { c.IdleTime = time.Millisecond },
	})
	return s
}

// asleep returns when no actor is awake.
func (s *sleeper) asleep() {
	s.t.Helper()
	kvtest.Eventually(s.t, "sleep", func() bool { awake, live := s.Host.Awake(); return awake == 0 && live == 0 })
}

// versions returns n modules that do the same and are not the same.
func versions(wasm []byte, n int) [][]byte {
	list := [][]byte{wasm}
	for i := 1; i < n; i++ {
		list = append(list, wasmtest.Cat(wasm, wasmtest.Custom("version", []byte{byte(i)})))
	}
	return list
}

type marks struct{ State, KV string }

// A sleeping memory is used only if it is exactly what the store has: whatever happened, the state is
// that of the last commit, and the memory either that of the same moment or a new one.
func TestDeltaNeverBeatsACommit(t *testing.T) {
	const (
		lost = 1 // what the action memory answers in a new memory
		n, m = 3, 4
	)
	fails := func(action string, args ...any) func(*sleeper, tenants.ActorID) {
		return func(s *sleeper, id tenants.ActorID) {
			if _, err := s.Call(id, action, append([]any{"dropped"}, args...)...); err == nil {
				s.t.Errorf("%s did not fail", action)
			}
		}
	}
	then := func(steps ...func(*sleeper, tenants.ActorID)) func(*sleeper, tenants.ActorID) {
		return func(s *sleeper, id tenants.ActorID) {
			for _, step := range steps {
				step(s, id)
			}
		}
	}
	peek := func(s *sleeper, id tenants.ActorID) { s.MustCall(id, nil, "peek") }
	refused := func(err error) func(*sleeper, tenants.ActorID) {
		return func(s *sleeper, id tenants.ActorID) {
			s.gate.Refuse(1, err)
			if _, err := s.Call(id, "write", "dropped"); err == nil {
				s.t.Error("the commit was not refused")
			}
		}
	}
	live := func(number int) func(*sleeper, tenants.ActorID) {
		return func(s *sleeper, id tenants.ActorID) {
			info, err := s.Host.Get(s.t.Context(), id)
			if err != nil {
				s.t.Fatal(err)
			}
			if _, err := s.Registry.SetLive(s.t.Context(), info.Address.Namespace, "hostile", number); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	nap := func(s *sleeper, _ tenants.ActorID) { s.sleep() }
	tests := []struct {
		name   string
		events func(*sleeper, tenants.ActorID) // after n + m turns
		memory int                             // what the action memory answers in the end
	}{
		{"nothing", then(), 3},
		{"nothing, many times", then(nap, peek, nap, peek, nap), 3},
		{"user error", fails("writeUser"), lost},
		{"hidden error", fails("writeHidden"), lost},
		{"user error, then a turn", then(fails("writeUser"), peek), 3},
		{"panic", fails("writePanic"), lost},
		{"nil pointer", fails("writeNil"), lost},
		{"exit", fails("writeExit", 0), lost},
		{"panic, then a turn", then(fails("writePanic"), peek), lost},
		{"refused commit", refused(kv.ErrReadOnly), lost},
		{"fenced commit", refused(kv.ErrFenced), lost},
		{"refused commit, then a turn", then(refused(kv.ErrReadOnly), peek), 3},
		{"user error in a memory that slept", then(nap, fails("writeUser"), nap, peek), lost},
		{"panic in a memory that slept", then(nap, fails("writePanic"), nap, peek), lost},
		{"refused commit on a memory that slept", then(nap, refused(kv.ErrReadOnly), nap, peek), lost},
		{"another version", live(2), lost},
		{"another version, asleep", then(nap, live(2)), lost},
		{"another version and back, unseen", then(nap, live(2), live(1)), 3},
		{"another version and back", then(nap, live(2), peek, nap, live(1)), lost},
	}
	s := openSleeper(t, "")
	wasm := versions(actorstest.Guest(t, hostile), 2)
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "hostile", Live: true}, wasm[0])
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "hostile"}, wasm[1])
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			id := s.Actor(tenants.Default, "hostile", fmt.Sprint(i))
			write := func(from, to int) {
				for k := from; k < to; k++ {
					s.MustCall(id, nil, "write", fmt.Sprint("mark ", k))
				}
			}
			live(1)(s, id)
			memory := func(want int) {
				t.Helper()
				var got int
				if s.MustCall(id, &got, "memory"); got != want {
					t.Errorf("memory counts %d, want %d", got, want)
				}
			}
			state := func(want string) {
				t.Helper()
				var got marks
				if s.MustCall(id, &got, "peek"); got != (marks{want, want}) {
					t.Errorf("the actor holds %+v, want %s", got, want)
				}
			}
			write(0, n)
			memory(1)
			s.sleep()
			memory(2) // it slept well
			write(n, n+m)
			tt.events(s, id)
			s.sleep()
			last := fmt.Sprint("mark ", n+m-1)
			if i%2 == 0 { // a read through the state that the memory may hold comes first in half of them
				state(last)
			}
			memory(tt.memory)
			state(last)
			write(n+m, n+m+1)
			state(fmt.Sprint("mark ", n+m))
		})
	}
}

// The successor at an address has nothing of the memory, be it asleep or awake when it ends.
func TestDeltaEndsWithItsActor(t *testing.T) {
	s := openSleeper(t, "")
	s.Upload(tenants.Default, "hostile", hostile)
	for _, asleep := range []bool{false, true} {
		id := s.Actor(tenants.Default, "hostile", "x")
		s.MustCall(id, nil, "write", "mark")
		s.MustCall(id, nil, "memory")
		s.sleep()
		s.MustCall(id, nil, "memory")
		if asleep {
			s.sleep()
		}
		if err := s.Host.Destroy(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		id = s.Actor(tenants.Default, "hostile", "x")
		var turns int
		if s.MustCall(id, &turns, "memory"); turns != 1 {
			t.Errorf("the successor's memory counts %d", turns)
		}
		var m marks
		if s.MustCall(id, &m, "peek"); m != (marks{}) {
			t.Errorf("the successor holds %+v", m)
		}
		if err := s.Host.Destroy(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

// An actor that sleeps whenever it can fails in all ways and counts as one that never sleeps. The
// commits of half of its turns are still in flight when it has nothing left to do.
func TestIdleActorKeepsWhatWasCommitted(t *testing.T) {
	s := openIdler(t)
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	want := marks{}
	for i, action := range []string{"write", "writeUser", "write", "writePanic", "writeHidden", "write", "writeNil", "write", "refuse", "write", "refuse", "writeUser", "write"} {
		mark := fmt.Sprint("mark ", i)
		switch action {
		case "refuse":
			s.gate.Refuse(1, kv.ErrReadOnly)
			if _, err := s.Call(id, "write", mark); err == nil {
				t.Error("the commit was not refused")
			}
		case "write":
			s.MustCall(id, nil, action, mark)
			want = marks{mark, mark}
		default:
			if _, err := s.Call(id, action, mark); err == nil {
				t.Errorf("%s did not fail", action)
			}
		}
		s.asleep()
		var got marks
		if s.MustCall(id, &got, "peek"); got != want {
			t.Errorf("after turn %d, %s, the actor holds %+v, want %+v", i, action, got, want)
		}
		s.asleep()
	}
	// Held: the actor cannot sleep before its delta is on disk.
	s.gate.Hold()
	answer := make(chan error, 1)
	go func() { _, err := s.Call(id, "write", "held"); answer <- err }()
	s.gate.AwaitHeld(t, 1)
	if awake, _ := s.Host.Awake(); awake != 1 {
		t.Errorf("%d actors are awake with a delta in flight", awake)
	}
	s.gate.Resume()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	s.asleep()
	var got marks
	if s.MustCall(id, &got, "peek"); got != (marks{"held", "held"}) {
		t.Errorf("after a delta that was held the actor holds %+v", got)
	}
}

// plainCounter is an Extism plug-in with a number in its memory and one in an Extism var, each a digit.
// turns adds one to the first, count to the second; fail and trap add one to both and fail. Without an
// image its memory is never kept.
func plainCounter(image bool) []byte {
	i32, i64 := wasmtest.T(wasmtest.I32), wasmtest.T(wasmtest.I64)
	var mod wasmtest.Module
	env := func(name string, params, results []byte) uint32 {
		return mod.ImportFunc(abi.ModuleExtism, name, params, results)
	}
	alloc := env("alloc", i64, i64)
	load := env("load_u8", i64, i32)
	store := env("store_u8", wasmtest.T(wasmtest.I64, wasmtest.I32), nil)
	output := env("output_set", wasmtest.T(wasmtest.I64, wasmtest.I64), nil)
	varGet := env("var_get", i64, i64)
	varSet := env("var_set", wasmtest.T(wasmtest.I64, wasmtest.I64), nil)
	mod.Memory = wasmtest.Limits(1)

	var c wasmtest.Code
	// say puts the digit in local 0 out; its handle is local 1.
	say := c.I64Const(1).Call(alloc).LocalTee(1).LocalGet(0).Call(store).LocalGet(1).I64Const(1).Call(output)
	turn := c.I32Const(16).I32Const(16).I32Load(0).I32Const(1).Op(wasmtest.I32Add).LocalTee(0).I32Store(0).
		LocalGet(0).I32Const('0').Op(wasmtest.I32Add).LocalSet(0)
	// The var's name is one byte of Extism memory, in local 2.
	count := c.I32Const('0').LocalSet(0).I64Const(1).Call(alloc).LocalTee(2).I32Const('n').Call(store).
		LocalGet(2).Call(varGet).LocalTee(1).Op(wasmtest.I64Eqz).If(wasmtest.Empty).Op(wasmtest.Else).LocalGet(1).Call(load).LocalSet(0).Op(wasmtest.End).
		LocalGet(0).I32Const(1).Op(wasmtest.I32Add).LocalSet(0).
		I64Const(1).Call(alloc).LocalTee(1).LocalGet(0).Call(store).LocalGet(2).LocalGet(1).Call(varSet)
	locals := wasmtest.T(wasmtest.I32, wasmtest.I64, wasmtest.I64)
	export := func(name string, code wasmtest.Code) {
		mod.Export(name, 0, mod.Func(nil, i32, locals, code))
	}
	export("turns", c.Then(turn).Then(say).I32Const(0))
	export("count", c.Then(count).Then(say).I32Const(0))
	export("fail", c.Then(turn).Then(count).I32Const(1))
	export("trap", c.Then(turn).Then(count).Op(wasmtest.Unreachable))
	if !image {
		mod.Table(wasmtest.FuncRef, wasmtest.Limits(1))
		export("changes_tables", c.I32Const(0).RefNull(wasmtest.FuncRef).TableSet(0).I32Const(0))
	}
	return mod.Encode()
}

// A plain module knows nothing of reading its state again: after any failure its memory is gone.
func TestPlainModuleSleeps(t *testing.T) {
	s := openSleeper(t, "")
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "plain", Live: true}, plainCounter(true))
	id := s.Actor(tenants.Default, "plain")
	var compiled []tenants.ActorID
	for _, plugin := range plugins {
		name := path.Base(plugin)
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: name, Live: true}, actorstest.Guest(t, plugin))
		compiled = append(compiled, s.Actor(tenants.Default, name))
	}
	call := func(id tenants.ActorID, action, want string) {
		t.Helper()
		out, err := s.Call(id, action)
		if err != nil || string(out) != want {
			t.Errorf("%s is %s, %v, want %s", action, out, err, want)
		}
	}
	fail := func(id tenants.ActorID, action string) {
		t.Helper()
		if _, err := s.Call(id, action); err == nil {
			t.Errorf("%s did not fail", action)
		}
	}
	steps := []struct {
		action, its string // what runs before a sleep, here and in the plug-ins that compilers made
		count, turn string // answers after it
	}{
		{"", "", "1", "1"},
		{"", "", "2", "2"},
		{"", "", "3", "3"},
		{"fail", "fail", "4", "1"},
		{"", "", "5", "2"},
		{"trap", "crash", "6", "1"},
		{"", "", "7", "2"},
	}
	for i, st := range steps {
		if st.action != "" {
			fail(id, st.action)
			for _, c := range compiled {
				fail(c, st.its)
			}
		}
		s.sleep()
		if i%2 == 0 { // the order in which a memory might show itself
			call(id, "turns", st.turn)
			call(id, "count", st.count)
		} else {
			call(id, "count", st.count)
			call(id, "turns", st.turn)
		}
		s.sleep()
		for _, c := range compiled {
			call(c, "count", st.count)
		}
	}
}

// A version without an image neither takes nor keeps a memory, so an old one may wait for an actor that
// has gone on meanwhile. Its position gives it away.
func TestDeltaOfAnEarlierPosition(t *testing.T) {
	s := openSleeper(t, "")
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "plain", Live: true}, plainCounter(true))
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "plain"}, plainCounter(false))
	live := func(number int) {
		t.Helper()
		if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "plain", number); err != nil {
			t.Fatal(err)
		}
	}
	for name, counts := range map[string]int{"as it was": 0, "gone on": 2} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			live(1)
			id := s.Actor(tenants.Default, "plain", name)
			call := func(action string, want int) {
				t.Helper()
				var got int
				if s.MustCall(id, &got, action); got != want {
					t.Errorf("%s is %d, want %d", action, got, want)
				}
			}
			call("count", 1)
			call("turns", 1)
			s.sleep()
			live(2)
			call("turns", 1)
			for i := range counts {
				call("count", 2+i)
			}
			s.sleep()
			live(1)
			if counts == 0 {
				call("turns", 2) // of the memory that waited
			} else {
				call("turns", 1)
			}
			call("count", 2+counts)
		})
	}
}

var (
	sleepSeed  = flag.Uint64("sleep.seed", 0, "replays one random program of sleepers; zero takes new seeds")
	sleepSteps = flag.Int("sleep.steps", 200, "how long a random program of sleepers is")
)

// Random programs, in which the actor is put to sleep at random points, answer as they do where it
// never sleeps. What is in the guest's memory and is no state survives as a model says.
func TestRandomSleepersAnswerAsTheAwake(t *testing.T) {
	seeds := []uint64{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
	if *sleepSeed != 0 {
		seeds = []uint64{*sleepSeed}
	}
	wasm := versions(actorstest.Guest(t, hostile), 2)
	open := func(s *sleeper) *program {
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "hostile", Live: true}, wasm[0])
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "hostile"}, wasm[1])
		return &program{sleeper: s}
	}
	sleeps := open(openSleeper(t, ""))
	wakes := &sleeper{t: t}
	wakes.Stack = actorstest.Open(t, actorstest.Options{
		Store:  func(st kv.Store) kv.Store { wakes.gate = kvtest.NewGate(st); return wakes.gate },
		Config: func(c *actors.Config) { c.IdleTime = time.Hour },
	})
	awake := open(wakes)
	survived := 0
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			survived += runPrograms(t, seed, sleeps, awake)
		})
	}
	if survived == 0 {
		t.Error("no memory survived a sleep")
	}
}

// program is a host with one actor and the model of its memory that is no state.
type program struct {
	*sleeper
	id      tenants.ActorID
	live    int  // version
	running int  // version of the instance, or of the memory that sleeps
	turns   int  // what the action memory answered last; zero in a new memory, unknown if it may be either
	noted   bool // the store has the version that runs
	owed    bool // the memory may be ahead of the store
	slept   bool // since the action memory
}

// unknown is for turns after a refused commit that may have held the note of a new version: then the actor
// goes back to the old one, and its memory with it.
const unknown = -1

// runPrograms runs one program on both and returns how often a memory was seen to survive a sleep.
func runPrograms(t *testing.T, seed uint64, sleeps, awake *program) (survived int) {
	r := rand.New(rand.NewPCG(seed, 0))
	both := []*program{sleeps, awake}
	born := func() {
		for _, p := range both {
			p.id = p.Actor(tenants.Default, "hostile", fmt.Sprint(seed))
			p.turns, p.owed, p.slept, p.running, p.noted = 0, false, false, p.live, true
		}
	}
	for _, p := range both {
		p.t = t
		p.setLive(1)
	}
	born()
	for i := range *sleepSteps {
		if r.IntN(3) == 0 {
			sleeps.sleep()
			sleeps.slept = true
			if sleeps.owed {
				sleeps.turns = 0
			}
		}
		switch n := r.IntN(100); {
		case n == 0:
			for _, p := range both {
				err := p.Host.Destroy(t.Context(), p.id)
				if abi.CodeOf(err) == abi.CodeActorConflict { // right after a refused commit
					err = p.Host.Destroy(t.Context(), p.id)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			born()
			continue
		case n < 4:
			for _, p := range both {
				p.setLive(3 - p.live)
			}
			continue
		case n < 7:
			for _, p := range both {
				p.gate.Refuse(1, kv.ErrReadOnly)
				if p.running != p.live || !p.noted {
					p.turns = unknown
				}
			}
			a, b := sleeps.step("write", fmt.Sprint("refused ", i)), awake.step("write", fmt.Sprint("refused ", i))
			if a != b || !strings.Contains(a, "error") {
				t.Fatalf("step %d: a refused write answers\n%s asleep and\n%s awake", i, a, b)
			}
			continue
		case n < 20:
			for _, p := range both {
				slept := p.slept
				if p.step("memory"); slept && p.turns > 1 {
					survived++
				}
			}
			continue
		}
		action, args := randomAction(r, i)
		if a, b := sleeps.step(action, args...), awake.step(action, args...); a != b {
			t.Fatalf("step %d: %s%v answers\n%s asleep and\n%s awake", i, action, args, a, b)
		}
	}
	if a, b := sleeps.dump(), awake.dump(); !reflect.DeepEqual(a, b) {
		t.Errorf("in the end the actor holds\n%v asleep and\n%v awake", a, b)
	}
	return survived
}

func (p *program) setLive(number int) {
	p.t.Helper()
	if _, err := p.Registry.SetLive(p.t.Context(), tenants.Default, "hostile", number); err != nil {
		p.t.Fatal(err)
	}
	p.live = number
}

// step runs an action, follows it in the model and returns all that a client sees of the answer.
func (p *program) step(action string, args ...any) string {
	p.t.Helper()
	if p.running != p.live {
		p.running, p.noted = p.live, false
		if p.turns != unknown {
			p.turns = 0
		}
	}
	out, err := p.Call(p.id, action, args...)
	if err != nil {
		e := abi.AsError(err)
		p.owed = true
		if e.Code == abi.CodeActorTrapped {
			p.turns = 0
		}
		meta, _ := json.Marshal(e.Metadata)
		return fmt.Sprint("error ", e.Code, e.PublicName(), e.PublicMessage(), string(meta))
	}
	p.owed = false
	p.noted = p.noted || action == "write"
	if action == "memory" {
		if p.turns == unknown {
			p.turns, _ = strconv.Atoi(string(out))
			return ""
		}
		p.turns++
		p.slept = false
		if want := fmt.Sprint(p.turns); string(out) != want {
			p.t.Fatalf("memory counts %s, want %s", out, want)
		}
		return "" // the model has judged it
	}
	return string(out)
}

// dump returns all that the actor keeps.
func (p *program) dump() (all []string) {
	p.t.Helper()
	_, state, ok, err := p.Host.State(p.t.Context(), p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	items, more, err := p.Host.KVList(p.t.Context(), p.id, nil, nil, 1000)
	if err != nil || more {
		p.t.Fatal(err, more)
	}
	all = append(all, fmt.Sprint(ok, string(state)))
	for _, it := range items {
		all = append(all, fmt.Sprintf("%s=%s", it.Key, it.Value))
	}
	return all
}

// randomAction returns an action of the hostile guest whose answer does not depend on chance.
func randomAction(r *rand.Rand, i int) (string, []any) {
	key := func() string { return fmt.Sprint("key ", r.IntN(8)) }
	mark := fmt.Sprint("mark ", i)
	switch r.IntN(19) {
	case 0, 1, 2:
		return "write", []any{mark}
	case 3, 4:
		return "peek", nil
	case 5:
		return "writeState", []any{mark, r.IntN(20_000)}
	case 6:
		return "writeUser", []any{mark}
	case 7:
		return "writeHidden", []any{mark}
	case 8:
		return []string{"writePanic", "writeNil", "writeAbsent"}[r.IntN(3)], []any{mark}
	case 9, 10:
		return "put", []any{key(), mark}
	case 11:
		return "get", []any{key()}
	case 12:
		return "delete", []any{key()}
	case 13:
		return "list", []any{map[string]any{"prefix": "key", "reverse": r.IntN(2) == 0}}
	case 14:
		return "deleteRange", []any{map[string]any{"lo": key(), "hi": key(), "limit": 2}}
	case 15:
		return "alloc", []any{r.IntN(3 << 20)}
	case 16:
		return "setVar", []any{key(), mark}
	case 17:
		return "getVar", []any{key()}
	}
	return "echo", []any{strings.Repeat(mark, r.IntN(1000))}
}

// sleepDir tells the test binary that it is the child of TestCrashAsleep.
const sleepDir = "VIVARIUM_SLEEP_DIR"

const (
	crashActors = 7
	crashBefore = 3       // turns before the first sleep
	crashAfter  = 4       // turns after it
	crashFill   = 3 << 20 // bytes, so many that the deltas of all do not stay in RAM
)

// A host that is killed leaves deltas on disk. The next one uses none of them: each actor has what was
// committed last.
func TestCrashAsleep(t *testing.T) {
	if dir := os.Getenv(sleepDir); dir != "" {
		crashChild(t, dir)
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashAsleep$", "-test.timeout=2m")
	child.Env = append(os.Environ(), sleepDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &acknowledged); err != nil && strings.Contains(lines.Text(), "FAIL") {
			t.Error(lines.Text())
		}
		if acknowledged == 25 {
			child.Process.Kill() // it goes on until the signal has reached it
		}
	}
	if child.Wait(); acknowledged < 25 {
		t.Fatalf("the child acknowledged %d turns", acknowledged)
	}
	if n := len(deltaFiles(t, dir)); n == 0 {
		t.Error("the child left no deltas on disk")
	}

	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	for i := range crashActors {
		id := s.Actor(tenants.Default, "memory", fmt.Sprint(i))
		var turns, n int
		var sum uint32
		s.MustCall(id, &turns, "turns")
		s.MustCall(id, &sum, "sum")
		s.MustCall(id, &n, "add", 0)
		if turns != 1 || sum != 0 {
			t.Errorf("actor %d has a memory of before the crash: %d turns, checksum %x", i, turns, sum)
		}
		// The one that was at work may have committed one turn that it could not tell of.
		want := []int{crashBefore + crashAfter}
		if i == 0 {
			want = []int{want[0] + acknowledged, want[0] + acknowledged + 1}
		}
		if !slices.Contains(want, n) {
			t.Errorf("actor %d counts %d, want %v", i, n, want)
		}
	}
}

// crashChild lets actors fall asleep, wake and fall asleep again with more memory than stays in RAM,
// and then counts on one of them until it is killed.
func crashChild(t *testing.T, dir string) {
	s := openSleeper(t, dir)
	s.Upload(tenants.Default, "memory", memoryGuest)
	sums := make([]uint32, crashActors)
	for i := range crashActors {
		id := s.Actor(tenants.Default, "memory", fmt.Sprint(i))
		for range crashBefore {
			s.MustCall(id, nil, "add", 1)
		}
		s.MustCall(id, &sums[i], "fill", crashFill, i+1)
		s.sleep()
	}
	kvtest.Eventually(t, "deltas on disk", func() bool { return len(deltaFiles(t, dir)) > 0 })
	used := 0
	for i := range crashActors {
		id := s.Actor(tenants.Default, "memory", fmt.Sprint(i))
		var sum uint32
		switch s.MustCall(id, &sum, "sum"); sum {
		case sums[i]:
			used++
		case 0: // the cache may lose anything
		default:
			t.Fatalf("FAIL: actor %d woke with checksum %x, want %x", i, sum, sums[i])
		}
		for range crashAfter {
			s.MustCall(id, nil, "add", 1)
		}
		s.MustCall(id, nil, "fill", crashFill, i+100)
		s.sleep()
	}
	if used < crashActors/2 {
		t.Fatalf("FAIL: of %d memories %d were used", crashActors, used)
	}
	kvtest.Eventually(t, "deltas on disk", func() bool { return len(deltaFiles(t, dir)) > 0 })
	id := s.Actor(tenants.Default, "memory", "0")
	for i := 1; ; i++ {
		if _, err := s.Host.Call(context.Background(), id, actors.Request{Action: "add", Args: []byte("[1]")}); err != nil {
			t.Fatal("FAIL:", err)
		}
		fmt.Println("acknowledged", i)
		if i%5 == 0 {
			s.sleep()
		}
	}
}

// deltaFiles returns the page deltas on disk of a host.
func deltaFiles(t *testing.T, dir string) (list []string) {
	filepath.WalkDir(filepath.Join(dir, "sandbox", "sleeping"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".delta") {
			list = append(list, path)
		}
		return nil // files come and go
	})
	return list
}
