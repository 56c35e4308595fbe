package image

import (
	"bytes"
	"errors"
)

// ErrNoImage reports that a bare memory was asked for something that needs an image.
var ErrNoImage = errors.New("image: the memory has no image")

// Memory is the linear memory of one instance. It exists before the instance, so that running out
// of memory is an error of NewMemory or Bare and not a panic inside wazero, which does not expect
// an allocator to fail.
//
// It belongs to one goroutine at a time, the one that may also run the instance. Closing the
// instance closes it. Nothing may touch the instance's memory afterwards, not even to read it: the
// addresses are gone, and the process with them.
type Memory struct {
	arena  *Arena
	image  *Image // nil for a bare memory
	ram    ram
	buf    []byte                // as much as the guest sees
	limit  int                   // bytes to which it may grow; zero is no bound of its own
	gate   func(more int64) bool // asked before it grows by so many bytes; nil lets it
	taken  bool                  // by an instance
	closed bool
}

func (a *Arena) newMemory(im *Image, r ram) *Memory {
	a.memories.Add(1)
	m := &Memory{arena: a, image: im, ram: r}
	if im != nil {
		m.buf = r.grow(im.size())
	}
	return m
}

// Image returns the image that m began as, or nil.
func (m *Memory) Image() *Image { return m.image }

// WasmPages returns the size that the guest sees.
func (m *Memory) WasmPages() uint32 { return uint32(len(m.buf) / WasmPageSize) }

// Bytes returns all that the guest sees, valid until the guest grows the memory or m is closed.
func (m *Memory) Bytes() []byte { return m.buf }

// Limit bounds the growth of m to bytes from now on; zero lifts the bound. What it has already stays.
func (m *Memory) Limit(bytes int) { m.limit = bytes }

// Gate has f asked before m grows by so many bytes, on the goroutine of the guest; nil lets it grow.
func (m *Memory) Gate(f func(more int64) bool) { m.gate = f }

// Page returns page i, in units of PageSize; it is a part of Bytes.
func (m *Memory) Page(i uint32) []byte { return page(m.buf, int(i)) }

// Grown tells whether m has more pages than its image. A Wasm memory cannot shrink, so after Reset
// a grown memory is the image followed by zeros: good for a page delta of exactly this size and for
// nothing else, as the guest can see the difference.
func (m *Memory) Grown() bool { return m.image != nil && m.WasmPages() > m.image.wasmPages }

// Reset makes the bytes those of the image again, and zero past its end. The size stays: see Grown.
// The globals are the caller's to reset. After an error the instance must be closed.
func (m *Memory) Reset() error {
	switch {
	case m.closed:
		return ErrClosed
	case m.image == nil:
		return ErrNoImage
	case len(m.buf) == 0:
		return nil
	}
	return m.ram.reset(len(m.buf) / PageSize)
}

// Changed appends the indexes of the pages that differ from the image, in units of PageSize,
// ascending. A page that was written but has the image's bytes is none of them.
func (m *Memory) Changed(dst []uint32) ([]uint32, error) {
	switch {
	case m.closed:
		return dst, ErrClosed
	case m.image == nil:
		return dst, ErrNoImage
	case len(m.buf) == 0:
		return dst, nil
	}
	m.ram.touched(len(m.buf)/PageSize, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			want := m.image.Page(uint32(i))
			if want == nil {
				want = zeroPage[:]
			}
			if !bytes.Equal(page(m.buf, i), want) {
				dst = append(dst, uint32(i))
			}
		}
	})
	return dst, nil
}

// Close gives the memory back. The instance that uses it, if any, must not be running and is of no
// use any more. It may be called again.
func (m *Memory) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	m.buf = nil
	err := m.ram.free()
	m.arena.memories.Add(-1)
	if m.image != nil {
		err = errors.Join(err, m.image.drop())
	}
	return err
}
