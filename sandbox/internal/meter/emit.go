package meter

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

func (c *code) op(op wasm.Op) { c.out = append(c.out, byte(op)) }
func (c *code) get(global uint32) {
	c.out = wasm.AppendU32(append(c.out, byte(wasm.OpGlobalGet)), global)
}
func (c *code) set(global uint32) {
	c.out = wasm.AppendU32(append(c.out, byte(wasm.OpGlobalSet)), global)
}
func (c *code) i32(v int64) { c.out = wasm.AppendS64(append(c.out, byte(wasm.OpI32Const)), v) }
func (c *code) i64(v int64) { c.out = wasm.AppendS64(append(c.out, byte(wasm.OpI64Const)), v) }

func (c *code) indexed(op wasm.Op, i uint32) { c.out = wasm.AppendU32(append(c.out, byte(op)), i) }

// subtract charges n gas and, if check is set, looks whether there was enough. The local is there for
// speed: it spares the engine a load.
func (c *code) subtract(n int64, check bool) {
	if n == 0 && !check {
		return
	}
	c.get(c.gas)
	c.i64(n)
	c.op(wasm.OpI64Sub)
	if check {
		c.indexed(wasm.OpLocalTee, c.left)
	}
	c.set(c.gas)
	if check {
		c.indexed(wasm.OpLocalGet, c.left)
		c.check()
	}
}

// check calls the host, or traps, if the gas on top of the stack is below zero.
func (c *code) check() {
	c.i64(0)
	c.op(wasm.OpI64LtS)
	c.out = append(c.out, byte(wasm.OpIf), wasm.BlockEmpty)
	if c.o.TrapOnly {
		c.op(wasm.OpUnreachable)
	} else {
		c.out = wasm.AppendU32(append(c.out, byte(wasm.OpCall)), c.outOfGas)
	}
	c.op(wasm.OpEnd)
}

// chargeLength charges for the length on top of the stack, one gas for each unit, which is a power
// of two. The sum is of 64 bits and cannot overflow.
func (c *code) chargeLength(unit int64) {
	c.indexed(wasm.OpLocalTee, c.length)
	c.get(c.gas)
	c.indexed(wasm.OpLocalGet, c.length)
	c.op(wasm.OpI64ExtendI32)
	if unit > 1 {
		c.i64(unit - 1)
		c.op(wasm.OpI64Add)
		c.i64(shift(unit))
		c.op(wasm.OpI64ShrU)
	}
	c.settle()
}

func shift(unit int64) (n int64) {
	for ; unit > 1; unit >>= 1 {
		n++
	}
	return n
}

// chargeGrow charges for the length on top of the stack, gas for each unit of it. A length beyond
// limit cannot be granted and so does no work: it is not charged for, else asking for too much, as
// allocators do, would be the end.
func (c *code) chargeGrow(gas, limit int64) {
	c.indexed(wasm.OpLocalTee, c.length)
	c.get(c.gas)
	c.indexed(wasm.OpLocalGet, c.length)
	c.op(wasm.OpI64ExtendI32)
	c.i64(gas)
	c.op(wasm.OpI64Mul)
	c.i64(0)
	c.indexed(wasm.OpLocalGet, c.length)
	c.i32(int64(int32(limit)))
	c.op(wasm.OpI32LeU)
	c.op(wasm.OpSelect)
	c.settle()
}

// settle takes what is on top of the stack from the gas below it, and checks at once: a straight line
// of such instructions must not run on without gas.
func (c *code) settle() {
	c.op(wasm.OpI64Sub)
	c.indexed(wasm.OpLocalTee, c.left)
	c.set(c.gas)
	c.indexed(wasm.OpLocalGet, c.left)
	c.check()
}
