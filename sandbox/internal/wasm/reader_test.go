package wasm

import (
	"errors"
	"math"
	"testing"
)

func TestU32(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want uint32
		err  error
	}{
		{"zero", []byte{0}, 0, nil},
		{"two bytes", []byte{0xe5, 0x8e, 0x26}, 624485, nil},
		{"greatest", []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, math.MaxUint32, nil},
		{"padded", []byte{0x80, 0x80, 0x80, 0x80, 0x00}, 0, nil},
		{"unused bit set", []byte{0xff, 0xff, 0xff, 0xff, 0x1f}, 0, ErrRange},
		{"six bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0, ErrLEB},
		{"ends early", []byte{0x80, 0x80}, 0, ErrEnd},
		{"empty", nil, 0, ErrEnd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.in, 100)
			if got := r.U32(); got != tt.want || !errors.Is(r.Err(), tt.err) {
				t.Errorf("U32 = %d, %v, want %d, %v", got, r.Err(), tt.want, tt.err)
			}
			if r.Err() == nil && r.Offset() != 100+int64(len(tt.in)) {
				t.Errorf("offset %d after %d bytes", r.Offset(), len(tt.in))
			}
		})
	}
}

func TestSigned(t *testing.T) {
	tests := []struct {
		name string
		bits uint
		in   []byte
		want int64
		err  error
	}{
		{"minus one", 32, []byte{0x7f}, -1, nil},
		{"least 32", 32, []byte{0x80, 0x80, 0x80, 0x80, 0x78}, math.MinInt32, nil},
		{"greatest 32", 32, []byte{0xff, 0xff, 0xff, 0xff, 0x07}, math.MaxInt32, nil},
		{"padded minus one", 32, []byte{0xff, 0xff, 0xff, 0xff, 0x7f}, -1, nil},
		{"32: bits beyond differ from the sign", 32, []byte{0xff, 0xff, 0xff, 0xff, 0x4f}, 0, ErrRange},
		{"32: positive beyond", 32, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 0, ErrRange},
		{"32: too long", 32, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0, ErrLEB},
		{"33: 2^32-1", 33, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, math.MaxUint32, nil},
		{"33: beyond", 33, []byte{0xff, 0xff, 0xff, 0xff, 0x1f}, 0, ErrRange},
		{"least 64", 64, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, math.MinInt64, nil},
		{"64: beyond", 64, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 0, ErrRange},
		{"64: too long", 64, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0, ErrLEB},
		{"ends early", 64, []byte{0x80}, 0, ErrEnd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.in, 0)
			if got := r.signed(tt.bits); got != tt.want || !errors.Is(r.Err(), tt.err) {
				t.Errorf("got %d, %v, want %d, %v", got, r.Err(), tt.want, tt.err)
			}
		})
	}
}

func TestAppendRoundTrip(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		r := NewReader(AppendS64(nil, v), 0)
		if got := r.S64(); got != v || r.Err() != nil || r.Len() != 0 {
			t.Errorf("S64 of %d = %d, %v", v, got, r.Err())
		}
		r = NewReader(AppendU32(nil, uint32(v)), 0)
		if got := r.U32(); got != uint32(v) || r.Err() != nil || r.Len() != 0 {
			t.Errorf("U32 of %d = %d, %v", uint32(v), got, r.Err())
		}
	}
}

func TestReaderStopsAtItsFirstError(t *testing.T) {
	r := NewReader([]byte{3, 'a', 0xff, 'b', 7, 7}, 10)
	if got := r.Name(); got != nil || r.Err() != ErrUTF8 || r.ErrOffset() != 11 {
		t.Errorf("Name = %q, %v at %d", got, r.Err(), r.ErrOffset())
	}
	if r.Byte() != 0 || r.U32() != 0 || r.Len() != 0 || r.Err() != ErrUTF8 || r.ErrOffset() != 11 {
		t.Errorf("the reader went on: %v at %d", r.Err(), r.ErrOffset())
	}
}

func TestNext(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		op   Op
		x, y uint32
		err  error
	}{
		{"local.get", []byte{0x20, 5}, OpLocalGet, 5, 0, nil},
		{"call_indirect", []byte{0x11, 3, 1}, OpCallIndirect, 3, 1, nil},
		{"load", []byte{0x28, 2, 0x80, 1}, OpI32Load, 2, 128, nil},
		{"prefixed, padded number", []byte{0xfc, 0x8b, 0x00, 0}, OpMemoryFill, 0, 0, nil},
		{"memory.copy with another memory", []byte{0xfc, 10, 0, 1}, OpMemoryCopy, 0, 0, ErrReserved},
		{"memory.grow, padded zero", []byte{0x40, 0x80, 0x00}, OpMemoryGrow, 0, 0, ErrReserved},
		{"unassigned", []byte{0x27}, 0x27, 0, 0, ErrOpcode},
		{"unassigned vector", []byte{0xfd, 0x9a, 0x01}, PrefixVec<<8 | 0x9a, 0, 0, ErrOpcode},
		{"relaxed vector", []byte{0xfd, 0x80, 0x02}, 0, 0, 0, ErrOpcode},
		{"atomic", []byte{0xfe, 0x03, 0}, PrefixAtomic<<8 | 3, 0, 0, ErrOpcode},
		{"select of no type", []byte{0x1c, 0}, OpSelectTyped, 0, 0, errors.New("invalid result arity")},
		{"ref.null of a number", []byte{0xd0, 0x7f}, OpRefNull, 0x7f, 0, ErrType},
		{"br_table that lies", []byte{0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, OpBrTable, math.MaxUint32, 0, ErrEnd},
		{"br_table", []byte{0x0e, 1, 0, 1}, OpBrTable, 1, 0, nil},
		{"end of input", []byte{0x41}, OpI32Const, 0, 0, ErrEnd},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.in, 0)
			var in Instr
			r.Next(&in)
			if tt.err == nil && (r.Err() != nil || r.Len() != 0) {
				t.Fatalf("%v, %d bytes left", r.Err(), r.Len())
			}
			if tt.err != nil && (r.Err() == nil || r.Err().Error() != tt.err.Error()) {
				t.Fatalf("error %v, want %v", r.Err(), tt.err)
			}
			if in.Op != tt.op || in.X != tt.x || in.Y != tt.y {
				t.Errorf("got %#x %d %d, want %#x %d %d", in.Op, in.X, in.Y, tt.op, tt.x, tt.y)
			}
		})
	}
}

func TestEveryOpcodeHasAnEntryOrAReason(t *testing.T) {
	for n := range 256 {
		op := Op(n)
		if !op.Valid() && Proposal([]byte{byte(n), 0, 0}) == "" && n < PrefixGC {
			switch {
			case n >= 0x16 && n <= 0x17, n >= 0x1d && n <= 0x1e, n == 0x27, n >= 0xc5 && n <= 0xcf, n >= 0xd7:
			default:
				t.Errorf("opcode %#x is neither known nor of a proposal", n)
			}
		}
	}
	count := 0
	for n := range 256 {
		if Op(PrefixVec<<8 | n).Valid() {
			count++
		}
	}
	if count != 236 {
		t.Errorf("%d instructions on vectors, the specification has 236", count)
	}
}
