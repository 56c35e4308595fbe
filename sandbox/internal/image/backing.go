package image

import (
	"bytes"
	"math/bits"
)

// backing is where an image's bytes are. There is one of sealed memory that is mapped (Linux) and
// one of a Go slice that is copied.
type backing interface {
	// view returns the image's bytes, only to be read. Pages of zeros should not be: where they are
	// not stored, reading them stores them.
	view() []byte
	// newRAM makes a private copy with room for size bytes.
	newRAM(im *Image, size int) (ram, error)
	// resident returns how many bytes the image holds in RAM by now.
	resident() int64
	close() error
}

// ram is the bytes of one memory.
type ram interface {
	// grow returns the first size bytes, the ones it had before unchanged; nil if it has not as many.
	grow(size int) []byte
	// reset makes all bytes those of the image, or zero where there is none. n is the number of pages
	// that have been in use.
	reset(n int) error
	// touched calls f for ranges [lo, hi) of pages below n that may differ from the image, in
	// ascending order. All other pages are as in the image.
	touched(n int, f func(lo, hi int))
	// free gives back the memory. Nobody may be using it.
	free() error
}

// pageSet is a set of pages.
type pageSet []uint64

func newPageSet(n int) pageSet { return make(pageSet, (n+63)/64) }

func (s pageSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s pageSet) has(i int) bool { return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0 }

func (s pageSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// each calls f for each page in ascending order until f returns false.
func (s pageSet) each(f func(i int) bool) {
	for k, w := range s {
		for ; w != 0; w &= w - 1 {
			if !f(k*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

var zeroPage [PageSize]byte

func isZero(page []byte) bool { return bytes.Equal(page, zeroPage[:]) }

// page returns page i of b.
func page(b []byte, i int) []byte { return b[i*PageSize:][:PageSize:PageSize] }
