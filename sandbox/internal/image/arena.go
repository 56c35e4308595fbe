// Package image keeps the memory of a version after start-up, once, and gives each instance a
// private copy of it that costs a mapping.
//
// It owns images (sealed, in RAM and as bytes for a file) and the linear memories of instances. It
// leaves to its caller how a module is started, which globals it has and how long an image or a
// shell is kept; what a sleeping actor keeps of its memory is package pagedelta's.
//
// Its one invariant: an image never changes. Whatever an instance writes is seen by that instance
// alone and is gone after Memory.Reset or Memory.Close.
package image

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

const (
	// PageSize is the unit in which memories are compared and stored, in bytes.
	PageSize = 4096
	// WasmPageSize is the unit in which a guest's memory grows, in bytes.
	WasmPageSize = 65536

	pagesPerWasmPage = WasmPageSize / PageSize
	wasmPagesOf32Bit = 65536 // all that a 32-bit address reaches: 4 GiB
	maxGlobals       = 10000 // design.md §11
)

var (
	// ErrExhausted reports that there is no room for one more memory now: Config.MaxMappings is
	// reached or the kernel refused. Closing another memory helps.
	ErrExhausted = errors.New("image: no room for another memory")
	// ErrClosed reports the use of a closed image or memory.
	ErrClosed = errors.New("image: closed")
)

// Config says what an Arena may use. The zero value is good.
type Config struct {
	// MaxWasmPages bounds each memory, in Wasm pages. Zero means 1,024, which is 64 MiB. It is also
	// what bounds the reading of an image's file.
	MaxWasmPages uint32
	// MaxMappings bounds the memory mappings that the arena holds. Zero means half of what the kernel
	// allows the process (vm.max_map_count), or no bound where the kernel has none. When a process
	// runs out of mappings Go's own allocator fails next, which ends the process, so this bound must
	// be well below.
	MaxMappings int
	// KeepBytes is how much private memory Memory.Reset leaves in place, overwritten with the image,
	// because the next guest is likely to write the same pages. Zero means 256 KiB, less than zero
	// none: a memory that waits for its next use then holds no private page.
	KeepBytes int
	// Copy keeps images and memories as Go slices and copies them, as it is done off Linux.
	Copy bool
}

func (c *Config) setDefaults() {
	if c.MaxWasmPages == 0 {
		c.MaxWasmPages = 1024
	}
	c.MaxWasmPages = min(c.MaxWasmPages, wasmPagesOf32Bit)
	if c.MaxMappings == 0 {
		c.MaxMappings = math.MaxInt
		if n := kernelMappings(); n > 0 {
			c.MaxMappings = n / 2
		}
	}
	if c.KeepBytes == 0 {
		c.KeepBytes = 256 << 10
	}
	c.Copy = c.Copy || !canMap
}

// Arena makes images and memories and counts what they hold. Safe for concurrent use.
type Arena struct {
	cfg                        Config
	images, memories, mappings atomic.Int64
	mappedBytes                atomic.Int64
}

// Stats is what an arena holds at one moment.
type Stats struct {
	Images   int
	Memories int
	// Mappings counts mappings of the kernel: one for an image and one for each memory, none for what
	// is kept by copying.
	Mappings int
	// MappedBytes is the address space of the mappings. It is far above the RAM that they use.
	MappedBytes int64
}

// NewArena makes an arena.
func NewArena(cfg Config) *Arena {
	cfg.setDefaults()
	return &Arena{cfg: cfg}
}

// Stats returns what the arena holds.
func (a *Arena) Stats() Stats {
	return Stats{
		Images:      int(a.images.Load()),
		Memories:    int(a.memories.Load()),
		Mappings:    int(a.mappings.Load()),
		MappedBytes: a.mappedBytes.Load(),
	}
}

// Bare makes a memory without an image, all zeros, that can grow to maxWasmPages: for the run that
// an image is then made of, and for modules that cannot have one.
func (a *Arena) Bare(maxWasmPages uint32) (*Memory, error) {
	if maxWasmPages > a.cfg.MaxWasmPages {
		return nil, fmt.Errorf("image: a memory of %d Wasm pages, at most %d", maxWasmPages, a.cfg.MaxWasmPages)
	}
	r, err := a.newZeros(int(maxWasmPages) * WasmPageSize)
	if err != nil {
		return nil, err
	}
	return a.newMemory(nil, r), nil
}

func (a *Arena) newZeros(size int) (ram, error) {
	if a.cfg.Copy || size == 0 {
		return newCopied(nil, size), nil
	}
	return mapZeros(a, size)
}
