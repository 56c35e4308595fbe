package wasm

import "errors"

// ErrOpcode reports an instruction that the core specification 2.0 does not have.
var ErrOpcode = errors.New("unknown instruction")

// ErrType reports a type that the core specification 2.0 does not have.
var ErrType = errors.New("unknown type")

// Instr is one instruction. Which fields are set depends on its Imm.
type Instr struct {
	Op    Op
	Imm   Imm
	Start int // Pos of its first byte in the reader that read it

	X, Y   uint32
	Block  int64  // block type: at least 0 the index of a type, else a one-byte type as sign-extended
	Labels Reader // of br_table, X+1 labels of which the last is the default; all are well-formed
}

// Next reads one instruction into in. It reports ErrOpcode with in.Op unset; the caller may look at
// the reader's input for the reason.
func (r *Reader) Next(in *Instr) {
	in.Start = r.pos
	op := Op(r.Byte())
	i := plain[byte(op)]
	if op >= PrefixGC && op <= PrefixAtomic {
		op, i = r.prefixed(op)
	}
	in.Op, in.Imm = op, i.imm
	switch i.imm {
	case ImmNone:
	case ImmIndex:
		in.X = r.U32()
	case ImmMem:
		in.X, in.Y = r.U32(), r.U32()
	case ImmI32:
		r.S32()
	case immInvalid:
		r.failAt(in.Start, ErrOpcode)
	default:
		r.immediates(in)
	}
}

func (r *Reader) prefixed(prefix Op) (Op, info) {
	n := r.U32()
	if n > 0xff {
		return 0, info{}
	}
	op := prefix<<8 | Op(n)
	return op, op.info()
}

// failAt fails with the position set back to pos, so that the caller sees what is there.
func (r *Reader) failAt(pos int, err error) {
	if r.err != nil {
		return
	}
	r.pos = pos
	r.fail(err)
}

func (r *Reader) immediates(in *Instr) {
	switch in.Imm {
	case ImmBlock:
		in.Block = r.S33()
	case ImmIndex2:
		in.X, in.Y = r.U32(), r.U32()
	case ImmBrTable:
		r.labels(in)
	case ImmTypes:
		if at := r.pos; r.U32() != 1 {
			r.failAt(at, errors.New("invalid result arity"))
		}
		in.X = uint32(r.valType())
	case ImmMemLane:
		in.X, in.Y = r.U32(), r.U32()
		r.Byte()
	case ImmZero:
		r.zero()
	case ImmZero2:
		r.zero()
		r.zero()
	case ImmIndexZero:
		in.X = r.U32()
		r.zero()
	case ImmI64:
		r.S64()
	case ImmF32:
		r.Bytes(4)
	case ImmF64:
		r.Bytes(8)
	case ImmRefType:
		at := r.pos
		t := r.valType()
		if r.err == nil && !t.Ref() {
			r.failAt(at, ErrType)
		}
		in.X = uint32(t)
	case ImmV128:
		r.Bytes(16)
	case ImmShuffle:
		r.shuffle()
	case ImmLane:
		in.X = uint32(r.Byte())
	}
}

// labels reads the vector of a br_table and its default.
func (r *Reader) labels(in *Instr) {
	in.X = r.U32()
	if uint64(in.X)+1 > uint64(r.Len()) { // a label is at least one byte
		r.fail(ErrEnd)
		return
	}
	at, off := r.pos, r.Offset()
	for i := uint32(0); i <= in.X && r.err == nil; i++ {
		r.U32()
	}
	if r.err == nil {
		in.Labels = NewReader(r.Since(at), off)
	}
}

func (r *Reader) valType() ValType {
	at := r.pos
	t := ValType(r.Byte())
	if !t.Valid() {
		r.failAt(at, ErrType)
	}
	return t
}

func (r *Reader) zero() {
	if at := r.pos; r.Byte() != 0 {
		r.failAt(at, ErrReserved)
	}
}

func (r *Reader) shuffle() {
	at := r.pos
	for _, lane := range r.Bytes(16) {
		if lane >= 32 {
			r.failAt(at, errors.New("invalid lane index"))
			return
		}
	}
}
