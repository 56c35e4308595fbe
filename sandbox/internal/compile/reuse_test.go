package compile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// parts is a module that has something of all that matters for its code, changed in one way.
func parts(change func(*wasmtest.Module)) []byte {
	var m wasmtest.Module
	i32 := wasmtest.T(wasmtest.I32)
	host := m.ImportFunc("env", "host", i32, i32)
	m.Memory = wasmtest.Limits(1, 4)
	m.Table(wasmtest.FuncRef, wasmtest.Limits(2, 2))
	g := m.Global(wasmtest.I32, true, wasmtest.Code{}.I32Const(1))
	f := m.Func(i32, i32, i32, wasmtest.Code{}.
		I32Const(0).I32Const(0).I32Const(4).MemoryInit(0).
		GlobalGet(g).I32Load(8).LocalGet(0).Call(host).Op(wasmtest.I32Add).GlobalSet(g).
		I32Const(1).I32Const(0).CallIndirect(m.Type(i32, i32), 0))
	m.Elem(0, f)
	m.DataCount(1)
	change(&m)
	return m.Encode()
}

// What a second form of a module has otherwise than the first makes no other code, as a worker shows that does not know of it.
func TestReuse(t *testing.T) {
	c, alone := open(t, compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}), open(t, compile.Config{CacheDir: t.TempDir()})
	first := parts(func(m *wasmtest.Module) { m.PassiveData("data") })
	e, err := c.Compile(bg, "a", first)
	must(err)
	for name, change := range map[string]func(*wasmtest.Module){
		"memory": func(m *wasmtest.Module) { m.PassiveData("data"); m.Memory = wasmtest.Limits(3, 4) },
		"data":   func(m *wasmtest.Module) { m.PassiveData("") },
		"export": func(m *wasmtest.Module) { m.PassiveData("data"); m.Export("f", 0, 1) },
		"custom": func(m *wasmtest.Module) { m.PassiveData("data"); m.Tail(wasmtest.Custom("x", []byte("y"))) },
	} {
		t.Run(name, func(t *testing.T) {
			wasm := parts(change)
			got, err := c.Reuse(e, wasm)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Verify(got, wasm); err != nil {
				t.Errorf("it would not be loaded: %v", err)
			}
			want, err := alone.Compile(bg, "a", wasm)
			must(err)
			if got != want {
				t.Errorf("got  %+v,\nwant %+v", got, want)
			}
			must(c.Remove(got))
			if err := c.Verify(e, first); err != nil {
				t.Errorf("the first one went with it: %v", err)
			}
		})
	}
}

// global is a module with one global, which its function returns.
func global(t byte, mutable bool, init wasmtest.Code) []byte {
	var m wasmtest.Module
	m.Export("f", 0, m.Func(nil, wasmtest.T(t), nil, wasmtest.Code{}.GlobalGet(m.Global(t, mutable, init))))
	return m.Encode()
}

func TestReuseOfGlobals(t *testing.T) {
	c := open(t, compile.Config{CacheDir: t.TempDir()})
	e, err := c.Compile(bg, "a", global(wasmtest.I32, true, wasmtest.Code{}.I32Const(1)))
	must(err)
	if _, err := c.Reuse(e, global(wasmtest.I32, true, wasmtest.Code{}.I32Const(-1_000_000))); err != nil {
		t.Errorf("with another value: %v", err)
	}
	for name, wasm := range map[string][]byte{
		"another type": global(wasmtest.I64, true, wasmtest.Code{}.I64Const(1)),
		"constant":     global(wasmtest.I32, false, wasmtest.Code{}.I32Const(1)),
	} {
		if _, err := c.Reuse(e, wasm); !errors.Is(err, compile.ErrOtherCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReuseOfOtherCode(t *testing.T) {
	cfg := compile.Config{CacheDir: t.TempDir()}
	c := open(t, cfg)
	same := func(m *wasmtest.Module) { m.PassiveData("data") }
	first := parts(same)
	e, err := c.Compile(bg, "a", first)
	must(err)
	i32 := wasmtest.T(wasmtest.I32)
	for name, wasm := range map[string][]byte{
		"a type":      parts(func(m *wasmtest.Module) { same(m); m.Type(nil, i32) }),
		"an import":   parts(func(m *wasmtest.Module) { same(m); m.ImportGlobal("env", "g", wasmtest.I32, false) }),
		"a function":  parts(func(m *wasmtest.Module) { same(m); m.Func(nil, nil, nil, nil) }),
		"a table":     parts(func(m *wasmtest.Module) { same(m); m.Table(wasmtest.FuncRef, wasmtest.Limits(2, 2)) }),
		"a global":    parts(func(m *wasmtest.Module) { same(m); m.Global(wasmtest.I32, true, wasmtest.Code{}.I32Const(1)) }),
		"an element":  parts(func(m *wasmtest.Module) { same(m); m.Declare(0) }),
		"a start":     parts(func(m *wasmtest.Module) { same(m); m.Start(m.Func(nil, nil, nil, nil)) }),
		"no memory":   global(wasmtest.I32, true, wasmtest.Code{}.I32Const(1)),
		"cut off":     first[:len(first)-1],
		"bytes more":  append(first[:len(first):len(first)], 0),
		"nothing":     nil,
		"no module":   []byte("no module"),
		"only header": first[:8],
	} {
		if _, err := c.Reuse(e, wasm); !errors.Is(err, compile.ErrOtherCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Reuse(compile.Entry{}, nil); !errors.Is(err, compile.ErrOtherCode) {
		t.Errorf("no entry: %v", err)
	}
	second := parts(func(m *wasmtest.Module) { m.PassiveData("") })
	work := filepath.Join(cfg.CacheDir, ".work")
	must(os.Rename(work, work+".away"))
	if _, err := c.Reuse(e, second); err == nil || errors.Is(err, compile.ErrOtherCode) || errors.Is(err, compile.ErrStale) {
		t.Errorf("without a place to work: %v", err)
	}
	must(os.Rename(work+".away", work))
	must(os.Truncate(filepath.Join(cfg.CacheDir, e.Name), e.Size-1))
	if _, err := c.Reuse(e, second); !errors.Is(err, compile.ErrStale) {
		t.Errorf("a damaged entry: %v", err)
	}
}
