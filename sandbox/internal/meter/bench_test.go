package meter

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

func ignoreContext(f func([]uint64)) func(context.Context, []uint64) {
	return func(_ context.Context, stack []uint64) { f(stack) }
}

// benchQuantum is the quantum that the host gives.
const benchQuantum = 1_000_000

// BenchmarkCompute compares guests plain, metered with traps, metered with quanta, and under the
// engine's own way to end a guest. The ways take turns, so that a busy machine slows all of them; the
// metrics are the tenth percentile of each, those in -x as multiples of plain, and the gas of one run.
func BenchmarkCompute(b *testing.B) {
	var loop, fib wt.Module
	loop.Export("compute", 0, loop.Func(nil, wt.T(wt.I32), wt.T(wt.I32, wt.I32), wt.Code{}.
		I32Const(3_000_000).LocalSet(0).Loop(wt.Empty).
		LocalGet(1).LocalGet(0).Op(wt.I32Add).LocalSet(1).
		LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End).LocalGet(1)))
	fib.Func(wt.T(wt.I32), wt.T(wt.I32), nil, wt.Code{}.
		LocalGet(0).I32Const(2).Op(wt.I32LtS).If(wt.I32).LocalGet(0).Op(wt.Else).
		LocalGet(0).I32Const(1).Op(wt.I32Sub).Call(0).LocalGet(0).I32Const(2).Op(wt.I32Sub).Call(0).Op(wt.I32Add, wt.End))
	fib.Export("compute", 0, fib.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(27).Call(0)))
	guests := []struct {
		name string
		wasm func() []byte
	}{
		{"Go", func() []byte { return goGuest(b, filepath.Join("testdata", "go")) }},
		{"AssemblyScript", func() []byte { return readFile(b, filepath.Join("testdata", "as", "compute.wasm")) }},
		{"loop", loop.Encode},
		{"fib", fib.Encode},
	}
	ways := []string{"plain", "trap", "quantum", "closeOnContextDone"}
	for _, g := range guests {
		b.Run(g.name, func(b *testing.B) {
			wasm := g.wasm()
			var calls []func() int64
			for _, way := range ways {
				calls = append(calls, computeCall(b, wasm, way))
			}
			times := make([][]time.Duration, len(ways))
			for b.Loop() {
				for i, call := range calls {
					if i == 3 && len(times[i]) == 10 {
						continue // it would take most of the time
					}
					start := time.Now()
					call()
					times[i] = append(times[i], time.Since(start))
				}
			}
			b.ReportMetric(float64(calls[1]()), "gas")
			var p10 [4]float64
			for i, ts := range times {
				slices.Sort(ts)
				p10[i] = float64(ts[len(ts)/10])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(p10[0], "plain-ns")
			for i, way := range ways[1:] {
				b.ReportMetric(p10[i+1]/p10[0], way+"-x")
			}
		})
	}
}

// computeCall returns a function that runs a guest's compute once and returns what is gone of the budget.
func computeCall(b *testing.B, bytes []byte, way string) func() int64 {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	metered := way == "trap" || way == "quantum"
	m := newMachine(b, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(way == "closeOnContextDone"), false)
	f := facts(b, bytes, validate.Limits{})
	stub(b, m.r, f)
	var gas api.MutableGlobal
	if metered {
		refill := func([]uint64) { gas.Set(gas.Get() + benchQuantum) }
		_, err := m.r.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().
			WithGoFunction(api.GoFunc(ignoreContext(refill)), nil, nil).Export(OutOfGas).Instantiate(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if bytes, _, err = Rewrite(bytes, f, Options{TrapOnly: way == "trap"}); err != nil {
			b.Fatal(err)
		}
	}
	mod, err := m.r.InstantiateWithConfig(ctx, bytes, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		b.Fatal(err)
	}
	budget := uint64(benchQuantum)
	if way == "trap" {
		budget = testGas
	}
	run := func(f api.Function) int64 {
		if metered {
			gas.Set(budget)
			setGlobal(mod, StackExport, 8<<20)
		}
		if _, err := f.Call(ctx); err != nil {
			b.Fatal(err)
		}
		if !metered {
			return 0
		}
		return int64(budget - gas.Get())
	}
	if metered {
		gas = mod.ExportedGlobal(GasExport).(api.MutableGlobal)
	}
	for _, name := range []string{StartExport, "_initialize"} {
		if f := mod.ExportedFunction(name); f != nil {
			run(f)
		}
	}
	compute := mod.ExportedFunction("compute")
	return func() int64 { return run(compute) }
}

// BenchmarkRewrite measures validation and rewriting of a Go guest.
func BenchmarkRewrite(b *testing.B) {
	wasm := goGuest(b, filepath.Join("testdata", "go"))
	f := facts(b, wasm, validate.Limits{})
	b.Run("validate", func(b *testing.B) {
		b.SetBytes(int64(len(wasm)))
		b.ReportAllocs()
		for b.Loop() {
			facts(b, wasm, validate.Limits{})
		}
	})
	b.Run("rewrite", func(b *testing.B) {
		b.SetBytes(int64(len(wasm)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Rewrite(wasm, f, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
