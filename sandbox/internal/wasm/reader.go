package wasm

import (
	"errors"
	"unicode/utf8"
)

// What a Reader can find wrong. The position is in Reader.ErrOffset.
var (
	ErrEnd      = errors.New("unexpected end")
	ErrLEB      = errors.New("integer representation too long")
	ErrRange    = errors.New("integer too large")
	ErrUTF8     = errors.New("name is not valid UTF-8")
	ErrReserved = errors.New("a reserved byte is not zero")
)

// Reader reads from a slice. Its first error stays: from then on every read returns zero and nothing
// is left to read. Slices that it returns are parts of the input.
type Reader struct {
	b    []byte
	pos  int
	base int64 // offset of b[0] in the module

	err   error
	errAt int64
}

// NewReader returns a reader of b, which begins at offset of the module.
func NewReader(b []byte, offset int64) Reader { return Reader{b: b, base: offset} }

// Len returns the number of bytes left.
func (r *Reader) Len() int { return len(r.b) - r.pos }

// Pos returns the number of bytes read.
func (r *Reader) Pos() int { return r.pos }

// Offset returns the position in the module.
func (r *Reader) Offset() int64 { return r.base + int64(r.pos) }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// ErrOffset returns the position of the first error in the module.
func (r *Reader) ErrOffset() int64 { return r.errAt }

// Since returns the bytes read since Pos was pos.
func (r *Reader) Since(pos int) []byte { return r.b[pos:r.pos] }

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err, r.errAt = err, r.Offset()
	}
	r.pos = len(r.b)
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.pos >= len(r.b) {
		r.fail(ErrEnd)
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// Peek returns the next byte without reading it, or zero at the end.
func (r *Reader) Peek() byte {
	if r.pos >= len(r.b) {
		return 0
	}
	return r.b[r.pos]
}

// Bytes reads n bytes.
func (r *Reader) Bytes(n uint32) []byte {
	if uint64(n) > uint64(r.Len()) {
		r.fail(ErrEnd)
		return nil
	}
	s := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return s
}

// Sub reads n bytes and returns a reader of them.
func (r *Reader) Sub(n uint32) Reader {
	at := r.Offset()
	return NewReader(r.Bytes(n), at)
}

// U32 reads an unsigned LEB128 integer of 32 bits.
func (r *Reader) U32() uint32 {
	// Nearly all integers of a module take one byte.
	if p := r.pos; p < len(r.b) && r.b[p] < 0x80 {
		r.pos++
		return uint32(r.b[p])
	}
	return r.u32()
}

func (r *Reader) u32() uint32 {
	var v uint32
	for i := range 5 {
		if r.pos+i >= len(r.b) {
			r.fail(ErrEnd)
			return 0
		}
		c := r.b[r.pos+i]
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			if i == 4 && c > 0x0f {
				break
			}
			r.pos += i + 1
			return v
		}
		if i == 4 {
			r.fail(ErrLEB)
			return 0
		}
	}
	r.fail(ErrRange)
	return 0
}

// S32 reads a signed LEB128 integer of 32 bits.
func (r *Reader) S32() int32 { return int32(r.signed(32)) }

// S33 reads a signed LEB128 integer of 33 bits, as block types are.
func (r *Reader) S33() int64 { return r.signed(33) }

// S64 reads a signed LEB128 integer of 64 bits.
func (r *Reader) S64() int64 { return r.signed(64) }

func (r *Reader) signed(bits uint) int64 {
	var v int64
	for shift := uint(0); ; shift += 7 {
		if r.pos >= len(r.b) {
			r.fail(ErrEnd)
			return 0
		}
		c := r.b[r.pos]
		if shift+7 >= bits { // the last byte that may be
			if c >= 0x80 {
				r.fail(ErrLEB)
				return 0
			}
			// The bits past the integer repeat its sign.
			if sign := int8(c<<1) >> (bits - shift); sign != 0 && sign != -1 {
				r.fail(ErrRange)
				return 0
			}
		}
		r.pos++
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift+7 < 64 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// Name reads a name and returns its bytes.
func (r *Reader) Name() []byte {
	n := r.U32()
	at := r.pos
	s := r.Bytes(n)
	if r.err == nil && !utf8.Valid(s) {
		r.pos = at
		r.fail(ErrUTF8)
		return nil
	}
	return s
}
