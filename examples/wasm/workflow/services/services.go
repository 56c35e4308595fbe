// Package services has an actor that stands for what a workflow has to do with: a warehouse, a bank, a
// carrier. It does each key once, which is what makes the workflow's effects exactly once, and takes keys
// back, also those that it has not seen: whoever undoes may not know whether the first call came.
package services

import (
	"errors"
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what a service keeps besides the keys, which lie in KV.
type State struct {
	Mood    string   `json:"mood"`    // fine, down or refusing
	Effects []string `json:"effects"` // what was done, in order
}

// What KV has for a key.
const (
	applied  = "applied"
	reverted = "reverted"
)

type ctx = guest.Ctx[State]

var _ = guest.Actor("service", guest.Def[State]{
	Create: func(*ctx) (State, error) { return State{Mood: "fine", Effects: []string{}}, nil },
	Actions: guest.Actions{
		"apply":   guest.Action2(apply),
		"revert":  guest.Do(revert),
		"mood":    guest.Do(func(c *ctx, mood string) error { c.State.Mood = mood; return nil }),
		"effects": guest.Action0(func(c *ctx) ([]string, error) { return c.State.Effects, nil }),
	},
})

// apply has its effect once for each key. what says which; the receipt is the same each time.
func apply(c *ctx, key, what string) (receipt string, err error) {
	done, _, err := c.KV().GetText("key/" + key)
	switch {
	case err != nil:
		return "", err
	case c.State.Mood == "down":
		return "", errors.New("out of order") // not for clients: try again
	case done == reverted:
		return "", guest.UserError("reverted", "this was taken back")
	case done == applied:
		return "receipt for " + what, nil
	case c.State.Mood == "refusing":
		return "", guest.UserError("refused", "no "+what)
	}
	c.State.Effects = append(c.State.Effects, what)
	return "receipt for " + what, c.KV().PutText("key/"+key, applied)
}

// revert takes back what apply did for a key, and sees to it that it is not done later.
func revert(c *ctx, key string) error {
	done, _, err := c.KV().GetText("key/" + key)
	switch {
	case err != nil:
		return err
	case c.State.Mood == "down":
		return errors.New("out of order")
	case done == reverted:
		return nil
	case done == applied:
		c.State.Effects = append(c.State.Effects, "undo "+key[strings.LastIndexByte(key, '/')+1:])
	}
	return c.KV().PutText("key/"+key, reverted)
}
