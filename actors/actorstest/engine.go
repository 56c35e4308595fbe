package actorstest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// engine is a sandbox that stacks use one after the other, with the guests that it has prepared: that takes a good part of
// a second for each, and seconds under the race detector.
type engine struct {
	*sandbox.Sandbox
	owner atomic.Pointer[tenants.Registry] // of the stack that uses it
}

// shared are the engines of this process.
var shared struct {
	mu   sync.Mutex // guards the fields below
	dir  string     // of all of them; empty if stacks share none
	all  []*engine
	free []*engine // those that no stack uses
}

// Main is TestMain of a package whose stacks may share what the sandbox has prepared: those in a folder of their own do not.
func Main(m *testing.M) (code int) {
	sandbox.MaybeWorker()
	var err error
	if shared.dir, err = os.MkdirTemp("", "vivarium-engines-"); err != nil {
		panic(err)
	}
	defer func() {
		if err := closeEngines(); err != nil {
			panic(err)
		}
	}()
	return m.Run()
}

// takeEngine returns an engine that no other stack uses, and nil if stacks share none.
func takeEngine(tb testing.TB) *engine {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.dir == "" {
		return nil
	}
	if n := len(shared.free); n > 0 {
		e := shared.free[n-1]
		shared.free = shared.free[:n-1]
		return e
	}
	e := &engine{}
	e.Sandbox = openSandbox(tb, filepath.Join(shared.dir, strconv.Itoa(len(shared.all))), 1, func() *tenants.Registry { return e.owner.Load() })
	shared.all = append(shared.all, e)
	return e
}

// giveBack leaves an engine, in which nothing runs any more, to the next stack, whose namespaces are others of the same names.
func (e *engine) giveBack() {
	for _, ns := range e.owner.Load().Namespaces() {
		e.ForgetClass(string(ns.ID))
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.free = append(shared.free, e)
}

func closeEngines() error {
	var errs []error
	for _, e := range shared.all {
		errs = append(errs, e.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(shared.dir))...)
}

// openSandbox opens a sandbox as a host does, but for compiled code, which all test processes share.
func openSandbox(tb testing.TB, dir string, keepGas int64, registry func() *tenants.Registry) *sandbox.Sandbox {
	tb.Helper()
	s, err := sandbox.Open(context.Background(), sandbox.Config{
		Dir: dir, CompiledDir: CacheDir(tb), Modules: actors.GuestModules(), Logger: slog.New(slog.DiscardHandler), KeepGas: keepGas,
		Budget: func(class string) sandbox.Budget { return registry().Allowance(tenants.ID(class)) },
	})
	must(tb, err)
	return s
}
