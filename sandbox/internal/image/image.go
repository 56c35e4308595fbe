package image

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// Origin names all that the content of an image depends on, apart from chance.
type Origin struct {
	Module   string // digest of the upload
	Rewriter string // version of the rewriter and its settings, such as caps
	Engine   string // version of wazero
	CPU      string // features that compiled code may use
}

// Key tells whether a stored image is of use to this host: a digest of its Origin. Two runs of the
// same start have one key and, by chance (the seed of Go's maps), different content; what depends
// on the content compares Digest.
type Key [sha256.Size]byte

// Key returns the digest of o.
func (o Origin) Key() Key {
	b := []byte("vivarium image key 1\n")
	for _, s := range []string{o.Module, o.Rewriter, o.Engine, o.CPU} {
		b = binary.AppendUvarint(b, uint64(len(s))) // or parts could be shifted against each other
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Digest identifies one image by its content.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Spec is what an image is made of. New keeps no reference to it.
type Spec struct {
	Key Key
	// Memory is the linear memory after start-up, in whole Wasm pages.
	Memory []byte
	// Globals are the values of the mutable globals, in the order in which the caller reads and sets
	// them (see Globals), at most 10,000.
	Globals []uint64
	// MaxWasmPages is how far an instance may grow, at least the size of Memory.
	MaxWasmPages uint32
}

// Image is the memory and the globals of a version after start-up. It never changes. Safe for
// concurrent use.
type Image struct {
	arena        *Arena
	key          Key
	digest       Digest
	globals      []uint64
	wasmPages    uint32
	maxWasmPages uint32
	stored       pageSet // pages that are not all zeros
	backing      backing

	mu     sync.Mutex // guards users and closed
	users  int        // memories, and one for the image itself until it is closed
	closed bool
}

// New makes an image.
func (a *Arena) New(s Spec) (*Image, error) {
	n := len(s.Memory)
	switch {
	case n%WasmPageSize != 0:
		return nil, fmt.Errorf("image: a memory of %d bytes, not whole Wasm pages", n)
	case n/WasmPageSize > int(s.MaxWasmPages):
		return nil, fmt.Errorf("image: a memory of %d Wasm pages, at most %d", n/WasmPageSize, s.MaxWasmPages)
	case s.MaxWasmPages > a.cfg.MaxWasmPages:
		return nil, fmt.Errorf("image: a maximum of %d Wasm pages, at most %d", s.MaxWasmPages, a.cfg.MaxWasmPages)
	case len(s.Globals) > maxGlobals:
		return nil, fmt.Errorf("image: %d globals, at most %d", len(s.Globals), maxGlobals)
	}
	im := &Image{
		arena:        a,
		key:          s.Key,
		globals:      slices.Clone(s.Globals),
		wasmPages:    uint32(n / WasmPageSize),
		maxWasmPages: s.MaxWasmPages,
		stored:       newPageSet(n / PageSize),
		users:        1,
	}
	for i := range n / PageSize {
		if !isZero(page(s.Memory, i)) {
			im.stored.add(i)
		}
	}
	im.digest = im.sum(s.Memory)
	if err := im.keep(s.Memory); err != nil {
		return nil, err
	}
	a.images.Add(1)
	return im, nil
}

func (im *Image) keep(content []byte) (err error) {
	if im.arena.cfg.Copy || im.maxWasmPages == 0 {
		im.backing = newSliceImage(content, im.stored)
		return nil
	}
	im.backing, err = newSealedImage(im.arena, content, im.stored, im.maxSize())
	return err
}

// sum digests everything that an instance starts with.
func (im *Image) sum(content []byte) Digest {
	h := sha256.New()
	b := append([]byte("vivarium image 1\n"), im.key[:]...)
	b = binary.LittleEndian.AppendUint32(b, im.wasmPages)
	b = binary.LittleEndian.AppendUint32(b, im.maxWasmPages)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(im.globals)))
	for _, v := range im.globals {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	h.Write(b)
	im.stored.each(func(i int) bool {
		h.Write(binary.LittleEndian.AppendUint32(b[:0], uint32(i)))
		h.Write(page(content, i))
		return true
	})
	return Digest(h.Sum(nil))
}

// Key returns the digest of where the image came from.
func (im *Image) Key() Key { return im.key }

// Digest returns the digest of the image's content and key.
func (im *Image) Digest() Digest { return im.digest }

// Globals returns the values of the globals, which must not be changed.
func (im *Image) Globals() []uint64 { return im.globals }

// WasmPages returns the size of the memory after start-up.
func (im *Image) WasmPages() uint32 { return im.wasmPages }

// MaxWasmPages returns how far an instance may grow.
func (im *Image) MaxWasmPages() uint32 { return im.maxWasmPages }

// StoredBytes returns the size of the pages that are not all zeros.
func (im *Image) StoredBytes() int64 { return int64(im.stored.len()) * PageSize }

// ResidentBytes returns the RAM that the image holds by now, shared by all its memories. It begins
// at StoredBytes and grows, up to MaxWasmPages, as instances touch what was zero; only closing the
// image gives it back. A host that bounds its images counts these bytes.
func (im *Image) ResidentBytes() int64 {
	if !im.use(true) {
		return 0
	}
	defer im.drop()
	return im.backing.resident()
}

func (im *Image) size() int    { return int(im.wasmPages) * WasmPageSize }
func (im *Image) maxSize() int { return int(im.maxWasmPages) * WasmPageSize }

// Page returns page i, in units of PageSize, or nil if it is all zeros. It may be called while the
// caller holds a memory of the image, is valid as long, and must not be changed.
func (im *Image) Page(i uint32) []byte {
	if !im.stored.has(int(i)) {
		return nil
	}
	return page(im.backing.view(), int(i))
}

// NewMemory makes a memory that begins as a copy of the image. Without room it fails with
// ErrExhausted, and with ErrClosed after Close.
func (im *Image) NewMemory() (*Memory, error) {
	if !im.use(false) {
		return nil, ErrClosed
	}
	r, err := im.backing.newRAM(im, im.maxSize())
	if err != nil {
		im.drop()
		return nil, err
	}
	return im.arena.newMemory(im, r), nil
}

// Close ends the making of memories. The image's own RAM is given back when the last of its
// memories is closed. It may be called again.
func (im *Image) Close() error {
	im.mu.Lock()
	closed := im.closed
	im.closed = true
	im.mu.Unlock()
	if closed {
		return nil
	}
	return im.drop()
}

// use takes a share in the image. It reports false once the image is freed or, unless evenClosed,
// closed.
func (im *Image) use(evenClosed bool) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.users == 0 || im.closed && !evenClosed {
		return false
	}
	im.users++
	return true
}

// drop gives a share back; the last one frees the image.
func (im *Image) drop() error {
	im.mu.Lock()
	im.users--
	last := im.users == 0
	im.mu.Unlock()
	if !last {
		return nil
	}
	im.arena.images.Add(-1)
	return im.backing.close()
}
