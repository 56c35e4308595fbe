package kv

import (
	"bytes"
	"context"
	"iter"
)

// View reads a space through changes that have not reached the store: Layers, newest first, over
// Store. The caller must have collected Layers before it calls a method: the store's snapshot is
// opened afterwards, so that a delta which lands in between is seen twice, which is harmless, and
// never missed.
type View struct {
	Layers []*Overlay
	Store  Reader // nil if it has nothing of the space
	Space  Space
	// Look, if it is set, is called for each row that Scan comes to, before it is yielded, and also for
	// those that are hidden or deleted. Its error ends the scan and is yielded as it is.
	Look func(Item) error
}

// Get returns the newest value of key, or ErrNotFound. The caller must not change it.
func (v View) Get(ctx context.Context, key []byte) ([]byte, error) {
	for _, l := range v.Layers {
		if value, ok := l.Get(key); ok {
			if value == nil {
				return nil, ErrNotFound
			}
			return value, nil
		}
	}
	if v.Store == nil {
		return nil, ErrNotFound
	}
	return v.Store.Get(ctx, v.Space, key)
}

// stored yields the store's items of r.
func (v View) stored(ctx context.Context, r Range) iter.Seq2[Item, error] {
	if v.Store == nil {
		return func(func(Item, error) bool) {}
	}
	return v.Store.Scan(ctx, v.Space, r)
}

// Scan yields the items of r in order, each with its newest value. Key and value are valid until
// the next iteration.
func (v View) Scan(ctx context.Context, r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		m := newMerge(v.Layers, r)
		for item, err := range v.stored(ctx, r) {
			if err == nil {
				err = v.look(item)
			}
			if err != nil {
				yield(Item{}, err)
				return
			}
			// Changes that come before the item, then perhaps one that hides it.
			hidden := false
			for !hidden {
				c := m.peek()
				if c == nil {
					break
				}
				order := m.compare(c.key, item.Key)
				if order > 0 {
					break
				}
				hidden = order == 0
				m.next()
				if !v.yieldChange(yield, c) {
					return
				}
			}
			if !hidden && !yield(item, nil) {
				return
			}
		}
		for c := m.peek(); c != nil; c = m.peek() {
			m.next()
			if !v.yieldChange(yield, c) {
				return
			}
		}
	}
}

func (v View) look(item Item) error {
	if v.Look == nil {
		return nil
	}
	return v.Look(item)
}

// yieldChange yields c unless it is a deletion. It reports whether to go on.
func (v View) yieldChange(yield func(Item, error) bool, c *change) bool {
	item := Item{Key: c.key, Value: c.value}
	if err := v.look(item); err != nil {
		yield(Item{}, err)
		return false
	}
	return c.value == nil || yield(item, nil)
}

// merge walks the changes of several layers as one sequence, in which the newest layer hides the
// others' changes of the same key. A linear look at each layer's head beats a heap at the sixteen
// layers that an actor may have.
type merge struct {
	layers  [][]*change // newest first, without the changes that are done
	reverse bool
	head    *change // the next change; nil until looked for
}

func newMerge(layers []*Overlay, r Range) *merge {
	m := &merge{reverse: r.Reverse}
	for _, l := range layers {
		if changes := l.within(r); len(changes) > 0 {
			m.layers = append(m.layers, changes)
		}
	}
	return m
}

// compare orders keys in the direction of the walk.
func (m *merge) compare(a, b []byte) int {
	if m.reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}

// first returns the next change of a layer that is not empty.
func (m *merge) first(layer []*change) *change {
	if m.reverse {
		return layer[len(layer)-1]
	}
	return layer[0]
}

// peek returns the next change, or nil at the end.
func (m *merge) peek() *change {
	if m.head != nil {
		return m.head
	}
	for _, l := range m.layers {
		// Strictly before: of equal keys the newest layer's stays.
		if c := m.first(l); m.head == nil || m.compare(c.key, m.head.key) < 0 {
			m.head = c
		}
	}
	return m.head
}

// next drops what peek returned, in all layers.
func (m *merge) next() {
	key := m.head.key
	m.head = nil
	kept := m.layers[:0]
	for _, l := range m.layers {
		if bytes.Equal(m.first(l).key, key) {
			if m.reverse {
				l = l[:len(l)-1]
			} else {
				l = l[1:]
			}
		}
		if len(l) > 0 {
			kept = append(kept, l)
		}
	}
	m.layers = kept
}
