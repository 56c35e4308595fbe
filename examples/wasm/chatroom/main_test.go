package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func texts(messages []Message) string {
	var s []string
	for _, m := range messages {
		s = append(s, m.Text)
	}
	return strings.Join(s, " ")
}

func TestHistory(t *testing.T) {
	room := guesttest.New(t, "chatroom", guesttest.Options{Key: []string{"lobby"}})
	for i := range 12 {
		room.MustCall(nil, "post", "ann", fmt.Sprint(i+1))
	}
	tests := []struct {
		name string
		args []any
		want string
	}{
		{name: "newest", args: []any{3}, want: "10 11 12"},
		{name: "null is left out", args: []any{3, nil}, want: "10 11 12"},
		{name: "before", args: []any{3, 10}, want: "7 8 9"},
		{name: "start of the room", args: []any{3, 3}, want: "1 2"},
		{name: "before all", args: []any{3, -5}, want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []Message
			room.MustCall(&got, "history", tt.args...)
			if texts(got) != tt.want {
				t.Errorf("history%v = %q, want %q", tt.args, texts(got), tt.want)
			}
		})
	}
}

func TestSend(t *testing.T) {
	room := guesttest.New(t, "chatroom", guesttest.Options{})
	var m Message
	room.MustCall(&m, "post", "ann", "hello")
	if m.Number != 1 || m.User != "ann" || m.SentAt == 0 {
		t.Errorf("message %+v", m)
	}
	if e := room.Events(); len(e) != 1 || e[0].Name != "message" {
		t.Errorf("events %v", e)
	}
	for _, text := range []string{"", strings.Repeat("x", maxText+1)} {
		if err := room.Call(nil, "post", "ann", text); !errors.Is(err, guest.UserError("bad_text", "")) {
			t.Errorf("post of %d bytes: %v", len(text), err)
		}
	}
	room.MustCall(&m, "post", "bob", "again")
	if m.Number != 2 {
		t.Errorf("a refused message took a number: %+v", m)
	}
}
