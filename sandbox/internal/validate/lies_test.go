package validate

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// TestLies builds modules whose counts and sizes claim more than there is. Each must be refused as
// malformed at once, for the memory of the module itself.
func TestLies(t *testing.T) {
	fn := func(body ...[]byte) []byte {
		b := wt.Cat(body...)
		return wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))), wt.Section(wt.FuncSection, wt.Vec(wt.U32(0))),
			wt.Section(wt.CodeSection, wt.Vec(wt.Cat(wt.U32(uint32(len(b))), b))))
	}
	tests := map[string]func(n uint32) []byte{
		"section size":     func(n uint32) []byte { return wt.Raw([]byte{wt.TypeSection}, wt.U32(n)) },
		"name of a custom": func(n uint32) []byte { return wt.Raw(wt.Section(wt.CustomSection, wt.U32(n), []byte("x"))) },
		"parameters": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.TypeSection, []byte{1, 0x60}, wt.U32(n), []byte{0}))
		},
		"results": func(n uint32) []byte { return wt.Raw(wt.Section(wt.TypeSection, []byte{1, 0x60, 0}, wt.U32(n))) },
		"module of import": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.ImportSection, []byte{1}, wt.U32(n), []byte("m   ")))
		},
		"name of an export": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.ExportSection, []byte{1}, wt.U32(n), []byte("e  ")))
		},
		"entries": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.ElemSection, []byte{1, 1, 0}, wt.U32(n)))
		},
		"entries, expressions": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.ElemSection, []byte{1, 5, wt.FuncRef}, wt.U32(n)))
		},
		"bytes of a data segment": func(n uint32) []byte { return wt.Raw(wt.Section(wt.DataSection, []byte{1, 1}, wt.U32(n))) },
		"groups of locals":        func(n uint32) []byte { return fn(wt.U32(n), []byte{wt.End}) },
		"labels":                  func(n uint32) []byte { return fn(wt.Code{0}.I32Const(0).Op(0x0e), wt.U32(n), []byte{0, wt.End}) },
		"types of a select":       func(n uint32) []byte { return fn([]byte{0, 0x1c}, wt.U32(n), []byte{wt.I32, wt.End}) },
		"size of a body": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))), wt.Section(wt.FuncSection, wt.Vec(wt.U32(0))),
				wt.Section(wt.CodeSection, []byte{1}, wt.U32(n), []byte{0, wt.End}))
		},
		"data count": func(n uint32) []byte { return wt.Raw(wt.Section(wt.DataCountSection, wt.U32(n))) },
		"code without functions": func(n uint32) []byte {
			return wt.Raw(wt.Section(wt.CodeSection, wt.U32(n), make([]byte, 3)))
		},
	}
	for id, name := range map[byte]string{
		wt.TypeSection: "types", wt.ImportSection: "imports", wt.FuncSection: "functions", wt.TableSection: "tables",
		wt.MemorySection: "memories", wt.GlobalSection: "globals", wt.ExportSection: "exports",
		wt.ElemSection: "element segments", wt.CodeSection: "bodies", wt.DataSection: "data segments",
	} {
		tests[name] = func(n uint32) []byte { return wt.Raw(wt.Section(id, wt.U32(n))) }
		tests[name+", some there"] = func(n uint32) []byte { return wt.Raw(wt.Section(id, wt.U32(n), make([]byte, 16))) }
	}
	for name, build := range tests {
		for _, n := range []uint32{math.MaxUint32, math.MaxInt32, 100_000_000} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				b := build(n)
				if got := allocated(func() { check(t, b, Limits{}, Malformed, "") }); got > 64<<10 {
					t.Errorf("%d bytes allocated for a module of %d", got, len(b))
				}
			})
		}
	}

	// Locals are spelled out by the engine, so their sum is a limit and not a lie.
	for _, n := range []uint32{math.MaxUint32, math.MaxInt32, 5000} {
		t.Run(fmt.Sprintf("locals/%d", n), func(t *testing.T) {
			check(t, fn([]byte{1}, wt.U32(n), []byte{wt.I64, wt.End}), Limits{}, Limit, "locals of function 0")
		})
	}
	t.Run("locals/sum beyond 2^32", func(t *testing.T) {
		group := wt.Cat(wt.U32(math.MaxUint32), []byte{wt.I64})
		check(t, fn([]byte{5}, wt.Repeat(group, 5), []byte{wt.End}), Limits{}, Malformed, "too many locals")
	})
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
