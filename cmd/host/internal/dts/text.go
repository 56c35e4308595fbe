package dts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// quote writes a string literal of printable ASCII. JSON's would do, but for the two line separators that
// older readers of TypeScript end a line at, and for what an editor shows in another order than it stands.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		}
	}
	b.WriteByte('"')
	return b.String()
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// key writes the name of a member. Words of the language may stand there as they are; constructor would not
// be one in a class, but these are types.
func key(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return quote(name)
}

// comment returns what a schema says of itself, for editors, with the space after it; empty if nothing.
func comment(schema any) string {
	m, _ := schema.(map[string]any)
	text, _ := m["description"].(string)
	text = strings.Map(func(r rune) rune {
		// No end of the comment, no @ts-ignore, and nothing that moves other text.
		if r == '*' || r == '@' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return ""
	}
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return "/** " + text + " */ "
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$`)

// literal returns the type with the one value v.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case string:
		return quote(v)
	case json.Number:
		if plainNumber.MatchString(string(v)) {
			return string(v)
		}
		return "number"
	}
	return "unknown"
}
