package guest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Queues are an actor's queues by name. A message is durable before its sender is told, and is taken
// out by a turn that succeeds. One whose turn fails is tried again, abi.MaxAttempts times in all, and
// then becomes a dead letter.
type Queues map[string]QueueHandler

// QueueHandler takes the messages of one queue; [Queue] and its siblings make it.
type QueueHandler interface {
	// bindQueue puts an actor's *Ctx into the handler, or reports that it is written for another.
	bindQueue(c any) (boundQueue, bool)
}

// Message is one message of a queue.
type Message[T any] struct {
	ID      string // the same for each attempt
	Body    T
	Sent    time.Time
	Attempt int    // from 1
	Sender  string // id of the actor that sent it, empty for a client
	Subject string // verified identity of the client that sent it

	env     *env
	request OpenRequest
	done    bool // it has a completion, or will have one in a later turn
}

// Complete tells a sender that waits what came of the message. Without it the sender is told that
// the message is done.
func (m *Message[T]) Complete(v any) error {
	m.done = true
	return m.env.Reply(m.request, v)
}

// KeepOpen lets a later turn complete the message, with Reply. The message itself is done.
func (m *Message[T]) KeepOpen() OpenRequest {
	m.done = true
	m.env.open = m.env.open || m.request != 0
	return m.request
}

// Queue makes a queue whose messages come one by one. What f returns is the message's completion.
func Queue[S, T, R any](f func(c *Ctx[S], m *Message[T]) (R, error)) QueueHandler {
	return &queue[S]{body: reflect.TypeFor[T](), result: reflect.TypeFor[R](), run: func(c *Ctx[S], ms *messages) error {
		return eachMessage(ms, func(m *Message[T]) error {
			r, err := f(c, m)
			if err != nil || m.done {
				return err
			}
			return m.Complete(r)
		})
	}}
}

// QueueDo makes a queue whose messages come one by one and have no completion of their own.
func QueueDo[S, T any](f func(c *Ctx[S], m *Message[T]) error) QueueHandler {
	return &queue[S]{body: reflect.TypeFor[T](), run: func(c *Ctx[S], ms *messages) error {
		return eachMessage(ms, func(m *Message[T]) error {
			err := f(c, m)
			if err != nil || m.done {
				return err
			}
			return m.Complete(nil)
		})
	}}
}

// QueueBatch makes a queue of which one turn takes up to most messages, at least one, in order. They
// succeed or fail together.
func QueueBatch[S, T any](most int, f func(c *Ctx[S], ms []*Message[T]) error) QueueHandler {
	return &queue[S]{body: reflect.TypeFor[T](), batch: most, run: func(c *Ctx[S], ms *messages) error {
		all := make([]*Message[T], 0, len(ms.docs))
		err := eachMessage(ms, func(m *Message[T]) error { all = append(all, m); return nil })
		if err != nil {
			return err
		}
		if err := f(c, all); err != nil {
			return err
		}
		for _, m := range all {
			if m.done {
				continue
			}
			if err := m.Complete(nil); err != nil {
				return err
			}
		}
		return nil
	}}
}

// queue is a QueueHandler for actors whose state is an S.
type queue[S any] struct {
	body, result reflect.Type // result is nil for none
	batch        int
	run          func(c *Ctx[S], ms *messages) error
}

func (q *queue[S]) bindQueue(c any) (boundQueue, bool) {
	ctx, ok := c.(*Ctx[S])
	return boundQueue{q.body, q.result, q.batch, func(e *env) error {
		ms, err := messagesOf(e)
		if err != nil {
			return err
		}
		return q.run(ctx, ms)
	}}, ok
}

// boundQueue is a handler with its actor's Ctx, whose env run is given. What only queues need is
// reached through it, so that a guest without queues does not have it.
type boundQueue struct {
	body, result reflect.Type
	batch        int
	run          func(e *env) error
}

// messages are those of a turn.
type messages struct {
	env    *env
	docs   []abi.QueueMessage
	bodies []json.RawMessage
}

func eachMessage[T any](ms *messages, f func(m *Message[T]) error) error {
	for i, d := range ms.docs {
		m := &Message[T]{
			ID: d.ID, Sent: time.UnixMilli(d.Sent), Attempt: d.Attempt, Sender: d.Sender, Subject: d.Subject,
			env: ms.env, request: OpenRequest(d.Request),
		}
		if err := json.Unmarshal(ms.bodies[i], &m.Body); err != nil {
			return UserError("invalid_message", fmt.Sprintf("message %s of %s: %s", d.ID, ms.env.turn.Name, explain(err)))
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// messagesOf reads the messages of the turn.
func messagesOf(e *env) (*messages, error) {
	docs, err := head[[]abi.QueueMessage](e.turn)
	if err != nil {
		return nil, err
	}
	ms := &messages{env: e, docs: docs}
	if err := json.Unmarshal(e.turn.Args, &ms.bodies); err != nil {
		return nil, fmt.Errorf("bodies of messages: %w", err)
	}
	if len(ms.bodies) != len(docs) {
		return nil, fmt.Errorf("%d bodies for %d messages", len(ms.bodies), len(docs))
	}
	return ms, nil
}

func (h *hooks) runQueue(t *abi.Turn) error {
	q, ok := h.queues[t.Name]
	if !ok {
		return &abi.Error{Code: abi.CodeQueueNotFound}
	}
	return q.run(h.env)
}

func (h *hooks) queueManifest() map[string]abi.QueueManifest {
	if len(h.queues) == 0 {
		return nil
	}
	m := make(map[string]abi.QueueManifest, len(h.queues))
	for name, q := range h.queues {
		m[name] = abi.QueueManifest{Batch: q.batch, Body: schemaIn(q.body), Result: schemaOut(q.result)}
	}
	return m
}

// Enqueue puts a message into a queue of this actor, once the turn is durable.
func (c *env) Enqueue(queue string, body any) error {
	if _, ok := c.hooks.queues[queue]; !ok {
		return abi.Errorf(abi.CodeQueueNotFound, "the actor has no queue %q", queue)
	}
	b, err := marshal(body)
	if err != nil {
		return err
	}
	return c.host.QueueSend(nil, queue, b)
}

// EnqueueTo puts a message into a queue of another actor, once the turn is durable.
func (c *env) EnqueueTo(to Ref, queue string, body any) error {
	b, err := marshal(body)
	if err != nil {
		return err
	}
	return c.host.QueueSend(to.document(), queue, b)
}
