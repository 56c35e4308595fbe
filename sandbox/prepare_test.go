package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// What goes wrong around a compilation is never told as our fault while the client can do something
// about it: wait, or send another module.
func TestCompileErrorsHaveCodes(t *testing.T) {
	unavailable := func(err error) error { return &compile.Error{Kind: compile.KindUnavailable, Err: err} }
	for name, tt := range map[string]struct {
		err  error
		want abi.Code
	}{
		"refused":                   {&compile.Error{Kind: compile.KindRefused}, abi.CodeModuleMalformed},
		"too long":                  {&compile.Error{Kind: compile.KindTimeout}, abi.CodeModuleLimit},
		"killed by the kernel":      {&compile.Error{Kind: compile.KindCrashed}, abi.CodeModuleLimit},
		"busy":                      {&compile.Error{Kind: compile.KindBusy}, abi.CodeHostBusy},
		"no process":                {unavailable(fmt.Errorf("fork/exec: %w", syscall.EAGAIN)), abi.CodeHostBusy},
		"no descriptor":             {unavailable(syscall.EMFILE), abi.CodeHostBusy},
		"the worker could not":      {unavailable(nil), abi.CodeHostBusy},
		"no room":                   {unavailable(syscall.ENOSPC), abi.CodeStorageFull},
		"closed":                    {unavailable(compile.ErrClosed), abi.CodeUnavailable},
		"damaged since it was made": {fmt.Errorf("%w: it is gone", compile.ErrStale), abi.CodeHostBusy},
	} {
		t.Run(name, func(t *testing.T) {
			if got := abi.CodeOf(compileError(tt.err)); got != tt.want {
				t.Errorf("the code is %v, want %v", got, tt.want)
			}
		})
	}
	if got := abi.CodeOf(memoryError(fmt.Errorf("%w: memfd", image.ErrExhausted))); got != abi.CodeHostBusy {
		t.Errorf("without room for a memory the code is %v", got)
	}
}

// A host that cannot run workers for a while is busy, and takes the same module when it can again.
func TestWorkersThatCannotWork(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(c *Config) { c.CompiledDir = "" })
	runs := filepath.Join(dir, "compiled", ".work")
	must(t, os.Rename(runs, runs+".away"))
	_, err := s.Acquire(context.Background(), source(handwritten()))
	if e := abi.AsError(err); err == nil || e.Code != abi.CodeHostBusy || e.Retry == 0 {
		t.Fatalf("without a place to work: %v, want %v and when to try again", err, abi.CodeHostBusy)
	}
	must(t, os.Rename(runs+".away", runs))
	acquire(t, s, handwritten())
}

// All who wait for one preparation are told the same of a start-up that fails.
func TestFailedStartIsShared(t *testing.T) {
	s := open(t, t.TempDir())
	var m wasmtest.Module
	m.Memory = wasmtest.Limits(1)
	m.Start(m.Func(nil, nil, nil, wasmtest.Code{wasmtest.Unreachable}))
	src := source(m.Encode())
	load, held := src.Load, make(chan struct{})
	src.Load = func() ([]byte, error) { <-held; return load() }
	const callers = 4
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { _, errs[i] = s.Acquire(context.Background(), src) })
	}
	poll(t, "all wait", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		v := s.versions[versionKey{src.Class, src.Digest}]
		return v != nil && v.users == callers
	})
	close(held)
	wg.Wait()
	for i, err := range errs {
		var start *StartError
		var trap *TrapError
		if !errors.As(err, &start) || start.Env == nil || !errors.As(err, &trap) {
			t.Errorf("caller %d got %v", i, err)
		}
	}
}

// A preparation that panics leaves nothing that others could be given.
func TestPanicWhilePreparing(t *testing.T) {
	s := open(t, t.TempDir())
	bad := source(handwritten())
	bad.Load = func() ([]byte, error) { panic("no luck") }
	func() {
		defer func() { recover() }()
		s.Acquire(context.Background(), bad)
	}()
	acquire(t, s, handwritten())
}

// A version of a module that is gone leaves the memory with its last user.
func TestDiscard(t *testing.T) {
	s := open(t, t.TempDir())
	src := source(handwritten())
	idle, err := s.Acquire(context.Background(), src)
	must(t, err)
	idle.Release()
	s.Discard("another class", src.Digest)
	if got := s.Stats().Images; got != 1 {
		t.Fatalf("%d images, want that of an idle version", got)
	}
	s.Discard(src.Class, src.Digest)
	if got := s.Stats(); got.Images != 0 || got.Memories != 0 || len(s.idle) != 0 {
		t.Fatalf("after discarding an idle version: %+v, %d idle", got, len(s.idle))
	}
	used, err := s.Acquire(context.Background(), src)
	must(t, err)
	w := newWorld()
	i := newInstance(t, used, w)
	s.Discard(src.Class, src.Digest)
	mustTurn(t, i, w, turn{"work", "work", ""})
	i.Close()
	used.Release()
	if got := s.Stats(); got.Images != 0 || got.Memories != 0 {
		t.Errorf("after the last user of a discarded version: %+v", got)
	}
}

func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
