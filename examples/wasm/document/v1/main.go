// Document v1 keeps a text. It is the first of three versions of one module whose state changes its shape:
// v1 has a text, v2 a title and paragraphs, v3 blocks with kinds. Compare the three. The first knows nothing
// of what comes.
//
// Versions are numbered by their uploads, and any may follow any other, since an upload may be rolled back.
// The hook Upgrade runs in the newer code of both, the one that knows both shapes:
//
//   - Forward it reads all older shapes, not only the last: an actor may have slept through one. The state
//     says which shape it is. Numbers of versions do not: two of them may have one shape.
//   - Back it adds what older versions read, and leaves the rest as it is. What an older one has no place for
//     it puts into KV, where it stays while the older one runs, and is found again on the way forward.
//   - If it cannot, it returns an error: the actor keeps the version that it has, and nothing is lost.
//
// It costs one turn when an actor changes its version, and nothing otherwise.
package main

import guest "github.com/vivarium-run/vivarium/guest-sdk"

// State is shape 1, which does not say so.
type State struct {
	Text string `json:"text"`
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("document", guest.Def[State]{
	Actions: guest.Actions{
		"write": guest.Do(func(c *ctx, text string) error { c.State.Text = text; return nil }),
		"read":  guest.Action0(func(c *ctx) (string, error) { return c.State.Text, nil }),
	},
})

func main() {}
