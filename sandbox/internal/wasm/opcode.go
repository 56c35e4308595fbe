package wasm

// Op is an instruction: its byte, or its prefix byte and its number as in OpMemoryCopy.
type Op uint16

// Prefixes of instructions of more than one byte.
const (
	PrefixGC     = 0xfb
	PrefixMisc   = 0xfc
	PrefixVec    = 0xfd
	PrefixAtomic = 0xfe
)

// The instructions that someone looks at by name. The others matter only by their table entry.
const (
	OpUnreachable  Op = 0x00
	OpNop          Op = 0x01
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpElse         Op = 0x05
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpDrop         Op = 0x1a
	OpSelect       Op = 0x1b
	OpSelectTyped  Op = 0x1c
	OpLocalGet     Op = 0x20
	OpLocalSet     Op = 0x21
	OpLocalTee     Op = 0x22
	OpGlobalGet    Op = 0x23
	OpGlobalSet    Op = 0x24
	OpTableGet     Op = 0x25
	OpTableSet     Op = 0x26
	OpI32Load      Op = 0x28
	OpI64Store32   Op = 0x3e
	OpMemorySize   Op = 0x3f
	OpMemoryGrow   Op = 0x40
	OpI32Const     Op = 0x41
	OpI64Const     Op = 0x42
	OpF32Const     Op = 0x43
	OpF64Const     Op = 0x44
	OpI32LtS       Op = 0x48
	OpI32LeU       Op = 0x4d
	OpI64LtS       Op = 0x53
	OpI64GeS       Op = 0x59
	OpI32Add       Op = 0x6a
	OpI32Sub       Op = 0x6b
	OpI32Mul       Op = 0x6c
	OpI32ShrU      Op = 0x76
	OpI64Add       Op = 0x7c
	OpI64Sub       Op = 0x7d
	OpI64Mul       Op = 0x7e
	OpI64ShrU      Op = 0x88
	OpI64ExtendI32 Op = 0xad // i64.extend_i32_u
	OpRefNull      Op = 0xd0
	OpRefIsNull    Op = 0xd1
	OpRefFunc      Op = 0xd2

	OpMemoryInit Op = PrefixMisc<<8 | 8
	OpDataDrop   Op = PrefixMisc<<8 | 9
	OpMemoryCopy Op = PrefixMisc<<8 | 10
	OpMemoryFill Op = PrefixMisc<<8 | 11
	OpTableInit  Op = PrefixMisc<<8 | 12
	OpElemDrop   Op = PrefixMisc<<8 | 13
	OpTableCopy  Op = PrefixMisc<<8 | 14
	OpTableGrow  Op = PrefixMisc<<8 | 15
	OpTableSize  Op = PrefixMisc<<8 | 16
	OpTableFill  Op = PrefixMisc<<8 | 17

	OpV128Const Op = PrefixVec<<8 | 12
)

// Vec reports whether op is an instruction on vectors.
func (op Op) Vec() bool { return op>>8 == PrefixVec }

// Exits reports whether op, which is not a call, leaves the code of its function for a while: the
// engine does its work elsewhere.
func (op Op) Exits() bool {
	switch op {
	case OpMemoryGrow, OpRefFunc, OpMemoryInit, OpMemoryCopy, OpMemoryFill, OpTableInit, OpTableCopy, OpTableGrow, OpTableFill:
		return true
	}
	return false
}

// Imm says which immediates follow an opcode.
type Imm byte

// The kinds of immediates.
const (
	immInvalid   Imm = iota // no such instruction
	ImmNone                 //
	ImmBlock                // block type: Instr.Block
	ImmIndex                // one index: X
	ImmIndex2               // two indexes: X, Y
	ImmBrTable              // labels: Instr.Labels
	ImmTypes                // vector of one value type
	ImmMem                  // alignment X, offset Y
	ImmMemLane              // alignment X, offset Y, lane
	ImmZero                 // a reserved zero byte
	ImmZero2                // two of them
	ImmIndexZero            // index X, reserved zero byte
	ImmI32                  // signed LEB128
	ImmI64                  // signed LEB128
	ImmF32                  // 4 bytes
	ImmF64                  // 8 bytes
	ImmRefType              // reference type: X
	ImmV128                 // 16 bytes
	ImmShuffle              // 16 lanes below 32
	ImmLane                 // lane: X
)

// info is an entry of the instruction table: immediates, and how many values the instruction takes
// from the stack and puts there. Control instructions and calls have zeros: it depends.
type info struct {
	imm       Imm
	pop, push int8
}

// Effect returns how many values op takes from the stack and then puts there. It is zero for control
// instructions and calls.
func (op Op) Effect() (pop, push int) {
	i := op.info()
	return int(i.pop), int(i.push)
}

// Valid reports whether op is an instruction of the core specification 2.0.
func (op Op) Valid() bool { return op.info().imm != immInvalid }

func (op Op) info() info {
	switch n := byte(op); op >> 8 {
	case 0:
		return plain[n]
	case PrefixMisc:
		return misc[n]
	case PrefixVec:
		return vec[n]
	}
	return info{}
}

// span gives all instructions from lo to hi, both included, one entry.
type span struct {
	lo, hi    byte
	imm       Imm
	pop, push int8
}

func table(spans []span) (t [256]info) {
	for _, s := range spans {
		for n := int(s.lo); n <= int(s.hi); n++ {
			t[n] = info{s.imm, s.pop, s.push}
		}
	}
	return t
}

var plain = table([]span{
	{0x00, 0x01, ImmNone, 0, 0}, // unreachable, nop
	{0x02, 0x04, ImmBlock, 0, 0},
	{0x05, 0x05, ImmNone, 0, 0},
	{0x0b, 0x0b, ImmNone, 0, 0},
	{0x0c, 0x0d, ImmIndex, 0, 0},
	{0x0e, 0x0e, ImmBrTable, 0, 0},
	{0x0f, 0x0f, ImmNone, 0, 0},
	{0x10, 0x10, ImmIndex, 0, 0},
	{0x11, 0x11, ImmIndex2, 0, 0}, // type, table
	{0x1a, 0x1a, ImmNone, 1, 0},
	{0x1b, 0x1b, ImmNone, 3, 1},
	{0x1c, 0x1c, ImmTypes, 3, 1},
	{0x20, 0x20, ImmIndex, 0, 1},
	{0x21, 0x21, ImmIndex, 1, 0},
	{0x22, 0x22, ImmIndex, 1, 1},
	{0x23, 0x23, ImmIndex, 0, 1},
	{0x24, 0x24, ImmIndex, 1, 0},
	{0x25, 0x25, ImmIndex, 1, 1},
	{0x26, 0x26, ImmIndex, 2, 0},
	{0x28, 0x35, ImmMem, 1, 1}, // loads
	{0x36, 0x3e, ImmMem, 2, 0}, // stores
	{0x3f, 0x3f, ImmZero, 0, 1},
	{0x40, 0x40, ImmZero, 1, 1},
	{0x41, 0x41, ImmI32, 0, 1},
	{0x42, 0x42, ImmI64, 0, 1},
	{0x43, 0x43, ImmF32, 0, 1},
	{0x44, 0x44, ImmF64, 0, 1},
	{0x45, 0x45, ImmNone, 1, 1}, // i32.eqz
	{0x46, 0x4f, ImmNone, 2, 1},
	{0x50, 0x50, ImmNone, 1, 1}, // i64.eqz
	{0x51, 0x66, ImmNone, 2, 1},
	{0x67, 0x69, ImmNone, 1, 1}, // clz, ctz, popcnt
	{0x6a, 0x78, ImmNone, 2, 1},
	{0x79, 0x7b, ImmNone, 1, 1},
	{0x7c, 0x8a, ImmNone, 2, 1},
	{0x8b, 0x91, ImmNone, 1, 1}, // f32: abs to sqrt
	{0x92, 0x98, ImmNone, 2, 1},
	{0x99, 0x9f, ImmNone, 1, 1}, // f64: abs to sqrt
	{0xa0, 0xa6, ImmNone, 2, 1},
	{0xa7, 0xc4, ImmNone, 1, 1}, // conversions, sign extension
	{0xd0, 0xd0, ImmRefType, 0, 1},
	{0xd1, 0xd1, ImmNone, 1, 1},
	{0xd2, 0xd2, ImmIndex, 0, 1},
})

var misc = table([]span{
	{0, 7, ImmNone, 1, 1},      // saturating conversions
	{8, 8, ImmIndexZero, 3, 0}, // memory.init
	{9, 9, ImmIndex, 0, 0},     // data.drop
	{10, 10, ImmZero2, 3, 0},   // memory.copy
	{11, 11, ImmZero, 3, 0},    // memory.fill
	{12, 12, ImmIndex2, 3, 0},  // table.init: segment, table
	{13, 13, ImmIndex, 0, 0},   // elem.drop
	{14, 14, ImmIndex2, 3, 0},  // table.copy: to, from
	{15, 15, ImmIndex, 2, 1},   // table.grow
	{16, 16, ImmIndex, 0, 1},   // table.size
	{17, 17, ImmIndex, 3, 0},   // table.fill
})

var vec = table([]span{
	{0x00, 0x0a, ImmMem, 1, 1},
	{0x0b, 0x0b, ImmMem, 2, 0},
	{0x0c, 0x0c, ImmV128, 0, 1},
	{0x0d, 0x0d, ImmShuffle, 2, 1},
	{0x0e, 0x0e, ImmNone, 2, 1}, // swizzle
	{0x0f, 0x14, ImmNone, 1, 1}, // splat
	{0x15, 0x16, ImmLane, 1, 1}, // extract_lane; replace_lane where 2 are taken
	{0x17, 0x17, ImmLane, 2, 1},
	{0x18, 0x19, ImmLane, 1, 1},
	{0x1a, 0x1a, ImmLane, 2, 1},
	{0x1b, 0x1b, ImmLane, 1, 1},
	{0x1c, 0x1c, ImmLane, 2, 1},
	{0x1d, 0x1d, ImmLane, 1, 1},
	{0x1e, 0x1e, ImmLane, 2, 1},
	{0x1f, 0x1f, ImmLane, 1, 1},
	{0x20, 0x20, ImmLane, 2, 1},
	{0x21, 0x21, ImmLane, 1, 1},
	{0x22, 0x22, ImmLane, 2, 1},
	{0x23, 0x4c, ImmNone, 2, 1}, // comparisons
	{0x4d, 0x4d, ImmNone, 1, 1}, // v128.not
	{0x4e, 0x51, ImmNone, 2, 1},
	{0x52, 0x52, ImmNone, 3, 1}, // v128.bitselect
	{0x53, 0x53, ImmNone, 1, 1}, // v128.any_true
	{0x54, 0x57, ImmMemLane, 2, 1},
	{0x58, 0x5b, ImmMemLane, 2, 0},
	{0x5c, 0x5d, ImmMem, 1, 1},
	{0x5e, 0x64, ImmNone, 1, 1},
	{0x65, 0x66, ImmNone, 2, 1},
	{0x67, 0x6a, ImmNone, 1, 1},
	{0x6b, 0x73, ImmNone, 2, 1},
	{0x74, 0x75, ImmNone, 1, 1},
	{0x76, 0x79, ImmNone, 2, 1},
	{0x7a, 0x7a, ImmNone, 1, 1},
	{0x7b, 0x7b, ImmNone, 2, 1},
	{0x7c, 0x81, ImmNone, 1, 1},
	{0x82, 0x82, ImmNone, 2, 1},
	{0x83, 0x84, ImmNone, 1, 1},
	{0x85, 0x86, ImmNone, 2, 1},
	{0x87, 0x8a, ImmNone, 1, 1},
	{0x8b, 0x93, ImmNone, 2, 1},
	{0x94, 0x94, ImmNone, 1, 1},
	{0x95, 0x99, ImmNone, 2, 1},
	{0x9b, 0x9f, ImmNone, 2, 1},
	{0xa0, 0xa1, ImmNone, 1, 1},
	{0xa3, 0xa4, ImmNone, 1, 1},
	{0xa7, 0xaa, ImmNone, 1, 1},
	{0xab, 0xae, ImmNone, 2, 1},
	{0xb1, 0xb1, ImmNone, 2, 1},
	{0xb5, 0xba, ImmNone, 2, 1},
	{0xbc, 0xbf, ImmNone, 2, 1},
	{0xc0, 0xc1, ImmNone, 1, 1},
	{0xc3, 0xc4, ImmNone, 1, 1},
	{0xc7, 0xca, ImmNone, 1, 1},
	{0xcb, 0xce, ImmNone, 2, 1},
	{0xd1, 0xd1, ImmNone, 2, 1},
	{0xd5, 0xdf, ImmNone, 2, 1},
	{0xe0, 0xe1, ImmNone, 1, 1},
	{0xe3, 0xe3, ImmNone, 1, 1},
	{0xe4, 0xeb, ImmNone, 2, 1},
	{0xec, 0xed, ImmNone, 1, 1},
	{0xef, 0xef, ImmNone, 1, 1},
	{0xf0, 0xf7, ImmNone, 2, 1},
	{0xf8, 0xff, ImmNone, 1, 1},
})
