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

func TestDocument(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "write", "Numbers\n\none")
	a.MustCall(nil, "mark", 0, "heading")
	want := State{3, 2, "", []Block{{"heading", "Numbers"}, {"text", "one"}}, []string{"Numbers", "one"}, ""}
	if got := state(a); !reflect.DeepEqual(got, want) {
		t.Errorf("state %+v, want %+v", got, want)
	}
	if err := a.Call(nil, "mark", 2, "code"); !errors.Is(err, guest.UserError("no_such_block", "")) {
		t.Errorf("a block that is not there: %v", err)
	}
}

// From every older shape, and from version 2 when this one ran before.
func TestForward(t *testing.T) {
	one := map[string]any{"shape": 1, "oldest": 1, "text": "a\n\nb"}
	two := map[string]any{"shape": 2, "oldest": 1, "title": "T", "text": "a\n\nc", "paragraphs": []string{"a", "c"}}
	tests := []struct {
		name string
		from int
		left any
		kept []Block // by this version, before
		want State
	}{
		{"version 1", 1, one, nil, State{3, 2, "", []Block{{"text", "a"}, {"text", "b"}}, []string{"a", "b"}, ""}},
		{"version 2", 2, two, nil, State{3, 2, "T", []Block{{"text", "a"}, {"text", "c"}}, []string{"a", "c"}, ""}},
		{"version 2 again", 2, two, []Block{{"heading", "a"}, {"code", "b"}}, State{3, 2, "T", []Block{{"heading", "a"}, {"text", "c"}}, []string{"a", "c"}, ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := guesttest.New(t, "document", guesttest.Options{})
			if tt.kept != nil {
				a.MustCall(nil, "write", tt.kept[0].Text+"\n\n"+tt.kept[1].Text)
			}
			for i, b := range tt.kept {
				a.MustCall(nil, "mark", i, b.Kind)
			}
			a.SetState(tt.left)
			if err := a.Upgrade(tt.from, 3); err != nil {
				t.Fatal(err)
			}
			if got := state(a); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("state %+v, want %+v", got, tt.want)
			}
		})
	}
}
