package tenants

import (
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Address is where clients find an actor. The id behind it changes when the actor is destroyed and
// made again. It is comparable.
type Address struct {
	Namespace ID
	Name      string
	Key       Key
}

// String returns the address for logs.
func (a Address) String() string { return fmt.Sprintf("%s/%s[%s]", a.Namespace, a.Name, a.Key) }

// Binding returns the address as a name within its namespace's class. Names sort by actor name,
// then by key.
func (a Address) Binding() []byte {
	b := append([]byte{}, a.Name...)
	b = append(b, 0) // cannot occur in a name
	return append(b, a.Key...)
}

// AddressOfBinding is the inverse of Binding.
func AddressOfBinding(ns ID, b []byte) (Address, bool) {
	name, key, ok := strings.Cut(string(b), "\x00")
	if !ok || !ValidName(name) {
		return Address{}, false
	}
	k, err := ParseKey(key)
	if err != nil {
		return Address{}, false
	}
	return Address{ns, name, k}, true
}

// ValidName reports whether s can name a module or an actor: 1 to 64 of A-Z, a-z, 0-9, "_", "."
// and "-", beginning with a letter or digit.
func ValidName(s string) bool {
	if len(s) < 1 || len(s) > abi.MaxActorName || !isAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
