// Document v2 keeps a title and paragraphs. See v1 for the idea.
package main

import (
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is shape 2. Text is for version 1 and always says the same.
type State struct {
	Shape      int      `json:"shape"`
	Oldest     int      `json:"oldest"`
	Title      string   `json:"title"`
	Paragraphs []string `json:"paragraphs"`
	Text       string   `json:"text"`
}

const shape, oldest = 2, 1

// titleKey is where the title lies while version 1 runs, which would drop it from the state.
const titleKey = "title"

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Create: func(*ctx) (State, error) {
		return State{Shape: shape, Oldest: oldest, Paragraphs: []string{}}, nil
	},
	Upgrade:     upgrade,
	StateChange: mirror,
	Actions: guest.Actions{
		"write": guest.Do(func(c *ctx, text string) error { c.State.Paragraphs = split(text); return nil }),
		"read":  guest.Action0(func(c *ctx) (string, error) { return c.State.Text, nil }),
		"title": guest.Do(func(c *ctx, title string) error {
			c.State.Title = title
			return c.KV().PutText(titleKey, title)
		}),
		"outline": guest.Action0(func(c *ctx) ([]string, error) {
			return append([]string{c.State.Title}, c.State.Paragraphs...), nil
		}),
	},
})

func upgrade(c *ctx, _ guest.Upgrade) error {
	s := &c.State
	switch {
	case s.Oldest > shape:
		return guest.UserError("too_new", "version 2 cannot read what a later version wrote")
	case s.Shape < shape: // from version 1, perhaps not for the first time
		s.Paragraphs = split(s.Text)
		title, _, err := c.KV().GetText(titleKey)
		if err != nil {
			return err
		}
		s.Title = title
	}
	// Back from version 3 title and paragraphs are there; its blocks end here.
	s.Shape, s.Oldest = shape, oldest
	return nil
}

// mirror writes what version 1 reads. As StateChange it runs at the end of each turn that changed something,
// Upgrade included.
func mirror(c *ctx) error {
	c.State.Text = strings.Join(c.State.Paragraphs, "\n\n")
	return nil
}

func split(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n\n")
}

func main() {}
