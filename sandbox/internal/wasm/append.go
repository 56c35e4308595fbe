package wasm

import (
	"encoding/binary"
	"math"
)

// AppendU32 appends an unsigned LEB128 integer in its shortest form.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendS64 appends a signed LEB128 integer in its shortest form. It serves 32 and 33 bits too.
func AppendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// AppendName appends a name.
func AppendName[S string | []byte](b []byte, name S) []byte {
	b = AppendU32(b, uint32(len(name)))
	return append(b, name...)
}

// AppendSection appends a section.
func AppendSection(b []byte, id SectionID, body []byte) []byte {
	b = append(b, byte(id))
	b = AppendU32(b, uint32(len(body)))
	return append(b, body...)
}

// AppendConst appends the constant expression that gives a number of type t, with its end. bits holds
// the number as the api of wazero does: floats by their bits, 32-bit types in the low half.
func AppendConst(b []byte, t ValType, bits uint64) []byte {
	switch t {
	case I32:
		b = AppendS64(append(b, byte(OpI32Const)), int64(int32(bits)))
	case I64:
		b = AppendS64(append(b, byte(OpI64Const)), int64(bits))
	case F32:
		b = binary.LittleEndian.AppendUint32(append(b, byte(OpF32Const)), uint32(bits&math.MaxUint32))
	case F64:
		b = binary.LittleEndian.AppendUint64(append(b, byte(OpF64Const)), bits)
	}
	return append(b, byte(OpEnd))
}
