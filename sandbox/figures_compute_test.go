//go:build figures

package sandbox

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// computeFigures compare guests that only compute.
type computeFigures struct {
	guests []computeGuest
	spans  [][]cell // of each guest and way
}

type computeGuest struct {
	name string
	live []live // one for each way
}

// computeRounds is how often each way computes in a run; they take turns. The slow way does so less
// often.
const (
	computeRounds = 30
	computeSlow   = 3
)

func newComputeFigures(t *testing.T) *computeFigures {
	e := newEngines(t)
	f := &computeFigures{}
	for _, g := range []struct {
		name string
		wasm []byte
	}{
		{"Go", computeGo(t)},
		{"AssemblyScript", committed("sandbox/internal/meter/testdata/as/compute.wasm")(t)},
		{"tight loop", tightLoop()},
		{"calls", fibonacci()},
	} {
		c := computeGuest{name: g.name}
		for _, w := range e.ways(t, g.wasm) {
			c.live = append(c.live, w.start())
		}
		f.guests = append(f.guests, c)
		f.spans = append(f.spans, make([]cell, len(wayNames)))
	}
	return f
}

func computeGo(t *testing.T) []byte {
	dir := filepath.Join(root(), "sandbox", "internal", "meter", "testdata", "go")
	b, err := guestbuild.Build(context.Background(), guestbuild.Options{Dir: dir, Strip: true})
	must(t, err)
	return b
}

// tightLoop counts down, two simple operations at a time.
func tightLoop() []byte {
	var m wt.Module
	m.Export("compute", 0, m.Func(nil, wt.T(wt.I32), wt.T(wt.I32, wt.I32), wt.Code{}.
		I32Const(3_000_000).LocalSet(0).Loop(wt.Empty).
		LocalGet(1).LocalGet(0).Op(wt.I32Add).LocalSet(1).
		LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End).LocalGet(1)))
	return m.Encode()
}

// fibonacci does little but call.
func fibonacci() []byte {
	var m wt.Module
	m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, wt.Code{}.
		LocalGet(0).I32Const(2).Op(wt.I32LtS).If(wt.I32).LocalGet(0).Op(wt.Else).
		LocalGet(0).I32Const(1).Op(wt.I32Sub).Call(0).LocalGet(0).I32Const(2).Op(wt.I32Sub).Call(0).Op(wt.I32Add, wt.End))
	m.Export("compute", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(27).Call(0)))
	return m.Encode()
}

func (f *computeFigures) run(t *testing.T) {
	for n, g := range f.guests {
		took := make([][]time.Duration, len(g.live))
		for round := range computeRounds {
			var want uint64
			for k, l := range g.live {
				if k == 2 && round%computeSlow != 0 {
					continue
				}
				start := time.Now()
				got, _ := l.call(turn{"compute", "compute", ""})
				took[k] = append(took[k], time.Since(start))
				if k == 0 {
					want = got
				} else if got != want {
					t.Errorf("%s computes %d here and %d %s", g.name, want, got, wayNames[k])
				}
			}
		}
		for k := range took {
			f.spans[n][k].add(fast(took[k]))
		}
	}
}

// ratio returns how many times as long as unmetered a way takes, run by run.
func (f *computeFigures) ratio(guest, way int) (c cell) {
	for n, v := range f.spans[guest][way] {
		c.add(v / f.spans[guest][1][n])
	}
	return c
}

func (f *computeFigures) write(p *page) {
	p.table("Compute", "One call of a guest that only computes, with quanta of 1,000,000 gas, as a host gives them: of each run the tenth percentile of 30 calls. × is the time as a multiple of unmetered in the same run.",
		"guest", "unmetered", "here", "× here", wayNames[2], "× "+wayNames[2])
	for n, g := range f.guests {
		s := f.spans[n]
		p.row(g.name, s[1].text(span), s[0].text(span), f.ratio(n, 0).text(times), s[2].text(span), f.ratio(n, 2).text(times))
	}
}
