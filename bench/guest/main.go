// Guest has the actors that bench measures beside the counter of the examples: a room, in which what it is told all
// hear, and a desk, at which an actor stores, asks others, sleeps and is woken. A turn of theirs costs what is
// measured and no more.
package main

import (
	"strconv"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

var _ = guest.Actor("room", guest.Def[struct{}]{
	Actions: guest.Actions{
		"say": guest.Do2(func(c *guest.Ctx[struct{}], number int, text string) error { return c.Broadcast("said", number, text) }),
		"nop": guest.Do0(func(*guest.Ctx[struct{}]) error { return nil }),
	},
	Events: []string{"said"},
})

// desk is how late the schedule was, in milliseconds; nil until it has run.
type desk struct {
	Late *int64 `json:"late,omitempty"`
}

type deskCtx = guest.Ctx[desk]

var _ = guest.Actor("desk", guest.Def[desk]{
	// Vars is true until the first action after a wake.
	Vars: func(*deskCtx) (any, error) { return &[]bool{true}[0], nil },
	Actions: guest.Actions{
		"put":    guest.Do(func(c *deskCtx, text string) error { return c.KV().PutText("item", text) }),
		"size":   guest.Action0(size),
		"get":    guest.Action0(func(c *deskCtx) (int, error) { return 1, nil }),
		"ask":    guest.Action(func(c *deskCtx, key string) (int, error) { return get(c, key) }),
		"fan":    guest.Action2(fan),
		"remind": guest.Do(remind),
		"ring":   guest.Do(ring),
		"late":   guest.Action0(late),
		"rest":   guest.Do0(func(c *deskCtx) error { return c.Sleep() }),
		"woken":  guest.Action0(woken),
	},
})

func size(c *deskCtx) (int, error) {
	text, _, err := c.KV().GetText("item")
	return len(text), err
}

func get(c *deskCtx, key string) (int, error) {
	return guest.Call[int](c, guest.To("desk", key).OrCreate(nil), "get")
}

// fan asks n desks and returns the sum of their answers.
func fan(c *deskCtx, key string, n int) (int, error) {
	sum := 0
	for i := range n {
		one, err := get(c, key+"-"+strconv.Itoa(i))
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// remind has ring called at a moment, in milliseconds since 1970.
func remind(c *deskCtx, due int64) error {
	_, err := c.Schedule().At(time.UnixMilli(due), "ring", due)
	return err
}

func ring(c *deskCtx, due int64) error {
	late := c.Now().UnixMilli() - due
	c.State.Late = &late
	return nil
}

// late is -1 while the schedule has not run.
func late(c *deskCtx) (int64, error) {
	if c.State.Late == nil {
		return -1, nil
	}
	return *c.State.Late, nil
}

// woken is 1 if nothing was asked since the desk woke.
func woken(c *deskCtx) (int, error) {
	first := guest.VarsOf[*bool](c)
	was := *first
	*first = false
	if was {
		return 1, nil
	}
	return 0, nil
}

func main() {}
