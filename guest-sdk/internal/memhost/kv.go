package memhost

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// KVGet implements the operation kv_get.
func (h *Host) KVGet(key string) ([]byte, bool, error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	v, ok := h.KV[key]
	return append([]byte{}, v...), ok, nil
}

// KVPut implements the operation kv_put.
func (h *Host) KVPut(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > abi.MaxKVValue {
		return &abi.Error{Code: abi.CodeValueTooLarge}
	}
	if err := h.charge(len(key) + len(value)); err != nil {
		return err
	}
	h.KV[key] = append([]byte{}, value...)
	return nil
}

// KVDelete implements the operation kv_delete.
func (h *Host) KVDelete(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	delete(h.KV, key)
	return nil
}

// KVList implements the operation kv_list.
func (h *Host) KVList(lo, hi, cursor string, limit, flags int64) ([]byte, error) {
	if limit < 0 {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "negative limit")
	}
	most := abi.MaxListItems
	if limit > 0 {
		most = min(most, int(limit))
	}
	keys := h.keys(lo, hi, flags)
	if cursor != "" {
		past := func(k string) bool { return k > cursor }
		if flags&abi.ListReverse != 0 {
			past = func(k string) bool { return k < cursor }
		}
		i := slices.IndexFunc(keys, past)
		if i < 0 {
			i = len(keys)
		}
		keys = keys[i:]
	}
	n, size := 0, 0
	for n < len(keys) && n < most && (n == 0 || size < abi.MaxListBytes) {
		size += len(keys[n]) + len(h.KV[keys[n]])
		n++
	}
	page := abi.AppendPageHead(nil, n < len(keys))
	for _, k := range keys[:n] {
		v := h.KV[k]
		if flags&abi.ListKeys != 0 {
			v = nil
		}
		page = abi.AppendItem(page, []byte(k), v)
	}
	return page, nil
}

// KVDeleteRange implements the operation kv_delete_range.
func (h *Host) KVDeleteRange(lo, hi string, limit, flags int64) (int64, error) {
	if limit < 0 {
		return 0, abi.Errorf(abi.CodeInvalidArgument, "negative limit")
	}
	keys := h.keys(lo, hi, flags)
	if limit > 0 && int64(len(keys)) > limit {
		keys = keys[:limit]
	}
	for _, k := range keys {
		delete(h.KV, k)
	}
	return int64(len(keys)), nil
}

// keys returns the KV keys of a range in the order of its flags.
func (h *Host) keys(lo, hi string, flags int64) []string {
	in := func(k string) bool { return k >= lo && (hi == "" || k < hi) }
	if flags&abi.ListPrefix != 0 {
		in = func(k string) bool { return strings.HasPrefix(k, lo) }
	}
	var keys []string
	for k := range h.KV {
		if in(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if flags&abi.ListReverse != 0 {
		slices.Reverse(keys)
	}
	return keys
}

// KVGetBatch implements the operation kv_get_batch.
func (h *Host) KVGetBatch(page []byte) ([]byte, error) {
	keys, err := batch(page)
	if err != nil {
		return nil, err
	}
	found := abi.AppendPageHead(nil, false)
	for _, k := range keys {
		v, ok, err := h.KVGet(string(k.Key))
		if err != nil {
			return nil, err
		}
		if ok {
			found = abi.AppendItem(found, k.Key, v)
		}
	}
	return found, nil
}

// KVPutBatch implements the operation kv_put_batch.
func (h *Host) KVPutBatch(page []byte) error {
	items, err := batch(page)
	if err != nil {
		return err
	}
	return h.all(items, func(it abi.Item) error { return h.KVPut(string(it.Key), it.Value) })
}

// KVDeleteBatch implements the operation kv_delete_batch.
func (h *Host) KVDeleteBatch(page []byte) error {
	keys, err := batch(page)
	if err != nil {
		return err
	}
	return h.all(keys, func(it abi.Item) error { return h.KVDelete(string(it.Key)) })
}

// all does f for each item, or for none.
func (h *Host) all(items []abi.Item, f func(it abi.Item) error) error {
	kv, delta := maps.Clone(h.KV), h.delta
	for _, it := range items {
		if err := f(it); err != nil {
			h.KV, h.delta = kv, delta
			return err
		}
	}
	return nil
}

func batch(page []byte) ([]abi.Item, error) {
	items, more, err := abi.ParsePage(page)
	if err != nil || more {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a batch is a page, and its first byte 0")
	}
	if len(items) == 0 || len(items) > abi.MaxKVBatch {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a batch has 1 to %d items", abi.MaxKVBatch)
	}
	return items, nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return abi.Errorf(abi.CodeInvalidArgument, "empty KV key")
	case len(key) > abi.MaxKVKey:
		return &abi.Error{Code: abi.CodeKeyTooLarge, Message: fmt.Sprintf("KV key of %d bytes", len(key))}
	}
	return nil
}
