package abi

import "encoding/binary"

// Flags of the operations kv_list and kv_delete_range.
const (
	ListReverse = 1 << 0 // from the end of the range
	ListKeys    = 1 << 1 // leave the values out
	ListPrefix  = 1 << 2 // lo is a prefix, hi is ignored
)

// Item is one stored item.
type Item struct {
	Key, Value []byte
}

// A page is the result of kv_list: one byte, 1 if the range has more items, then for each item
//
//	key length u32 | key | value length u32 | value
//
// in little endian. The cursor of the next page is the last key of this one.

// AppendPageHead starts a page.
func AppendPageHead(b []byte, more bool) []byte {
	if more {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendItem appends one item to a page.
func AppendItem(b []byte, key, value []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
	b = append(b, key...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

// ParsePage reads a page. The items refer to b.
func ParsePage(b []byte) (items []Item, more bool, err error) {
	if len(b) == 0 || b[0] > 1 {
		return nil, false, errTruncated
	}
	more, b = b[0] == 1, b[1:]
	for len(b) > 0 {
		var it Item
		for _, dst := range []*[]byte{&it.Key, &it.Value} {
			if len(b) < 4 {
				return nil, false, errTruncated
			}
			n := binary.LittleEndian.Uint32(b)
			if uint64(n) > uint64(len(b)-4) {
				return nil, false, errTruncated
			}
			*dst, b = b[4:4+n:4+n], b[4+n:]
		}
		items = append(items, it)
	}
	return items, more, nil
}
