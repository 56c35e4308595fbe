package actors

import (
	"context"
	"encoding/json"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Request is one call of an action.
type Request struct {
	Action string
	// Args is the JSON list of arguments; nil means none.
	Args json.RawMessage
	// Raw is the body of a raw call, when IsRaw is set: bytes in, bytes out, for plain modules only.
	Raw    []byte
	IsRaw  bool
	Caller string // verified subject of the client; empty means anonymous
	// Once, when not empty, is an idempotency key: the request is done once for each caller and action, and
	// who repeats it within a day gets the first answer.
	Once   string
	Origin string // of the web page, as the browser says; empty means none
	// Params and Head are for modules with connection hooks, which run around the action. Nil means none. Head
	// is called in the turn, and for such modules only.
	Params json.RawMessage
	Head   func() abi.RequestHead
}

// Reply is the answer to a Request.
type Reply struct {
	Kind   ReplyKind
	Output json.RawMessage // for ReplyJSON; nil means no value
	Raw    []byte          // for ReplyRaw
	Bytes  []byte          // for ReplyBytes
	Head   abi.ResponseHead
}

// ReplyKind says which field of a Reply counts.
type ReplyKind int

// The kinds.
const (
	ReplyJSON  ReplyKind = iota // a value, or none
	ReplyRaw                    // the bytes of a raw call
	ReplyBytes                  // output of a plain module that is neither JSON nor UTF-8
	ReplyHTTP                   // to a RawRequest: Head and Raw
)

// Call runs an action in the actor's next free turn and returns its answer once the turn, and all
// that it may have read, is durable.
func (h *Host) Call(ctx context.Context, id tenants.ActorID, r Request) (Reply, error) {
	wait, err := h.Begin(ctx, id, r)
	if err != nil {
		return Reply{}, err
	}
	return wait(ctx)
}

// Begin is Call in two steps: it returns when the request is in the actor's mailbox. wait, which is to be called
// once, waits for the answer; if its ctx ends first the client has gone.
func (h *Host) Begin(ctx context.Context, id tenants.ActorID, r Request) (wait func(context.Context) (Reply, error), err error) {
	if err := h.checkOrigin(ctx, id, r.Origin); err != nil {
		return nil, err
	}
	e, err := h.callEntry(r)
	if err != nil {
		return nil, err
	}
	if err := h.put(ctx, id, e); err != nil {
		return nil, err
	}
	return e.wait, nil
}

// callEntry returns the entry of a client's call.
func (h *Host) callEntry(r Request) (*entry, error) {
	if err := checkParams(r.Params); err != nil {
		return nil, err
	}
	e, err := h.actionEntry(r, func(t *turn, k *ask) error { return t.around(k, r.Params, r.Head) })
	if err != nil {
		return nil, err
	}
	if err := checkOnce(r.Once); err != nil {
		return nil, err
	}
	if r.Once != "" {
		e.once(newOnceKey("action", r.Caller, r.Action, r.Once, r.Args, r.Raw))
	}
	e.outside = true
	e.lineage = lineage{subject: r.Caller, origin: r.Caller}
	return e, nil
}

// actionEntry returns an entry that runs an action, after what is to come before it in the same turn.
func (h *Host) actionEntry(r Request, before ...func(*turn, *ask) error) (*entry, error) {
	if len(r.Args) > abi.MaxArgs || len(r.Raw) > abi.MaxArgs {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the arguments are larger than %d bytes", abi.MaxArgs)
	}
	if r.Args == nil {
		r.Args = json.RawMessage("[]")
	}
	k := &ask{Turn: abi.Turn{Kind: abi.KindAction, Name: r.Action, Args: r.Args}, raw: r.Raw, isRaw: r.IsRaw}
	return newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		for _, f := range before {
			if err := f(t, k); err != nil {
				return Reply{}, err
			}
		}
		return t.action(k)
	}), nil
}

// action runs an action, if the actor has it.
func (t *turn) action(k *ask) (Reply, error) {
	if _, ok := t.a.version.Actors[t.a.record.Name].Actions[k.Name]; !ok {
		return Reply{}, t.a.noAction(k.Name)
	}
	if !k.isRaw {
		if err := t.a.checker().Args(k.Name, k.Args); err != nil {
			return Reply{}, err
		}
	}
	return t.runGuest(k)
}
