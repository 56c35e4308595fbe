package meter

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
)

// What a test machine gives its guests.
const (
	testQuantum = 10_000
	testGas     = 1 << 40
	testStack   = 192 << 10 // fewer frames than the interpreter has
)

var errOutOfGas = errors.New("out of gas")

// machine is an engine with the host's part of metering.
type machine struct {
	r       wazero.Runtime
	metered bool
	opts    Options
	limits  validate.Limits

	modules []api.Module // metered ones
	frames  []int64      // largest frame of each
	granted int64        // gas that guests got
	budget  int64        // of what may be granted more
	asked   int          // calls of OutOfGas

	startGas int64 // for start functions
}

func newMachine(t testing.TB, cfg wazero.RuntimeConfig, metered bool) *machine {
	t.Helper()
	ctx := context.Background()
	m := &machine{
		r:       wazero.NewRuntimeWithConfig(ctx, cfg),
		metered: metered,
		limits:  validate.Limits{MemoryPages: 1 << 16, ControlNames: true, NameBytes: 300},
		opts:    Options{MemoryPages: 1 << 16},
		budget:  testGas, startGas: testGas,
	}
	t.Cleanup(func() { m.r.Close(ctx) })
	if metered {
		_, err := m.r.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(m.outOfGas), nil, nil).Export(OutOfGas).Instantiate(ctx)
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// outOfGas gives a guest its next quantum, and what it has used of it already.
func (m *machine) outOfGas(_ context.Context, mod api.Module, _ []uint64) {
	m.asked++
	gas := mod.ExportedGlobal(GasExport).(api.MutableGlobal)
	need := testQuantum - int64(gas.Get())
	if need > m.budget {
		panic(errOutOfGas)
	}
	m.budget -= need
	m.granted += need
	gas.Set(testQuantum)
}

// rewritten returns the bytes to compile.
func (m *machine) rewritten(b []byte) ([]byte, error) {
	if !m.metered {
		return b, nil
	}
	f, err := validate.Module(b, m.limits)
	if err != nil {
		return nil, err
	}
	out, l, err := Rewrite(b, f, m.opts)
	if err != nil {
		return nil, err
	}
	m.frames = append(m.frames, l.MaxFrame)
	return out, nil
}

// instantiate makes an instance as the host does: it sets the counters before anything can run.
func (m *machine) instantiate(b []byte, name string) (api.Module, error) {
	ctx := context.Background()
	b, err := m.rewritten(b)
	if err != nil {
		return nil, err
	}
	mod, err := m.r.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil || !m.metered {
		return mod, err
	}
	m.modules = append(m.modules, mod)
	if start := mod.ExportedFunction(StartExport); start != nil {
		if _, err := m.callWith(m.startGas, start); err != nil {
			mod.Close(ctx)
			return nil, err
		}
	}
	return mod, nil
}

// call calls a function with fresh counters in all modules.
func (m *machine) call(f api.Function, args ...uint64) ([]uint64, error) {
	return m.callWith(testGas, f, args...)
}

// callWith calls a function with fresh counters, and gas in all.
func (m *machine) callWith(gas int64, f api.Function, args ...uint64) ([]uint64, error) {
	for _, mod := range m.modules {
		setGlobal(mod, GasExport, 0)
		setGlobal(mod, StackExport, testStack)
	}
	m.budget, m.granted, m.asked = gas, 0, 0
	return f.Call(context.Background(), args...)
}

// used returns the gas of the last call.
func (m *machine) used() int64 {
	n := m.granted
	for _, mod := range m.modules {
		n -= int64(mod.ExportedGlobal(GasExport).Get())
	}
	return n
}

// overflowed reports whether the last call ran out of counted stack.
func (m *machine) overflowed() bool {
	for _, mod := range m.modules {
		if int32(mod.ExportedGlobal(StackExport).Get()) < 0 {
			return true
		}
	}
	return false
}

func setGlobal(mod api.Module, name string, v uint64) {
	mod.ExportedGlobal(name).(api.MutableGlobal).Set(v)
}

// trapText returns the first line of a trap without its prefix.
func trapText(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(line, "wasm error: ")
}
