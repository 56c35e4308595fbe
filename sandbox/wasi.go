package sandbox

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// errno is a WASI error number.
type errno uint32

const (
	wasiOK      errno = 0
	wasiBadFile errno = 8
	wasiFault   errno = 21
	wasiInvalid errno = 28
	wasiNoCall  errno = 52
	wasiNotDir  errno = 54
	wasiNotSup  errno = 58
	wasiNotPerm errno = 63
)

// Prices of WASI's functions in gas. Each call costs priceWASI before anything else is done, also if it
// fails at once; what grows with sizes that the guest chose is paid for piece by piece, before each piece,
// so that a deadline is seen between two of them.
const (
	priceWASI   = 300
	priceIOVec  = 1000 // one buffer of fd_write and the like
	priceEvent  = 300  // one subscription of poll_oneoff
	priceRandom = 4    // one byte
)

// wasiChunk is the most that is done between two payments, in bytes.
const wasiChunk = 64 << 10

// wasiFunc is one row of the table: a function, its parameters (i is i32, l is i64), and what it does.
type wasiFunc struct {
	name, params string
	do           func(c *wasiCall) errno
}

// wasiFuncs are all functions of WASI preview 1. None of them is wazero's, because those do their work
// without asking what it costs. They answer as wazero's do in the world of a guest: three streams, no
// file, no socket, no argument and no variable.
var wasiFuncs = []wasiFunc{
	{"args_get", "ii", func(c *wasiCall) errno { return c.inside(0, 1) }},
	{"args_sizes_get", "ii", (*wasiCall).noSizes},
	{"environ_get", "ii", func(c *wasiCall) errno { return c.inside(0, 1) }},
	{"environ_sizes_get", "ii", (*wasiCall).noSizes},
	{"clock_res_get", "ii", (*wasiCall).clockResolution},
	{"clock_time_get", "ili", (*wasiCall).clockTime},
	{"fd_advise", "illi", (*wasiCall).advise},
	{"fd_allocate", "ill", (*wasiCall).allocate},
	{"fd_close", "i", (*wasiCall).onStream},
	{"fd_datasync", "i", (*wasiCall).onStream},
	{"fd_fdstat_get", "ii", (*wasiCall).fdstat},
	{"fd_fdstat_set_flags", "ii", (*wasiCall).onStream},
	{"fd_fdstat_set_rights", "ill", answers(wasiNoCall)},
	{"fd_filestat_get", "ii", (*wasiCall).filestat},
	{"fd_filestat_set_size", "il", (*wasiCall).unlessStream},
	{"fd_filestat_set_times", "illi", (*wasiCall).setTimes},
	{"fd_pread", "iiili", func(c *wasiCall) errno { return c.read(4, false) }},
	{"fd_prestat_get", "ii", answers(wasiBadFile)},
	{"fd_prestat_dir_name", "iii", answers(wasiBadFile)},
	{"fd_pwrite", "iiili", func(c *wasiCall) errno { return c.write(4, false) }},
	{"fd_read", "iiii", func(c *wasiCall) errno { return c.read(3, true) }},
	{"fd_readdir", "iiili", (*wasiCall).readdir},
	{"fd_renumber", "ii", answers(wasiBadFile)},
	{"fd_seek", "ilii", (*wasiCall).unlessStream},
	{"fd_sync", "i", (*wasiCall).onStream},
	{"fd_tell", "ii", (*wasiCall).unlessStream},
	{"fd_write", "iiii", func(c *wasiCall) errno { return c.write(3, true) }},
	{"path_create_directory", "iii", func(c *wasiCall) errno { return c.path(0, 1) }},
	{"path_filestat_get", "iiiii", func(c *wasiCall) errno { return c.path(0, 2) }},
	{"path_filestat_set_times", "iiiilli", (*wasiCall).pathSetTimes},
	{"path_link", "iiiiiii", func(c *wasiCall) errno { return c.path(0, 2) }},
	{"path_open", "iiiiillii", func(c *wasiCall) errno { return c.path(0, 2) }},
	{"path_readlink", "iiiiii", (*wasiCall).readlink},
	{"path_remove_directory", "iii", func(c *wasiCall) errno { return c.path(0, 1) }},
	{"path_rename", "iiiiii", func(c *wasiCall) errno { return c.path(0, 1) }},
	{"path_symlink", "iiiii", func(c *wasiCall) errno { return c.noDirectory(c.u32(2)) }},
	{"path_unlink_file", "iii", func(c *wasiCall) errno { return c.path(0, 1) }},
	{"poll_oneoff", "iiii", (*wasiCall).poll},
	{"proc_exit", "i", (*wasiCall).exit},
	{"proc_raise", "i", answers(wasiNoCall)},
	{"random_get", "ii", (*wasiCall).random},
	{"sched_yield", "", answers(wasiOK)},
	{"sock_accept", "iii", answers(wasiBadFile)},
	{"sock_recv", "iiiiii", answers(wasiBadFile)},
	{"sock_send", "iiiii", (*wasiCall).send},
	{"sock_shutdown", "ii", answers(wasiBadFile)},
}

func answers(e errno) func(*wasiCall) errno { return func(*wasiCall) errno { return e } }

// wasiModule is the import module that is made from the table.
func (s *Sandbox) wasiModule() HostModule {
	m := HostModule{Name: wasi_snapshot_preview1.ModuleName}
	for _, f := range wasiFuncs {
		var params []api.ValueType
		for _, p := range f.params {
			params = append(params, map[rune]api.ValueType{'i': api.ValueTypeI32, 'l': api.ValueTypeI64}[p])
		}
		results := []api.ValueType{api.ValueTypeI32}
		if f.name == "proc_exit" {
			results = nil
		}
		m.Funcs = append(m.Funcs, HostFunc{Name: f.name, Params: params, Results: results, Call: s.wasiCall(&f)})
	}
	return m
}

// wasiCall returns the host function of a row, which pays before it does anything.
func (s *Sandbox) wasiCall(f *wasiFunc) api.GoModuleFunc {
	return func(_ context.Context, m api.Module, stack []uint64) {
		i, ok := s.running.Load(m)
		if !ok {
			panic(fmt.Errorf("sandbox: %s of an unknown instance", f.name))
		}
		c := &i.(*Instance).wasi // of its own it would be garbage each time
		*c = wasiCall{i: i.(*Instance), args: stack}
		if c.i.v.facts.Memory != nil { // else m.Memory() is a nil that does not look like one
			c.mem = m.Memory()
		}
		c.i.pay(priceWASI)
		stack[0] = uint64(f.do(c))
	}
}

// wasiCall is one call: its arguments, and the guest's memory, which is nil if it has none.
type wasiCall struct {
	i    *Instance
	mem  api.Memory
	args []uint64
}

func (c *wasiCall) u32(n int) uint32 { return uint32(c.args[n]) }

// bytes returns size bytes of the guest's memory. Neither number can overflow: both are of 32 bits, or a
// count of them times the size of a record.
func (c *wasiCall) bytes(at uint32, size uint64) ([]byte, bool) {
	if c.mem == nil || size > uint64(c.mem.Size()) {
		return nil, false
	}
	return c.mem.Read(at, uint32(size))
}

// put32 writes a number to the pointer in argument n.
func (c *wasiCall) put32(n int, v uint32) errno {
	p, ok := c.bytes(c.u32(n), 4)
	if !ok {
		return wasiFault
	}
	binary.LittleEndian.PutUint32(p, v)
	return wasiOK
}

func (c *wasiCall) put64(n int, v uint64) errno {
	p, ok := c.bytes(c.u32(n), 8)
	if !ok {
		return wasiFault
	}
	binary.LittleEndian.PutUint64(p, v)
	return wasiOK
}

// inside checks that the pointers in arguments are of the guest's memory: nothing is written to them.
func (c *wasiCall) inside(args ...int) errno {
	for _, n := range args {
		if _, ok := c.bytes(c.u32(n), 0); !ok {
			return wasiFault
		}
	}
	return wasiOK
}

// noSizes says that there are no values, of no bytes in all.
func (c *wasiCall) noSizes() errno {
	if e := c.put32(0, 0); e != wasiOK {
		return e
	}
	return c.put32(1, 0)
}

// clocks are the clocks that there are: realtime and monotonic.
const clocks = 2

func (c *wasiCall) clockResolution() errno {
	if c.u32(0) >= clocks {
		return wasiInvalid
	}
	return c.put64(1, 1)
}

func (c *wasiCall) clockTime() errno {
	if c.u32(0) >= clocks {
		return wasiInvalid
	}
	return c.put64(2, uint64(c.i.env.Now().UnixNano()))
}

// random fills (pointer, length).
func (c *wasiCall) random() errno {
	p, ok := c.bytes(c.u32(0), uint64(c.u32(1)))
	if !ok {
		return wasiFault
	}
	for len(p) > 0 {
		n := min(len(p), wasiChunk)
		c.i.pay(priceRandom * int64(n))
		c.i.env.Random(p[:n])
		p = p[n:]
	}
	return wasiOK
}

// exit ends the guest.
func (c *wasiCall) exit() errno {
	code := c.u32(0)
	c.i.mod.CloseWithExitCode(context.Background(), code)
	panic(sys.NewExitError(code))
}

func (c *wasiCall) send() errno {
	if c.u32(3) != 0 {
		return wasiNotSup
	}
	return wasiBadFile
}
