package wasmtest

import "slices"

// Random builds a valid module from choices that it takes from src: a fuzzer's input becomes a
// program. When src is at its end every choice is the first, which ends the program. The module
// imports nothing and exports its functions without parameters as "f0", "f1" and so on; they may trap,
// recurse and run forever. No float becomes an integer bit by bit, so NaN payloads stay unseen.
func Random(src []byte) []byte {
	r := &random{src: src}
	return r.module()
}

// random is one run of Random. At any time the code it is making is valid as far as it goes.
type random struct {
	src    []byte
	m      Module
	funcs  []signature
	size   int // instructions that may yet be made, so that small inputs stay small programs
	code   Code
	fn     signature
	locals []byte   // types, parameters first
	labels [][]byte // types that a branch takes, innermost last
}

type signature struct{ params, results []byte }

// signatures are what functions and blocks may be of. The types of the module have these indexes.
var signatures = []signature{
	{nil, nil},
	{nil, T(I32)},
	{nil, T(I64)},
	{T(I32), T(I32)},
	{T(I64, F64), T(I64)},
	{nil, T(F32)},
	{nil, T(F64)},
	{nil, T(I32, I64)},
	{T(I32), nil},
	{nil, T(I64, F32, I32)},
}

// randomGlobals are the types of the globals, all mutable, by index.
var randomGlobals = T(I32, I64, F32, F64, I32, I64)

// n chooses one of max.
func (r *random) n(max int) int {
	if len(r.src) == 0 {
		return 0
	}
	b := r.src[0]
	r.src = r.src[1:]
	return int(b) % max
}

func (r *random) module() []byte {
	m := &r.m
	for _, s := range signatures {
		m.AddType(FuncType(s.params, s.results))
	}
	m.Memory = Limits(1, 3)
	m.Table(FuncRef, Limits(8, 20))
	m.Table(FuncRef, Limits(2))
	for _, t := range randomGlobals {
		m.Global(t, true, Code(zeroOf(t)))
	}
	m.Data(8, "active")
	m.PassiveData("passive data")
	m.DataCount(2)
	count := 1 + r.n(4)
	for range count {
		r.funcs = append(r.funcs, signatures[r.n(len(signatures))])
	}
	all := make([]uint32, count)
	for i, s := range r.funcs {
		all[i] = uint32(i)
		m.Func(s.params, s.results, nil, nil) // in its place; the body follows
		if len(s.params) == 0 {
			m.Export("f"+string(rune('0'+i)), 0, uint32(i))
		}
	}
	for i := range r.funcs {
		body := r.function(i)
		m.bodies[i] = append(U32(uint32(len(body))), body...)
	}
	m.Elem(1, all...)
	m.PassiveElem(all...)
	m.Export("mem", 2, 0)
	return m.Encode()
}

func zeroOf(t byte) Code {
	switch t {
	case I32:
		return Code{}.I32Const(0)
	case I64:
		return Code{}.I64Const(0)
	case F32:
		return Code{}.F32Const(0)
	}
	return Code{}.F64Const(0)
}

func (r *random) function(i int) []byte {
	r.fn = r.funcs[i]
	extra := [][]byte{}
	r.locals = slices.Clone(r.fn.params)
	for _, t := range []byte{I32, I64, F32, F64} {
		n := r.n(3)
		extra = append(extra, Cat(U32(uint32(n)), []byte{t}))
		r.locals = append(r.locals, Repeat([]byte{t}, n)...)
	}
	r.code, r.size, r.labels = nil, 150, [][]byte{r.fn.results}
	r.statements(8)
	r.values(r.fn.results, 2)
	return Cat(Vec(extra...), r.code, []byte{End})
}

func (r *random) values(ts []byte, depth int) {
	for _, t := range ts {
		r.value(t, depth)
	}
}

func (r *random) statements(n int) {
	for range r.n(n + 1) {
		if r.size--; r.size < 0 {
			return
		}
		r.statement()
	}
}

// op adds code, which goes around the methods of Code.
func (r *random) op(c Code) { r.code = append(r.code, c...) }

func (r *random) statement() {
	switch r.n(22) {
	case 0:
		r.value(I32, 2)
		r.op(Code{Drop})
	case 1, 2, 3:
		r.set()
	case 4:
		g := r.n(len(randomGlobals))
		r.value(randomGlobals[g], 2)
		r.op(Code{}.GlobalSet(uint32(g)))
	case 5:
		r.address()
		r.value(I32, 2)
		r.op(Code{}.I32Store(uint32(r.n(64))))
	case 6, 7:
		r.op(Code{}.Block(Empty))
		r.inside(nil, 5)
	case 8, 9:
		r.op(Code{}.Loop(Empty))
		r.labels = append(r.labels, nil)
		r.statements(5)
		r.value(I32, 2)
		r.op(Code{}.BrIf(0).Op(End))
		r.labels = r.labels[:len(r.labels)-1]
	case 10, 11:
		r.value(I32, 2)
		r.op(Code{}.If(Empty))
		r.labels = append(r.labels, nil)
		r.statements(4)
		if r.n(2) == 1 {
			r.op(Code{Else})
			r.statements(4)
		}
		r.op(Code{End})
		r.labels = r.labels[:len(r.labels)-1]
	case 12:
		r.branch(Code.BrIf, true)
	case 13:
		r.branch(Code.Br, false)
	case 14:
		r.table()
	case 15:
		r.values(r.fn.results, 1)
		r.op(Code{Return})
	case 16:
		r.bulk()
	case 17:
		fn := r.n(len(r.funcs))
		r.values(r.funcs[fn].params, 1)
		r.op(Code{}.Call(uint32(fn)).Times(len(r.funcs[fn].results), Code{Drop}))
	case 18:
		typ := r.n(len(signatures))
		r.values(signatures[typ].params, 1)
		r.value(I32, 1)
		r.op(Code{}.I32Const(7).Op(0x71).CallIndirect(uint32(typ), 0).Times(len(signatures[typ].results), Code{Drop}))
	case 19:
		typ := 7 + 2*r.n(2) // several results
		r.op(Code{}.BlockOf(uint32(typ)))
		r.inside(signatures[typ].results, 3)
		r.op(Code{}.Times(len(signatures[typ].results), Code{Drop}))
	case 20:
		r.op(Code{Nop})
	case 21:
		if r.n(8) == 7 {
			r.op(Code{Unreachable})
		}
	}
}

// inside makes the body and end of a block that gives ts.
func (r *random) inside(ts []byte, n int) {
	r.labels = append(r.labels, ts)
	r.statements(n)
	r.values(ts, 1)
	r.op(Code{End})
	r.labels = r.labels[:len(r.labels)-1]
}

func (r *random) set() {
	if len(r.locals) == 0 {
		return
	}
	i := r.n(len(r.locals))
	r.value(r.locals[i], 3)
	r.op(Code{}.LocalSet(uint32(i)))
}

// branch makes a branch to some label. A conditional one leaves its values, which are dropped.
func (r *random) branch(op func(Code, uint32) Code, conditional bool) {
	l := r.n(len(r.labels))
	ts := r.labels[len(r.labels)-1-l]
	r.values(ts, 1)
	if conditional {
		r.value(I32, 1)
	}
	r.op(op(nil, uint32(l)))
	if conditional {
		r.op(Code{}.Times(len(ts), Code{Drop}))
	}
}

// table makes a br_table to labels without values.
func (r *random) table() {
	var ls []uint32
	for i := range r.labels {
		if len(r.labels[len(r.labels)-1-i]) == 0 {
			ls = append(ls, uint32(i))
		}
	}
	if len(ls) == 0 {
		return
	}
	var to []uint32
	for range 1 + r.n(4) {
		to = append(to, ls[r.n(len(ls))])
	}
	r.value(I32, 1)
	r.op(Code{}.I32Const(3).Op(0x71).BrTable(to...)) // i32.and
}

// address puts an address that is mostly within memory.
func (r *random) address() {
	r.value(I32, 1)
	if r.n(8) != 7 {
		r.op(Code{}.I32Const(0xffff).Op(0x71)) // i32.and
	}
}

func (r *random) bulk() {
	length := func(max int32) Code { return Code{}.I32Const(int32(r.n(256)) * max / 256) }
	i := r.n(9)
	switch i {
	case 0, 1:
		r.address()
		r.value(I32, 1)
		r.op(length(70000))
		r.op([]Code{Code{}.MemoryFill(), Code{}.MemoryCopy()}[i])
	case 2:
		r.op(Code{}.I32Const(16).I32Const(0).Then(length(14)).MemoryInit(uint32(r.n(2))))
	case 3:
		r.op(Code{}.DataDrop(uint32(r.n(2))))
	case 4:
		r.op(Code{}.I32Const(int32(r.n(8))).RefNull(FuncRef).Then(length(4)).TableFill(0))
	case 5:
		r.op(Code{}.I32Const(int32(r.n(8))).I32Const(int32(r.n(3))).Then(length(3)).TableCopy(0, uint32(r.n(2))))
	case 6:
		r.op(Code{}.I32Const(int32(r.n(8))).I32Const(0).Then(length(4)).TableInit(uint32(r.n(2)), 0))
	case 7:
		r.op(Code{}.I32Const(int32(r.n(8))).RefFunc(uint32(r.n(len(r.funcs)))).TableSet(0))
	case 8:
		r.op(Code{}.RefNull(FuncRef).Then(length(20)).TableGrow(0).Op(Drop))
	}
}

// Numbers of operators that take two values of a type and give one of it.
var binaryOps = map[byte][]byte{
	I32: {0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77},
	I64: {0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89},
	F32: {0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98},
	F64: {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6},
}

// value makes code that gives one value of type t.
func (r *random) value(t byte, depth int) {
	r.size--
	if depth <= 0 || r.size < 0 {
		r.leaf(t)
		return
	}
	switch r.n(9) {
	case 0, 1:
		r.leaf(t)
	case 2, 3:
		r.value(t, depth-1)
		r.value(t, depth-1)
		ops := binaryOps[t]
		r.op(Code{ops[r.n(len(ops))]})
	case 4:
		r.convert(t, depth)
	case 5:
		r.op(Code{}.Block(t))
		r.inside(T(t), 3)
	case 6:
		r.value(I32, depth-1)
		r.op(Code{}.If(t))
		r.labels = append(r.labels, T(t))
		r.statements(2)
		r.value(t, depth-1)
		r.op(Code{Else})
		r.value(t, depth-1)
		r.op(Code{End})
		r.labels = r.labels[:len(r.labels)-1]
	case 7:
		r.value(t, depth-1)
		r.value(t, depth-1)
		r.value(I32, depth-1)
		r.op(Code{Select})
	case 8:
		for i, s := range r.funcs {
			if len(s.results) == 1 && s.results[0] == t && r.n(2) == 1 {
				r.values(s.params, depth-1)
				r.op(Code{}.Call(uint32(i)))
				return
			}
		}
		r.leaf(t)
	}
}

// leaf makes code that gives a value at once.
func (r *random) leaf(t byte) {
	switch c := r.n(3); {
	case c == 1:
		if i := slices.Index(r.locals, t); i >= 0 {
			r.op(Code{}.LocalGet(uint32(i)))
			return
		}
	case c == 2:
		r.op(Code{}.GlobalGet(uint32(slices.Index(randomGlobals, t))))
		return
	}
	v := int64(int8(r.n(256)))
	switch t {
	case I32:
		r.op(Code{}.I32Const(int32(v)))
	case I64:
		r.op(Code{}.I64Const(v << r.n(57)))
	case F32:
		r.op(Code{}.F32Const(float32(v) / 3))
	case F64:
		r.op(Code{}.F64Const(float64(v) * 1e10))
	}
}

// convert makes a value of type t from others.
func (r *random) convert(t byte, depth int) {
	switch t {
	case I32:
		switch r.n(8) {
		case 0:
			r.value(I64, depth-1)
			r.op(Code{I32WrapI64})
		case 1:
			r.value(F64, depth-1)
			r.op(Code{0xfc, 2}) // i32.trunc_sat_f64_s
		case 2:
			r.address()
			r.op(Code{}.I32Load(uint32(r.n(64))))
		case 3:
			r.value(I64, depth-1)
			r.value(I64, depth-1)
			r.op(Code{I64LtS})
		case 4:
			r.op(Code{}.MemorySize())
		case 5:
			r.op(Code{}.I32Const(int32(r.n(4))).MemoryGrow())
		case 6:
			r.op(Code{}.TableSize(0))
		case 7:
			r.value(I32, depth-1)
			r.op(Code{}.Vec(15))             // i8x16.splat
			r.op(Code{}.Vec(0x61).Vec(0x64)) // i8x16.neg, bitmask
		}
	case I64:
		switch r.n(3) {
		case 0:
			r.value(I32, depth-1)
			r.op(Code{I64ExtendU})
		case 1:
			r.address()
			r.op(Code{0x29, 3, 8}) // i64.load
		case 2:
			r.value(F64, depth-1)
			r.op(Code{0xb0}) // i64.trunc_f64_s, which may trap
		}
	case F32:
		r.value(F64, depth-1)
		r.op(Code{0xb6}) // f32.demote_f64
	case F64:
		r.value(I64, depth-1)
		r.op(Code{0xb9}) // f64.convert_i64_s
	}
}
