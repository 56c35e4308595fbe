package validate

import (
	"math/bits"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// framing estimates from above how many values of a function the engine may keep in the frame. Its
// register allocator gives each value that must survive a call a slot of its own, and a local is a
// new value after each assignment and wherever two ways of control with different assignments join.
// So the frame of a hostile function may be a thousand times what its locals and operands take.
//
// The estimate is the sum of assignments, of operands that are pushed and survive a call, of results
// of blocks, and of joins: at the end of a block to which branches lead, and at the head of a loop,
// each local that is assigned inside counts once. Locals that are only read in the basic block that
// assigned them need no joins.
type framing struct {
	locals   int
	words    int      // of a set of locals
	written  []uint64 // a set for each open block, the function's own first
	joins    []uint32 // of each local
	assigned []uint32 // the basic block that last assigned each local
	shared   []bool   // locals that are read in another basic block than the last assignment's
	block    uint32   // the current basic block, from 1
	slots    uint64   // so far, without joins
	kept     uint32   // operands from below that have their slots
}

func (f *framing) reset(locals int) {
	f.locals, f.words = locals, (locals+63)/64
	f.written = zeroed(f.written, f.words)
	f.joins = zeroed(f.joins, locals)
	f.assigned = zeroed(f.assigned, locals)
	f.shared = zeroed(f.shared, locals)
	f.block, f.slots, f.kept = 1, 0, 0
}

// zeroed returns n zeros, in s if it has the room.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	s = s[:n]
	clear(s)
	return s
}

// local notes the use of a local.
func (f *framing) local(op wasm.Op, i uint32) {
	if op == wasm.OpLocalGet {
		// At the start all locals have been assigned by the call.
		if f.assigned[i] != f.block && f.block != 1 {
			f.shared[i] = true
		}
		return
	}
	f.assigned[i] = f.block
	f.written[len(f.written)-f.words+int(i/64)] |= 1 << (i % 64)
	f.slots++
}

// survive notes a point where the engine may call: height operands survive it.
func (f *framing) survive(height uint32) {
	if height > f.kept {
		f.slots += uint64(height - f.kept)
		f.kept = height
	}
}

// pop notes that only height operands are left.
func (f *framing) pop(height uint32) { f.kept = min(f.kept, height) }

// open notes the start of a block.
func (f *framing) open() {
	f.block++
	n := len(f.written)
	if cap(f.written) < n+f.words {
		f.written = append(f.written, make([]uint64, f.words)...)
	}
	f.written = f.written[:n+f.words]
	clear(f.written[n:])
}

// end notes the end of a block that gives results. joined says that there is another way to its end,
// or to its head for a loop, than from before.
func (f *framing) end(results uint32, joined bool) {
	f.block++
	f.slots += uint64(results)
	n := len(f.written) - f.words
	own := f.written[n:]
	f.written = f.written[:n]
	for w, set := range own {
		if n > 0 {
			f.written[n-f.words+w] |= set
		}
		for ; joined && set != 0; set &= set - 1 {
			f.joins[w*64+bits.TrailingZeros64(set)]++
		}
	}
}

// total returns the estimate.
func (f *framing) total() uint64 {
	sum := f.slots
	for i, n := range f.joins {
		if f.shared[i] {
			sum += uint64(n)
		}
	}
	return sum
}
