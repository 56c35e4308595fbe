package meter

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// Rewrite returns the metered form of b. f are the facts that [validate.Module] found in b. The
// result depends on nothing but the arguments.
func Rewrite(b []byte, f *validate.Facts, o Options) ([]byte, *Layout, error) {
	o.setDefaults()
	if len(b) != f.Size {
		return nil, nil, fmt.Errorf("meter: the facts are of another module: %d bytes instead of %d", f.Size, len(b))
	}
	w := &writer{b: b, f: f, o: o, layout: &Layout{Obstacles: obstacles(f)}}
	if err := w.plan(); err != nil {
		return nil, nil, err
	}
	w.module()
	if w.err != nil {
		return nil, nil, fmt.Errorf("meter: %w", w.err)
	}
	return w.out, w.layout, nil
}

// writer is one run of Rewrite. Imports come first in an index space, so the imported function that
// it adds moves all functions of the module up by one. Types and globals are added at the end.
type writer struct {
	b      []byte
	f      *validate.Facts
	o      Options
	layout *Layout
	out    []byte
	err    error

	shift    uint32              // added to the index of a function that is not imported
	outOfGas uint32              // function, unless Options.TrapOnly
	gas      uint32              // global
	stack    uint32              // global
	types    []validate.FuncType // added
	results  map[string]uint32   // types of blocks without parameters, by their results

	dropData bool       // the image has no data segments at all
	lazy     *lazyTable // nil if no table is filled by and by
	code     code       // reused by functions
}

// plan assigns indexes.
func (w *writer) plan() error {
	f, l := w.f, w.layout
	for i, g := range f.Globals {
		if g.Mutable && g.Type.Numeric() {
			l.Globals = append(l.Globals, Global{Export: globalExport(uint32(i)), Index: uint32(i), Type: g.Type})
		}
	}
	w.gas = uint32(len(f.Globals))
	w.stack = w.gas + 1
	if !w.o.TrapOnly {
		w.shift, w.outOfGas, l.OutOfGas = 1, uint32(f.ImportedFuncs), true
	}
	l.Start = f.Start >= 0 && w.o.Image == nil
	w.planTypes()
	if im := w.o.Image; im != nil {
		if len(l.Obstacles) > 0 {
			return fmt.Errorf("meter: the module cannot have an image: %s", l.Obstacles[0])
		}
		if len(im.Globals) != len(l.Globals) {
			return fmt.Errorf("meter: the image has %d globals instead of %d", len(im.Globals), len(l.Globals))
		}
		if f.Memory == nil && im.Pages > 0 || f.Memory != nil && im.Pages < f.Memory.Min {
			return fmt.Errorf("meter: the image has %d pages of memory, which the module cannot have", im.Pages)
		}
		w.dropData = !f.Uses.Has(validate.UsesData)
	}
	if m := f.Memory; m != nil && !m.Imported {
		l.MemoryPages = w.maxPages()
		if low := w.minPages(); low > l.MemoryPages {
			return fmt.Errorf("meter: the memory begins with %d pages, the cap is %d", low, l.MemoryPages)
		}
	}
	for i, t := range f.Tables {
		if !t.Imported && t.Min > w.o.TableEntries {
			return fmt.Errorf("meter: table %d begins with %d entries, the cap is %d", i, t.Min, w.o.TableEntries)
		}
	}
	w.planTable()
	return nil
}

// planTypes finds or adds the type of OutOfGas and those of the blocks that functions are put in.
func (w *writer) planTypes() {
	w.results = map[string]uint32{}
	for i, t := range w.f.Types {
		if len(t.Params) > 0 {
			continue
		}
		if _, ok := w.results[string(typeKey(t.Results))]; !ok {
			w.results[string(typeKey(t.Results))] = uint32(i)
		}
	}
	if !w.o.TrapOnly {
		w.blockType(nil)
	}
	for i := range w.f.Bodies {
		if t := w.f.FuncType(uint32(w.f.ImportedFuncs + i)); len(t.Results) > 1 && counts(&w.f.Bodies[i]) {
			w.blockType(t.Results)
		}
	}
}

// blockType returns the type of a function without parameters.
func (w *writer) blockType(results []wasm.ValType) uint32 {
	key := string(typeKey(results))
	i, ok := w.results[key]
	if !ok {
		i = uint32(len(w.f.Types) + len(w.types))
		w.results[key] = i
		w.types = append(w.types, validate.FuncType{Results: results})
	}
	return i
}

func typeKey(ts []wasm.ValType) []byte {
	b := make([]byte, len(ts))
	for i, t := range ts {
		b[i] = byte(t)
	}
	return b
}

// fn returns the new index of a function.
func (w *writer) fn(i uint32) uint32 {
	if i >= uint32(w.f.ImportedFuncs) {
		return i + w.shift
	}
	return i
}

func (w *writer) minPages() uint32 {
	if w.o.Image != nil {
		return w.o.Image.Pages
	}
	return w.f.Memory.Min
}

func (w *writer) maxPages() uint32 {
	if m := w.f.Memory; m.HasMax {
		return min(m.Max, w.o.MemoryPages)
	}
	return w.o.MemoryPages
}

// section returns a reader of a section, which is empty if the module does not have it.
func (w *writer) section(id wasm.SectionID) wasm.Reader {
	for _, s := range w.f.Sections {
		if s.ID == id {
			return wasm.NewReader(w.b[s.Offset:s.Offset+int64(s.Size)], s.Offset)
		}
	}
	return wasm.Reader{}
}

// module writes the sections in order, those that the module has and those that something is added
// to. The name section comes last.
func (w *writer) module() {
	w.out = make([]byte, 0, len(w.b)+len(w.b)/4+256)
	w.out = append(w.out, wasm.Header...)
	for _, s := range []struct {
		id    wasm.SectionID
		write func(*wasm.Reader, []byte) []byte
	}{
		{wasm.SectionType, w.typeSection},
		{wasm.SectionImport, w.importSection},
		{wasm.SectionFunction, w.functionSection},
		{wasm.SectionTable, w.tableSection},
		{wasm.SectionMemory, w.memorySection},
		{wasm.SectionGlobal, w.globalSection},
		{wasm.SectionExport, w.exportSection},
		{wasm.SectionElement, w.elemSection},
		{wasm.SectionDataCount, w.dataCountSection},
		{wasm.SectionCode, w.codeSection},
		{wasm.SectionData, w.dataSection},
	} {
		r := w.section(s.id)
		body := s.write(&r, nil)
		if r.Err() != nil && w.err == nil {
			w.err = fmt.Errorf("%v section: %w", s.id, r.Err())
		}
		if len(body) > 0 {
			w.out = wasm.AppendSection(w.out, s.id, body)
		}
	}
	w.nameSection()
}
