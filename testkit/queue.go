package testkit

import (
	"context"
	"errors"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// mostListed bounds what the kit lists of one actor.
const mostListed = 100_000

// QueueSend sends a message to a queue and returns when it is on disk. The handler runs by itself: settle the
// kit. The error is that of CanPublish, or a refusal.
func (a *Actor) QueueSend(queue string, body any) error {
	a.k.tb.Helper()
	_, err := a.k.stack.Host.Enqueue(a.k.tb.Context(), a.id, actors.Message{Queue: queue, Body: a.k.json(body), Caller: a.subject})
	return err
}

// QueueBegin is QueueSend by a client that waits: the result is what the handler completes the message with. A
// message whose handler fails is tried again when its time has come: advance the clock.
func (a *Actor) QueueBegin(queue string, body any) *Pending {
	a.k.tb.Helper()
	m := actors.Message{Queue: queue, Body: a.k.json(body), Caller: a.subject, Wait: true}
	wait, err := a.k.stack.Host.BeginEnqueue(a.k.tb.Context(), a.id, m)
	return &Pending{a, err, func(ctx context.Context) (actors.Reply, error) {
		c, err := wait(ctx)
		if c.TimedOut {
			err = errors.New("testkit: the message was not completed in time")
		}
		return actors.Reply{Output: c.Response}, err
	}}
}

// Queued returns the messages that wait in the actor's queues, by queue and age.
func (a *Actor) Queued() []actors.Queued {
	a.k.tb.Helper()
	var all []actors.Queued
	for after, more := []byte(nil), true; more; more = after != nil {
		list, next, err := a.k.stack.Host.ListQueue(a.k.tb.Context(), a.id, after, mostListed)
		a.k.must(err)
		all, after = append(all, list...), next
	}
	return all
}

// Schedules returns the actor's schedules, by id.
func (a *Actor) Schedules() []abi.Schedule {
	a.k.tb.Helper()
	return pages(a, (*actors.Host).ListSchedules, func(s abi.Schedule) string { return s.ID })
}

// DeadLetters returns what was given up, oldest first.
func (a *Actor) DeadLetters() []abi.DeadLetter {
	a.k.tb.Helper()
	return pages(a, (*actors.Host).ListDead, func(l abi.DeadLetter) string { return l.ID })
}

// RetryDead tries a dead letter once more.
func (a *Actor) RetryDead(letter string) {
	a.k.tb.Helper()
	a.k.must(a.k.stack.Host.RetryDead(a.k.tb.Context(), a.id, letter))
}

// pages gathers all pages of a list.
func pages[T any](a *Actor, list func(h *actors.Host, ctx context.Context, id tenants.ActorID, after string, limit int) ([]T, bool, error), id func(T) string) (all []T) {
	a.k.tb.Helper()
	for after, more := "", true; more; {
		var page []T
		var err error
		page, more, err = list(a.k.stack.Host, a.k.tb.Context(), a.id, after, mostListed)
		a.k.must(err)
		if len(page) > 0 {
			after = id(page[len(page)-1])
		}
		all = append(all, page...)
	}
	return all
}
