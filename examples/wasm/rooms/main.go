// Rooms is the pattern "coordinator and data actors": a lobby that makes, lists and destroys rooms, and
// rooms that do the work. Clients ask the lobby once, and then talk to their room.
//
// Use it where actors of one kind are to be found and counted. The lobby is one actor and does one turn
// at a time, so keep what is frequent out of it: a message in a room is a turn of the room only, and
// the lobby learns of it by a send, later. Where one lobby is too slow take several, by region or by
// the first letter.
package main

import (
	"fmt"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Lobby is the lobby's state.
type Lobby struct {
	Last int `json:"last"` // number of the newest room
}

// Entry is what the lobby knows of a room.
type Entry struct {
	Room     string `json:"room"` // key of the actor "room"
	Title    string `json:"title"`
	ID       string `json:"id"` // of its actor
	Messages int    `json:"messages"`
}

// Room is a room's state.
type Room struct {
	Lobby    string `json:"lobby"` // id of its actor
	Messages int    `json:"messages"`
}

var _ = guest.Actor("lobby", guest.Def[Lobby]{
	Actions: guest.Actions{
		"create":  guest.Action(create),
		"list":    guest.Action2(list),
		"destroy": guest.Action(destroy),
		"spoken":  guest.Do2(spoken),
	},
	Events: []string{"created", "destroyed"},
})

var _ = guest.Actor("room", guest.Def[Room]{
	Key: []string{"room"},
	Create: func(c *guest.Ctx[Room]) (Room, error) {
		if c.Sender() == "" {
			return Room{}, guest.UserError("ask_the_lobby", "rooms are made by a lobby")
		}
		return Room{Lobby: c.Sender()}, nil
	},
	Actions: guest.Actions{"say": guest.Action2(say)},
	Events:  []string{"message"},
})

// create makes a room. The actor is there at once, and its entry with the commit. Should the turn fail in
// between, the next one takes the same number and finds the actor: that is why it is GetOrCreate.
func create(c *guest.Ctx[Lobby], title string) (Entry, error) {
	if title == "" || len(title) > 100 {
		return Entry{}, guest.UserError("bad_title", "a title has between 1 and 100 bytes")
	}
	c.State.Last++
	room := fmt.Sprintf("%s-%06d", c.ID(), c.State.Last) // of this lobby and no other
	info, err := c.GetOrCreate(guest.To("room", room), nil)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Room: room, Title: title, ID: info.ID}
	if err := c.KV().PutJSON("room/"+room, e); err != nil {
		return Entry{}, err
	}
	return e, c.Broadcast("created", e)
}

// list returns at most limit rooms, oldest first, those behind one if it is given. It asks no room: the
// lobby has what a list shows.
func list(c *guest.Ctx[Lobby], limit int, after *string) ([]Entry, error) {
	if limit < 1 || limit > 100 {
		return nil, guest.UserError("bad_limit", "limit is between 1 and 100")
	}
	r := guest.Range{Prefix: "room/", Limit: limit}
	if after != nil {
		r.After = "room/" + *after
	}
	entries := []Entry{}
	for item, err := range c.KV().Scan(r) {
		if err != nil {
			return nil, err
		}
		var e Entry
		if err := item.JSON(&e); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// destroy ends a room, and reports whether there was one. It may be repeated.
func destroy(c *guest.Ctx[Lobby], room string) (bool, error) {
	var e Entry
	ok, err := c.KV().GetJSON("room/"+room, &e)
	if err != nil || !ok {
		return false, err
	}
	if _, err := c.DestroyActor(guest.ToID(e.ID)); err != nil {
		return false, err
	}
	if err := c.KV().Delete("room/" + room); err != nil {
		return false, err
	}
	return true, c.Broadcast("destroyed", room)
}

// spoken is for rooms, which say how many messages they have.
func spoken(c *guest.Ctx[Lobby], room string, messages int) error {
	var e Entry
	ok, err := c.KV().GetJSON("room/"+room, &e)
	if err != nil || !ok || e.ID != c.Sender() { // it is destroyed, or somebody else
		return err
	}
	e.Messages = messages
	return c.KV().PutJSON("room/"+room, e)
}

// say stores a message and returns its number. The chatroom in ../chatroom is a room that does more.
func say(c *guest.Ctx[Room], user, text string) (int, error) {
	c.State.Messages++
	if err := c.KV().PutText(fmt.Sprintf("message/%012d", c.State.Messages), user+": "+text); err != nil {
		return 0, err
	}
	if err := c.Broadcast("message", user, text); err != nil {
		return 0, err
	}
	return c.State.Messages, c.Send(guest.ToID(c.State.Lobby), "spoken", c.Key()[0], c.State.Messages)
}

func main() {}
