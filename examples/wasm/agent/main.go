// Agent is an AI agent that talks in many chats at once. A chat's memory is a row for each message in the
// KV store; the model is asked by a streamed task, so that no turn waits for it: the actor serves other
// chats between two tokens. Each part of the answer is a turn, durable before anybody sees it, and a tool
// begins in the turn that ends the model's answer: never twice, whenever the host dies.
//
// Use it where work waits for something slow and must not be lost. It costs one turn and one commit for each
// part of a stream, and all chats of one agent share its turns: give each group of users its own.
//
// Settings of the module: base_url, of an OpenAI-compatible server, which the namespace must grant; model;
// key, the name of the secret with the server's key, empty for none; system, the prompt; context, tokens of
// a prompt; budget, tokens of a chat in all.
package main

import (
	"fmt"
	"strconv"
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what an agent keeps besides its chats.
type State struct {
	Notes   int                            `json:"notes"`
	Skills  map[string]Skill               `json:"skills"`
	Readers map[string][]guest.OpenRequest `json:"readers"` // of each chat, over raw HTTP
}

// Chat is one conversation, in the KV item chat/<name>.
type Chat struct {
	Name    string `json:"name"`
	Last    int    `json:"last"`    // number of the newest message
	Spent   int    `json:"spent"`   // tokens
	Rounds  int    `json:"rounds"`  // that the model was asked for the last question
	Task    string `json:"task"`    // of the model's answer; empty means that it is not at work
	Pending int    `json:"pending"` // tools at work
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("agent", guest.Def[State]{
	Actions: guest.Actions{
		"ask":     guest.Action2(ask),
		"stop":    guest.Action(stop),
		"history": guest.Action(history),
		"teach":   guest.Do2(teach),
	},
	Events:  []string{"message", "token", "again", "failed"},
	Request: serve,
	Gone:    leave,
	Tasks:   guest.Tasks{"model": guest.Task(heard), "tool": guest.Task(worked)},
	Egress:  []string{"*"}, // base_url is a setting: what the namespace grants decides
	Uploads: true,
})

// ask takes a question and returns its number. The answer comes as events and to readers.
func ask(c *ctx, name, text string) (int, error) {
	if name == "" || len(name) > 100 || strings.ContainsAny(name, "/?") || text == "" {
		return 0, guest.UserError("invalid_question", "a question has a chat and a text")
	}
	chat, err := load(c, name)
	if err != nil {
		return 0, err
	}
	if chat.Task != "" || chat.Pending > 0 {
		return 0, guest.UserError("busy", "the last question has no answer yet")
	}
	if chat.Spent >= setting(c, "budget", 1_000_000) {
		return 0, guest.UserError("budget_spent", "the chat has used its tokens")
	}
	if err := add(c, chat, Message{Role: "user", Content: text}); err != nil {
		return 0, err
	}
	chat.Rounds = 0
	return chat.Last, think(c, chat)
}

// stop ends the model's answer and reports whether there was one. Tools go on.
func stop(c *ctx, name string) (bool, error) {
	chat, err := load(c, name)
	if err != nil || chat.Task == "" {
		return false, err
	}
	if _, err := c.CancelTask(chat.Task); err != nil {
		return false, err
	}
	return true, give(c, chat, "it was stopped")
}

// give ends the work on a question without an answer. The chat goes on with the next one.
func give(c *ctx, chat *Chat, why string) error {
	chat.Task = ""
	if err := c.KV().Delete("draft/" + chat.Name); err != nil {
		return err
	}
	if err := tell(c, chat.Name, "failed", why); err != nil {
		return err
	}
	return save(c, chat)
}

func load(c *ctx, name string) (*Chat, error) {
	chat := &Chat{Name: name}
	_, err := c.KV().GetJSON("chat/"+name, chat)
	return chat, err
}

func save(c *ctx, chat *Chat) error { return c.KV().PutJSON("chat/"+chat.Name, chat) }

// add appends a message to a chat, which the caller saves, and shows it.
func add(c *ctx, chat *Chat, m Message) error {
	chat.Last++
	if err := c.KV().PutJSON(fmt.Sprintf("message/%s/%08d", chat.Name, chat.Last), m); err != nil {
		return err
	}
	return tell(c, chat.Name, "message", m)
}

// history returns all messages of a chat.
func history(c *ctx, name string) ([]Message, error) {
	list := []Message{}
	for item, err := range c.KV().List("message/" + name + "/") {
		var m Message
		if err == nil {
			err = item.JSON(&m)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// setting returns a number among the module's settings.
func setting(c *ctx, name string, def int) int {
	if s, ok := c.Config(name); ok {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
	}
	return def
}

func main() {}
