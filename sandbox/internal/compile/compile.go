// Package compile turns Wasm into native code in a child process that can be killed.
//
// It owns the worker (this executable, entered by [MaybeWorker]), what the worker may use and touch,
// who waits for one, and the files of wazero's compilation cache that come out. It leaves validating
// and rewriting a module to its caller, and running the code to package sandbox.
//
// Why a child: compiling cannot be cancelled, 25 bytes can ask for 300 GB, and 100 KB can compile for
// minutes. A child has limits that the kernel enforces and dies alone.
//
// One invariant: every entry of the cache was compiled by a worker from the very bytes that its name
// is made of, alone in a directory of its own, and was put in place by the host after the worker was
// dead. The steps of one compilation, each after the one before:
//
//  1. the caller waits for its turn: one worker per class, a few overall;
//  2. the host starts a launcher, which starts the worker in namespaces of its own where it may;
//  3. the worker takes on its limits and its jail, and only then reads the module;
//  4. the worker compiles into its own directory and loads the result once, as the host will;
//  5. the worker dies, on its own or by force;
//  6. the host checks what lies in the directory, copies it, syncs it and renames it into the cache;
//  7. the directory goes away, whatever happened.
//
// The worker bounds what compiling may cost and confines a compiler gone wrong. It does not make the
// code that comes out trustworthy: the host runs that code, so a worker that was taken over while it
// compiled a module owns whatever runs that module.
package compile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Config is what a Compiler is made of. Only CacheDir is needed.
type Config struct {
	// CacheDir is the directory that is given to [wazero.NewCompilationCacheWithDir]. It holds native
	// code: nobody but the host may write to it.
	CacheDir string
	// TempDir holds the workers' directories while they run, on the file system of CacheDir. Several
	// hosts may share it. Empty means ".work" in CacheDir.
	TempDir string
	// Options are those that the host's own runtime is made with.
	Options Options
	// WallTime bounds a worker's life. Zero means two minutes: at the priority of workers, a machine whose processors
	// are all taken gives CPUTime in about that. CPUTime is what stops a bomb; what a worker does not get of it is not
	// held against the module.
	WallTime time.Duration
	// CPUTime bounds the processor time of a worker, in whole seconds. Zero means 10 s.
	CPUTime time.Duration
	// LoadTime bounds the processor time of loading the entry, which is what the host will spend on
	// each load. Zero means 1 s.
	LoadTime time.Duration
	// Nice is the priority of workers, from 1 to 19, the lowest. Zero means 19. On a machine whose
	// processors are all taken, a worker at 19 gets two or three percent of one.
	Nice int
	// MemoryBytes bounds the memory of a worker. Zero means 512 MiB.
	MemoryBytes int64
	// EntryBytes bounds the size of an entry. Zero means 256 MiB.
	EntryBytes int64
	// ModuleBytes bounds the size of a module. Zero means 64 MiB.
	ModuleBytes int64
	// MaxConcurrent bounds the workers overall. Zero means one for each processor but one, at least
	// one. A class never has more than one.
	MaxConcurrent int
	// MaxWaiting and MaxWaitingPerClass bound the calls that wait for a worker. Zero means 256 and 16.
	MaxWaiting, MaxWaitingPerClass int
	Logger                         *slog.Logger // nil means slog.Default()

	testMode     string          // what the worker of a test does instead of compiling
	testDeadline <-chan struct{} // a test's end of WallTime, which it cannot choose by the clock
}

func (c *Config) setDefaults() {
	orInt64 := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if c.TempDir == "" {
		c.TempDir = filepath.Join(c.CacheDir, ".work")
	}
	slow := int64(1)
	if raceEnabled {
		slow = 8
	}
	orInt64((*int64)(&c.WallTime), slow*int64(2*time.Minute))
	orInt64((*int64)(&c.CPUTime), slow*int64(10*time.Second))
	orInt64((*int64)(&c.LoadTime), slow*int64(time.Second))
	orInt64(&c.MemoryBytes, 512<<20)
	orInt64(&c.EntryBytes, 256<<20)
	orInt64(&c.ModuleBytes, 64<<20)
	orInt(&c.MaxConcurrent, max(1, runtime.NumCPU()-1))
	orInt(&c.Nice, 19)
	orInt(&c.MaxWaiting, 256)
	orInt(&c.MaxWaitingPerClass, 16)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Options.setDefaults()
}

// minMemory is what a worker needs to start and to compile anything.
const minMemory = 64 << 20

func (c *Config) validate() error {
	switch {
	case c.CacheDir == "":
		return errors.New("compile: no cache directory")
	case c.MemoryBytes < minMemory:
		return fmt.Errorf("compile: %d bytes of memory are too few, a worker needs %d", c.MemoryBytes, minMemory)
	case c.CPUTime < time.Second, c.CPUTime%time.Second != 0:
		return fmt.Errorf("compile: a processor time of %v is not a number of seconds", c.CPUTime)
	case c.Nice < 1 || c.Nice > 19:
		return fmt.Errorf("compile: nice %d is not between 1 and 19", c.Nice)
	}
	return nil
}

// Compiler runs workers and owns the entries of a cache directory. Safe for concurrent use.
type Compiler struct {
	cfg         Config
	names       naming
	protections Protections
	netNS       string // the host's network namespace, for the worker to compare
	lock        *os.File
	gate        *gate
	verified    verifier
	runs        runs

	ctx    context.Context // ends when the Compiler is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // one for each run

	mu      sync.Mutex // guards flights and closed
	flights map[string]*flight
	closed  bool
}

// Open prepares the directories, removes what a crashed host left behind, and runs one worker on a
// module of a few bytes, to see that it works and what protects the host from it. That is logged once.
// Open fails in a process whose main function does not call [MaybeWorker]: its worker would be a second
// host.
func Open(ctx context.Context, cfg Config) (*Compiler, error) {
	if !workerReady.Load() {
		return nil, errors.New("compile: main must call compile.MaybeWorker before anything else")
	}
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Compiler{
		cfg:     cfg,
		netNS:   networkNamespace(),
		gate:    newGate(cfg.MaxConcurrent, cfg.MaxWaiting, cfg.MaxWaitingPerClass),
		flights: map[string]*flight{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	err := c.prepareDirs()
	if err == nil {
		err = c.probe(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "compile worker ready", slog.Any("protections", c.protections))
	return c, nil
}

// Protections returns what protects the host from its workers here.
func (c *Compiler) Protections() Protections { return c.protections }

// Compile returns the entry of a module that was validated and rewritten: the one in the cache if it is
// there and intact, else a worker makes it, and the entry is on disk. Calls with equal bytes at the same
// time share one worker. It returns
//
//	*Error            the module was refused, went over a limit or broke the worker; see Kind
//	the cause of ctx  if ctx ended first; a worker that no other call waits for is killed
//
// class is whom the work is done for: a class has one worker at a time, and a free worker goes to the
// classes in turn. wasm must not change afterwards: a shared run may go on after this call.
func (c *Compiler) Compile(ctx context.Context, class string, wasm []byte) (Entry, error) {
	if int64(len(wasm)) > c.cfg.ModuleBytes {
		return Entry{}, &Error{Kind: KindSize, Detail: fmt.Sprintf("the module has %d bytes, more than %d", len(wasm), c.cfg.ModuleBytes)}
	}
	name := c.names.of(wasm)
	if e, err := c.find(name); err == nil {
		return e, nil
	}
	f, err := c.join(name)
	if err != nil {
		return Entry{}, err
	}
	defer c.leave(f)
	t, err := c.gate.ask(class)
	if err != nil {
		return Entry{}, err
	}
	select {
	case <-t.ready:
		c.start(f, t, wasm)
	case <-f.done:
		c.gate.leave(t)
	case <-ctx.Done():
		c.gate.leave(t)
	}
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		return Entry{}, context.Cause(ctx)
	}
}

// Close kills the workers that run, waits for them and frees the directories. The entries stay.
func (c *Compiler) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	if c.lock != nil {
		c.lock.Close() // idempotent but for an error that says nothing
	}
	return nil
}
