package egress

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// forms returns the spellings of a secret that are hidden. A spelling by which a server tells on purpose is not
// among them, since there is no end of those.
func forms(s string) []string {
	quoted, _ := json.Marshal(s) // escapes HTML
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	list := []string{
		s,
		unquote(string(quoted)), unquote(strings.TrimSuffix(plain.String(), "\n")),
		url.QueryEscape(s), url.PathEscape(s), componentEscape(s), html.EscapeString(s),
		hex.EncodeToString([]byte(s)),
	}
	for _, b64 := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		list = append(list, b64.EncodeToString([]byte(s)))
		for before := range 3 {
			list = append(list, within(b64, s, before))
		}
	}
	return list
}

func unquote(s string) string { return s[1 : len(s)-1] }

// componentEscape is what JavaScript's encodeURIComponent makes of s.
func componentEscape(s string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(s))
}

// within returns what s becomes inside of a longer text in base64, of which it has a number of bytes before it, modulo
// 3: those characters that only s decides. "Basic" has a user's name before the password, an echo a whole header.
func within(b64 *base64.Encoding, s string, before int) string {
	text := b64.EncodeToString([]byte("\x00\x00"[:before] + s + "\x00\x00"))
	return text[(before*8+5)/6 : (before+len(s))*8/6]
}
