package meter

import (
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// tabled has a table of functions that return their numbers, from 1 on, and a function "f" that calls through an entry. change makes it
// another one before it is complete; functions are from 0 on, the type of f is 1.
func tabled(entries uint32, functions int, change func(m *wt.Module)) []byte {
	var m wt.Module
	typ := m.Type(nil, wt.T(wt.I32))
	fns := make([]uint32, functions)
	for i := range fns {
		fns[i] = m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(int32(i+1)))
	}
	f := m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, wt.Code{}.LocalGet(0).CallIndirect(typ, 0))
	m.Export("f", 0, f)
	m.Table(wt.FuncRef, wt.Limits(entries))
	m.Elem(0, fns...)
	if change != nil {
		change(&m)
	}
	return m.Encode()
}

// A table that is filled by and by answers as one that is full from the beginning, again and again, at the same price.
func TestLazyTable(t *testing.T) {
	const functions, entries = 300, 310
	later := func(m *wt.Module) {
		m.Elem(5, 7)                                    // over what is there
		m.RawElem([]byte{2, 0, 0x41, 6, 0x0b, 0, 1, 8}) // with the table's number
		m.RawElem([]byte{4, 0x41, 7, 0x0b, 2, 0xd2, 9, 0x0b, 0xd0, 0x70, 0x0b})
		m.Elem(305, 3)
	}
	b := tabled(entries, functions, later)
	eager, lazy := newMachine(t, wazero.NewRuntimeConfig(), true), newMachine(t, wazero.NewRuntimeConfig(), true)
	eager.opts.LazyEntries = 1 << 20
	var fs [2]api.Function
	for i, m := range []*machine{eager, lazy} {
		mod, err := m.instantiate(b, "")
		if err != nil {
			t.Fatal(err)
		}
		fs[i] = mod.ExportedFunction("f")
	}
	traps := 0
	for range 2 {
		for i := range uint64(entries + 2) {
			want, wantErr := eager.call(fs[0], i)
			got, err := lazy.call(fs[1], i)
			switch {
			case wantErr != nil:
				if traps++; err == nil || trapText(err) != trapText(wantErr) {
					t.Errorf("entry %d: %v, want %v", i, err, wantErr)
				}
			case err != nil || got[0] != want[0]:
				t.Errorf("entry %d: %v, %v, want %v", i, got, err, want)
			case lazy.used() != eager.used():
				t.Errorf("entry %d: %d gas, want %d", i, lazy.used(), eager.used())
			}
		}
	}
	if want := 2 * (1 + entries - functions - 1 + 2); traps != want {
		t.Errorf("%d calls trapped, want %d", traps, want)
	}
}

// Which tables are filled by and by: those that nobody can see but by calling, and whose content is known.
func TestWhichTablesAreLazy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries uint32
		change  func(m *wt.Module)
		want    bool
	}{
		{"large", 100, nil, true},
		{"with room", maxLazy, nil, true},
		{"with passive segments", 100, func(m *wt.Module) { m.PassiveElem(1, 2); m.Declare(3) }, true},
		{"its size is asked", 100, func(m *wt.Module) { m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.TableSize(0)) }, true},
		{"too large", maxLazy + 1, nil, false},
		{"small", 63, nil, false},
		{"exported", 100, func(m *wt.Module) { m.Export("table", 1, 0) }, false},
		{"read", 100, func(m *wt.Module) { m.Func(nil, wt.T(wt.FuncRef), nil, wt.Code{}.I32Const(0).TableGet(0)) }, false},
		{"written", 100, func(m *wt.Module) {
			m.Func(nil, nil, nil, wt.Code{}.I32Const(0).RefNull(wt.FuncRef).TableSet(0))
		}, false},
		{"one of two", 100, func(m *wt.Module) { m.Table(wt.FuncRef, wt.Limits(1)) }, false},
		{"from a place that the host says", 100, func(m *wt.Module) {
			m.ImportGlobal("env", "base", wt.I32, false)
			m.RawElem([]byte{0, 0x23, 0, 0x0b, 1, 0})
		}, false},
		{"past its end", 100, func(m *wt.Module) { m.Elem(100, 1) }, false},
		{"before its beginning", 100, func(m *wt.Module) { m.Elem(-1, 1) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			functions := min(int(tt.entries), 100)
			b := tabled(tt.entries, functions, tt.change)
			f := facts(t, b, validate.Limits{})
			w := &writer{b: b, f: f, layout: &Layout{}}
			w.o.setDefaults()
			if err := w.plan(); err != nil {
				t.Fatal(err)
			}
			if got := w.lazy != nil; got != tt.want {
				t.Errorf("filled by and by: %v, want %v", got, tt.want)
			}
		})
	}
}

// An instance of a module with a large table has no object for each of its entries.
func TestLazyTableIsSmall(t *testing.T) {
	b := tabled(5000, 5000, nil)
	allocs := func(lazy uint32) float64 {
		m := newMachine(t, wazero.NewRuntimeConfig(), true)
		m.opts.LazyEntries = lazy
		out, err := m.rewritten(b)
		if err != nil {
			t.Fatal(err)
		}
		code, err := m.r.CompileModule(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(3, func() {
			mod, err := m.r.InstantiateModule(t.Context(), code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
			if err != nil {
				t.Fatal(err)
			}
			mod.Close(t.Context())
		})
	}
	if lazy, eager := allocs(0), allocs(1<<20); lazy > 200 || eager < 5000 {
		t.Errorf("%v allocations, %v with a table that is full from the beginning", lazy, eager)
	}
}

// What fills a table is not in the way of a name section.
func TestLazyTableKeepsNames(t *testing.T) {
	b := tabled(100, 100, func(m *wt.Module) {
		m.Func(nil, nil, nil, wt.Code{}.Op(wt.Unreachable))
		m.Export("trap", 0, 101)
		m.Tail(wt.Custom("name", []byte{1, 7, 1, 101, 4, 't', 'r', 'i', 'p'}))
	})
	m := newMachine(t, wazero.NewRuntimeConfig(), true)
	mod, err := m.instantiate(b, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.call(mod.ExportedFunction("trap")); err == nil || !strings.Contains(err.Error(), "trip") {
		t.Errorf("got %v", err)
	}
}
