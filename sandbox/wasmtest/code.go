package wasmtest

import (
	"encoding/binary"
	"math"
)

// Opcodes without immediates, for Code.Op. There are more in the specification.
const (
	Unreachable byte = 0x00
	Nop         byte = 0x01
	Else        byte = 0x05
	End         byte = 0x0b
	Return      byte = 0x0f
	Drop        byte = 0x1a
	Select      byte = 0x1b
	I32Eqz      byte = 0x45
	I32Eq       byte = 0x46
	I32LtS      byte = 0x48
	I32LtU      byte = 0x49
	I64Eqz      byte = 0x50
	I64LtS      byte = 0x53
	I32Add      byte = 0x6a
	I32Sub      byte = 0x6b
	I32Mul      byte = 0x6c
	I32DivS     byte = 0x6d
	I32DivU     byte = 0x6e
	I32Xor      byte = 0x73
	I64Add      byte = 0x7c
	I64Sub      byte = 0x7d
	I64Mul      byte = 0x7e
	I64Xor      byte = 0x85
	I32WrapI64  byte = 0xa7
	I64ExtendU  byte = 0xad
	RefIsNull   byte = 0xd1
)

// Types of values, and of blocks that give nothing.
const (
	I32       byte = 0x7f
	I64       byte = 0x7e
	F32       byte = 0x7d
	F64       byte = 0x7c
	V128      byte = 0x7b
	FuncRef   byte = 0x70
	ExternRef byte = 0x6f
	Empty     byte = 0x40
)

// Code is a sequence of instructions. Its methods return it with one more, so they can be chained:
//
//	var c wasmtest.Code
//	c.LocalGet(0).I32Const(1).Op(wasmtest.I32Add)
type Code []byte

// Op adds opcodes without immediates, or any bytes.
func (c Code) Op(ops ...byte) Code { return append(c, ops...) }

// Then adds code.
func (c Code) Then(more ...Code) Code {
	for _, m := range more {
		c = append(c, m...)
	}
	return c
}

// Times adds n copies of code.
func (c Code) Times(n int, body Code) Code {
	for range n {
		c = append(c, body...)
	}
	return c
}

func (c Code) index(op byte, i uint32) Code { return appendU(append(c, op), uint64(i)) }

// Block, Loop and If open a block that takes nothing and gives t, or nothing if t is Empty.
func (c Code) Block(t byte) Code { return append(c, 0x02, t) }

// Loop opens a loop. See Block.
func (c Code) Loop(t byte) Code { return append(c, 0x03, t) }

// If opens an if. See Block.
func (c Code) If(t byte) Code { return append(c, 0x04, t) }

// BlockOf opens a block of a type of the module.
func (c Code) BlockOf(typ uint32) Code { return appendS(append(c, 0x02), int64(typ)) }

// LoopOf opens a loop of a type of the module.
func (c Code) LoopOf(typ uint32) Code { return appendS(append(c, 0x03), int64(typ)) }

// Br adds br.
func (c Code) Br(label uint32) Code { return c.index(0x0c, label) }

// BrIf adds br_if.
func (c Code) BrIf(label uint32) Code { return c.index(0x0d, label) }

// BrTable adds br_table. The last label is the default.
func (c Code) BrTable(labels ...uint32) Code {
	c = c.index(0x0e, uint32(len(labels)-1))
	for _, l := range labels {
		c = appendU(c, uint64(l))
	}
	return c
}

// Call adds call.
func (c Code) Call(fn uint32) Code { return c.index(0x10, fn) }

// CallIndirect adds call_indirect.
func (c Code) CallIndirect(typ, table uint32) Code { return appendU(c.index(0x11, typ), uint64(table)) }

// LocalGet adds local.get.
func (c Code) LocalGet(i uint32) Code { return c.index(0x20, i) }

// LocalSet adds local.set.
func (c Code) LocalSet(i uint32) Code { return c.index(0x21, i) }

// LocalTee adds local.tee.
func (c Code) LocalTee(i uint32) Code { return c.index(0x22, i) }

// GlobalGet adds global.get.
func (c Code) GlobalGet(i uint32) Code { return c.index(0x23, i) }

// GlobalSet adds global.set.
func (c Code) GlobalSet(i uint32) Code { return c.index(0x24, i) }

// TableGet adds table.get.
func (c Code) TableGet(i uint32) Code { return c.index(0x25, i) }

// TableSet adds table.set.
func (c Code) TableSet(i uint32) Code { return c.index(0x26, i) }

// I32Const adds i32.const.
func (c Code) I32Const(v int32) Code { return appendS(append(c, 0x41), int64(v)) }

// I64Const adds i64.const.
func (c Code) I64Const(v int64) Code { return appendS(append(c, 0x42), v) }

// F32Const adds f32.const.
func (c Code) F32Const(v float32) Code {
	return binary.LittleEndian.AppendUint32(append(c, 0x43), math.Float32bits(v))
}

// F64Const adds f64.const.
func (c Code) F64Const(v float64) Code {
	return binary.LittleEndian.AppendUint64(append(c, 0x44), math.Float64bits(v))
}

// I32Load adds i32.load at an offset.
func (c Code) I32Load(offset uint32) Code { return appendU(append(c, 0x28, 2), uint64(offset)) }

// I32Store adds i32.store at an offset.
func (c Code) I32Store(offset uint32) Code { return appendU(append(c, 0x36, 2), uint64(offset)) }

// MemorySize adds memory.size.
func (c Code) MemorySize() Code { return append(c, 0x3f, 0) }

// MemoryGrow adds memory.grow.
func (c Code) MemoryGrow() Code { return append(c, 0x40, 0) }

// RefNull adds ref.null.
func (c Code) RefNull(t byte) Code { return append(c, 0xd0, t) }

// RefFunc adds ref.func.
func (c Code) RefFunc(fn uint32) Code { return c.index(0xd2, fn) }

func (c Code) misc(n byte, indexes ...uint32) Code {
	c = append(c, 0xfc, n)
	for _, i := range indexes {
		c = appendU(c, uint64(i))
	}
	return c
}

// MemoryInit adds memory.init.
func (c Code) MemoryInit(data uint32) Code { return append(c.misc(8, data), 0) }

// DataDrop adds data.drop.
func (c Code) DataDrop(data uint32) Code { return c.misc(9, data) }

// MemoryCopy adds memory.copy.
func (c Code) MemoryCopy() Code { return c.misc(10, 0, 0) }

// MemoryFill adds memory.fill.
func (c Code) MemoryFill() Code { return c.misc(11, 0) }

// TableInit adds table.init.
func (c Code) TableInit(elem, table uint32) Code { return c.misc(12, elem, table) }

// ElemDrop adds elem.drop.
func (c Code) ElemDrop(elem uint32) Code { return c.misc(13, elem) }

// TableCopy adds table.copy.
func (c Code) TableCopy(to, from uint32) Code { return c.misc(14, to, from) }

// TableGrow adds table.grow.
func (c Code) TableGrow(table uint32) Code { return c.misc(15, table) }

// TableSize adds table.size.
func (c Code) TableSize(table uint32) Code { return c.misc(16, table) }

// TableFill adds table.fill.
func (c Code) TableFill(table uint32) Code { return c.misc(17, table) }

// Vec adds an instruction on vectors with its immediates.
func (c Code) Vec(n uint32, imm ...byte) Code {
	return append(appendU(append(c, 0xfd), uint64(n)), imm...)
}
