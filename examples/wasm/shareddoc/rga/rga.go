// Package rga is text that several people may edit at once and apart: a replicated growable array.
//
// A document is a set of operations, which only grows, so merging is the union of sets: it does not
// matter in which order, how often or by which way an operation comes. The text is a function of the
// set. Actor and clients use this same package; it leaves storing and sending to them.
//
// One invariant: an operation never changes. Its id is used once, by its author.
package rga

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ID names a character for ever. Clock is above that of all characters that its author had seen, so a
// character is never older than the one it stands behind.
type ID struct {
	Clock int64  `json:"clock"`
	Site  string `json:"site"` // the author's device; two that edit apart are two sites
}

// compare is the order of characters that stand directly behind the same one, negative for id first:
// what was typed last stands first, so that words typed apart do not mix.
func (id ID) compare(other ID) int {
	if id.Clock != other.Clock {
		return cmp.Compare(other.Clock, id.Clock)
	}
	return strings.Compare(id.Site, other.Site)
}

// Op puts a character behind another one, or takes it away.
type Op struct {
	ID     ID     `json:"id"`
	After  ID     `json:"after,omitzero"` // zero is the beginning
	Char   string `json:"char,omitempty"`
	Delete bool   `json:"delete,omitempty"` // the character ID is to go
}

// Key tells operations apart: two with the same key are the same operation.
func (o Op) Key() string {
	kind := "put"
	if o.Delete {
		kind = "del"
	}
	return fmt.Sprintf("%s/%016d/%s", kind, o.ID.Clock, o.ID.Site)
}

// maxClock keeps clocks in what JSON numbers of all languages hold.
const maxClock = 1 << 52

// Check says what is wrong with an operation of a stranger.
func (o Op) Check() error {
	switch {
	case o.ID.Site == "" || len(o.ID.Site) > 128:
		return errors.New("an operation needs a site of at most 128 bytes")
	case o.ID.Clock < 1 || o.ID.Clock > maxClock:
		return errors.New("a clock is between 1 and 2^52")
	case !o.Delete && (len(o.Char) == 0 || len(o.Char) > 64):
		return errors.New("a character has between 1 and 64 bytes")
	case !o.Delete && o.ID.Clock <= o.After.Clock:
		return errors.New("a character is newer than the one it stands behind")
	}
	return nil
}

// Doc is a set of operations. The zero Doc is empty.
type Doc struct {
	seen    map[string]bool
	behind  map[ID][]Op // what stands directly behind a character, in the text's order
	deleted map[ID]bool
	clock   int64
}

// Add adds an operation and reports whether it is new.
func (d *Doc) Add(o Op) bool {
	if d.seen == nil {
		d.seen, d.behind, d.deleted = map[string]bool{}, map[ID][]Op{}, map[ID]bool{}
	}
	if d.seen[o.Key()] {
		return false
	}
	d.seen[o.Key()] = true
	d.clock = max(d.clock, o.ID.Clock)
	if o.Delete {
		d.deleted[o.ID] = true // perhaps before the character itself comes
		return true
	}
	at, _ := slices.BinarySearchFunc(d.behind[o.After], o, func(a, b Op) int { return a.ID.compare(b.ID) })
	d.behind[o.After] = slices.Insert(d.behind[o.After], at, o)
	return true
}

// visible returns the characters of the text. One whose predecessor has not come yet is not among them.
func (d *Doc) visible() []Op {
	var text []Op
	// A stack of our own: typing makes one long chain, deeper than calls may go.
	stack := [][]Op{d.behind[ID{}]}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if len(top) == 0 {
			continue
		}
		if !d.deleted[top[0].ID] {
			text = append(text, top[0])
		}
		stack = append(stack, top[1:], d.behind[top[0].ID])
	}
	return text
}

// Text returns the document as it reads.
func (d *Doc) Text() string {
	var b strings.Builder
	for _, o := range d.visible() {
		b.WriteString(o.Char)
	}
	return b.String()
}

// Insert types s at a position, counted in characters, as site, and returns the operations to send.
func (d *Doc) Insert(site string, at int, s string) []Op {
	var after ID
	if at > 0 {
		after = d.visible()[at-1].ID
	}
	var ops []Op
	for _, r := range s {
		o := Op{ID: ID{d.clock + 1, site}, After: after, Char: string(r)}
		d.Add(o)
		ops, after = append(ops, o), o.ID
	}
	return ops
}

// Delete removes n characters at a position and returns the operations to send.
func (d *Doc) Delete(at, n int) []Op {
	var ops []Op
	for _, o := range d.visible()[at : at+n] {
		del := Op{ID: o.ID, Delete: true}
		d.Add(del)
		ops = append(ops, del)
	}
	return ops
}
