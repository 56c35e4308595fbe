// Room is the guest in which bench measures broadcasts: what it is told, all hear. It keeps nothing, so that a turn
// costs a broadcast and no more.
package main

import guest "github.com/vivarium-run/vivarium/guest-sdk"

var _ = guest.Actor("room", guest.Def[struct{}]{
	Actions: guest.Actions{
		"say": guest.Do2(func(c *guest.Ctx[struct{}], number int, text string) error { return c.Broadcast("said", number, text) }),
		"nop": guest.Do0(func(*guest.Ctx[struct{}]) error { return nil }),
	},
	Events: []string{"said"},
})

func main() {}
