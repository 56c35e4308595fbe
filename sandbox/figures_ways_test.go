//go:build figures

package sandbox

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/hostfuncs"
)

// way is one way to run a guest.
type way struct {
	name string
	// start makes a new instance that has started up.
	start func() live
}

// live is an instance.
type live struct {
	// call runs an export and returns its result and its output.
	call func(turn) (uint64, string)
	// reset gives the instance back and takes it again as it began, where that can be done.
	reset func()
	close func()
}

// engines run guests as we do, on the engine alone, and with the engine's own means to end a guest.
type engines struct {
	ours   *Sandbox
	plain  *plainEngine
	closes *plainEngine
}

var wayNames = []string{"here", "unmetered", "WithCloseOnContextDone"}

func newEngines(tb testing.TB) *engines {
	tb.Helper()
	s := open(tb, tb.TempDir())
	cfg := wazero.NewRuntimeConfigCompiler()
	return &engines{s, newPlainEngine(tb, s.cfg.Modules, cfg), newPlainEngine(tb, s.cfg.Modules, cfg.WithCloseOnContextDone(true))}
}

// ways returns the ways in the order of wayNames.
func (e *engines) ways(tb testing.TB, wasm []byte) []way {
	tb.Helper()
	// A context that can end, as that of every request: the engine watches it, if it is told to.
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	v := acquire(tb, e.ours, wasm)
	return []way{
		{wayNames[0], func() live { return oursLive(ctx, tb, v) }},
		{wayNames[1], e.plain.starter(ctx, tb, wasm, v.start)},
		{wayNames[2], e.closes.starter(ctx, tb, wasm, v.start)},
	}
}

func oursLive(ctx context.Context, tb testing.TB, v *Version) live {
	w, k := newWorld(), &hostfuncs.Kernel{}
	i := newInstance(tb, v, w)
	return live{
		call: func(t turn) (uint64, string) {
			c := hostfuncs.NewCall(ctx, w, k, i, []byte(t.input))
			n, err := i.Call(c, t.export)
			return uint64(uint32(n)), answer(tb, c, err)
		},
		reset: func() {
			i.Close()
			i = newInstance(tb, v, w)
		},
		close: func() { i.drop() },
	}
}

func (p *plainEngine) starter(ctx context.Context, tb testing.TB, wasm []byte, start []string) func() live {
	tb.Helper()
	code, err := p.r.CompileModule(context.Background(), wasm)
	must(tb, err)
	return func() live {
		i := p.instance(tb, code, start)
		return live{
			call: func(t turn) (uint64, string) {
				c, n, err := i.call(ctx, t.export, t.input)
				return n, answer(tb, c, err)
			},
			close: i.close,
		}
	}
}

func answer(tb testing.TB, c *hostfuncs.Call, err error) string {
	must(tb, err)
	out, _ := c.PlainOutput()
	return string(out) + string(c.Output())
}
