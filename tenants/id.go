package tenants

import (
	"crypto/rand"
	"encoding/base32"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// ID is the name of a tenant: a namespace on the wire. Its form is checked by ParseID before it is
// used for anything.
type ID string

// Default is the namespace that exists from the start.
const Default ID = "default"

const maxID = 63 // bytes, as of a DNS label

// ErrBadID says that a namespace name has the wrong form.
var ErrBadID = abi.Errorf(abi.CodeInvalidRequest, "a namespace is 1 to 63 of a-z, 0-9 and -, and does not begin with -")

// ParseID checks a namespace name.
func ParseID(s string) (ID, error) {
	if len(s) < 1 || len(s) > maxID || s[0] == '-' {
		return "", ErrBadID
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return "", ErrBadID
		}
	}
	return ID(s), nil
}

// ActorID is one incarnation of an actor: what state, leases and usage hang on. It is made once,
// at creation, and never reused. It is comparable.
type ActorID struct {
	Namespace ID
	id        [16]byte
}

// NewActorID makes an id that has never been.
func NewActorID(ns ID) ActorID {
	a := ActorID{Namespace: ns}
	rand.Read(a.id[:]) // never fails; see crypto/rand
	return a
}

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// PostOffice returns the id of a namespace's post office, which is no actor: it delivers what destroyed
// actors had sent.
func PostOffice(ns ID) ActorID {
	a := ActorID{Namespace: ns}
	copy(a.id[:], "the post office!") // as long as an id; a random one is not this
	return a
}

// ParseActorID reads the text form of an id within a namespace. There is one text for each id.
func ParseActorID(ns ID, s string) (ActorID, bool) {
	a := ActorID{Namespace: ns}
	if len(s) != idText.EncodedLen(len(a.id)) {
		return ActorID{}, false
	}
	n, err := idText.Decode(a.id[:], []byte(s))
	if err != nil || n != len(a.id) || a.String() != s {
		return ActorID{}, false
	}
	return a, true
}

// String returns the text form: 26 characters, without the namespace.
func (a ActorID) String() string { return idText.EncodeToString(a.id[:]) }

// Space returns the actor's space. No other function makes an actor's space, so data cannot be
// named without its owner.
func (a ActorID) Space() kv.Space {
	return kv.NewSpace(classOf(a.Namespace), spaceActor+string(a.id[:]))
}

// IDOfSpace is the inverse of Space. It reports false for a space that is no actor's.
func IDOfSpace(s kv.Space) (ActorID, bool) {
	ns, err := ParseID(s.Class())
	a := ActorID{Namespace: ns}
	if err != nil || len(s.ID()) != 1+len(a.id) || s.ID()[:1] != spaceActor {
		return ActorID{}, false
	}
	copy(a.id[:], s.ID()[1:])
	return a, true
}

// First byte of a space's id: what kind of space it is.
const (
	spaceActor    = "a"
	spaceRegistry = "r" // of a namespace: its modules and versions
	spaceUsage    = "u" // of a namespace: what it has used
)

// hostClass is the class of the host's own spaces. No namespace can have that name.
const hostClass = "."

// classOf returns the fairness class of a namespace: its name.
func classOf(ns ID) string { return string(ns) }
