package main

import (
	"reflect"
	"testing"

	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func want(t *testing.T, a *guesttest.Actor, what string, want State) {
	t.Helper()
	var got State
	if a.State(&got); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func change(t *testing.T, a *guesttest.Actor, from, to int) {
	t.Helper()
	if err := a.Upgrade(from, to); err != nil {
		t.Fatalf("%d to %d: %v", from, to, err)
	}
}

func TestDocument(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "write", "one\n\ntwo")
	a.MustCall(nil, "title", "Numbers")
	want(t, a, "written", State{2, "Numbers", []string{"one", "two"}, ""})
	var text string
	if a.MustCall(&text, "read"); text != "one\n\ntwo" {
		t.Errorf("text %q", text)
	}
}

// Forward, back, and forward again: the text is what version 1 made of it, the title is not lost.
func TestVersion1(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.SetState(map[string]any{"text": "a\n\nb"})
	change(t, a, 1, 2)
	want(t, a, "from version 1", State{2, "", []string{"a", "b"}, ""})
	a.MustCall(nil, "title", "Letters")
	change(t, a, 2, 1)
	want(t, a, "to version 1", State{2, "Letters", []string{"a", "b"}, "a\n\nb"})
	change(t, a, 1, 2)
	want(t, a, "from version 1, which wrote nothing", State{2, "Letters", []string{"a", "b"}, ""})
	change(t, a, 2, 1)
	a.SetState(map[string]any{"text": "c"})
	change(t, a, 1, 2)
	want(t, a, "from version 1, which wrote", State{2, "Letters", []string{"c"}, ""})
}

// What version 3 left is read, and has this shape once it is written.
func TestVersion3(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.SetState(map[string]any{"shape": 3, "title": "T", "text": "a", "paragraphs": []string{"a"}, "blocks": []any{}})
	var outline []string
	if a.MustCall(&outline, "outline"); !reflect.DeepEqual(outline, []string{"T", "a"}) {
		t.Errorf("outline %q", outline)
	}
	a.MustCall(nil, "write", "b")
	want(t, a, "after version 3", State{2, "T", []string{"b"}, "a"})
	change(t, a, 2, 1)
	want(t, a, "on to version 1", State{2, "T", []string{"b"}, "b"})
}
