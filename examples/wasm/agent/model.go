package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Message is a message as the model's server knows it.
type Message struct {
	Role       string     `json:"role"` // system, user, assistant or tool
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

// ToolCall is the model's wish to use a tool.
type ToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Draft is an answer that is being written, in the KV item draft/<chat>.
type Draft struct {
	Status int        `json:"status"` // of HTTP
	Rest   string     `json:"rest"`   // of a line that has not ended
	Text   string     `json:"text"`
	Calls  []ToolCall `json:"calls"`
	Spent  int        `json:"spent"` // tokens, as the server says
	Error  string     `json:"error"`
}

const maxRounds = 10 // that a model may use tools for one question

// think asks the model to go on with a chat.
func think(c *ctx, chat *Chat) error {
	messages, err := prompt(c, chat)
	if err != nil {
		return err
	}
	base, ok := c.Config("base_url")
	if !ok {
		base = "https://api.openai.com/v1"
	}
	model, _ := c.Config("model")
	f := guest.Fetch{URL: base + "/chat/completions", Stream: true, Timeout: 50 * time.Second}
	if key, _ := c.Config("key"); key != "" {
		f.Secrets = map[string]string{"authorization": "Bearer {secret:" + key + "}"}
	}
	chat.Rounds++
	chat.Task, err = c.Start("model", f.WithJSON(map[string]any{
		"model": model, "messages": messages, "tools": tools(c), "stream": true,
		"stream_options": map[string]bool{"include_usage": true},
	}), chat.Name)
	if err != nil {
		return err
	}
	return save(c, chat)
}

// prompt returns the newest messages that fit, from a question on: the result of a tool means nothing
// without its call. The last question always fits.
func prompt(c *ctx, chat *Chat) ([]Message, error) {
	var list []Message
	room, kept := setting(c, "context", 8000), 0
	for item, err := range c.KV().Scan(guest.Range{Prefix: "message/" + chat.Name + "/", Reverse: true}) {
		var m Message
		if err == nil {
			err = item.JSON(&m)
		}
		if err != nil {
			return nil, err
		}
		if room -= len(item.Value) / 4; room < 0 && kept > 0 { // a token is about four bytes
			break
		}
		if list = append(list, m); m.Role == "user" {
			kept = len(list)
		}
	}
	list = list[:kept]
	if s, ok := c.Config("system"); ok {
		list = append(list, Message{Role: "system", Content: s})
	}
	slices.Reverse(list)
	return list, nil
}

// heard takes a part of the model's answer.
func heard(c *ctx, name string, r *guest.Result) error {
	chat, err := load(c, name)
	if err != nil {
		return err
	}
	part, err := r.Response()
	if err != nil {
		return give(c, chat, "the model cannot be reached: "+err.Error())
	}
	var d Draft
	if _, err := c.KV().GetJSON("draft/"+name, &d); err != nil {
		return err
	}
	if part.Status != 0 { // the first part: of a new answer, or of the same one after a restart
		if d.Text != "" {
			if err := tell(c, name, "again", d.Text); err != nil {
				return err
			}
		}
		d = Draft{Status: part.Status}
	}
	if text := d.read(string(part.Body), !r.More()); text != "" {
		if err := tell(c, name, "token", text); err != nil {
			return err
		}
	}
	if r.More() {
		return c.KV().PutJSON("draft/"+name, d)
	}
	return answered(c, chat, &d)
}

// answered ends the model's answer, or begins the tools that it wants.
func answered(c *ctx, chat *Chat, d *Draft) error {
	if d.Status != 200 || d.Error != "" {
		return give(c, chat, fmt.Sprintf("the model answers %d %s", d.Status, d.Error))
	}
	if err := c.KV().Delete("draft/" + chat.Name); err != nil {
		return err
	}
	id := chat.Task
	chat.Task = ""
	chat.Spent += d.Spent
	if err := add(c, chat, Message{Role: "assistant", Content: d.Text, ToolCalls: d.Calls}); err != nil {
		return err
	}
	for i, call := range d.Calls {
		if err := use(c, chat, fmt.Sprintf("%s/%d", id, i), call); err != nil {
			return err
		}
	}
	return next(c, chat, len(d.Calls) > 0)
}

// next asks the model again, once all its tools have answered.
func next(c *ctx, chat *Chat, tools bool) error {
	switch {
	case !tools || chat.Pending > 0:
		return save(c, chat)
	case chat.Rounds >= maxRounds:
		return give(c, chat, "the model uses tools without end")
	case chat.Spent >= setting(c, "budget", 1_000_000):
		return give(c, chat, "the chat has used its tokens")
	}
	if err := think(c, chat); err != nil {
		return give(c, chat, err.Error())
	}
	return nil
}

// chunk is one line of the stream.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content   string  `json:"content"`
			ToolCalls []piece `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Usage struct {
		Total int `json:"total_tokens"`
	} `json:"usage"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

// read goes on with an answer and returns its new text.
func (d *Draft) read(part string, last bool) string {
	before := len(d.Text)
	lines := strings.Split(d.Rest+part, "\n")
	if d.Rest = ""; !last {
		d.Rest = lines[len(lines)-1]
		lines = lines[:len(lines)-1]
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		data, ok := strings.CutPrefix(line, "data:")
		if data = strings.TrimSpace(data); data == "[DONE]" || line == "" || strings.HasPrefix(line, ":") {
			continue
		}
		var k chunk
		if d.Status != 200 || !ok || json.Unmarshal([]byte(data), &k) != nil {
			d.Error = clip(d.Error + line)
			continue
		}
		d.Error += k.Error.Message
		d.Spent += k.Usage.Total // in one chunk
		for _, choice := range k.Choices {
			d.Text += choice.Delta.Content
			for _, call := range choice.Delta.ToolCalls {
				d.call(call)
			}
		}
	}
	return d.Text[before:]
}

// piece is a part of a tool call: what has come before goes on.
type piece struct {
	Index int `json:"index"`
	ToolCall
}

const maxCalls = 32 // of one answer

func (d *Draft) call(p piece) {
	if p.Index < 0 || p.Index >= maxCalls {
		d.Error = "more tools at once than there may be"
		return
	}
	for len(d.Calls) <= p.Index {
		d.Calls = append(d.Calls, ToolCall{Type: "function"})
	}
	call := &d.Calls[p.Index]
	call.ID += p.ID
	call.Function.Name += p.Function.Name
	call.Function.Arguments += p.Function.Arguments
}

func clip(s string) string { return s[:min(len(s), 500)] }
