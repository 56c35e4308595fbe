package guesttest

import (
	"encoding/json"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// QueueSend sends a message to a queue as a client that waits, lets the actor take it, and decodes the
// completion into what result points to. The error is that of CanPublish or of the queue's handler,
// or [ErrOpen] if a later turn completes the message.
func (a *Actor) QueueSend(result any, queue string, body any) error {
	if _, ok := a.manifest.Queues[queue]; !ok {
		return &abi.Error{Code: abi.CodeQueueNotFound}
	}
	if err := a.hook(abi.HookPublish, &abi.Turn{Kind: abi.KindPublish, Name: queue, Caller: a.Caller}); err != nil {
		return err
	}
	p := &Pending{a: a, id: a.host.Expect()}
	m := memhost.Message{Queue: queue, Body: document(body)}
	m.Request, m.Subject = p.id, a.Caller
	if err := a.host.Enqueue(m); err != nil {
		return err
	}
	if err := a.Drain(); err != nil {
		return err
	}
	return p.Result(result)
}

// Drain lets the actor take the messages that wait in its queues, those that it sends meanwhile
// included. A batch that fails is tried abi.MaxAttempts times, and then is dead; the first such error
// is returned.
func (a *Actor) Drain() (first error) {
	for len(a.host.Queue) > 0 {
		name := a.host.Queue[0].Queue
		batch, rest := a.batch(name)
		var err error
		for attempt := 1; attempt <= abi.MaxAttempts; attempt++ {
			for i := range batch {
				batch[i].Attempt = attempt
			}
			a.host.Queue = rest
			if err = a.take(name, batch); err == nil {
				break
			}
		}
		for _, m := range batch {
			if err != nil {
				a.bury("queue", m.ID, name, m.Body, err)
			}
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// batch returns the messages of a queue's next turn, and the others.
func (a *Actor) batch(queue string) (batch, rest []memhost.Message) {
	most := max(1, a.manifest.Queues[queue].Batch)
	for _, m := range a.host.Queue {
		if m.Queue == queue && len(batch) < most {
			batch = append(batch, m)
		} else {
			rest = append(rest, m)
		}
	}
	return batch, rest
}

func (a *Actor) take(queue string, batch []memhost.Message) error {
	heads := make([]abi.QueueMessage, len(batch))
	bodies := make([]json.RawMessage, len(batch))
	for i, m := range batch {
		heads[i], bodies[i] = m.QueueMessage, m.Body
	}
	return a.turn(&abi.Turn{Kind: abi.KindQueue, Name: queue, Args: document(bodies), Head: document(heads)})
}
