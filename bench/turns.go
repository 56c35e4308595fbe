package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Peers may fail: one that fails so many runs of a workload is not asked it again, and is started anew; one that fails
// so many workloads is given up.
const (
	peerRuns      = 2
	peerWorkloads = 3
)

// turns is how a run of all goes.
type turns struct {
	o         options
	results   []result
	failed    int            // runs of ours
	broken    map[string]int // by kind of peer: workloads that failed
	refusedBy map[string]int // by target: runs of this workload that failed
}

// takeTurns runs each workload on each server in turn, so that what else the machine does falls
// on all of them alike. A failed run is a result, and of the host and the floor an error at the end.
func takeTurns(ctx context.Context, o options, workloads []workload, targets []target) ([]result, error) {
	ts := &turns{o: o, broken: map[string]int{}}
	for _, t := range targets {
		if err := t.freeze(); err != nil {
			return nil, err
		}
	}
	for _, w := range workloads {
		begun := time.Now()
		if err := ts.workload(ctx, w, targets); err != nil {
			return ts.results, err
		}
		fmt.Fprintf(os.Stderr, "bench: %s done in %v\n", w.name, time.Since(begun).Round(time.Second))
	}
	if ts.failed > 0 {
		return ts.results, fmt.Errorf("%d of %d runs failed", ts.failed, len(ts.results))
	}
	return ts.results, nil
}

func (ts *turns) workload(ctx context.Context, w workload, targets []target) error {
	ts.refusedBy = map[string]int{}
	var chosen []target
	for _, t := range targets {
		if w.fits(t) {
			chosen = append(chosen, t)
		}
	}
	if p, ok := w.measurer.(preparer); ok {
		for _, t := range chosen {
			if err := alone(ctx, t, func() error { return p.prepare(ctx, ts.o, t) }); err != nil {
				ts.add(t, result{Workload: w.name, Target: t.name, Kind: t.kind, Errors: 1}, fmt.Errorf("prepare: %w", err))
				ts.refusedBy[t.name] = peerRuns
			}
		}
	}
	for run := range ts.o.runs {
		for _, t := range chosen {
			if t.peer() && (ts.refusedBy[t.name] >= peerRuns || ts.broken[t.kind] >= peerWorkloads) {
				continue
			}
			if err := ts.once(ctx, w, t, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// once is one run. It returns an error if there is to be no other.
func (ts *turns) once(ctx context.Context, w workload, t target, run int) error {
	res := result{Workload: w.name, Target: t.name, Kind: t.kind, Run: run}
	err := alone(ctx, t, func() error { return w.measure(ctx, ts.o, t, run, &res) })
	if ctx.Err() != nil {
		return errors.New("stopped")
	}
	ts.add(t, res, err)
	if err == nil || !t.peer() {
		return nil
	}
	if ts.refusedBy[t.name]++; ts.refusedBy[t.name] == min(peerRuns, ts.o.runs) {
		ts.broken[t.kind]++
		if err := errors.Join(t.restart(ctx), t.freeze()); err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s from here: %v\n", t.kind, err)
			ts.broken[t.kind] = peerWorkloads
		}
	}
	return ctx.Err()
}

func (ts *turns) add(t target, r result, err error) {
	if err != nil {
		r.Error, r.Errors = err.Error(), max(1, r.Errors)
		fmt.Fprintf(os.Stderr, "bench: %s on %s, run %d: %v\n", r.Workload, r.Target, r.Run, err)
		if !t.peer() {
			ts.failed++
		}
	}
	ts.results = append(ts.results, r)
}

// alone has a server do something while the others are frozen, as it is itself before and after: Rivet's engine goes on for
// many seconds with actors that it was asked for, at up to a whole processor, which is nobody else's to pay.
func alone(ctx context.Context, t target, do func() error) error {
	if err := t.thaw(); err != nil {
		return err
	}
	err := settle(ctx, t.server)
	if err == nil {
		err = errors.Join(do(), settle(ctx, t.server)) // also after a failure: it may go on with what failed
	}
	return errors.Join(err, t.freeze())
}

const (
	settleTime = 5 * time.Second
	stillTime  = 100 * time.Millisecond
)

// settle waits until a server has used next to no time for a while, but for settleTime at the longest: what a run leaves to do
// is not the next one's to pay. A peer that polls uses a little always.
func settle(ctx context.Context, s *server) error {
	before, err := usageOfTree(s.pid)
	for end := time.Now().Add(settleTime); err == nil && time.Now().Before(end); {
		if err := pause(ctx, stillTime); err != nil {
			return err
		}
		var now usage
		if now, err = usageOfTree(s.pid); now.cpu-before.cpu <= stillTime/10 {
			break
		}
		before = now
	}
	return err
}
