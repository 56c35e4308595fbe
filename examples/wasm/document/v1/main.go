// Document v1 keeps a text. It is the first of three versions of one module, whose state changes its shape:
// v1 has a text, v2 a title and paragraphs, v3 blocks with kinds. Compare the three.
//
// Any of them may follow any other: an upload may be rolled back. The rules that make that safe:
//
//   - The state says in which shape it is, and the oldest version that can read it. A version refuses in
//     Upgrade what it cannot read; then the actor keeps the version that it has, and nothing is lost.
//   - A version goes on writing what the one before it reads (v2 writes v1's text, v3 v2's paragraphs), so
//     that there is a way back of one step. The step after may stop that.
//   - A version reads all older shapes, not only the last: an actor may have slept through one.
//   - What an older version has no place for lies in KV, where it stays while the older one runs.
//
// It costs some bytes twice and an Upgrade hook. If you never roll back, read the old shape and be done.
package main

import guest "github.com/vivarium-run/vivarium/guest-sdk"

// State is shape 1.
type State struct {
	Shape  int    `json:"shape"`
	Oldest int    `json:"oldest"` // the oldest shape whose version can read this
	Text   string `json:"text"`
}

const shape = 1

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Create:  func(*ctx) (State, error) { return State{Shape: shape, Oldest: shape}, nil },
	Upgrade: upgrade,
	Actions: guest.Actions{
		"write": guest.Do(func(c *ctx, text string) error { c.State.Text = text; return nil }),
		"read":  guest.Action0(func(c *ctx) (string, error) { return c.State.Text, nil }),
	},
})

// upgrade also runs when a newer version is taken back: then the state is one of the newer version.
func upgrade(c *ctx, _ guest.Upgrade) error {
	if c.State.Oldest > shape {
		return guest.UserError("too_new", "version 1 cannot read what a later version wrote")
	}
	c.State.Shape, c.State.Oldest = shape, shape
	return nil
}

func main() {}
