package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// bothForms returns a module's version that traps when its gas is out, and one that asks.
func bothForms(t *testing.T, wasm []byte) (forms [2]*Version) {
	t.Helper()
	for n, gas := range []int64{trapOnlyGas, trapOnlyGas + 1} {
		forms[n] = acquire(t, open(t, t.TempDir(), func(c *Config) { c.Gas = gas }), wasm)
		if got, want := forms[n].layout.OutOfGas, n == 1; got != want {
			t.Fatalf("with %d gas a guest asks for more: %v, want %v", gas, got, want)
		}
	}
	return forms
}

// endings is a module whose exports end in ways that are not the end of gas, after they have used some.
func endings() []byte {
	var m wasmtest.Module
	i32 := wasmtest.T(wasmtest.I32)
	var c wasmtest.Code
	work := c.I32Const(100).LocalSet(0).Loop(wasmtest.Empty).LocalGet(0).I32Const(1).Op(wasmtest.I32Sub).LocalTee(0).BrIf(0).Op(wasmtest.End)
	m.Memory = wasmtest.Limits(1)
	m.Export("unreachable", 0, m.Func(nil, i32, i32, c.Then(work).Op(wasmtest.Unreachable)))
	m.Export("divide", 0, m.Func(nil, i32, i32, c.Then(work).I32Const(1).I32Const(0).Op(wasmtest.I32DivS)))
	outside := m.Func(nil, i32, i32, c.Then(work).I32Const(-1).I32Load(0))
	m.Export("outside", 0, outside)
	m.Export("recursion", 0, m.Func(nil, i32, i32, c.Then(work).Call(outside+1)))
	m.Export("fine", 0, m.Func(nil, i32, i32, c.Then(work).I32Const(7)))
	return m.Encode()
}

// A guest ends in the same way and has used the same gas whether it asks when a quantum is used up or traps
// when all is, whatever it has.
func TestFormsAgree(t *testing.T) {
	spend, names := spenders()
	for _, guest := range []struct {
		wasm    []byte
		exports []string
	}{
		{spend, names}, {endings(), []string{"unreachable", "divide", "outside", "recursion", "fine"}}, {handwritten(), []string{"work", "grow"}},
	} {
		forms := bothForms(t, guest.wasm)
		for _, gas := range []int64{1, 50, 708, 709, 710, 720, 800, 12_345, 999_999, 1_000_000, 1_000_001, 2_500_000} {
			for _, name := range guest.exports {
				var got [2]string
				for n, v := range forms {
					w := newWorld()
					v.s.cfg.Gas = trapOnlyGas
					i := newInstance(t, v, w)
					v.s.cfg.Gas = gas
					r, err := i.Call(hostfuncs.NewCall(t.Context(), w, &hostfuncs.Kernel{}, i, nil), name)
					got[n] = fmt.Sprintf("%d, %s, %d gas", r, verdict(err), i.Used())
					i.drop()
				}
				if got[0] != got[1] {
					t.Errorf("%s with %d gas: trapping %s, asking %s", name, gas, got[0], got[1])
				}
			}
		}
	}
}

// verdict is what others learn of a call's error.
func verdict(err error) string {
	var trap *TrapError
	var limit *LimitError
	switch {
	case errors.As(err, &trap):
		return trap.Kind
	case errors.As(err, &limit):
		return fmt.Sprint(limit.Code(), " ", limit.Text)
	case err != nil:
		return err.Error()
	}
	return "fine"
}

// Guests in the two forms answer the same, at the same price.
func TestFormsServeAlike(t *testing.T) {
	for _, g := range testGuests() {
		t.Run(g.name, func(t *testing.T) {
			forms := bothForms(t, g.wasm(t))
			if a, b := forms[0].gas, forms[1].gas; a != b {
				t.Errorf("the start-up takes %d and %d gas", a, b)
			}
			for _, tn := range g.turns {
				var gas [2]int64
				for n, v := range forms {
					w := newWorld()
					i := newInstance(t, v, w)
					gas[n] = mustTurn(t, i, w, tn)
					i.Close()
				}
				if gas[0] != gas[1] {
					t.Errorf("%s takes %d and %d gas", tn.name, gas[0], gas[1])
				}
			}
		})
	}
}

// starts is a module whose start function takes its data to where its export finds it, and drops what it had it from if
// told so.
func starts(drop bool) []byte {
	var m wasmtest.Module
	i32 := wasmtest.T(wasmtest.I32)
	m.Memory = wasmtest.Limits(1)
	m.Data(0, "\x07")
	m.PassiveData("\x05")
	m.DataCount(2)
	start := wasmtest.Code{}.I32Const(4).I32Const(0).I32Const(1).MemoryInit(1).I32Const(1).MemoryGrow().Op(wasmtest.Drop)
	if drop {
		start = start.DataDrop(1)
	}
	m.Start(m.Func(nil, nil, nil, start))
	m.Export("sum", 0, m.Func(nil, i32, nil, wasmtest.Code{}.I32Const(0).I32Load(0).I32Const(4).I32Load(0).Op(wasmtest.I32Add)))
	return m.Encode()
}

// The code of the second form is that of the first, and what a worker would make of it, unless only the first drops data.
func TestFormsShareTheirCode(t *testing.T) {
	for name, tt := range map[string]struct {
		wasm   []byte
		shared bool
	}{
		"go":             {built("examples/wasm/counter")(t), true},
		"assemblyscript": {committed("examples/wasm/extism-as/plugin.wasm")(t), true},
		"handwritten":    {handwritten(), true},
		"starts":         {starts(false), true},
		"drops":          {starts(true), false},
	} {
		t.Run(name, func(t *testing.T) {
			v := acquire(t, open(t, t.TempDir(), func(c *Config) { c.CompiledDir = "" }), tt.wasm)
			doc, err := os.ReadFile(v.base() + ".json")
			must(t, err)
			var rec prepared
			must(t, json.Unmarshal(doc, &rec))
			if got := rec.First.Checksum == rec.Entry.Checksum; got != tt.shared {
				t.Errorf("the forms have the entries %+v and %+v", rec.First, rec.Entry)
			}
			second, err := v.rewrite(tt.wasm, snapshotOf(v.image))
			must(t, err)
			alone, err := compile.Open(t.Context(), compile.Config{CacheDir: t.TempDir(), Options: compile.Options{MemoryPages: v.s.cfg.MemoryPages}, Nice: 1, Logger: v.s.cfg.Logger})
			must(t, err)
			defer alone.Close()
			if want, err := alone.Compile(t.Context(), "test", second); err != nil || rec.Entry != want {
				t.Errorf("a worker makes %+v, %v, and there is %+v", want, err, rec.Entry)
			}
		})
	}
	for _, drop := range []bool{false, true} {
		v := acquire(t, open(t, t.TempDir()), starts(drop))
		w := newWorld()
		i := newInstance(t, v, w)
		if got, err := i.Call(hostfuncs.NewCall(t.Context(), w, &hostfuncs.Kernel{}, i, nil), "sum"); err != nil || got != 12 {
			t.Errorf("after a start that drops data, %v: %d, %v", drop, got, err)
		}
	}
}
