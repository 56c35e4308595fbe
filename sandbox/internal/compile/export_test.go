package compile

import (
	"testing"
	"time"
)

// Names for the tests in package compile_test, which may import packages that import this one.
type (
	Job    = job
	Result = result
)

// CutLine is how text of a worker is made fit for an answer.
func CutLine(s string, n int) string { return oneLine(s, n) }

// SetTestWork sets what a worker with a test mode does.
func SetTestWork(f func(mode string, j Job, wasm []byte) Result) {
	testWork = func(j job, wasm []byte) result { return f(j.Test, j, wasm) }
}

// WithTestMode returns a configuration whose workers do f(mode) of SetTestWork.
func WithTestMode(cfg Config, mode string) Config {
	cfg.testMode = mode
	return cfg
}

// SetTestMode changes the mode for later runs.
func (c *Compiler) SetTestMode(mode string) { c.cfg.testMode = mode }

// CompileInWorker is what a worker does without a test mode.
func CompileInWorker(j Job, wasm []byte) Result { return compileAndLoad(j, wasm) }

// NameOf predicts the name of an entry.
func (c *Compiler) NameOf(wasm []byte) string { return c.names.of(wasm) }

// TempDir is where runs have their directories.
func (c *Compiler) TempDir() string { return c.cfg.TempDir }

// Waiting returns how many calls wait for a worker.
func (c *Compiler) Waiting() int {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	return c.gate.waiting
}

// RaceEnabled says that memory limits are not set.
const RaceEnabled = raceEnabled

// SetWorkerReady pretends that MaybeWorker was or was not called.
func SetWorkerReady(t testing.TB, ready bool) {
	t.Helper()
	old := workerReady.Swap(ready)
	t.Cleanup(func() { workerReady.Store(old) })
}

// Header is how an entry begins.
func (c *Compiler) Header() []byte { return c.header() }

// TakeOver does what follows the death of a worker that says that all is well.
func (c *Compiler) TakeOver(runDir, name string) (Entry, error) {
	e, err := c.takeOver(runDir, Entry{Name: name})
	return e, outputFailure(err)
}

// SetLimits changes limits for later runs. The first worker, which Open runs, would meet them too.
func (c *Compiler) SetLimits(change func(*Config)) { change(&c.cfg) }

// SetDeadline makes the wall deadline of later runs the moment when f returns. It must be called once, while
// nothing runs.
func (c *Compiler) SetDeadline(f func()) {
	now := make(chan struct{})
	c.cfg.testDeadline = now
	go func() { // ends with f
		f()
		close(now)
	}()
}

// CPUTime is what a worker has used.
func CPUTime() time.Duration { return cpuTime() }

// Gate is the queue before the workers.
type Gate struct{ g *gate }

func NewGate(places, maxWaiting, maxPerClass int) Gate {
	return Gate{newGate(places, maxWaiting, maxPerClass)}
}

// Ask returns how to know that the place is there, and how to give it back.
func (g Gate) Ask(class string) (ready func() bool, leave func(), err error) {
	t, err := g.g.ask(class)
	if err != nil {
		return nil, nil, err
	}
	ready = func() bool {
		select {
		case <-t.ready:
			return true
		default:
			return false
		}
	}
	return ready, func() { g.g.leave(t) }, nil
}

// Empty reports that nothing is remembered.
func (g Gate) Empty(places int) bool {
	return len(g.g.classes) == 0 && len(g.g.turn) == 0 && g.g.waiting == 0 && g.g.free == places
}

// Running returns how many places are taken.
func (c *Compiler) Running() int {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	return c.cfg.MaxConcurrent - c.gate.free
}

// Users returns how many calls wait for the entry of a module.
func (c *Compiler) Users(wasm []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[c.names.of(wasm)]; f != nil {
		return f.users
	}
	return 0
}
