// Jobs is a queue of work that may fail: letters for a mailbox, which may not be there yet. A message is
// durable before its sender is told, and taken out by the turn that does the work. If that turn fails, the
// message is tried again after 1, 4, 16 and 60 s, and then lies with the dead letters until somebody
// who has mended the cause drives them again.
//
// Use it for work that must not be lost and may be repeated. Messages come one by one, in order; one that
// failed steps aside and holds up nobody. A queue is one actor, so it does one message at a time: for more
// take more actors, or begin a task for each message (see ../fanout). A message costs two commits, its
// sending and its work.
package main

import (
	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Letter is the work.
type Letter struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// Receipt is the completion, for a sender that waits.
type Receipt struct {
	Number  int    `json:"number"`            // of the letter in its mailbox
	Refused string `json:"refused,omitempty"` // why it will never be delivered
	Attempt int    `json:"attempt"`
}

// Office is the state of a post office.
type Office struct {
	Delivered int `json:"delivered"`
}

var _ = guest.Actor("post", guest.Def[Office]{
	Queues: guest.Queues{"letters": guest.Queue(deliver)},
	Actions: guest.Actions{
		"write":     guest.Do2(write),
		"delivered": guest.Action0(func(c *guest.Ctx[Office]) (int, error) { return c.State.Delivered, nil }),
		"dead":      guest.Action0(func(c *guest.Ctx[Office]) ([]guest.DeadLetter, error) { return c.DeadLetters("") }),
		"redrive":   guest.Action0(redrive),
	},
})

// deliver does one message. An error means "try again": what will never succeed is an outcome, not an error.
//
// The mailbox keeps what it has got even if this turn fails afterwards, so a letter may come twice. It has
// the message's id with it, which is the same in each attempt.
func deliver(c *guest.Ctx[Office], m *guest.Message[Letter]) (Receipt, error) {
	if m.Body.Text == "" {
		return Receipt{Refused: "an empty letter", Attempt: m.Attempt}, nil
	}
	n, err := guest.Call[int](c, guest.To("mailbox", m.Body.To), "put", m.ID, m.Body.Text)
	if err != nil {
		return Receipt{}, err
	}
	c.State.Delivered++
	return Receipt{Number: n, Attempt: m.Attempt}, nil
}

// write sends the same letter to many. The messages are there if this turn succeeds: all of them, or none.
func write(c *guest.Ctx[Office], to []string, text string) error {
	for _, name := range to {
		if err := c.Enqueue("letters", Letter{To: name, Text: text}); err != nil {
			return err
		}
	}
	return nil
}

// redrive tries up to a page of dead letters again, and returns how many.
func redrive(c *guest.Ctx[Office]) (int, error) {
	dead, err := c.DeadLetters("")
	if err != nil {
		return 0, err
	}
	for _, d := range dead {
		if _, err := c.Redrive(d.ID); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// Mailbox is the state of a mailbox.
type Mailbox struct {
	Letters int `json:"letters"`
}

var _ = guest.Actor("mailbox", guest.Def[Mailbox]{
	Key: []string{"name"},
	Actions: guest.Actions{
		"put":     guest.Action2(put),
		"letters": guest.Action0(func(c *guest.Ctx[Mailbox]) (int, error) { return c.State.Letters, nil }),
	},
})

// put takes a letter, once for each id, and returns its number.
func put(c *guest.Ctx[Mailbox], id, text string) (n int, err error) {
	if known, err := c.KV().GetJSON("letter/"+id, &n); err != nil || known {
		return n, err
	}
	c.State.Letters++
	n = c.State.Letters
	c.Log().Infof("letter %d: %s", n, text)
	return n, c.KV().PutJSON("letter/"+id, n)
}

func main() {}
