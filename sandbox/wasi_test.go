package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/sandbox/internal/meter"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// wasiGuest has an export of each WASI function's name that calls it with the arguments that lie at 0, each
// of 8 bytes, and returns its answer. "pages" is its memory; without any, the arguments are zeros.
func wasiGuest(pages uint32) []byte {
	var m wasmtest.Module
	types := map[rune]byte{'i': wasmtest.I32, 'l': wasmtest.I64}
	i32 := wasmtest.T(wasmtest.I32)
	fns := make([]uint32, len(wasiFuncs))
	for n, f := range wasiFuncs {
		var params []byte
		for _, p := range f.params {
			params = append(params, types[p])
		}
		results := i32
		if f.name == "proc_exit" {
			results = nil
		}
		fns[n] = m.ImportFunc("wasi_snapshot_preview1", f.name, params, results)
	}
	if pages > 0 {
		m.Memory = wasmtest.Limits(pages)
		m.Export("memory", 2, 0)
	}
	for n, f := range wasiFuncs {
		var c wasmtest.Code
		for j, p := range f.params {
			switch {
			case pages == 0 && p == 'i':
				c = c.I32Const(0)
			case pages == 0:
				c = c.I64Const(0)
			case p == 'i':
				c = c.I32Const(0).I32Load(uint32(8 * j))
			default:
				c = c.I32Const(0).Op(0x29, 3, byte(8*j)) // i64.load
			}
		}
		if c = c.Call(fns[n]); f.name == "proc_exit" {
			c = c.I32Const(0)
		}
		m.Export(f.name, 0, m.Func(nil, i32, nil, c))
	}
	return m.Encode()
}

// callBody is the gas of an export of wasiGuest, without what the function costs.
func callBody(f wasiFunc) int64 {
	gas := meter.Costs.Entry + meter.Costs.Call + 2*int64(len(f.params))
	if f.name == "proc_exit" {
		gas++ // it has no answer, so the export makes one
	}
	return gas
}

// setArgs puts arguments where wasiGuest looks for them.
func setArgs(mem []byte, args []uint64) {
	for n, a := range args {
		binary.LittleEndian.PutUint64(mem[8*n:], a)
	}
}

// records are what the calls of TestWASIAnswersAsWazero point to, by address.
const (
	someIOVecs = 1024 + 16*iota
	emptyIOVecs
	farIOVecs
	goodPath
	badPath
	somePoll  = 2048
	mixedPoll = 2304
	badPoll   = 2560
	result    = 3072
	memBytes  = 1 << 16
)

func putRecords(mem []byte) {
	le := binary.LittleEndian
	pairs := func(at int, v ...uint32) {
		for n, x := range v {
			le.PutUint32(mem[at+4*n:], x)
		}
	}
	pairs(someIOVecs, 4096, 5, 4200, 7)
	pairs(emptyIOVecs, 4096, 0, 4096, 0)
	pairs(farIOVecs, 4096, 1, memBytes-1, 2)
	copy(mem[goodPath:], "a/../b")
	copy(mem[badPath:], "/etc")
	copy(mem[4096:], "hello, world\n")
	sub := func(at int, user uint64, kind byte, fd uint32, timeout uint64, flags uint16) {
		le.PutUint64(mem[at:], user)
		mem[at+8] = kind
		le.PutUint32(mem[at+16:], fd)
		le.PutUint64(mem[at+24:], timeout)
		le.PutUint16(mem[at+40:], flags)
	}
	sub(somePoll, 11, 0, 0, 5, 0)
	sub(somePoll+48, 12, 0, 1, 3, 0)
	sub(somePoll+96, 13, 2, 1, 0, 0)
	sub(mixedPoll, 21, 1, 0, 0, 0)
	sub(mixedPoll+48, 22, 0, 1, 4, 0)
	sub(mixedPoll+96, 23, 1, 9, 0, 0)
	sub(mixedPoll+144, 24, 2, 9, 0, 0)
	sub(badPoll, 31, 0, 0, 4, 1)
	sub(badPoll+48, 32, 3, 0, 0, 0)
	sub(badPoll+96, 33, 1, math.MaxUint32, 0, 0)
	sub(badPoll+144, 34, 0, 0, 4, 2)
}

// argPool are arguments that matter to some function or other.
var argPool = []uint64{
	0, 1, 2, 3, 4, 5, 6, 9, 12, 24, 100, 1 << 31, math.MaxUint32, math.MaxUint32 - 7, math.MaxInt64, math.MaxUint64,
	someIOVecs, emptyIOVecs, farIOVecs, goodPath, badPath, somePoll, somePoll + 48, mixedPoll, mixedPoll + 48, badPoll, badPoll + 48,
	badPoll + 96, badPoll + 144, result, result + 1, memBytes, memBytes - 1, memBytes - 4, memBytes - 8, memBytes - 24, memBytes - 64,
}

// sensible are calls that get far, by name; the pool alone finds few of them.
func sensible(f wasiFunc) (list [][]uint64) {
	for _, fd := range []uint64{0, 1, 2, 3} {
		for _, v := range []uint64{someIOVecs, emptyIOVecs, farIOVecs} {
			for n := range uint64(3) {
				switch f.name {
				case "fd_read", "fd_write":
					list = append(list, []uint64{fd, v, n, result}, []uint64{fd, v, n, memBytes - 3})
				case "fd_pread", "fd_pwrite":
					list = append(list, []uint64{fd, v, n, 0, result}, []uint64{fd, v, n, 9, memBytes - 3})
				}
			}
		}
	}
	if f.name == "poll_oneoff" {
		for _, in := range []uint64{somePoll, mixedPoll, badPoll, badPoll + 48, badPoll + 96, badPoll + 144, mixedPoll + 48} {
			for n := range uint64(5) {
				list = append(list, []uint64{in, 8192, n, result})
			}
		}
	}
	if f.name == "random_get" {
		list = append(list, []uint64{result, 100}, []uint64{memBytes - 1, 1}, []uint64{0, memBytes}, []uint64{1, memBytes})
	}
	return list
}

// wazeroWASI runs wazero's own functions in the same world.
func wazeroWASI(t *testing.T, w *world, log *[]string) api.Module {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	now := func() time.Time { return w.Now() }
	mod, err := r.InstantiateWithConfig(ctx, wasiGuest(1), wazero.NewModuleConfig().
		WithWalltime(func() (int64, int32) { return now().Unix(), int32(now().Nanosecond()) }, 1).
		WithNanotime(func() int64 { return now().UnixNano() }, 1).
		WithNanosleep(func(ns int64) { w.Sleep(time.Duration(ns)) }).
		WithRandSource(readerFunc(func(p []byte) (int, error) { w.Random(p); return len(p), nil })).
		WithStdout(lineWriter{1, log}).WithStderr(lineWriter{2, log}))
	must(t, err)
	return mod
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type lineWriter struct {
	stream int
	log    *[]string
}

var _ io.Writer = lineWriter{}

func (l lineWriter) Write(p []byte) (int, error) {
	if len(p) > 0 {
		*l.log = append(*l.log, fmt.Sprintf("%d %q", l.stream, p))
	}
	return len(p), nil
}

// loudWorld writes its output down.
type loudWorld struct {
	*world
	log *[]string
}

func (w loudWorld) Output(stream int, p []byte) { lineWriter{stream, w.log}.Write(p) }

// differs reports whether ours is to answer a call in another way: lengths do not overflow, a path that is
// longer than any is not looked at, and events do not change subscriptions that are still to be read.
func differs(f wasiFunc, args []uint64) bool {
	for n := range args {
		switch p := f.name; {
		case strings.HasPrefix(p, "path_") && uint32(args[n]) > maxPath && n < 5,
			n == 2 && (p == "poll_oneoff" || f.params[:min(3, len(f.params))] == "iii") && uint32(args[n]) >= 1<<26:
			return true
		}
	}
	if f.name != "poll_oneoff" {
		return false
	}
	in, out, n, to := uint64(uint32(args[0])), uint64(uint32(args[1])), uint64(uint32(args[2])), uint64(uint32(args[3]))
	overlap := func(a, m, b, n uint64) bool { return a < b+n && b < a+m }
	return overlap(in, 48*n, out, 32*n) || overlap(in, 48*n, to, 4) || overlap(out, 32*n, to, 4)
}

// Our WASI answers as wazero's does, and leaves the same memory, output and clock, but where ours knows
// better. See differs; and a stream is no directory, is not closed and not changed, and exit ends the guest.
func TestWASIAnswersAsWazero(t *testing.T) {
	s := open(t, t.TempDir())
	v := acquire(t, s, wasiGuest(1))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var logs [2][]string
	w := [2]*world{newWorld(), newWorld()}
	theirs := wazeroWASI(t, w[0], &logs[0])
	i, err := v.NewInstance(startup(w[1]), loudWorld{w[1], &logs[1]})
	must(t, err)
	defer i.Close()
	for _, f := range wasiFuncs {
		if slices.Contains([]string{"fd_close", "fd_renumber", "fd_fdstat_set_flags", "fd_prestat_get", "fd_prestat_dir_name", "proc_exit"}, f.name) {
			continue
		}
		calls := sensible(f)
		for range 1500 {
			var args []uint64
			for range f.params {
				args = append(args, argPool[r.IntN(len(argPool))])
			}
			if differs(f, args) {
				continue
			}
			calls = append(calls, args)
		}
		failed := 0
		for _, args := range calls {
			theirMem, _ := theirs.Memory().Read(0, memBytes)
			for n, mem := range [][]byte{theirMem, i.mem.Bytes()} {
				clear(mem)
				putRecords(mem)
				setArgs(mem, args)
				w[n].begin(nil)
				logs[n] = nil
			}
			want, wantErr := theirs.ExportedFunction(f.name).Call(context.Background())
			got, gotErr := i.Call(startup(w[1]), f.name)
			if gotErr != nil {
				t.Fatalf("%s%v: %v, wazero says %v, %v", f.name, args, gotErr, want, wantErr)
			}
			if wantErr != nil {
				continue // it has no file system to ask for a stream's times, and panics
			}
			switch {
			case uint64(uint32(got)) != want[0]:
				t.Errorf("%s%v: %d, wazero says %d", f.name, args, got, want[0])
			case errno(got) == wasiOK && !slices.Equal(i.mem.Bytes(), theirMem):
				t.Errorf("%s%v: another memory: %v", f.name, args, firstDiff(i.mem.Bytes(), theirMem))
			case w[0].now != w[1].now || !slices.Equal(logs[0], logs[1]):
				t.Errorf("%s%v: clock %v, wazero's %v; wrote %v, wazero %v", f.name, args, w[1].now, w[0].now, logs[1], logs[0])
			default:
				continue
			}
			if failed++; failed > 3 {
				break
			}
		}
	}
}

// firstDiff describes where two memories differ.
func firstDiff(a, b []byte) string {
	for n := range a {
		if a[n] != b[n] {
			return fmt.Sprintf("at %d %x, wazero %x", n, a[n:min(n+32, len(a))], b[n:min(n+32, len(b))])
		}
	}
	return ""
}

// wasiCosts are calls that pay for more than themselves, by function, with what they pay besides.
var wasiCosts = map[string][]struct {
	args []uint64
	more int64
}{
	"fd_write": {
		{[]uint64{1, someIOVecs, 1, result}, 1000 + 5},
		{[]uint64{2, someIOVecs, 2, result}, 2000 + 12},
		{[]uint64{1, emptyIOVecs, 2, result}, 2000},
		{[]uint64{1, farIOVecs, 2, result}, 2000 + 1}, // the second is outside of the memory
		{[]uint64{3, someIOVecs, 2, result}, 0},
		{[]uint64{1, someIOVecs, 1 << 29, result}, 0},
		{[]uint64{1, someIOVecs, math.MaxUint32, result}, 0},
	},
	"fd_pwrite":   {{[]uint64{1, someIOVecs, 2, 0, result}, 1000}},
	"fd_read":     {{[]uint64{0, someIOVecs, 2, result}, 1000}, {[]uint64{0, emptyIOVecs, 2, result}, 2000}},
	"fd_pread":    {{[]uint64{0, emptyIOVecs, 2, 0, result}, 2000}},
	"random_get":  {{[]uint64{result, 1}, 4}, {[]uint64{0, memBytes}, 4 * memBytes}, {[]uint64{1, memBytes}, 0}},
	"path_open":   {{[]uint64{3, 0, goodPath, 6}, 6}, {[]uint64{3, 0, goodPath, maxPath}, maxPath}, {[]uint64{3, 0, goodPath, maxPath + 1}, 0}},
	"path_rename": {{[]uint64{3, badPath, 4}, 4}},
	"poll_oneoff": {
		{[]uint64{somePoll, 8192, 1, result}, 300},
		{[]uint64{somePoll, 8192, 3, result}, 900},
		{[]uint64{badPoll, 8192, 4, result}, 1200},   // paid before it is looked at
		{[]uint64{mixedPoll, 8192, 4, result}, 2400}, // looked at twice
		{[]uint64{somePoll, 8192, math.MaxUint32, result}, 0},
		{[]uint64{somePoll, 8192, 1 << 28, result}, 0}, // 2^28 times 48 is a multiple of 2^32
	},
}

// Each WASI function charges exactly its price, whatever it answers; and with less gas it does not do what it
// could not pay for.
func TestWASIPrices(t *testing.T) {
	s := open(t, t.TempDir())
	v := acquire(t, s, wasiGuest(1))
	for _, f := range wasiFuncs {
		calls := append(wasiCosts[f.name], struct {
			args []uint64
			more int64
		}{make([]uint64, len(f.params)), 0})
		for _, c := range calls {
			what := fmt.Sprint(f.name, c.args)
			want := callBody(f) + 300 + c.more
			for _, gas := range []int64{want, want - 1} {
				var log []string
				w := newWorld()
				i, err := v.NewInstance(startup(w), loudWorld{w, &log})
				must(t, err)
				putRecords(i.mem.Bytes())
				setArgs(i.mem.Bytes(), c.args)
				s.cfg.Gas = gas
				_, err = i.Call(startup(w), f.name)
				var limit *LimitError
				switch spent := errors.As(err, &limit) && limit.Gas; {
				case gas < want && !spent:
					t.Errorf("%s with %d gas: %v", what, gas, err)
				case gas == want && (spent || i.Used() != want):
					t.Errorf("%s uses %d gas, want %d; %v", what, i.Used(), want, err)
				}
				i.drop()
			}
		}
	}
}

// A guest without a memory gets an answer, not a failure of ours.
func TestWASIWithoutMemory(t *testing.T) {
	s := open(t, t.TempDir())
	v := acquire(t, s, wasiGuest(0))
	for _, f := range wasiFuncs {
		w := newWorld()
		i := newInstance(t, v, w)
		_, err := i.Call(startup(w), f.name)
		var trap *TrapError
		if err != nil && !(f.name == "proc_exit" && errors.As(err, &trap) && trap.Kind == "exit") {
			t.Errorf("%s: %v", f.name, err)
		}
		i.Close()
	}
}

// lateContext ends after so many looks at it.
type lateContext struct {
	context.Context
	looks int
}

func (c *lateContext) Err() error {
	if c.looks--; c.looks < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// A function that is asked for much stops soon after the deadline: within a quantum, and what is paid for at
// once.
func TestWASIStopsAtDeadline(t *testing.T) {
	const pages = 1024
	for name, args := range map[string][]uint64{
		"poll_oneoff": {1 << 12, 32 << 20, 500_000, 512},
		"fd_write":    {1, 1 << 12, 8_000_000, 512},
		"fd_read":     {0, 1 << 12, 8_000_000, 512},
		"random_get":  {1 << 12, 60 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			v := acquire(t, s, wasiGuest(pages))
			w := newWorld()
			i := newInstance(t, v, w)
			defer i.Close()
			setArgs(i.mem.Bytes(), args)
			const looks = 20
			_, err := i.Call(&lateContext{t.Context(), looks}, name)
			var limit *LimitError
			if !errors.As(err, &limit) || limit.Gas {
				t.Errorf("ends with %v, want the end of its time", err)
			}
			if most := (looks+1)*s.cfg.Quantum + priceEvent*pollChunk + priceRandom*wasiChunk; i.Used() > most {
				t.Errorf("used %d gas, want at most %d", i.Used(), most)
			}
		})
	}
}

// The time of a long write is that of many short ones.
func TestWASIWriteStopsAtDeadline(t *testing.T) {
	s := open(t, t.TempDir())
	v := acquire(t, s, wasiGuest(1024))
	w := newWorld()
	var log []string
	i, err := v.NewInstance(startup(w), loudWorld{w, &log})
	must(t, err)
	defer i.Close()
	binary.LittleEndian.PutUint32(i.mem.Bytes()[someIOVecs+4:], 64<<20)
	setArgs(i.mem.Bytes(), []uint64{1, someIOVecs, 1, result})
	_, err = i.Call(&lateContext{t.Context(), 3}, "fd_write")
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Gas || len(log) > 5*int(s.cfg.Quantum)/wasiChunk {
		t.Errorf("ends with %v after %d pieces", err, len(log))
	}
}
