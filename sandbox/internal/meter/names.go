package meter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// nameBytes is the most of a function's name that is kept for backtraces.
const nameBytes = 256

// nameSection writes the names of the module and its functions, under their new indexes, as far as
// the module's own name section is well-formed: a custom section may hold anything. Other custom
// sections, and the names of locals, are left out.
func (w *writer) nameSection() {
	for _, cs := range w.f.Customs {
		if cs.Name != wasm.NameSectionTag {
			continue
		}
		b := w.names(wasm.NewReader(w.b[cs.Offset:cs.Offset+int64(cs.Size)], 0))
		if len(b) > 0 {
			b = append(wasm.AppendName(nil, wasm.NameSectionTag), b...)
			w.out = wasm.AppendSection(w.out, wasm.SectionCustom, b)
		}
		return
	}
}

func (w *writer) names(r wasm.Reader) (b []byte) {
	last := -1
	for r.Len() > 0 {
		id := int(r.Byte())
		sub := r.Sub(r.U32())
		if r.Err() != nil || id <= last {
			return b
		}
		last = id
		var body []byte
		switch id {
		case wasm.NameModule:
			if name := sub.Name(); sub.Err() == nil {
				body = wasm.AppendName(nil, cleanName(name))
			}
		case wasm.NameFunctions:
			body = w.functionNames(&sub)
		}
		if len(body) > 0 {
			b = append(b, byte(id))
			b = wasm.AppendName(b, body)
		}
	}
	return b
}

// functionNames copies the names of functions, which must be in order of their indexes, up to the
// first one that is not well-formed.
func (w *writer) functionNames(r *wasm.Reader) []byte {
	n := r.U32()
	var names []byte
	count, next := uint32(0), uint32(0)
	add := func(i uint32, name string) {
		names = wasm.AppendU32(names, i)
		names = wasm.AppendName(names, name)
		count++
	}
	shifted := w.shift == 0 // the name of OutOfGas has been written, or there is none
	for ; n > 0; n-- {
		i := r.U32()
		name := r.Name()
		if r.Err() != nil || i < next || int64(i) >= int64(len(w.f.Funcs)) {
			break
		}
		next = i + 1
		if !shifted && i >= w.outOfGas {
			add(w.outOfGas, ImportModule+"."+OutOfGas)
			shifted = true
		}
		add(w.fn(i), cleanName(name))
	}
	if count == 0 {
		return nil
	}
	return append(wasm.AppendU32(nil, count), names...)
}

// cleanName makes a name fit for a line of a log.
func cleanName(b []byte) string {
	s := string(b)
	if len(s) > nameBytes {
		s = s[:nameBytes]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
