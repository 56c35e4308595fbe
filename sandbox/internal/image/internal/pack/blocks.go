package pack

import (
	"encoding/binary"
	"math/bits"
)

// blockSize is the unit in which zeros are left out of a page: a cache line, and 64 of them fit a
// page, so that a word has a bit for each.
const blockSize = PageSize / 64

// Blocks are the parts of a page that are not all zeros.
type Blocks struct {
	mask uint64
	b    []byte
}

// Each calls f for each block with its offset in the page. No two blocks overlap and none passes
// the page's end.
func (bs Blocks) Each(f func(offset int, block []byte)) {
	b := bs.b
	for m := bs.mask; m != 0; m &= m - 1 {
		f(bits.TrailingZeros64(m)*blockSize, b[:blockSize])
		b = b[blockSize:]
	}
}

// blocks takes a page.
func (r *Reader) blocks() Blocks {
	mask := r.Uint64()
	return Blocks{mask, r.Bytes(uint64(bits.OnesCount64(mask)) * blockSize)}
}

// appendBlocks appends what blocks reads.
func appendBlocks(dst []byte, page *[PageSize]byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	var mask uint64
	for k := range PageSize / blockSize {
		b := page[k*blockSize:][:blockSize]
		if !isZero(b) {
			mask |= 1 << k
			dst = append(dst, b...)
		}
	}
	binary.LittleEndian.PutUint64(dst[at:], mask)
	return dst
}

// isZero tells whether a block is all zeros.
func isZero(b []byte) bool {
	b = b[:blockSize]
	var or uint64
	for i := 0; i < blockSize; i += 8 {
		or |= binary.LittleEndian.Uint64(b[i:])
	}
	return or == 0
}
