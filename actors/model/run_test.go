package model

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// run is one run of the model beside a host. What goes wrong is an error, so that a run which must go wrong
// can be had.
type run struct {
	*world
	t     *testing.T
	dir   string
	clock *actorstest.Clock
	s     *actorstest.Stack
	ops   int // to do
	kills int // to do
	batch int // the one that runs
}

// The rhythm of a run, in batches.
const (
	batchJobs  = 8
	perVersion = 17
	perClock   = 11
	perCompare = 150
	perRestart = 230
	idleTime   = 40 * time.Millisecond // so that actors sleep and wake all the time
	settleStep = time.Minute
)

// openRun opens a host and gives it its modules.
func openRun(t *testing.T, seed int64, ops, kills int) *run {
	t.Helper()
	r := &run{world: newWorld(seed), t: t, dir: t.TempDir(), ops: ops, kills: kills}
	r.clock = r.world.clock()
	r.open()
	for _, ns := range namespaces {
		for n := range versions {
			r.s.UploadBytes(ns, uploadOptions("script", n == 0), version(t, n))
		}
		r.s.Upload(ns, "counter", "examples/wasm/counter")
		r.s.Upload(ns, "plain", "examples/wasm/extism-c")
	}
	return r
}

// version returns the scripted guest as its nth version: a custom section makes other bytes of it.
func version(t *testing.T, n int) []byte {
	wasm := actorstest.Guest(t, actorstest.ScriptGuest)
	return append(wasm[:len(wasm):len(wasm)], 0, 3, 1, 'v', byte('0'+n))
}

func (r *run) open() { r.s = actorstest.Open(r.t, stackOptions(r.dir, r.clock)) }

// stackOptions are those of the run's host and of a child that is to be killed.
func stackOptions(dir string, clock *actorstest.Clock) actorstest.Options {
	return actorstest.Options{Dir: dir, Config: func(c *actors.Config) { c.Now, c.IdleTime = clock.Now, idleTime }}
}

// doneOps returns how many operations have been done: jobs, and of a turn each step and its end.
func (r *run) doneOps() (n int) {
	for _, c := range r.counts {
		n += c
	}
	return n
}

// all runs to the end, or to the first difference.
func (r *run) all() error {
	defer r.s.Close()
	every := r.ops / (r.kills + 1)
	killed := 0
	for r.doneOps() < r.ops {
		r.batch++
		if err := r.round(); err != nil {
			return fmt.Errorf("batch %d: %w", r.batch, err)
		}
		if killed < r.kills && r.doneOps() > every*(killed+1) {
			killed++
			if err := r.kill(); err != nil {
				return fmt.Errorf("kill %d, after batch %d: %w", killed, r.batch, err)
			}
		}
	}
	if err := r.compare(); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	r.t.Logf("the clock moved on by %v", r.moved)
	return nil
}

// round runs one batch, and what else is due.
func (r *run) round() error {
	if err := r.do(r.planBatch(batchJobs)); err != nil {
		return err
	}
	if r.batch%perClock == 0 {
		r.advance(time.Duration(r.rnd.Int63n(int64(settleStep))))
	}
	if r.batch%perVersion == 0 {
		if err := r.changeVersion(); err != nil {
			return err
		}
	}
	if r.batch%perRestart == 0 {
		r.counts["restart"]++
		r.s.Close()
		if err := actorstest.CheckData(r.dir); err != nil {
			return err
		}
		r.open()
		return r.compare()
	}
	if r.batch%perCompare == 0 {
		return r.compare()
	}
	return nil
}

// do runs jobs beside each other and takes over what they do.
func (r *run) do(batch []*job) error {
	answers := giveAll(r.s.Host, batch)
	for i, j := range batch {
		if err := j.check(answers[i]); err != nil {
			return r.wrong(j, err)
		}
		r.take(j, answers[i])
	}
	return r.learn()
}

func (r *run) wrong(j *job, err error) error {
	doc, _ := json.Marshal(j.order)
	return fmt.Errorf("%s: %w; ordered was %.3000s", j.name, err, doc)
}

func giveAll(h *actors.Host, batch []*job) []answer {
	answers := make([]answer, len(batch))
	var wg sync.WaitGroup
	for i, j := range batch {
		wg.Go(func() { answers[i] = j.order.give(h) })
	}
	wg.Wait()
	return answers
}

// learn looks up the ids of actors that are new: the only thing that the model has to be told.
func (r *run) learn() error {
	for _, a := range r.actors {
		if a.data == nil || a.id != noID {
			continue
		}
		info, err := r.s.Host.Find(context.Background(), a.address)
		if err != nil {
			return fmt.Errorf("%v is not there: %w", a.address, err)
		}
		a.id = info.ID
	}
	return nil
}

func (r *run) advance(d time.Duration) {
	r.counts["clock"]++
	r.moved += d
	r.clock.Advance(d)
	r.s.Host.Look()
}

// changeVersion makes another version live.
func (r *run) changeVersion() error {
	ns := namespaces[r.rnd.Intn(len(namespaces))]
	r.live[ns] = 1 + r.rnd.Intn(versions)
	r.counts["version"]++
	_, err := r.s.Registry.SetLive(context.Background(), ns, "script", r.live[ns])
	return err
}

// exists reports what the host says of an address.
func (r *run) exists(a *actor) (bool, error) {
	info, err := r.s.Host.Find(context.Background(), a.address)
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return false, nil
	}
	if err == nil && info.ID != a.id {
		err = fmt.Errorf("%v has the id %s, want %s", a.address, info.ID, a.id)
	}
	return err == nil, err
}
