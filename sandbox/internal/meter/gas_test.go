package meter

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// engines are both engines, on which gas must be the same.
var engines = map[string]func() wazero.RuntimeConfig{
	"compiler":    wazero.NewRuntimeConfigCompiler,
	"interpreter": wazero.NewRuntimeConfigInterpreter,
}

// onEngines runs a module with one exported function "f" on both engines.
func onEngines(t *testing.T, b []byte, test func(t *testing.T, m *machine, f api.Function)) {
	t.Helper()
	for name, cfg := range engines {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, cfg(), true)
			mod, err := m.instantiate(b, "")
			if err != nil {
				t.Fatal(err)
			}
			test(t, m, mod.ExportedFunction("f"))
		})
	}
}

// TestGas compares gas with sums made by hand from Costs.
func TestGas(t *testing.T) {
	const one = 1 // Costs.Instr
	var (
		i32  = wt.T(wt.I32)
		call = Costs.Call
	)
	tests := []struct {
		name string
		code wt.Code // of a function (i32) -> () with one local of i32, which is function 1 and exported
		arg  uint64
		want int64
	}{
		{"empty", nil, 0, Costs.Entry},
		{"many locals", nil, 0, Costs.Entry},
		{"straight line", wt.Code{}.LocalGet(0).I32Const(2).Op(wt.I32Add).LocalSet(1), 0, Costs.Entry + 4*one},
		{"nop is free", wt.Code{}.Op(wt.Nop, wt.Nop), 0, Costs.Entry},
		{"division", wt.Code{}.LocalGet(0).I32Const(2).Op(wt.I32DivU, wt.Drop), 7, Costs.Entry + 3*one + Costs.Divide},
		{"vector", wt.Code{}.LocalGet(0).Vec(15).Op(wt.Drop), 7, Costs.Entry + 2*one + Costs.Vec}, // i8x16.splat
		{"what is not reached is free", wt.Code{}.Op(wt.Return).I32Const(1).Op(wt.Drop), 0, Costs.Entry + one},
		{"if taken", wt.Code{}.LocalGet(0).If(wt.Empty).I32Const(1).Op(wt.Drop).Op(wt.Else).I32Const(1).Op(wt.Drop).I32Const(1).Op(wt.Drop).Op(wt.End), 1,
			Costs.Entry + 2*one + 2*one},
		{"if not taken", wt.Code{}.LocalGet(0).If(wt.Empty).I32Const(1).Op(wt.Drop).Op(wt.Else).I32Const(1).Op(wt.Drop).I32Const(1).Op(wt.Drop).Op(wt.End), 0,
			Costs.Entry + 2*one + 4*one},
		{"br_if taken", wt.Code{}.Block(wt.Empty).LocalGet(0).BrIf(0).I32Const(1).Op(wt.Drop).Op(wt.End), 1, Costs.Entry + 2*one},
		{"br_if not taken", wt.Code{}.Block(wt.Empty).LocalGet(0).BrIf(0).I32Const(1).Op(wt.Drop).Op(wt.End), 0, Costs.Entry + 4*one},
		{"br_table", wt.Code{}.Block(wt.Empty).Block(wt.Empty).LocalGet(0).BrTable(0, 1).Op(wt.End).I32Const(1).Op(wt.Drop).Op(wt.End), 0,
			Costs.Entry + one + Costs.BrTable + 2*one},
		{"br_table beyond", wt.Code{}.Block(wt.Empty).Block(wt.Empty).LocalGet(0).BrTable(0, 1).Op(wt.End).I32Const(1).Op(wt.Drop).Op(wt.End), 5,
			Costs.Entry + one + Costs.BrTable},
		// i = arg; do { i-- } while (i): five instructions a round, and the round
		{"loop", wt.Code{}.Loop(wt.Empty).LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End), 1000, Costs.Entry + 1000*(Costs.Loop+5*one)},
		{"empty loop", wt.Code{}.Loop(wt.Empty).Op(wt.End), 0, Costs.Entry + Costs.Loop},
		{"loops in a loop", wt.Code{}.Loop(wt.Empty).Loop(wt.Empty).LocalGet(1).BrIf(0).Op(wt.End).
			LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End), 10, Costs.Entry + 10*(2*Costs.Loop+7*one)},
		{"loop that is not reached", wt.Code{}.Op(wt.Return).Loop(wt.Empty).Op(wt.End), 0, Costs.Entry + one},
		{"after a loop", wt.Code{}.Loop(wt.Empty).LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End).I32Const(1).Op(wt.Drop), 10,
			Costs.Entry + 10*(Costs.Loop+5*one) + 2*one},
		{"call of a small function", wt.Code{}.Call(0), 0, Costs.Entry + call + Costs.Entry + 2*one},
		{"call through a table", wt.Code{}.I32Const(0).CallIndirect(0, 0), 0, Costs.Entry + one + Costs.CallIndirect + Costs.Entry + 2*one},
		{"ref.func", wt.Code{}.RefFunc(0).Op(wt.Drop), 0, Costs.Entry + Costs.RefFunc + one},
		{"memory.fill", wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryFill(), 1000, Costs.Entry + 3*one + Costs.Bulk + 1000/8},
		{"memory.fill rounds up", wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryFill(), 1001, Costs.Entry + 3*one + Costs.Bulk + 126},
		{"memory.copy", wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryCopy(), 65000, Costs.Entry + 3*one + Costs.Bulk + 8125},
		{"memory.init", wt.Code{}.I32Const(0).I32Const(0).LocalGet(0).MemoryInit(0), 16, Costs.Entry + 3*one + Costs.Bulk + 2},
		{"table.fill", wt.Code{}.I32Const(0).RefNull(wt.FuncRef).LocalGet(0).TableFill(0), 10, Costs.Entry + 3*one + Costs.Bulk + 10},
		{"table.copy", wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).TableCopy(0, 0), 9, Costs.Entry + 3*one + Costs.Bulk + 9},
		{"table.init", wt.Code{}.I32Const(0).I32Const(0).LocalGet(0).TableInit(1, 0), 1, Costs.Entry + 3*one + Costs.Bulk + 1},
		{"memory.grow", wt.Code{}.LocalGet(0).MemoryGrow().Op(wt.Drop), 3, Costs.Entry + 2*one + Costs.Grow + 3*Costs.GrowPage},
		{"memory.grow beyond what can be", wt.Code{}.LocalGet(0).MemoryGrow().Op(wt.Drop), 33, Costs.Entry + 2*one + Costs.Grow},
		{"memory.grow beyond what is left", wt.Code{}.LocalGet(0).MemoryGrow().Op(wt.Drop), 32, Costs.Entry + 2*one + Costs.Grow + 32*Costs.GrowPage},
		{"table.grow", wt.Code{}.RefNull(wt.FuncRef).LocalGet(0).TableGrow(0).Op(wt.Drop), 90, Costs.Entry + 3*one + Costs.Grow + 90},
		{"table.grow beyond what can be", wt.Code{}.RefNull(wt.FuncRef).LocalGet(0).TableGrow(0).Op(wt.Drop), 101, Costs.Entry + 3*one + Costs.Grow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m wt.Module
			m.Memory = wt.Limits(1, 32)
			m.Table(wt.FuncRef, wt.Limits(10, 100))
			m.Type(nil, nil)
			small := m.Func(nil, nil, nil, wt.Code{}.I32Const(1).Op(wt.Drop))
			m.Elem(0, small)
			m.PassiveElem(small)
			m.PassiveData("0123456789abcdef")
			m.DataCount(1)
			locals := i32
			if tt.name == "many locals" {
				locals = wt.Repeat(wt.T(wt.I64), 100)
				tt.want += 100 / Costs.EntryLocals
			}
			m.Export("f", 0, m.Func(i32, nil, locals, tt.code))
			onEngines(t, m.Encode(), func(t *testing.T, m *machine, f api.Function) {
				if _, err := m.call(f, tt.arg); err != nil {
					t.Fatal(err)
				}
				if got := m.used(); got != tt.want {
					t.Errorf("used %d gas, want %d", got, tt.want)
				}
			})
		})
	}
}

// TestBulkIsChargedBeforeItWorks lets a guest ask for all that can be named: it is charged and
// stopped, and the charge does not wrap.
func TestBulkIsChargedBeforeItWorks(t *testing.T) {
	for name, code := range map[string]wt.Code{
		"memory.fill": wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryFill(),
		"memory.copy": wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryCopy(),
		"memory.init": wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).MemoryInit(0),
		"table.fill":  wt.Code{}.I32Const(0).RefNull(wt.FuncRef).LocalGet(0).TableFill(0),
		"table.copy":  wt.Code{}.I32Const(0).I32Const(1).LocalGet(0).TableCopy(0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			var m wt.Module
			m.Memory = wt.Limits(1)
			m.Table(wt.FuncRef, wt.Limits(10))
			m.PassiveData("x")
			m.DataCount(1)
			m.Export("f", 0, m.Func(wt.T(wt.I32), nil, nil, code))
			onEngines(t, m.Encode(), func(t *testing.T, m *machine, f api.Function) {
				_, err := m.call(f, math.MaxUint32)
				if err == nil || errors.Is(err, errOutOfGas) {
					t.Errorf("with much gas: %v, want a trap of the instruction's own", err)
				}
				if got := m.used(); got < math.MaxUint32/8 || got > math.MaxUint32+1000 {
					t.Errorf("used %d gas", got)
				}
				m.budget = 1 << 20
				setGlobal(m.modules[0], GasExport, 0)
				if _, err := f.Call(t.Context(), math.MaxUint32); !errors.Is(err, errOutOfGas) {
					t.Errorf("with little gas: %v", err)
				}
			})
		})
	}
}

// TestStraightLineOfBulk runs out of gas within a line of instructions, not at its end.
func TestStraightLineOfBulk(t *testing.T) {
	var m wt.Module
	m.Memory = wt.Limits(1)
	fill := wt.Code{}.I32Const(0).I32Const(1).I32Const(65536).MemoryFill().LocalGet(0).I32Const(1).Op(wt.I32Add).LocalSet(0).LocalGet(0).GlobalSet(0)
	m.Global(wt.I32, true, wt.Code{}.I32Const(0))
	m.Export("f", 0, m.Func(nil, nil, wt.T(wt.I32), wt.Code{}.Times(1000, fill)))
	m.Export("n", 3, 0)
	onEngines(t, m.Encode(), func(t *testing.T, m *machine, f api.Function) {
		mod := m.modules[0]
		setGlobal(mod, StackExport, testStack)
		m.budget = 100 * 8192
		_, err := f.Call(t.Context())
		if n := mod.ExportedGlobal("n").Get(); !errors.Is(err, errOutOfGas) || n < 80 || n > 100 {
			t.Errorf("%v after %d fills of 8192 gas, want out of gas at about 90", err, n)
		}
	})
}

// TestQuantum counts how often a guest asks for gas, and wants it to go on as if nothing had been.
func TestQuantum(t *testing.T) {
	var m wt.Module
	m.Export("f", 0, m.Func(wt.T(wt.I32), wt.T(wt.I32), wt.T(wt.I32), wt.Code{}.
		Loop(wt.Empty).
		LocalGet(1).LocalGet(0).Op(wt.I32Add).LocalSet(1).
		LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).
		Op(wt.End).LocalGet(1)))
	onEngines(t, m.Encode(), func(t *testing.T, m *machine, f api.Function) {
		const n = 100_000
		round := int(9 + Costs.Loop)
		got, err := m.call(f, n)
		if err != nil {
			t.Fatal(err)
		}
		if want := uint32(n * (n + 1) / 2 % (1 << 32)); uint32(got[0]) != want {
			t.Errorf("got %d, want %d", got[0], want)
		}
		if want := n * round / testQuantum; m.asked < want || m.asked > want+1 {
			t.Errorf("asked %d times for gas, want %d", m.asked, want)
		}
		used := m.used()
		for i := range 3 {
			if _, err := m.call(f, n); err != nil || m.used() != used {
				t.Errorf("run %d: %d gas, want %d; %v", i, m.used(), used, err)
			}
		}
		// A host that gives no more ends the guest at the next check, and can start it again.
		setGlobal(m.modules[0], GasExport, 0)
		m.budget = 3 * testQuantum
		if _, err := f.Call(t.Context(), n); !errors.Is(err, errOutOfGas) {
			t.Errorf("with three quanta: %v", err)
		}
		if left := int64(m.modules[0].ExportedGlobal(GasExport).Get()); left > 0 || left < -100 {
			t.Errorf("stopped with %d gas", left)
		}
		if _, err := m.call(f, n); err != nil || m.used() != used {
			t.Errorf("afterwards: %d gas, want %d; %v", m.used(), used, err)
		}
	})
}

// TestTrapOnly ends a loop, a chain of calls without loops and a line of bulk instructions without
// asking the host.
func TestTrapOnly(t *testing.T) {
	for name, build := range map[string]func(m *wt.Module) uint32{
		"loop": func(m *wt.Module) uint32 {
			return m.Func(nil, nil, nil, wt.Code{}.Loop(wt.Empty).Br(0).Op(wt.End))
		},
		"calls": func(m *wt.Module) uint32 {
			f := m.Func(nil, nil, nil, nil)
			for range 60 {
				f = m.Func(nil, nil, nil, wt.Code{}.Call(f).Call(f))
			}
			return f
		},
		"bulk": func(m *wt.Module) uint32 {
			return m.Func(nil, nil, nil, wt.Code{}.Times(500, wt.Code{}.I32Const(0).I32Const(0).I32Const(65536).MemoryFill()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m wt.Module
			m.Memory = wt.Limits(1)
			m.Export("f", 0, build(&m))
			for name, cfg := range engines {
				t.Run(name, func(t *testing.T) {
					mc := newMachine(t, cfg(), true)
					mc.opts.TrapOnly = true
					mod, err := mc.instantiate(m.Encode(), "")
					if err != nil {
						t.Fatal(err)
					}
					setGlobal(mod, GasExport, 1_000_000)
					setGlobal(mod, StackExport, testStack)
					_, err = mod.ExportedFunction("f").Call(t.Context())
					left := int64(mod.ExportedGlobal(GasExport).Get())
					if err == nil || trapText(err) != "unreachable" || left >= 0 || left < -10_000 || mc.asked != 0 {
						t.Errorf("error %v with %d gas left, asked %d times", err, left, mc.asked)
					}
				})
			}
		})
	}
}

// TestCallsAcrossInstances charges each instance for its own code.
func TestCallsAcrossInstances(t *testing.T) {
	for name, cfg := range engines {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, cfg(), true)
			var lib wt.Module
			lib.Export("g", 0, lib.Func(nil, nil, nil, wt.Code{}.Times(50, wt.Code{}.I32Const(0).Op(wt.Drop))))
			var app wt.Module
			g := app.ImportFunc("lib", "g", nil, nil)
			app.Export("f", 0, app.Func(nil, nil, nil, wt.Code{}.Times(3, wt.Code{}.Call(g))))
			app.Export("again", 0, g)
			if _, err := m.instantiate(lib.Encode(), "lib"); err != nil {
				t.Fatal(err)
			}
			mod, err := m.instantiate(app.Encode(), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.call(mod.ExportedFunction("f")); err != nil {
				t.Fatal(err)
			}
			callee := Costs.Entry + 100
			if got, want := m.used(), Costs.Entry+3*Costs.Call+3*callee; got != want {
				t.Errorf("used %d gas, want %d", got, want)
			}
			if _, err := m.call(mod.ExportedFunction("again")); err != nil || m.used() != callee {
				t.Errorf("the import that is exported: %d gas, want %d; %v", m.used(), callee, err)
			}
		})
	}
}

// TestDepth stops recursion after as many frames as fit the stack, whichever way a function returns.
func TestDepth(t *testing.T) {
	i32, i64 := wt.T(wt.I32), wt.T(wt.I64)
	down := func(self uint32) wt.Code { return wt.Code{}.LocalGet(0).I32Const(1).Op(wt.I32Sub).Call(self) }
	tests := []struct {
		name    string
		results []byte
		code    func(self uint32) wt.Code // (n): counts down to zero
		want    []uint64
	}{
		{"falls off its end", i32, func(self uint32) wt.Code {
			return wt.Code{}.LocalGet(0).If(wt.I32).Then(down(self)).Op(wt.Else).I32Const(7).Op(wt.End)
		}, []uint64{7}},
		{"return", i32, func(self uint32) wt.Code {
			return wt.Code{}.LocalGet(0).Op(wt.I32Eqz).If(wt.Empty).I32Const(7).Op(wt.Return).Op(wt.End).Then(down(self)).Op(wt.Return)
		}, []uint64{7}},
		{"return out of a loop", i32, func(self uint32) wt.Code {
			return wt.Code{}.Loop(wt.I32).Block(wt.Empty).LocalGet(0).BrIf(0).I32Const(7).Op(wt.Return).Op(wt.End).Then(down(self)).Op(wt.End)
		}, []uint64{7}},
		{"branch to the function", i32, func(self uint32) wt.Code {
			return wt.Code{}.Block(wt.Empty).LocalGet(0).BrIf(0).I32Const(7).Br(1).Op(wt.End).Then(down(self)).Br(0)
		}, []uint64{7}},
		{"br_table to the function", i32, func(self uint32) wt.Code {
			return wt.Code{}.Block(wt.I32).I32Const(7).LocalGet(0).BrTable(1, 0).Op(wt.End, wt.Drop).Then(down(self))
		}, []uint64{7}},
		{"several results", wt.T(wt.I32, wt.I64, wt.I32), func(self uint32) wt.Code {
			return wt.Code{}.LocalGet(0).Op(wt.I32Eqz).If(wt.Empty).I32Const(7).I64Const(8).I32Const(9).Op(wt.Return).Op(wt.End).Then(down(self))
		}, []uint64{7, 8, 9}},
		{"no result", nil, func(self uint32) wt.Code {
			return wt.Code{}.LocalGet(0).If(wt.Empty).Then(down(self)).Op(wt.Return).Op(wt.End)
		}, nil},
		{"through a table", i64, func(uint32) wt.Code {
			return wt.Code{}.LocalGet(0).If(wt.I64).LocalGet(0).I32Const(1).Op(wt.I32Sub).I32Const(0).CallIndirect(0, 0).Op(wt.Else).I64Const(7).Op(wt.End)
		}, []uint64{7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m wt.Module
			m.Type(i32, tt.results)
			m.Table(wt.FuncRef, wt.Limits(1))
			f := m.Func(i32, tt.results, nil, tt.code(0))
			m.Elem(0, f)
			m.Export("f", 0, f)
			onEngines(t, m.Encode(), func(t *testing.T, m *machine, f api.Function) {
				got, err := m.call(f, 100)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) && len(tt.want) > 0 {
					t.Fatalf("got %v, %v, want %v", got, err, tt.want)
				}
				if left := m.modules[0].ExportedGlobal(StackExport).Get(); left != testStack {
					t.Fatalf("%d bytes of stack left, want all %d", left, testStack)
				}
				// The most n that fits: n+1 frames.
				frame := int64(m.frames[0])
				fits := uint64(testStack/frame - 1)
				if _, err := m.call(f, fits); err != nil {
					t.Errorf("%d frames of %d: %v", fits+1, frame, err)
				}
				if _, err := m.call(f, fits+1); err == nil || trapText(err) != "unreachable" || !m.overflowed() {
					t.Errorf("%d frames of %d: %v", fits+2, frame, err)
				}
				if _, err := m.call(f, fits); err != nil {
					t.Errorf("after an overflow: %v", err)
				}
			})
		})
	}
}
