package pagedelta

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
)

// Apply makes m what it was when d was captured. These steps come before it:
//
//  1. d.Matches, with the owner, the position that the store gives and the image of m;
//  2. a new instance, or Reset, and nothing run since;
//  3. growing the instance to d.WasmPages.
//
// and setting the globals to d.Globals comes AFTER it. Errors:
//
//	ErrMismatch  m has another image or size; it is as it was
//	ErrCorrupt   the pages did not unpack; m is reset to its image
func (d *Delta) Apply(m *image.Memory) error {
	im := m.Image()
	switch {
	case im == nil || im.Digest() != d.image:
		return fmt.Errorf("%w: another image", ErrMismatch)
	case m.WasmPages() != d.wasmPages:
		return fmt.Errorf("%w: it has %d Wasm pages, not %d", ErrMismatch, m.WasmPages(), d.wasmPages)
	case len(im.Globals()) != len(d.globals):
		return fmt.Errorf("%w: it has %d globals, not %d", ErrMismatch, len(im.Globals()), len(d.globals))
	}
	// Decode has checked that each page is inside the memory. The XOR takes the image's bytes from
	// the image, where they are equal to m's: a page of m is then written without being read first,
	// which spares a new memory one of two faults.
	err := d.pages.Each(func(i uint32, diff pack.Blocks) error {
		dst, base := m.Page(i), im.Page(i)
		diff.Each(func(at int, block []byte) {
			if base != nil {
				subtle.XORBytes(dst[at:], block, base[at:])
			} else {
				copy(dst[at:], block)
			}
		})
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrCorrupt, err), m.Reset())
	}
	return nil
}
