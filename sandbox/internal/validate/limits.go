package validate

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

// Limits are the bounds of a module. A field that is zero means the default, which is given in
// brackets. A value equal to its limit is accepted.
type Limits struct {
	ModuleBytes int // [16 MiB]
	CustomBytes int // of all custom sections [8 MiB]
	Customs     int // custom sections [1,000]
	NameBytes   int // of the name of an import or export [256]

	Types    int // [10,000]
	Params   int // of one type [128]
	Results  int // of one type [128]
	Imports  int // [1,000]
	Exports  int // [1,000]
	Funcs    int // without imports [50,000]
	Globals  int // without imports [10,000]
	Tables   int // with imports [4]
	Elements int // entries of all element segments; one may cost the engine 100 bytes [400,000]
	Segments int // data segments, and element segments; standard Go makes 37,000 [200,000]

	TableEntries int    // that one table begins with [100,000]
	MemoryPages  uint32 // that the memory begins with, of 64 KiB [1,024]

	BodyBytes   int // of one function [256 KiB]
	Locals      int // of one function, without parameters [4,096]
	TotalLocals int // of all functions: the engine spells them out, 8 bytes each [4,000,000]
	Nesting     int // of blocks [2,048]
	Slots       int // of 8 bytes, in a frame as it is estimated from above [131,072, which is 1 MiB]

	// BranchTargets bounds the labels of the br_tables of one function [65,536], and
	// TotalBranchTargets those of the module [1,000,000]. Standard Go has one table a function,
	// with a label for each call.
	BranchTargets, TotalBranchTargets int

	// Weight bounds the work of the compiler for one function [4,000,000], and TotalWeight that for
	// all [32,000,000]. A unit is about a microsecond. It is the sum over the basic blocks of the
	// values that may live there (parameters, locals, operands), over calls of the mutable globals,
	// and over branches and loops of those before them. See TestWeight for what it is made from.
	Weight, TotalWeight uint64

	// ControlNames accepts control characters in the names of imports and exports.
	ControlNames bool
}

func (l *Limits) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&l.ModuleBytes, 16<<20)
	def(&l.CustomBytes, 8<<20)
	def(&l.Customs, 1000)
	def(&l.NameBytes, 256)
	def(&l.Types, 10_000)
	def(&l.Params, 128)
	def(&l.Results, 128)
	def(&l.Imports, 1000)
	def(&l.Exports, 1000)
	def(&l.Funcs, 50_000)
	def(&l.Globals, 10_000)
	def(&l.Tables, 4)
	def(&l.Elements, 400_000)
	def(&l.Segments, 200_000)
	def(&l.TableEntries, 100_000)
	def(&l.BodyBytes, 256<<10)
	def(&l.Locals, 4096)
	def(&l.TotalLocals, 4_000_000)
	def(&l.Nesting, 2048)
	def(&l.Slots, 1<<17)
	def(&l.BranchTargets, 1<<16)
	def(&l.TotalBranchTargets, 1_000_000)
	if l.MemoryPages == 0 {
		l.MemoryPages = 1024
	}
	l.MemoryPages = min(l.MemoryPages, wasm.MaxPages)
	if l.Weight == 0 {
		l.Weight = 4_000_000
	}
	if l.TotalWeight == 0 {
		l.TotalWeight = 32_000_000
	}
}
