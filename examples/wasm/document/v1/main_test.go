package main

import (
	"errors"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestDocument(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "write", "one\n\ntwo")
	var text string
	if a.MustCall(&text, "read"); text != "one\n\ntwo" {
		t.Errorf("text %q", text)
	}
	var s State
	if a.State(&s); s.Shape != 1 || s.Oldest != 1 {
		t.Errorf("state %+v", s)
	}
}

// Taken back from version 2 it goes on with the text, and says that the state is its own now; from
// version 3, which does not write the text, it refuses to.
func TestBack(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.SetState(map[string]any{"shape": 2, "oldest": 1, "title": "T", "text": "a\n\nb", "paragraphs": []string{"a", "b"}})
	if err := a.Upgrade(2, 1); err != nil {
		t.Fatal(err)
	}
	var s State
	if a.State(&s); s != (State{1, 1, "a\n\nb"}) {
		t.Errorf("state %+v", s)
	}
	a.SetState(map[string]any{"shape": 3, "oldest": 2, "blocks": []string{}})
	if err := a.Upgrade(3, 1); !errors.Is(err, guest.UserError("too_new", "")) {
		t.Errorf("version 3 back to 1: %v", err)
	}
	if a.State(&s); s.Shape != 3 {
		t.Errorf("a refused change left %+v", s)
	}
}
