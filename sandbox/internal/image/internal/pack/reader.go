package pack

import "encoding/binary"

// Reader takes values from the front of a slice. Its first failure sticks: later calls return
// zeros, so that a run of reads needs one check, of Err.
type Reader struct {
	b   []byte
	err error
}

// NewReader reads b, which must not change meanwhile.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns the first failure, which is an ErrCorrupt.
func (r *Reader) Err() error { return r.err }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.b) }

// Fail makes the reader fail, unless it has already.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = Corruptf(format, args...)
	}
	r.b = nil
}

// Bytes takes n bytes, which are part of the slice that is read.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.Fail("%d bytes wanted, %d left", n, len(r.b))
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// Uint32 takes a little-endian number.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint64 takes a little-endian number.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Uvarint takes a number in the shortest of its varint forms. Longer forms are refused, so that
// equal content has equal bytes.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.Fail("no varint")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uint64s takes a count and as many numbers; a count above limit fails.
func (r *Reader) Uint64s(limit uint64) []uint64 {
	n := r.Uvarint()
	if n > limit {
		r.Fail("%d values, at most %d", n, limit)
		return nil
	}
	b := NewReader(r.Bytes(8 * n))
	if r.err != nil {
		return nil
	}
	vs := make([]uint64, n)
	for i := range vs {
		vs[i] = b.Uint64()
	}
	return vs
}

// AppendUint64s is what Uint64s reads.
func AppendUint64s(dst []byte, vs []uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vs)))
	for _, v := range vs {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}
