package logtext

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		max            int
	}{
		{name: "plain", in: "room 7, naïve 東京", want: "room 7, naïve 東京"},
		{name: "empty"},
		{name: "line ends", in: "a\nb\r\nc", want: `a\nb\r\nc`},
		{name: "other line ends", in: "a\u0085b\u2028c\u2029d\ve\ff", want: `a\u0085b\u2028c\u2029d\ve\ff`},
		{name: "tab and NUL", in: "a\tb\x00c", want: `a\tb\x00c`},
		{name: "ANSI", in: "\x1b[2J\x1b]0;title\x07", want: `\x1b[2J\x1b]0;title\a`},
		{name: "ANSI in one byte of Latin-1", in: "\u009b31m", want: `\u009b31m`},
		{name: "bidirectional", in: "user\u202etxt.exe\u2066x\u2069", want: `user\u202etxt.exe\u2066x\u2069`},
		{name: "what takes no room", in: "a\u200bb\ufeffc\u00ad", want: `a\u200bb\ufeffc\u00ad`},
		{name: "not UTF-8", in: "a\xff\xfeb\xc3", want: "a\ufffd\ufffdb\ufffd"},
		{name: "a surrogate", in: "\xed\xa0\x80", want: "\ufffd\ufffd\ufffd"},
		{name: "long", in: strings.Repeat("x", 100), max: 20, want: strings.Repeat("x", 17) + "…"},
		{name: "as long as it may be", in: strings.Repeat("x", 20), max: 20, want: strings.Repeat("x", 20)},
		{name: "long by its escapes", in: strings.Repeat("\n", 10), max: 10, want: `\n\n\n…`},
		{name: "cut between runes", in: strings.Repeat("東", 10), max: 10, want: "東東…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.max == 0 {
				tt.max = 1000
			}
			if got := Line(tt.in, tt.max); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, text := range []string{"plain", "naïve 東京", "a\u202eb\u200b\u009b31m\u2028\x7f", "\U000e0001 tag", "a\xffb", "\n\t\"\\"} {
		doc, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		got := JSON(doc)
		var want, back map[string]string
		if err := errors.Join(json.Unmarshal(doc, &want), json.Unmarshal(got, &back)); err != nil || !maps.Equal(want, back) {
			t.Errorf("%q became %q, %v", doc, got, err)
		}
		if strings.ContainsFunc(string(got), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q does not print", got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\u202e\n\xff", 10)
	f.Fuzz(func(t *testing.T, s string, max int) {
		max = max%200 + 3
		if max < 3 {
			max = 3
		}
		got := Line(s, max)
		if len(got) > max || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
			t.Errorf("%q with %d gives %q", s, max, got)
		}
		if Line(got, max) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}
