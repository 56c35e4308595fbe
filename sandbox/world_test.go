package sandbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// world is all that a guest can see, the same in each turn that begins with the same rows.
type world struct {
	hostfuncs.Nothing
	now    time.Time
	random *rand.ChaCha8
	rows   map[string][]byte
}

func newWorld() *world {
	w := &world{rows: map[string][]byte{}, Nothing: hostfuncs.Nothing{Err: abi.Errorf(abi.CodeNotSupported, "this world has nothing but rows")}}
	w.begin(nil)
	return w
}

// begin makes the world what it is at the beginning of a turn with these rows.
func (w *world) begin(rows map[string][]byte) {
	w.now = time.Unix(1_700_000_000, 0)
	w.random = rand.NewChaCha8([32]byte{7})
	w.rows = maps.Clone(rows)
	if w.rows == nil {
		w.rows = map[string][]byte{}
	}
}

func (w *world) get(key string) ([]byte, bool, error) { b, ok := w.rows[key]; return b, ok, nil }
func (w *world) put(key string, b []byte) error       { w.rows[key] = append([]byte{}, b...); return nil }

func (w *world) State() ([]byte, bool, error)           { return w.get("s") }
func (w *world) SetState(b []byte) error                { return w.put("s", b) }
func (w *world) KVGet(key []byte) ([]byte, bool, error) { return w.get("k" + string(key)) }
func (w *world) KVPut(key, value []byte) error          { return w.put("k"+string(key), value) }
func (w *world) KVDelete(key []byte) error              { delete(w.rows, "k"+string(key)); return nil }
func (w *world) KVList(hostfuncs.ListRequest) ([]byte, error) {
	return abi.AppendPageHead(nil, false), nil
}
func (w *world) KVDeleteRange(hostfuncs.ListRequest) (int64, error) { return 0, nil }
func (w *world) Var(name []byte) ([]byte, bool, error)              { return w.get("v" + string(name)) }
func (w *world) SetVar(name, value []byte) error                    { return w.put("v"+string(name), value) }
func (w *world) Broadcast(string, []byte) error                     { return nil }
func (w *world) Self() []byte                                       { return []byte(`{"id":"x","name":"x"}`) }
func (w *world) Config(string) (string, bool)                       { return "", false }
func (w *world) Log(hostfuncs.Level, []byte)                        {}
func (w *world) Now() time.Time                                     { return w.now }
func (w *world) Sleep(d time.Duration)                              { w.now = w.now.Add(d) }
func (w *world) Random(p []byte)                                    { w.random.Read(p) }
func (w *world) Output(int, []byte)                                 {}

var (
	_ Env             = (*world)(nil)
	_ hostfuncs.Actor = (*world)(nil)
)

// guest is a module and how one of its turns is run.
type guest struct {
	name string
	wasm func(testing.TB) []byte
	// turns are the actions that tests run, each with its input and its export.
	turns []turn
	// fails are named for a part of what they say.
	fails []turn
}

type turn struct{ name, export, input string }

// sdkTurn is a turn of a module with a manifest.
func sdkTurn(actor, action, args string) turn {
	return turn{action + args, abi.ExportTurn, string(abi.AppendTurn(nil, &abi.Turn{Kind: abi.KindAction, Actor: actor, Name: action, Args: []byte(args)}))}
}

// testGuests are one guest of each kind: a runtime with a garbage collector, the Go counter, a plug-in in
// three other languages, and code that no compiler wrote.
func testGuests() []guest {
	return []guest{
		{"go", built("guest-sdk/testguests/memory"), []turn{
			sdkTurn("memory", "add", "[1]"), sdkTurn("memory", "garbage", "[6000]"), sdkTurn("memory", "turns", "[]"), sdkTurn("memory", "fill", "[10000,3]"),
		}, nil},
		{"counter", built("examples/wasm/counter"), []turn{
			sdkTurn("counter", "increment", "[1]"), sdkTurn("counter", "nop", "[]"), sdkTurn("counter", "get", "[]"),
		}, []turn{{"this action always fails", abi.ExportTurn, sdkTurn("counter", "fail", "[]").input}}},
		plugin("assemblyscript", "extism-as"), plugin("c", "extism-c"), plugin("rust", "extism-rust"),
		{"handwritten", func(testing.TB) []byte { return handwritten() }, []turn{{"work", "work", ""}, {"grow", "grow", ""}}, nil},
	}
}

// plugin is one of the example plug-ins, which all have the same actions.
func plugin(language, dir string) guest {
	return guest{language, committed("examples/wasm/" + dir + "/plugin.wasm"), []turn{
		{"count", "count", ""}, {"greet", "greet", "world"}, {"echo", "echo", "some bytes that come back"}, {"logs", "logs", "a line"},
	}, []turn{
		{"refused: zu spät", "fail", ""}, {"unreachable", "crash", ""},
	}}
}

// handwritten uses what compilers seldom do: bulk operations by a length that the seed chose, a memory
// that grows, a global, and the clock.
func handwritten() []byte {
	i32 := wasmtest.T(wasmtest.I32)
	var m wasmtest.Module
	const wasi = "wasi_snapshot_preview1"
	random := m.ImportFunc(wasi, "random_get", wasmtest.T(wasmtest.I32, wasmtest.I32), i32)
	clock := m.ImportFunc(wasi, "clock_time_get", wasmtest.T(wasmtest.I32, wasmtest.I64, wasmtest.I32), i32)
	m.Memory = wasmtest.Limits(1)
	g := m.Global(wasmtest.I32, true, wasmtest.Code{}.I32Const(3))
	var c wasmtest.Code
	work := c.I32Const(64).I32Const(4).Call(random).Op(wasmtest.Drop).
		I32Const(0).I64Const(1).I32Const(128).Call(clock).Op(wasmtest.Drop).
		GlobalGet(g).I32Const(5).Op(wasmtest.I32Add).GlobalSet(g).
		I32Const(1024).I32Const(7).I32Const(64).I32Load(0).I32Const(16).Op(0x76). // i32.shr_u: up to 64 KiB
		I32Const(1).Op(0x76).MemoryFill().
		GlobalGet(g).I32Const(100).Op(wasmtest.I32Mul).LocalSet(0).
		Loop(wasmtest.Empty).
		I32Const(2048).LocalGet(0).I32Store(0).
		LocalGet(0).I32Const(1).Op(wasmtest.I32Sub).LocalTee(0).BrIf(0).
		Op(wasmtest.End).I32Const(0)
	m.Export("work", 0, m.Func(nil, i32, i32, work))
	m.Export("grow", 0, m.Func(nil, i32, nil, c.I32Const(1).MemoryGrow()))
	return m.Encode()
}

var (
	builtMu  sync.Mutex // guards builtAll
	builtAll = map[string][]byte{}
)

func built(dir string) func(testing.TB) []byte {
	return func(tb testing.TB) []byte {
		tb.Helper()
		builtMu.Lock()
		defer builtMu.Unlock()
		if builtAll[dir] == nil {
			wasm, err := guestbuild.Build(context.Background(), guestbuild.Options{Dir: filepath.Join(root(), filepath.FromSlash(dir))})
			must(tb, err)
			builtAll[dir] = wasm
		}
		return builtAll[dir]
	}
}

func committed(file string) func(testing.TB) []byte {
	return func(tb testing.TB) []byte {
		tb.Helper()
		wasm, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(file)))
		must(tb, err)
		return wasm
	}
}

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// open opens a sandbox with all host functions, whose compiled code other test processes share.
func open(tb testing.TB, dir string, change ...func(*Config)) *Sandbox {
	tb.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	c := Config{Dir: dir, CompiledDir: filepath.Join(base, "vivarium-test", "compiled"), Logger: slog.New(slog.DiscardHandler), KeepGas: 1}
	must(tb, os.MkdirAll(c.CompiledDir, 0o700))
	for _, m := range hostfuncs.Modules() {
		hm := HostModule{Name: m.Name}
		for _, f := range m.Funcs {
			hm.Funcs = append(hm.Funcs, HostFunc(f))
		}
		c.Modules = append(c.Modules, hm)
	}
	for _, f := range change {
		f(&c)
	}
	s, err := Open(context.Background(), c)
	must(tb, err)
	tb.Cleanup(func() { s.Close() })
	return s
}

// interpret exchanges the engine of a new sandbox for wazero's interpreter. It serves versions that were
// prepared in its folder by another, because the workers compile.
func interpret(tb testing.TB, s *Sandbox) {
	tb.Helper()
	ctx := context.Background()
	must(tb, s.runtime.Close(ctx))
	s.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().
		WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(s.cfg.MemoryPages))
	must(tb, s.link(ctx))
}

// acquire returns the version of a module, released when the test ends.
func acquire(tb testing.TB, s *Sandbox, wasm []byte) *Version {
	tb.Helper()
	v, err := s.Acquire(context.Background(), source(wasm))
	must(tb, err)
	tb.Cleanup(v.Release)
	return v
}

func source(wasm []byte) Source {
	return Source{
		Class: "test", Digest: tenants.Digest(sha256.Sum256(wasm)),
		Load: func() ([]byte, error) { return wasm, nil },
		Start: func(ctx context.Context) (context.Context, Env) {
			w := newWorld()
			return hostfuncs.NewStartup(ctx, w, &hostfuncs.Kernel{}), w
		},
	}
}

// startup returns the context of a start-up.
func startup(w *world) context.Context {
	return hostfuncs.NewStartup(context.Background(), w, &hostfuncs.Kernel{})
}

// newInstance returns an instance as start-up leaves it.
func newInstance(tb testing.TB, v *Version, w *world) *Instance {
	tb.Helper()
	i, err := v.NewInstance(startup(w), w)
	must(tb, err)
	return i
}

// wake wakes an actor.
func wake(tb testing.TB, v *Version, w *world, id tenants.ActorID, position uint64) (*Instance, bool) {
	tb.Helper()
	i, kept, err := v.Wake(startup(w), w, id, position)
	must(tb, err)
	return i, kept
}

// runTurn runs one turn on an instance and returns its gas.
func runTurn(i *Instance, w *world, t turn) (int64, error) {
	c := hostfuncs.NewCall(context.Background(), w, &hostfuncs.Kernel{}, i, []byte(t.input))
	n, err := i.Call(c, t.export)
	if err != nil {
		return i.Used(), err
	}
	if t.export == abi.ExportTurn {
		if r, err := abi.ParseReply(c.Output()); err != nil || n != 0 || r.Status != abi.StatusOK {
			return i.Used(), fmt.Errorf("%s: %d, %+v, %v", t.name, n, r, err)
		}
	}
	return i.Used(), nil
}

func mustTurn(tb testing.TB, i *Instance, w *world, t turn) int64 {
	tb.Helper()
	gas, err := runTurn(i, w, t)
	must(tb, err)
	return gas
}
