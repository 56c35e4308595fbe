package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// leaver is the namespace that goes, with more actors than one batch has.
const (
	leaver       = tenants.ID("leaver")
	leaverActors = 130
)

// A namespace is deleted, with actors, a send that waits, a child and a module of its own. Once the mark is durable a
// restart goes on by itself; what there is of it is never found.
var removalScenario = scenario{
	name: "removal",
	prepare: func(c *crash) {
		c.make("script", "a")
		c.s.UploadBytes(leaver, uploadOptions("script", true), version(c.t, 2))
		id := c.s.Actor(leaver, "script", "0")
		c.s.MustDo(id, actorstest.S("kv_put", "k", "v"),
			actorstest.S("actor_create", abi.ActorSpec{Name: "script", Key: []string{"child"}, Child: true, Limits: &abi.ChildLimits{}}),
			actorstest.S("schedule_set", map[string]any{"after": 3_600_000_000, "action": "nop"}, ""))
		for i := 1; i < leaverActors; i++ {
			c.s.Actor(leaver, "script", fmt.Sprint(i))
		}
	},
	orders: func(c *crash) []order {
		return []order{{Kind: "remove", NS: leaver}, c.script("a", actorstest.S("append", "log", "x"))}
	},
	leaves: func(c *crash) string {
		if _, err := c.s.Registry.Namespace(leaver); err == nil {
			info, err := c.s.Host.Find(context.Background(), actorstest.Address(c.t, leaver, "script", "0"))
			if err != nil {
				return fmt.Sprintf("the namespace is there and its actor is not: %v", err)
			}
			c.s.MustDo(info.ID, actorstest.S("kv_get", "k"))
			return ""
		}
		return goneFor(c) // nobody asks again
	},
	check: func(c *crash) string {
		return first(goneFor(c), exactly("the turn elsewhere", c.marks("a", "log"), 1))
	},
}

// goneFor waits until the namespace is gone, and says what is left of it.
func goneFor(c *crash) string {
	kvtest.Eventually(c.t, "the namespace to be gone", func() bool {
		_, err := c.s.Host.Removal(context.Background(), leaver)
		return errors.Is(err, tenants.ErrForeign)
	})
	n, err := c.s.Store.Remains(context.Background(), string(leaver), 1)
	if n > 0 || err != nil {
		return fmt.Sprintf("rows are left, %v", err)
	}
	files, err := os.ReadDir(filepath.Join(c.dir, "modules"))
	if len(files) != 2 || err != nil {
		return fmt.Sprintf("%d module files are left, want 2, %v", len(files), err)
	}
	return ""
}
