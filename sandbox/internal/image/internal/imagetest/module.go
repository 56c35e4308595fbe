// Package imagetest gives the tests of images and page deltas modules to run: a tiny one that is
// written by hand, and real guests, turned into the two forms that an image needs.
//
// It stands in for the rewriter of package sandbox and does of its work only what these tests need.
package imagetest

import (
	"encoding/binary"
	"slices"
)

// Module describes a tiny module. Its exports are
//
//	poke(addr i32, v i64)   stores v
//	peek(addr i32) i64      loads
//	grow(n i32) i32         memory.grow
//	bump() i64              adds 1 to the global g1 and returns it
//	start()                 stores "hello" at 65000, sets g0, and bumps
//
// and the mutable globals g0 (i32), g1 (i64) and g2 (f64).
type Module struct {
	MinPages, MaxPages uint32
	Data               bool // an active data segment at 100, as a start-up would find it
	BadData            bool // an active data segment outside the memory: instantiation fails
	BadStart           bool // a start function that traps: likewise
	NoMemory           bool // nothing but an empty function
}

// GlobalNames are the globals of a tiny module.
var GlobalNames = []string{"g0", "g1", "g2"}

const (
	i32, i64, f64 = 0x7f, 0x7e, 0x7c

	opUnreachable, opEnd   = 0x00, 0x0b
	opLocalGet             = 0x20
	opGlobalGet            = 0x23
	opGlobalSet            = 0x24
	opI64Load, opI64Store  = 0x29, 0x37
	opMemoryGrow           = 0x40
	opI32Const, opI64Const = 0x41, 0x42
	opF64Const             = 0x44
	opI64Add               = 0x7c
	opDrop                 = 0x1a
	opCall                 = 0x10
	kindFunc, kindMem      = 0, 2
	kindGlobal             = 3
	secType, secFunc       = 1, 3
	secMemory, secGlobal   = 5, 6
	secExport, secStart    = 7, 8
	secCode, secData       = 10, 11
	secDataCount           = 12
)

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func vec(items ...[]byte) []byte {
	return append(uleb(uint64(len(items))), slices.Concat(items...)...)
}

func sized(b []byte) []byte { return append(uleb(uint64(len(b))), b...) }

func name(s string) []byte { return sized([]byte(s)) }

func section(id byte, body []byte) []byte { return append([]byte{id}, sized(body)...) }

func body(code ...byte) []byte { return sized(append(append([]byte{0}, code...), opEnd)) }

var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// Encode returns the module's bytes.
func (m Module) Encode() []byte {
	if m.NoMemory {
		return slices.Concat(header, section(secType, vec([]byte{0x60, 0, 0})), section(secFunc, vec(uleb(0))), section(secCode, vec(body())))
	}
	types := vec(
		[]byte{0x60, 2, i32, i64, 0},
		[]byte{0x60, 1, i32, 1, i64},
		[]byte{0x60, 1, i32, 1, i32},
		[]byte{0x60, 0, 1, i64},
		[]byte{0x60, 0, 0})
	mem := slices.Concat([]byte{1}, uleb(uint64(m.MinPages)), uleb(uint64(m.MaxPages)))
	globals := vec(
		[]byte{i32, 1, opI32Const, 0, opEnd},
		[]byte{i64, 1, opI64Const, 0, opEnd},
		[]byte{f64, 1, opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, opEnd})
	export := func(s string, kind, index byte) []byte { return append(name(s), kind, index) }
	exports := vec(export("memory", kindMem, 0),
		export("poke", kindFunc, 0), export("peek", kindFunc, 1), export("grow", kindFunc, 2), export("bump", kindFunc, 3), export("start", kindFunc, 4),
		export("g0", kindGlobal, 0), export("g1", kindGlobal, 1), export("g2", kindGlobal, 2))
	hello := append([]byte{opI32Const, 0xe8, 0xfb, 3, opI64Const}, sleb(int64(binary.LittleEndian.Uint64([]byte("hello...")))>>1)...)
	start := slices.Concat(hello, []byte{opI64Store, 3, 0, opI32Const, 42, opGlobalSet, 0, opCall, 3, opDrop})
	code := vec(
		body(opLocalGet, 0, opLocalGet, 1, opI64Store, 3, 0),
		body(opLocalGet, 0, opI64Load, 3, 0),
		body(opLocalGet, 0, opMemoryGrow, 0),
		body(opGlobalGet, 1, opI64Const, 1, opI64Add, opGlobalSet, 1, opGlobalGet, 1),
		body(start...),
		body(opUnreachable))
	out := slices.Concat(header, section(secType, types), section(secFunc, vec(uleb(0), uleb(1), uleb(2), uleb(3), uleb(4), uleb(4))),
		section(secMemory, vec(mem)), section(secGlobal, globals), section(secExport, exports))
	if m.BadStart {
		out = append(out, section(secStart, uleb(5))...)
	}
	out = append(out, section(secCode, code)...)
	segment := func(at []byte) []byte {
		return slices.Concat([]byte{0, opI32Const}, at, []byte{opEnd}, sized([]byte("from a data segment")))
	}
	switch {
	case m.BadData:
		out = append(out, section(secData, vec(segment(sleb(1<<31-1))))...)
	case m.Data:
		out = append(out, section(secData, vec(segment(sleb(100))))...)
	}
	return out
}

func sleb(v int64) (b []byte) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
