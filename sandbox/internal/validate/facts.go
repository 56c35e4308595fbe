package validate

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

// ReservedPrefix begins the names of exports that the host adds, and ReservedModule is the module of
// the imports that it adds. Uploads may use neither.
const (
	ReservedPrefix = "__vivarium_"
	ReservedModule = "vivarium_meter"
)

// Facts are what is known of a module that has been accepted. Indexes are those of the module, with
// imports first. It holds no part of the module's bytes, and is not changed once made.
type Facts struct {
	Size     int // of the module in bytes
	Sections []Section
	Customs  []Custom

	Types    []FuncType
	Imports  []Import
	Funcs    []uint32 // type of each function
	Tables   []Table
	Memory   *Memory // nil if there is none
	Globals  []Global
	Exports  []Export
	Bodies   []Body // of the functions that are not imported
	Start    int    // function, or -1
	Elements int    // entries of all element segments
	Elems    int    // element segments
	Datas    int    // data segments
	Passive  int    // data segments that are not active

	// HasDataCount says that the module has a data count section.
	HasDataCount bool

	ImportedFuncs, ImportedTables, ImportedGlobals int

	Uses Uses // instructions that occur somewhere in the code

	// The largest of their kind in one function, for the report.
	MaxBody, MaxNesting, MaxLocals, MaxSlots uint32
	MaxWeight                                uint64

	Locals, BranchTargets int    // of all functions
	Weight                uint64 // of all functions, see Limits.Weight
}

// FuncType returns the type of a function.
func (f *Facts) FuncType(fn uint32) FuncType { return f.Types[f.Funcs[fn]] }

// Section is one section of the module.
type Section struct {
	ID     wasm.SectionID
	Offset int64 // of what follows its size
	Size   uint32
}

// Custom is one custom section. Name is cut to 256 bytes.
type Custom struct {
	Name   string
	Offset int64 // of what follows its name
	Size   uint32
}

// FuncType is the type of a function.
type FuncType struct{ Params, Results []wasm.ValType }

// String returns t as "(i32 i64)->(f32)".
func (t FuncType) String() string {
	var b []byte
	list := func(ts []wasm.ValType) {
		b = append(b, '(')
		for i, t := range ts {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, t.String()...)
		}
		b = append(b, ')')
	}
	list(t.Params)
	b = append(b, "->"...)
	list(t.Results)
	return string(b)
}

// Import is one import.
type Import struct {
	Module, Name string
	Kind         wasm.ExternKind
	Index        uint32 // in the index space of its kind
	// Reached says of a function that a chain of calls leads to it from an export, the start
	// function or a table. Calls through tables are taken to reach every function that is in one.
	Reached bool
}

// Export is one export.
type Export struct {
	Name  string
	Kind  wasm.ExternKind
	Index uint32
}

// Table is a table.
type Table struct {
	Type     wasm.ValType
	Min, Max uint32 // in entries
	HasMax   bool
	Imported bool
}

// Memory is a linear memory.
type Memory struct {
	Min, Max uint32 // in pages
	HasMax   bool
	Imported bool
	Export   string // a name under which it is exported, or empty
}

// Global is a global variable.
type Global struct {
	Type     wasm.ValType
	Mutable  bool
	Imported bool
}

// Body is the code of one function.
type Body struct {
	Offset int64  // of its locals in the module
	Size   uint32 // in bytes
	Locals uint32 // declared, without parameters
	Stack  uint32 // most operands at once
	Slots  uint32 // of 8 bytes that the frame may take, estimated from above
	Instrs uint32 // instructions
	Uses   Uses
}

// Uses is a set of instructions that matter to others.
type Uses uint32

// The members of Uses.
const (
	UsesCall       Uses = 1 << iota // call, call_indirect
	UsesLoop                        // loop
	UsesLength                      // an instruction whose work grows with an operand
	UsesMemGrow                     // memory.grow
	UsesData                        // memory.init, data.drop
	UsesDataDrop                    // data.drop
	UsesElemDrop                    // elem.drop
	UsesTableWrite                  // table.set, grow, fill, copy, init
	UsesTableGet                    // table.get
	UsesIndirect                    // call_indirect
	UsesVec                         // vectors
)

// Has reports whether u has all of v.
func (u Uses) Has(v Uses) bool { return u&v == v }
