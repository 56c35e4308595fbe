package validate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// check validates b and compares the verdict. A kind of zero wants success.
func check(t *testing.T, b []byte, l Limits, kind Kind, text string) {
	t.Helper()
	_, err := Module(b, l)
	var e *Error
	switch {
	case kind == 0 && err != nil:
		t.Errorf("refused: %v", err)
	case kind == 0:
	case !errors.As(err, &e):
		t.Errorf("got error %v, want %v %q", err, kind, text)
	case e.Kind != kind || !strings.Contains(err.Error(), text):
		t.Errorf("got %v: %v, want %v with %q", e.Kind, err, kind, text)
	case e.Section == "" || e.Offset < 0 || e.Offset > int64(len(b)) || strings.ContainsAny(e.Msg, "\n"):
		t.Errorf("the place or the text is wrong: %+v in %d bytes", e, len(b))
	}
}

// TestLimits builds modules at each default limit, one past it, and for counts a hundred times past it.
func TestLimits(t *testing.T) {
	module := func(f func(m *wt.Module)) []byte {
		var m wt.Module
		f(&m)
		return m.Encode()
	}
	oneFunc := func(locals []byte, c wt.Code) []byte {
		return module(func(m *wt.Module) { m.Func(nil, nil, locals, c) })
	}
	vec := func(id byte, n int, element []byte) []byte {
		return wt.Raw(wt.Section(id, wt.U32(uint32(n)), wt.Repeat(element, n)))
	}
	tests := []struct {
		name  string
		limit int
		build func(n int) []byte
	}{
		{"bytes of the module", 16 << 20, func(n int) []byte {
			const rest = 8 + 1 + 4 + 1 + 1 + 4 // header, section and its size, count, flags, length
			return module(func(m *wt.Module) { m.PassiveData(strings.Repeat("x", n-rest)) })
		}},
		{"bytes of custom sections", 8 << 20, func(n int) []byte {
			return wt.Raw(wt.Custom("a", make([]byte, n/2-2)), wt.Custom("b", make([]byte, n-n/2-2)))
		}},
		{"custom sections", 1000, func(n int) []byte { return wt.Raw(wt.Repeat(wt.Custom("a", nil), n)) }},
		{"types", 10_000, func(n int) []byte { return vec(wt.TypeSection, n, wt.FuncType(nil, nil)) }},
		{"parameters of a type", 128, func(n int) []byte {
			return vec(wt.TypeSection, 1, wt.FuncType(wt.Repeat(wt.T(wt.I32), n), nil))
		}},
		{"results of a type", 128, func(n int) []byte {
			return vec(wt.TypeSection, 1, wt.FuncType(nil, wt.Repeat(wt.T(wt.I32), n)))
		}},
		{"imports", 1000, func(n int) []byte {
			return wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))),
				wt.Section(wt.ImportSection, wt.U32(uint32(n)), wt.Repeat(wt.Cat(wt.Name("m"), wt.Name("f"), []byte{0, 0}), n)))
		}},
		{"bytes of the module of an import", 256, func(n int) []byte {
			return module(func(m *wt.Module) { m.ImportFunc(strings.Repeat("m", n), "f", nil, nil) })
		}},
		{"bytes of the name of an import", 256, func(n int) []byte {
			return module(func(m *wt.Module) { m.ImportFunc("m", strings.Repeat("f", n), nil, nil) })
		}},
		{"bytes of the name of an export", 256, func(n int) []byte {
			return module(func(m *wt.Module) {
				m.Export(strings.Repeat("e", n), 0, m.Func(nil, nil, nil, nil))
			})
		}},
		{"exports", 1000, func(n int) []byte {
			return module(func(m *wt.Module) {
				m.Func(nil, nil, nil, nil)
				for i := range n {
					m.Export(fmt.Sprint(i), 0, 0)
				}
			})
		}},
		{"functions", 50_000, func(n int) []byte {
			return wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))),
				wt.Section(wt.FuncSection, wt.U32(uint32(n)), make([]byte, n)),
				wt.Section(wt.CodeSection, wt.U32(uint32(n)), wt.Repeat([]byte{2, 0, wt.End}, n)))
		}},
		{"globals", 10_000, func(n int) []byte {
			return vec(wt.GlobalSection, n, wt.Cat([]byte{wt.I32, 0}, wt.Code{}.I32Const(0).Op(wt.End)))
		}},
		{"tables", 4, func(n int) []byte { return vec(wt.TableSection, n, wt.Cat([]byte{wt.FuncRef}, wt.Limits(1))) }},
		{"entries that a table begins with", 100_000, func(n int) []byte {
			return vec(wt.TableSection, 1, wt.Cat([]byte{wt.FuncRef}, wt.Limits(uint32(n))))
		}},
		{"pages of 64 KiB that the memory begins with", 1024, func(n int) []byte {
			return module(func(m *wt.Module) { m.Memory = wt.Limits(uint32(n)) })
		}},
		{"data segments", 200_000, func(n int) []byte { return vec(wt.DataSection, n, []byte{1, 0}) }},
		{"element segments", 200_000, func(n int) []byte { return vec(wt.ElemSection, n, []byte{1, 0, 0}) }},
		{"entries of an element segment", 400_000, func(n int) []byte {
			return module(func(m *wt.Module) { m.Func(nil, nil, nil, nil); m.PassiveElem(make([]uint32, n)...) })
		}},
		{"entries of element segments", 400_000, func(n int) []byte {
			return module(func(m *wt.Module) {
				m.Func(nil, nil, nil, nil)
				m.PassiveElem(make([]uint32, n/2)...)
				m.PassiveElem(make([]uint32, n-n/2)...)
			})
		}},
		{"bytes of function 0", 256 << 10, func(n int) []byte { return oneFunc(nil, make(wt.Code, 0).Times(n-2, wt.Code{wt.Nop})) }},
		{"locals of function 0", 4096, func(n int) []byte { return oneFunc(wt.Repeat(wt.T(wt.I64), n), nil) }},
		{"locals of all functions", 4_000_000, func(n int) []byte {
			return module(func(m *wt.Module) {
				for ; n > 0; n -= 4000 {
					m.Func(nil, nil, wt.Repeat(wt.T(wt.I64), min(n, 4000)), nil)
				}
			})
		}},
		{"nested blocks in function 0", 2048, func(n int) []byte {
			return oneFunc(nil, wt.Code{}.Times(n, wt.Code{}.Block(wt.Empty)).Times(n, wt.Code{wt.End}))
		}},
		{"targets of the br_tables of function 0", 1 << 16, func(n int) []byte {
			return oneFunc(nil, wt.Code{}.I32Const(0).BrTable(make([]uint32, n)...))
		}},
		{"targets of all br_tables", 1_000_000, func(n int) []byte {
			return module(func(m *wt.Module) {
				for ; n > 0; n -= 50_000 {
					m.Func(nil, nil, nil, wt.Code{}.I32Const(0).BrTable(make([]uint32, min(n, 50_000))...))
				}
			})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if b := tt.build(tt.limit); tt.name == "bytes of the module" && len(b) != tt.limit {
				t.Fatalf("the module has %d bytes instead of %d", len(b), tt.limit)
			}
			check(t, tt.build(tt.limit), Limits{}, 0, "")
			check(t, tt.build(tt.limit+1), Limits{}, Limit, tt.name+": ")
			if tt.limit*100 <= 4<<20 {
				if _, err := Module(tt.build(tt.limit*100), Limits{}); err == nil {
					t.Error("a hundred times the limit is accepted")
				}
			}
		})
	}
}

// TestWeight shows what the work of the compiler is reckoned from. The figures are relations that the
// compiler's measured times have: see Limits.Weight.
func TestWeight(t *testing.T) {
	weigh := func(globals, locals int, c wt.Code) uint64 {
		t.Helper()
		var m wt.Module
		for range globals {
			m.Global(wt.I32, true, wt.Code{}.I32Const(0))
		}
		m.Func(nil, nil, wt.Repeat(wt.T(wt.I32), locals), c)
		f, err := Module(m.Encode(), Limits{Weight: 1 << 40, TotalWeight: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []Limits{{Weight: f.Weight}, {TotalWeight: f.Weight, Weight: 1 << 40}} {
			check(t, m.Encode(), l, 0, "")
		}
		check(t, m.Encode(), Limits{Weight: f.Weight - 1}, Limit, "work to compile function 0")
		check(t, m.Encode(), Limits{Weight: 1 << 40, TotalWeight: f.Weight - 1}, Limit, "work to compile all functions")
		return f.Weight
	}
	ifs := func(n int) wt.Code {
		return wt.Code{}.Times(n, wt.Code{}.I32Const(1).If(wt.Empty).Op(wt.End))
	}
	loops := func(n int) wt.Code { return wt.Code{}.Times(n, wt.Code{}.Loop(wt.Empty).Op(wt.End)) }
	operands := func(n int) wt.Code {
		return wt.Code{}.Times(n, wt.Code{}.I32Const(1)).Then(ifs(100)).Times(n, wt.Code{wt.Drop})
	}
	calls := wt.Code{}.Times(100, wt.Code{}.Call(0))
	for _, tt := range []struct {
		name        string
		less, more  uint64
		least, most uint64 // times
	}{
		{"twice the locals", weigh(0, 1000, ifs(100)), weigh(0, 2000, ifs(100)), 2, 2},
		{"twice the operands", weigh(0, 0, operands(1000)), weigh(0, 0, operands(2000)), 2, 2},
		{"twice the blocks beside many locals", weigh(0, 1000, ifs(100)), weigh(0, 1000, ifs(200)), 2, 2},
		{"ten times the blocks alone", weigh(0, 0, ifs(1000)), weigh(0, 0, ifs(10_000)), 80, 100},
		{"ten times the loops", weigh(0, 0, loops(300)), weigh(0, 0, loops(3000)), 90, 100},
		{"twice the globals beside calls", weigh(1000, 0, calls), weigh(2000, 0, calls), 2, 2},
	} {
		if ratio := float64(tt.more) / float64(tt.less); ratio < 0.9*float64(tt.least) || ratio > 1.1*float64(tt.most) {
			t.Errorf("%s: %d, then %d, want %d to %d times", tt.name, tt.less, tt.more, tt.least, tt.most)
		}
	}
	for name, c := range map[string]wt.Code{
		"12000 br_ifs": wt.Code{}.Times(12_000, wt.Code{}.I32Const(0).BrIf(0)),
		"3000 loops":   loops(3000),
	} {
		var m wt.Module
		m.Func(nil, nil, nil, c)
		t.Run(name, func(t *testing.T) { check(t, m.Encode(), Limits{}, Limit, "work to compile") })
	}
}

// TestSlots wants a frame that is sure to be refused for its joins, which are locals times blocks.
func TestSlots(t *testing.T) {
	nested := func(locals, blocks int) []byte {
		c := wt.Code{}.Times(blocks, wt.Code{}.Block(wt.Empty))
		for i := range locals {
			c = c.Call(0).LocalSet(uint32(i))
		}
		c = c.Times(blocks, wt.Code{}.Call(0).BrIf(0).Op(wt.End))
		for i := range locals {
			c = c.LocalGet(uint32(i)).Op(wt.Drop)
		}
		var m wt.Module
		m.ImportFunc("m", "f", nil, wt.T(wt.I32))
		m.Func(nil, nil, wt.Repeat(wt.T(wt.I32), locals), c)
		return m.Encode()
	}
	f, err := Module(nested(100, 100), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	// Measured: the engine's frame has 10,000 slots for 100 by 100.
	if got := f.Bodies[0].Slots; got < 10_000 || got > 10_500 {
		t.Errorf("%d slots, want a little more than 100 locals times 100 blocks", got)
	}
	check(t, nested(100, 100), Limits{Slots: int(f.MaxSlots)}, 0, "")
	check(t, nested(100, 100), Limits{Slots: int(f.MaxSlots) - 1}, Limit, "slots of 8 bytes in the frame of function 1")
	check(t, nested(400, 400), Limits{}, Limit, "slots of 8 bytes")
}
