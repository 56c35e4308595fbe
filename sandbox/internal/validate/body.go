package validate

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// frame is an open block. The count of operands follows the specification's algorithm, without types.
type frame struct {
	op              wasm.Op // block, loop, if, else; unreachable for the function itself
	targeted        bool    // a branch leads to its label
	height          uint32  // operands below the block
	params, results uint32
}

func (c *checker) codeSection() error {
	n, err := c.count("functions", 3, c.lim.Funcs)
	if err != nil {
		return err
	}
	c.codes = n
	if n != c.funcs {
		return c.malformed(c.r.Offset(), "function and code section have inconsistent lengths: %d and %d", c.funcs, n)
	}
	c.f.Bodies = make([]Body, n)
	c.callEnds = make([]int, n)
	for i := range n {
		at := c.r.Offset()
		size := c.r.U32()
		offset := c.r.Offset()
		r := c.r.Sub(size)
		if c.r.Err() != nil {
			return c.readErr(&c.r)
		}
		if int64(size) > int64(c.lim.BodyBytes) {
			return c.over(at, fmt.Sprintf("bytes of function %d", c.f.ImportedFuncs+i), uint64(size), uint64(c.lim.BodyBytes))
		}
		b := &c.f.Bodies[i]
		b.Offset, b.Size = offset, size
		bc := body{checker: c, r: r, b: b, weight: uint64(len(c.f.Globals)), fn: c.f.ImportedFuncs + i, typ: c.f.FuncType(uint32(c.f.ImportedFuncs + i))}
		if err := bc.check(); err != nil {
			return err
		}
		c.callEnds[i] = len(c.calls)
	}
	return nil
}

// body is the check of one function.
type body struct {
	*checker
	r   wasm.Reader
	b   *Body
	fn  int // index, for errors
	typ FuncType

	locals   uint32 // with parameters
	height   uint32 // operands now
	deepest  uint32 // operands at most
	nesting  int    // blocks at most
	branches int    // labels of br_tables
	joints   uint64 // blocks and conditional branches
	loops    uint64
	weight   uint64
}

func (c *body) check() error {
	slots, err := c.declare()
	if err != nil {
		return err
	}
	c.framing.reset(int(c.locals))
	c.control = append(c.control[:0], frame{op: wasm.OpUnreachable, results: uint32(len(c.typ.Results))})
	var in wasm.Instr
	for len(c.control) > 0 {
		if err := c.next(&c.r, &in); err != nil {
			return err
		}
		c.b.Instrs++
		if err := c.instr(&in); err != nil {
			return err
		}
	}
	if c.r.Len() > 0 {
		return c.malformed(c.r.Offset(), "function %d: END opcode expected at the end: %d bytes are left", c.fn, c.r.Len())
	}
	return c.total(slots)
}

// declare reads the locals. It returns the slots of 8 bytes that they and the parameters take.
func (c *body) declare() (slots uint32, err error) {
	for _, t := range c.typ.Params {
		slots += slotsOf(t)
	}
	at := c.r.Offset()
	groups := c.r.U32()
	if uint64(groups)*2 > uint64(c.r.Len()) && c.r.Err() == nil {
		return 0, c.malformed(at, "function %d: length out of bounds: %d groups of locals are declared, %d bytes are left", c.fn, groups, c.r.Len())
	}
	var sum uint64 // of at most 2^18 numbers of 32 bits
	for ; groups > 0; groups-- {
		n := c.r.U32()
		t, err := c.valType(&c.r)
		if err != nil {
			return 0, err
		}
		sum += uint64(n)
		slots += n * slotsOf(t)
	}
	if c.r.Err() != nil {
		return 0, c.readErr(&c.r)
	}
	if sum > 1<<32-1 {
		return 0, c.malformed(at, "function %d: too many locals: %d", c.fn, sum)
	}
	if sum > uint64(c.lim.Locals) {
		return 0, c.over(at, fmt.Sprintf("locals of function %d", c.fn), sum, uint64(c.lim.Locals))
	}
	c.b.Locals = uint32(sum)
	c.locals = uint32(sum) + uint32(len(c.typ.Params))
	return slots, nil
}

func slotsOf(t wasm.ValType) uint32 {
	if t == wasm.V128 {
		return 2
	}
	return 1
}

// total adds what the body has to the sums of the module and checks them.
func (c *body) total(slots uint32) error {
	b, f := c.b, c.f
	b.Stack = c.deepest
	n := uint64(c.deepest) + c.framing.total()
	if b.Uses.Has(UsesVec) {
		n *= 2
	}
	n += uint64(slots)
	if n > uint64(c.lim.Slots) {
		return c.over(b.Offset, fmt.Sprintf("slots of 8 bytes in the frame of function %d", c.fn), n, uint64(c.lim.Slots))
	}
	b.Slots = uint32(n)
	f.Uses |= b.Uses
	f.MaxBody = max(f.MaxBody, b.Size)
	f.MaxLocals = max(f.MaxLocals, b.Locals)
	f.MaxSlots = max(f.MaxSlots, b.Slots)
	f.MaxNesting = max(f.MaxNesting, uint32(c.nesting))
	f.MaxWeight = max(f.MaxWeight, c.weight)
	f.Locals += int(b.Locals)
	f.BranchTargets += c.branches
	f.Weight += c.weight
	for _, l := range []struct {
		what       string
		got, limit uint64
	}{
		{"locals of all functions", uint64(f.Locals), uint64(c.lim.TotalLocals)},
		{"targets of all br_tables", uint64(f.BranchTargets), uint64(c.lim.TotalBranchTargets)},
		{"work to compile all functions (basic blocks times values that may live there)", f.Weight, c.lim.TotalWeight},
	} {
		if l.got > l.limit {
			return c.over(b.Offset, l.what, l.got, l.limit)
		}
	}
	return nil
}

// instr checks one instruction.
func (c *body) instr(in *wasm.Instr) error {
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		return c.open(in)
	case wasm.OpElse:
		return c.otherwise(in)
	case wasm.OpEnd:
		return c.end()
	case wasm.OpUnreachable, wasm.OpReturn:
		c.kill()
		return nil
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable:
		return c.branch(in)
	case wasm.OpCall, wasm.OpCallIndirect:
		return c.call(in)
	}
	if err := c.index(in); err != nil {
		return err
	}
	pop, push := in.Op.Effect()
	c.pop(uint32(pop))
	if in.Op.Exits() {
		if err := c.exit(in); err != nil {
			return err
		}
	}
	c.push(uint32(push))
	return nil
}

// exit counts an instruction that leaves the function for a while. The engine's code reads every
// mutable global anew after it.
func (c *body) exit(in *wasm.Instr) error {
	c.framing.survive(c.height)
	return c.work(in, uint64(c.mutable))
}

func (c *body) at(in *wasm.Instr) int64 { return c.b.Offset + int64(in.Start) }

func (c *body) bad(in *wasm.Instr, format string, args ...any) error {
	return c.malformed(c.at(in), "function %d: %s", c.fn, fmt.Sprintf(format, args...))
}

func (c *body) top() *frame { return &c.control[len(c.control)-1] }

// pop takes n operands, as far as the block has them: a block that is dead gives any number, and
// what a live one does not have is found by the engine.
func (c *body) pop(n uint32) {
	base := c.top().height
	c.height = max(c.height, base+n) - n
	c.framing.pop(c.height)
}

func (c *body) push(n uint32) {
	c.height += n
	c.deepest = max(c.deepest, c.height)
}

// kill notes that the rest of the block cannot be reached.
func (c *body) kill() {
	c.height = c.top().height
	c.framing.pop(c.height)
}

// blocks counts a block or branch that makes n more basic blocks and results more values. What the
// compiler does for each grows also with those before it, and much more so for loops: its passes are
// quadratic in both.
func (c *body) blocks(in *wasm.Instr, n uint64, results uint32) error {
	c.framing.block++
	c.joints++
	n = n*uint64(c.locals+c.height+1) + uint64(results)
	if in.Op == wasm.OpLoop {
		c.loops++
		n += c.loops
	}
	return c.work(in, n+c.joints/16)
}

// work counts n more units of the compiler's work.
func (c *body) work(in *wasm.Instr, n uint64) error {
	c.weight += n
	if c.weight > c.lim.Weight {
		return c.over(c.at(in), fmt.Sprintf("work to compile function %d (basic blocks times values that may live there)", c.fn), c.weight, c.lim.Weight)
	}
	return nil
}

func (c *body) open(in *wasm.Instr) error {
	f := frame{op: in.Op}
	switch t := in.Block; {
	case t == wasm.BlockEmpty-0x80:
	case t < 0 && t >= -0x40 && wasm.ValType(t&0x7f).Valid():
		f.results = 1
	case t < 0 && t >= -0x40 && wasm.TypeProposal(byte(t&0x7f)) != "":
		return c.unsupported(c.at(in), wasm.TypeProposal(byte(t&0x7f)))
	case t >= 0 && t < int64(len(c.f.Types)):
		f.params, f.results = uint32(len(c.f.Types[t].Params)), uint32(len(c.f.Types[t].Results))
	default:
		return c.bad(in, "unknown block type %d", t)
	}
	n := uint64(1)
	switch in.Op {
	case wasm.OpIf:
		c.pop(1)
		n = 3
	case wasm.OpLoop:
		c.b.Uses |= UsesLoop
		n = 2
	}
	c.pop(f.params)
	f.height = c.height
	c.control = append(c.control, f)
	c.framing.open()
	if depth := len(c.control) - 1; depth > c.lim.Nesting {
		return c.over(c.at(in), fmt.Sprintf("nested blocks in function %d", c.fn), uint64(depth), uint64(c.lim.Nesting))
	} else if depth > c.nesting {
		c.nesting = depth
	}
	c.push(f.params)
	return c.blocks(in, n, f.results)
}

func (c *body) otherwise(in *wasm.Instr) error {
	f := c.top()
	if f.op != wasm.OpIf {
		return c.bad(in, "else without if")
	}
	f.op = wasm.OpElse
	c.height = f.height
	c.framing.block++
	c.framing.pop(c.height)
	c.push(f.params)
	return nil
}

func (c *body) end() error {
	f := *c.top()
	c.control = c.control[:len(c.control)-1]
	c.framing.end(f.params+f.results, f.targeted || f.op == wasm.OpIf || f.op == wasm.OpElse)
	c.height = f.height
	c.framing.pop(c.height)
	c.push(f.results)
	return nil
}

func (c *body) branch(in *wasm.Instr) error {
	labels := uint32(len(c.control))
	switch in.Op {
	case wasm.OpBr:
		if in.X >= labels {
			return c.bad(in, "unknown label %d", in.X)
		}
		if err := c.repeat(in, c.target(in.X)); err != nil {
			return err
		}
		c.kill()
	case wasm.OpBrIf:
		if in.X >= labels {
			return c.bad(in, "unknown label %d", in.X)
		}
		if err := c.repeat(in, c.target(in.X)); err != nil {
			return err
		}
		c.pop(1)
		return c.blocks(in, 1, 0)
	case wasm.OpBrTable:
		c.branches += int(in.X) + 1
		if c.branches > c.lim.BranchTargets {
			return c.over(c.at(in), fmt.Sprintf("targets of the br_tables of function %d", c.fn), uint64(c.branches), uint64(c.lim.BranchTargets))
		}
		loops := false
		for in.Labels.Len() > 0 {
			l := in.Labels.U32()
			if l >= labels {
				return c.bad(in, "unknown label %d", l)
			}
			loops = c.target(l) || loops
		}
		if err := c.repeat(in, loops); err != nil {
			return err
		}
		c.pop(1)
		c.kill()
		return c.work(in, uint64(in.X))
	}
	return nil
}

// target notes a branch and reports whether it leads to the head of a loop.
func (c *body) target(label uint32) bool {
	f := &c.control[len(c.control)-1-int(label)]
	f.targeted = true
	return f.op == wasm.OpLoop
}

// repeat counts the check of gas that comes before a branch if it may lead to the head of a loop.
func (c *body) repeat(in *wasm.Instr, loops bool) error {
	if !loops {
		return nil
	}
	if err := c.exit(in); err != nil {
		return err
	}
	return c.blocks(in, 2, 0)
}

func (c *body) call(in *wasm.Instr) error {
	var t FuncType
	if in.Op == wasm.OpCall {
		if int64(in.X) >= int64(len(c.f.Funcs)) {
			return c.bad(in, "unknown function %d", in.X)
		}
		t = c.f.FuncType(in.X)
		c.calls = append(c.calls, in.X)
		c.b.Uses |= UsesCall
	} else {
		switch {
		case int64(in.X) >= int64(len(c.f.Types)):
			return c.bad(in, "unknown type %d", in.X)
		case int64(in.Y) >= int64(len(c.f.Tables)):
			return c.bad(in, "unknown table %d", in.Y)
		case c.f.Tables[in.Y].Type != wasm.FuncRef:
			return c.bad(in, "type mismatch: call_indirect through a table of %v", c.f.Tables[in.Y].Type)
		}
		t = c.f.Types[in.X]
		c.pop(1)
		c.b.Uses |= UsesCall | UsesIndirect
	}
	c.pop(uint32(len(t.Params)))
	if err := c.exit(in); err != nil {
		return err
	}
	c.push(uint32(len(t.Results)))
	return nil
}
