// Package logtext makes text of strangers fit for a log and for a terminal.
//
// It owns what may stand in a line: names, errors and guests' words come to us as any bytes. It leaves to its callers where the
// line goes. Its one invariant: what Line returns is one line of valid UTF-8 that moves no cursor, hides nothing and turns
// nothing around, and no longer than it was told.
package logtext

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// cut ends a text that was too long.
const cut = "…"

// Line returns s as one line of at most max bytes, and at least cut's. What does not print stands as an escape of Go's, such as
// \n or \u202e; bytes that are no UTF-8 as U+FFFD. Most texts are returned as they are.
func Line(s string, max int) string {
	if len(s) <= max && !strings.ContainsFunc(s, isUnfit) {
		return s
	}
	var b strings.Builder
	fits := 0 // bytes before which it may be cut
	for _, r := range s {
		if r != utf8.RuneError && isUnfit(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r) // U+FFFD for a byte that is none
		}
		if b.Len() > max {
			return b.String()[:fits] + cut
		}
		if b.Len()+len(cut) <= max {
			fits = b.Len()
		}
	}
	return b.String()
}

// isUnfit reports whether a rune may not stand in a line. U+FFFD may, and a byte that is no UTF-8 reads as it does.
func isUnfit(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

func escape(r rune) string {
	q := strconv.QuoteRune(r)
	return q[1 : len(q)-1]
}

// JSON returns a document, of one line already, with escapes in the place of what does not print: it means the same.
func JSON(doc []byte) []byte {
	if !bytes.ContainsFunc(doc, func(r rune) bool { return r >= 0x7f && isUnfit(r) }) {
		return doc
	}
	out := make([]byte, 0, len(doc)+64)
	for _, r := range string(doc) {
		switch {
		case r < 0x7f || !isUnfit(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
