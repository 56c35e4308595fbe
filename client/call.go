package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// Caller is a *Handle, whose calls are requests of HTTP, or a *Conn.
type Caller interface {
	call(ctx context.Context, action string, args []any) (json.RawMessage, error)
}

// Call runs an action with arguments and returns its result. What the turn changed is on disk when it returns. Errors
// of the host and the actor are an *Error. A context that ends gives up the wait, not the action.
func Call[Out any](ctx context.Context, c Caller, action string, args ...any) (out Out, err error) {
	doc, err := c.call(ctx, action, args)
	if err != nil {
		return out, err
	}
	if err := decode(doc, &out); err != nil {
		return out, fmt.Errorf("client: decode the result of %s: %w", action, err)
	}
	return out, nil
}

// Do is Call for an action whose result does not matter.
func Do(ctx context.Context, c Caller, action string, args ...any) error {
	_, err := c.call(ctx, action, args)
	return err
}

func (h *Handle) call(ctx context.Context, action string, args []any) (json.RawMessage, error) {
	doc, err := h.c.encodeArgs(args)
	if err != nil {
		return nil, err
	}
	body, err := h.post(ctx, pathAction, action, h.c.encoding.ActionRequest(doc))
	if err != nil {
		return nil, err
	}
	out, err := h.c.encoding.ParseOutput(body, h.c.limit)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProtocol, err)
	}
	return out, nil
}
