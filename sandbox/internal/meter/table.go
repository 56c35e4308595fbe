package meter

import (
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// The engine makes an object for each entry of a table in each instance: of the 7,000 functions that a program in Go puts into
// its table an actor calls some hundred, but its instance had 170 KiB for all of them and took 200 µs to make instead of 20. So a
// table that nobody but calls can see begins empty, and a call through an entry that is still empty fills it first. The guest cannot
// tell, and is not charged: whether an entry is full depends on who had the instance before.

const (
	// maxLazy is the most entries of a table that is filled by and by. More take more code than they are worth.
	maxLazy = 1 << 14
	// fillerEntries is how many entries one filler knows.
	fillerShift   = 7
	fillerEntries = 1 << fillerShift
)

// lazyTable is a table that is filled by and by.
type lazyTable struct {
	entries []int64 // the function of each entry, as the module counts them; -1 for none
	filler  uint32  // function of type (i32) -> () that fills an entry; those that know their entries follow it
	typ     uint32  // its type
}

// fillers returns how many functions know entries.
func (t *lazyTable) fillers() int { return (len(t.entries) + fillerEntries - 1) / fillerEntries }

// planTable finds out whether the module's table can be filled by and by.
func (w *writer) planTable() {
	f := w.f
	if len(f.Tables) != 1 || len(f.Bodies) == 0 || f.Elements < int(w.o.LazyEntries) || f.Uses.Has(validate.UsesTableWrite) || f.Uses.Has(validate.UsesTableGet) {
		return
	}
	if t := f.Tables[0]; t.Imported || t.Type != wasm.FuncRef || t.Min > maxLazy {
		return
	}
	for _, e := range f.Exports {
		if e.Kind == wasm.ExternTable {
			return
		}
	}
	entries, ok := w.tableEntries()
	if !ok {
		return
	}
	w.lazy = &lazyTable{entries: entries, filler: uint32(len(f.Funcs)) + w.shift, typ: w.addType(validate.FuncType{Params: []wasm.ValType{wasm.I32}})}
}

// addType returns the index of a type, which is added if the module does not have it.
func (w *writer) addType(t validate.FuncType) uint32 {
	for i := range w.f.Types {
		if w.f.Types[i].String() == t.String() {
			return uint32(i)
		}
	}
	w.types = append(w.types, t)
	return uint32(len(w.f.Types) + len(w.types) - 1)
}

// tableEntries returns what the table begins with. False means that the module says so in another way than by
// functions from fixed places on, or that it does not fit, which the engine is to find.
func (w *writer) tableEntries() ([]int64, bool) {
	entries := make([]int64, w.f.Tables[0].Min)
	for i := range entries {
		entries[i] = -1
	}
	r := w.section(wasm.SectionElement)
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		s := readElem(&r)
		if s.flags&wasm.ElemPassive != 0 {
			continue
		}
		if !s.fixed || uint64(s.offset)+uint64(len(s.funcs)) > uint64(len(entries)) {
			return nil, false
		}
		copy(entries[s.offset:], s.funcs)
	}
	return entries, r.Err() == nil
}

// segment is an element segment.
type segment struct {
	flags  uint32
	offset uint32
	fixed  bool    // offset is a constant, and each entry a function or null
	funcs  []int64 // -1 for null
}

func readElem(r *wasm.Reader) segment {
	s := segment{flags: r.U32(), fixed: true}
	if s.flags&wasm.ElemPassive == 0 {
		if s.flags&wasm.ElemIndex != 0 {
			r.U32()
		}
		at := s.constant(r, wasm.OpI32Const)
		s.offset = uint32(at)
	}
	if s.flags&(wasm.ElemPassive|wasm.ElemIndex) != 0 {
		r.Byte()
	}
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		if s.flags&wasm.ElemExprs != 0 {
			s.funcs = append(s.funcs, s.constant(r, wasm.OpRefFunc))
		} else {
			s.funcs = append(s.funcs, int64(r.U32()))
		}
	}
	return s
}

// constant reads an expression that is to be one instruction and returns its operand, -1 for ref.null.
func (s *segment) constant(r *wasm.Reader, op wasm.Op) (v int64) {
	var in wasm.Instr
	for i := 0; r.Err() == nil; i++ {
		at := r.Pos()
		r.Next(&in)
		switch {
		case in.Op == wasm.OpEnd:
			return v
		case i > 0:
			s.fixed = false
		case in.Op == wasm.OpI32Const && op == in.Op:
			c := wasm.NewReader(r.Since(at)[1:], 0)
			v = int64(c.S32())
		case in.Op == wasm.OpRefFunc && op == in.Op:
			v = int64(in.X)
		case in.Op == wasm.OpRefNull && op == wasm.OpRefFunc:
			v = -1
		default:
			s.fixed = false
		}
	}
	return v
}

// fill puts the filling of an empty entry before a call through the table. The entry is on top of the stack.
func (c *code) fill() {
	c.indexed(wasm.OpLocalTee, c.entry)
	c.indexed(wasm.OpTableGet, 0)
	c.op(wasm.OpRefIsNull)
	c.out = append(c.out, byte(wasm.OpIf), wasm.BlockEmpty)
	c.indexed(wasm.OpLocalGet, c.entry)
	c.indexed(wasm.OpCall, c.lazy.filler)
	c.op(wasm.OpEnd)
	c.indexed(wasm.OpLocalGet, c.entry)
}

// functionSection adds the fillers.
func (w *writer) functionSection(r *wasm.Reader, b []byte) []byte {
	if w.lazy == nil {
		return w.copySection(r, b)
	}
	n := 1 + w.lazy.fillers()
	b = w.extend(r, b, n)
	for range n {
		b = wasm.AppendU32(b, w.lazy.typ)
	}
	return b
}

// fillers appends the fillers' code: the first finds the one that knows an entry.
func (c *code) fillers(b []byte) []byte {
	n := c.lazy.fillers()
	c.begin()
	c.choose(n, func() {
		c.indexed(wasm.OpLocalGet, 0)
		c.i32(fillerShift)
		c.op(wasm.OpI32ShrU)
	})
	for i := range n {
		c.op(wasm.OpEnd)
		c.indexed(wasm.OpLocalGet, 0)
		c.indexed(wasm.OpCall, c.lazy.filler+1+uint32(i))
		c.op(wasm.OpReturn)
	}
	c.op(wasm.OpEnd)
	b = c.finish(b)
	for i := range n {
		b = c.filler(i*fillerEntries, b)
	}
	return b
}

// filler appends the code that fills entries from one on. An entry without a function stays empty.
func (c *code) filler(from int, b []byte) []byte {
	funcs := c.lazy.entries[from:min(from+fillerEntries, len(c.lazy.entries))]
	n := len(funcs)
	c.begin()
	c.indexed(wasm.OpLocalGet, 0)
	c.out = append(c.out, byte(wasm.OpBlock), byte(wasm.FuncRef))
	c.choose(n, func() {
		c.indexed(wasm.OpLocalGet, 0)
		c.i32(int64(from))
		c.op(wasm.OpI32Sub)
	})
	for i, fn := range funcs {
		c.op(wasm.OpEnd)
		if fn < 0 {
			c.op(wasm.OpReturn)
			continue
		}
		c.indexed(wasm.OpRefFunc, c.fn(uint32(fn)))
		c.indexed(wasm.OpBr, uint32(n-i))
	}
	c.op(wasm.OpEnd)
	c.op(wasm.OpReturn)
	c.op(wasm.OpEnd)
	c.indexed(wasm.OpTableSet, 0)
	return c.finish(b)
}

// begin and finish enclose the body of a function without locals, which finish appends.
func (c *code) begin() { c.out = append(c.out[:0], 0) }

func (c *code) finish(b []byte) []byte {
	c.op(wasm.OpEnd)
	return append(wasm.AppendU32(b, uint32(len(c.out))), c.out...)
}

// choose opens n+1 blocks and leaves as many of them as the number that index puts on the stack says, of larger ones all.
func (c *code) choose(n int, index func()) {
	for range n + 1 {
		c.out = append(c.out, byte(wasm.OpBlock), wasm.BlockEmpty)
	}
	index()
	c.indexed(wasm.OpBrTable, uint32(n))
	for i := range n + 1 {
		c.out = wasm.AppendU32(c.out, uint32(i))
	}
}
