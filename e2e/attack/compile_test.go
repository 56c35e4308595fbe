package attack

import (
	"fmt"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// compileAttacks are small valid modules that compilers take long for (row 10). What counts is the
// work of the compiler, so there is no exact edge to stand on from outside: each is sent in a size
// that is harmless and in sizes that must be refused.
func compileAttacks() (list []attack) {
	for _, b := range []struct {
		name  string
		fine  int
		large []int
		code  func(n int) ([]byte, wt.Code) // locals and body
	}{
		{"ifs beside 1000 locals", 100, []int{1400, 10_000}, func(n int) ([]byte, wt.Code) {
			return wt.Repeat(wt.T(wt.I64), 1000), wt.Code{}.Times(n, wt.Code{}.I32Const(1).If(wt.Empty).Op(wt.End))
		}},
		{"ifs beside 4096 locals that live", 20, []int{400, 5000}, func(n int) ([]byte, wt.Code) {
			var c wt.Code
			for i := range 4096 {
				c = c.I64Const(int64(i)).LocalSet(uint32(i))
			}
			c = c.Times(n, wt.Code{}.LocalGet(0).Op(wt.I32WrapI64).If(wt.Empty).LocalGet(1).LocalSet(2).Op(wt.End))
			for i := range 4096 {
				c = c.LocalGet(uint32(i)).Op(wt.Drop)
			}
			return wt.Repeat(wt.T(wt.I64), 4096), c
		}},
		{"loops in one function", 200, []int{3000, 50_000}, func(n int) ([]byte, wt.Code) {
			return nil, wt.Code{}.Times(n, wt.Code{}.Loop(wt.Empty).Op(wt.End))
		}},
		{"conditional branches", 500, []int{12_000, 60_000}, func(n int) ([]byte, wt.Code) {
			return nil, wt.Code{}.Times(n, wt.Code{}.I32Const(0).BrIf(0))
		}},
		{"operands across ifs", 10, []int{2000, 6000}, func(n int) ([]byte, wt.Code) {
			ifs := wt.Code{}.Times(n, wt.Code{}.I32Const(1).If(wt.Empty).Op(wt.End))
			return nil, wt.Code{}.Times(3000, wt.Code{}.I32Const(1)).Then(ifs).Times(3000, wt.Code{wt.Drop})
		}},
		{"nested loops", 100, []int{2049, 60_000}, func(n int) ([]byte, wt.Code) {
			return nil, wt.Code{}.Times(n, wt.Code{}.Loop(wt.Empty)).Times(n, wt.Code{wt.End})
		}},
		{"nested ifs with results", 100, []int{2049, 20_000}, func(n int) ([]byte, wt.Code) {
			return nil, wt.Code{}.Times(n, wt.Code{}.I32Const(1).If(wt.I32)).I32Const(1).
				Times(n, wt.Code{wt.Else}.I32Const(2).Op(wt.End)).Op(wt.Drop)
		}},
	} {
		for i, n := range append([]int{b.fine}, b.large...) {
			want := overLimit
			if i == 0 {
				want = taken
			}
			list = append(list, attack{row: 10, name: fmt.Sprintf("%d %s", n, b.name), upload: want, wasm: plain(func(m *wt.Module) {
				locals, c := b.code(n)
				m.Func(nil, nil, locals, c)
			})})
		}
	}
	many := func(name string, funcs int, long bool, want string, code wt.Code) {
		list = append(list, attack{row: 10, name: name, upload: want, long: long, wasm: plain(func(m *wt.Module) {
			t := m.Type(nil, nil)
			body := wt.Cat([]byte{0}, code, []byte{wt.End})
			for range funcs {
				m.RawFunc(t, body)
			}
		})})
	}
	many("many functions of many ifs", 300, false, overLimit, wt.Code{}.Times(2000, wt.Code{}.I32Const(1).If(wt.Empty).Op(wt.End)))
	many("49,000 functions that call each other", 49_000, true, taken, wt.Code{}.Call(7).Call(8))
	list = append(list, attack{row: 10, name: "calls beside 10,000 mutable globals", upload: overLimit, wasm: plain(func(m *wt.Module) {
		for range 10_000 {
			m.Global(wt.I64, true, wt.Code{}.I64Const(0))
		}
		f := m.Func(nil, nil, nil, nil)
		m.Func(nil, nil, nil, wt.Code{}.Times(1000, wt.Code{}.Call(f)))
	})})
	list = append(list, attack{row: 10, name: "15 MiB of straight code", upload: taken, slow: true, long: true, wasm: plain(func(m *wt.Module) {
		t := m.Type(nil, nil)
		body := wt.Cat([]byte{0}, wt.Repeat(wt.Code{}.I32Const(1).Op(wt.Drop), 80_000), []byte{wt.End})
		for range 60 {
			m.RawFunc(t, body)
		}
	})})
	return list
}
