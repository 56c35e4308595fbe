package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/meter"
)

// Env is the world of an instance: what WASI's clock, randomness and output come from. It is
// called on the goroutine that runs the guest.
type Env interface {
	// Now is the wall clock. It must not go back, not even for another actor of the process.
	Now() time.Time
	// Sleep waits for d or until the turn's deadline.
	Sleep(d time.Duration)
	// Random fills p.
	Random(p []byte)
	// Output takes what the guest wrote to stream 1 (stdout) or 2 (stderr).
	Output(stream int, p []byte)
}

// Instance is one live instantiation of a version. It belongs to one goroutine, which alone may
// call it and close it.
type Instance struct {
	v       *Version
	env     Env
	mod     api.Module
	mem     *image.Memory
	globals image.Globals
	gas     api.MutableGlobal       // i64, counts down
	stack   api.MutableGlobal       // i32, bytes that are left
	entries map[string]api.Function // looked up once: a lookup allocates a call engine
	limit   int64                   // gas of a call; zero means what every call has
	purse   Budget                  // of the class; nil if it has no bounds
	broken  bool                    // a call failed, so it serves nobody any more
	worth   int64                   // gas of all calls since the memory was the image's
	woken   bool                    // it began with what was kept of a memory
	wanted  func() bool             // see Ask

	run           // the call that runs
	wasi wasiCall // the WASI function that it is in
}

// NewInstance makes an instance as start-up leaves it: from the image if there is one, else by
// running the start-up under ctx. A start-up that fails is the error of Call.
func (v *Version) NewInstance(ctx context.Context, env Env) (*Instance, error) {
	if i := v.takeShell(); i != nil {
		i.env, i.purse, i.used, i.worth, i.woken = env, v.budget(), 0, 0, false
		return i, nil
	}
	i := &Instance{v: v, env: env, purse: v.budget(), entries: map[string]api.Function{}}
	if err := v.inSlot(ctx, func() error { return i.instantiate(ctx) }); err != nil {
		return nil, err
	}
	if v.image != nil {
		return i, nil
	}
	used := int64(0)
	for _, name := range v.start {
		_, err := i.call(ctx, name)
		if used += i.used; err != nil {
			i.drop()
			return nil, err
		}
	}
	i.used = used
	return i, nil
}

// budget returns what the version's class may compute, nil if that has no bounds.
func (v *Version) budget() Budget {
	if v.s.cfg.Budget == nil {
		return nil
	}
	return v.s.cfg.Budget(v.key.class)
}

// MemoryBytes returns the size of the memory that an instance begins with.
func (v *Version) MemoryBytes() int64 {
	switch m := v.facts.Memory; {
	case v.image != nil:
		return int64(v.image.WasmPages()) * image.WasmPageSize
	case m != nil:
		return int64(m.Min) * image.WasmPageSize
	}
	return 0
}

// instantiate makes the module instance on a memory of ours.
func (i *Instance) instantiate(ctx context.Context) (err error) {
	v := i.v
	if i.mem, err = v.newMemory(); errors.Is(err, image.ErrExhausted) {
		v.s.dropShells() // they wait for nobody in particular
		i.mem, err = v.newMemory()
	}
	if err != nil {
		return memoryError(err)
	}
	i.mod, err = i.mem.Instantiate(ctx, func(ctx context.Context) (api.Module, error) {
		return v.s.runtime.InstantiateModule(ctx, v.code, moduleConfig())
	})
	if err != nil {
		// Element segments that do not fit their table, and the like: what an instance begins with.
		return &TrapError{Kind: "instantiation", Text: err.Error()}
	}
	if i.globals, err = image.BindGlobals(i.mod, v.globals); err != nil {
		i.drop()
		return fmt.Errorf("sandbox: %w", err)
	}
	i.gas, _ = i.mod.ExportedGlobal(meter.GasExport).(api.MutableGlobal)
	i.stack, _ = i.mod.ExportedGlobal(meter.StackExport).(api.MutableGlobal)
	if i.gas == nil || i.stack == nil {
		i.drop()
		return errors.New("sandbox: a rewritten module has no meter")
	}
	v.s.running.Store(i.mod, i)
	return nil
}

// memoryError translates an error of package image: without room the host is busy, not broken.
func memoryError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, image.ErrExhausted):
		return &abi.Error{Code: abi.CodeHostBusy, Retry: time.Second, Cause: err}
	}
	return fmt.Errorf("sandbox: %w", err)
}

func (v *Version) newMemory() (*image.Memory, error) {
	if v.image != nil {
		return v.image.NewMemory()
	}
	return v.s.arena.Bare(v.layout.MemoryPages)
}

// moduleConfig leaves out all that wazero would give a module: its WASI is ours.
func moduleConfig() wazero.ModuleConfig {
	return wazero.NewModuleConfig().
		WithName("").               // or two instances would collide
		WithRandSource(noRandom{}). // or each instance would have a generator of 5 KiB
		WithStartFunctions()
}

// noRandom is read by nobody.
type noRandom struct{}

func (noRandom) Read([]byte) (int, error) {
	return 0, errors.New("sandbox: no randomness but that of the actor")
}

// Call runs the exported function name of type () -> i32 to its end and returns its result. The
// instance can be used again only while it is Whole. Errors:
//
//	*abi.Error   the class has used up its budget
//	*LimitError  gas, time or stack ended first
//	*TrapError   the guest trapped or exited
//	ErrNotRun    it did not begin; the instance can be used again
//	other        what a host function panicked with, or our own fault
func (i *Instance) Call(ctx context.Context, name string) (int32, error) {
	stack, err := i.call(ctx, name)
	return int32(uint32(stack)), err
}

func (i *Instance) call(ctx context.Context, name string) (result uint64, err error) {
	f := i.entries[name]
	if f == nil {
		if f = i.mod.ExportedFunction(name); f == nil {
			return 0, &TrapError{Kind: "no such export", Text: name}
		}
		i.entries[name] = f
	}
	if err := i.begin(ctx); err != nil {
		return 0, err
	}
	defer i.end()
	var stack [1]uint64
	if err := f.CallWithStack(ctx, stack[:]); err != nil {
		i.broken = true
		return 0, i.callError(err)
	}
	return stack[0], nil
}

// CalmDown gives back what the next call makes again: the stacks that the engine keeps.
func (i *Instance) CalmDown() { clear(i.entries) }

// Whole reports whether no call has failed that had begun, so that the instance can go on.
func (i *Instance) Whole() bool { return !i.broken }

// Close gives the instance back. One that is whole is reset and waits for the next actor of the
// version; any other is freed.
func (i *Instance) Close() {
	i.env, i.limit, i.wanted = nil, 0, nil
	i.mem.Limit(0)
	i.mem.Gate(nil)
	if i.broken || i.v.image == nil || !i.v.keepShell(i) {
		i.drop()
	}
}

// drop frees the instance.
func (i *Instance) drop() {
	if i.mod != nil {
		i.v.s.running.Delete(i.mod)
		i.mod.Close(context.Background())
	}
	if i.mem != nil {
		i.mem.Close() // a module without a memory leaves it to us
	}
}

// takeShell returns an instance that waits for an actor, or nil.
func (v *Version) takeShell() *Instance {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.shells)
	if n == 0 {
		return nil
	}
	i := v.shells[n-1]
	v.shells[n-1] = nil
	v.shells = v.shells[:n-1]
	return i
}

// keepShell resets an instance and keeps it, if there is room. A memory that has grown cannot shrink
// again, so the next actor would see another size.
func (v *Version) keepShell(i *Instance) bool {
	v.mu.Lock()
	full := len(v.shells) >= v.s.cfg.IdleShells
	v.mu.Unlock()
	if full || i.mem.Grown() || i.mem.Reset() != nil || i.globals.Set(v.image.Globals()) != nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shells = append(v.shells, i)
	return true
}

// dropShells frees the instances that wait for an actor, of all versions.
func (s *Sandbox) dropShells() {
	for _, v := range s.all() {
		for i := v.takeShell(); i != nil; i = v.takeShell() {
			i.drop()
		}
	}
}

// TrapError reports that the guest failed in a way that ends its instance.
type TrapError struct {
	Kind string // such as "unreachable" or "exit"
	Text string // the engine's text with the guest's backtrace; for the log
}

func (e *TrapError) Error() string { return "sandbox: trap: " + e.Kind + ": " + e.Text }

// Code says that the guest is at fault.
func (e *TrapError) Code() abi.Code { return abi.CodeActorTrapped }

// LimitError reports that the guest was stopped because it had used up what a call may.
type LimitError struct {
	Gas  bool  // else it was time
	Used int64 // gas of the call until then
	Text string
}

func (e *LimitError) Error() string { return "sandbox: limit: " + e.Text }

// Code says which limit it was.
func (e *LimitError) Code() abi.Code {
	if e.Gas {
		return abi.CodeGasExhausted
	}
	return abi.CodeActionTimedOut
}

// callError sorts out what wazero gives back.
func (i *Instance) callError(err error) error {
	var exit *sys.ExitError
	var limit *LimitError
	text := err.Error()
	switch {
	case errors.As(err, &limit):
		own := *limit // which others return at the same moment
		own.Used = i.v.s.cfg.Gas - i.budget - int64(i.gas.Get())
		return &own
	case errors.As(err, &exit):
		return &TrapError{Kind: "exit", Text: fmt.Sprintf("the guest called exit(%d)", exit.ExitCode())}
	case i.spent() && strings.HasPrefix(text, "wasm error: unreachable"):
		return errNoGas // by trap in code that does not ask, or just before it would have asked
	case int32(uint32(i.stack.Get())) < 0 && strings.HasPrefix(text, "wasm error: unreachable"):
		return &TrapError{Kind: "stack overflow", Text: text}
	case strings.HasPrefix(text, "wasm error: "):
		return &TrapError{Kind: trapKind(text), Text: text}
	}
	return fmt.Errorf("sandbox: %w", err)
}

// trapKind returns the first line of a trap's text without its prefix.
func trapKind(text string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(text, "wasm error: "), "\n")
	return kind
}
