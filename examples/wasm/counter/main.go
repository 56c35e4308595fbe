// Counter counts. Each actor of it has one number, kept in its state and announced to whoever is
// connected when it changes.
package main

import guest "github.com/vivarium-run/vivarium/guest-sdk"

// State is what a counter keeps.
type State struct {
	Count int `json:"count"`
}

// Input is what a counter may be created with.
type Input struct {
	Start int `json:"start"`
}

var _ = guest.Actor("counter", guest.Def[State]{
	Create: guest.Create(func(c *guest.Ctx[State], in Input) (State, error) { return State{Count: in.Start}, nil }),
	Actions: guest.Actions{
		"increment": guest.Action(increment),
		"get":       guest.Action0(func(c *guest.Ctx[State]) (int, error) { return c.State.Count, nil }),
		"nop":       guest.Do0(func(c *guest.Ctx[State]) error { return nil }),
		"fail":      guest.Do0(fail),
	},
	Events: []string{"count"},
})

func increment(c *guest.Ctx[State], by int) (int, error) {
	c.State.Count += by
	return c.State.Count, c.Broadcast("count", c.State.Count)
}

// fail shows that an action that returns an error leaves nothing behind.
func fail(c *guest.Ctx[State]) error {
	c.State.Count = -1
	if err := c.KV().Put("trace", []byte("never stored")); err != nil {
		return err
	}
	return guest.UserError("refused", "this action always fails").With(map[string]any{"count": c.State.Count})
}

func main() {}
