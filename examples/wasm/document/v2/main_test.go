package main

import (
	"errors"
	"reflect"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func state(a *guesttest.Actor) (s State) {
	a.State(&s)
	return s
}

func change(t *testing.T, a *guesttest.Actor, from int, left any) {
	t.Helper()
	a.SetState(left)
	if err := a.Upgrade(from, 2); err != nil {
		t.Fatalf("version %d to 2: %v", from, err)
	}
}

// What is written is there for version 1 as well.
func TestDocument(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "write", "one\n\ntwo")
	a.MustCall(nil, "title", "Numbers")
	if got, want := state(a), (State{2, 1, "Numbers", []string{"one", "two"}, "one\n\ntwo"}); !reflect.DeepEqual(got, want) {
		t.Errorf("state %+v, want %+v", got, want)
	}
	a.MustCall(nil, "write", "")
	if s := state(a); len(s.Paragraphs) != 0 || s.Text != "" {
		t.Errorf("empty: %+v", s)
	}
}

// There, back, and there again: the text is what version 1 made of it, the title is not lost.
func TestForward(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	change(t, a, 1, map[string]any{"shape": 1, "oldest": 1, "text": "a\n\nb"})
	if got, want := state(a), (State{2, 1, "", []string{"a", "b"}, "a\n\nb"}); !reflect.DeepEqual(got, want) {
		t.Errorf("from version 1: %+v, want %+v", got, want)
	}
	a.MustCall(nil, "title", "Letters")
	change(t, a, 1, map[string]any{"shape": 1, "oldest": 1, "text": "c"})
	if got, want := state(a), (State{2, 1, "Letters", []string{"c"}, "c"}); !reflect.DeepEqual(got, want) {
		t.Errorf("from version 1 again: %+v, want %+v", got, want)
	}
}

func TestBack(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	change(t, a, 3, map[string]any{"shape": 3, "oldest": 2, "title": "T", "paragraphs": []string{"a", "b"}, "blocks": []any{}})
	if got, want := state(a), (State{2, 1, "T", []string{"a", "b"}, "a\n\nb"}); !reflect.DeepEqual(got, want) {
		t.Errorf("from version 3: %+v, want %+v", got, want)
	}
	a.SetState(map[string]any{"shape": 4, "oldest": 3})
	if err := a.Upgrade(4, 2); !errors.Is(err, guest.UserError("too_new", "")) {
		t.Errorf("from version 4: %v", err)
	}
}
