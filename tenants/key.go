package tenants

import (
	"strings"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Key is an actor key in its canonical form, which is also Rivet's on REST: components joined by
// "/", with "\" written as `\\` and "/" as `\/` inside a component, an empty component as `\0`,
// and the empty key as "/". It is comparable; make it with NewKey or ParseKey.
type Key string

// EmptyKey is the key without components.
const EmptyKey Key = "/"

var escapeComponent = strings.NewReplacer(`\`, `\\`, `/`, `\/`)

// NewKey returns the canonical key of components, or an *abi.Error with CodeActorInvalidKey.
func NewKey(components ...string) (Key, error) {
	if len(components) == 0 {
		return EmptyKey, nil
	}
	parts := make([]string, len(components))
	for i, c := range components {
		if err := checkComponent(c); err != nil {
			return "", err
		}
		if parts[i] = escapeComponent.Replace(c); c == "" {
			parts[i] = `\0`
		}
	}
	k := strings.Join(parts, "/")
	if len(k) > abi.MaxKey {
		return "", abi.Errorf(abi.CodeActorInvalidKey, "the actor key is longer than %d bytes", abi.MaxKey)
	}
	return Key(k), nil
}

// ParseKey reads a canonical key. Any other spelling of the same components is refused, so that
// equal keys are equal strings.
func ParseKey(s string) (Key, error) {
	if s == string(EmptyKey) {
		return EmptyKey, nil
	}
	if len(s) > abi.MaxKey {
		return "", abi.Errorf(abi.CodeActorInvalidKey, "the actor key is longer than %d bytes", abi.MaxKey)
	}
	k, err := NewKey(split(s)...)
	if err != nil {
		return "", err
	}
	if string(k) != s {
		return "", abi.Errorf(abi.CodeActorInvalidKey, `the actor key is not in canonical form: write \ as \\, / inside a component as \/, an empty component as \0`)
	}
	return k, nil
}

// Components returns the components, in order; none for the empty key.
func (k Key) Components() []string {
	if k == EmptyKey || k == "" {
		return []string{}
	}
	return split(string(k))
}

// split cuts at unescaped slashes and removes the escapes.
func split(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '/':
			out = append(out, b.String())
			b.Reset()
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '0':
			i++ // an empty component
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, b.String())
}

func checkComponent(c string) error {
	switch {
	case len(c) > abi.MaxKeyComponent:
		return abi.Errorf(abi.CodeActorInvalidKey, "a component of the actor key is longer than %d bytes", abi.MaxKeyComponent)
	case !utf8.ValidString(c):
		return abi.Errorf(abi.CodeActorInvalidKey, "the actor key is not valid UTF-8")
	case strings.ContainsFunc(c, isControl):
		return abi.Errorf(abi.CodeActorInvalidKey, "the actor key contains a control character")
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
