package validate

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

func (c *checker) elemSection() error {
	n, err := c.count("element segments", 3, c.lim.Segments)
	if err != nil {
		return err
	}
	c.f.Elems = n
	for i := range n {
		if err := c.elem(i); err != nil {
			return err
		}
	}
	return nil
}

// elem reads one element segment. The bits of its flags say which of eight forms it has.
func (c *checker) elem(i int) error {
	at := c.r.Offset()
	flags := c.r.U32()
	if flags > 7 {
		return c.malformed(at, "element segment %d: malformed flags %d", i, flags)
	}
	active, exprs := flags&wasm.ElemPassive == 0, flags&wasm.ElemExprs != 0
	var table uint32
	if active {
		at = c.r.Offset()
		if flags&wasm.ElemIndex != 0 {
			table = c.r.U32()
		}
		if int64(table) >= int64(len(c.f.Tables)) && c.r.Err() == nil {
			return c.malformed(at, "element segment %d: unknown table %d", i, table)
		}
		if err := c.constExpr(wasm.I32); err != nil {
			return err
		}
	}
	typ := wasm.FuncRef
	if flags&(wasm.ElemPassive|wasm.ElemIndex) != 0 {
		at = c.r.Offset()
		if exprs {
			var err error
			if typ, err = c.refType(); err != nil {
				return err
			}
		} else if k := c.r.Byte(); k != wasm.ElemKindFunc {
			return c.malformed(at, "element segment %d: malformed kind %#x", i, k)
		}
	}
	if active && c.f.Tables[table].Type != typ {
		return c.malformed(at, "element segment %d: type mismatch: %v into a table of %v", i, typ, c.f.Tables[table].Type)
	}
	return c.entries(exprs, typ)
}

// entries reads the entries of an element segment.
func (c *checker) entries(exprs bool, typ wasm.ValType) error {
	size := 1
	if exprs {
		size = 3
	}
	at := c.r.Offset()
	n, err := c.count("entries of an element segment", size, c.lim.Elements)
	if err != nil {
		return err
	}
	if c.f.Elements += n; c.f.Elements > c.lim.Elements {
		return c.over(at, "entries of element segments", uint64(c.f.Elements), uint64(c.lim.Elements))
	}
	for range n {
		if exprs {
			if err := c.constExpr(typ); err != nil {
				return err
			}
			continue
		}
		at := c.r.Offset()
		if err := c.funcRef(at, c.r.U32()); err != nil {
			return err
		}
	}
	return nil
}

// funcRef checks a function index that stands at an offset of the section, and notes that a table
// may hold the function.
func (c *checker) funcRef(at int64, fn uint32) error {
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	if int64(fn) >= int64(len(c.f.Funcs)) {
		return c.malformed(at, "unknown function %d", fn)
	}
	c.ref(fn)
	return nil
}

func (c *checker) dataCountSection() error {
	c.dataCount = c.r.U32()
	c.f.HasDataCount = true
	return nil
}

func (c *checker) dataSection() error {
	n, err := c.count("data segments", 2, c.lim.Segments)
	if err != nil {
		return err
	}
	c.f.Datas = n
	for i := range n {
		if err := c.data(i); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) data(i int) error {
	at := c.r.Offset()
	flags := c.r.U32()
	switch flags {
	case wasm.DataPassive:
		c.f.Passive++
	case wasm.DataActive, wasm.DataActiveMem:
		if flags == wasm.DataActiveMem {
			if mem := c.r.U32(); mem != 0 {
				return c.unsupported(at, wasm.MultiMemory)
			}
		}
		if c.f.Memory == nil {
			return c.malformed(at, "data segment %d: unknown memory 0", i)
		}
		if err := c.constExpr(wasm.I32); err != nil {
			return err
		}
	default:
		return c.malformed(at, "data segment %d: malformed flags %d", i, flags)
	}
	c.r.Bytes(c.r.U32())
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	return nil
}

// constExpr reads a constant expression of type want: one instruction and its end.
func (c *checker) constExpr(want wasm.ValType) error {
	at := c.r.Offset()
	var in wasm.Instr
	if err := c.next(&c.r, &in); err != nil {
		return err
	}
	var got wasm.ValType
	switch in.Op {
	case wasm.OpI32Const:
		got = wasm.I32
	case wasm.OpI64Const:
		got = wasm.I64
	case wasm.OpF32Const:
		got = wasm.F32
	case wasm.OpF64Const:
		got = wasm.F64
	case wasm.OpV128Const:
		got = wasm.V128
	case wasm.OpRefNull:
		got = wasm.ValType(in.X)
	case wasm.OpRefFunc:
		if err := c.funcRef(at, in.X); err != nil {
			return err
		}
		got = wasm.FuncRef
	case wasm.OpGlobalGet:
		if int64(in.X) >= int64(c.f.ImportedGlobals) {
			return c.malformed(at, "constant expression: unknown imported global %d", in.X)
		}
		g := c.f.Globals[in.X]
		if g.Mutable {
			return c.malformed(at, "constant expression required: global %d is mutable", in.X)
		}
		got = g.Type
	default:
		return c.malformed(at, "constant expression required")
	}
	if got != want {
		return c.malformed(at, "constant expression: type mismatch: %v instead of %v", got, want)
	}
	return c.constEnd()
}

func (c *checker) constEnd() error {
	at := c.r.Offset()
	var in wasm.Instr
	if err := c.next(&c.r, &in); err != nil {
		return err
	}
	switch in.Op {
	case wasm.OpEnd:
		return nil
	case wasm.OpI32Const, wasm.OpI64Const, wasm.OpGlobalGet, // the other operand of what follows
		wasm.OpI32Add, wasm.OpI32Sub, wasm.OpI32Mul, wasm.OpI64Add, wasm.OpI64Sub, wasm.OpI64Mul:
		return c.unsupported(at, wasm.ExtendedConst)
	}
	return c.malformed(at, "constant expression required: more than one instruction")
}

// next reads an instruction and names what is wrong with it.
func (c *checker) next(r *wasm.Reader, in *wasm.Instr) error {
	r.Next(in)
	if r.Err() == nil {
		return nil
	}
	at := r.ErrOffset()
	switch r.Err() {
	case wasm.ErrOpcode:
		if p := wasm.Proposal(c.b[at:]); p != "" {
			return c.unsupported(at, p)
		}
		return c.malformed(at, "unknown instruction %#x", c.b[at])
	case wasm.ErrType:
		if p := wasm.TypeProposal(c.b[at]); p != "" {
			return c.unsupported(at, p)
		}
	}
	return c.readErr(r)
}
