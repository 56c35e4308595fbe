package tenants

import (
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

func TestParseID(t *testing.T) {
	good := []string{"a", "0", "default", "a-b", "a-", strings.Repeat("a", 63)}
	bad := []string{"", "-", "-a", "A", "a_b", "a.b", ".", "..", "a/b", "a b", "a\n", "a\x00", "ä", strings.Repeat("a", 64)}
	for _, s := range good {
		if id, err := ParseID(s); err != nil || string(id) != s {
			t.Errorf("ParseID(%q) = %q, %v", s, id, err)
		}
	}
	for _, s := range bad {
		if id, err := ParseID(s); id != "" || abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("ParseID(%q) = %q, %v, want %v", s, id, err, ErrBadID)
		}
	}
	if _, err := ParseID(hostClass); err == nil {
		t.Error("a namespace may be named as the host's class")
	}
}

func TestValidName(t *testing.T) {
	good := []string{"a", "A", "0", "a.b", "a-b", "a_b", "counter-2", strings.Repeat("a", 64)}
	bad := []string{"", ".", "..", "-a", "_a", "a/b", "a b", "a\x00", "a\n", "ä", "a,b", strings.Repeat("a", 65)}
	for _, s := range good {
		if !ValidName(s) {
			t.Errorf("ValidName(%q) = false", s)
		}
	}
	for _, s := range bad {
		if ValidName(s) {
			t.Errorf("ValidName(%q) = true", s)
		}
	}
}

func TestActorID(t *testing.T) {
	a, b := NewActorID("acme"), NewActorID("acme")
	if a == b || a.Space() == b.Space() {
		t.Error("two ids are one")
	}
	if got, ok := ParseActorID("acme", a.String()); !ok || got != a {
		t.Errorf("ParseActorID = %v, %v, want %v", got, ok, a)
	}
	if got, ok := IDOfSpace(a.Space()); !ok || got != a {
		t.Errorf("IDOfSpace = %v, %v, want %v", got, ok, a)
	}
	stranger, _ := ParseActorID("umbrella", a.String())
	if stranger == a || stranger.Space() == a.Space() {
		t.Error("the same id of two namespaces is one")
	}
	for _, s := range []kv.Space{
		kv.NewSpace("acme", spaceRegistry),
		kv.NewSpace(hostClass, spaceRegistry),
		kv.NewSpace(hostClass, a.Space().ID()),
		kv.NewSpace("acme", spaceActor),
		kv.NewSpace("acme", a.Space().ID()+"x"),
		kv.NewSpace("acme", spaceRegistry+a.Space().ID()[1:]),
		{},
	} {
		if id, ok := IDOfSpace(s); ok {
			t.Errorf("IDOfSpace(%q/%q) = %v, want none", s.Class(), s.ID(), id)
		}
	}
}

func TestAddressOfBindingRefuses(t *testing.T) {
	for _, s := range []string{"", "room", "room\x00", "\x00lobby", "ro/om\x00lobby", "room\x00a\x00b", "room\x00a//b"} {
		if a, ok := AddressOfBinding("acme", []byte(s)); ok {
			t.Errorf("AddressOfBinding(%q) = %v, want none", s, a)
		}
	}
}

func FuzzParseActorID(f *testing.F) {
	f.Add(NewActorID("acme").String())
	f.Add(strings.Repeat("0", 26))
	f.Add(strings.Repeat("z", 26)) // bits beyond the last byte
	f.Add(strings.Repeat("0", 25) + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := ParseActorID("acme", s)
		if !ok {
			if a != (ActorID{}) {
				t.Errorf("ParseActorID(%q) = %v beside false", s, a)
			}
			return
		}
		if a.String() != s {
			t.Errorf("ParseActorID(%q).String() = %q", s, a.String())
		}
		if back, ok := IDOfSpace(a.Space()); !ok || back != a {
			t.Errorf("IDOfSpace = %v, %v, want %v", back, ok, a)
		}
	})
}

func TestDigest(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 4)
	d, err := ParseDigest(text)
	if err != nil || d.String() != text {
		t.Errorf("ParseDigest = %v, %v, want %s", d, err, text)
	}
	for _, s := range []string{"", text[1:], text + "0", strings.ToUpper(text), text[:63] + "g", "../" + text[3:]} {
		if d, err := ParseDigest(s); abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("ParseDigest(%q) = %v, %v, want %v", s, d, err, abi.CodeInvalidRequest)
		}
	}
}
