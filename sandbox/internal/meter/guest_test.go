package meter

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// built keeps the guests that have been built, by folder.
var built sync.Map

// goGuest builds a folder of Go source.
func goGuest(t testing.TB, dir string) []byte {
	t.Helper()
	if b, ok := built.Load(dir); ok {
		return b.([]byte)
	}
	b, err := guestbuild.Build(t.Context(), guestbuild.Options{Dir: dir, Strip: true, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	built.Store(dir, b)
	return b
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stub links functions that do nothing for all imports of a module, but those of WASI.
func stub(t testing.TB, r wazero.Runtime, f *validate.Facts) {
	t.Helper()
	wasi_snapshot_preview1.MustInstantiate(t.Context(), r)
	mods := map[string]wazero.HostModuleBuilder{}
	for _, im := range f.Imports {
		if im.Kind != wasm.ExternFunc || im.Module == wasi_snapshot_preview1.ModuleName {
			continue
		}
		if mods[im.Module] == nil {
			mods[im.Module] = r.NewHostModuleBuilder(im.Module)
		}
		typ := f.FuncType(im.Index)
		zero := func(stack []uint64) { clear(stack[:len(typ.Results)]) }
		mods[im.Module].NewFunctionBuilder().WithGoFunction(api.GoFunc(ignoreContext(zero)), apiTypes(typ.Params), apiTypes(typ.Results)).Export(im.Name)
	}
	for _, m := range mods {
		if _, err := m.Instantiate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func apiTypes(ts []wasm.ValType) (out []api.ValueType) {
	for _, t := range ts {
		out = append(out, api.ValueType(t))
	}
	return out
}

// TestGuests takes guests that compilers made, of Go and of AssemblyScript, and starts them.
func TestGuests(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	plugins, err := filepath.Glob(filepath.Join(root, "examples", "wasm", "extism-as", "*.wasm"))
	if err != nil || len(plugins) == 0 {
		t.Fatalf("no AssemblyScript guest: %v", err)
	}
	guests := map[string][]byte{"counter": goGuest(t, filepath.Join(root, "examples", "wasm", "counter"))}
	for _, p := range plugins {
		guests[filepath.Base(p)] = readFile(t, p)
	}
	for name, b := range guests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			f := facts(t, b, validate.Limits{})
			validated := time.Since(start)
			start = time.Now()
			out, l, err := Rewrite(b, f, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes to %d (%.2f), validated in %v, rewritten in %v", len(b), len(out), float64(len(out))/float64(len(b)),
				validated, time.Since(start))
			t.Logf("%d functions, %d data segments, largest body %d, nesting %d, locals %d, br_table labels %d, weight %d of which %d in one, largest frame %d",
				len(f.Bodies), f.Datas, f.MaxBody, f.MaxNesting, f.MaxLocals, f.BranchTargets, f.Weight, f.MaxWeight, l.MaxFrame)
			if len(l.Obstacles) > 0 {
				t.Errorf("no image: %v", l.Obstacles)
			}
			if len(b) > 1<<20 && len(out) > len(b)+len(b)/4 {
				t.Errorf("%d bytes became %d", len(b), len(out))
			}
			m := newMachine(t, wazero.NewRuntimeConfig(), true)
			stub(t, m.r, f)
			var used []int64
			code, err := m.r.CompileModule(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				mod, err := m.r.InstantiateModule(t.Context(), code, wazero.NewModuleConfig().WithName("").WithStartFunctions().WithStderr(io.Discard))
				if err != nil {
					t.Fatal(err)
				}
				m.modules = []api.Module{mod}
				sum := int64(0)
				for _, name := range []string{StartExport, "_initialize"} {
					if f := mod.ExportedFunction(name); f != nil {
						if _, err := m.call(f); err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						sum += m.used()
					}
				}
				used = append(used, sum)
			}
			t.Logf("start: %d gas", used[0])
			if used[0] == 0 || used[0] != used[1] {
				t.Errorf("two starts used %d gas", used)
			}
		})
	}
}
