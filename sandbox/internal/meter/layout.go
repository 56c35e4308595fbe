package meter

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// Names that a rewritten module has for the host.
const (
	// GasExport is the mutable i64 global that counts down. The host sets it before each call.
	GasExport = validate.ReservedPrefix + "gas"
	// StackExport is the mutable i32 global that holds the bytes of stack that are left. The host
	// sets it before each call from outside, because traps leave it as it is.
	StackExport = validate.ReservedPrefix + "stack"
	// StartExport is the start function, of type () -> (). The engine does not call it: the host
	// does, right after it has made an instance.
	StartExport = validate.ReservedPrefix + "start"
	// GlobalPrefix and the index of a mutable global are the name under which it is exported.
	GlobalPrefix = validate.ReservedPrefix + "g"
	// ImportModule and OutOfGas name the function of type () -> () that a guest calls when its gas
	// is below zero. It makes it at least zero and returns, or it does not return.
	ImportModule = validate.ReservedModule
	OutOfGas     = "out_of_gas"
)

// Options say how to rewrite. The zero value is good.
type Options struct {
	// MemoryPages is the most that the memory may have, of 64 KiB. Zero means 1,024.
	MemoryPages uint32
	// TableEntries is the most that a table may have. Zero means 100,000.
	TableEntries uint32
	// LazyEntries is how many entries a table has at least that is filled by and by. Zero means 64.
	LazyEntries uint32
	// TrapOnly makes a guest that is out of gas trap as by unreachable, with the gas below zero,
	// instead of calling OutOfGas, which is then not imported. This is the faster code. It suits
	// budgets that are small as a whole, since the guest cannot be interrupted before their end.
	TrapOnly bool
	// Image makes the second form of a module, which begins with the memory and globals of an
	// instance of the first form. The host provides the memory's content. Active data segments and
	// the start function are left out, and data.drop does nothing, so that no state of an instance
	// lies outside memory and globals.
	Image *Snapshot
}

func (o *Options) setDefaults() {
	if o.MemoryPages == 0 {
		o.MemoryPages = 1024
	}
	o.MemoryPages = min(o.MemoryPages, wasm.MaxPages)
	if o.TableEntries == 0 {
		o.TableEntries = 100_000
	}
	if o.LazyEntries == 0 {
		o.LazyEntries = 64
	}
}

// Snapshot is what of an instance becomes part of the second form.
type Snapshot struct {
	Pages   uint32   // of memory
	Globals []uint64 // values, as Layout.Globals lists them
}

// Layout tells the host what it finds in a rewritten module.
//
// A call ran out of stack if it trapped by unreachable and the stack global is below zero, and out of
// gas, with Options.TrapOnly, if it is the gas global. Both are else never below zero at a trap of
// the guest's own, but for gas that was charged since the last check.
type Layout struct {
	// Globals are the mutable numeric globals, without those of the meter.
	Globals []Global
	// Start says that the module has StartExport.
	Start bool
	// OutOfGas says that the module imports OutOfGas.
	OutOfGas bool
	// Obstacles say why an instance cannot become an image: state that lies outside of memory and
	// numeric globals. None means that it can.
	Obstacles []string
	// MemoryPages is the most that the memory can have, zero if there is none.
	MemoryPages uint32
	// MaxFrame is the largest frame of a function, in bytes as the stack global counts them.
	MaxFrame int64
}

// Global is a mutable global that the host can read and set.
type Global struct {
	Export string
	Index  uint32
	Type   wasm.ValType
}

func globalExport(i uint32) string { return fmt.Sprintf("%s%d", GlobalPrefix, i) }

// obstacles lists what keeps an instance from becoming an image.
func obstacles(f *validate.Facts) (why []string) {
	for i, g := range f.Globals {
		switch {
		case !g.Mutable:
		case g.Imported:
			why = append(why, fmt.Sprintf("global %d is mutable and imported", i))
		case !g.Type.Numeric():
			why = append(why, fmt.Sprintf("global %d is mutable and a %v", i, g.Type))
		}
	}
	if f.Memory != nil && f.Memory.Imported {
		why = append(why, "the memory is imported")
	}
	if f.ImportedTables > 0 {
		why = append(why, "a table is imported")
	}
	if f.Uses.Has(validate.UsesTableWrite) {
		why = append(why, "the code changes tables")
	}
	return why
}
