package tenants

import (
	"reflect"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestKey(t *testing.T) {
	s := func(c ...string) []string { return c }
	c128 := strings.Repeat("c", abi.MaxKeyComponent)
	// Eight components and a slash behind each but the last: 7*129 + 121 = 1,024 bytes.
	max := append(strings.Split(strings.Repeat(c128+",", 7), ",")[:7], strings.Repeat("c", 121))
	over := append(max[:7:7], strings.Repeat("c", 122))
	tests := []struct {
		name       string
		components []string
		want       Key // empty means that it is refused
	}{
		{"no components", s(), "/"},
		{"one empty component", s(""), `\0`},
		{"two empty components", s("", ""), `\0/\0`},
		{"empty among others", s("a", "", "b"), `a/\0/b`},
		{"plain", s("lobby"), "lobby"},
		{"two", s("a", "b"), "a/b"},
		{"slash inside", s("a/b"), `a\/b`},
		{"only a slash", s("/"), `\/`},
		{"comma", s("a,b"), "a,b"},
		{"backslash", s(`c\d`), `c\\d`},
		{"the text of an empty component", s(`\0`), `\\0`},
		{"zero", s("0"), "0"},
		{"trailing backslash", s(`a\`, "b"), `a\\/b`},
		{"backslash and slash", s(`a\/b`), `a\\\/b`},
		{"dots", s("..", "."), "../."},
		{"unicode", s("zürich", "東京", "👩‍🚀"), "zürich/東京/👩‍🚀"},
		{"128 bytes", s(c128), Key(c128)},
		{"129 bytes", s(c128 + "c"), ""},
		{"128 bytes of two-byte letters", s(strings.Repeat("ü", 64)), Key(strings.Repeat("ü", 64))},
		{"130 bytes of two-byte letters", s(strings.Repeat("ü", 65)), ""},
		{"1,024 bytes", max, Key(strings.Join(max, "/"))},
		{"1,025 bytes", over, ""},
		{"1,025 bytes by escaping", s(strings.Repeat(`\`, 128), strings.Repeat(`\`, 128), strings.Repeat(`\`, 128), strings.Repeat(`\`, 128)), ""},
		{"NUL", s("a\x00b"), ""},
		{"line break", s("a\nb"), ""},
		{"escape", s("\x1b[0m"), ""},
		{"DEL", s("\x7f"), ""},
		{"not UTF-8", s("\xff"), ""},
		{"cut UTF-8", s("\xc3"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := NewKey(tt.components...)
			if tt.want == "" {
				if abi.CodeOf(err) != abi.CodeActorInvalidKey {
					t.Fatalf("NewKey = %q, %v, want %v", k, err, abi.CodeActorInvalidKey)
				}
				return
			}
			if err != nil || k != tt.want {
				t.Fatalf("NewKey = %q, %v, want %q", k, err, tt.want)
			}
			if got := k.Components(); !reflect.DeepEqual(got, append([]string{}, tt.components...)) {
				t.Errorf("Components = %q, want %q", got, tt.components)
			}
			if got, err := ParseKey(string(k)); err != nil || got != k {
				t.Errorf("ParseKey = %q, %v, want %q", got, err, k)
			}
			a := Address{"acme", "room", k}
			if got, ok := AddressOfBinding("acme", a.Binding()); !ok || got != a {
				t.Errorf("AddressOfBinding = %v, %v, want %v", got, ok, a)
			}
		})
	}
}

// TestParseKeyRefuses has other spellings of keys that exist: equal keys must be equal strings.
func TestParseKeyRefuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                     "",
		"two slashes":                 "//",
		"leading slash":               "/a",
		"trailing slash":              "a/",
		"empty component, unescaped":  "a//b",
		"escape at the end":           `a\`,
		"escape of a letter":          `\a`,
		"empty inside a component":    `a\0`,
		"empty before a component":    `\0a`,
		"empty twice":                 `\0\0`,
		"too long":                    strings.Repeat("a/", 512) + "a",
		"control character":           "a\x00",
		"not UTF-8":                   "\xff",
		"component of 129 bytes":      strings.Repeat("c", 129),
		"escape splits a UTF-8 rune":  "\xc3\\\xbc",
		"percent signs are no escape": "a\x7f%2f",
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			if k, err := ParseKey(in); abi.CodeOf(err) != abi.CodeActorInvalidKey {
				t.Errorf("ParseKey(%q) = %q, %v, want %v", in, k, err, abi.CodeActorInvalidKey)
			}
		})
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"/", "", `\0`, "a/b", `a\/b`, `\\`, `\\0/\0`, "//", `\`, "ü\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			// As components, though, much of it is fine, and must come back.
			if k, err := NewKey(s, s); err == nil && !reflect.DeepEqual(k.Components(), []string{s, s}) {
				t.Errorf("NewKey(%q, same).Components() = %q", s, k.Components())
			}
			return
		}
		if string(k) != s {
			t.Errorf("ParseKey(%q) = %q", s, k)
		}
		if again, err := NewKey(k.Components()...); err != nil || again != k {
			t.Errorf("NewKey(%q) = %q, %v, want %q", k.Components(), again, err, k)
		}
	})
}
