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
	if !bytes.Contains(doc, []byte(`"$`)) && !bytes.Contains(doc, []byte(`"\u0024`)) {
		return doc
	}
	t := tagger{checker: checker{b: doc}}
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
	at []int
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

// list reads a list and notes it if it is an unknown tag.
func (t *tagger) list() error {
	var first []byte
	start, n := 0, 0
	err := t.elements(func() error {
		from := t.i
		err := t.value()
		if n++; n == 1 {
			first, start = t.b[from:t.i], from
		}
		return err
	})
	if err == nil && n == 2 && isUnknownTag(first) {
		t.at = append(t.at, start+1)
	}
	return err
}

func isUnknownTag(v []byte) bool {
	var s string
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return false
	}
	return strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "$$") && !slices.Contains(knownTags, s)
}
