package imagetest

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A module is split into sections of which a few are changed; code is copied as it is.

type rawSection struct {
	id   byte
	body []byte
}

func split(wasm []byte) (all []rawSection) {
	for b := wasm[len(header):]; len(b) > 0; {
		n, k := binary.Uvarint(b[1:])
		all = append(all, rawSection{b[0], b[1+k:][:n]})
		b = b[1+k+int(n):]
	}
	return all
}

func join(all []rawSection) []byte {
	out := slices.Clone(header)
	for _, s := range all {
		out = append(out, section(s.id, s.body)...)
	}
	return out
}

// ExportGlobals exports all mutable globals of a module that imports none and has only numbers, and
// returns their names.
func ExportGlobals(wasm []byte) (out []byte, names []string) {
	all := split(wasm)
	var added [][]byte
	for _, s := range all {
		if s.id != secGlobal {
			continue
		}
		n, k := binary.Uvarint(s.body)
		b := s.body[k:]
		for i := range n {
			if b[1] == 1 {
				g := fmt.Sprintf("test_g%d", i)
				names = append(names, g)
				added = append(added, slices.Concat(name(g), []byte{kindGlobal}, uleb(i)))
			}
			b = b[2+constExpr(b[2:]):]
		}
	}
	for i, s := range all {
		if s.id == secExport {
			n, k := binary.Uvarint(s.body)
			all[i].body = slices.Concat(uleb(n+uint64(len(added))), s.body[k:], slices.Concat(added...))
		}
	}
	return join(all), names
}

// constExpr returns the length of the constant expression at the front of b.
func constExpr(b []byte) int {
	n := 1
	switch b[0] {
	case opI32Const, opI64Const:
		for b[n]&0x80 != 0 {
			n++
		}
		n++
	case opF64Const:
		n += 8
	default:
		panic(fmt.Sprintf("imagetest: a global begins with opcode %#x", b[0]))
	}
	return n + 1
}

// Strip returns a module that is instantiated with an image: without data and start function, and
// with the memory's least size that of the image.
func Strip(wasm []byte, wasmPages uint32) []byte {
	all := slices.DeleteFunc(split(wasm), func(s rawSection) bool {
		return s.id == secData || s.id == secDataCount || s.id == secStart
	})
	for i, s := range all {
		if s.id != secMemory {
			continue
		}
		flags := s.body[1]
		_, k := binary.Uvarint(s.body[2:])
		all[i].body = slices.Concat([]byte{1, flags}, uleb(uint64(wasmPages)), s.body[2+k:])
	}
	return join(all)
}
