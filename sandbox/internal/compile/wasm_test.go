package compile_test

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// section is one section of a module: id, length, content.
func section(id byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(append([]byte{id}, leb(len(body))...), body...)
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func module(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
}

// function is a module with one function of type (i32) -> () that is exported as "f".
func function(locals int, code []byte) []byte {
	var decl []byte
	if locals == 0 {
		decl = leb(0)
	} else {
		decl = append(append(leb(1), leb(locals)...), 0x7f)
	}
	body := append(append(decl, code...), 0x0b)
	return module(
		section(1, leb(1), []byte{0x60, 1, 0x7f, 0}),
		section(3, leb(1), leb(0)),
		section(7, leb(1), []byte{1, 'f', 0, 0}),
		section(10, leb(1), leb(len(body)), body),
	)
}

// small returns different valid modules for different n.
func small(n int) []byte {
	return function(0, append(append([]byte{0x41}, leb(n%64)...), append([]byte{0x1a}, bytes.Repeat([]byte{1}, n)...)...))
}

// nested are n blocks in each other, each left by a br_if.
func nested(n int) []byte {
	return function(0, append(bytes.Repeat([]byte{0x02, 0x40, 0x20, 0, 0x0d, 0}, n), bytes.Repeat([]byte{0x0b}, n)...))
}

// localsByIfs has n locals that live across as many ifs, of which each sets one.
func localsByIfs(locals, ifs int) []byte {
	var code []byte
	for i := range ifs {
		code = append(code, 0x20, 0, 0x04, 0x40) // local.get 0; if
		code = append(append(append(code, 0x20), leb(1+(i+1)%locals)...), 0x41, 1, 0x6a, 0x21)
		code = append(append(code, leb(1+i%locals)...), 0x0b)
	}
	return function(locals, code)
}

// brTable is one table of n targets that leave depth blocks.
func brTable(depth, n int) []byte {
	code := bytes.Repeat([]byte{0x02, 0x40}, depth)
	code = append(append(code, 0x20, 0, 0x0e), leb(n)...)
	for i := range n + 1 {
		code = append(code, leb(i%depth)...)
	}
	return function(0, append(code, bytes.Repeat([]byte{0x0b}, depth)...))
}

// lie is a module of 25 bytes whose code section claims 2^32-1 functions, as do its function section.
func lie() []byte {
	const most = "\xff\xff\xff\xff\x0f"
	return module([]byte("\x01\x04\x01\x60\x00\x00" + "\x0a\x09" + most + strings.Repeat("\x00", 4)))
}
