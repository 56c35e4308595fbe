package hostfuncs

import (
	"encoding/binary"
	"sort"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Kernel is Extism's memory for one run at a time: an arena of blocks outside the guest's linear
// memory. A handle is a block's offset; 0 is null. It belongs to one instance and is reset by
// NewCall, so that no handle outlives its run. The zero Kernel is ready.
type Kernel struct {
	mem    []byte
	blocks []block // ascending by off, none overlapping
	inOff  uint64  // where input_offset has put the input; 0 until asked
	outOff uint64
	outLen uint64
	errOff uint64
	err    string // the text of error_set, taken when it was set: guests free it
	high   int    // how far the arena has reached in this run
}

type block struct {
	off, n uint32
	freed  bool
}

const (
	arenaAlign = 8
	keepArena  = 256 << 10 // a larger arena is dropped at reset
)

func (k *Kernel) reset() {
	if cap(k.mem) > keepArena {
		k.mem = nil
	}
	*k = Kernel{mem: k.mem[:min(arenaAlign, len(k.mem))], blocks: k.blocks[:0]}
}

// alloc returns the handle of n zero bytes, 0 for n = 0.
func (k *Kernel) alloc(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return k.block(n)
}

// block returns the handle of a block of n zero bytes, also for n = 0, so that the host can give
// an empty value that is not null. It ends a run that asks for too much.
func (k *Kernel) block(n uint64) uint64 {
	if k.mem == nil { // most guests have no use for it
		k.mem = make([]byte, arenaAlign, 4096)
	}
	off := (len(k.mem) + arenaAlign - 1) &^ (arenaAlign - 1)
	// An empty block still takes a slot: two blocks never share an offset.
	size := max(n, 1)
	if size > abi.MaxHandleBytes || uint64(off)+size > abi.MaxHandleBytes {
		abort(abi.Errorf(abi.CodeHandleMemory, "the turn's Extism memory is larger than %d bytes", abi.MaxHandleBytes))
	}
	need := off + int(size)
	if need > cap(k.mem) {
		grown := make([]byte, need, max(2*cap(k.mem), need))
		copy(grown, k.mem)
		k.mem = grown
	} else {
		old := len(k.mem)
		k.mem = k.mem[:need]
		clear(k.mem[old:]) // what an earlier run left
	}
	k.high = max(k.high, need)
	k.blocks = append(k.blocks, block{off: uint32(off), n: uint32(n)})
	return uint64(off)
}

// put returns the handle of a copy of b.
func (k *Kernel) put(b []byte) uint64 {
	h := k.block(uint64(len(b)))
	copy(k.mem[h:], b)
	return h
}

// find returns the live block that begins at h.
func (k *Kernel) find(h uint64) *block {
	i := len(k.blocks) - 1
	if i >= 0 && uint64(k.blocks[i].off) != h { // the last one is asked for most
		i = sort.Search(len(k.blocks), func(i int) bool { return uint64(k.blocks[i].off) >= h })
	}
	if i < 0 || i >= len(k.blocks) || uint64(k.blocks[i].off) != h || k.blocks[i].freed {
		return nil
	}
	return &k.blocks[i]
}

// bytes returns the block at h, nil for a handle that is not live.
func (k *Kernel) bytes(h uint64) []byte {
	b := k.find(h)
	if b == nil {
		return nil
	}
	return k.mem[b.off : b.off+b.n : b.off+b.n]
}

// length returns the size of the block at h, 0 for a handle that is not live.
func (k *Kernel) length(h uint64) uint64 {
	if b := k.find(h); b != nil {
		return uint64(b.n)
	}
	return 0
}

// free gives a block back. Only blocks at the end are used again, so a guest that frees twice
// cannot free what it was given since, as long as handles are freed in reverse order.
func (k *Kernel) free(h uint64) {
	b := k.find(h)
	if b == nil {
		return
	}
	b.freed = true
	for n := len(k.blocks); n > 0 && k.blocks[n-1].freed; n-- {
		k.mem = k.mem[:k.blocks[n-1].off]
		k.blocks = k.blocks[:n-1]
	}
}

// within reports whether the n bytes at off are inside the arena.
func (k *Kernel) within(off, n uint64) bool {
	return off <= uint64(len(k.mem)) && n <= uint64(len(k.mem))-off
}

func (k *Kernel) load8(off uint64) uint64 {
	if !k.within(off, 1) {
		return 0
	}
	return uint64(k.mem[off])
}

func (k *Kernel) load64(off uint64) uint64 {
	if !k.within(off, 8) {
		// The last bytes of the arena, read as part of a word.
		return tail(k.mem, off)
	}
	return binary.LittleEndian.Uint64(k.mem[off:])
}

func (k *Kernel) store8(off uint64, v byte) {
	if off != 0 && k.within(off, 1) {
		k.mem[off] = v
	}
}

func (k *Kernel) store64(off, v uint64) {
	if off != 0 && k.within(off, 8) {
		binary.LittleEndian.PutUint64(k.mem[off:], v)
	}
}

// output returns the range named by output_set; false if this run never had it. It may have been
// freed since: the bytes stay until they are allocated again.
func (k *Kernel) output() ([]byte, bool) {
	if k.outLen == 0 {
		return nil, true
	}
	if high := uint64(k.high); k.outOff < arenaAlign || k.outOff > high || k.outLen > high-k.outOff {
		return nil, false
	}
	return k.mem[:k.high][k.outOff : k.outOff+k.outLen], true
}

// setError takes the text of a failed call.
func (k *Kernel) setError(h uint64) {
	text := k.bytes(h)
	k.errOff, k.err = h, string(text[:min(len(text), abi.MaxErrorText)])
}

// tail reads up to 8 bytes of b at off as a little-endian word; what is beyond the end is zero.
func tail(b []byte, off uint64) uint64 {
	if off >= uint64(len(b)) {
		return 0
	}
	var w [8]byte
	copy(w[:], b[off:])
	return binary.LittleEndian.Uint64(w[:])
}
