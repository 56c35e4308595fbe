package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/meter"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
	"github.com/vivarium-run/vivarium/tenants"
)

// Source is where a version comes from.
type Source struct {
	// Class is the namespace: who waits for compile workers and run slots, and whose image it is.
	Class  string
	Digest tenants.Digest
	// Load returns the module's bytes.
	Load func() ([]byte, error)
	// Start returns the context and the world of a start-up run, which belongs to no actor.
	Start func(ctx context.Context) (context.Context, Env)
}

// Version is a module that is ready to run. Each Acquire is paired with a Release.
type Version struct {
	s     *Sandbox
	key   versionKey
	users int // guarded by s.mu

	once    sync.Once
	err     error // of the preparation
	facts   *validate.Facts
	layout  *meter.Layout
	globals []string // exports of layout.Globals
	code    wazero.CompiledModule
	image   *image.Image // nil if the module cannot have one
	start   []string     // exports that an instance without an image runs first
	gas     int64        // that the start-up took

	mu     sync.Mutex  // guards shells
	shells []*Instance // reset and without an actor
}

// Acquire returns the version of a module, prepared if no one uses it yet. A refused module is an
// *abi.Error; a start-up that fails is a *StartError.
func (s *Sandbox) Acquire(ctx context.Context, src Source) (*Version, error) {
	v, err := s.take(versionKey{src.Class, src.Digest})
	if err != nil {
		return nil, err
	}
	// Others may wait for this preparation, so it does not end with the first client.
	v.once.Do(func() {
		v.err = errHalfMade // stays after a panic, so that nobody is given what there is by then
		defer func() {
			if v.err == errHalfMade {
				s.forget(v)
			}
		}()
		v.err = v.prepare(context.WithoutCancel(ctx), src)
	})
	if v.err != nil {
		s.forget(v)
		return nil, v.err
	}
	return v, nil
}

var errHalfMade = errors.New("sandbox: the preparation panicked")

// take returns the version of a key, made if there is none, with one more user.
func (s *Sandbox) take(key versionKey) (*Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, abi.Errorf(abi.CodeUnavailable, "the sandbox is closed")
	}
	v := s.versions[key]
	if v == nil {
		v = &Version{s: s, key: key}
		s.versions[key] = v
	}
	if v.users == 0 {
		s.idle = slices.DeleteFunc(s.idle, func(i *Version) bool { return i == v })
	}
	v.users++
	return v, nil
}

// forget drops a version that could not be prepared, so that the next Acquire tries again.
func (s *Sandbox) forget(v *Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.versions[v.key] == v {
		delete(s.versions, v.key)
	}
}

// Release ends one use of v. Versions without users are kept up to Config.IdleVersions, each with one
// shell for the next to come.
func (v *Version) Release() {
	s := v.s
	s.mu.Lock()
	var drop *Version
	unused := false
	switch v.users--; {
	case v.users > 0:
	case s.versions[v.key] != v: // discarded
		drop = v
	default:
		unused = true
		if s.idle = append(s.idle, v); len(s.idle) > s.cfg.IdleVersions || s.closed {
			drop, s.idle = s.idle[0], s.idle[1:]
			delete(s.versions, drop.key)
		}
	}
	s.mu.Unlock()
	if drop != nil {
		drop.free()
	}
	if unused && drop != v {
		v.trim(1)
	}
}

// trim frees the shells beyond n.
func (v *Version) trim(n int) {
	v.mu.Lock()
	var extra []*Instance
	if len(v.shells) > n {
		extra = slices.Clone(v.shells[n:])
		clear(v.shells[n:])
		v.shells = v.shells[:n]
	}
	v.mu.Unlock()
	for _, i := range extra {
		i.drop()
	}
}

// free gives back what a version without users holds.
func (v *Version) free() {
	v.mu.Lock()
	shells := v.shells
	v.shells = nil
	v.mu.Unlock()
	for _, i := range shells {
		i.drop()
	}
	if v.image != nil {
		v.image.Close()
	}
	if v.code != nil {
		v.code.Close(context.Background())
	}
}

// Report is what is known of a version.
type Report struct {
	Imports     []string // functions that the module can reach, as module.name, sorted
	Entries     []string // exported functions of type () -> i32, sorted
	MemoryBytes uint64   // least linear memory
	ImageBytes  int64    // of the image's pages that are not zero; 0 without an image
	StartGas    int64    // gas of the start-up
	Obstacles   []string // why there is no image
}

// Report returns what is known of v.
func (v *Version) Report() Report {
	r := Report{StartGas: v.gas, Obstacles: v.layout.Obstacles, Imports: []string{}, Entries: []string{}}
	for _, i := range v.facts.Imports {
		if i.Reached {
			r.Imports = append(r.Imports, i.Module+"."+i.Name)
		}
	}
	slices.Sort(r.Imports)
	r.Imports = slices.Compact(r.Imports)
	for _, e := range v.facts.Exports {
		if e.Kind == wasm.ExternFunc && v.facts.FuncType(e.Index).String() == "()->(i32)" {
			r.Entries = append(r.Entries, e.Name)
		}
	}
	slices.Sort(r.Entries)
	if m := v.facts.Memory; m != nil {
		r.MemoryBytes = uint64(m.Min) << 16
	}
	if v.image != nil {
		r.ImageBytes = v.image.StoredBytes()
	}
	return r
}

// Has reports whether the module exports a function of type () -> i32 with this name.
func (v *Version) Has(entry string) bool {
	for _, e := range v.facts.Exports {
		if e.Name == entry && e.Kind == wasm.ExternFunc {
			return v.facts.FuncType(e.Index).String() == "()->(i32)"
		}
	}
	return false
}
