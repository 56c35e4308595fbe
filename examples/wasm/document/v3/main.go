// Document v3 keeps blocks, each with a kind. It gives up writing what version 1 reads: from here there is
// a way back to version 2 only. See v1 for the idea.
package main

import (
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Block is a part of a document.
type Block struct {
	Kind string `json:"kind"` // text, heading or code
	Text string `json:"text"`
}

// State is shape 3. Paragraphs is for version 2 and always says the same.
type State struct {
	Shape      int      `json:"shape"`
	Oldest     int      `json:"oldest"`
	Title      string   `json:"title"`
	Blocks     []Block  `json:"blocks"`
	Paragraphs []string `json:"paragraphs"`
	Text       string   `json:"text,omitempty"` // of version 1, read only
}

const shape, oldest = 3, 2

// Where the title lies while version 1 runs, and the blocks while version 2 does.
const titleKey, blocksKey = "title", "blocks"

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Create: func(*ctx) (State, error) {
		return State{Shape: shape, Oldest: oldest, Blocks: []Block{}, Paragraphs: []string{}}, nil
	},
	Upgrade:     upgrade,
	StateChange: mirror,
	Actions: guest.Actions{
		"write": guest.Do(func(c *ctx, text string) error { c.State.Blocks = blocks(split(text), nil); return nil }),
		"read":  guest.Action0(func(c *ctx) (string, error) { return strings.Join(c.State.Paragraphs, "\n\n"), nil }),
		"title": guest.Do(func(c *ctx, title string) error {
			c.State.Title = title
			return c.KV().PutText(titleKey, title)
		}),
		"mark":    guest.Do2(mark),
		"outline": guest.Action0(func(c *ctx) ([]Block, error) { return c.State.Blocks, nil }),
	},
})

// mark gives a block a kind.
func mark(c *ctx, i int, kind string) error {
	if i < 0 || i >= len(c.State.Blocks) {
		return guest.UserError("no_such_block", "there is no block of that number")
	}
	c.State.Blocks[i].Kind = kind
	return nil
}

func upgrade(c *ctx, _ guest.Upgrade) error {
	s := &c.State
	if s.Oldest > shape {
		return guest.UserError("too_new", "version 3 cannot read what a later version wrote")
	}
	if s.Shape < 2 { // an actor that slept while there was version 2
		s.Paragraphs, s.Text = split(s.Text), ""
		title, _, err := c.KV().GetText(titleKey)
		if err != nil {
			return err
		}
		s.Title = title
	}
	if s.Shape < shape { // perhaps not for the first time
		var before []Block
		if _, err := c.KV().GetJSON(blocksKey, &before); err != nil {
			return err
		}
		s.Blocks, s.Text = blocks(s.Paragraphs, before), ""
	}
	s.Shape, s.Oldest = shape, oldest
	return nil
}

// mirror writes what version 2 reads, and keeps what it has no place for.
func mirror(c *ctx) error {
	c.State.Paragraphs = make([]string, len(c.State.Blocks))
	for i, b := range c.State.Blocks {
		c.State.Paragraphs[i] = b.Text
	}
	return c.KV().PutJSON(blocksKey, c.State.Blocks)
}

// blocks makes paragraphs blocks. One that was a block before has its kind again.
func blocks(paragraphs []string, before []Block) []Block {
	kinds := map[string]string{}
	for _, b := range before {
		kinds[b.Text] = b.Kind
	}
	list := make([]Block, len(paragraphs))
	for i, p := range paragraphs {
		list[i] = Block{"text", p}
		if k := kinds[p]; k != "" {
			list[i].Kind = k
		}
	}
	return list
}

func split(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n\n")
}

func main() {}
