package imagetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
)

// Version is a module in the two forms that an image needs, compiled.
type Version struct {
	Runtime wazero.Runtime
	Globals []string               // names of all mutable globals
	start   wazero.CompiledModule  // as it is uploaded
	second  []byte                 // what is stripped to become the other form
	image   *image.Image           // once there is one
	code    wazero.CompiledModule  // of the instances
	init    func(api.Module) error // starts the first instance up
}

// NewRuntime returns an engine with WASI that ends with the test.
func NewRuntime(tb testing.TB) wazero.Runtime {
	tb.Helper()
	ctx := context.Background()
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(base, "vivarium-test", "compiled"))
	Must(tb, err)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithMemoryLimitPages(1024).WithDebugInfoEnabled(false).WithCompilationCache(cache))
	tb.Cleanup(func() {
		r.Close(ctx)
		cache.Close(ctx)
	})
	_, err = wasi_snapshot_preview1.Instantiate(ctx, r)
	Must(tb, err)
	return r
}

// Tiny compiles a tiny module whose start-up is its export start.
func Tiny(tb testing.TB, m Module) *Version {
	tb.Helper()
	return newVersion(tb, NewRuntime(tb), m.Encode(), GlobalNames, "start")
}

// Guest compiles a guest of the Go toolchain, of any actors.
func Guest(tb testing.TB, wasm []byte) *Version {
	tb.Helper()
	wasm, names := ExportGlobals(wasm)
	r := NewRuntime(tb)
	linkStubs(tb, r, wasm)
	return newVersion(tb, r, wasm, names, "_initialize")
}

func newVersion(tb testing.TB, r wazero.Runtime, wasm []byte, globals []string, start string) *Version {
	tb.Helper()
	code, err := r.CompileModule(context.Background(), wasm)
	Must(tb, err)
	v := &Version{Runtime: r, Globals: globals, start: code, second: wasm}
	v.init = func(m api.Module) error {
		_, err := m.ExportedFunction(start).Call(context.Background())
		return err
	}
	return v
}

func (v *Version) instantiate(ctx context.Context, code wazero.CompiledModule) (api.Module, error) {
	return v.Runtime.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

// Fresh returns an instance that has been started up the ordinary way, with a bare memory.
func (v *Version) Fresh(tb testing.TB, a *image.Arena) *Instance {
	tb.Helper()
	mem, err := a.Bare(1024)
	Must(tb, err)
	mod, err := mem.Instantiate(context.Background(), func(ctx context.Context) (api.Module, error) {
		return v.instantiate(ctx, v.start)
	})
	Must(tb, err)
	Must(tb, v.init(mod))
	return v.newInstance(tb, mod, mem)
}

// Image starts the module up and makes its image, which the caller closes.
func (v *Version) Image(tb testing.TB, a *image.Arena, maxWasmPages uint32) *image.Image {
	tb.Helper()
	i := v.Fresh(tb, a)
	defer i.Close()
	im, err := a.New(image.Spec{
		Key:          image.Origin{Module: "m"}.Key(),
		Memory:       i.Memory.Bytes(),
		Globals:      i.Globals.Values(nil),
		MaxWasmPages: maxWasmPages,
	})
	Must(tb, err)
	v.Use(tb, im)
	return im
}

// Use compiles the form of the module that goes with an image.
func (v *Version) Use(tb testing.TB, im *image.Image) {
	tb.Helper()
	var err error
	v.image = im
	v.code, err = v.Runtime.CompileModule(context.Background(), Strip(v.second, im.WasmPages()))
	Must(tb, err)
}

// TryShell makes an instance of the image.
func (v *Version) TryShell() (api.Module, *image.Memory, error) {
	mem, err := v.image.NewMemory()
	if err != nil {
		return nil, nil, err
	}
	mod, err := mem.Instantiate(context.Background(), func(ctx context.Context) (api.Module, error) {
		return v.instantiate(ctx, v.code)
	})
	return mod, mem, err
}

// Shell is TryShell, with the image's globals.
func (v *Version) Shell(tb testing.TB) *Instance {
	tb.Helper()
	mod, mem, err := v.TryShell()
	Must(tb, err)
	i := v.newInstance(tb, mod, mem)
	Must(tb, i.Globals.Set(v.image.Globals()))
	return i
}

func (v *Version) newInstance(tb testing.TB, mod api.Module, mem *image.Memory) *Instance {
	tb.Helper()
	gs, err := image.BindGlobals(mod, v.Globals)
	Must(tb, err)
	i := &Instance{Module: mod, Memory: mem, Globals: gs, tb: tb, calls: map[string]api.Function{}}
	i.ctx = context.WithValue(context.Background(), hostKey{}, &i.host)
	return i
}

// Instance is one instance and what stands in for its host.
type Instance struct {
	Module  api.Module
	Memory  *image.Memory
	Globals image.Globals

	tb    testing.TB
	ctx   context.Context
	calls map[string]api.Function
	host  host
}

// Call calls an export that has at most one result.
func (i *Instance) Call(name string, args ...uint64) uint64 {
	i.tb.Helper()
	f := i.calls[name]
	if f == nil {
		f = i.Module.ExportedFunction(name)
		i.calls[name] = f
	}
	out, err := f.Call(i.ctx, args...)
	Must(i.tb, err)
	return append(out, 0)[0]
}

// Turn runs an action of examples/wasm/counter and returns its result.
func (i *Instance) Turn(action, args string) string {
	i.tb.Helper()
	turn := &abi.Turn{Kind: abi.KindAction, Actor: "counter", Name: action, Args: []byte(args)}
	i.host.in = abi.AppendTurn(i.host.in[:0], turn)
	if n := i.Call(abi.ExportTurn); n != 0 {
		i.tb.Fatalf("%s returned %d", action, n)
	}
	r, err := abi.ParseReply(i.host.out)
	Must(i.tb, err)
	if r.Status != abi.StatusOK {
		i.tb.Fatalf("%s: status %d: %s", action, r.Status, r.Message)
	}
	return string(r.Result)
}

// Forget makes the host forget the state that the guest has set.
func (i *Instance) Forget() { i.host.state = nil }

// Reset makes the instance as good as new.
func (i *Instance) Reset() {
	i.tb.Helper()
	Must(i.tb, i.Memory.Reset())
	Must(i.tb, i.Globals.Set(i.Memory.Image().Globals()))
}

// Close closes the instance.
func (i *Instance) Close() { i.Module.Close(context.Background()) }

// host is the host of one instance: enough for the counter guest. Operations that it does not have
// return 0.
type host struct {
	in, out, result, state []byte
}

type hostKey struct{}

// linkStubs gives the engine what wasm imports. What is not written out here returns 0.
func linkStubs(tb testing.TB, r wazero.Runtime, wasm []byte) {
	tb.Helper()
	code, err := r.CompileModule(context.Background(), wasm)
	Must(tb, err)
	defer code.Close(context.Background())
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	link := func(module string, fns map[string]string, call map[string]func(h *host, m api.Memory, s []uint64)) {
		b := r.NewHostModuleBuilder(module)
		for _, f := range code.ImportedFunctions() {
			of, name, _ := f.Import()
			if _, known := fns[name]; of != module || known {
				continue
			}
			params, results := f.ParamTypes(), f.ResultTypes()
			b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, s []uint64) {
				if len(results) > 0 {
					s[0] = 0
				}
			}), params, results).Export(name)
		}
		for name, sig := range fns {
			var types [2][]api.ValueType
			side := 0
			for _, c := range sig {
				switch c {
				case '>':
					side = 1
				case 'i':
					types[side] = append(types[side], i32)
				case 'I':
					types[side] = append(types[side], i64)
				}
			}
			f := call[name]
			b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, s []uint64) {
				if h, ok := ctx.Value(hostKey{}).(*host); ok && f != nil {
					f(h, m.Memory(), s)
				} else if len(types[1]) > 0 {
					s[0] = 0
				}
			}), types[0], types[1]).Export(name)
		}
		_, err := b.Instantiate(context.Background())
		Must(tb, err)
	}
	link("vivarium", map[string]string{
		"input_len": ">i", "input_read": "ii>i", "output": "ii>", "result_len": ">i", "result_read": "ii>i",
		"state_get": ">I", "state_set": "ii>I", "kv_get": "ii>I", "kv_put": "iiii>I", "kv_delete": "ii>I",
		"kv_list": "iiiiiiII>I", "kv_delete_range": "iiiiII>I", "broadcast": "iiii>I", "self": ">I",
		"log": "Iii>I", "now": ">I", "random": "I>I",
	}, map[string]func(h *host, m api.Memory, s []uint64){
		"input_len":   func(h *host, m api.Memory, s []uint64) { s[0] = uint64(len(h.in)) },
		"input_read":  func(h *host, m api.Memory, s []uint64) { s[0] = write(m, s, h.in) },
		"output":      func(h *host, m api.Memory, s []uint64) { h.out = read(m, s) },
		"result_len":  func(h *host, m api.Memory, s []uint64) { s[0] = uint64(len(h.result)) },
		"result_read": func(h *host, m api.Memory, s []uint64) { s[0] = write(m, s, h.result) },
		"state_set":   func(h *host, m api.Memory, s []uint64) { h.state = read(m, s); s[0] = 0 },
		"state_get": func(h *host, m api.Memory, s []uint64) {
			absent := int64(abi.Absent)
			s[0] = uint64(absent)
			if h.state != nil {
				h.result = h.state
				s[0] = uint64(len(h.result))
			}
		},
	})
	link("extism:host/env", map[string]string{
		"alloc": "I>I", "free": "I>", "length": "I>I", "length_unsafe": "I>I", "load_u8": "I>i", "load_u64": "I>I",
		"store_u8": "Ii>", "store_u64": "II>", "input_length": ">I", "input_load_u8": "I>i", "input_load_u64": "I>I",
		"output_set": "II>", "error_set": "I>", "config_get": "I>I", "var_get": "I>I", "var_set": "II>",
		"http_request": "II>I", "http_status_code": ">i", "http_headers": ">I", "get_log_level": ">i",
		"log_trace": "I>", "log_debug": "I>", "log_info": "I>", "log_warn": "I>", "log_error": "I>",
	}, nil)
}

func write(m api.Memory, s []uint64, b []byte) uint64 {
	b = b[:min(len(b), int(uint32(s[1])))]
	if !m.Write(uint32(s[0]), b) {
		panic(fmt.Errorf("write %d bytes at %d", len(b), s[0]))
	}
	return uint64(len(b))
}

func read(m api.Memory, s []uint64) []byte {
	b, ok := m.Read(uint32(s[0]), uint32(s[1]))
	if !ok {
		panic(fmt.Errorf("read %d bytes at %d", s[1], s[0]))
	}
	return append([]byte{}, b...)
}

// Must ends the test on an error.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
