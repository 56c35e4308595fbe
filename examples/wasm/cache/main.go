// Cache keeps values for a time. Expiry is lazy: what has expired is not given out, from the very millisecond
// on. Its bytes go later, when a schedule sweeps, at most once a minute.
//
// Use it for sessions, one-time codes, answers of slow services: what may be computed again. It is one actor
// for each key or for each group of keys that belong together, never one for all: it does one turn at a time.
// Reading is a turn without a commit. Unlike a cache in memory it survives restarts, and costs a commit to
// write; for what may be lost at any time use Vars, which cost nothing.
package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State says when the next sweep is.
type State struct {
	Sweep string `json:"sweep"` // id of its schedule, empty for none
	At    int64  `json:"at"`    // its moment in milliseconds
}

// Item is what lies under "item/" and a key. Under "due/", its moment and the key lies nothing: that is the
// order in which items expire.
type Item struct {
	Until int64           `json:"until"` // milliseconds
	Value json.RawMessage `json:"value"`
}

const (
	sweepEvery = time.Minute
	sweepMost  = 1000 // items of a sweep
	maxTTL     = 30 * 24 * time.Hour
)

var _ = guest.Actor("cache", guest.Def[State]{
	Actions: guest.Actions{
		"get":    guest.Action(get),
		"put":    guest.Do3(put),
		"delete": guest.Do(drop),
		"sweep":  guest.Do0(sweep),
	},
})

// get returns a value, null if there is none.
func get(c *guest.Ctx[State], key string) (json.RawMessage, error) {
	var it Item
	ok, err := c.KV().GetJSON("item/"+key, &it)
	if err != nil || !ok || it.Until <= c.Now().UnixMilli() {
		return nil, err
	}
	return it.Value, nil
}

// put keeps a value for so many seconds.
func put(c *guest.Ctx[State], key string, value json.RawMessage, seconds int) error {
	ttl := time.Duration(seconds) * time.Second
	if key == "" || len(key) > 1000 || ttl <= 0 || ttl > maxTTL {
		return guest.UserError("bad_item", "a key has 1 to 1000 bytes, and a value is kept for a second to 30 days")
	}
	if err := drop(c, key); err != nil {
		return err
	}
	it := Item{c.Now().Add(ttl).UnixMilli(), value}
	if err := c.KV().PutJSON("item/"+key, it); err != nil {
		return err
	}
	if err := c.KV().Put(due(it.Until, key), nil); err != nil {
		return err
	}
	return plan(c, it.Until)
}

func due(ms int64, key string) string { return fmt.Sprintf("due/%015d/%s", ms, key) }

func drop(c *guest.Ctx[State], key string) error {
	var it Item
	if ok, err := c.KV().GetJSON("item/"+key, &it); err != nil || !ok {
		return err
	}
	return c.KV().DeleteBatch("item/"+key, due(it.Until, key))
}

// plan makes sure that there is a sweep soon after a moment. One whose moment has passed does not count: it
// may have failed, and is not tried again.
func plan(c *guest.Ctx[State], ms int64) error {
	ms = max(ms, c.Now().Add(sweepEvery).UnixMilli())
	if c.State.Sweep != "" && c.State.At <= ms && c.State.At > c.Now().UnixMilli() {
		return nil
	}
	if c.State.Sweep != "" {
		if _, err := c.Schedule().Cancel(c.State.Sweep); err != nil {
			return err
		}
	}
	id, err := c.Schedule().At(time.UnixMilli(ms), "sweep")
	c.State.Sweep, c.State.At = id, ms
	return err
}

// sweep deletes what has expired. What it leaves, because it is too much for one turn or not due, has the
// next one: an empty cache is never woken.
func sweep(c *guest.Ctx[State]) error {
	if f := c.Fire(); f == nil || f.ID != c.State.Sweep {
		return guest.UserError("not_for_clients", "the cache sweeps by itself")
	}
	c.State.Sweep = ""
	n := 0
	for row, err := range c.KV().Scan(guest.Range{Prefix: "due/", KeysOnly: true, Limit: sweepMost + 1}) {
		if err != nil {
			return err
		}
		moment, key, _ := strings.Cut(strings.TrimPrefix(row.Key, "due/"), "/")
		ms, err := strconv.ParseInt(moment, 10, 64)
		if err != nil {
			return err
		}
		if n++; ms > c.Now().UnixMilli() || n > sweepMost {
			return plan(c, ms)
		}
		if err := c.KV().DeleteBatch(row.Key, "item/"+key); err != nil {
			return err
		}
	}
	return nil
}

func main() {}
