package validate

import (
	"math"
	"strings"
	"unicode"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

func (c *checker) typeSection() error {
	n, err := c.count("types", 3, c.lim.Types)
	if err != nil {
		return err
	}
	c.f.Types = make([]FuncType, n)
	for i := range c.f.Types {
		at := c.r.Offset()
		if form := c.r.Byte(); form != wasm.FuncTypeForm {
			if p := wasm.TypeProposal(form); p != "" {
				return c.unsupported(at, p)
			}
			return c.malformed(at, "type %d: unknown form %#x", i, form)
		}
		t := &c.f.Types[i]
		if t.Params, err = c.valTypes("parameters of a type", c.lim.Params); err != nil {
			return err
		}
		if t.Results, err = c.valTypes("results of a type", c.lim.Results); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) valTypes(what string, limit int) ([]wasm.ValType, error) {
	n, err := c.count(what, 1, limit)
	if err != nil {
		return nil, err
	}
	ts := make([]wasm.ValType, n)
	for i := range ts {
		if ts[i], err = c.valType(&c.r); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

func (c *checker) valType(r *wasm.Reader) (wasm.ValType, error) {
	at := r.Offset()
	t := wasm.ValType(r.Byte())
	switch {
	case r.Err() != nil:
		return 0, c.readErr(r)
	case t.Valid():
		return t, nil
	}
	if p := wasm.TypeProposal(byte(t)); p != "" {
		return 0, c.unsupported(at, p)
	}
	return 0, c.malformed(at, "unknown value type %#x", byte(t))
}

func (c *checker) refType() (wasm.ValType, error) {
	at := c.r.Offset()
	t, err := c.valType(&c.r)
	if err == nil && !t.Ref() {
		err = c.malformed(at, "malformed reference type: %v", t)
	}
	return t, err
}

func (c *checker) importSection() error {
	n, err := c.count("imports", 4, c.lim.Imports)
	if err != nil {
		return err
	}
	c.f.Imports = make([]Import, n)
	for i := range c.f.Imports {
		im := &c.f.Imports[i]
		at := c.r.Offset()
		if im.Module, err = c.name("module of an import"); err != nil {
			return err
		}
		if im.Module == ReservedModule {
			return c.fail(Unsupported, at, "imports of the module %s are reserved for the host", ReservedModule)
		}
		if im.Name, err = c.name("name of an import"); err != nil {
			return err
		}
		if err := c.importDesc(im); err != nil {
			return err
		}
	}
	c.f.ImportedFuncs, c.f.ImportedTables, c.f.ImportedGlobals = len(c.f.Funcs), len(c.f.Tables), len(c.f.Globals)
	return nil
}

func (c *checker) importDesc(im *Import) error {
	at := c.r.Offset()
	im.Kind = wasm.ExternKind(c.r.Byte())
	switch im.Kind {
	case wasm.ExternFunc:
		im.Index = uint32(len(c.f.Funcs))
		return c.funcType()
	case wasm.ExternTable:
		im.Index = uint32(len(c.f.Tables))
		return c.table(true)
	case wasm.ExternMemory:
		return c.memory(true)
	case wasm.ExternGlobal:
		im.Index = uint32(len(c.f.Globals))
		return c.global(true)
	case wasm.ExternTag:
		return c.unsupported(at, wasm.Exceptions)
	}
	return c.malformed(at, "malformed import kind %d", im.Kind)
}

// name reads the name of an import or export.
func (c *checker) name(what string) (string, error) {
	at := c.r.Offset()
	s := string(c.r.Name())
	switch {
	case c.r.Err() != nil:
		return "", c.readErr(&c.r)
	case len(s) > c.lim.NameBytes:
		return "", c.over(at, "bytes of the "+what, uint64(len(s)), uint64(c.lim.NameBytes))
	case !c.lim.ControlNames && strings.ContainsFunc(s, unicode.IsControl):
		return "", c.fail(Limit, at, "%s: %.100q has a control character", what, s)
	}
	return s, nil
}

// funcType reads the type index of one more function.
func (c *checker) funcType() error {
	at := c.r.Offset()
	t := c.r.U32()
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	if int64(t) >= int64(len(c.f.Types)) {
		return c.malformed(at, "unknown type %d", t)
	}
	c.f.Funcs = append(c.f.Funcs, t)
	return nil
}

func (c *checker) funcSection() error {
	n, err := c.count("functions", 1, c.lim.Funcs)
	if err != nil {
		return err
	}
	c.funcs = n
	for range n {
		if err := c.funcType(); err != nil {
			return err
		}
	}
	return nil
}

// limits reads the bounds of a table or memory.
func (c *checker) limits() (lo, hi uint32, hasMax bool, err error) {
	at := c.r.Offset()
	flags := c.r.Byte()
	if flags > wasm.LimitsMinMax {
		if p := wasm.LimitsProposal(flags); p != "" {
			return 0, 0, false, c.unsupported(at, p)
		}
		return 0, 0, false, c.malformed(at, "malformed limits flags %#x", flags)
	}
	lo = c.r.U32()
	if hasMax = flags == wasm.LimitsMinMax; hasMax {
		hi = c.r.U32()
	}
	if c.r.Err() != nil {
		return 0, 0, false, c.readErr(&c.r)
	}
	if hasMax && hi < lo {
		return 0, 0, false, c.malformed(at, "size minimum %d must not be greater than maximum %d", lo, hi)
	}
	return lo, hi, hasMax, nil
}

func (c *checker) tableSection() error {
	n, err := c.count("tables", 3, c.lim.Tables)
	for ; n > 0 && err == nil; n-- {
		err = c.table(false)
	}
	return err
}

func (c *checker) table(imported bool) error {
	at := c.r.Offset()
	if c.r.Peek() == wasm.TableInitForm {
		return c.unsupported(at, wasm.TypedFuncRefs)
	}
	t, err := c.refType()
	if err != nil {
		return err
	}
	at = c.r.Offset()
	lo, hi, hasMax, err := c.limits()
	switch {
	case err != nil:
		return err
	case int64(lo) > int64(c.lim.TableEntries):
		return c.over(at, "entries that a table begins with", uint64(lo), uint64(c.lim.TableEntries))
	case len(c.f.Tables) >= c.lim.Tables:
		return c.over(at, "tables", uint64(len(c.f.Tables)+1), uint64(c.lim.Tables))
	}
	c.f.Tables = append(c.f.Tables, Table{Type: t, Min: lo, Max: hi, HasMax: hasMax, Imported: imported})
	return nil
}

func (c *checker) memorySection() error {
	n, err := c.count("memories", 2, math.MaxInt32)
	for ; n > 0 && err == nil; n-- {
		err = c.memory(false)
	}
	return err
}

func (c *checker) memory(imported bool) error {
	at := c.r.Offset()
	lo, hi, hasMax, err := c.limits()
	switch {
	case err != nil:
		return err
	case c.f.Memory != nil:
		return c.unsupported(at, wasm.MultiMemory)
	case lo > wasm.MaxPages || hi > wasm.MaxPages:
		return c.malformed(at, "memory size must be at most %d pages (4 GiB)", wasm.MaxPages)
	case lo > c.lim.MemoryPages:
		return c.over(at, "pages of 64 KiB that the memory begins with", uint64(lo), uint64(c.lim.MemoryPages))
	}
	c.f.Memory = &Memory{Min: lo, Max: hi, HasMax: hasMax, Imported: imported}
	return nil
}

func (c *checker) globalSection() error {
	n, err := c.count("globals", 4, c.lim.Globals)
	if err != nil {
		return err
	}
	for range n {
		if err := c.global(false); err != nil {
			return err
		}
		if err := c.constExpr(c.f.Globals[len(c.f.Globals)-1].Type); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) global(imported bool) error {
	t, err := c.valType(&c.r)
	if err != nil {
		return err
	}
	at := c.r.Offset()
	m := c.r.Byte()
	if m > wasm.GlobalMutable {
		return c.malformed(at, "malformed mutability %#x", m)
	}
	c.f.Globals = append(c.f.Globals, Global{Type: t, Mutable: m == wasm.GlobalMutable, Imported: imported})
	c.mutable += int(m)
	return nil
}

func (c *checker) exportSection() error {
	n, err := c.count("exports", 3, c.lim.Exports)
	if err != nil {
		return err
	}
	c.f.Exports = make([]Export, n)
	seen := make(map[string]bool, n)
	for i := range c.f.Exports {
		e := &c.f.Exports[i]
		at := c.r.Offset()
		if e.Name, err = c.name("name of an export"); err != nil {
			return err
		}
		switch {
		case seen[e.Name]:
			return c.malformed(at, "duplicate export name %.100q", e.Name)
		case strings.HasPrefix(e.Name, ReservedPrefix):
			return c.fail(Unsupported, at, "export %.100q: names that begin with %s are reserved for the host", e.Name, ReservedPrefix)
		}
		seen[e.Name] = true
		if err := c.exportDesc(e); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) exportDesc(e *Export) error {
	at := c.r.Offset()
	e.Kind = wasm.ExternKind(c.r.Byte())
	e.Index = c.r.U32()
	n := 0
	switch e.Kind {
	case wasm.ExternFunc:
		n = len(c.f.Funcs)
	case wasm.ExternTable:
		n = len(c.f.Tables)
	case wasm.ExternMemory:
		if c.f.Memory != nil {
			n = 1
		}
	case wasm.ExternGlobal:
		n = len(c.f.Globals)
	case wasm.ExternTag:
		return c.unsupported(at, wasm.Exceptions)
	default:
		return c.malformed(at, "malformed export kind %d", e.Kind)
	}
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	if int64(e.Index) >= int64(n) {
		return c.malformed(at, "export %.100q: unknown %v %d", e.Name, e.Kind, e.Index)
	}
	if e.Kind == wasm.ExternMemory {
		c.f.Memory.Export = e.Name
	}
	if e.Kind == wasm.ExternFunc {
		c.ref(e.Index)
	}
	return nil
}

func (c *checker) startSection() error {
	at := c.r.Offset()
	fn := c.r.U32()
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	if int64(fn) >= int64(len(c.f.Funcs)) {
		return c.malformed(at, "start: unknown function %d", fn)
	}
	if t := c.f.FuncType(fn); len(t.Params)+len(t.Results) > 0 {
		return c.malformed(at, "start function %d has type %v instead of ()->()", fn, t)
	}
	c.f.Start = int(fn)
	return nil
}
