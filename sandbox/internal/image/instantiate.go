package image

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Instantiate runs f, which must instantiate one module with the context that it gets; the memory
// of that module is then m. If f fails or panics, or the module does not fit m, the memory is closed
// (wazero would leak it) and so is the module. A module without a memory also closes m, which must
// then be bare or have an empty image.
//
// The context must be used for nothing else: a second instantiation with it is refused. The start
// function of the module, if any, and the host functions that it calls see it.
func (m *Memory) Instantiate(ctx context.Context, f func(context.Context) (api.Module, error)) (mod api.Module, err error) {
	if m.closed || m.taken {
		return nil, fmt.Errorf("image: instantiate: %w", ErrClosed)
	}
	ok := false
	defer func() {
		if ok {
			return
		}
		r := recover()
		m.Close()
		// A refusal is our allocator's way to fail; any other panic is not ours to end.
		if refused, ok := r.(refusal); ok {
			mod, err = nil, refused
		} else if r != nil {
			panic(r)
		}
	}()
	mod, err = f(experimental.WithMemoryAllocator(ctx, allocator{m}))
	if err == nil {
		err = m.fits()
	}
	if err != nil && mod != nil {
		mod.Close(ctx)
	}
	if err != nil {
		return nil, err
	}
	ok = m.taken
	return mod, nil
}

// fits compares what the new instance has with what the image promises.
func (m *Memory) fits() error {
	if m.image == nil {
		return nil
	}
	switch got, want := m.WasmPages(), m.image.wasmPages; {
	case m.closed:
		return fmt.Errorf("image: the module closed itself: %w", ErrClosed)
	case !m.taken && want > 0:
		return fmt.Errorf("image: the module has no memory, its image has %d Wasm pages", want)
	case m.taken && got != want:
		return fmt.Errorf("image: the module begins with %d Wasm pages, its image with %d", got, want)
	}
	return nil
}

// refusal is what the allocator panics with. wazero has no other answer for "no": nil makes it
// panic too, with an error that says less.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// allocator gives m to the first module that asks.
type allocator struct{ m *Memory }

func (al allocator) Allocate(_, _ uint64) experimental.LinearMemory {
	if al.m.taken || al.m.closed {
		panic(refusal{fmt.Errorf("image: a second module asks for one memory: %w", ErrClosed)})
	}
	al.m.taken = true
	return &linear{m: al.m}
}

// linear is what wazero sees of a memory.
type linear struct {
	m     *Memory
	sized bool
}

// Reallocate is called once with the least size of the module and then as the guest grows, when
// nil makes memory.grow return -1.
func (l *linear) Reallocate(size uint64) []byte {
	first := !l.sized
	l.sized = true
	var b []byte
	if size <= wasmPagesOf32Bit*WasmPageSize && (first || l.m.mayGrow(size)) {
		b = l.m.ram.grow(int(size))
	}
	switch {
	case b == nil && first && size > 0:
		panic(refusal{fmt.Errorf("image: the module begins with %d Wasm pages, more than its memory may have", size/WasmPageSize)})
	case b != nil || first:
		l.m.buf = b
	}
	return b
}

// mayGrow reports whether a guest may have size bytes, which is more than it has.
func (m *Memory) mayGrow(size uint64) bool {
	if m.limit > 0 && size > uint64(m.limit) {
		return false
	}
	return m.gate == nil || m.gate(int64(size)-int64(len(m.buf)))
}

// Free is called when the module is closed.
func (l *linear) Free() { l.m.Close() }
