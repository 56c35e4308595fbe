// Package sandbox runs Wasm that nobody has read.
//
// It owns the engine (wazero), the way of a module from bytes to a Version, and the instances of a
// version: their memory, time, randomness and output. It knows no actor and no host function: those
// come in through Config. Uploads take the steps check, compile, link; rewriting, images and shells
// have their places between compile and Instance.
//
// Its one invariant: guest code runs only inside Instance.Call or NewInstance, on the goroutine of
// the caller, and ends when the context of that call ends.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/tenants"
)

// Config is what a Sandbox is made of.
type Config struct {
	// CacheDir keeps compiled code between runs. It holds native code: only the host may write to
	// it. Empty means no cache on disk.
	CacheDir string
	// Modules are the host modules that guests may import, besides WASI preview 1.
	Modules []HostModule
	// MemoryPages bounds an instance's linear memory, in Wasm pages of 64 KiB. Zero means 1,024.
	MemoryPages uint32
	// CompileTime bounds one compilation. Zero means 60 s.
	CompileTime time.Duration
	// IdleVersions is how many compiled versions without instances are kept. Zero means 32.
	IdleVersions int
	Logger       *slog.Logger // nil means slog.Default()
}

func (c *Config) setDefaults() {
	if c.MemoryPages == 0 {
		c.MemoryPages = 1024
	}
	if c.CompileTime == 0 {
		c.CompileTime = time.Minute
	}
	if c.IdleVersions == 0 {
		c.IdleVersions = 32
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
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

// Sandbox compiles modules and keeps the compiled versions. Safe for concurrent use.
type Sandbox struct {
	cfg     Config
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	imports importTable

	compiling chan struct{} // holds one value while a compilation runs

	mu       sync.Mutex // guards versions, idle and closed
	versions map[tenants.Digest]*Version
	idle     []*Version // without users, least recently used first
	closed   bool
}

// Open starts an engine.
func Open(ctx context.Context, cfg Config) (*Sandbox, error) {
	cfg.setDefaults()
	s := &Sandbox{cfg: cfg, versions: map[tenants.Digest]*Version{}, compiling: make(chan struct{}, 1)}
	rc := wazero.NewRuntimeConfig().
		WithMemoryLimitPages(cfg.MemoryPages).
		WithDebugInfoEnabled(false). // names in backtraces come from the name section
		WithCloseOnContextDone(true)
	if cfg.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cfg.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("sandbox: compilation cache: %w", err)
		}
		s.cache = cache
		rc = rc.WithCompilationCache(cache)
	}
	s.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if err := s.link(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// link makes the host modules.
func (s *Sandbox) link(ctx context.Context) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, s.runtime); err != nil {
		return fmt.Errorf("sandbox: link wasi: %w", err)
	}
	s.imports = importTable{}
	s.imports.addModule(s.runtime.Module(wasi_snapshot_preview1.ModuleName))
	for _, m := range s.cfg.Modules {
		b := s.runtime.NewHostModuleBuilder(m.Name)
		for _, f := range m.Funcs {
			b.NewFunctionBuilder().WithGoModuleFunction(f.Call, f.Params, f.Results).Export(f.Name)
		}
		mod, err := b.Instantiate(ctx)
		if err != nil {
			return fmt.Errorf("sandbox: link %s: %w", m.Name, err)
		}
		s.imports.addModule(mod)
	}
	return nil
}

// Close frees the engine. No instance may be running.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := s.runtime.Close(context.Background())
	if s.cache != nil {
		err = errors.Join(err, s.cache.Close(context.Background()))
	}
	return err
}
