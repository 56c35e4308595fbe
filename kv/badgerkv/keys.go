package badgerkv

import (
	"encoding/binary"

	"github.com/vivarium-run/vivarium/kv"
)

// Rows, by key. <x> is x behind one byte with its length; numbers are big endian, so that byte
// order is their order.
//
//	'c' <class> 'n' name               a name's binding: the id of its space
//	'c' <class> 's' <id> 'c' N i part  one chunk of the value that op i of delta N put
//	'c' <class> 's' <id> 'h'           the space's head
//	'c' <class> 's' <id> 'i' key       an item
//	'c' <class> 's' <id> 'n'           the space's name
//	'm' 'b'                            boot number
//	'm' 'd' due <class> <id>           the due index
//	'm' 'g' <class> <id> 'd'           garbage: the space was destroyed
//	'm' 'g' <class> <id> 'x' N         garbage: chunk sets that delta N made stale
//	'm' 't' class                      what the spaces of a class hold together
//	'm' 'v'                            format version
//
// Every part but the last of a key has a fixed or a stated length, so no bytes of a class, an id
// or a key reach into another space. The constant first byte keeps a class away from Badger's own
// keys: without it the 33-byte class "badger!..." would be one ('!' is 33).
const (
	tableClass = 'c'
	tableMeta  = 'm'

	rowName  = 'n' // of a class, and of a space
	rowSpace = 's'
	rowChunk = 'c'
	rowHead  = 'h'
	rowItem  = 'i'

	rowBoot    = 'b'
	rowDue     = 'd'
	rowGarbage = 'g'
	rowTotals  = 't'
	rowVersion = 'v'

	garbageSpace  = 'd'
	garbageChunks = 'x'
)

var (
	keyBoot       = []byte{tableMeta, rowBoot}
	keyVersion    = []byte{tableMeta, rowVersion}
	prefixDue     = []byte{tableMeta, rowDue}
	prefixGarbage = []byte{tableMeta, rowGarbage}
	prefixTotals  = []byte{tableMeta, rowTotals}
)

// maxName is the longest class and id together that Limits promises to hold for. A space with a
// longer name has less room in a delta.
const maxName = 96

// spaceOverhead is the length of an item's key without class, id and the item's own key.
const spaceOverhead = 5

func appendPart(b []byte, part string) []byte {
	return append(append(b, byte(len(part))), part...)
}

// cutPart is the inverse of appendPart.
func cutPart(b []byte) (part string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}

// spacePrefix begins the keys of all rows that are removed with the space.
func spacePrefix(s kv.Space, room int) []byte {
	b := make([]byte, 0, spaceOverhead+len(s.Class())+len(s.ID())+room)
	b = append(b, tableClass)
	b = appendPart(b, s.Class())
	b = append(b, rowSpace)
	return appendPart(b, s.ID())
}

func headKey(s kv.Space) []byte   { return append(spacePrefix(s, 1), rowHead) }
func nameOfKey(s kv.Space) []byte { return append(spacePrefix(s, 1), rowName) }

func itemKey(s kv.Space, key []byte) []byte {
	return append(append(spacePrefix(s, 1+len(key)), rowItem), key...)
}

// chunkKey names one part of a chunk set.
func chunkKey(s kv.Space, c chunkSet, part uint32) []byte {
	b := append(spacePrefix(s, 1+16), rowChunk)
	b = binary.BigEndian.AppendUint64(b, c.delta)
	b = binary.BigEndian.AppendUint32(b, c.op)
	return binary.BigEndian.AppendUint32(b, part)
}

func namePrefix(class string, room int) []byte {
	b := make([]byte, 0, 3+len(class)+room)
	return append(appendPart(append(b, tableClass), class), rowName)
}

func nameKey(class string, name []byte) []byte {
	return append(namePrefix(class, len(name)), name...)
}

func appendSpace(b []byte, s kv.Space) []byte {
	return appendPart(appendPart(b, s.Class()), s.ID())
}

// cutSpace is the inverse of appendSpace.
func cutSpace(b []byte) (s kv.Space, rest []byte, ok bool) {
	class, b, ok := cutPart(b)
	if !ok {
		return kv.Space{}, nil, false
	}
	id, b, ok := cutPart(b)
	if !ok || class == "" || id == "" {
		return kv.Space{}, nil, false
	}
	return kv.NewSpace(class, id), b, true
}

// dueKey sorts by time: flipping the sign bit puts moments before 1970 first.
func dueKey(ms int64, s kv.Space) []byte {
	b := append([]byte(nil), prefixDue...)
	b = binary.BigEndian.AppendUint64(b, uint64(ms)^1<<63)
	return appendSpace(b, s)
}

func cutDue(key []byte) (ms int64, s kv.Space, ok bool) {
	b := key[len(prefixDue):]
	if len(b) < 8 {
		return 0, kv.Space{}, false
	}
	ms = int64(binary.BigEndian.Uint64(b) ^ 1<<63)
	s, rest, ok := cutSpace(b[8:])
	return ms, s, ok && len(rest) == 0
}

func garbageSpaceKey(s kv.Space) []byte {
	return append(appendSpace(append([]byte(nil), prefixGarbage...), s), garbageSpace)
}

func garbageChunksKey(s kv.Space, delta uint64) []byte {
	b := append(appendSpace(append([]byte(nil), prefixGarbage...), s), garbageChunks)
	return binary.BigEndian.AppendUint64(b, delta)
}

func totalsKey(class string) []byte {
	return append(append([]byte(nil), prefixTotals...), class...)
}

// successor returns the first key behind all that begin with prefix; nil if there is none.
// No row of ours has such a key: each ends with more bytes than its prefix.
func successor(prefix []byte) []byte { return kv.PrefixRange(prefix).Hi }
