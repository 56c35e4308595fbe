package validate

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

// index checks the indexes of an instruction that is neither control nor a call, and notes what
// others need to know of it.
func (c *body) index(in *wasm.Instr) error {
	switch op := in.Op; op {
	case wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpLocalTee:
		if in.X >= c.locals {
			return c.bad(in, "unknown local %d", in.X)
		}
		c.framing.local(op, in.X)
	case wasm.OpGlobalGet, wasm.OpGlobalSet:
		switch {
		case int64(in.X) >= int64(len(c.f.Globals)):
			return c.bad(in, "unknown global %d", in.X)
		case op == wasm.OpGlobalSet && !c.f.Globals[in.X].Mutable:
			return c.bad(in, "global %d is immutable", in.X)
		}
	case wasm.OpRefFunc:
		if int64(in.X) >= int64(len(c.f.Funcs)) {
			return c.bad(in, "unknown function %d", in.X)
		}
		// The engine would not find this once the host has exported more functions.
		if c.refs == nil || !c.refs[in.X] {
			return c.bad(in, "undeclared function reference %d", in.X)
		}
	case wasm.OpMemorySize, wasm.OpMemoryGrow, wasm.OpMemoryCopy, wasm.OpMemoryFill, wasm.OpMemoryInit, wasm.OpDataDrop:
		return c.memoryOp(in)
	case wasm.OpTableGet, wasm.OpTableSet, wasm.OpTableSize, wasm.OpTableGrow, wasm.OpTableFill,
		wasm.OpTableCopy, wasm.OpTableInit, wasm.OpElemDrop:
		return c.tableOp(in)
	default:
		if in.Imm == wasm.ImmMem || in.Imm == wasm.ImmMemLane {
			return c.memArg(in)
		}
	}
	if in.Op.Vec() {
		c.b.Uses |= UsesVec
	}
	return nil
}

func (c *body) memArg(in *wasm.Instr) error {
	if in.Op.Vec() {
		c.b.Uses |= UsesVec
	}
	switch {
	case in.X&0x40 != 0 && in.X < 0x80:
		return c.unsupported(c.at(in), wasm.MultiMemory)
	case in.X >= 32:
		return c.bad(in, "alignment must not be larger than natural")
	case c.f.Memory == nil:
		return c.bad(in, "unknown memory 0")
	}
	return nil
}

func (c *body) memoryOp(in *wasm.Instr) error {
	switch in.Op {
	case wasm.OpMemoryGrow:
		c.b.Uses |= UsesMemGrow | UsesLength
	case wasm.OpMemoryCopy, wasm.OpMemoryFill:
		c.b.Uses |= UsesLength
	case wasm.OpMemoryInit, wasm.OpDataDrop:
		if !c.f.HasDataCount {
			return c.bad(in, "data count section required")
		}
		if in.X >= c.dataCount {
			return c.bad(in, "unknown data segment %d", in.X)
		}
		c.b.Uses |= UsesData
		if in.Op == wasm.OpDataDrop {
			c.b.Uses |= UsesDataDrop
			return nil
		}
		c.b.Uses |= UsesLength
	}
	if c.f.Memory == nil {
		return c.bad(in, "unknown memory 0")
	}
	return nil
}

func (c *body) tableOp(in *wasm.Instr) error {
	tables, elem := []uint32{in.X}, int64(-1)
	switch in.Op {
	case wasm.OpTableInit:
		tables[0], elem = in.Y, int64(in.X)
		c.b.Uses |= UsesLength | UsesTableWrite
	case wasm.OpElemDrop:
		tables, elem = nil, int64(in.X)
		c.b.Uses |= UsesElemDrop
	case wasm.OpTableCopy:
		tables = append(tables, in.Y)
		c.b.Uses |= UsesLength | UsesTableWrite
	case wasm.OpTableGrow, wasm.OpTableFill:
		c.b.Uses |= UsesLength | UsesTableWrite
	case wasm.OpTableSet:
		c.b.Uses |= UsesTableWrite
	case wasm.OpTableGet:
		c.b.Uses |= UsesTableGet
	}
	for _, t := range tables {
		if int64(t) >= int64(len(c.f.Tables)) {
			return c.bad(in, "unknown table %d", t)
		}
	}
	if elem >= int64(c.f.Elems) {
		return c.bad(in, "unknown element segment %d", elem)
	}
	return nil
}
