package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// Rivet's JSON writes what JSON has no form for as a list of two, the first a string that begins with "$". A client
// fails on a tag that it does not know. So a list of a guest's that only looks like one gets a second "$", which
// clients take away; what has one already was escaped by the guest, or is a value of a client's that comes back.

// knownTags are those that every client reads.
var knownTags = []string{"$BigInt", "$Uint8Array", "$ArrayBuffer", "$Undefined", "$Set"}

// AppendBytes appends b in the form that Rivet's clients read as bytes.
func AppendBytes(dst, b []byte) []byte {
	dst = append(dst, `["$Uint8Array","`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"]`...)
}

// EscapeTags returns a JSON document with unknown tags escaped. Nearly always that is the document itself.
func EscapeTags(doc []byte) []byte {
	if !mayHaveTags(doc) {
		return doc
	}
	return escape(doc, isUnknownTag)
}

// escapeSent is EscapeTags for what a client sends: a list that looks like a tag is one only if it is well formed, and
// what has a second "$" is somebody's own.
func escapeSent(doc []byte) []byte {
	if !mayHaveTags(doc) {
		return doc
	}
	return escape(doc, func(first, second []byte) bool {
		return beginsTag(first) && tagOf(first, second) == tagNone
	})
}

// escapeArgs is escapeSent for a list of arguments, which is no tag whatever the arguments are.
func escapeArgs(args []byte) []byte {
	out := escapeSent(args)
	c := checker{b: args}
	if first, second, ok := c.pair(); ok && tagOf(first, second) != tagNone {
		at := bytes.IndexByte(out, '"') + 1
		out = slices.Concat(out[:at], []byte("$"), out[at:])
	}
	return out
}

// UnescapeArgs returns a list of arguments as its sender has it: clients take the list itself for what may look like a
// tag, and have escaped it as such.
func UnescapeArgs(args []byte) []byte {
	c := checker{b: args}
	first, _, ok := c.pair()
	if !ok {
		return args
	}
	s, ok := tagText(first)
	if !ok || !strings.HasPrefix(s, "$$") {
		return args
	}
	d := dollar(args, bytes.IndexByte(args, '"')+1)
	return slices.Concat(args[:d.from], args[d.to:])
}

// mayHaveTags reports false if no string in doc begins with "$".
func mayHaveTags(doc []byte) bool {
	return bytes.Contains(doc, []byte(`"$`)) || bytes.Contains(doc, []byte(`"\u0024`))
}

// escape adds a "$" to the first element of each list of two for which wants reports true.
func escape(doc []byte, wants func(first, second []byte) bool) []byte {
	t := tagger{checker: checker{b: doc}, wants: wants}
	if t.value() != nil || len(t.at) == 0 {
		return doc
	}
	slices.Sort(t.at)
	out := make([]byte, 0, len(doc)+len(t.at))
	from := 0
	for _, at := range t.at {
		out = append(append(out, doc[from:at]...), '$')
		from = at
	}
	return append(out, doc[from:]...)
}

// tagger finds the places where a "$" is missing.
type tagger struct {
	checker
	wants func(first, second []byte) bool
	at    []int
}

// tagDepth bounds the nesting that is looked into; deeper ones pass as they are, and no client can read them.
const tagDepth = 10_000

func (t *tagger) value() error {
	if t.space(); t.peek() != '[' && t.peek() != '{' {
		return t.checker.value(1)
	}
	if t.peek() == '{' {
		return t.object(tagDepth, func([]byte) error { return t.value() })
	}
	return t.list()
}

// list reads a list and notes it if it is wanted.
func (t *tagger) list() error {
	first, second, n, err := t.two(t.value)
	if err == nil && n == 2 && t.wants(t.b[first.from:first.to], t.b[second.from:second.to]) {
		t.at = append(t.at, first.from+1)
	}
	return err
}

// span is a part of a document.
type span struct{ from, to int }

// two reads a list with value, and returns where its first two elements are and how many there are.
func (c *checker) two(value func() error) (first, second span, n int, err error) {
	err = c.elements(func() error {
		from := c.i
		err := value()
		switch n++; n {
		case 1:
			first = span{from, c.i}
		case 2:
			second = span{from, c.i}
		}
		return err
	})
	return first, second, n, err
}

func isUnknownTag(first, _ []byte) bool {
	s, ok := tagText(first)
	return ok && !strings.HasPrefix(s, "$$") && !slices.Contains(knownTags, s)
}

func beginsTag(first []byte) bool { _, ok := tagText(first); return ok }

// tagText returns a quoted text that begins with "$".
func tagText(v []byte) (s string, ok bool) {
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return "", false
	}
	return s, strings.HasPrefix(s, "$")
}
