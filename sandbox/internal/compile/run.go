package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// signalExit is added to the number of a signal to make an exit code, as a shell does.
const signalExit = 128

const (
	maxOutput  = 16 << 10 // bytes of a result
	maxStderr  = 16 << 10 // bytes kept of what a worker prints
	killGrace  = 500 * time.Millisecond
	pipesGrace = time.Second
	starved    = 8 // a worker that got less than 1/8 of a processor was not slow, the machine was
)

var (
	errDeadline = errors.New("worker reached its deadline")
	errOutput   = errors.New("worker wrote too much")
)

// probeModule is a module with one empty function.
var probeModule = []byte("\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x0a\x04\x01\x02\x00\x0b")

// probe runs a worker once and learns from it how entries are named and what protects the host.
func (c *Compiler) probe(ctx context.Context) error {
	dir, err := c.newRunDir()
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	defer os.RemoveAll(dir)
	empty, err := os.MkdirTemp(dir, "empty-*")
	if err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	if c.names.dir, err = cacheDirName(empty); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	c.names.ensure = c.cfg.Options.CloseOnContextDone
	box := filepath.Join(dir, boxName)
	r, err := c.runWorker(ctx, box, c.job(stageLaunch, true), probeModule)
	if err != nil {
		return err
	}
	if r.Kind != "" || r.Protections == nil {
		return &Error{Kind: KindUnavailable, Detail: "the first worker failed", Err: fmt.Errorf("%s: %s", r.Kind, oneLine(r.Detail, maxLog))}
	}
	c.protections = *r.Protections
	key, err := onlyEntry(box, c.names.dir)
	if err == nil {
		err = c.names.learn(probeModule, key)
	}
	if err == nil {
		_, err = c.install(dir, Entry{Name: c.names.dir + "/" + key}) // fails here if TempDir is on another file system
	}
	if err != nil {
		return fmt.Errorf("compile: first worker: %w", err)
	}
	return nil
}

func (c *Compiler) job(stage string, probe bool) job {
	return job{
		Stage: stage, Options: c.cfg.Options, Probe: probe, NetNS: c.netNS,
		Memory: c.cfg.MemoryBytes, CPU: int64(c.cfg.CPUTime / time.Second), Entry: c.cfg.EntryBytes, Module: c.cfg.ModuleBytes,
		Nice: c.cfg.Nice, WallTime: c.cfg.WallTime, LoadTime: c.cfg.LoadTime,
	}
}

// compile runs a worker on a module and installs what it leaves.
func (c *Compiler) compile(ctx context.Context, name string, wasm []byte) (Entry, error) {
	if e, err := c.find(name); err == nil {
		return e, nil // made between this call's first look and its turn
	}
	dir, err := c.newRunDir()
	if err != nil {
		return Entry{}, unavailable("no directory for a worker", err)
	}
	defer os.RemoveAll(dir)
	box := filepath.Join(dir, boxName)
	j := c.job(stageLaunch, false)
	j.Test = c.cfg.testMode
	r, err := c.runWorker(ctx, box, j, wasm)
	switch {
	case err != nil:
		return Entry{}, err
	case r.Kind == KindUnavailable:
		return Entry{}, unavailable("the worker could not write", errors.New(oneLine(r.Detail, maxDetail)))
	case r.Kind != "":
		return Entry{}, workerSays(r)
	}
	e, err := c.takeOver(dir, Entry{Name: name, Code: codeOf(wasm)})
	return e, outputFailure(err)
}

// takeOver installs what a dead worker left, which must be the entry of e's name.
func (c *Compiler) takeOver(runDir string, e Entry) (Entry, error) {
	key, err := onlyEntry(filepath.Join(runDir, boxName), c.names.dir)
	if err != nil {
		return Entry{}, err
	}
	if c.names.dir+"/"+key != e.Name {
		return Entry{}, outputError("the worker left the entry of another module")
	}
	return c.install(runDir, e)
}

// workerSays turns the answer of a worker, which is not trusted, into an error.
func workerSays(r result) *Error {
	switch r.Kind {
	case KindRefused, KindCPU, KindMemory, KindSize, KindLoad, KindCrashed:
		return &Error{Kind: r.Kind, Detail: oneLine(r.Detail, maxDetail)}
	}
	return &Error{Kind: KindOutput, Detail: "the worker answered something unknown"}
}

// outputFailure sorts the errors of taking over what a worker left.
func outputFailure(err error) error {
	var out outputError
	var typed *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typed):
		return typed
	case errors.As(err, &out):
		return &Error{Kind: KindOutput, Detail: string(out)}
	}
	return unavailable("the compiled code could not be stored", err)
}

// runWorker runs one worker to its end and returns its answer. No process of it is left when it
// returns.
func (c *Compiler) runWorker(ctx context.Context, box string, j job, wasm []byte) (result, error) {
	// The kernel kills the worker when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	stdout := &capped{limit: maxOutput, full: func() { stop(errOutput) }}
	stderr := &capped{limit: maxStderr}
	cmd := exec.Command(self)
	cmd.Args = []string{workerName}
	cmd.Env = j.env()
	cmd.Dir = box
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = pipesGrace // in case something has escaped with the pipes
	newGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return result{}, unavailable("no pipe for a worker", err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, unavailable("no worker could be started", err)
	}
	// Ends at the latest when Wait closes the pipe, which stays open so long as a sign of life.
	go writeModule(stdin, wasm)
	err = waitOrKill(ctx, cmd)

	state := cmd.ProcessState
	c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "compile worker ended", slog.String("state", state.String()),
		slog.Int("module_bytes", len(wasm)), slog.Duration("wall", time.Since(began)),
		slog.Duration("cpu", state.UserTime()+state.SystemTime()))
	if state.Success() && !errors.Is(context.Cause(ctx), errOutput) {
		return decodeResult(stdout.bytes()) // in time, whatever ctx says now
	}
	return result{}, c.whyDead(ctx, state, err, stderr.bytes())
}

// deadline bounds a worker's life.
func (c *Compiler) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.cfg.testDeadline == nil {
		return context.WithTimeoutCause(ctx, c.cfg.WallTime, errDeadline)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends with ctx
		select {
		case <-c.cfg.testDeadline:
			cancel(errDeadline)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// waitOrKill returns when the worker is dead and reaped and nothing of its group is alive. It is killed
// when ctx ends: first by its launcher, which can reap it, then by force.
func waitOrKill(ctx context.Context, cmd *exec.Cmd) error {
	dead := make(chan struct{})
	var killing sync.WaitGroup
	killing.Go(func() { // ends when the worker is dead
		select {
		case <-dead:
			return
		case <-ctx.Done():
		}
		askToStop(cmd.Process)
		select {
		case <-dead:
		case <-time.After(killGrace):
			killGroup(cmd.Process)
		}
	})
	reaped, err := awaitExit(cmd)
	close(dead)
	killing.Wait()
	if reaped {
		return err
	}
	killGroup(cmd.Process)
	return cmd.Wait()
}

func decodeResult(out []byte) (result, error) {
	var r result
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, &Error{Kind: KindOutput, Detail: "the worker gave no answer", Log: oneLine(string(out), maxLog)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, &Error{Kind: KindOutput, Detail: "the worker gave more than one answer", Log: oneLine(string(out), maxLog)}
	}
	return r, nil
}

// whyDead tells why a worker did not end well: because of us, of a limit, or of itself.
func (c *Compiler) whyDead(ctx context.Context, state *os.ProcessState, waitErr error, stderr []byte) error {
	e := &Error{Log: crashLine(stderr)}
	signal := deathSignal(state)
	cpu := state.UserTime() + state.SystemTime()
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errDeadline) && cpu < min(c.cfg.CPUTime/2, c.cfg.WallTime/starved):
		e.Kind, e.Detail = KindBusy, "the machine is too busy to compile"
		e.Err = fmt.Errorf("worker got %v of processor time in %v", cpu, c.cfg.WallTime)
	case errors.Is(cause, errDeadline):
		e.Kind, e.Detail = KindTimeout, fmt.Sprintf("compiling takes longer than %v", c.cfg.WallTime)
	case errors.Is(cause, errOutput):
		e.Kind, e.Detail = KindOutput, "the worker wrote too much"
	case c.ctx.Err() != nil:
		return errClosed
	case cause != nil:
		return cause
	case signal != 0 && cpu >= c.cfg.CPUTime/4*3, bytes.Contains(stderr, []byte("SIGXCPU: ")): // see watchCPU
		e.Kind, e.Detail = KindCPU, cpuDetail(c.cfg.CPUTime)
	case bytes.Contains(stderr, []byte("out of memory")), bytes.Contains(stderr, []byte("cannot allocate memory")):
		e.Kind, e.Detail = KindMemory, memoryDetail(c.cfg.MemoryBytes)
	case bytes.HasPrefix(stderr, []byte("SIGSEGV: ")) && peakMemory(state) >= c.cfg.MemoryBytes/4*3:
		// Go's collector follows a nil pointer when the kernel refuses it memory for its own queues.
		e.Kind, e.Detail = KindMemory, memoryDetail(c.cfg.MemoryBytes)
	case signal != 0:
		e.Kind, e.Detail = KindCrashed, fmt.Sprintf("the worker was killed by signal %d", int(signal))
	case state.ExitCode() == exitFailed:
		return &Error{Kind: KindUnavailable, Detail: "the worker could not work", Log: e.Log, Err: errors.New(e.Log)}
	case state.Success(): // but its pipes were held open
		e.Kind, e.Detail, e.Err = KindOutput, "the worker did not end", waitErr
	default:
		e.Kind, e.Detail = KindCrashed, fmt.Sprintf("the worker failed with exit code %d", state.ExitCode())
	}
	return e
}

// crashLine returns the line of a worker's output that says most: the first of a Go crash, else the last.
func crashLine(stderr []byte) string {
	last := ""
	for line := range strings.Lines(string(stderr)) {
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "SIG") {
			return oneLine(line, maxLog)
		}
		if strings.TrimSpace(line) != "" {
			last = line
		}
	}
	return oneLine(last, maxLog)
}

// capped keeps the first bytes of a stream and drops the rest.
type capped struct {
	limit int
	full  func() // called when something is dropped; may be nil

	mu  sync.Mutex // guards buf
	buf []byte
}

func (w *capped) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(p), w.limit-len(w.buf))
	w.buf = append(w.buf, p[:n]...)
	if n < len(p) && w.full != nil {
		w.full()
	}
	return len(p), nil
}

func (w *capped) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf
}
