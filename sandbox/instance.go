package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Env is the world of an instance: what WASI's clock, randomness and output come from. It is
// called on the goroutine that runs the guest.
type Env interface {
	// Now is the wall clock. It must not go back.
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
	mod     api.Module
	entries map[string]api.Function // looked up once: a lookup allocates a call engine
}

// initializers are the exports that set a module up, in the order in which one is chosen.
var initializers = []string{"_initialize", "hs_init", "__wasm_call_ctors"}

// NewInstance makes an instance and runs its start-up code under ctx. A start-up that fails is
// the error of Instance.Call.
func (v *Version) NewInstance(ctx context.Context, env Env) (*Instance, error) {
	mod, err := v.s.runtime.InstantiateModule(ctx, v.code, moduleConfig(env))
	if err != nil {
		return nil, callError(ctx, err)
	}
	i := &Instance{mod: mod, entries: map[string]api.Function{}}
	for _, name := range initializers {
		d, ok := v.code.ExportedFunctions()[name]
		if !ok || len(d.ParamTypes()) != 0 {
			continue
		}
		if _, err := mod.ExportedFunction(name).Call(ctx); err != nil {
			i.Close()
			return nil, callError(ctx, err)
		}
		break
	}
	return i, nil
}

// moduleConfig replaces every default of wazero that is a fake (clock, randomness, sleep).
func moduleConfig(env Env) wazero.ModuleConfig {
	now := func() (int64, int32) {
		t := env.Now()
		return t.Unix(), int32(t.Nanosecond())
	}
	return wazero.NewModuleConfig().
		WithName(""). // or two instances would collide
		WithStartFunctions().
		WithWalltime(now, 1).
		WithNanotime(func() int64 { return env.Now().UnixNano() }, 1).
		WithNanosleep(func(ns int64) { env.Sleep(time.Duration(ns)) }).
		WithRandSource(randomReader{env}).
		WithStdout(outputWriter{env, 1}).
		WithStderr(outputWriter{env, 2})
}

type randomReader struct{ env Env }

func (r randomReader) Read(p []byte) (int, error) { r.env.Random(p); return len(p), nil }

type outputWriter struct {
	env    Env
	stream int
}

var _ io.Writer = outputWriter{}

func (w outputWriter) Write(p []byte) (int, error) { w.env.Output(w.stream, p); return len(p), nil }

// Call runs the exported function name of type () -> i32 to its end and returns its result. The
// instance can be used again only after a nil error. Errors:
//
//	*LimitError  ctx ended first
//	*TrapError   the guest trapped or exited
//	other        what a host function panicked with, or our own fault
func (i *Instance) Call(ctx context.Context, name string) (int32, error) {
	f := i.entries[name]
	if f == nil {
		if f = i.mod.ExportedFunction(name); f == nil {
			return 0, &TrapError{Kind: "no such export", Text: name}
		}
		i.entries[name] = f
	}
	var stack [1]uint64
	if err := f.CallWithStack(ctx, stack[:]); err != nil {
		return 0, callError(ctx, err)
	}
	return int32(uint32(stack[0])), nil
}

// Close frees the instance.
func (i *Instance) Close() { i.mod.Close(context.Background()) }

// TrapError reports that the guest failed in a way that ends its instance.
type TrapError struct {
	Kind string // such as "unreachable" or "exit"
	Text string // the engine's text with the guest's backtrace; for the log
}

func (e *TrapError) Error() string { return "sandbox: trap: " + e.Kind + ": " + e.Text }

// Code says that the guest is at fault.
func (e *TrapError) Code() abi.Code { return abi.CodeActorTrapped }

// LimitError reports that the guest was stopped because its time was up.
type LimitError struct {
	Text string
}

func (e *LimitError) Error() string { return "sandbox: limit: " + e.Text }

// Code says that the turn's time was up.
func (e *LimitError) Code() abi.Code { return abi.CodeActionTimedOut }

// callError sorts out what wazero gives back.
func callError(ctx context.Context, err error) error {
	var exit *sys.ExitError
	text := err.Error()
	switch {
	case errors.As(err, &exit) && (exit.ExitCode() == sys.ExitCodeContextCanceled || exit.ExitCode() == sys.ExitCodeDeadlineExceeded):
		return &LimitError{Text: "the turn ran out of time"}
	case errors.As(err, &exit):
		return &TrapError{Kind: "exit", Text: fmt.Sprintf("the guest called exit(%d)", exit.ExitCode())}
	case strings.HasPrefix(text, "wasm error: "):
		return &TrapError{Kind: trapKind(text), Text: text}
	case ctx.Err() != nil:
		return &LimitError{Text: text}
	}
	return fmt.Errorf("sandbox: %w", err)
}

// trapKind returns the first line of a trap's text without its prefix.
func trapKind(text string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(text, "wasm error: "), "\n")
	return kind
}
