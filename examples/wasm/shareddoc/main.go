// Shareddoc is a text that many edit at once, also offline. Clients keep a copy (package rga), type into it
// at once, and sync: they send what they did and get what they have not seen, in one action. The actor is
// the meeting point and the store; merging is a union of sets, so nobody waits, and nothing is refused
// because it is late.
//
// Use it where people must not wait for each other. It costs two KV items for each character ever typed;
// a sync costs what is new, however long the text is. If the last writer may win, a plain state is cheaper.
package main

import (
	"fmt"
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"

	"github.com/vivarium-run/vivarium/examples/wasm/shareddoc/rga"
)

// State counts the operations. They lie in KV: log/<number>, and key/<key> with the number.
type State struct {
	Last int `json:"last"`
}

// News is what a client has not seen. It asks again from Last on while there is More.
type News struct {
	Last int      `json:"last"`
	Ops  []rga.Op `json:"ops"`
	More bool     `json:"more"`
}

const maxOps = 500 // of one sync, each way

type ctx = guest.Ctx[State]

var _ = guest.Actor("shareddoc", guest.Def[State]{
	Actions: guest.Actions{
		"sync": guest.Action2(sync),
		"text": guest.Action0(text),
	},
	Events: []string{"ops"}, // first number, list of operations
})

// sync takes a client's operations and returns those after number since. It may be repeated when its
// answer was lost.
func sync(c *ctx, since int, ops []rga.Op) (News, error) {
	if len(ops) > maxOps {
		return News{}, guest.UserError("too_many", "a sync has at most 500 operations")
	}
	first, fresh := c.State.Last+1, []rga.Op{}
	for _, o := range ops {
		added, err := add(c, o)
		if err != nil {
			return News{}, err
		}
		if added {
			fresh = append(fresh, o)
		}
	}
	if len(fresh) > 0 {
		if err := c.Broadcast("ops", first, fresh); err != nil {
			return News{}, err
		}
	}
	return after(c, since, maxOps)
}

// add stores an operation and reports whether it is new.
func add(c *ctx, o rga.Op) (bool, error) {
	if err := o.Check(); err != nil {
		return false, guest.UserError("bad_operation", err.Error())
	}
	// Whoever could write under another's site could take ids that the other will use.
	if who := c.Caller(); !o.Delete && who != "" && o.ID.Site != who && !strings.HasPrefix(o.ID.Site, who+"/") {
		return false, guest.UserError("not_yours", "the site of an insertion is the client's subject, or begins with it and a slash")
	}
	n, known, err := c.KV().GetText("key/" + o.Key())
	if err != nil {
		return false, err
	}
	if known {
		return false, same(c, n, o)
	}
	c.State.Last++
	n = fmt.Sprintf("%012d", c.State.Last)
	if err := c.KV().PutJSON("log/"+n, o); err != nil {
		return false, err
	}
	return true, c.KV().PutText("key/"+o.Key(), n)
}

// same refuses an id that its author used twice: copies would differ for ever.
func same(c *ctx, n string, o rga.Op) error {
	var old rga.Op
	if _, err := c.KV().GetJSON("log/"+n, &old); err != nil {
		return err
	}
	if old != o {
		return guest.UserError("id_taken", "there is another operation "+o.Key())
	}
	return nil
}

// after returns at most limit operations after a number.
func after(c *ctx, since, limit int) (News, error) {
	if since < 0 || since > c.State.Last { // a number of another document that was destroyed
		since = 0
	}
	news := News{Last: since, Ops: []rga.Op{}}
	for item, err := range c.KV().Scan(guest.Range{Prefix: "log/", After: fmt.Sprintf("log/%012d", news.Last), Limit: limit}) {
		if err != nil {
			return News{}, err
		}
		var o rga.Op
		if err := item.JSON(&o); err != nil {
			return News{}, err
		}
		news.Ops = append(news.Ops, o)
		news.Last++
	}
	news.More = news.Last < c.State.Last
	return news, nil
}

// text returns the text, for those who keep no copy. It reads everything.
func text(c *ctx) (string, error) {
	all, err := after(c, 0, 0)
	if err != nil {
		return "", err
	}
	var d rga.Doc
	for _, o := range all.Ops {
		d.Add(o)
	}
	return d.Text(), nil
}

func main() {}
