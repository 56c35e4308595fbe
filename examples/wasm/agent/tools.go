package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Skill is a tool that the agent was taught: an action of a child that runs an uploaded module.
type Skill struct {
	Name        string `json:"name"` // of the tool, and of the module
	Description string `json:"description"`
	Action      string `json:"action"`
	Child       string `json:"child"` // id
}

// Work is the tool call that a task does.
type Work struct {
	Chat string `json:"chat"`
	Call string `json:"call"` // id, as the model gave it
}

// tools describes all tools to the model.
func tools(c *ctx) []any {
	tool := func(name, description string) any {
		return map[string]any{"type": "function", "function": map[string]any{
			"name": name, "description": description,
			"parameters": map[string]any{
				"type": "object", "required": []string{"text"},
				"properties": map[string]any{"text": map[string]string{"type": "string"}},
			},
		}}
	}
	list := []any{
		tool("remember", "Keeps a note for later."),
		tool("search", "Finds notes that contain a text."),
		tool("order", "Orders what the text names."),
	}
	names := []string{}
	for name := range c.State.Skills {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, tool(name, c.State.Skills[name].Description))
	}
	return list
}

// use begins a tool. What it does to the agent itself is part of this turn. What takes time, or happens
// elsewhere, is a task, which may do its work twice after a restart: it hands on key, the same each time.
func use(c *ctx, chat *Chat, key string, call ToolCall) error {
	var args struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || args.Text == "" {
		return result(c, chat, call.ID, "error: the arguments are not an object with a text")
	}
	var work guest.Work
	switch name := call.Function.Name; name {
	case "remember":
		c.State.Notes++
		if err := c.KV().PutText(fmt.Sprintf("note/%08d", c.State.Notes), args.Text); err != nil {
			return err
		}
		return result(c, chat, call.ID, "kept")
	case "search":
		found, err := search(c, args.Text)
		if err != nil {
			return err
		}
		return result(c, chat, call.ID, found)
	case "order":
		work = guest.CallTask(guest.To("desk", chat.Name).OrCreate(nil), "order", key, args.Text)
	default:
		skill, ok := c.State.Skills[name]
		if !ok {
			return result(c, chat, call.ID, "error: there is no such tool")
		}
		work = guest.CallTask(guest.ToID(skill.Child), skill.Action, args.Text)
	}
	if _, err := c.Start("tool", work, Work{Chat: chat.Name, Call: call.ID}); err != nil {
		return result(c, chat, call.ID, "error: "+err.Error())
	}
	chat.Pending++
	return nil
}

// result adds a tool's result to a chat.
func result(c *ctx, chat *Chat, call, text string) error {
	return add(c, chat, Message{Role: "tool", Content: text, ToolCallID: call})
}

// worked takes the result of a tool that was a task.
func worked(c *ctx, w Work, r *guest.Result) error {
	chat, err := load(c, w.Chat)
	if err != nil {
		return err
	}
	var v json.RawMessage
	text := ""
	if err := r.Decode(&v); err != nil {
		text = "error: " + err.Error() // the model may know what to do
	} else if json.Unmarshal(v, &text) != nil {
		text = string(v)
	}
	if err := result(c, chat, w.Call, text); err != nil {
		return err
	}
	chat.Pending--
	return next(c, chat, true)
}

// search returns the notes that contain a text.
func search(c *ctx, text string) (string, error) {
	var found []string
	for item, err := range c.KV().List("note/") {
		if err != nil {
			return "", err
		}
		if strings.Contains(strings.ToLower(string(item.Value)), strings.ToLower(text)) {
			found = append(found, string(item.Value))
		}
	}
	if len(found) == 0 {
		return "nothing found", nil
	}
	return strings.Join(found, "\n"), nil
}

// teach gives the agent a tool: a plain module whose action takes a text. It runs as a child, which may
// compute and answer, and nothing else.
func teach(c *ctx, s Skill, wasm []byte) error {
	if _, err := c.UploadModule(s.Name, wasm, guest.UploadOptions{Input: "value"}); err != nil {
		return err
	}
	if old, ok := c.State.Skills[s.Name]; ok {
		if _, err := c.DestroyActor(guest.ToID(old.Child)); err != nil {
			return err
		}
	}
	child, err := c.CreateChild(guest.To(s.Name, c.ID()), nil, guest.Limits{
		TurnGas: 100_000_000, Gas: 10_000_000_000, Memory: 16 << 20, Stored: 1 << 20, Lifetime: 365 * 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	s.Child = child.ID
	if c.State.Skills == nil {
		c.State.Skills = map[string]Skill{}
	}
	c.State.Skills[s.Name] = s
	return nil
}

// Desk takes orders, and does each once, however often it is asked.
type Desk struct {
	Orders []string `json:"orders"`
}

var _ = guest.Actor("desk", guest.Def[Desk]{
	Actions: guest.Actions{
		"order": guest.Action2(func(c *guest.Ctx[Desk], key, item string) (string, error) {
			if done, ok, err := c.KV().GetText("done/" + key); ok || err != nil {
				return done, err
			}
			c.State.Orders = append(c.State.Orders, item)
			answer := fmt.Sprintf("order %d: %s", len(c.State.Orders), item)
			return answer, c.KV().PutText("done/"+key, answer)
		}),
		"orders": guest.Action0(func(c *guest.Ctx[Desk]) ([]string, error) { return c.State.Orders, nil }),
	},
})
