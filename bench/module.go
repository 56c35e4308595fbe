package main

import (
	"encoding/binary"
	"errors"
	"os"
)

// module is what is uploaded, each time with other bytes.
type module struct {
	name, path string
}

// bytes returns the module with a data segment of its own, which nobody reads. Whatever a host keeps of another version, it must
// compile this one.
func (m *module) bytes(stamp string) ([]byte, error) {
	b, err := os.ReadFile(m.path)
	if err != nil {
		return nil, err
	}
	return stamped(b, stamp)
}

// Sections of a module, by what WebAssembly's core specification calls them.
const (
	headerSize       = 8
	dataSection      = 11
	dataCountSection = 12
	passive          = 1 // begins a data segment
)

var errNoData = errors.New("a damaged module, or one without a data section, cannot have a stamp")

// stamped returns a valid module with a passive data segment more.
func stamped(b []byte, stamp string) ([]byte, error) {
	out, has := b[:headerSize:headerSize], false
	for rest := b[headerSize:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errNoData
		}
		body := rest[1+n:][:size]
		rest = rest[1+n+int(size):]
		if id == dataSection || id == dataCountSection {
			segments, n := binary.Uvarint(body)
			if n <= 0 {
				return nil, errNoData
			}
			body = append(binary.AppendUvarint(nil, segments+1), body[n:]...)
		}
		if id == dataSection {
			has = true
			body = append(binary.AppendUvarint(append(body, passive), uint64(len(stamp))), stamp...)
		}
		out = append(binary.AppendUvarint(append(out, id), uint64(len(body))), body...)
	}
	if !has {
		return nil, errNoData
	}
	return out, nil
}
