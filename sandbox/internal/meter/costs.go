package meter

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

// Version is the version of the rewriting and of Costs. It is part of the key of everything made from
// a rewritten module, and it grows with each change that makes a module cost or behave differently.
const Version = 6

// Costs are the prices of instructions in gas. A unit is about the work of a simple instruction in
// straight-line code, a fifth of a nanosecond in 2026; prices are chosen such that no instruction is
// far cheaper than the time it takes.
var Costs = struct {
	// Instr is the price of every instruction that is not named below.
	Instr int64
	// Structure is the price of nop, block, else and end, which make no code of their own.
	Structure int64
	// Loop is the price of each round of a loop, for the branch back: even an empty round takes as long
	// as three simple instructions.
	Loop int64
	// Entry is the price of entering a function, with one more for each EntryLocals locals, which it
	// sets to zero.
	Entry, EntryLocals int64
	// Call and CallIndirect are the prices of a call, besides what the callee costs.
	Call, CallIndirect int64
	// BrTable is the price of br_table.
	BrTable int64
	// Divide is the price of division, remainder and square root.
	Divide int64
	// Convert is the price of the conversions from float to integer.
	Convert int64
	// Vec is the price of an instruction on vectors.
	Vec int64
	// RefFunc is the price of ref.func, which asks the engine.
	RefFunc int64
	// Bulk is the price of memory.fill, copy, init and table.fill, copy, init, with one more for each
	// BulkBytes bytes or BulkEntries table entries of their length.
	Bulk, BulkBytes, BulkEntries int64
	// Grow is the price of memory.grow and table.grow. If the length is not beyond what the memory or
	// table can ever have, GrowPage is added for each page, or one for each BulkEntries entries.
	Grow, GrowPage int64
}{
	Instr:        1,
	Structure:    0,
	Loop:         2,
	Entry:        2,
	EntryLocals:  8,
	Call:         4,
	CallIndirect: 8,
	BrTable:      4,
	Divide:       8,
	Convert:      4,
	Vec:          2,
	RefFunc:      200,
	Bulk:         50,
	BulkBytes:    8,
	BulkEntries:  1,
	Grow:         1000,
	GrowPage:     8192,
}

// price returns the price of an instruction, without what grows with an operand. That of loop belongs to
// each round.
func price(op wasm.Op) int64 {
	switch op {
	case wasm.OpNop, wasm.OpBlock, wasm.OpElse, wasm.OpEnd:
		return Costs.Structure
	case wasm.OpLoop:
		return Costs.Loop
	case wasm.OpCall:
		return Costs.Call
	case wasm.OpCallIndirect:
		return Costs.CallIndirect
	case wasm.OpBrTable:
		return Costs.BrTable
	case wasm.OpRefFunc:
		return Costs.RefFunc
	case wasm.OpMemoryGrow, wasm.OpTableGrow:
		return Costs.Grow
	case wasm.OpMemoryFill, wasm.OpMemoryCopy, wasm.OpMemoryInit,
		wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit:
		return Costs.Bulk
	}
	switch {
	case op.Vec():
		return Costs.Vec
	case divides(op):
		return Costs.Divide
	case op >= 0xa8 && op <= 0xab || op >= 0xae && op <= 0xb1, // trunc to i32, to i64
		op>>8 == wasm.PrefixMisc && byte(op) < 8: // trunc_sat
		return Costs.Convert
	}
	return Costs.Instr
}

func divides(op wasm.Op) bool {
	return op >= 0x6d && op <= 0x70 || op >= 0x7f && op <= 0x82 || // integer div, rem
		op == 0x91 || op == 0x95 || op == 0x9f || op == 0xa3 // float sqrt, div
}

// plain holds price for the instructions of one byte, which nearly all are.
var plain = func() (t [256]int64) {
	for op := range t {
		t[op] = price(wasm.Op(op))
	}
	return t
}()

func cost(op wasm.Op) int64 {
	if op < 256 {
		return plain[op]
	}
	return price(op)
}
