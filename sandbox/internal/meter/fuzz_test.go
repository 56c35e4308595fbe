package meter

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/sandbox/internal/spectest"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

const (
	fuzzPages = 16
	fuzzGas   = 300_000
)

// differ is one module on three machines: plain, metered, and metered on the interpreter.
type differ struct {
	b, bare          []byte // bare is without custom sections, of which the engine expects too much
	facts            *validate.Facts
	exact            bool // no float can show its bits, so memory must be the same
	plain, fast, sim *machine
	mods             [3]api.Module
}

// diff wants the metered forms of b to be accepted if and only if b is, and to do the same.
func diff(t *testing.T, b []byte, exact bool) {
	t.Helper()
	limits := validate.Limits{MemoryPages: fuzzPages, TableEntries: 1000, Weight: 50_000, TotalWeight: 100_000, BodyBytes: 32 << 10, ControlNames: true}
	f, err := validate.Module(b, limits)
	if err != nil {
		return
	}
	d := &differ{b: b, facts: f, exact: exact}
	cfg := wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(fuzzPages)
	d.plain, d.fast = newMachine(t, cfg, false), newMachine(t, cfg, true)
	d.sim = newMachine(t, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(fuzzPages), true)
	d.bare = withoutCustoms(b, f)
	_, plainErr := d.plain.r.CompileModule(t.Context(), d.bare)
	for _, m := range []*machine{d.fast, d.sim} {
		m.limits, m.opts, m.startGas = limits, Options{MemoryPages: fuzzPages}, fuzzGas
		if m == d.fast {
			m.opts.LazyEntries = 1
		}
		out, err := m.rewritten(b)
		if err != nil {
			t.Fatalf("rewrite what was validated: %v", err)
		}
		if _, err := m.r.CompileModule(t.Context(), out); (err == nil) != (plainErr == nil) {
			t.Fatalf("plain: %v, metered: %v", plainErr, err)
		}
	}
	if plainErr != nil || !d.instantiate(t) {
		return
	}
	for i, e := range f.Exports {
		if i < 8 && e.Kind == wasm.ExternFunc && len(f.FuncType(e.Index).Params) == 0 && !d.call(t, e) {
			return
		}
	}
}

func withoutCustoms(b []byte, f *validate.Facts) []byte {
	out := []byte(wasm.Header)
	for _, s := range f.Sections {
		if s.ID != wasm.SectionCustom {
			out = wasm.AppendSection(out, s.ID, b[s.Offset:s.Offset+int64(s.Size)])
		}
	}
	return out
}

// instantiate makes the instances. It reports false if there are none to compare.
func (d *differ) instantiate(t *testing.T) bool {
	for _, im := range d.facts.Imports {
		if im.Module != "spectest" {
			return false
		}
	}
	for _, tab := range d.facts.Tables { // the cap would show
		if !tab.HasMax && d.facts.Uses.Has(validate.UsesTableWrite) {
			return false
		}
	}
	var errs [3]error
	for i, m := range []*machine{d.fast, d.sim, d.plain} { // the plain one last: it may not end
		if _, err := m.r.InstantiateWithConfig(t.Context(), spectest.Host(t), wazero.NewModuleConfig()); err != nil {
			t.Fatal(err)
		}
		b := d.b
		if m == d.plain {
			b = d.bare
		}
		d.mods[i], errs[i] = m.instantiate(b, "")
		if stopped(m, errs[i]) {
			return false
		}
	}
	if (errs[0] == nil) != (errs[2] == nil) || (errs[1] == nil) != (errs[2] == nil) {
		t.Fatalf("instantiate: %v", errs)
	}
	return errs[2] == nil
}

// call calls an export everywhere. It reports false if the counters stopped it.
func (d *differ) call(t *testing.T, e validate.Export) bool {
	var errs [3]error
	var got [3][]uint64
	for i, m := range []*machine{d.fast, d.sim, d.plain} {
		got[i], errs[i] = m.callWith(fuzzGas, d.mods[i].ExportedFunction(e.Name))
		if i == 1 && d.fast.used() != d.sim.used() {
			t.Fatalf("%s: %d gas on the compiler, %d on the interpreter", e.Name, d.fast.used(), d.sim.used())
		}
		if stopped(m, errs[i]) {
			return false
		}
	}
	text := func(i int) string {
		if errs[i] == nil {
			return ""
		}
		return trapText(errs[i])
	}
	types := d.facts.FuncType(e.Index).Results
	for i := range 2 {
		if text(i) != text(2) {
			t.Fatalf("%s: metered %q, plain %q", e.Name, text(i), text(2))
		}
		if errs[i] == nil && !same(types, got[i], got[2]) {
			t.Fatalf("%s: metered %#x, plain %#x", e.Name, got[i], got[2])
		}
		if d.exact && !bytes.Equal(memory(d.mods[i]), memory(d.mods[2])) {
			t.Fatalf("%s: the memories differ", e.Name)
		}
	}
	return true
}

// stopped reports whether err comes from the counters.
func stopped(m *machine, err error) bool {
	return err != nil && (errors.Is(err, errOutOfGas) || m.overflowed())
}

func memory(m api.Module) []byte {
	if m.Memory() == nil {
		return nil
	}
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return b
}

// same compares results, all NaNs being one.
func same(types []wasm.ValType, a, b []uint64) bool {
	if slices.Equal(a, b) {
		return true
	}
	at := 0
	for _, t := range types {
		switch x, y := a[at], b[at]; {
		case t == wasm.F32:
			if x != y && !(isNaN32(x) && isNaN32(y)) {
				return false
			}
		case t == wasm.F64:
			if x != y && !(math.IsNaN(math.Float64frombits(x)) && math.IsNaN(math.Float64frombits(y))) {
				return false
			}
		case t.Ref():
			if (x == 0) != (y == 0) {
				return false
			}
		case t == wasm.V128: // vectors may hold NaNs of any shape
			at++
		case x != y:
			return false
		}
		at++
	}
	return true
}

func isNaN32(x uint64) bool { return math.IsNaN(float64(math.Float32frombits(uint32(x)))) }

// FuzzRewrite mutates the modules of the official suite.
func FuzzRewrite(f *testing.F) {
	n := 0
	for _, s := range spectest.Scripts(f) {
		for i := range s.Commands {
			c := &s.Commands[i]
			if c.Filename == "" || c.Form == spectest.Text {
				continue
			}
			if n++; n%25 == 0 {
				f.Add(s.Module(f, c))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { diff(t, b, false) })
}

// FuzzProgram runs programs that are made of the fuzzer's choices.
func FuzzProgram(f *testing.F) {
	for i := range 50 {
		f.Add(choices(uint64(i)))
	}
	f.Fuzz(func(t *testing.T, src []byte) { diff(t, wt.Random(src), true) })
}

func choices(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	src := make([]byte, rng.IntN(800))
	for i := range src {
		src[i] = byte(rng.Uint32())
	}
	return src
}

var programs = flag.Uint64("programs", 200, "how many programs TestPrograms runs")

// TestPrograms runs many random programs, as FuzzProgram does.
func TestPrograms(t *testing.T) {
	for i := range *programs {
		t.Run(fmt.Sprint(i), func(t *testing.T) { diff(t, wt.Random(choices(i)), true) })
	}
}
