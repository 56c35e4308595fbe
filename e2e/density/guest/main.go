// Guest is the counter whose cost is measured. It counts in its state, and has as many KV items beside it as it is told.
package main

import (
	"fmt"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

type state struct {
	Count int `json:"count"`
}

var _ = guest.Actor("tally", guest.Def[state]{
	Actions: guest.Actions{
		"increment": guest.Action(func(c *guest.Ctx[state], by int) (int, error) {
			c.State.Count += by
			return c.State.Count, nil
		}),
		"get":  guest.Action0(func(c *guest.Ctx[state]) (int, error) { return c.State.Count, nil }),
		"fill": guest.Action2(fill),
	},
})

// fill writes the KV items of [from, to).
func fill(c *guest.Ctx[state], from, to int) (int, error) {
	for i := from; i < to; i++ {
		if err := c.KV().Put(fmt.Sprintf("item/%08d", i), []byte("a value of some length, as they are")); err != nil {
			return 0, err
		}
	}
	return to - from, nil
}

func main() {}
