package model

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// order is one request to a host, in a form that goes to a child process too.
type order struct {
	Kind   string // call, create, destroy or remove
	NS     tenants.ID
	ID     string
	Name   string
	Key    tenants.Key
	Action string
	Args   json.RawMessage
	Caller string
	Once   string // idempotency key
	Ends   bool   // its actor, so that it may be gone when it is asked again
}

// answer is what a host says to an order.
type answer struct {
	Output  string
	ID      string
	Created bool
	Code    abi.Code // zero if all went well
	Name    string   // of a user error
	Text    string   // of the failure, for people
}

// give has the host do what is ordered.
func (o order) give(h *actors.Host) (a answer) {
	ctx := context.Background()
	id, _ := tenants.ParseActorID(o.NS, o.ID)
	var err error
	switch o.Kind {
	case "call":
		var r actors.Reply
		r, err = h.Call(ctx, id, actors.Request{Action: o.Action, Args: o.Args, Caller: o.Caller, Once: o.Once})
		a.Output = string(r.Output)
	case "create":
		var info actors.Info
		info, a.Created, err = h.GetOrCreate(ctx, tenants.Address{Namespace: o.NS, Name: o.Name, Key: o.Key}, actors.CreateOptions{})
		if err == nil {
			a.ID = info.ID.String()
		}
	case "destroy":
		err = h.Destroy(ctx, id)
	case "remove":
		err = removeNamespace(ctx, h, o.NS)
	default:
		panic("no such order: " + o.Kind)
	}
	if err != nil {
		a.Code, a.Name, a.Text = abi.CodeOf(err), abi.AsError(err).PublicName(), err.Error()
	}
	return a
}

// removeNamespace deletes a namespace and waits until nothing of it is left. One that is gone is no failure.
func removeNamespace(ctx context.Context, h *actors.Host, ns tenants.ID) error {
	_, err := h.DeleteNamespace(ctx, ns)
	for err == nil {
		_, err = h.Removal(ctx, ns)
		runtime.Gosched()
	}
	if errors.Is(err, tenants.ErrForeign) {
		return nil
	}
	return err
}

// callOrder orders an action.
func callOrder(a *actor, action string, args any) order {
	list, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return order{Kind: "call", NS: a.address.Namespace, ID: a.id.String(), Action: action, Args: list}
}

// scriptOrder orders a script.
func scriptOrder(a *actor, steps []actorstest.Step) order {
	return callOrder(a, "do", [][]actorstest.Step{steps})
}
