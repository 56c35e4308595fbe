package main

import (
	"encoding/json"
	"errors"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestLobby(t *testing.T) {
	lobby := guesttest.New(t, "lobby", guesttest.Options{})
	var tea, chess Entry
	lobby.MustCall(&tea, "create", "Tea")
	lobby.MustCall(&chess, "create", "Chess")
	if err := lobby.Call(nil, "create", ""); !errors.Is(err, guest.UserError("bad_title", "")) {
		t.Errorf("a room without a title: %v", err)
	}
	others := lobby.Others()
	if len(others) != 2 || others[0].Name != "room" || others[0].Key[0] != tea.Room || others[0].ID != tea.ID {
		t.Fatalf("actors %+v", others)
	}

	lobby.Sender = "somebody else"
	lobby.MustCall(nil, "spoken", tea.Room, 1000)
	lobby.Sender = tea.ID
	lobby.MustCall(nil, "spoken", tea.Room, 7)
	lobby.Sender = ""
	var rooms []Entry
	lobby.MustCall(&rooms, "list", 1)
	if len(rooms) != 1 || rooms[0].Title != "Tea" || rooms[0].Messages != 7 {
		t.Errorf("list %+v", rooms)
	}
	lobby.MustCall(&rooms, "list", 10, tea.Room)
	if len(rooms) != 1 || rooms[0].Title != "Chess" {
		t.Errorf("the others %+v", rooms)
	}

	for _, want := range []bool{true, false} {
		var was bool
		lobby.MustCall(&was, "destroy", tea.Room)
		if was != want {
			t.Errorf("destroy = %v, want %v", was, want)
		}
	}
	lobby.Sender = tea.ID
	lobby.MustCall(nil, "spoken", tea.Room, 8) // it was on its way
	lobby.MustCall(&rooms, "list", 10)
	if len(rooms) != 1 || rooms[0].Title != "Chess" || !lobby.Others()[0].Destroyed {
		t.Errorf("after destroy: %+v", rooms)
	}
	if e := lobby.Events(); len(e) != 3 || e[2].Name != "destroyed" {
		t.Errorf("events %v", e)
	}
}

func TestRoom(t *testing.T) {
	if _, err := guesttest.Create(t, "room", guesttest.Options{Key: []string{"r"}}); !errors.Is(err, guest.UserError("ask_the_lobby", "")) {
		t.Errorf("a room made by a client: %v", err)
	}
	room := guesttest.New(t, "room", guesttest.Options{Key: []string{"r"}, Sender: "the lobby"})
	var n int
	room.MustCall(&n, "say", "ann", "hello")
	room.MustCall(&n, "say", "bob", "hi")
	if n != 2 || len(room.KV()) != 2 || len(room.Events()) != 2 {
		t.Errorf("%d messages, KV %v", n, room.KV())
	}
	sends := room.Sends()
	if len(sends) != 2 || sends[1].To.ID != "the lobby" || sends[1].Action != "spoken" || string(sends[1].Body) != `["r",2]` {
		b, _ := json.Marshal(sends)
		t.Errorf("sends %s", b)
	}
}
