package main

import (
	"errors"
	"reflect"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
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
	a.MustCall(nil, "write", "Numbers\n\none")
	a.MustCall(nil, "mark", 0, "heading")
	want(t, a, "written", State{Shape: 3, Blocks: []Block{{"heading", "Numbers"}, {"text", "one"}}})
	if err := a.Call(nil, "mark", 2, "code"); !errors.Is(err, guest.UserError("no_such_block", "")) {
		t.Errorf("a block that is not there: %v", err)
	}
}

func TestForward(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.SetState(map[string]any{"text": "a\n\nb"})
	change(t, a, 1, 3)
	want(t, a, "from version 1", State{Shape: 3, Blocks: []Block{{"text", "a"}, {"text", "b"}}})
	a.SetState(map[string]any{"shape": 2, "title": "T", "paragraphs": []string{"a", "c"}, "text": "old"})
	change(t, a, 2, 3)
	want(t, a, "from version 2", State{Shape: 3, Title: "T", Blocks: []Block{{"text", "a"}, {"text", "c"}}})
}

// Back, and forward again: what the older version did not touch is as it was.
func TestBack(t *testing.T) {
	blocks := []Block{{"heading", "a"}, {"code", "b"}}
	tests := []struct {
		name string
		to   int
		left any // by the older version; nil if it wrote nothing
		want State
	}{
		{"version 2 wrote nothing", 2, nil, State{Shape: 3, Title: "T", Blocks: blocks}},
		{"version 2", 2, map[string]any{"shape": 2, "title": "U", "paragraphs": []string{"b", "c"}, "text": "a\n\nb"},
			State{Shape: 3, Title: "U", Blocks: []Block{{"code", "b"}, {"text", "c"}}}},
		{"version 1 wrote nothing", 1, nil, State{Shape: 3, Title: "T", Blocks: blocks}},
		{"version 1", 1, map[string]any{"text": "c\n\na"}, State{Shape: 3, Title: "T", Blocks: []Block{{"text", "c"}, {"heading", "a"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := guesttest.New(t, "document", guesttest.Options{})
			a.MustCall(nil, "title", "T")
			for _, b := range blocks {
				a.MustCall(nil, "add", b)
			}
			change(t, a, 3, tt.to)
			want(t, a, "back", State{3, "T", blocks, []string{"a", "b"}, "a\n\nb"})
			if tt.left != nil {
				a.SetState(tt.left)
			}
			change(t, a, tt.to, 3)
			want(t, a, "forward", tt.want)
		})
	}
}

func TestCannotGoBack(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "add", Block{"code", "a\n\nb"})
	if err := a.Upgrade(3, 2); !errors.Is(err, guest.UserError("cannot_go_back", "")) {
		t.Errorf("back: %v", err)
	}
	want(t, a, "after a refusal", State{Shape: 3, Blocks: []Block{{"code", "a\n\nb"}}})
}
