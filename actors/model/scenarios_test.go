package model

import (
	"context"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

var scenarios = []scenario{
	actionScenario, failureScenario, callScenario, sendScenario, createScenario, childScenario, destroyScenario, endScenario, upgradeScenario,
	scheduleScenario, queueScenario, ownQueueScenario, timerScenario, taskScenario, removalScenario,
}

func uploadOptions(module string, live bool) actors.UploadOptions {
	return actors.UploadOptions{Module: module, Live: live}
}

// make makes actors of a name; their keys are how the scenario calls them.
func (c *crash) make(name string, keys ...string) {
	for _, key := range keys {
		c.actors[key] = c.s.Actor(tenants.Default, name, key)
	}
}

// script orders a script, with an idempotency key.
func (c *crash) script(key string, steps ...actorstest.Step) order {
	o := scriptOrder(&actor{id: c.actors[key]}, steps)
	o.NS, o.Once = tenants.Default, "once "+key
	return o
}

func (c *crash) to(key string) abi.Target { return abi.Target{ID: c.actors[key].String()} }

// item returns a KV item of an actor, empty if there is none.
func (c *crash) item(key, item string) string {
	v, err := c.s.Host.KVGet(context.Background(), c.actors[key], []byte(item))
	if err != nil && abi.CodeOf(err) != abi.CodeNotFound {
		c.t.Error(err)
	}
	return string(v)
}

// find returns the actor at an address of the scenario.
func (c *crash) find(name, key string) (tenants.ActorID, bool) {
	info, err := c.s.Host.Find(context.Background(), actorstest.Address(c.t, tenants.Default, name, key))
	if err != nil && abi.CodeOf(err) != abi.CodeActorNotFound {
		c.t.Error(err)
	}
	return info.ID, err == nil
}

// marks counts how often a word is in a KV item, to which the script appends it.
func (c *crash) marks(key, item string) int { return len(strings.Fields(c.item(key, item))) }

// exactly says what is wrong with how often something is done.
func exactly(what string, got, want int) string {
	switch {
	case got > want:
		return fmt.Sprintf("%s is done twice: %d times, want %d", what, got, want)
	case got < want:
		return fmt.Sprintf("%s is lost: done %d times, want %d", what, got, want)
	}
	return ""
}

// first returns the first of some complaints.
func first(complaints ...string) string {
	for _, c := range complaints {
		if c != "" {
			return c
		}
	}
	return ""
}

// whole says that some parts are done and others are not.
func whole(what string, parts ...bool) string {
	for _, p := range parts {
		if p != parts[0] {
			return fmt.Sprintf("%s is half done: %v", what, parts)
		}
	}
	return ""
}

// An action writes items, the state, and appends.
var actionScenario = scenario{
	name:    "action",
	prepare: func(c *crash) { c.make("script", "a") },
	orders: func(c *crash) []order {
		return []order{c.script("a", actorstest.S("append", "log", "x"), actorstest.S("state_set", "new"), actorstest.S("kv_put", "k", "v"))}
	},
	leaves: func(c *crash) string {
		_, state, _, err := c.s.Host.State(context.Background(), c.actors["a"])
		if err != nil {
			return err.Error()
		}
		return whole("the action", c.marks("a", "log") > 0, string(state) == "new", c.item("a", "k") == "v")
	},
	check: func(c *crash) string { return exactly("the action", c.marks("a", "log"), 1) },
}

// An action fails after it wrote, called and sent; the one behind it does not.
var failureScenario = scenario{
	name:    "failure",
	prepare: func(c *crash) { c.make("script", "a", "b") },
	orders: func(c *crash) []order {
		caller := c.script("b", actorstest.S("call", c.to("a"), "do", [][]actorstest.Step{{
			actorstest.S("append", "log", "x"), actorstest.S("send", c.to("b"), "do", [][]actorstest.Step{{actorstest.S("append", "log", "x")}}), actorstest.S("trap"),
		}}))
		return []order{caller}
	},
	check: func(c *crash) string {
		return first(exactly("what failed", c.marks("a", "log"), 0), exactly("the send of what failed", c.marks("b", "log"), 0))
	},
}

// An action calls another actor, and keeps what it answered.
var callScenario = scenario{
	name:    "call",
	prepare: func(c *crash) { c.make("script", "a", "b") },
	orders: func(c *crash) []order {
		return []order{c.script("a", actorstest.S("append", "log", "x"),
			actorstest.S("call", c.to("b"), "do", [][]actorstest.Step{{actorstest.S("kv_put", "called", "yes")}}))}
	},
	leaves: func(c *crash) string {
		if c.marks("a", "log") > 0 && c.item("b", "called") == "" {
			return "the call is lost, and its caller is done"
		}
		return ""
	},
	check: func(c *crash) string {
		return first(exactly("the caller", c.marks("a", "log"), 1), exactly("the call", c.marks("b", "called"), 1))
	},
}

// An action sends twice to one actor and once to another.
var sendScenario = scenario{
	name:    "send",
	prepare: func(c *crash) { c.make("script", "a", "b", "c") },
	orders: func(c *crash) []order {
		send := func(to, what string) actorstest.Step {
			return actorstest.S("send", c.to(to), "do", [][]actorstest.Step{{actorstest.S("append", "log", what)}})
		}
		return []order{c.script("a", actorstest.S("append", "log", "x"), send("b", "1"), send("b", "2"), send("c", "1"))}
	},
	leaves: func(c *crash) string {
		n := c.marks("a", "log")
		return first(exactly("a send", c.marks("b", "log"), 2*n), exactly("the other send", c.marks("c", "log"), n))
	},
	check: func(c *crash) string {
		if got := c.item("b", "log"); got == " 2 1" {
			return "the sends came in the wrong order"
		}
		return first(exactly("the sender", c.marks("a", "log"), 1), exactly("a send", c.marks("b", "log"), 2), exactly("the other send", c.marks("c", "log"), 1))
	},
}

// A client makes an actor, and another from a turn of it.
var createScenario = scenario{
	name:    "create",
	prepare: func(c *crash) { c.make("script", "a") },
	orders: func(c *crash) []order {
		k, _ := tenants.NewKey("new")
		return []order{
			{Kind: "create", NS: tenants.Default, Name: "hooked", Key: k},
			c.script("a", actorstest.S("append", "log", "x"), actorstest.S("actor_create", abi.ActorSpec{Name: "hooked", Key: []string{"made"}, Get: true}, "")),
		}
	},
	leaves: func(c *crash) string {
		return first(c.bornWhole("new"), c.bornWhole("made"))
	},
	check: func(c *crash) string {
		_, fresh := c.find("hooked", "new")
		_, made := c.find("hooked", "made")
		if !fresh || !made {
			return fmt.Sprintf("a creation is lost: %t, %t", fresh, made)
		}
		return first(exactly("the turn that makes one", c.marks("a", "log"), 1), c.bornWhole("new"), c.bornWhole("made"))
	},
}

// bornWhole says whether an actor is there without what the turn wrote that made it.
func (c *crash) bornWhole(key string) string {
	id, ok := c.find("hooked", key)
	if !ok {
		return ""
	}
	c.actors[key] = id
	return whole("the creation of "+key, true, c.item(key, "seen/000001") != "")
}

// An action makes a child, and another has it end with its parent.
var childScenario = scenario{
	name:    "children",
	prepare: func(c *crash) { c.make("script", "a") },
	orders: func(c *crash) []order {
		s := abi.ActorSpec{Name: "script", Key: []string{"child"}, Get: true, Child: true}
		end := order{Kind: "destroy", NS: tenants.Default, ID: c.actors["a"].String(), Ends: true}
		return []order{c.script("a", actorstest.S("actor_create", s, "")), end}
	},
	leaves: func(c *crash) string {
		_, parent := c.find("script", "a")
		if _, child := c.find("script", "child"); child && !parent {
			return "the child is there and its parent is not"
		}
		return ""
	},
	check: func(c *crash) string {
		_, parent := c.find("script", "a")
		_, child := c.find("script", "child")
		return whole("the destruction of parent and child", false, parent, child)
	},
}

// An actor ends that has data, and sends that are not delivered.
var destroyScenario = scenario{
	name: "destroy",
	prepare: func(c *crash) {
		c.make("script", "a", "b")
		c.s.MustDo(c.actors["a"], actorstest.S("kv_put", "k", "v"), actorstest.S("state_set", "s"))
	},
	orders: func(c *crash) []order {
		return []order{
			c.script("a", actorstest.S("append", "log", "x"), actorstest.S("send", c.to("b"), "do", [][]actorstest.Step{{actorstest.S("append", "log", "1")}}),
				actorstest.S("send", c.to("b"), "do", [][]actorstest.Step{{actorstest.S("append", "log", "2")}})),
			{Kind: "destroy", NS: tenants.Default, ID: c.actors["a"].String(), Ends: true},
		}
	},
	leaves: func(c *crash) string {
		_, there := c.find("script", "a")
		rows := 0
		for range c.s.Store.Scan(context.Background(), c.actors["a"].Space(), kv.Range{}) {
			rows++
		}
		if there {
			return whole("the destruction", c.item("a", "k") == "v", rows > 2)
		}
		return exactly("the data of the actor that is no more", rows, 0)
	},
	check: func(c *crash) string {
		_, there := c.find("script", "a")
		return first(whole("the destruction", false, there), exactly("a send of the actor that is no more", c.marks("b", "log"), 2))
	},
}

// An actor ends itself, and sends that it does.
var endScenario = scenario{
	name:    "end of itself",
	prepare: func(c *crash) { c.make("script", "a", "b") },
	orders: func(c *crash) []order {
		o := c.script("a", actorstest.S("send", c.to("b"), "do", [][]actorstest.Step{{actorstest.S("append", "log", "1")}}), actorstest.S("destroy"))
		o.Ends = true
		return []order{o}
	},
	leaves: func(c *crash) string {
		_, there := c.find("script", "a")
		return whole("the end of an actor", !there, c.marks("b", "log") == 1)
	},
	check: func(c *crash) string {
		_, there := c.find("script", "a")
		return first(whole("the end of an actor", false, there), exactly("its send", c.marks("b", "log"), 1))
	},
}

// A version becomes live for an actor that is asleep, with a hook that moves its data.
var upgradeScenario = scenario{
	name: "upgrade",
	prepare: func(c *crash) {
		c.make("hooked", "a")
		c.s.MustDo(c.actors["a"], actorstest.S("kv_put", fmt.Sprintf("on/%d", abi.KindUpgrade), actorstest.Script(actorstest.S("append", "moved", "x"))))
		if _, err := c.s.Registry.SetLive(context.Background(), tenants.Default, "script", 2); err != nil {
			c.t.Fatal(err)
		}
	},
	orders: func(c *crash) []order { return []order{c.script("a", actorstest.S("append", "log", "x"))} },
	leaves: func(c *crash) string {
		info, err := c.s.Host.Get(context.Background(), c.actors["a"])
		if err != nil {
			return err.Error()
		}
		return first(whole("the upgrade", info.Version == 2, c.marks("a", "moved") == 1), atMost("the action", c.marks("a", "log"), c.marks("a", "moved")))
	},
	check: func(c *crash) string {
		return first(exactly("the upgrade", c.marks("a", "moved"), 1), exactly("the action", c.marks("a", "log"), 1))
	},
}

func atMost(what string, got, most int) string {
	if got > most {
		return exactly(what, got, most)
	}
	return ""
}
