// Package pagedelta keeps what a sleeping actor's memory has beyond its image: the pages that
// differ, XORed with the image's and compressed, and the globals.
//
// It owns capturing a delta from a memory, its byte form and applying it to another memory. It
// leaves to its caller when to capture (between calls, with no commit in flight), whether a delta
// may be used (Matches) and where it is kept (package deltacache).
//
// Its one invariant: a delta gives back the captured memory byte for byte, or nothing. It is a
// cache of what the actor could compute again from committed state, never the truth.
package pagedelta

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
)

var (
	// ErrCorrupt reports bytes that are no whole delta, or pages that do not unpack.
	ErrCorrupt = errors.New("pagedelta: corrupt")
	// ErrMismatch reports a memory that the delta is not for.
	ErrMismatch = errors.New("pagedelta: not for this memory")
)

const (
	maxOwner     = 1 << 10 // bytes
	maxGlobals   = 10000
	maxWasmPages = 65536

	pagesPerWasmPage = image.WasmPageSize / image.PageSize
)

// Mark says whose memory a delta has and as of when.
type Mark struct {
	// Owner is the actor's id, any text of at most 1 KiB.
	Owner string
	// Position is the last commit of the owner that the memory includes.
	Position uint64
}

// Delta is a captured memory. It does not change; safe for concurrent use.
type Delta struct {
	mark      Mark
	image     image.Digest
	wasmPages uint32
	globals   []uint64
	pages     pack.Pages // a part of raw
	raw       []byte
}

// Mark returns whose memory this is and as of when.
func (d *Delta) Mark() Mark { return d.mark }

// Matches tells whether the delta is of the given owner, position and image: whether it may be
// applied.
func (d *Delta) Matches(m Mark, im image.Digest) bool { return d.mark == m && d.image == im }

// WasmPages returns the size of the memory, to which the caller grows the instance (api.Memory.Grow)
// before Apply.
func (d *Delta) WasmPages() uint32 { return d.wasmPages }

// Globals returns the values of the globals when the delta was captured, which must not be changed.
// Apply leaves it to the caller to set them.
func (d *Delta) Globals() []uint64 { return d.globals }

// Pages returns how many pages of image.PageSize differ from the image.
func (d *Delta) Pages() int { return d.pages.Len() }

// Bytes returns the byte form, which must not be changed.
func (d *Delta) Bytes() []byte { return d.raw }

// magic names the byte form and its version.
var magic = [4]byte{'V', 'P', 'D', '1'}

// The byte form is an envelope of
//
//	image      32 bytes: the digest of its content
//	position   uint64
//	memory     uint32: size in Wasm pages
//	owner      uvarint length, and as many bytes
//	globals    uvarint count, 8 bytes each
//	page set   the pages that differ, XORed with the image's
//
// with numbers little-endian.

// encodeHead appends all but the page set.
func (d *Delta) encodeHead(b []byte) []byte {
	b = append(b, d.image[:]...)
	b = binary.LittleEndian.AppendUint64(b, d.mark.Position)
	b = binary.LittleEndian.AppendUint32(b, d.wasmPages)
	b = binary.AppendUvarint(b, uint64(len(d.mark.Owner)))
	b = append(b, d.mark.Owner...)
	return pack.AppendUint64s(b, d.globals)
}

// Decode reads the byte form and keeps b, which must not change any more. It checks everything but
// the compressed pages, which Apply unpacks. Any failure is ErrCorrupt.
func Decode(b []byte) (*Delta, error) {
	r, err := pack.Open(magic, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	d := &Delta{raw: b}
	copy(d.image[:], r.Bytes(uint64(len(d.image))))
	d.mark.Position = r.Uint64()
	if d.wasmPages = r.Uint32(); d.wasmPages > maxWasmPages {
		r.Fail("a memory of %d Wasm pages", d.wasmPages)
	}
	n := r.Uvarint()
	if n > maxOwner {
		r.Fail("an owner of %d bytes", n)
	}
	d.mark.Owner = string(r.Bytes(n))
	d.globals = r.Uint64s(maxGlobals)
	d.pages = r.Pages(d.wasmPages * pagesPerWasmPage)
	if r.Len() > 0 {
		r.Fail("%d bytes too many", r.Len())
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return d, nil
}
