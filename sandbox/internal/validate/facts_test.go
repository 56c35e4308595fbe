package validate

import (
	"reflect"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

func TestFacts(t *testing.T) {
	var m wt.Module
	used := m.ImportFunc("env", "used", wt.T(wt.I32), nil)
	m.ImportFunc("env", "unused", nil, wt.T(wt.I64))
	indirect := m.ImportFunc("env", "indirect", nil, nil)
	m.ImportGlobal("env", "base", wt.I32, false)
	m.Memory = wt.Limits(2, 10)
	m.Table(wt.FuncRef, wt.Limits(3))
	m.Global(wt.F64, true, wt.Code{}.F64Const(1))
	helper := m.Func(wt.T(wt.I32, wt.V128), nil, wt.T(wt.V128, wt.I32), wt.Code{}.LocalGet(0).Call(used))
	f := m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.
		I32Const(1).Vec(12, make([]byte, 16)...).Call(helper).
		Loop(wt.Empty).Block(wt.Empty).I32Const(0).BrTable(0, 1).Op(wt.End, wt.End).
		I32Const(0).I32Const(0).I32Const(0).MemoryInit(0).DataDrop(0).
		I32Const(1).MemoryGrow())
	dead := m.Func(nil, nil, nil, wt.Code{}.Call(1).Op(wt.Drop))
	m.Elem(0, indirect)
	m.PassiveData("abc")
	m.Data(0, "x")
	m.DataCount(2)
	m.Start(dead + 1)
	m.Func(nil, nil, nil, nil)
	m.Export("run", 0, f).Export("mem", 2, 0).Export("g", 3, 1)
	m.Tail(wt.Custom("name", []byte{0, 1, 0}))
	b := m.Encode()
	got, err := Module(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"imported functions": 3, "imported globals": 1, "size": len(b), "start": int(dead + 1),
		"memory":  Memory{Min: 2, Max: 10, HasMax: true, Export: "mem"},
		"table":   Table{Type: wasm.FuncRef, Min: 3},
		"globals": []Global{{Type: wasm.I32, Imported: true}, {Type: wasm.F64, Mutable: true}},
		"exports": []Export{{"run", wasm.ExternFunc, f}, {"mem", wasm.ExternMemory, 0}, {"g", wasm.ExternGlobal, 1}},
		"reached": []bool{true, false, true, false}, "datas": 2, "passive": 1, "elements": 1, "nesting": uint32(2), "branches": 2,
		"uses":   UsesCall | UsesLoop | UsesLength | UsesMemGrow | UsesData | UsesDataDrop | UsesVec,
		"type":   "(i32 v128)->()",
		"locals": uint32(2), "custom": "name",
	}
	have := map[string]any{
		"imported functions": got.ImportedFuncs, "imported globals": got.ImportedGlobals, "size": got.Size, "start": got.Start,
		"memory": *got.Memory, "table": got.Tables[0], "globals": got.Globals, "exports": got.Exports,
		"reached": []bool{got.Imports[0].Reached, got.Imports[1].Reached, got.Imports[2].Reached, got.Imports[3].Reached},
		"datas":   got.Datas, "passive": got.Passive, "elements": got.Elements, "nesting": got.MaxNesting, "branches": got.BranchTargets,
		"uses": got.Uses, "type": got.FuncType(helper).String(), "locals": got.MaxLocals, "custom": got.Customs[0].Name,
	}
	for k := range want {
		if !reflect.DeepEqual(have[k], want[k]) {
			t.Errorf("%s: got %+v, want %+v", k, have[k], want[k])
		}
	}
	// Two parameters and two locals, of which two are vectors, and one operand.
	if got := got.Bodies[helper-3]; got.Slots != 6+1 || got.Stack != 1 || got.Instrs != 3 {
		t.Errorf("body: %+v", got)
	}
}

// TestLinear takes modules that are as large as they may be and as awkward, and wants them done soon.
func TestLinear(t *testing.T) {
	deep := func(branches int) wt.Code {
		return wt.Code{}.Times(2048, wt.Code{}.Block(wt.Empty)).
			Times(branches, wt.Code{}.I32Const(0).LocalTee(0).BrIf(2047)).Times(2048, wt.Code{wt.End})
	}
	var nested, calls, types wt.Module
	for range 8 {
		nested.Func(nil, nil, wt.Repeat(wt.T(wt.I32), 4096), deep(100))
		nested.Func(nil, nil, wt.T(wt.I32), deep(35_000))
	}
	for range 60 {
		calls.Func(nil, nil, nil, wt.Code{}.Times(130_000, wt.Code{}.Call(0)))
	}
	for range 9999 {
		types.AddType(wt.FuncType(wt.Repeat(wt.T(wt.I32), 128), wt.Repeat(wt.T(wt.I32), 128)))
	}
	for name, b := range map[string][]byte{"nested": nested.Encode(), "calls": calls.Encode(), "types": types.Encode()} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var err error
			bytes := allocated(func() { _, err = Module(b, Limits{Weight: 1 << 40, TotalWeight: 1 << 40}) })
			t.Logf("%d bytes in %v for %d bytes of memory: %v", len(b), time.Since(start), bytes, err)
			if limit := uint64(64*len(b) + 1<<20); bytes > limit {
				t.Errorf("%d bytes allocated, want at most %d", bytes, limit)
			}
			if d := time.Since(start); d > time.Minute { // what is quadratic takes hours
				t.Errorf("took %v", d)
			}
		})
	}
}
