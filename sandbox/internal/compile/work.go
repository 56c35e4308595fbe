package compile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/metrics"
	"strings"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"
)

// work is the last stage. Its working directory is its own and empty.
func work(j job) {
	seen := lookAround(j)
	restrictCalls() // best effort: the report says whether it holds
	if j.Probe {
		tryForbidden(&seen)
	}
	go watchMemory(j.Memory)
	go watchCPU(j)
	// The host kills in time. This is for a host that died without the kernel telling us.
	time.AfterFunc(j.WallTime+time.Second, func() { fail("deadline", context.DeadlineExceeded) })

	wasm, err := readModule(os.Stdin, j.Module)
	if err != nil {
		fail("read module", err)
	}
	go func() {
		// The host keeps the pipe open while it lives and wants the result.
		io.Copy(io.Discard, os.Stdin)
		fail("input", io.ErrUnexpectedEOF)
	}()
	var r result
	if j.Test != "" {
		r = testWork(j, wasm)
	} else {
		r = compileAndLoad(j, wasm)
	}
	if j.Probe {
		r.Protections = &seen
	}
	answer(r)
}

// readModule reads what writeModule wrote.
func readModule(r io.Reader, limit int64) ([]byte, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(limit) {
		return nil, fmt.Errorf("%d bytes are more than %d", n, limit)
	}
	wasm := make([]byte, n)
	_, err := io.ReadFull(r, wasm)
	return wasm, err
}

// writeModule writes the length in 8 bytes, little endian, and the module.
func writeModule(w io.Writer, wasm []byte) error {
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(wasm)))); err != nil {
		return err
	}
	_, err := w.Write(wasm)
	return err
}

// compileAndLoad compiles into the working directory and then loads the entry as the host will, to see
// that it can be loaded and what that costs: the host decodes and validates on each load, without limits.
func compileAndLoad(j job, wasm []byte) result {
	if r := compileOnce(j.Options, wasm); r.Kind != "" {
		return r
	}
	before := cpuTime()
	if r := compileOnce(j.Options, wasm); r.Kind != "" {
		return r
	}
	if took := cpuTime() - before; took > j.LoadTime {
		return result{Kind: KindLoad, Detail: fmt.Sprintf("the compiled module takes %v to load, more than %v",
			took.Round(time.Millisecond), j.LoadTime)}
	}
	return result{}
}

func compileOnce(o Options, wasm []byte) (r result) {
	defer func() {
		// wazero panics where it cannot go on, such as without memory for the code.
		if p := recover(); p != nil {
			err, _ := p.(error)
			if r = resourceError(err, fmt.Sprint(p)); r.Kind == "" {
				r = result{Kind: KindCrashed, Detail: fmt.Sprintf("the compiler failed: %v", p)}
			}
		}
	}()
	ctx := context.Background()
	cache, err := wazero.NewCompilationCacheWithDir(".")
	if err != nil {
		fail("cache", err)
	}
	defer cache.Close(ctx)
	rt := wazero.NewRuntimeWithConfig(ctx, RuntimeConfig(o).WithCompilationCache(cache))
	defer rt.Close(ctx)
	if _, err := rt.CompileModule(ctx, wasm); err != nil {
		if r := resourceError(err, err.Error()); r.Kind != "" {
			return r
		}
		return result{Kind: KindRefused, Detail: err.Error()}
	}
	return result{}
}

// resourceError recognizes what the kernel refused. wazero flattens some errors to text.
func resourceError(err error, text string) result {
	is := func(no syscall.Errno) bool { return errors.Is(err, no) || strings.HasSuffix(text, no.Error()) }
	var pathErr *fs.PathError
	switch {
	case is(syscall.ENOMEM):
		return result{Kind: KindMemory, Detail: "the compiler ran out of memory"}
	case is(syscall.EFBIG):
		return result{Kind: KindSize, Detail: "the compiled code is too large"}
	case errors.As(err, &pathErr):
		return result{Kind: KindUnavailable, Detail: pathErr.Err.Error()}
	}
	return result{}
}

// watchMemory ends the worker with an answer when the Go heap is past its limit. Growth in small steps
// is noticed here, within 10 ms or so; one giant allocation fails at the kernel's limit, where there is
// one, and kills the worker.
func watchMemory(limit int64) {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(10 * time.Millisecond) {
		metrics.Read(samples)
		if used := samples[0].Value.Uint64() - samples[1].Value.Uint64(); used > uint64(limit) {
			answer(result{Kind: KindMemory, Detail: fmt.Sprintf("the compiler needs more than %d MiB of memory", limit>>20)})
		}
	}
}
