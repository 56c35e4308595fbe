// Chatroom is a room for messages. The messages lie in the KV store, one item each, so that a turn
// costs the same however old the room is; the state holds only what must be counted.
package main

import (
	"fmt"
	"slices"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what a room keeps besides its messages.
type State struct {
	Last int `json:"last"` // number of the newest message
}

// Message is one message.
type Message struct {
	Number int    `json:"number"` // from 1, without gaps
	User   string `json:"user"`
	Text   string `json:"text"`
	SentAt int64  `json:"sentAt"` // milliseconds since 1970
}

const (
	maxText    = 4 << 10 // bytes of a message
	maxHistory = 100     // messages of one answer
)

var _ = guest.Actor("chatroom", guest.Def[State]{
	// Not "send": that is a method of Rivet's client, for queues.
	Actions: guest.Actions{
		"post":    guest.Action2(post),
		"history": guest.Action2(history),
	},
	Events: []string{"message"},
})

// post stores a message and shows it to everyone in the room.
func post(c *guest.Ctx[State], user, text string) (Message, error) {
	if user == "" {
		return Message{}, guest.UserError("no_name", "a message needs the name of who sends it")
	}
	if text == "" || len(text) > maxText {
		return Message{}, guest.UserError("bad_text", "a message has between 1 and 4096 bytes").With(map[string]int{"bytes": len(text)})
	}
	c.State.Last++
	m := Message{Number: c.State.Last, User: user, Text: text, SentAt: c.Now().UnixMilli()}
	if err := c.KV().PutJSON(key(m.Number), m); err != nil {
		return Message{}, err
	}
	return m, c.Broadcast("message", m)
}

// history returns at most limit messages, the newest of those before a number, oldest first.
// Without before they are the newest of all.
func history(c *guest.Ctx[State], limit int, before *int) ([]Message, error) {
	if limit < 1 || limit > maxHistory {
		return nil, guest.UserError("bad_limit", "limit is between 1 and 100")
	}
	r := guest.Range{Prefix: "message/", Reverse: true, Limit: limit}
	if before != nil {
		r.After = key(max(*before, 0))
	}
	messages := []Message{}
	for item, err := range c.KV().Scan(r) {
		if err != nil {
			return nil, err
		}
		var m Message
		if err := item.JSON(&m); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	slices.Reverse(messages)
	return messages, nil
}

// key is where a message lies. KV keys are in byte order, so numbers have leading zeros.
func key(number int) string { return fmt.Sprintf("message/%012d", number) }

func main() {}
