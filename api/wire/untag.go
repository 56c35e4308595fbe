package wire

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// tag is what a list of two stands for.
type tag byte

const (
	tagNone tag = iota
	tagBigInt
	tagBytes
	tagUndefined
	tagSet
)

// tagOf returns which tag a list of two elements is, tagNone if it is none or not well formed.
func tagOf(first, second []byte) tag {
	name, ok := tagText(first)
	if !ok || len(second) == 0 {
		return tagNone
	}
	switch {
	case name == "$BigInt" && isDecimal(second):
		return tagBigInt
	case (name == "$Uint8Array" || name == "$ArrayBuffer") && isBase64(second):
		return tagBytes
	case name == "$Undefined" && string(second) == "0":
		return tagUndefined
	case name == "$Set" && second[0] == '[':
		return tagSet
	}
	return tagNone
}

// isDecimal reports whether a value is a text that is an integer as JSON writes it.
func isDecimal(quoted []byte) bool {
	if len(quoted) < 3 || quoted[0] != '"' {
		return false
	}
	c := checker{b: quoted[1 : len(quoted)-1]}
	return c.number() == nil && c.i == len(c.b) && !strings.ContainsAny(string(c.b), ".eE")
}

func isBase64(quoted []byte) bool {
	var s string
	if quoted[0] != '"' || json.Unmarshal(quoted, &s) != nil {
		return false
	}
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

// pair reads the list that comes next and returns its elements if there are two, the first a text that may be a tag's.
func (c *checker) pair() (first, second []byte, ok bool) {
	c.space()
	if c.peek() != '[' {
		return nil, nil, false
	}
	next := *c
	next.i++
	if next.space(); next.peek() != '"' || next.i+1 >= len(c.b) || c.b[next.i+1] != '$' && c.b[next.i+1] != '\\' {
		return nil, nil, false
	}
	a, b, n, err := c.two(func() error { return c.value(tagDepth) })
	if err != nil || n != 2 {
		return nil, nil, false
	}
	return c.b[a.from:a.to], c.b[b.from:b.to], true
}

// Untag returns a document without Rivet's tags, each in the form that Go's encoding/json has for what it stands for:
//
//	["$Uint8Array", base64]   the text, which fits a []byte
//	["$BigInt", decimal]      the number, which fits an integer type and big.Int
//	["$Undefined", 0]         null
//	["$Set", [...]]           the list
//	["$$x", ...]              a list that only looks like a tag, without the second "$"
//
// Nearly always that is the document itself.
func Untag(doc []byte) []byte {
	if !mayHaveTags(doc) {
		return doc
	}
	u := untagger{checker: checker{b: doc}}
	if u.value() != nil || len(u.edits) == 0 {
		return doc
	}
	slices.SortFunc(u.edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	out := make([]byte, 0, len(doc))
	from := 0
	for _, e := range u.edits {
		out = append(append(out, doc[from:e.from]...), e.with...)
		from = e.to
	}
	return append(out, doc[from:]...)
}

// edit replaces a part of a document. No two overlap.
type edit struct {
	span
	with string
}

// untagger finds the edits that take the tags away.
type untagger struct {
	checker
	edits []edit
}

func (u *untagger) value() error {
	if u.space(); u.peek() == '{' {
		return u.object(tagDepth, func([]byte) error { return u.value() })
	}
	if u.peek() != '[' {
		return u.checker.value(1)
	}
	whole := span{from: u.i}
	first, second, n, err := u.two(u.value)
	if err != nil || n != 2 {
		return err
	}
	whole.to = u.i
	u.list(whole, first, second)
	return nil
}

// list notes what becomes of a list of two.
func (u *untagger) list(whole, first, second span) {
	name, ok := tagText(u.b[first.from:first.to])
	if !ok {
		return
	}
	inside := 0 // of the second element, what goes with the tag
	switch tagOf(u.b[first.from:first.to], u.b[second.from:second.to]) {
	case tagUndefined:
		u.edits = append(u.edits, edit{whole, "null"})
		return
	case tagNone:
		if strings.HasPrefix(name, "$$") {
			u.edits = append(u.edits, edit{dollar(u.b, first.from+1), ""})
		}
		return
	case tagBigInt:
		inside = 1 // its quotation marks
	}
	u.edits = append(u.edits, edit{span{whole.from, second.from + inside}, ""}, edit{span{second.to - inside, whole.to}, ""})
}

// dollar returns where the "$" at a place is, however it is escaped.
func dollar(doc []byte, at int) span {
	if doc[at] == '\\' {
		return span{at, at + len(`\u0024`)}
	}
	return span{at, at + 1}
}
