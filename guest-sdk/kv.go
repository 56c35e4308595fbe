package guest

import (
	"fmt"
	"iter"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// KV is the actor's key-value store: items of its own, in byte order of their KV keys. A KV key is
// any bytes, at most abi.MaxKVKey of them and at least one; a value at most abi.MaxKVValue. An
// action sees its own writes at once; others never see those of an action that fails. What one turn
// writes is bounded by abi.MaxDelta and abi.MaxDeltaOps.
type KV struct{ host hostcall.Host }

// Item is one stored item.
type Item struct {
	Key   string
	Value []byte // nil if only keys were asked for
}

// JSON decodes the item's value into what v points to.
func (it Item) JSON(v any) error { return decodeValue(it.Key, it.Value, v) }

// Get returns the value of key, a copy that the caller owns. ok is false if there is none.
func (kv KV) Get(key string) (value []byte, ok bool, err error) { return kv.host.KVGet(key) }

// Put stores a value.
func (kv KV) Put(key string, value []byte) error { return kv.host.KVPut(key, value) }

// Delete removes an item, if there is one.
func (kv KV) Delete(key string) error { return kv.host.KVDelete(key) }

// GetText returns the value of key as text.
func (kv KV) GetText(key string) (s string, ok bool, err error) {
	b, ok, err := kv.Get(key)
	return string(b), ok, err
}

// PutText stores text.
func (kv KV) PutText(key, s string) error { return kv.Put(key, []byte(s)) }

// GetJSON decodes the value of key into what v points to. If there is no such item, ok is false and
// v untouched.
func (kv KV) GetJSON(key string, v any) (ok bool, err error) {
	b, ok, err := kv.Get(key)
	if err != nil || !ok {
		return false, err
	}
	return true, decodeValue(key, b, v)
}

func decodeValue(key string, b []byte, v any) error {
	if err := unmarshal(b, v); err != nil {
		return fmt.Errorf("guest: value of %q: %w", key, err)
	}
	return nil
}

// PutJSON stores v as JSON.
func (kv KV) PutJSON(key string, v any) error {
	b, err := marshal(v)
	if err != nil {
		return fmt.Errorf("guest: value of %q: %w", key, err)
	}
	return kv.Put(key, b)
}

// Range says which items to list or delete. The zero Range is all of them.
type Range struct {
	Prefix string // items whose KV key begins with it; then Lo and Hi must be empty
	Lo, Hi string // items with Lo <= KV key < Hi; an empty Hi means no end

	// After is where to go on: only items behind it in the direction of the list are yielded.
	// Empty means from the start. It is the KV key of the last item of an earlier list.
	After string

	Reverse  bool // from the end to the start
	KeysOnly bool // leave values out
	Limit    int  // at most so many items; zero means no limit
}

// List yields the items whose KV key begins with prefix, in order. See [KV.Scan].
func (kv KV) List(prefix string) iter.Seq2[Item, error] { return kv.Scan(Range{Prefix: prefix}) }

// Scan yields the items of r in order. The items are fetched from the host in pages, each as the
// action finds it at that moment: the loop may write and delete. An error ends the list.
func (kv KV) Scan(r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if err := r.check(); err != nil {
			yield(Item{}, err)
			return
		}
		lo, hi, flags := r.operands()
		cursor, left := r.After, r.Limit
		for more := true; more; {
			b, err := kv.host.KVList(lo, hi, cursor, int64(left), flags)
			if err != nil {
				yield(Item{}, err)
				return
			}
			var items []abi.Item
			if items, more, err = abi.ParsePage(b); err != nil {
				yield(Item{}, err)
				return
			}
			for _, it := range items {
				item := Item{Key: string(it.Key)}
				if !r.KeysOnly {
					item.Value = it.Value
				}
				if !yield(item, nil) {
					return
				}
				cursor = item.Key
			}
			if r.Limit > 0 {
				if left -= len(items); left <= 0 {
					return
				}
			}
			more = more && len(items) > 0
		}
	}
}

// DeleteRange deletes the items of r, the first Limit of them if it is set, and returns how many.
// One call deletes no more than a turn may write (abi.MaxDeltaOps): when it returns as many as it
// was allowed there may be more. Only Prefix, Lo, Hi, Reverse and Limit of r may be set.
func (kv KV) DeleteRange(r Range) (int, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	if r.After != "" || r.KeysOnly {
		return 0, abi.Errorf(abi.CodeInvalidArgument, "a range to delete has no After and no KeysOnly")
	}
	lo, hi, flags := r.operands()
	n, err := kv.host.KVDeleteRange(lo, hi, int64(r.Limit), flags)
	return int(n), err
}

func (r *Range) check() error {
	if r.Prefix != "" && (r.Lo != "" || r.Hi != "") {
		return abi.Errorf(abi.CodeInvalidArgument, "a range has either a prefix or bounds")
	}
	if r.Limit < 0 {
		return abi.Errorf(abi.CodeInvalidArgument, "a range has a negative limit")
	}
	return nil
}

// operands returns r as the operations take it.
func (r *Range) operands() (lo, hi string, flags int64) {
	lo, hi = r.Lo, r.Hi
	if r.Prefix != "" {
		lo, flags = r.Prefix, abi.ListPrefix
	}
	if r.Reverse {
		flags |= abi.ListReverse
	}
	if r.KeysOnly {
		flags |= abi.ListKeys
	}
	return lo, hi, flags
}
