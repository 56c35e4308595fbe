package model

import (
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// equip has actors write down, in the item log, each message of a queue and each outcome of a task.
func (c *crash) equip(keys ...string) {
	for _, key := range keys {
		for _, on := range []string{onQueue, onTask} {
			c.s.MustDo(c.actors[key], actorstest.S("kv_put", on, actorstest.Script(actorstest.S("append", "log", "x"))))
		}
	}
}

// laterScenario is one in which an action of a begins what is done once, later, on an actor.
func laterScenario(name, on string, begin func(c *crash) actorstest.Step) scenario {
	return scenario{
		name: name,
		prepare: func(c *crash) {
			c.make("script", "a", "b")
			c.equip("a", "b")
		},
		orders: func(c *crash) []order {
			return []order{c.script("a", actorstest.S("append", "begun", "x"), begin(c))}
		},
		leaves: func(c *crash) string { return exactly("the "+name, c.marks(on, "log"), c.marks("a", "begun")) },
		check: func(c *crash) string {
			return first(exactly("the action", c.marks("a", "begun"), 1), exactly("the "+name, c.marks(on, "log"), 1))
		},
	}
}

var (
	scheduleScenario = laterScenario("schedule", "a", func(*crash) actorstest.Step {
		return actorstest.S("schedule_set", abi.Schedule{Action: "do", After: 5000}, [][]actorstest.Step{{actorstest.S("append", "log", "x")}})
	})
	queueScenario = laterScenario("queue", "b", func(c *crash) actorstest.Step {
		return actorstest.S("queue_send", c.to("b"), "jobs", `"x"`)
	})
	ownQueueScenario = laterScenario("queue of one's own", "a", func(*crash) actorstest.Step {
		return actorstest.S("queue_send", "", "jobs", `"x"`)
	})
	timerScenario = laterScenario("timer", "a", func(*crash) actorstest.Step {
		return actorstest.S("task_timer", 5000, "x")
	})
	taskScenario = laterScenario("task", "a", func(c *crash) actorstest.Step {
		return actorstest.S("task_call", c.to("b"), "nop", "[]", "x")
	})
)
