package badgerkv

import (
	"encoding/binary"

	"github.com/vivarium-run/vivarium/kv"
)

// row is what the key of a row says; see keys.go.
type row struct {
	kind  rowKind
	space kv.Space // of a name's binding and of totals only its class counts
	name  []byte   // of a binding
	set   chunkSet // of a chunk, without the number of its parts
	part  uint32
	due   int64
	delta uint64 // of stale chunks
}

type rowKind uint8

const (
	kindName rowKind = iota
	kindChunk
	kindHead
	kindItem
	kindNameOf
	kindBoot
	kindDue
	kindGarbageSpace
	kindGarbageChunks
	kindVersion
	kindTotals
)

// parseRow reads a row's key. It reports false for one that is none of ours. What it returns refers to key.
func parseRow(key []byte) (r row, ok bool) {
	if len(key) < 2 {
		return r, false
	}
	switch key[0] {
	case tableClass:
		return parseClassRow(key[1:])
	case tableMeta:
		return parseMetaRow(key)
	}
	return r, false
}

func parseClassRow(b []byte) (r row, ok bool) {
	class, b, ok := cutPart(b)
	if !ok || class == "" || len(b) == 0 {
		return r, false
	}
	if b[0] == rowName {
		r = row{kind: kindName, space: kv.NewSpace(class, "?"), name: b[1:]}
		return r, validKey(r.name)
	}
	id, rest, ok := cutPart(b[1:])
	if !ok || b[0] != rowSpace || id == "" || len(rest) == 0 {
		return r, false
	}
	r.space = kv.NewSpace(class, id)
	switch b = rest[1:]; rest[0] {
	case rowChunk:
		if len(b) != chunkSetSize {
			return r, false
		}
		set, _, _ := cutChunkSet(b)
		r.kind, r.part, set.parts = kindChunk, set.parts, 0
		r.set = set
		return r, true
	case rowHead:
		r.kind = kindHead
		return r, len(b) == 0
	case rowName:
		r.kind = kindNameOf
		return r, len(b) == 0
	case rowItem:
		r.kind = kindItem
		return r, validKey(b)
	}
	return r, false
}

func parseMetaRow(key []byte) (r row, ok bool) {
	rest := key[2:]
	switch key[1] {
	case rowBoot:
		r.kind = kindBoot
		return r, len(rest) == 0
	case rowVersion:
		r.kind = kindVersion
		return r, len(rest) == 0
	case rowTotals:
		r.kind = kindTotals
		if ok = len(rest) >= 1 && len(rest) <= 255; ok {
			r.space = kv.NewSpace(string(rest), "?")
		}
		return r, ok
	case rowDue:
		r.kind = kindDue
		r.due, r.space, ok = cutDue(key)
		return r, ok
	case rowGarbage:
		if r.space, rest, ok = cutSpace(rest); !ok || len(rest) == 0 {
			return r, false
		}
		switch {
		case rest[0] == garbageSpace && len(rest) == 1:
			r.kind = kindGarbageSpace
			return r, true
		case rest[0] == garbageChunks && len(rest) == 1+8:
			r.kind, r.delta = kindGarbageChunks, binary.BigEndian.Uint64(rest[1:])
			return r, true
		}
	}
	return r, false
}

// validKey reports whether b can be the key of an item, or a name.
func validKey(b []byte) bool { return len(b) >= 1 && len(b) <= maxKey }

// validValue reports whether a row may have such a value.
func (r row) validValue(meta byte, value []byte) bool {
	if meta != metaInline && (meta != metaChunked || r.kind != kindItem) {
		return false
	}
	switch r.kind {
	case kindName:
		return validPart(string(value))
	case kindNameOf:
		return validKey(value)
	case kindChunk:
		return len(value) >= 1 && len(value) <= chunkSize
	case kindHead:
		_, ok := decodeHead(value)
		return ok
	case kindTotals:
		_, ok := decodeCounts(value)
		return ok
	case kindBoot, kindVersion:
		return len(value) == 8
	case kindDue, kindGarbageSpace:
		return len(value) == 0
	case kindGarbageChunks:
		return len(value) > 0 && len(value)%chunkSetSize == 0
	case kindItem:
		if meta == metaInline {
			return len(value) <= chunkSize
		}
		set, rest, ok := cutChunkSet(value)
		return ok && len(rest) == 0 && set.parts >= 2 && set.parts <= maxParts
	}
	return false
}

// maxParts is the most chunks that a value has: no value is larger than the largest delta of any configuration that
// we would write.
const maxParts = 1 << 12
