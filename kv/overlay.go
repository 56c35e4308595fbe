package kv

import (
	"bytes"
	"slices"
	"sort"
	"sync"
)

// Overlay is a set of changes that are not in the store yet: first a turn's, then, once the turn
// has ended and nobody changes it any more, a layer of deltas in flight. The zero Overlay is
// empty. It may be read by many goroutines at once, but not while it is changed.
type Overlay struct {
	changes map[string]*change
	size    int

	// mu guards the two fields below, which a reader may bring in order.
	mu     sync.Mutex
	sorted []*change // never changed in place: a scan may hold it
	fresh  []*change // keys that came since, unsorted
}

// change is the newest value of one key; nil for a deletion.
type change struct {
	key, value []byte
}

// Put sets key to value. The overlay keeps both slices.
func (o *Overlay) Put(key, value []byte) {
	if value == nil {
		value = []byte{} // nil would be a deletion
	}
	o.set(key, value)
}

// Delete removes key.
func (o *Overlay) Delete(key []byte) { o.set(key, nil) }

func (o *Overlay) set(key, value []byte) {
	if c, ok := o.changes[string(key)]; ok {
		o.size += len(value) - len(c.value)
		c.value = value
		return
	}
	if o.changes == nil {
		o.changes = make(map[string]*change)
	}
	c := &change{key, value}
	o.changes[string(key)] = c
	o.size += len(key) + len(value)
	o.mu.Lock()
	o.fresh = append(o.fresh, c)
	o.mu.Unlock()
}

// Get returns the change of key: its value, nil for a deletion; false if there is none.
func (o *Overlay) Get(key []byte) (value []byte, ok bool) {
	c, ok := o.changes[string(key)]
	if !ok {
		return nil, false
	}
	return c.value, true
}

// Len returns the number of changed keys.
func (o *Overlay) Len() int { return len(o.changes) }

// Size returns the bytes of the changed keys and their newest values, as Delta.Size counts them.
func (o *Overlay) Size() int { return o.size }

// Ops returns the changes, one for each key, in byte order of keys.
func (o *Overlay) Ops() []Op { return opsOf(o.ordered()) }

// OpsWithin returns the changes of keys in r, one for each key, in byte order of keys.
func (o *Overlay) OpsWithin(r Range) []Op { return opsOf(o.within(r)) }

func opsOf(all []*change) []Op {
	ops := make([]Op, len(all))
	for i, c := range all {
		ops[i] = Op{Key: c.key, Value: c.value}
	}
	return ops
}

// ordered returns the changes in byte order of keys. Only keys that came since the last call are
// sorted and then merged in, so that a guest which writes and lists in turn does not pay for a
// whole sort each time.
func (o *Overlay) ordered() []*change {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.fresh) == 0 {
		return o.sorted
	}
	slices.SortFunc(o.fresh, func(a, b *change) int { return bytes.Compare(a.key, b.key) })
	merged := make([]*change, 0, len(o.sorted)+len(o.fresh))
	old, fresh := o.sorted, o.fresh
	for len(old) > 0 && len(fresh) > 0 {
		if bytes.Compare(old[0].key, fresh[0].key) < 0 {
			merged, old = append(merged, old[0]), old[1:]
		} else {
			merged, fresh = append(merged, fresh[0]), fresh[1:]
		}
	}
	merged = append(append(merged, old...), fresh...)
	o.sorted, o.fresh = merged, nil
	return merged
}

// within returns the changes of r in byte order of keys, whatever r.Reverse says.
func (o *Overlay) within(r Range) []*change {
	all := o.ordered()
	from := sort.Search(len(all), func(i int) bool { return bytes.Compare(all[i].key, r.Lo) >= 0 })
	to := len(all)
	if r.Hi != nil {
		to = sort.Search(len(all), func(i int) bool { return bytes.Compare(all[i].key, r.Hi) >= 0 })
	}
	if from >= to {
		return nil
	}
	return all[from:to]
}
