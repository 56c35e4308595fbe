// Package sandbox runs Wasm that nobody has read.
//
// It owns the way of a module from bytes to a Version (check, meter, compile in a child process,
// start once, keep as an image) and the instances of a version: their memory, gas, stack, time,
// randomness and output. It knows no actor and no host function: those come in through Config and
// Source.
//
// Its one invariant: no byte of an upload reaches the engine before it was checked here, and no
// guest code runs but inside Instance.Call or a start-up, on the goroutine of the caller, with gas
// that ends.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/deltacache"
	"github.com/vivarium-run/vivarium/sandbox/internal/slots"
	"github.com/vivarium-run/vivarium/tenants"
)

// MaybeWorker does the work of a compile worker and exits, if this process was started as one. It
// must be the first statement of main, and of TestMain in packages whose tests compile guests.
func MaybeWorker() { compile.MaybeWorker() }

// Config is what a Sandbox is made of. Only Dir is needed.
type Config struct {
	// Dir keeps compiled code, images and sleeping memories. It holds native code: only the host may
	// write to it. All of it may be deleted while no host runs; it is then made again.
	Dir string
	// CompiledDir keeps compiled code, if that is to be shared by several sandboxes, as tests do.
	// Empty means a folder in Dir.
	CompiledDir string
	// Modules are the host modules that guests may import, besides WASI preview 1.
	Modules []HostModule
	// MemoryPages bounds an instance's linear memory, in Wasm pages of 64 KiB. Zero means 1,024.
	MemoryPages uint32
	// Gas bounds one call of a guest. Zero means 5,000,000,000. If it is at most 20,000,000, guests run
	// to its end without a question in between, in code that is faster.
	Gas int64
	// Quantum is the gas after which a guest asks the host whether it may go on. Zero means 1,000,000,
	// a fraction of a millisecond.
	Quantum int64
	// StackBytes bounds the frames of a call, as they are estimated. Zero means 8 MiB.
	StackBytes int64
	// Slots is how many guests run at one time. Zero means one for each processor.
	Slots int
	// Blocked is how many guests of one class may wait at one time, for another actor for instance. Zero means
	// 187, a quarter of what a namespace may have of 1,000 instances.
	Blocked int
	// KeepGas is what a memory must have cost to be kept while its actor sleeps, in gas, see [Instance.Sleep]. Zero means 1,000,000.
	KeepGas int64
	// IdleVersions is how many versions without instances are kept in memory. Zero means 32.
	IdleVersions int
	// IdleShells is how many instances without an actor a version keeps for the next. Zero means 16.
	IdleShells int
	// Budget returns what a class may compute over time, nil for no bounds. Nil means that none has.
	Budget func(class string) Budget
	// Weight returns the share that a class has of the processors while others wait, at least 1. Nil means 1 for each.
	Weight func(class string) int
	Logger *slog.Logger // nil means slog.Default()
}

func (c *Config) setDefaults() {
	orElse(&c.MemoryPages, 1024)
	orElse(&c.Gas, abi.MaxGas)
	orElse(&c.Quantum, 1_000_000)
	orElse(&c.StackBytes, abi.MaxStack)
	orElse(&c.Slots, runtime.GOMAXPROCS(0))
	orElse(&c.Blocked, 187)
	orElse(&c.KeepGas, 1_000_000)
	orElse(&c.IdleVersions, 32)
	orElse(&c.IdleShells, 16)
	if c.CompiledDir == "" {
		c.CompiledDir = filepath.Join(c.Dir, "compiled")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// trapOnlyGas is the most gas, some milliseconds, that a guest may have in one piece: it keeps a processor
// and the garbage collector waiting meanwhile.
const trapOnlyGas = 20_000_000

// trapOnly says in which form guests are metered. See meter.Options.
func (c *Config) trapOnly() bool { return c.Gas <= trapOnlyGas }

func orElse[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// HostModule is one import module.
type HostModule struct {
	Name  string
	Funcs []HostFunc
}

// HostFunc is one function that guests may import. Call gets the context of Instance.Call
// unchanged. It may end the guest by panicking with an error, which Instance.Call then wraps.
type HostFunc struct {
	Name            string
	Params, Results []api.ValueType
	Call            api.GoModuleFunc
}

// Sandbox prepares modules and keeps the versions. Safe for concurrent use.
type Sandbox struct {
	cfg        Config
	sharesCode bool // Config.CompiledDir is others' too
	runtime    wazero.Runtime
	cache      wazero.CompilationCache
	compiler   *compile.Compiler
	arena      *image.Arena
	slots      *slots.Slots
	chores     *slots.Slots // see Chore
	deltas     *deltacache.Cache
	imports    importTable
	running    sync.Map // api.Module to *Instance, for the host functions of the meter

	mu       sync.Mutex // guards the fields below
	versions map[versionKey]*Version
	blocked  map[string]int // guests of each class that wait for something
	idle     []*Version     // without users, least recently used first
	closed   bool
}

// versionKey keeps the versions of two namespaces apart even if their bytes are equal: an image holds
// the randomness of its start-up.
type versionKey struct {
	class  string
	digest tenants.Digest
}

// Open starts an engine.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	if cfg.Dir == "" {
		return nil, errors.New("sandbox: Config.Dir is empty")
	}
	shared := cfg.CompiledDir != ""
	cfg.setDefaults()
	s := &Sandbox{
		cfg: cfg, sharesCode: shared, versions: map[versionKey]*Version{}, blocked: map[string]int{},
		arena: image.NewArena(image.Config{MaxWasmPages: cfg.MemoryPages}),
		slots: slots.New(cfg.Slots, cfg.Weight), chores: slots.New(1, nil),
	}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context) (err error) {
	options := compile.Options{MemoryPages: s.cfg.MemoryPages}
	if s.compiler, err = compile.Open(ctx, compile.Config{CacheDir: s.cfg.CompiledDir, Options: options, Nice: compileNice, Logger: s.cfg.Logger}); err != nil {
		return err
	}
	if s.cache, err = wazero.NewCompilationCacheWithDir(s.cfg.CompiledDir); err != nil {
		return err
	}
	if s.deltas, err = deltacache.Open(deltacache.Config{Dir: filepath.Join(s.cfg.Dir, "sleeping"), Logger: s.cfg.Logger}); err != nil {
		return err
	}
	s.runtime = wazero.NewRuntimeWithConfig(ctx, compile.RuntimeConfig(options).WithCompilationCache(s.cache))
	return s.link(ctx)
}

// link makes the host modules.
func (s *Sandbox) link(ctx context.Context) error {
	s.imports = importTable{}
	for _, m := range append([]HostModule{s.wasiModule()}, s.cfg.Modules...) {
		mod, err := s.linkModule(ctx, m)
		if err != nil {
			return err
		}
		s.imports.addModule(mod)
	}
	_, err := s.linkModule(ctx, s.meterModule()) // not for guests to name
	return err
}

func (s *Sandbox) linkModule(ctx context.Context, m HostModule) (api.Module, error) {
	b := s.runtime.NewHostModuleBuilder(m.Name)
	for _, f := range m.Funcs {
		b.NewFunctionBuilder().WithGoModuleFunction(f.Call, f.Params, f.Results).Export(f.Name)
	}
	mod, err := b.Instantiate(ctx)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", m.Name, err)
	}
	return mod, nil
}

// Close ends the workers and frees the engine. No instance may be running.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	closed, idle := s.closed, s.idle
	s.closed, s.idle = true, nil
	s.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	for _, v := range idle {
		v.free()
	}
	if s.compiler != nil {
		errs = append(errs, s.compiler.Close())
	}
	if s.deltas != nil {
		errs = append(errs, s.deltas.Close())
	}
	ctx := context.Background()
	if s.runtime != nil {
		errs = append(errs, s.runtime.Close(ctx))
	}
	if s.cache != nil {
		errs = append(errs, s.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// compileNice is the priority of compile workers: a tenth of a processor that others want too. At the
// lowest, 19, a busy machine gives them so little that an upload does not end.
const compileNice = 10

// startTime bounds the start-up of a module, besides its gas.
const startTime = 10 * time.Second
