package meter

import (
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// copySection copies a section, which may be absent.
func (w *writer) copySection(r *wasm.Reader, b []byte) []byte {
	return append(b, r.Bytes(uint32(r.Len()))...)
}

// extend copies a vector with n elements more, which the caller appends. It writes nothing if the
// section is absent and nothing is added.
func (w *writer) extend(r *wasm.Reader, b []byte, n int) []byte {
	var old uint32
	if r.Len() > 0 {
		old = r.U32()
	} else if n == 0 {
		return b
	}
	b = wasm.AppendU32(b, old+uint32(n))
	return w.copySection(r, b)
}

func (w *writer) typeSection(r *wasm.Reader, b []byte) []byte {
	b = w.extend(r, b, len(w.types))
	for _, t := range w.types {
		b = wasm.AppendName(append(b, wasm.FuncTypeForm), typeKey(t.Params))
		b = wasm.AppendName(b, typeKey(t.Results))
	}
	return b
}

func (w *writer) importSection(r *wasm.Reader, b []byte) []byte {
	if w.o.TrapOnly {
		return w.copySection(r, b)
	}
	b = w.extend(r, b, 1)
	b = wasm.AppendName(b, ImportModule)
	b = wasm.AppendName(b, OutOfGas)
	b = append(b, byte(wasm.ExternFunc))
	return wasm.AppendU32(b, w.blockType(nil))
}

func (w *writer) tableSection(r *wasm.Reader, b []byte) []byte {
	own := w.f.Tables[w.f.ImportedTables:]
	if len(own) == 0 {
		return b
	}
	b = wasm.AppendU32(b, uint32(len(own)))
	for _, t := range own {
		b = append(b, byte(t.Type), wasm.LimitsMinMax)
		b = wasm.AppendU32(b, t.Min)
		b = wasm.AppendU32(b, w.maxEntries(&t))
	}
	return b
}

func (w *writer) maxEntries(t *validate.Table) uint32 {
	if t.HasMax {
		return min(t.Max, w.o.TableEntries)
	}
	return w.o.TableEntries
}

func (w *writer) memorySection(r *wasm.Reader, b []byte) []byte {
	if w.f.Memory == nil || w.f.Memory.Imported {
		return b
	}
	b = append(b, 1, wasm.LimitsMinMax)
	b = wasm.AppendU32(b, w.minPages())
	return wasm.AppendU32(b, w.maxPages())
}

func (w *writer) globalSection(r *wasm.Reader, b []byte) []byte {
	own := w.f.Globals[w.f.ImportedGlobals:]
	if len(own) > 0 {
		r.U32()
	}
	b = wasm.AppendU32(b, uint32(len(own)+2))
	next := 0 // in Layout.Globals; an image has no mutable imported ones
	for _, g := range own {
		b = append(b, r.Byte(), r.Byte())
		if w.o.Image != nil && g.Mutable {
			w.constExpr(r, nil)
			b = wasm.AppendConst(b, g.Type, w.o.Image.Globals[next])
			next++
			continue
		}
		b = w.constExpr(r, b)
	}
	// An instance can do nothing before the host has set these.
	b = wasm.AppendConst(append(b, byte(wasm.I64), wasm.GlobalMutable), wasm.I64, 0)
	return wasm.AppendConst(append(b, byte(wasm.I32), wasm.GlobalMutable), wasm.I32, 0)
}

// constExpr copies a constant expression.
func (w *writer) constExpr(r *wasm.Reader, b []byte) []byte {
	var in wasm.Instr
	for r.Err() == nil {
		at := r.Pos()
		r.Next(&in)
		switch in.Op {
		case wasm.OpRefFunc:
			b = append(b, byte(wasm.OpRefFunc))
			b = wasm.AppendU32(b, w.fn(in.X))
		case wasm.OpEnd:
			return append(b, byte(wasm.OpEnd))
		default:
			b = append(b, r.Since(at)...)
		}
	}
	return b
}

func (w *writer) exportSection(_ *wasm.Reader, b []byte) []byte {
	n := len(w.f.Exports) + len(w.layout.Globals) + 2
	if w.layout.Start {
		n++
	}
	b = wasm.AppendU32(b, uint32(n))
	add := func(name string, kind wasm.ExternKind, index uint32) {
		b = wasm.AppendName(b, name)
		b = wasm.AppendU32(append(b, byte(kind)), index)
	}
	for _, e := range w.f.Exports {
		if e.Kind == wasm.ExternFunc {
			e.Index = w.fn(e.Index)
		}
		add(e.Name, e.Kind, e.Index)
	}
	for _, g := range w.layout.Globals {
		add(g.Export, wasm.ExternGlobal, g.Index)
	}
	add(GasExport, wasm.ExternGlobal, w.gas)
	add(StackExport, wasm.ExternGlobal, w.stack)
	if w.layout.Start {
		add(StartExport, wasm.ExternFunc, w.fn(uint32(w.f.Start)))
	}
	return b
}

func (w *writer) elemSection(r *wasm.Reader, b []byte) []byte {
	if r.Len() == 0 {
		return b
	}
	b = make([]byte, 0, r.Len()+r.Len()/4)
	n := r.U32()
	b = wasm.AppendU32(b, n)
	for ; n > 0 && r.Err() == nil; n-- {
		b = w.elem(r, b)
	}
	return b
}

func (w *writer) elem(r *wasm.Reader, b []byte) []byte {
	flags := r.U32()
	if flags&wasm.ElemPassive == 0 && w.lazy != nil {
		return w.declared(r, flags, b)
	}
	b = wasm.AppendU32(b, flags)
	if flags&wasm.ElemPassive == 0 {
		if flags&wasm.ElemIndex != 0 {
			b = wasm.AppendU32(b, r.U32())
		}
		b = w.constExpr(r, b)
	}
	if flags&(wasm.ElemPassive|wasm.ElemIndex) != 0 {
		b = append(b, r.Byte())
	}
	return w.elemEntries(r, flags, b)
}

// declared makes an active segment one that only declares its functions, so that the fillers may refer to them.
func (w *writer) declared(r *wasm.Reader, flags uint32, b []byte) []byte {
	b = wasm.AppendU32(b, flags|wasm.ElemPassive|wasm.ElemIndex)
	if flags&wasm.ElemIndex != 0 {
		r.U32()
	}
	w.constExpr(r, nil)
	kind := byte(wasm.ElemKindFunc)
	if flags&wasm.ElemExprs != 0 {
		kind = byte(wasm.FuncRef)
	}
	if flags&wasm.ElemIndex != 0 {
		kind = r.Byte()
	}
	return w.elemEntries(r, flags, append(b, kind))
}

func (w *writer) elemEntries(r *wasm.Reader, flags uint32, b []byte) []byte {
	n := r.U32()
	b = wasm.AppendU32(b, n)
	for ; n > 0 && r.Err() == nil; n-- {
		if flags&wasm.ElemExprs != 0 {
			b = w.constExpr(r, b)
		} else {
			b = wasm.AppendU32(b, w.fn(r.U32()))
		}
	}
	return b
}

func (w *writer) dataCountSection(r *wasm.Reader, b []byte) []byte {
	if w.dropData {
		return nil
	}
	return w.copySection(r, b)
}

func (w *writer) dataSection(r *wasm.Reader, b []byte) []byte {
	if w.o.Image == nil {
		return w.copySection(r, b)
	}
	if w.dropData || r.Len() == 0 {
		return nil
	}
	n := r.U32()
	b = wasm.AppendU32(b, n)
	for ; n > 0 && r.Err() == nil; n-- {
		flags := r.U32()
		if flags == wasm.DataActiveMem {
			r.U32()
		}
		b = append(b, wasm.DataPassive)
		if flags == wasm.DataPassive {
			b = wasm.AppendName(b, r.Bytes(r.U32()))
			continue
		}
		w.constExpr(r, nil)
		r.Bytes(r.U32())
		b = append(b, 0) // an active segment is empty once it has been copied
	}
	return b
}
