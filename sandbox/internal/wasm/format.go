package wasm

// Header is the magic number and version that a core module begins with.
const Header = "\x00asm\x01\x00\x00\x00"

// ComponentHeader begins a component, which is another format.
const ComponentHeader = "\x00asm\x0d\x00\x01\x00"

// PageSize is the size of a page of linear memory in bytes.
const PageSize = 64 << 10

// MaxPages is the most pages that a 32-bit memory can have.
const MaxPages = 1 << 16

// SectionID is the number of a section.
type SectionID byte

// The sections. All but custom ones occur at most once, in the order of SectionID.Order.
const (
	SectionCustom    SectionID = 0
	SectionType      SectionID = 1
	SectionImport    SectionID = 2
	SectionFunction  SectionID = 3
	SectionTable     SectionID = 4
	SectionMemory    SectionID = 5
	SectionGlobal    SectionID = 6
	SectionExport    SectionID = 7
	SectionStart     SectionID = 8
	SectionElement   SectionID = 9
	SectionCode      SectionID = 10
	SectionData      SectionID = 11
	SectionDataCount SectionID = 12
	SectionTag       SectionID = 13 // of the exception handling proposal
)

var sections = [...]struct {
	name  string
	order int
}{
	SectionCustom:    {"custom", 0},
	SectionType:      {"type", 1},
	SectionImport:    {"import", 2},
	SectionFunction:  {"function", 3},
	SectionTable:     {"table", 4},
	SectionMemory:    {"memory", 5},
	SectionTag:       {"tag", 6},
	SectionGlobal:    {"global", 7},
	SectionExport:    {"export", 8},
	SectionStart:     {"start", 9},
	SectionElement:   {"element", 10},
	SectionDataCount: {"data count", 11},
	SectionCode:      {"code", 12},
	SectionData:      {"data", 13},
}

// Known reports whether the format has a section of this number.
func (s SectionID) Known() bool { return int(s) < len(sections) }

// String returns the name that the specification gives the section.
func (s SectionID) String() string {
	if !s.Known() {
		return "unknown"
	}
	return sections[s].name
}

// Order returns the place of a known section among the others. It is zero for custom sections, which
// may be anywhere.
func (s SectionID) Order() int { return sections[s].order }

// ValType is the type of a value.
type ValType byte

// The types of values.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
)

// Valid reports whether t is a type of the core specification 2.0.
func (t ValType) Valid() bool { return t.Numeric() || t == V128 || t.Ref() }

// Numeric reports whether t is an integer or a float.
func (t ValType) Numeric() bool { return t >= F64 && t <= I32 }

// Ref reports whether t is a reference.
func (t ValType) Ref() bool { return t == FuncRef || t == ExternRef }

// String returns the name of t in the text format.
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "unknown"
}

// ExternKind says what an import or export is.
type ExternKind byte

// The kinds of imports and exports.
const (
	ExternFunc   ExternKind = 0
	ExternTable  ExternKind = 1
	ExternMemory ExternKind = 2
	ExternGlobal ExternKind = 3
	ExternTag    ExternKind = 4 // of the exception handling proposal
)

// String returns the name of k in the text format.
func (k ExternKind) String() string {
	switch k {
	case ExternFunc:
		return "func"
	case ExternTable:
		return "table"
	case ExternMemory:
		return "memory"
	case ExternGlobal:
		return "global"
	case ExternTag:
		return "tag"
	}
	return "unknown"
}

// Other bytes of the format.
const (
	FuncTypeForm   = 0x60
	BlockEmpty     = 0x40
	TableInitForm  = 0x40 // of the typed function references proposal
	RefNullPrefix  = 0x63 // "
	RefPrefix      = 0x64 // "
	ElemKindFunc   = 0x00
	LimitsMin      = 0x00
	LimitsMinMax   = 0x01
	GlobalConst    = 0x00
	GlobalMutable  = 0x01
	DataActive     = 0
	DataPassive    = 1
	DataActiveMem  = 2
	ElemPassive    = 1 // bit: passive or declarative, else active
	ElemIndex      = 2 // bit: has a table index; with ElemPassive: declarative
	ElemExprs      = 4 // bit: expressions, else function indexes
	NameModule     = 0
	NameFunctions  = 1
	NameSectionTag = "name"
)
