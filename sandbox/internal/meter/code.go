package meter

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// smallLeaf is the most instructions of a function that need not check its gas: a straight line of
// calls of such functions is as good as a straight line.
const smallLeaf = 64

// smallCaller is the most instructions of a function that counts its frame by a local.
const smallCaller = 64

// frameBytes is what a frame counts besides its slots: return address, saved registers, arguments take a third of it. The rest bounds how
// deep a recursion of small frames gets, since the engine copies them all again and again while its stack grows.
const frameBytes = 384

// leafFrame is the largest frame that is not counted, in bytes, of a function that calls nothing. Such
// a one is the last on the stack, which has room for it.
const leafFrame = 4096

// counts reports whether a function counts its frame.
func counts(b *validate.Body) bool {
	return b.Uses.Has(validate.UsesCall) || frameSize(b) > leafFrame
}

func frameSize(b *validate.Body) int64 { return frameBytes + 8*int64(b.Slots) }

// checksEntry reports whether a function checks its gas when it is entered. A small one that calls
// nothing only charges.
func checksEntry(b *validate.Body) bool {
	return b.Instrs > smallLeaf || b.Uses.Has(validate.UsesCall)
}

// holdsRoom reports whether a function keeps what was left of the stack at its entry in a local. In a small one, which is little
// but its calls, reading the global again would have each call wait for what the one before has written. In a large one the local is
// one more value that lives from end to end.
func holdsRoom(b *validate.Body) bool { return counts(b) && b.Instrs <= smallCaller }

// holdsGas reports whether a function needs a local for the gas.
func holdsGas(b *validate.Body) bool { return checksEntry(b) || b.Uses.Has(validate.UsesLength) }

// fillsTable reports whether the function calls through a table that is filled by and by.
func (c *code) fillsTable() bool { return c.lazy != nil && c.body.Uses.Has(validate.UsesIndirect) }

// code rewrites one function: a walk over its instructions collects edits, which are then applied to
// the bytes.
type code struct {
	*writer
	body  *validate.Body
	r     wasm.Reader
	out   []byte
	edits []edit

	control []block
	seg     int    // in edits: the charge for the current straight line
	dead    bool   // the straight line cannot be reached
	length  uint32 // local that holds an operand, if UsesLength
	left    uint32 // local that holds the gas, if holdsGas
	entry   uint32 // local that holds an entry of the table, if fillsTable
	room    uint32 // local that holds the bytes of stack that were left at entry, if holdsRoom
}

type block struct {
	op       wasm.Op
	targeted bool // some branch leads to its end
}

// edit replaces the bytes [at, next) of a body.
type edit struct {
	at, next uint32
	kind     editKind
	n        int64
}

type editKind byte

const (
	editCharge editKind = iota // n gas
	editCheck                  // n gas, and check
	editBack                   // check, since a loop may go on
	editFunc                   // a function index becomes n
	editReturn                 // return becomes a branch to n
	editDrop                   // nothing is put in place
	editLength                 // charge for the length operand in units of n
	editPages                  // charge for the length operand of memory.grow
	editGrow                   // charge for the length operand of table.grow up to n
	editFill                   // fill the table's entry that is called
)

func (w *writer) codeSection(r *wasm.Reader, b []byte) []byte {
	if r.Len() == 0 {
		return b
	}
	n := r.U32()
	b = make([]byte, 0, r.Len()+r.Len()/4)
	added := 0
	if w.lazy != nil {
		added = 1 + w.lazy.fillers()
	}
	b = wasm.AppendU32(b, n+uint32(added))
	c := &w.code
	c.writer = w
	for i := range w.f.Bodies {
		body := &w.f.Bodies[i]
		src := r.Sub(r.U32())
		if r.Err() != nil {
			return b
		}
		c.function(uint32(w.f.ImportedFuncs+i), body, src)
		b = wasm.AppendU32(b, uint32(len(c.out)))
		b = append(b, c.out...)
	}
	if w.lazy != nil {
		b = c.fillers(b)
	}
	return b
}

// function writes one function to c.out.
func (c *code) function(fn uint32, body *validate.Body, r wasm.Reader) {
	c.body, c.r, c.out = body, r, c.out[:0]
	c.edits, c.control, c.dead = c.edits[:0], append(c.control[:0], block{op: wasm.OpUnreachable}), false
	t := c.f.FuncType(fn)
	c.locals(uint32(len(t.Params)) + body.Locals)
	start := c.r.Pos()
	if checksEntry(body) {
		c.segment(editCheck)
	} else {
		c.segment(editCharge)
	}
	c.charge(Costs.Entry + int64(body.Locals)/Costs.EntryLocals)
	c.walk()
	if c.r.Err() != nil {
		if c.err == nil {
			c.err = fmt.Errorf("function %d: %w", fn, c.r.Err())
		}
		return
	}
	frame := frameSize(body)
	c.layout.MaxFrame = max(c.layout.MaxFrame, frame)
	if counts(body) {
		c.enter(frame, t.Results)
	}
	c.apply(start)
	if counts(body) {
		c.op(wasm.OpEnd)
		c.leave(frame)
	}
	c.op(wasm.OpEnd)
}

// locals copies the locals, of which there are n with parameters, and adds those that the charges use.
func (c *code) locals(n uint32) {
	groups := c.r.U32()
	at := c.r.Pos()
	for i := uint32(0); i < groups && c.r.Err() == nil; i++ {
		c.r.U32()
		c.r.Byte()
	}
	var add []byte
	if holdsGas(c.body) {
		c.left = n
		n++
		groups++
		add = append(add, 1, byte(wasm.I64))
	}
	if c.body.Uses.Has(validate.UsesLength) {
		c.length = n
		n++
		groups++
		add = append(add, 1, byte(wasm.I32))
	}
	if c.fillsTable() {
		c.entry = n
		n++
		groups++
		add = append(add, 1, byte(wasm.I32))
	}
	if holdsRoom(c.body) {
		c.room = n
		groups++
		add = append(add, 1, byte(wasm.I32))
	}
	c.out = wasm.AppendU32(c.out, groups)
	c.out = append(c.out, c.r.Since(at)...)
	c.out = append(c.out, add...)
}

// enter takes the frame from the stack and opens the block that returns become branches out of.
func (c *code) enter(frame int64, results []wasm.ValType) {
	c.get(c.stack)
	if holdsRoom(c.body) {
		c.indexed(wasm.OpLocalTee, c.room)
	}
	c.i32(frame)
	c.op(wasm.OpI32Sub)
	c.set(c.stack)
	if holdsRoom(c.body) {
		c.indexed(wasm.OpLocalGet, c.room)
		c.i32(frame)
	} else {
		c.get(c.stack)
		c.i32(0)
	}
	c.op(wasm.OpI32LtS)
	c.out = append(c.out, byte(wasm.OpIf), wasm.BlockEmpty, byte(wasm.OpUnreachable), byte(wasm.OpEnd))
	c.op(wasm.OpBlock)
	switch len(results) {
	case 0:
		c.out = append(c.out, wasm.BlockEmpty)
	case 1:
		c.out = append(c.out, byte(results[0]))
	default:
		c.out = wasm.AppendS64(c.out, int64(c.blockType(results)))
	}
}

// leave gives the frame back.
func (c *code) leave(frame int64) {
	if holdsRoom(c.body) {
		c.indexed(wasm.OpLocalGet, c.room)
	} else {
		c.get(c.stack)
		c.i32(frame)
		c.op(wasm.OpI32Add)
	}
	c.set(c.stack)
}

// walk collects the edits.
func (c *code) walk() {
	var in wasm.Instr
	for len(c.control) > 0 && c.r.Err() == nil {
		c.r.Next(&in)
		c.instr(&in)
	}
}

func (c *code) instr(in *wasm.Instr) {
	if in.Op != wasm.OpLoop {
		c.charge(cost(in.Op))
	}
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		c.control = append(c.control, block{op: in.Op})
		if in.Op != wasm.OpBlock {
			c.segment(editCharge)
		}
		if in.Op == wasm.OpLoop { // in each round
			c.charge(cost(in.Op))
		}
	case wasm.OpElse:
		c.dead = false
		c.segment(editCharge)
	case wasm.OpEnd:
		c.end()
	case wasm.OpBr, wasm.OpBrIf:
		if c.target(in.X) {
			c.back(in)
		}
		if in.Op == wasm.OpBr {
			c.dead = true
		} else {
			c.segment(editCharge)
		}
	case wasm.OpBrTable:
		loops := false
		for in.Labels.Len() > 0 {
			loops = c.target(in.Labels.U32()) || loops
		}
		if loops {
			c.back(in)
		}
		c.dead = true
	case wasm.OpUnreachable:
		c.dead = true
	case wasm.OpReturn:
		if counts(c.body) {
			c.edit(in, editReturn, int64(len(c.control)-1))
		}
		c.dead = true
	case wasm.OpCallIndirect:
		if c.lazy != nil {
			c.edits = append(c.edits, edit{at: uint32(in.Start), next: uint32(in.Start), kind: editFill})
		}
	case wasm.OpCall, wasm.OpRefFunc:
		if fn := c.fn(in.X); fn != in.X {
			c.edits = append(c.edits, edit{uint32(in.Start) + 1, uint32(c.r.Pos()), editFunc, int64(fn)})
		}
	default:
		if in.Op.Exits() || in.Op == wasm.OpDataDrop {
			c.bulk(in)
		}
	}
}

// end closes a block. Code after it is a straight line of its own if it can be reached in another way
// than from the end of the block's own.
func (c *code) end() {
	top := c.control[len(c.control)-1]
	c.control = c.control[:len(c.control)-1]
	switch {
	case len(c.control) == 0:
	case top.op == wasm.OpIf || top.targeted && top.op != wasm.OpLoop:
		c.dead = false
		c.segment(editCharge)
	case top.op == wasm.OpLoop: // what follows is not repeated
		c.segment(editCharge)
	}
}

// target notes a branch and reports whether it leads to the head of a loop.
func (c *code) target(label uint32) bool {
	if int(label) >= len(c.control) {
		return false
	}
	b := &c.control[len(c.control)-1-int(label)]
	b.targeted = true
	return b.op == wasm.OpLoop
}

// back puts a check before a branch that leads to the head of a loop. It is here and not at the head
// for speed: what lives across a call at the head are the loop's variables, which the engine would then
// store in each round, while here they are new values, which it stores only where it does call.
func (c *code) back(in *wasm.Instr) {
	if !c.dead {
		at := uint32(in.Start)
		c.edits = append(c.edits, edit{at: at, next: at, kind: editBack})
	}
}

// segment begins a straight line at the reader's position.
func (c *code) segment(kind editKind) {
	at := uint32(c.r.Pos())
	c.seg = len(c.edits)
	c.edits = append(c.edits, edit{at: at, next: at, kind: kind})
}

func (c *code) charge(n int64) {
	if !c.dead {
		c.edits[c.seg].n += n
	}
}

func (c *code) edit(in *wasm.Instr, kind editKind, n int64) {
	c.edits = append(c.edits, edit{uint32(in.Start), uint32(c.r.Pos()), kind, n})
}

// bulk handles the instructions whose work grows with the operand on top of the stack.
func (c *code) bulk(in *wasm.Instr) {
	at := uint32(in.Start)
	before := edit{at: at, next: at}
	switch in.Op {
	case wasm.OpMemoryFill, wasm.OpMemoryCopy, wasm.OpMemoryInit:
		before.kind, before.n = editLength, Costs.BulkBytes
	case wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit:
		before.kind, before.n = editLength, Costs.BulkEntries
	case wasm.OpMemoryGrow:
		before.kind = editPages
	case wasm.OpTableGrow:
		before.kind, before.n = editGrow, int64(c.maxEntries(&c.f.Tables[in.X]))
	case wasm.OpDataDrop:
		if c.o.Image != nil {
			c.edit(in, editDrop, 0)
		}
		return
	default:
		return
	}
	c.edits = append(c.edits, before)
}

// growLimit is the most pages that memory.grow can add.
func (c *code) growLimit() int64 {
	if c.f.Memory.Imported {
		return wasm.MaxPages
	}
	return int64(c.maxPages())
}

// apply writes the body from start on, without its last end, with the edits made.
func (c *code) apply(start int) {
	src := c.b[c.body.Offset:][:c.body.Size]
	at := uint32(start)
	for i := range c.edits {
		e := &c.edits[i]
		c.out = append(c.out, src[at:e.at]...)
		at = e.next
		c.replace(e)
	}
	c.out = append(c.out, src[at:len(src)-1]...)
}

func (c *code) replace(e *edit) {
	switch e.kind {
	case editCharge, editCheck:
		c.subtract(e.n, e.kind == editCheck)
	case editBack:
		c.get(c.gas)
		c.check()
	case editFunc:
		c.out = wasm.AppendU32(c.out, uint32(e.n))
	case editReturn:
		c.op(wasm.OpBr)
		c.out = wasm.AppendU32(c.out, uint32(e.n))
	case editLength:
		c.chargeLength(e.n)
	case editPages:
		c.chargeGrow(Costs.GrowPage, c.growLimit())
	case editGrow:
		c.chargeGrow(1, e.n)
	case editFill:
		c.fill()
	}
}
