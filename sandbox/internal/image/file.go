package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
)

var (
	// ErrCorrupt reports bytes that are no whole image. The file is of no use.
	ErrCorrupt = errors.New("image: corrupt")
	// ErrKey reports an image of another module, rewriter, engine or machine.
	ErrKey = errors.New("image: another key")
)

// magic names the file form and its version.
var magic = [4]byte{'V', 'I', 'M', '1'}

// The file form is an envelope of
//
//	key, digest    32 bytes each
//	memory         uint32: size in Wasm pages
//	maximum        uint32: likewise
//	globals        uvarint count, 8 bytes each
//	page set       the pages that are not all zeros
//
// with numbers little-endian.

// WriteTo writes the image in its file form. It holds the compressed pages in RAM meanwhile.
func (im *Image) WriteTo(w io.Writer) (int64, error) {
	if !im.use(false) {
		return 0, ErrClosed
	}
	defer im.drop()
	b := pack.Begin(magic)
	b = append(b, im.key[:]...)
	b = append(b, im.digest[:]...)
	b = binary.LittleEndian.AppendUint32(b, im.wasmPages)
	b = binary.LittleEndian.AppendUint32(b, im.maxWasmPages)
	b = pack.AppendUint64s(b, im.globals)
	indexes := make([]uint32, 0, im.stored.len())
	im.stored.each(func(i int) bool {
		indexes = append(indexes, uint32(i))
		return true
	})
	b = pack.AppendPages(b, indexes, func(dst []byte, i uint32) { copy(dst, im.Page(i)) })
	b, err := pack.Seal(b)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	if err != nil {
		err = fmt.Errorf("image: write: %w", err)
	}
	return int64(n), err
}

// Read makes an image of its file form, which r must hold and nothing else. It trusts nothing that
// it reads and takes no more RAM than the file and the largest memory that the arena allows.
// Errors:
//
//	ErrKey      the image is whole, but not what the caller wants
//	ErrCorrupt  any other content
//	other       r failed, or there is no room for an image
func (a *Arena) Read(r io.Reader, want Key) (*Image, error) {
	// Pages that do not compress grow by a few bytes; an eighth is far more than those, indexes and
	// globals need.
	limit := int64(a.cfg.MaxWasmPages) * WasmPageSize
	limit += limit/8 + 1<<20
	var buf bytes.Buffer
	if n, err := buf.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, fmt.Errorf("image: read: %w", err)
	} else if n > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrCorrupt, limit)
	}
	h, err := parse(buf.Bytes(), a.cfg.MaxWasmPages)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if h.spec.Key != want {
		return nil, ErrKey
	}
	return h.load(a)
}

// header is a file whose pages are still compressed.
type header struct {
	spec   Spec // without Memory
	digest Digest
	size   uint32 // in Wasm pages
	pages  pack.Pages
}

func parse(b []byte, maxWasmPages uint32) (h header, err error) {
	r, err := pack.Open(magic, b)
	if err != nil {
		return h, err
	}
	copy(h.spec.Key[:], r.Bytes(uint64(len(h.spec.Key))))
	copy(h.digest[:], r.Bytes(uint64(len(h.digest))))
	h.size = r.Uint32()
	h.spec.MaxWasmPages = r.Uint32()
	if h.spec.MaxWasmPages > maxWasmPages || h.size > h.spec.MaxWasmPages {
		r.Fail("a memory of %d to %d Wasm pages, at most %d", h.size, h.spec.MaxWasmPages, maxWasmPages)
	}
	h.spec.Globals = r.Uint64s(maxGlobals)
	h.pages = r.Pages(h.size * pagesPerWasmPage)
	if r.Len() > 0 {
		r.Fail("%d bytes too many", r.Len())
	}
	return h, r.Err()
}

// load unpacks the pages. The digest, which is computed anew, shows whether they are the right ones.
func (h header) load(a *Arena) (*Image, error) {
	scratch, err := a.newZeros(int(h.size) * WasmPageSize)
	if err != nil {
		return nil, err
	}
	defer scratch.free()
	h.spec.Memory = scratch.grow(int(h.size) * WasmPageSize)
	err = h.pages.Each(func(i uint32, b pack.Blocks) error {
		dst := page(h.spec.Memory, int(i))
		b.Each(func(at int, block []byte) { copy(dst[at:], block) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	im, err := a.New(h.spec)
	if err != nil {
		return nil, err
	}
	if im.digest != h.digest {
		return nil, errors.Join(fmt.Errorf("%w: the content is not that of %s", ErrCorrupt, h.digest), im.Close())
	}
	return im, nil
}
