package badgerkv

import (
	"encoding/binary"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// formatVersion is raised by a change of layout that older programs would misread.
const formatVersion = 2

// head is the row that every delta of a space rewrites. The zero head is that of a space which
// holds nothing.
type head struct {
	flags headFlags
	pos   uint64   // of the last delta
	epoch kv.Epoch // that wrote it
	due   int64    // Unix milliseconds, if hasDue
	holds kv.Counts
}

type headFlags byte

const (
	// hasChunks is set with the first value cut into chunks and stays, so that a space without
	// such values never pays a read to find stale ones.
	hasChunks headFlags = 1 << iota
	hasName
	hasDue
	destroyed // the head is a tombstone; it goes with the space's last garbage
)

func (h head) has(f headFlags) bool { return h.flags&f != 0 }

const (
	headSize    = oldHeadSize + countsSize
	oldHeadSize = 1 + 4*8 // of format 1, which did not count
	countsSize  = len(kv.Counts{}) * 8
)

func (h head) encode() []byte {
	b := make([]byte, 0, headSize)
	b = append(b, byte(h.flags))
	b = binary.BigEndian.AppendUint64(b, h.pos)
	b = binary.BigEndian.AppendUint64(b, h.epoch.Boot)
	b = binary.BigEndian.AppendUint64(b, h.epoch.Claim)
	b = binary.BigEndian.AppendUint64(b, uint64(h.due))
	return appendCounts(b, h.holds)
}

func appendCounts(b []byte, c kv.Counts) []byte {
	for _, n := range c {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// decodeCounts is the inverse of appendCounts.
func decodeCounts(b []byte) (c kv.Counts, ok bool) {
	if len(b) != countsSize {
		return c, false
	}
	for i := range c {
		if c[i] = int64(binary.BigEndian.Uint64(b[8*i:])); c[i] < 0 {
			return c, false
		}
	}
	return c, true
}

func decodeHead(b []byte) (head, bool) {
	var holds kv.Counts
	if len(b) == headSize {
		var ok bool
		if holds, ok = decodeCounts(b[oldHeadSize:]); !ok {
			return head{}, false
		}
	} else if len(b) != oldHeadSize {
		return head{}, false
	}
	u64 := func(i int) uint64 { return binary.BigEndian.Uint64(b[1+8*i:]) }
	return head{
		flags: headFlags(b[0]),
		pos:   u64(0),
		epoch: kv.Epoch{Boot: u64(1), Claim: u64(2)},
		due:   int64(u64(3)),
		holds: holds,
	}, true
}

// setDue replaces the due moment. It is rounded up: a space that is woken early finds nothing due.
func (h *head) setDue(t time.Time) {
	if t.IsZero() {
		h.flags &^= hasDue
		h.due = 0
		return
	}
	h.flags |= hasDue
	h.due = t.UnixMilli()
	if time.UnixMilli(h.due).Before(t) {
		h.due++
	}
}

// dueTime is the inverse of setDue, to the millisecond.
func (h head) dueTime() time.Time {
	if !h.has(hasDue) {
		return time.Time{}
	}
	return time.UnixMilli(h.due)
}

// chunkSize is the longest value in one row. Longer ones are cut, to stay away from Badger's value
// log.
const chunkSize = 512 << 10

// chunkSet is one value that was cut. A set is written once and never changed: a value that is
// overwritten leaves a stale set, which the sweeper removes by its garbage row. So a delta's size
// does not depend on how large the values are that it deletes.
type chunkSet struct {
	delta uint64 // that put the value
	op    uint32 // within the delta
	parts uint32
}

// User-meta byte of an item's row.
const (
	metaInline  = 0 // the row is the value
	metaChunked = 1 // the row is an encoded chunkSet
)

const chunkSetSize = 16

func (c chunkSet) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.delta)
	b = binary.BigEndian.AppendUint32(b, c.op)
	return binary.BigEndian.AppendUint32(b, c.parts)
}

// cutChunkSet is the inverse of append.
func cutChunkSet(b []byte) (c chunkSet, rest []byte, ok bool) {
	if len(b) < chunkSetSize {
		return chunkSet{}, nil, false
	}
	return chunkSet{
		delta: binary.BigEndian.Uint64(b),
		op:    binary.BigEndian.Uint32(b[8:]),
		parts: binary.BigEndian.Uint32(b[12:]),
	}, b[chunkSetSize:], true
}

func partsOf(size int) uint32 { return uint32((size + chunkSize - 1) / chunkSize) }
