package main

import (
	"testing"

	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestDocument(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.MustCall(nil, "write", "one\n\ntwo")
	var text string
	if a.MustCall(&text, "read"); text != "one\n\ntwo" {
		t.Errorf("text %q", text)
	}
}

// What later versions leave is read, and what is written has no shape but the first.
func TestAfterLaterOnes(t *testing.T) {
	a := guesttest.New(t, "document", guesttest.Options{})
	a.SetState(map[string]any{"shape": 3, "title": "T", "text": "a", "paragraphs": []string{"a"}, "blocks": []any{}})
	var text string
	if a.MustCall(&text, "read"); text != "a" {
		t.Errorf("text %q", text)
	}
	a.MustCall(nil, "write", "b")
	var s map[string]any
	if a.State(&s); len(s) != 1 || s["text"] != "b" {
		t.Errorf("state %v", s)
	}
}
