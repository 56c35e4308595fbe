package attack

import (
	"fmt"
	"math"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// lie is a set of wrong arguments: each function gets the pointer and the length for bytes, and the
// number for numbers and handles.
type lie struct {
	name     string
	ptr, len int32
	number   int64
}

var lies = []lie{
	{"past the end", 65536, 1, 1},
	{"across the end", 65535, 2, 1 << 32},
	{"wrapping", -16, 32, math.MaxInt64},
	{"huge", 0, -1, -1},
	{"negative", -1, -1, math.MinInt64},
}

// hostCallAttacks call every function that guests may import with every lie (row 18).
func hostCallAttacks() []attack {
	a := attack{row: 18, name: "every host function, every lie", upload: taken}
	a.wasm = func() []byte {
		var m wt.Module
		for _, mod := range hostfuncs.Modules() {
			for _, f := range mod.Funcs {
				m.ImportFunc(mod.Name, f.Name, f.Params, f.Results)
			}
		}
		m.Memory = wt.Limits(1, 1)
		m.Export("memory", 2, 0)
		fn := uint32(0)
		for _, mod := range hostfuncs.Modules() {
			for _, f := range mod.Funcs {
				for i, l := range lies {
					m.Export(fmt.Sprintf("h%d_%d", fn, i), 0, m.Func(nil, wt.T(wt.I32), nil, l.call(fn, f)))
				}
				fn++
			}
		}
		return m.Encode()
	}
	fn := 0
	for _, mod := range hostfuncs.Modules() {
		for _, f := range mod.Funcs {
			for i, l := range lies {
				a.calls = append(a.calls, call{name: mod.Name + "." + f.Name + ", " + l.name, action: fmt.Sprintf("h%d_%d", fn, i), want: l.want(mod.Name, f)})
			}
			fn++
		}
	}
	var parts []attack
	for i := range attackers {
		part := a
		part.name += fmt.Sprintf(", part %d", i+1)
		part.calls = a.calls[i*len(a.calls)/attackers : (i+1)*len(a.calls)/attackers]
		parts = append(parts, part)
	}
	return parts
}

func (l lie) call(fn uint32, f hostfuncs.Func) wt.Code {
	var c wt.Code
	length := false
	for _, p := range f.Params {
		switch {
		case p == wt.I64:
			c = c.I64Const(l.number)
		case length:
			c, length = c.I32Const(l.len), false
		default:
			c, length = c.I32Const(l.ptr), true
		}
	}
	c = c.Call(fn)
	for range f.Results {
		c = c.Op(wt.Drop)
	}
	return c.I32Const(0)
}

// want is what a lie must come to: the guest is stopped if it names memory that it does not have; a
// handle that is not its own is no block, and the guest is told.
func (l lie) want(module string, f hostfuncs.Func) string {
	bytes := 0
	for _, p := range f.Params {
		if p == wt.I32 {
			bytes++
		}
	}
	switch {
	case module == abi.ModuleExtism && f.Name == "http_request":
		return badArgument
	case module == abi.ModuleExtism && f.Name == "output_set":
		return "502 rivetkit/internal_error"
	case module == abi.ModuleExtism && f.Name == "alloc" && l.number != 1:
		return noHandles
	case module != abi.ModuleVivarium || bytes == 0:
		return fine
	case f.Name == "output" && l.len < 0:
		return "413 message/outgoing_too_long"
	case f.Name == "input_read" && l.ptr == 0: // the input has two bytes
		return fine
	case f.Name == "result_read" && l.ptr >= 0: // there is no result, so no byte is moved
		return fine
	}
	return badArgument
}

// wasi functions by name.
var wasi = map[string][]byte{
	"fd_write": wt.T(wt.I32, wt.I32, wt.I32, wt.I32), "fd_read": wt.T(wt.I32, wt.I32, wt.I32, wt.I32),
	"path_open":        wt.T(wt.I32, wt.I32, wt.I32, wt.I32, wt.I32, wt.I64, wt.I64, wt.I32, wt.I32),
	"path_unlink_file": wt.T(wt.I32, wt.I32, wt.I32), "path_create_directory": wt.T(wt.I32, wt.I32, wt.I32),
	"fd_prestat_get": wt.T(wt.I32, wt.I32), "fd_readdir": wt.T(wt.I32, wt.I32, wt.I32, wt.I64, wt.I32),
	"fd_close": wt.T(wt.I32), "fd_renumber": wt.T(wt.I32, wt.I32), "fd_fdstat_get": wt.T(wt.I32, wt.I32),
	"sock_accept": wt.T(wt.I32, wt.I32, wt.I32), "proc_raise": wt.T(wt.I32), "sched_yield": nil,
	"random_get": wt.T(wt.I32, wt.I32), "clock_time_get": wt.T(wt.I32, wt.I64, wt.I32),
	"poll_oneoff":       wt.T(wt.I32, wt.I32, wt.I32, wt.I32),
	"environ_sizes_get": wt.T(wt.I32, wt.I32), "args_sizes_get": wt.T(wt.I32, wt.I32),
	"environ_get": wt.T(wt.I32, wt.I32), "args_get": wt.T(wt.I32, wt.I32),
}

// wasiAttacks try what WASI promises elsewhere (rows 16 and 17). An action returns the errno, which
// makes it an error of the module that names the number.
func wasiAttacks() []attack {
	type step struct {
		row            int
		name, fn, want string
		args           []int64
		endless        bool
		long           bool
	}
	errno := func(n int) string { return fmt.Sprintf("400 user/plugin_error; returned %d\"", n) }
	const (
		badf, fault, inval, nosys, perm = 8, 21, 28, 52, 63
		mem                             = 64 << 20
	)
	steps := []step{
		{row: 16, name: "open of /etc/passwd at 3", fn: "path_open", args: []int64{3, 0, 100, 11, 0, -1, -1, 0, 200}, want: errno(perm)},
		{row: 16, name: "open at stdin", fn: "path_open", args: []int64{0, 0, 100, 11, 0, -1, -1, 0, 200}, want: errno(perm)},
		{row: 16, name: "open at a negative descriptor", fn: "path_open", args: []int64{-1, 0, 100, 11, 0, -1, -1, 0, 200}, want: errno(perm)},
		{row: 16, name: "unlink", fn: "path_unlink_file", args: []int64{3, 100, 11}, want: errno(perm)},
		{row: 16, name: "make a directory", fn: "path_create_directory", args: []int64{3, 100, 11}, want: errno(perm)},
		{row: 16, name: "preopened directory 3", fn: "fd_prestat_get", args: []int64{3, 200}, want: errno(badf)},
		{row: 16, name: "list of directory 3", fn: "fd_readdir", args: []int64{3, 0, mem, 0, 200}, want: errno(badf)},
		{row: 16, name: "accept", fn: "sock_accept", args: []int64{3, 0, 200}, want: errno(badf)},
		{row: 16, name: "environment", fn: "environ_sizes_get", args: []int64{200, 204}, want: fine},
		{row: 16, name: "arguments outside the memory", fn: "args_sizes_get", args: []int64{-1, -1}, want: errno(fault)},
		{row: 16, name: "raise", fn: "proc_raise", args: []int64{9}, want: errno(nosys)},
		{row: 17, name: "write of 2^32-1 iovecs", fn: "fd_write", args: []int64{1, 0, -1, 200}, want: errno(fault)},
		{row: 17, name: "write of an iovec of 2^32-1 bytes", fn: "fd_write", args: []int64{1, 400, 1, 200}, want: errno(fault)},
		{row: 17, name: "write of iovecs outside the memory", fn: "fd_write", args: []int64{1, -8, 1, 200}, want: errno(fault)},
		{row: 22, name: "write of 64 MiB", fn: "fd_write", args: []int64{1, 408, 1, 200}, want: fine},
		{row: 17, name: "result outside the memory", fn: "fd_write", args: []int64{1, 416, 1, -1}, want: errno(fault)},
		{row: 17, name: "read of stdin", fn: "fd_read", args: []int64{0, 408, 1, 200}, want: fine},
		{row: 17, name: "random outside the memory", fn: "random_get", args: []int64{mem - 1, 2}, want: errno(fault)},
		{row: 17, name: "random of 2^32-1 bytes", fn: "random_get", args: []int64{0, -1}, want: errno(fault)},
		{row: 17, name: "random of 64 MiB", fn: "random_get", args: []int64{0, mem}, want: fine},
		{row: 17, name: "random of 64 MiB without end", fn: "random_get", args: []int64{0, mem}, want: noGas, endless: true, long: true},
		{row: 17, name: "clock outside the memory", fn: "clock_time_get", args: []int64{0, 0, -4}, want: errno(fault)},
		{row: 17, name: "clock 9", fn: "clock_time_get", args: []int64{9, 0, 200}, want: errno(inval)},
		{row: 17, name: "clock without end", fn: "clock_time_get", args: []int64{1, 0, 200}, want: noGas, endless: true},
		{row: 17, name: "poll of nothing", fn: "poll_oneoff", args: []int64{1024, 8192, 0, 200}, want: errno(inval)},
		{row: 17, name: "poll of 2^32-1", fn: "poll_oneoff", args: []int64{1024, 8192, -1, 200}, want: errno(fault)},
		{row: 17, name: "poll of 10^8", fn: "poll_oneoff", args: []int64{1024, 8192, 100_000_000, 200}, want: errno(fault)},
		{row: 17, name: "poll of a sleep of no time", fn: "poll_oneoff", args: []int64{1024, 8192, 1, 200}, want: fine},
		{row: 17, name: "poll of half a million sleeps", fn: "poll_oneoff", args: []int64{1024, 32 << 20, 500_000, 200}, want: fine},
		{row: 17, name: "write of eight million empty iovecs", fn: "fd_write", args: []int64{1, 4096, 8_000_000, 200}, want: noGas},
		{row: 17, name: "close of stdout", fn: "fd_close", args: []int64{1}, want: fine},
		{row: 20, name: "write to stdout after another actor closed its own", fn: "fd_write", args: []int64{1, 416, 1, 200}, want: fine},
		{row: 17, name: "renumbering of stdout to 2^31-1", fn: "fd_renumber", args: []int64{1, math.MaxInt32}, want: errno(badf)},
		{row: 22, name: "write to stdout without end", fn: "fd_write", args: []int64{1, 424, 1, 200}, want: noGas, endless: true, long: true},
		{row: 17, name: "yield without end", fn: "sched_yield", want: noGas, endless: true, long: true},
		{row: 17, name: "close of no descriptor without end", fn: "fd_close", args: []int64{99}, want: noGas, endless: true, long: true},
		{row: 17, name: "open of a path of 60 MiB", fn: "path_open", args: []int64{3, 0, 4096, 60 << 20, 0, -1, -1, 0, 200}, want: errno(badf)},
	}
	a := attack{row: 17, name: "WASI", upload: taken, wasm: func() []byte {
		var m wt.Module
		fns := map[string]uint32{}
		for _, s := range steps {
			if _, ok := fns[s.fn]; !ok {
				fns[s.fn] = m.ImportFunc("wasi_snapshot_preview1", s.fn, wasi[s.fn], wt.T(wt.I32))
			}
		}
		exit := m.ImportFunc("wasi_snapshot_preview1", "proc_exit", wt.T(wt.I32), nil)
		m.Memory = wt.Limits(1024)
		m.Export("memory", 2, 0)
		m.Data(100, "/etc/passwd")
		iovec := func(ptr, n uint32) string {
			return string([]byte{byte(ptr), byte(ptr >> 8), byte(ptr >> 16), byte(ptr >> 24), byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
		}
		m.Data(400, iovec(0, math.MaxUint32)+iovec(0, mem)+iovec(0, 1)+iovec(0, 1000))
		for i, s := range steps {
			var c wt.Code
			for j, t := range wasi[s.fn] {
				if t == wt.I64 {
					c = c.I64Const(s.args[j])
				} else {
					c = c.I32Const(int32(s.args[j]))
				}
			}
			c = c.Call(fns[s.fn])
			if s.endless {
				c = forever(c.Op(wt.Drop)).I32Const(0)
			}
			m.Export(fmt.Sprintf("w%d", i), 0, m.Func(nil, wt.T(wt.I32), nil, c))
		}
		for _, n := range []int32{0, 1, -1} {
			m.Export(fmt.Sprintf("exit%d", n), 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(n).Call(exit).I32Const(0)))
		}
		return m.Encode()
	}}
	for i, s := range steps {
		a.calls = append(a.calls, call{row: s.row, name: s.name, action: fmt.Sprintf("w%d", i), want: s.want, long: s.long})
	}
	for _, n := range []int{0, 1, -1} {
		a.calls = append(a.calls, call{row: 17, name: fmt.Sprintf("exit(%d)", n), action: fmt.Sprintf("exit%d", n), want: trapped + "; exit"})
	}
	return []attack{a}
}
