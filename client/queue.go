package client

import (
	"context"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/api/wire"
)

// Send sends a message to a queue of the actor's. It is on disk when Send returns.
func (h *Handle) Send(ctx context.Context, queue string, body any) error {
	_, err := h.enqueue(ctx, wire.QueueMessage{Queue: queue}, body)
	return err
}

// SendAndWait sends a message to a queue, waits until the actor has handled it and returns its answer. After the wait,
// if that is not zero, it gives up with ErrNotHandled; the message stays in the queue.
func SendAndWait[Out any](ctx context.Context, h *Handle, queue string, body any, wait time.Duration) (out Out, err error) {
	ms := uint64(0)
	if wait > 0 {
		ms = uint64(max(wait.Milliseconds(), 1))
	}
	done, err := h.enqueue(ctx, wire.QueueMessage{Queue: queue, Wait: true, Timeout: ms}, body)
	switch {
	case err != nil:
		return out, err
	case done.Status == "timedOut":
		return out, ErrNotHandled
	case done.Status != "completed":
		return out, fmt.Errorf("%w: the message is %q", ErrProtocol, clip(done.Status))
	}
	if err := decode(done.Response, &out); err != nil {
		return out, fmt.Errorf("client: decode the answer of the queue %s: %w", queue, err)
	}
	return out, nil
}

func (h *Handle) enqueue(ctx context.Context, m wire.QueueMessage, body any) (done wire.Completion, err error) {
	if m.Body, err = encode(h.c.encoding, "the message", body); err != nil {
		return done, err
	}
	answer, err := h.post(ctx, pathQueue, m.Queue, h.c.encoding.QueueRequest(m))
	if err != nil {
		return done, err
	}
	if done, err = h.c.encoding.ParseCompletion(answer, h.c.limit); err != nil {
		return done, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return done, nil
}
