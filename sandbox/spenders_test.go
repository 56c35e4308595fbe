package sandbox

import (
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// spenders is a module whose exports spend gas without end, each in its own way.
func spenders() ([]byte, []string) {
	var (
		m     wasmtest.Module
		names []string
		i32   = wasmtest.T(wasmtest.I32)
	)
	wasi := func(name, params string) uint32 {
		ts := []byte(nil)
		for _, p := range params {
			ts = append(ts, map[rune]byte{'i': wasmtest.I32, 'l': wasmtest.I64}[p])
		}
		return m.ImportFunc("wasi_snapshot_preview1", name, ts, i32)
	}
	write, random, poll := wasi("fd_write", "iiii"), wasi("random_get", "ii"), wasi("poll_oneoff", "iiii")
	yield, shut, open := wasi("sched_yield", ""), wasi("fd_close", "i"), wasi("path_open", "iiiiillii")
	clock, read, stat, prestat := wasi("clock_time_get", "ili"), wasi("fd_read", "iiii"), wasi("fd_fdstat_get", "ii"), wasi("fd_prestat_get", "ii")
	own := m.ImportFunc(abi.ModuleVivarium, "random", wasmtest.T(wasmtest.I64), wasmtest.T(wasmtest.I64))
	input := m.ImportFunc(abi.ModuleExtism, "input_load_u8", wasmtest.T(wasmtest.I64), i32)
	m.Memory = wasmtest.Limits(256)
	m.Table(wasmtest.ExternRef, wasmtest.Limits(50_000))
	iovec := func(ptr, n uint32) string {
		return string([]byte{byte(ptr), byte(ptr >> 8), byte(ptr >> 16), byte(ptr >> 24), byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	}
	m.Data(400, iovec(1<<20, 0)+iovec(1<<20, 1)+iovec(1<<20, 1000)+iovec(1<<20, 1<<20))
	spend := func(name string, body wasmtest.Code) {
		names = append(names, name)
		m.Export(name, 0, m.Func(nil, i32, wasmtest.T(wasmtest.I32, wasmtest.I32, wasmtest.I64), wasmtest.Code{}.Loop(wasmtest.Empty).Then(body).Br(0).Op(wasmtest.End).Op(wasmtest.Unreachable)))
	}
	call := func(f uint32, args ...int32) (c wasmtest.Code) {
		for _, a := range args {
			c = c.I32Const(a)
		}
		return c.Call(f).Op(wasmtest.Drop)
	}
	var c wasmtest.Code
	spend("empty loop", nil)
	spend("loop of five", c.LocalGet(0).I32Const(1).Op(wasmtest.I32Add).LocalSet(0))
	spend("loop by br_if", c.Loop(wasmtest.Empty).LocalGet(0).I32Const(1).Op(wasmtest.I32Sub).LocalTee(0).BrIf(0).Op(wasmtest.End))
	spend("nested loops", c.Loop(wasmtest.Empty).LocalGet(0).I32Const(7).Op(0x71).BrIf(0).Op(wasmtest.End).LocalGet(0).I32Const(1).Op(wasmtest.I32Add).LocalSet(0))
	spend("loop of br_table", c.Block(wasmtest.Empty).I32Const(0).BrTable(1, 0).Op(wasmtest.End))
	spend("loop of multiplications", c.LocalGet(2).I64Const(0x5851f42d4c957f2d).Op(wasmtest.I64Mul).I64Const(3).Op(wasmtest.I64Add).LocalSet(2))
	spend("loop of dependent loads", c.LocalGet(0).I32Load(1<<20).LocalSet(0))
	spend("loop of divisions", c.LocalGet(2).I64Const(7).Op(0x80).I64Const(-1).Op(wasmtest.I64Xor).LocalSet(2))
	spend("memory.grow by none", c.I32Const(0).MemoryGrow().Op(wasmtest.Drop))
	spend("memory.grow by a page", c.I32Const(1).MemoryGrow().Op(wasmtest.Drop))
	spend("memory.grow beyond", c.I32Const(-1).MemoryGrow().Op(wasmtest.Drop))
	spend("memory.size", c.MemorySize().Op(wasmtest.Drop))
	spend("memory.fill 16 MiB", c.I32Const(0).I32Const(1).I32Const(16<<20).MemoryFill())
	spend("memory.fill 0", c.I32Const(0).I32Const(1).I32Const(0).MemoryFill())
	spend("memory.copy 8 MiB", c.I32Const(0).I32Const(8<<20).I32Const(8<<20).MemoryCopy())
	spend("table.fill", c.I32Const(0).RefNull(wasmtest.ExternRef).I32Const(50_000).TableFill(0))
	spend("table.grow", c.RefNull(wasmtest.ExternRef).I32Const(100).TableGrow(0).Op(wasmtest.Drop))
	spend("fd_write of nothing", call(write, 1, 400, 0, 200))
	spend("fd_write of an empty iovec", call(write, 1, 400, 1, 200))
	spend("fd_write of 10,000 empty iovecs", call(write, 1, 4096, 10_000, 200))
	spend("fd_write of 1", call(write, 1, 408, 1, 200))
	spend("fd_write of 1000", call(write, 1, 416, 1, 200))
	spend("fd_write of 1 MiB", call(write, 1, 424, 1, 200))
	spend("random_get of 0", call(random, 0, 0))
	spend("random_get of 64 KiB", call(random, 1<<20, 64<<10))
	spend("random_get of 8 MiB", call(random, 1<<20, 8<<20))
	spend("random of 64 KiB", c.I64Const(64<<10).Call(own).Op(wasmtest.Drop))
	spend("random of 0", c.I64Const(0).Call(own).Op(wasmtest.Drop))
	spend("input_load_u8", c.I64Const(0).Call(input).Op(wasmtest.Drop))
	spend("sched_yield", call(yield))
	spend("fd_close of none", call(shut, 99))
	spend("fd_read", call(read, 0, 416, 1, 200))
	spend("fd_fdstat_get", call(stat, 0, 200))
	spend("fd_prestat_get", call(prestat, 3, 200))
	spend("clock_time_get", c.I32Const(0).I64Const(0).I32Const(200).Call(clock).Op(wasmtest.Drop))
	spend("poll_oneoff of 1", call(poll, 4096, 8192, 1, 200))
	spend("poll_oneoff of 1000", call(poll, 1<<20, 2<<20, 1000, 200))
	spend("path_open", c.I32Const(3).I32Const(0).I32Const(100).I32Const(5).I32Const(0).I64Const(-1).I64Const(-1).I32Const(0).I32Const(200).Call(open).Op(wasmtest.Drop))
	return m.Encode(), names
}
