package badgerkv

import (
	"bytes"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
)

// key is the inverse of parseRow. An item's own key is not in a row.
func (r row) key(item []byte) []byte {
	switch r.kind {
	case kindName:
		return nameKey(r.space.Class(), r.name)
	case kindChunk:
		return chunkKey(r.space, r.set, r.part)
	case kindHead:
		return headKey(r.space)
	case kindItem:
		return itemKey(r.space, item)
	case kindNameOf:
		return nameOfKey(r.space)
	case kindBoot:
		return keyBoot
	case kindDue:
		return dueKey(r.due, r.space)
	case kindGarbageSpace:
		return garbageSpaceKey(r.space)
	case kindGarbageChunks:
		return garbageChunksKey(r.space, r.delta)
	}
	return keyVersion
}

// There is one key for each row, and whatever bytes are given, a row is read as what it is or not at all.
func FuzzParseRow(f *testing.F) {
	s := kv.NewSpace("class", "id")
	for _, key := range [][]byte{
		nameKey("class", []byte("name")), chunkKey(s, chunkSet{delta: 3, op: 4}, 5), headKey(s), itemKey(s, []byte("k")), nameOfKey(s),
		keyBoot, keyVersion, dueKey(-5, s), garbageSpaceKey(s), garbageChunksKey(s, 7), {}, {'c'}, {'m', 'd'}, {'m', 'g', 1}, {'c', 255, 'a'},
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		r, ok := parseRow(key)
		if !ok {
			return
		}
		var item []byte
		if r.kind == kindItem {
			item = key[len(itemKey(r.space, nil)):]
		}
		if got := r.key(item); !bytes.Equal(got, key) {
			t.Errorf("%q is read as %+v, whose key is %q", key, r, got)
		}
		for _, meta := range []byte{metaInline, metaChunked, 2} {
			r.validValue(meta, key)
		}
	})
}
