// Reminder does things later: once after a while, or again and again at a time of day. A schedule is a durable
// row of its actor and calls an action of it: the actor may sleep, and the host may restart, in between. What is
// overdue then runs at once.
//
// Use it for whatever has its moment: reminders, trials that end, sessions that expire, nightly work. Nothing
// is in memory until then, whether it is ten schedules or ten million; each run is a turn. What a run
// does is there exactly once. A run that fails is noted in the history; one of "once" is not tried again: for
// work that must be retried put a message into a queue (see ../jobs), in the action that the schedule calls.
package main

import (
	"fmt"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is empty: schedules are the host's, and what has rung is in the KV store.
type State struct{}

// Ring is a reminder that has rung.
type Ring struct {
	Text string    `json:"text"`
	At   time.Time `json:"at"`
	Run  int       `json:"run"` // of its schedule, from 1
}

var _ = guest.Actor("reminders", guest.Def[State]{
	Key: []string{"user"},
	Actions: guest.Actions{
		"remind":  guest.Action2(remind),
		"daily":   guest.Do3(daily),
		"cancel":  guest.Action(func(c *guest.Ctx[State], id string) (bool, error) { return c.Schedule().Cancel(id) }),
		"list":    guest.Action0(func(c *guest.Ctx[State]) ([]guest.ScheduleInfo, error) { return c.Schedule().List() }),
		"history": guest.Action(func(c *guest.Ctx[State], id string) ([]guest.Run, error) { return c.Schedule().Runs(id) }),
		"rung":    guest.Action0(rung),
		"ring":    guest.Do(ring),
	},
	Events:  []string{"ring"},
	Options: guest.Options{SleepTimeout: 5 * time.Second},
})

// remind rings once, after so many minutes. It returns the id, for cancel and history.
func remind(c *guest.Ctx[State], minutes int, text string) (string, error) {
	return c.Schedule().After(time.Duration(minutes)*time.Minute, "ring", text)
}

// daily rings at a time of day, such as "07:30", in a time zone, such as "Europe/Berlin": also across the
// change to summer time. Its name is for cancel and history; the same name again replaces it.
func daily(c *guest.Ctx[State], name, at, zone string) error {
	t, err := time.Parse("15:04", at)
	if err != nil {
		return guest.UserError("bad_time", "a time of day looks like 07:30")
	}
	return c.Schedule().Cron(name, fmt.Sprintf("TZ=%s %d %d * * *", zone, t.Minute(), t.Hour()), "ring", name)
}

// ring is what the schedules call. It is an action like others, so a client could, too.
func ring(c *guest.Ctx[State], text string) error {
	fire := c.Fire()
	if fire == nil {
		return guest.UserError("not_for_clients", "only schedules ring")
	}
	r := Ring{Text: text, At: c.Now(), Run: fire.Run}
	if err := c.KV().PutJSON(fmt.Sprintf("rung/%015d/%s", c.Now().UnixMilli(), fire.ID), r); err != nil {
		return err
	}
	return c.Broadcast("ring", r)
}

// rung returns the last 20 reminders that have rung, newest first.
func rung(c *guest.Ctx[State]) ([]Ring, error) {
	rings := []Ring{}
	for item, err := range c.KV().Scan(guest.Range{Prefix: "rung/", Reverse: true, Limit: 20}) {
		if err != nil {
			return nil, err
		}
		var r Ring
		if err := item.JSON(&r); err != nil {
			return nil, err
		}
		rings = append(rings, r)
	}
	return rings, nil
}

func main() {}
