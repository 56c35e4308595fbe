// Hostile does what a host must survive: it fails in every way, half-way through a turn, and asks
// for too much of everything. Tests drive it; nothing is to be learned from it.
//
// Every action whose name begins with "write" first marks the state and the KV store. After a turn
// that failed, peek must not find the mark.
package main

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// State is small unless a test makes it large.
type State struct {
	Mark string `json:"mark"`
	Note string `json:"note,omitempty"`
}

// Input makes the actor, or refuses to.
type Input struct {
	Mark string `json:"mark"`
	Fail string `json:"fail"` // "user", "hidden", "panic", "spin" or empty
}

type ctx = guest.Ctx[State]

// markKey is the item that mark writes.
const markKey = "mark"

var _ = guest.Actor("hostile", guest.Def[State]{
	Create: create,
	Actions: guest.Actions{
		"write":       guest.Do(mark),
		"peek":        guest.Action0(peek),
		"writeUser":   guest.Do(failing(func(*ctx) error { return errRefused })),
		"writeHidden": guest.Do(failing(func(*ctx) error { return errors.New("the secret is 42") })),
		"writeAbsent": guest.Do(failing(func(*ctx) error { return abi.Errorf(abi.CodeActorNotFound, "no such friend") })),
		"writePanic":  guest.Do(failing(func(*ctx) error { panic("hostile: on purpose") })),
		"writeNil":    guest.Do(failing(func(*ctx) error { return errors.New(nobody.State.Mark) })),
		"writeSpin":   guest.Do(failing(func(*ctx) error { spin(); return nil })),
		"writeExit":   guest.Do2(func(c *ctx, m string, code int) error { _ = mark(c, m); os.Exit(code); return nil }),
		"writeDelta":  guest.Do3(writeDelta),
		"writeEvents": guest.Do3(writeEvents),
		"writeState":  guest.Do2(writeState),
		"writeResult": guest.Action2(writeResult),
		"writeLoad":   guest.Do2(func(c *ctx, m string, size int) error { return errors.Join(mark(c, m), allocate(size)) }),

		"alloc":    guest.Do(func(_ *ctx, size int) error { return allocate(size) }),
		"recurse":  guest.Action(func(_ *ctx, depth int) (int, error) { return recurse(depth), nil }),
		"deadlock": guest.Do0(func(*ctx) error { select {} }),
		"calls":    guest.Action(calls),
		"log":      guest.Do2(logs),
		"print":    guest.Do2(prints),
		"sleep":    guest.Action(sleep),
		"memory":   guest.Action0(memory),
		"goexit":   guest.Do0(func(*ctx) error { runtime.Goexit(); return nil }),

		"put":         guest.Do2(func(c *ctx, key, value string) error { return c.KV().Put(key, []byte(value)) }),
		"get":         guest.Action(get),
		"delete":      guest.Do(func(c *ctx, key string) error { return c.KV().Delete(key) }),
		"fill":        guest.Do3(fill),
		"list":        guest.Action(list),
		"deleteRange": guest.Action(func(c *ctx, r guest.Range) (int, error) { return c.KV().DeleteRange(r) }),
		"broadcast":   guest.Do2(func(c *ctx, event string, args []any) error { return c.Broadcast(event, args...) }),

		"now":    guest.Action0(now),
		"random": guest.Action(func(c *ctx, n int) ([]byte, error) { return c.Random(n), nil }),
		"config": guest.Action(func(c *ctx, name string) (*string, error) { return config(c, name), nil }),
		"self":   guest.Action0(func(c *ctx) (*guest.Self, error) { return c.Self(), nil }),
		"caller": guest.Action0(func(c *ctx) (string, error) { return c.Caller(), nil }),
		"echo":   guest.Action(func(_ *ctx, v any) (any, error) { return v, nil }),

		"setVar":  guest.Do2(setVar),
		"getVar":  guest.Action(getVar),
		"entropy": guest.Action(entropy),
	},
})

// A second actor in the module, without state, Create or any shape of its own.
var _ = guest.Actor("bystander", guest.Def[struct{}]{
	Key: []string{"org", "room"},
	Actions: guest.Actions{
		"key": guest.Action0(func(c *guest.Ctx[struct{}]) ([]string, error) { return c.Key(), nil }),
	},
})

// nobody is there to be followed.
var nobody *ctx

var errRefused = guest.UserError("refused", "hostile refuses").With(map[string]int{"answer": 42})

func create(c *ctx, in Input) (State, error) {
	if err := mark(c, in.Mark); err != nil {
		return State{}, err
	}
	switch in.Fail {
	case "user":
		return State{}, errRefused
	case "hidden":
		return State{}, errors.New("the secret is 42")
	case "panic":
		panic("hostile: create")
	case "spin":
		spin()
	}
	return c.State, nil
}

// mark leaves m in the state and in the KV store.
func mark(c *ctx, m string) error {
	c.State.Mark = m
	return c.KV().Put(markKey, []byte(m))
}

// failing marks and then does f.
func failing(f func(c *ctx) error) func(c *ctx, m string) error {
	return func(c *ctx, m string) error {
		if err := mark(c, m); err != nil {
			return err
		}
		return f(c)
	}
}

// Marks is what peek finds.
type Marks struct {
	State string `json:"state"`
	KV    string `json:"kv"`
}

func peek(c *ctx) (Marks, error) {
	b, _, err := c.KV().Get(markKey)
	return Marks{State: c.State.Mark, KV: string(b)}, err
}

func memory(*ctx) (int, error) {
	turns++
	return turns, nil
}

// turns is guest memory that is no state: a failed turn keeps it, a new instance does not.
var turns int

func now(c *ctx) ([]int64, error) {
	return []int64{c.Now().UnixMilli(), time.Now().UnixMilli(), c.Now().UnixMilli()}, nil
}

func config(c *ctx, name string) *string {
	if v, ok := c.Config(name); ok {
		return &v
	}
	return nil
}

// text returns n bytes of text.
func text(n int) string { return strings.Repeat("x", max(n, 0)) }

func main() {}
