package pagedelta

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
)

// Capture takes what m has beyond its image. globals are the values now, as many as the image has.
// The guest must not be running. Besides the delta itself it needs at most a few MiB, however much
// has changed.
func Capture(m *image.Memory, mark Mark, globals []uint64) (*Delta, error) {
	im := m.Image()
	switch {
	case im == nil:
		return nil, fmt.Errorf("pagedelta: capture: %w", image.ErrNoImage)
	case len(mark.Owner) > maxOwner:
		return nil, fmt.Errorf("pagedelta: capture: an owner of %d bytes, at most %d", len(mark.Owner), maxOwner)
	case len(globals) != len(im.Globals()):
		return nil, fmt.Errorf("pagedelta: capture: %d globals, the image has %d", len(globals), len(im.Globals()))
	}
	changed, err := m.Changed(nil)
	if err != nil {
		return nil, fmt.Errorf("pagedelta: capture: %w", err)
	}
	d := &Delta{mark: mark, image: im.Digest(), wasmPages: m.WasmPages(), globals: slices.Clone(globals)}
	b := d.encodeHead(pack.Begin(magic))
	start := len(b)
	b = pack.AppendPages(b, changed, func(dst []byte, i uint32) {
		if base := im.Page(i); base != nil {
			subtle.XORBytes(dst, m.Page(i), base)
		} else {
			copy(dst, m.Page(i))
		}
	})
	if b, err = pack.Seal(b); err != nil {
		return nil, fmt.Errorf("pagedelta: capture: %w", err)
	}
	d.raw = bytes.Clone(b) // it is kept for long, and appending left up to half of b unused
	d.pages = pack.NewReader(d.raw[start:]).Pages(d.wasmPages * pagesPerWasmPage)
	return d, nil
}
