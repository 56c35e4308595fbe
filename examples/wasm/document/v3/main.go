// Document v3 keeps blocks, each with a kind. See v1 for the idea.
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

// State is shape 3.
type State struct {
	Shape  int     `json:"shape"`
	Title  string  `json:"title"`
	Blocks []Block `json:"blocks"`

	// Of shapes 2 and 1, between this version and an older one.
	Paragraphs []string `json:"paragraphs,omitempty"`
	Text       string   `json:"text,omitempty"`
}

const shape = 3

// Where the title lies while version 1 runs, and the blocks while version 2 or 1 does.
const titleKey, blocksKey = "title", "blocks"

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Create:      func(*ctx) (State, error) { return State{Shape: shape, Blocks: []Block{}}, nil },
	Upgrade:     upgrade,
	StateChange: func(c *ctx) error { c.State.Shape = shape; return nil },
	Actions: guest.Actions{
		"write":   guest.Do(func(c *ctx, text string) error { c.State.Blocks = blocks(split(text), nil); return nil }),
		"read":    guest.Action0(func(c *ctx) (string, error) { return join(texts(c.State.Blocks)), nil }),
		"title":   guest.Do(func(c *ctx, title string) error { c.State.Title = title; return nil }),
		"add":     guest.Do(func(c *ctx, b Block) error { c.State.Blocks = append(c.State.Blocks, b); return nil }),
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

func upgrade(c *ctx, u guest.Upgrade) error {
	if u.To < u.From {
		return back(c)
	}
	s := &c.State
	if s.Shape < 2 { // it slept while there was version 2, or there never was
		s.Paragraphs = split(s.Text)
		title, _, err := c.KV().GetText(titleKey)
		if err != nil {
			return err
		}
		s.Title = title
	}
	if s.Shape < 3 {
		var before []Block // from the last time
		if _, err := c.KV().GetJSON(blocksKey, &before); err != nil {
			return err
		}
		s.Blocks = blocks(s.Paragraphs, before)
	}
	s.Paragraphs, s.Text = nil, ""
	return nil
}

// back leaves what versions 2 and 1 read, and puts away what they would drop.
func back(c *ctx) error {
	s := &c.State
	for _, b := range s.Blocks {
		if strings.Contains(b.Text, "\n\n") {
			return guest.UserError("cannot_go_back", "a block has empty lines, which older versions take for its end")
		}
	}
	s.Paragraphs = texts(s.Blocks)
	s.Text = join(s.Paragraphs)
	if err := c.KV().PutJSON(blocksKey, s.Blocks); err != nil {
		return err
	}
	return c.KV().PutText(titleKey, s.Title)
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

func texts(blocks []Block) []string {
	list := make([]string, len(blocks))
	for i, b := range blocks {
		list[i] = b.Text
	}
	return list
}

func join(paragraphs []string) string { return strings.Join(paragraphs, "\n\n") }

func split(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n\n")
}

func main() {}
