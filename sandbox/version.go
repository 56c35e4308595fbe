package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Version is a compiled module. Each Acquire is paired with a Release.
type Version struct {
	s       *Sandbox
	digest  tenants.Digest
	users   int // guarded by s.mu
	once    sync.Once
	err     error // of the compilation
	code    wazero.CompiledModule
	imports []string
}

// Acquire returns the compiled version of a module, compiling it if no one uses it yet. load is
// called for its bytes only then. A refused module is an *abi.Error.
func (s *Sandbox) Acquire(ctx context.Context, d tenants.Digest, load func() ([]byte, error)) (*Version, error) {
	v, err := s.take(d)
	if err != nil {
		return nil, err
	}
	v.once.Do(func() { v.err = v.compile(ctx, load) })
	if v.err != nil {
		s.forget(v)
		return nil, v.err
	}
	return v, nil
}

// take returns the version of d, made if there is none, with one more user.
func (s *Sandbox) take(d tenants.Digest) (*Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, abi.Errorf(abi.CodeUnavailable, "the sandbox is closed")
	}
	v := s.versions[d]
	if v == nil {
		v = &Version{s: s, digest: d}
		s.versions[d] = v
	}
	if v.users == 0 {
		s.idle = slices.DeleteFunc(s.idle, func(i *Version) bool { return i == v })
	}
	v.users++
	return v, nil
}

// forget drops a version that failed to compile, so that the next Acquire tries again.
func (s *Sandbox) forget(v *Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.versions[v.digest] == v {
		delete(s.versions, v.digest)
	}
}

// Release ends one use of v. Compiled code without users is kept up to Config.IdleVersions.
func (v *Version) Release() {
	s := v.s
	s.mu.Lock()
	var drop *Version
	if v.users--; v.users == 0 && s.versions[v.digest] == v {
		s.idle = append(s.idle, v)
		if len(s.idle) > s.cfg.IdleVersions {
			drop, s.idle = s.idle[0], s.idle[1:]
			delete(s.versions, drop.digest)
		}
	}
	closed := s.closed
	s.mu.Unlock()
	if drop != nil && !closed {
		drop.code.Close(context.Background())
	}
}

func (v *Version) compile(ctx context.Context, load func() ([]byte, error)) error {
	s := v.s
	select {
	case s.compiling <- struct{}{}:
		defer func() { <-s.compiling }()
	case <-ctx.Done():
		return abi.Wrap(abi.CodeActionTimedOut, context.Cause(ctx))
	}
	wasm, err := load()
	if err != nil {
		return err
	}
	if err := check(wasm); err != nil {
		return err
	}
	// A client that goes away must not fail the compilation for others who wait for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CompileTime)
	defer cancel()
	code, err := s.runtime.CompileModule(ctx, wasm)
	if err != nil {
		if ctx.Err() != nil {
			return abi.Errorf(abi.CodeModuleLimit, "the module takes longer than %v to compile", s.cfg.CompileTime)
		}
		return abi.Errorf(abi.CodeModuleMalformed, "the module is not valid: %s", cut(err.Error(), 500))
	}
	if v.imports, err = s.imports.resolve(code); err != nil {
		code.Close(ctx)
		return err
	}
	v.code = code
	return nil
}

// Imports returns the functions that the module imports, as "module.name", sorted.
func (v *Version) Imports() []string { return v.imports }

// Entries returns the names of the exported functions of type () -> i32, sorted.
func (v *Version) Entries() []string {
	var names []string
	for name, d := range v.code.ExportedFunctions() {
		if signature(d) == "()->(i32)" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// MemoryBytes returns the least linear memory that the module asks for.
func (v *Version) MemoryBytes() uint64 {
	for _, m := range v.code.ExportedMemories() {
		return uint64(m.Min()) << 16
	}
	return 0
}

// cut returns at most n bytes of s, on one line.
func cut(s string, n int) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if len(s) > n {
		return fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(s[:n], ""), len(s)-n)
	}
	return s
}
