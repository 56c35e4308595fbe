// Document v2 keeps a title and paragraphs. See v1 for the idea.
package main

import (
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is shape 2.
type State struct {
	Shape      int      `json:"shape"`
	Title      string   `json:"title"`
	Paragraphs []string `json:"paragraphs"`

	Text string `json:"text,omitempty"` // of shape 1, between this version and version 1
}

const shape = 2

// titleKey is where the title lies while version 1 runs.
const titleKey = "title"

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Create:  func(*ctx) (State, error) { return State{Shape: shape, Paragraphs: []string{}}, nil },
	Upgrade: upgrade,
	// What this version writes has its shape, also if it came back from a later one and has not.
	StateChange: func(c *ctx) error { c.State.Shape = shape; return nil },
	Actions: guest.Actions{
		"write": guest.Do(func(c *ctx, text string) error { c.State.Paragraphs = split(text); return nil }),
		"read":  guest.Action0(func(c *ctx) (string, error) { return join(c.State.Paragraphs), nil }),
		"title": guest.Do(func(c *ctx, title string) error { c.State.Title = title; return nil }),
		"outline": guest.Action0(func(c *ctx) ([]string, error) {
			return append([]string{c.State.Title}, c.State.Paragraphs...), nil
		}),
	},
})

func upgrade(c *ctx, u guest.Upgrade) error {
	s := &c.State
	if u.To < u.From { // back
		s.Text = join(s.Paragraphs)
		return c.KV().PutText(titleKey, s.Title)
	}
	if s.Shape < 2 {
		s.Paragraphs = split(s.Text)
		title, _, err := c.KV().GetText(titleKey) // from the last time
		if err != nil {
			return err
		}
		s.Title = title
	}
	s.Text = ""
	return nil
}

func join(paragraphs []string) string { return strings.Join(paragraphs, "\n\n") }

func split(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n\n")
}

func main() {}
