package attack

import (
	"fmt"
	"strings"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// limit is a bound of modules, with a generator of modules that have n of the thing.
type limit struct {
	name  string
	n     int
	build func(n int) []byte
	slow  bool // a module at the limit takes long to compile, so it is for the long form
	huge  int  // the largest n to build; zero means 100 times the limit
}

// limitAttacks are modules just below each limit, at it, just past it and far past it (rows 8 to 10).
func limitAttacks() (list []attack) {
	for row, ls := range map[int][]limit{8: memoryLimits, 9: tableLimits, 10: countLimits} {
		for _, l := range ls {
			for _, n := range []int{l.n - 1, l.n} {
				list = append(list, attack{row: row, name: fmt.Sprintf("%d %s", n, l.name), upload: taken, slow: l.slow, long: l.slow,
					wasm: func() []byte { return l.build(n) }, calls: []call{{action: "go", want: fine}}})
			}
			list = append(list, attack{row: row, name: fmt.Sprintf("%d %s", l.n+1, l.name), upload: overLimit, wasm: func() []byte { return l.build(l.n + 1) }})
			far := l.n * 100
			if l.huge > 0 {
				far = l.huge
			}
			b := l.build(far)
			want := overLimit
			if len(b) > 16<<20 {
				want = tooLong
			}
			list = append(list, attack{row: row, name: fmt.Sprintf("%d %s", far, l.name), upload: want, wasm: bytesOf(b)})
		}
	}
	return list
}

var memoryLimits = []limit{
	{name: "pages at the start", n: 1024, huge: 65536, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Memory = wt.Limits(uint32(n)) })()
	}},
}

var tableLimits = []limit{
	{name: "tables", n: 4, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n {
				m.Table(wt.FuncRef, wt.Limits(1))
			}
		})()
	}},
	{name: "entries of a table", n: 100_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Table(wt.FuncRef, wt.Limits(uint32(n))) })()
	}},
	{name: "entries of four tables of externref", n: 100_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range 4 {
				m.Table(wt.ExternRef, wt.Limits(uint32(n), 1<<32-1))
			}
		})()
	}},
	{name: "entries of an element segment", n: 400_000, slow: true, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.PassiveElem(make([]uint32, n)...) })()
	}},
	{name: "element segments", n: 200_000, slow: true, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n {
				m.RawElem([]byte{1, 0, 0})
			}
		})()
	}},
}

var countLimits = []limit{
	{name: "types", n: 10_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n - 1 { // and that of go
				m.AddType(wt.FuncType(nil, nil))
			}
		})()
	}},
	{name: "parameters", n: 128, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Func(wt.Repeat(wt.T(wt.I64), n), nil, nil, nil) })()
	}},
	{name: "results", n: 128, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Func(nil, wt.Repeat(wt.T(wt.I64), n), nil, wt.Code{wt.Unreachable}) })()
	}},
	{name: "imports", n: 1000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n {
				m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
			}
		})()
	}},
	{name: "exports", n: 1000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			f := m.Func(nil, nil, nil, nil)
			for i := range n - 1 { // and go
				m.Export(fmt.Sprint("x", i), 0, f)
			}
		})()
	}},
	{name: "bytes of an export's name", n: 256, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Export(strings.Repeat("e", n), 0, m.Func(nil, nil, nil, nil)) })()
	}},
	{name: "functions", n: 50_000, slow: true, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			t := m.Type(nil, nil)
			for range n - 1 { // and go
				m.RawFunc(t, []byte{0, wt.End})
			}
		})()
	}},
	{name: "globals", n: 10_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n {
				m.Global(wt.I64, true, wt.Code{}.I64Const(0))
			}
		})()
	}},
	{name: "bytes of a body", n: 256 << 10, build: func(n int) []byte {
		return plainCode(make(wt.Code, 0, n).Times(n-2, wt.Code{wt.Nop}))
	}, huge: 16 << 20},
	{name: "locals", n: 4096, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Func(nil, nil, wt.Repeat(wt.T(wt.I64), n), nil) })()
	}},
	{name: "locals in all", n: 4_000_000, slow: true, huge: 40_000_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for ; n > 0; n -= 4000 {
				m.Func(nil, nil, wt.Repeat(wt.T(wt.I64), min(n, 4000)), nil)
			}
		})()
	}},
	{name: "nested blocks", n: 2048, build: func(n int) []byte {
		return plainCode(wt.Code{}.Times(n, wt.Code{}.Block(wt.Empty)).Times(n, wt.Code{wt.End}))
	}},
	{name: "targets of a br_table", n: 1 << 16, slow: true, build: func(n int) []byte {
		return plainCode(wt.Code{}.I32Const(0).BrTable(make([]uint32, n)...))
	}, huge: 200_000},
	{name: "targets in all", n: 1_000_000, slow: true, huge: 4_000_000, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for ; n > 0; n -= 50_000 {
				m.Func(nil, nil, nil, wt.Code{}.I32Const(0).BrTable(make([]uint32, min(n, 50_000))...))
			}
		})()
	}},
	{name: "data segments", n: 200_000, slow: true, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			for range n {
				m.PassiveData("")
			}
		})()
	}},
	{name: "custom sections", n: 1000, build: func(n int) []byte {
		return plain(func(m *wt.Module) { m.Tail(wt.Repeat(wt.Custom("a", nil), n)) })()
	}},
	{name: "bytes of custom sections", n: 8 << 20, huge: 17 << 20, build: func(n int) []byte {
		return plain(func(m *wt.Module) {
			m.Tail(wt.Custom("a", make([]byte, n/2-2)))
			m.Tail(wt.Custom("b", make([]byte, n-n/2-2)))
		})()
	}},
}
