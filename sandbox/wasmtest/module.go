package wasmtest

// Module is a module to be encoded. Sections without content are left out. The order of a function's
// declarations is that of their calls: imports first.
type Module struct {
	types   [][]byte
	imports [][]byte
	funcs   [][]byte // type indexes
	bodies  [][]byte
	globals [][]byte
	exports [][]byte
	elems   [][]byte
	datas   [][]byte
	tables  [][]byte
	tail    []byte
	start   []byte
	count   []byte

	importedFuncs, importedGlobals uint32

	// Memory is the type of the memory, see Limits. Nil means none.
	Memory []byte
}

// Limits encodes the bounds of a memory or table.
func Limits(low uint32, high ...uint32) []byte {
	if len(high) == 0 {
		return Cat([]byte{0}, U32(low))
	}
	return Cat([]byte{1}, U32(low), U32(high[0]))
}

// T lists types: T(I32, I64).
func T(types ...byte) []byte { return types }

// FuncType encodes the type of a function.
func FuncType(params, results []byte) []byte {
	return Cat([]byte{0x60}, Name(string(params)), Name(string(results)))
}

// Type returns the index of a type, which is added if there is none like it.
func (m *Module) Type(params, results []byte) uint32 {
	t := FuncType(params, results)
	for i, have := range m.types {
		if string(have) == string(t) {
			return uint32(i)
		}
	}
	return m.AddType(t)
}

// AddType adds an encoded type.
func (m *Module) AddType(t []byte) uint32 {
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

// ImportFunc adds an imported function and returns its index. It comes before Func.
func (m *Module) ImportFunc(module, name string, params, results []byte) uint32 {
	m.Import(module, name, 0, U32(m.Type(params, results)))
	m.importedFuncs++
	return m.importedFuncs - 1
}

// ImportGlobal adds an imported global and returns its index. It comes before Global.
func (m *Module) ImportGlobal(module, name string, t byte, mutable bool) uint32 {
	m.Import(module, name, 3, []byte{t, flag(mutable)})
	m.importedGlobals++
	return m.importedGlobals - 1
}

// Import adds an import of any kind.
func (m *Module) Import(module, name string, kind byte, desc []byte) {
	m.imports = append(m.imports, Cat(Name(module), Name(name), []byte{kind}, desc))
}

// Func adds a function and returns its index. Each byte of locals is the type of one local. The end
// of the code is added.
func (m *Module) Func(params, results, locals []byte, code Code) uint32 {
	groups := [][]byte{}
	for i := 0; i < len(locals); {
		j := i
		for j < len(locals) && locals[j] == locals[i] {
			j++
		}
		groups = append(groups, append(U32(uint32(j-i)), locals[i]))
		i = j
	}
	return m.RawFunc(m.Type(params, results), Cat(Vec(groups...), code, []byte{End}))
}

// RawFunc adds a function by the bytes of its body: locals, code and end.
func (m *Module) RawFunc(typ uint32, body []byte) uint32 {
	m.funcs = append(m.funcs, U32(typ))
	m.bodies = append(m.bodies, append(U32(uint32(len(body))), body...))
	return m.importedFuncs + uint32(len(m.funcs)) - 1
}

// Table adds a table.
func (m *Module) Table(t byte, limits []byte) uint32 {
	m.tables = append(m.tables, append([]byte{t}, limits...))
	return uint32(len(m.tables) - 1)
}

// Global adds a global with its first value as code, without its end.
func (m *Module) Global(t byte, mutable bool, init Code) uint32 {
	m.globals = append(m.globals, Cat([]byte{t, flag(mutable)}, init, []byte{End}))
	return m.importedGlobals + uint32(len(m.globals)) - 1
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Export exports a function (kind 0), table (1), memory (2) or global (3).
func (m *Module) Export(name string, kind byte, index uint32) *Module {
	m.exports = append(m.exports, Cat(Name(name), []byte{kind}, U32(index)))
	return m
}

// Start sets the start function.
func (m *Module) Start(fn uint32) { m.start = U32(fn) }

// Elem adds an active segment of functions for table 0.
func (m *Module) Elem(offset int32, fns ...uint32) {
	m.RawElem(Cat([]byte{0}, Code{}.I32Const(offset).Op(End), indexes(fns)))
}

// PassiveElem adds a passive segment of functions.
func (m *Module) PassiveElem(fns ...uint32) { m.RawElem(Cat([]byte{1, 0}, indexes(fns))) }

// Declare adds a declarative segment, which allows ref.func of its functions.
func (m *Module) Declare(fns ...uint32) { m.RawElem(Cat([]byte{3, 0}, indexes(fns))) }

func indexes(fns []uint32) []byte {
	b := U32(uint32(len(fns)))
	for _, f := range fns {
		b = appendU(b, uint64(f))
	}
	return b
}

// RawElem adds an encoded element segment.
func (m *Module) RawElem(b []byte) { m.elems = append(m.elems, b) }

// Data adds an active data segment.
func (m *Module) Data(offset int32, content string) {
	m.RawData(Cat([]byte{0}, Code{}.I32Const(offset).Op(End), Name(content)))
}

// PassiveData adds a passive data segment. Code that names a segment needs DataCount too.
func (m *Module) PassiveData(content string) { m.RawData(Cat([]byte{1}, Name(content))) }

// RawData adds an encoded data segment.
func (m *Module) RawData(b []byte) { m.datas = append(m.datas, b) }

// DataCount adds a data count section.
func (m *Module) DataCount(n uint32) { m.count = U32(n) }

// Tail adds bytes after the last section, such as Custom ones.
func (m *Module) Tail(b []byte) { m.tail = append(m.tail, b...) }

// Encode returns the module.
func (m *Module) Encode() []byte {
	b := []byte(Header)
	vec := func(id byte, elements [][]byte) {
		if len(elements) > 0 {
			b = append(b, Section(id, Vec(elements...))...)
		}
	}
	one := func(id byte, body []byte) {
		if body != nil {
			b = append(b, Section(id, body)...)
		}
	}
	vec(TypeSection, m.types)
	vec(ImportSection, m.imports)
	vec(FuncSection, m.funcs)
	vec(TableSection, m.tables)
	if m.Memory != nil {
		vec(MemorySection, [][]byte{m.Memory})
	}
	vec(GlobalSection, m.globals)
	vec(ExportSection, m.exports)
	one(StartSection, m.start)
	vec(ElemSection, m.elems)
	one(DataCountSection, m.count)
	vec(CodeSection, m.bodies)
	vec(DataSection, m.datas)
	return append(b, m.tail...)
}
