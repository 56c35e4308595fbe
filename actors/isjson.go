package actors

import (
	"encoding/json"
	"unicode/utf8"
)

// maxNesting bounds the nesting of documents that guests and clients give. Package encoding/json reads 10,000
// levels; a document of so many could be written into a row, within another document, and never be read again.
const maxNesting = 9_000

// isJSON reports whether b is one JSON document that can be kept within others.
func isJSON(b []byte) bool { return utf8.Valid(b) && json.Valid(b) && nesting(b) <= maxNesting }

// nesting returns how deep lists and objects are within each other in a valid document.
func nesting(doc []byte) (deepest int) {
	depth, text := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			text = !text
		case text && c == '\\':
			i++
		case text:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
