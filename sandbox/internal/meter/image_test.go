package meter

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

func facts(t testing.TB, b []byte, l validate.Limits) *validate.Facts {
	t.Helper()
	f, err := validate.Module(b, l)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// stateful is a module whose start function changes memory and globals of all types. "f" changes them
// more and returns a number made of them.
func stateful(passive, use, drop bool) []byte {
	var m wt.Module
	m.Memory = wt.Limits(1, 10)
	imm := m.Global(wt.I64, false, wt.Code{}.I64Const(5))
	i := m.Global(wt.I32, true, wt.Code{}.I32Const(-1))
	l := m.Global(wt.I64, true, wt.Code{}.I64Const(math.MinInt64))
	f := m.Global(wt.F32, true, wt.Code{}.F32Const(1.5))
	d := m.Global(wt.F64, true, wt.Code{}.F64Const(math.Inf(-1)))
	m.Table(wt.FuncRef, wt.Limits(2))
	m.Data(0, "first")
	if passive {
		m.PassiveData("second")
	}
	m.Data(100, "third")
	m.DataCount(uint32(2 + map[bool]int{true: 1}[passive]))
	start := m.Func(nil, nil, nil, wt.Code{}.
		I32Const(3).MemoryGrow().Op(wt.Drop).
		I32Const(200).I32Const(77).I32Store(0).
		GlobalGet(i).I32Const(-1000).Op(wt.I32Add).GlobalSet(i).
		GlobalGet(l).I64Const(1).Op(wt.I64Add).GlobalSet(l).
		F32Const(float32(math.NaN())).GlobalSet(f).
		F64Const(-0.5).GlobalSet(d))
	code := wt.Code{}
	if use {
		code = code.I32Const(300).I32Const(0).I32Const(6).MemoryInit(1)
	}
	if drop {
		code = code.DataDrop(1)
	}
	code = code.I32Const(200).I32Const(200).I32Load(0).I32Const(1).Op(wt.I32Add).I32Store(0).
		GlobalGet(i).I32Const(200).I32Load(0).Op(wt.I32Add).I32Const(300).I32Load(0).Op(wt.I32Add).
		I32Const(100).I32Load(0).Op(wt.I32Add).MemorySize().Op(wt.I32Add).
		GlobalGet(l).GlobalGet(imm).Op(wt.I64Add).Op(wt.I32WrapI64).Op(wt.I32Add).
		GlobalGet(i).I32Const(1).Op(wt.I32Add).GlobalSet(i)
	fn := m.Func(nil, wt.T(wt.I32), nil, code)
	m.Elem(1, fn)
	m.Start(start)
	m.Export("f", 0, fn).Export("own", 3, i)
	return m.Encode()
}

// TestImage makes the second form from an instance of the first and wants both to go on alike.
func TestImage(t *testing.T) {
	for _, tt := range []struct {
		name               string
		passive, use, drop bool
	}{
		{"active data only", false, false, false},
		{"passive data that is not used", true, false, false},
		{"memory.init", true, true, false},
		{"data.drop", true, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := stateful(tt.passive, tt.use, tt.drop)
			fs := facts(t, b, validate.Limits{})
			m := newMachine(t, wazero.NewRuntimeConfig(), true)
			m.opts.MemoryPages = 8
			first, err := m.instantiate(b, "")
			if err != nil {
				t.Fatal(err)
			}
			_, layout, err := Rewrite(b, fs, m.opts)
			if err != nil || !layout.Start || len(layout.Obstacles) > 0 || len(layout.Globals) != 4 || layout.MemoryPages != 8 {
				t.Fatalf("layout %+v, %v", layout, err)
			}
			snap := &Snapshot{Pages: first.Memory().Size() >> 16}
			for _, g := range layout.Globals {
				snap.Globals = append(snap.Globals, first.ExportedGlobal(g.Export).Get())
			}
			memory, _ := first.Memory().Read(0, first.Memory().Size())
			memory = bytes.Clone(memory)

			m.opts.Image = snap
			second, err := m.instantiate(b, "")
			if err != nil {
				t.Fatal(err)
			}
			if second.ExportedFunction(StartExport) != nil {
				t.Error("the image has a start function")
			}
			if got := second.Memory().Size() >> 16; got != 4 {
				t.Errorf("the image begins with %d pages, want 4", got)
			}
			blank, _ := second.Memory().Read(0, second.Memory().Size())
			if !bytes.Equal(blank, make([]byte, len(blank))) {
				t.Error("the image's memory is not empty: data was copied")
			}
			second.Memory().Write(0, memory)
			for i, g := range layout.Globals {
				if got := second.ExportedGlobal(g.Export).Get(); got != snap.Globals[i] {
					t.Errorf("%s is %#x, want %#x", g.Export, got, snap.Globals[i])
				}
			}
			for round := range 3 {
				if tt.drop && round > 0 {
					// The one deviation: in an image a dropped segment can be used again.
					if _, err := m.call(second.ExportedFunction("f")); err != nil {
						t.Errorf("after data.drop: %v", err)
					}
					continue
				}
				want, err := m.call(first.ExportedFunction("f"))
				if err != nil {
					t.Fatal(err)
				}
				used := m.used()
				got, err := m.call(second.ExportedFunction("f"))
				if err != nil || got[0] != want[0] || m.used() != used {
					t.Errorf("round %d: %v for %d gas, %v; want %v for %d", round, got, m.used(), err, want, used)
				}
			}
		})
	}
}

func TestImageRefuses(t *testing.T) {
	b := stateful(false, false, false)
	fs := facts(t, b, validate.Limits{})
	for name, s := range map[string]*Snapshot{
		"few globals":            {Pages: 1, Globals: make([]uint64, 3)},
		"less memory than begun": {Pages: 0, Globals: make([]uint64, 4)},
		"more memory than may":   {Pages: 11, Globals: make([]uint64, 4)},
	} {
		if _, _, err := Rewrite(b, fs, Options{Image: s}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := Rewrite(b[:len(b)-1], fs, Options{}); err == nil {
		t.Error("the facts of another module are accepted")
	}
	if _, _, err := Rewrite(make([]byte, len(b)), fs, Options{}); err == nil {
		t.Error("bytes that the facts are not of are accepted")
	}
}

func TestObstacles(t *testing.T) {
	for want, build := range map[string]func(m *wt.Module){
		"global 0 is mutable and a v128": func(m *wt.Module) {
			m.Global(wt.V128, true, wt.Code{}.Vec(12, make([]byte, 16)...))
		},
		"global 0 is mutable and a funcref": func(m *wt.Module) {
			m.Global(wt.FuncRef, true, wt.Code{}.RefNull(wt.FuncRef))
		},
		"global 0 is mutable and imported": func(m *wt.Module) { m.ImportGlobal("m", "g", wt.I32, true) },
		"the memory is imported":           func(m *wt.Module) { m.Import("m", "m", 2, wt.Limits(1)) },
		"a table is imported":              func(m *wt.Module) { m.Import("m", "t", 1, wt.Cat([]byte{wt.FuncRef}, wt.Limits(1))) },
		"the code changes tables": func(m *wt.Module) {
			m.Table(wt.FuncRef, wt.Limits(1))
			m.Func(nil, nil, nil, wt.Code{}.I32Const(0).RefNull(wt.FuncRef).TableSet(0))
		},
	} {
		var m wt.Module
		build(&m)
		b := m.Encode()
		fs := facts(t, b, validate.Limits{})
		_, l, err := Rewrite(b, fs, Options{})
		if err != nil || strings.Join(l.Obstacles, "") != want {
			t.Errorf("got %q, %v, want %q", l.Obstacles, err, want)
		}
		if _, _, err := Rewrite(b, fs, Options{Image: &Snapshot{}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("an image in spite of %q: %v", want, err)
		}
	}
}

// TestCaps looks at what memory and tables may grow to.
func TestCaps(t *testing.T) {
	var m wt.Module
	m.Memory = wt.Limits(1)
	m.Table(wt.FuncRef, wt.Limits(2))
	m.Table(wt.ExternRef, wt.Limits(2, 5))
	grow := func(table uint32, t byte) wt.Code { return wt.Code{}.RefNull(t).LocalGet(0).TableGrow(table) }
	m.Export("memory", 0, m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, wt.Code{}.LocalGet(0).MemoryGrow()))
	m.Export("table0", 0, m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, grow(0, wt.FuncRef)))
	m.Export("table1", 0, m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, grow(1, wt.ExternRef)))
	mc := newMachine(t, wazero.NewRuntimeConfig(), true)
	mc.opts = Options{MemoryPages: 10, TableEntries: 100}
	mod, err := mc.instantiate(m.Encode(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		f         string
		by        uint64
		want, now int32
	}{{"memory", 10, -1, 1}, {"memory", 9, 1, 10}, {"memory", 1, -1, 10}, {"table0", 99, -1, 2}, {"table0", 98, 2, 100}, {"table1", 4, -1, 2}, {"table1", 3, 2, 5}} {
		got, err := mc.call(mod.ExportedFunction(tt.f), tt.by)
		if err != nil || int32(got[0]) != tt.want {
			t.Errorf("%s by %d: %d, %v, want %d", tt.f, tt.by, int32(got[0]), err, tt.want)
		}
		if got, _ := mc.call(mod.ExportedFunction(tt.f), 0); int32(got[0]) != tt.now {
			t.Errorf("%s by %d: then %d, want %d", tt.f, tt.by, got[0], tt.now)
		}
	}
	fs := facts(t, m.Encode(), validate.Limits{})
	for _, o := range []Options{{TableEntries: 1}} {
		if _, _, err := Rewrite(m.Encode(), fs, o); err == nil {
			t.Errorf("a cap below the beginning is accepted: %+v", o)
		}
	}
}

// TestNames wants the names of functions in backtraces in spite of the added import, and nothing bad
// from name sections that lie.
func TestNames(t *testing.T) {
	var m wt.Module
	h := m.ImportFunc("env", "h", nil, nil)
	a := m.Func(nil, nil, nil, wt.Code{}.Op(wt.Unreachable))
	b := m.Func(nil, nil, nil, wt.Code{}.Call(a).Call(h))
	m.Export("f", 0, b)
	assoc := func(i uint32, name string) []byte { return wt.Cat(wt.U32(i), wt.Name(name)) }
	sub := func(id byte, b []byte) []byte { return wt.Cat([]byte{id}, wt.U32(uint32(len(b))), b) }
	module := sub(0, wt.Name("guest"))
	tests := []struct {
		name    string
		section []byte
		want    string // of the backtrace, lines joined
	}{
		{"good", wt.Cat(module, sub(1, wt.Vec(assoc(0, "env.h"), assoc(1, "alpha"), assoc(2, "beta"))), sub(2, wt.Claim(1<<31))), "guest.alpha() guest.beta()"},
		{"no import named", wt.Cat(module, sub(1, wt.Vec(assoc(1, "alpha")))), "guest.alpha() guest.$3()"},
		{"count lies", wt.Cat(module, sub(1, wt.Claim(1<<31, assoc(1, "alpha")))), "guest.alpha() guest.$3()"},
		{"out of order", sub(1, wt.Vec(assoc(2, "beta"), assoc(1, "alpha"))), ".$2() .beta()"},
		{"beyond the functions", sub(1, wt.Vec(assoc(1, "alpha"), assoc(3, "gamma"))), ".alpha() .$3()"},
		{"not UTF-8", sub(1, wt.Vec(assoc(1, "al\xff"), assoc(2, "beta"))), ".$2() .$3()"},
		{"control characters", sub(1, wt.Vec(assoc(1, "al\n\x1b[2Jpha"))), ".al\uFFFD\uFFFD[2Jpha() .$3()"},
		{"long", sub(1, wt.Vec(assoc(1, strings.Repeat("é", 1000)))), "." + strings.Repeat("é", 128) + "() .$3()"},
		{"size lies", wt.Cat(module, []byte{1}, wt.U32(1<<31)), "guest.$2() guest.$3()"},
		{"empty", nil, ".$2() .$3()"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mc := newMachine(t, wazero.NewRuntimeConfig(), true)
			host := mc.r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("h")
			if _, err := host.Instantiate(t.Context()); err != nil {
				t.Fatal(err)
			}
			mod, err := mc.instantiate(append(m.Encode(), wt.Custom("name", tt.section)...), "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = mc.call(mod.ExportedFunction("f"))
			_, trace, _ := strings.Cut(err.Error(), "wasm stack trace:\n\t")
			if got := strings.ReplaceAll(trace, "\n\t", " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDeterministic wants equal bytes for equal input.
func TestDeterministic(t *testing.T) {
	b := stateful(true, true, true)
	want, _, err := Rewrite(b, facts(t, b, validate.Limits{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		got, _, err := Rewrite(bytes.Clone(b), facts(t, b, validate.Limits{}), Options{})
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the bytes differ: %v", err)
		}
	}
}
