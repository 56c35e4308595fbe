package pack

import (
	"encoding/binary"
	"fmt"
	"math"
)

// PageSize is the unit of a page set in bytes, whatever the size of the machine's pages.
const PageSize = 4096

// chunkPages is how many pages are compressed together: enough that small frames cost nothing,
// few enough that a writer or reader never holds much more than 1 MiB of raw pages.
const chunkPages = 256

// A page set is
//
//	uvarint  number of pages n
//	n times  uvarint: index, less the index before it and one more
//	then, for each chunk of up to 256 pages: uvarint length, and as many bytes of one zstd frame
//
// and a frame holds, for each page of its chunk,
//
//	uint64   bit k is set if block k of the page, 64 bytes, is not all zeros
//	...      those blocks
//
// Most blocks of a page delta are zeros. zstd would find that too, but then takes more than twice as
// long to unpack it, which is in the way of a waking actor.

// AppendPages appends a page set to dst. The indexes ascend. page writes the page of an index to
// all of its argument.
func AppendPages(dst []byte, indexes []uint32, page func(dst []byte, index uint32)) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(indexes)))
	next := uint32(0)
	for _, i := range indexes {
		dst = binary.AppendUvarint(dst, uint64(i-next))
		next = i + 1
	}
	if len(indexes) == 0 {
		return dst
	}
	c := takeCodec()
	defer c.giveBack()
	for len(indexes) > 0 {
		n := min(len(indexes), chunkPages)
		c.raw = c.raw[:0]
		for _, i := range indexes[:n] {
			page(c.page[:], i)
			c.raw = appendBlocks(c.raw, &c.page)
		}
		c.packed = c.enc.EncodeAll(c.raw, c.packed[:0])
		dst = binary.AppendUvarint(dst, uint64(len(c.packed)))
		dst = append(dst, c.packed...)
		indexes = indexes[n:]
	}
	return dst
}

// Pages is a page set whose pages are still compressed. It refers to the bytes it was read from.
type Pages struct {
	count   int
	indexes []byte // as they are written
	chunks  []byte // likewise
}

// Len returns the number of pages.
func (p Pages) Len() int { return p.count }

// Pages takes a page set whose indexes are all below limit. Each length is checked; the content of
// the chunks is not, that is left to Each.
func (r *Reader) Pages(limit uint32) Pages {
	n := r.Uvarint()
	if n > uint64(limit) {
		r.Fail("%d pages, at most %d", n, limit)
		return Pages{}
	}
	p := Pages{count: int(n), indexes: r.b}
	next := uint64(0)
	for range n {
		gap := r.Uvarint()
		if r.err != nil || gap > math.MaxUint32 || next+gap >= uint64(limit) {
			r.Fail("a page at or past %d", limit)
			return Pages{}
		}
		next += gap + 1
	}
	p.indexes = p.indexes[:len(p.indexes)-len(r.b)]
	p.chunks = r.b
	for left := int(n); left > 0 && r.err == nil; left -= chunkPages {
		r.Bytes(r.Uvarint())
	}
	if r.err != nil {
		return Pages{}
	}
	p.chunks = p.chunks[:len(p.chunks)-len(r.b)]
	return p
}

// Each calls f for each page, in order. The blocks are valid until f returns. An error of f ends it
// and is returned; other errors are ErrCorrupt, and may come after f was called for some pages.
func (p Pages) Each(f func(index uint32, b Blocks) error) error {
	if p.count == 0 {
		return nil
	}
	c := takeCodec()
	defer c.giveBack()
	indexes, chunks := NewReader(p.indexes), NewReader(p.chunks)
	next := uint32(0)
	for left := p.count; left > 0; left -= chunkPages {
		r, err := c.unpack(chunks.Bytes(chunks.Uvarint()), min(left, chunkPages))
		if err != nil {
			return err
		}
		for range min(left, chunkPages) {
			i := next + uint32(indexes.Uvarint())
			next = i + 1
			b := r.blocks()
			if r.err != nil {
				return r.err
			}
			if err := f(i, b); err != nil {
				return fmt.Errorf("page %d: %w", i, err)
			}
		}
		if r.Len() > 0 {
			return Corruptf("a chunk with %d bytes too many", r.Len())
		}
	}
	return nil
}
