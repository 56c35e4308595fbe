package meter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/sandbox/internal/spectest"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
)

// tally counts what of the suite was run.
type tally struct {
	modules, returns, traps, exhaustions, actions int
	unlinkable, refused, accepted                 int
	gas                                           int64
}

func (n *tally) add(m tally) {
	n.modules += m.modules
	n.returns += m.returns
	n.traps += m.traps
	n.exhaustions += m.exhaustions
	n.actions += m.actions
	n.unlinkable += m.unlinkable
	n.refused += m.refused
	n.accepted += m.accepted
	n.gas += m.gas
}

// TestSpec runs the official suite through validation, rewriting and the engine, and beside it the
// same without metering. The gas must be the same on both engines.
func TestSpec(t *testing.T) {
	scripts := spectest.Scripts(t)
	ways := []struct {
		name    string
		cfg     wazero.RuntimeConfig
		metered bool
		lazy    uint32 // Options.LazyEntries
	}{
		{"plain, compiler", wazero.NewRuntimeConfigCompiler(), false, 0},
		{"metered, compiler", wazero.NewRuntimeConfigCompiler(), true, 0},
		{"metered, interpreter", wazero.NewRuntimeConfigInterpreter(), true, 0},
		{"lazy tables, compiler", wazero.NewRuntimeConfigCompiler(), true, 1},
	}
	sums := map[string]*[4]tally{"v1": {}, "v2": {}}
	for _, s := range scripts {
		t.Run(s.Name, func(t *testing.T) {
			var ns [4]tally
			for i, w := range ways {
				cfg := w.cfg
				if strings.HasPrefix(s.Name, "v1/") {
					cfg, w.lazy = cfg.WithCoreFeatures(api.CoreFeaturesV1), 0 // what else is added is of version 1 too
				}
				run := specRun{t: t, s: s, m: newMachine(t, cfg, w.metered), named: map[string]api.Module{}}
				run.m.opts.LazyEntries = w.lazy
				if _, err := run.m.r.InstantiateWithConfig(t.Context(), spectest.Host(t), wazero.NewModuleConfig()); err != nil {
					t.Fatal(err)
				}
				run.all()
				ns[i] = run.n
				sums[s.Name[:2]][i].add(run.n)
			}
			if ns[1].gas != ns[2].gas || ns[1].gas != ns[3].gas {
				t.Errorf("gas: %d on the compiler, %d on the interpreter, %d with lazy tables", ns[1].gas, ns[2].gas, ns[3].gas)
			}
		})
	}
	for _, version := range []string{"v1", "v2"} {
		for i, w := range ways {
			n := sums[version][i]
			t.Logf("%s %-20s: %d modules run, %d assert_return, %d assert_trap, %d assert_exhaustion, %d actions, %d unlinkable; "+
				"%d of %d invalid or malformed refused; %d gas", version, w.name, n.modules, n.returns, n.traps, n.exhaustions, n.actions,
				n.unlinkable, n.refused, n.refused+n.accepted, n.gas)
		}
		plain, metered := sums[version][0], sums[version][1]
		for _, n := range sums[version][1:] {
			if plain.modules != n.modules || plain.returns != n.returns || plain.traps != n.traps {
				t.Errorf("%s: a metered run is not the plain one: %+v, %+v", version, n, plain)
			}
		}
		if metered.accepted > 0 {
			t.Errorf("%s: %d invalid modules accepted", version, metered.accepted)
		}
	}
	if n := sums["v2"][1]; n.modules < 1036 || n.returns < 40_000 || n.refused < 2809 {
		t.Errorf("the suite is smaller than it was: %+v", n)
	}
}

// specRun is one script on one machine.
type specRun struct {
	t     *testing.T
	s     *spectest.Script
	m     *machine
	named map[string]api.Module
	last  api.Module
	n     tally
}

func (r *specRun) all() {
	cs := r.s.Commands
	for i := range cs {
		c := &cs[i]
		as := ""
		if c.Type == "module" && i+1 < len(cs) && cs[i+1].Type == "register" {
			as = cs[i+1].As
		}
		if err := r.step(c, as); err != nil {
			r.t.Errorf("%s:%d %s %s (metered %v): %v", r.s.Name, c.Line, c.Type, c.Action.Field, r.m.metered, err)
		}
	}
}

func (r *specRun) step(c *spectest.Command, as string) error {
	switch c.Type {
	case "module":
		mod, err := r.m.instantiate(r.s.Module(r.t, c), as)
		if err != nil {
			return err
		}
		r.n.modules++
		r.last = mod
		if c.Name != "" {
			r.named[c.Name] = mod
		}
	case "register": // done with the module
	case "action", "assert_return":
		return r.returns(c)
	case "assert_trap":
		r.n.traps++
		_, err := r.invoke(c)
		if err == nil || !trapMatches(c.Text, trapText(err)) {
			return fmt.Errorf("got error %v, want %q", err, c.Text)
		}
	case "assert_exhaustion":
		r.n.exhaustions++
		_, err := r.invoke(c)
		if err == nil || trapText(err) != "stack overflow" && !(trapText(err) == "unreachable" && r.m.overflowed()) {
			return fmt.Errorf("got error %v, want exhaustion", err)
		}
	case "assert_malformed", "assert_invalid":
		return r.refused(c)
	case "assert_unlinkable", "assert_uninstantiable":
		r.n.unlinkable++
		_, err := r.m.instantiate(r.s.Module(r.t, c), "")
		// The engine lets instances live on whose element segments are out of bounds.
		if err == nil && c.Text != "out of bounds table access" {
			return errors.New("it was instantiated")
		}
		var ve *validate.Error
		if errors.As(err, &ve) {
			return err
		}
	default:
		return fmt.Errorf("unknown command %q", c.Type)
	}
	return nil
}

func (r *specRun) module(c *spectest.Command) api.Module {
	if c.Action.Module != "" {
		return r.named[c.Action.Module]
	}
	return r.last
}

func (r *specRun) invoke(c *spectest.Command) ([]uint64, error) {
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.Arg()...)
	}
	got, err := r.m.call(r.module(c).ExportedFunction(c.Action.Field), args...)
	if r.m.metered {
		r.n.gas += r.m.used()
	}
	return got, err
}

func (r *specRun) returns(c *spectest.Command) error {
	r.n.returns++
	if c.Action.Type == "get" {
		if got := r.module(c).ExportedGlobal(c.Action.Field).Get(); !c.Expected[0].Equal([]uint64{got}) {
			return fmt.Errorf("got %#x, want %v", got, c.Expected[0])
		}
		return nil
	}
	got, err := r.invoke(c)
	if err != nil {
		return err
	}
	if c.Type == "action" {
		r.n.returns--
		r.n.actions++
		return nil
	}
	words := 0
	for _, want := range c.Expected {
		if words+want.Words() > len(got) || !want.Equal(got[words:]) {
			return fmt.Errorf("got %#x, want %v", got, c.Expected)
		}
		words += want.Words()
	}
	return nil
}

// refused takes a module that someone must refuse: we, or the engine what we make of it.
func (r *specRun) refused(c *spectest.Command) error {
	if c.Form == spectest.Text {
		return nil
	}
	b, err := r.m.rewritten(r.s.Module(r.t, c))
	if err == nil {
		_, err = r.m.r.CompileModule(r.t.Context(), b)
	}
	if err == nil {
		r.n.accepted++
		if r.m.metered {
			return fmt.Errorf("accepted: %s", c.Text)
		}
		return nil
	}
	r.n.refused++
	var ve *validate.Error
	if r.m.metered && errors.As(err, &ve) && ve.Kind == validate.Limit {
		return fmt.Errorf("refused by a limit: %v", err)
	}
	return nil
}

// trapMatches compares the suite's text of a trap with the engine's.
func trapMatches(want, got string) bool {
	if strings.HasPrefix(want, "uninitialized") {
		want = "undefined"
	}
	texts := map[string]string{
		"out of bounds memory access":   "out of bounds memory access",
		"indirect call type mismatch":   "indirect call type mismatch",
		"indirect call":                 "indirect call type mismatch",
		"undefined element":             "invalid table access",
		"undefined":                     "invalid table access",
		"out of bounds table access":    "invalid table access",
		"integer overflow":              "integer overflow",
		"invalid conversion to integer": "invalid conversion to integer",
		"integer divide by zero":        "integer divide by zero",
		"unreachable":                   "unreachable",
	}
	return texts[want] != "" && texts[want] == got
}
