package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// pluginImports are the plug-ins of Extism's own Go host that import what only its tests have.
var pluginImports = map[string][]string{
	"host.wasm":           {"extism:host/user.mult"},
	"host_memory.wasm":    {"host.to_upper"},
	"host_multiple.wasm":  {"extism:host/user.hostGreenMessage", "extism:host/user.hostPurpleMessage"},
	"main.wasm":           {"lib.capitalize"},
	"nested.c.instr.wasm": {"dylibso_observe.instrument_enter", "dylibso_observe.instrument_exit", "dylibso_observe.instrument_memory_grow"},
}

// noGas meters nothing, for the engine without us.
type noGas struct{}

func (noGas) Charge(int64) error { return nil }

// outcome is all that can be seen of a run.
type outcome struct {
	Result       uint64
	Output, Text string
	Failure      string
	Rows         map[string][]byte
}

func outcomeOf(c *hostfuncs.Call, w *world, n uint64, err error) outcome {
	out, _ := c.PlainOutput()
	o := outcome{Result: n, Output: string(out) + string(c.Output()), Text: c.PlainError(), Rows: w.rows}
	var trap *TrapError
	var exit *sys.ExitError
	var refused *abi.Error
	switch {
	case err == nil:
	case errors.As(err, &trap) && trap.Kind == "exit":
		o.Failure = trap.Text
	case errors.As(err, &trap):
		o.Failure = trap.Kind
	case errors.As(err, &exit):
		o.Failure = fmt.Sprintf("the guest called exit(%d)", exit.ExitCode())
	case errors.As(err, &refused):
		o.Failure = refused.PublicMessage()
	default:
		o.Failure = trapKind(err.Error())
	}
	return o
}

// plainEngine is wazero with the same host functions and none of our work.
type plainEngine struct{ r wazero.Runtime }

func newPlainEngine(t testing.TB, modules []HostModule, cfg wazero.RuntimeConfig) *plainEngine {
	t.Helper()
	ctx := context.Background()
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(base, "vivarium-test", "plain"))
	must(t, err)
	r := wazero.NewRuntimeWithConfig(ctx, cfg.WithCompilationCache(cache))
	t.Cleanup(func() { r.Close(ctx); cache.Close(ctx) })
	_, err = wasi_snapshot_preview1.Instantiate(ctx, r)
	must(t, err)
	for _, m := range modules {
		b := r.NewHostModuleBuilder(m.Name)
		for _, f := range m.Funcs {
			b.NewFunctionBuilder().WithGoModuleFunction(f.Call, f.Params, f.Results).Export(f.Name)
		}
		_, err := b.Instantiate(ctx)
		must(t, err)
	}
	return &plainEngine{r}
}

// plainInstance is an instance of the engine without us.
type plainInstance struct {
	mod     api.Module
	w       *world
	k       *hostfuncs.Kernel
	entries map[string]api.Function
}

// instance makes an instance and starts it up.
func (p *plainEngine) instance(t testing.TB, code wazero.CompiledModule, start []string) *plainInstance {
	t.Helper()
	i := &plainInstance{w: newWorld(), k: &hostfuncs.Kernel{}, entries: map[string]api.Function{}}
	up := hostfuncs.NewStartup(context.Background(), i.w, i.k)
	var err error
	i.mod, err = p.r.InstantiateModule(up, code, wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithWalltime(func() (int64, int32) { return i.w.now.Unix(), int32(i.w.now.Nanosecond()) }, 1).
		WithNanotime(func() int64 { return i.w.now.UnixNano() }, 1).
		WithNanosleep(func(ns int64) { i.w.Sleep(time.Duration(ns)) }).WithRandSource(i.w.random))
	must(t, err)
	for _, name := range start {
		if f := i.mod.ExportedFunction(name); f != nil { // not the start function, which has run
			_, err := f.Call(up)
			must(t, err)
		}
	}
	return i
}

// call calls an export.
func (i *plainInstance) call(ctx context.Context, export, input string) (c *hostfuncs.Call, n uint64, err error) {
	c = hostfuncs.NewCall(ctx, i.w, i.k, noGas{}, []byte(input))
	f := i.entries[export]
	if f == nil {
		f = i.mod.ExportedFunction(export)
		i.entries[export] = f
	}
	var stack [1]uint64
	err = f.CallWithStack(c, stack[:])
	return c, stack[0], err
}

func (i *plainInstance) close() { i.mod.Close(context.Background()) }

// run starts a module up and calls one of its exports.
func (p *plainEngine) run(t *testing.T, code wazero.CompiledModule, start []string, export, input string) outcome {
	t.Helper()
	i := p.instance(t, code, start)
	defer i.close()
	i.w.begin(nil)
	c, n, err := i.call(context.Background(), export, input)
	return outcomeOf(c, i.w, n, err)
}

// runsTheSame calls an export of a module metered and from its image, and on the engine alone.
func runsTheSame(t *testing.T, v *Version, plain *plainEngine, code wazero.CompiledModule, export, input string) outcome {
	t.Helper()
	w := newWorld()
	i := newInstance(t, v, w)
	defer i.Close()
	w.begin(nil)
	c := hostfuncs.NewCall(context.Background(), w, &hostfuncs.Kernel{}, i, []byte(input))
	n, err := i.Call(c, export)
	got, want := outcomeOf(c, w, uint64(uint32(n)), err), plain.run(t, code, v.start, export, input)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s(%q) is\n%+v metered and\n%+v plain", export, input, got, want)
	}
	t.Logf("%s(%q): %d gas, %d, %.80q %.80q %s", export, input, i.Used(), got.Result, got.Output, got.Text, got.Failure)
	return got
}

// Guests of every language that is shown here run metered and from an image as they run on the engine
// alone, also where they fail.
func TestGuestsRunTheSame(t *testing.T) {
	s := open(t, t.TempDir())
	plain := newPlainEngine(t, s.cfg.Modules, wazero.NewRuntimeConfig())
	for _, g := range testGuests() {
		t.Run(g.name, func(t *testing.T) {
			b := g.wasm(t)
			v := acquire(t, s, b)
			code, err := plain.r.CompileModule(context.Background(), b)
			must(t, err)
			defer code.Close(context.Background())
			for _, tn := range g.turns {
				if o := runsTheSame(t, v, plain, code, tn.export, tn.input); o.Failure != "" {
					t.Errorf("%s failed: %+v", tn.name, o)
				}
			}
			for _, tn := range g.fails {
				if o := runsTheSame(t, v, plain, code, tn.export, tn.input); !strings.Contains(o.Output+o.Text+o.Failure, tn.name) {
					t.Errorf("%s(%q) is %+v, want %q in it", tn.export, tn.input, o, tn.name)
				}
			}
		})
	}
}

// The plug-ins that Extism tests its own Go host with run on ours, metered and from an image, as they run
// on the engine alone; those with imports of their own are refused by the names of these.
func TestExtismPlugins(t *testing.T) {
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/extism/go-sdk")
	cmd.Dir = filepath.Join(root(), "e2e", "extism", "plugins")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Skipf("the plug-ins cannot be had: %v %s", err, found.Error)
	}
	files, err := filepath.Glob(filepath.Join(found.Dir, "wasm", "*.wasm"))
	must(t, err)
	s := open(t, t.TempDir())
	plain := newPlainEngine(t, s.cfg.Modules, wazero.NewRuntimeConfig())
	linked, calls := 0, 0
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(path)
			must(t, err)
			v, err := s.Acquire(context.Background(), source(b))
			if want, ok := pluginImports[file]; ok {
				if e := abi.AsError(err); err == nil || e.Code != abi.CodeModuleImport || !strings.HasSuffix(e.PublicMessage(), ": "+strings.Join(want, ", ")) {
					t.Errorf("%v, want a refusal for %v", err, want)
				}
				return
			}
			must(t, err)
			defer v.Release()
			linked++
			code, err := plain.r.CompileModule(context.Background(), b)
			must(t, err)
			defer code.Close(context.Background())
			for _, e := range v.facts.Exports {
				if e.Kind != wasm.ExternFunc || slices.Contains(v.start, e.Name) || strings.HasPrefix(e.Name, "asyncify_") {
					continue
				}
				if typ := v.facts.FuncType(e.Index).String(); typ != "()->()" && typ != "()->(i32)" {
					continue
				}
				for _, input := range []string{"", "hello world"} {
					runsTheSame(t, v, plain, code, e.Name, input)
					calls++
				}
			}
		})
	}
	t.Logf("%d of %d plug-ins link, %d calls", linked, len(files), calls)
	if linked != len(files)-len(pluginImports) {
		t.Errorf("%d of %d plug-ins link, %d are to be refused", linked, len(files), len(pluginImports))
	}
}

// A guest without a memory that passes pointers is at fault itself.
func TestPointersWithoutMemory(t *testing.T) {
	var m wasmtest.Module
	i32 := wasmtest.T(wasmtest.I32)
	set := m.ImportFunc(abi.ModuleVivarium, "state_set", wasmtest.T(wasmtest.I32, wasmtest.I32), wasmtest.T(wasmtest.I64))
	m.Export("go", 0, m.Func(nil, i32, nil, wasmtest.Code{}.I32Const(0).I32Const(0).Call(set).Op(wasmtest.Drop).I32Const(0)))
	w := newWorld()
	i := newInstance(t, acquire(t, open(t, t.TempDir()), m.Encode()), w)
	defer i.Close()
	_, err := i.Call(hostfuncs.NewCall(t.Context(), w, &hostfuncs.Kernel{}, i, nil), "go")
	var refused *abi.Error
	if !errors.As(err, &refused) || refused.Code != abi.CodeInvalidArgument {
		t.Errorf("ends with %v, want an invalid argument", err)
	}
}
