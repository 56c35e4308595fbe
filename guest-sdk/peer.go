package guest

import (
	"encoding/json"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Ref names another actor of the namespace. It is a plain value that may be stored.
type Ref abi.Target

// To names an actor by its name and its key.
func To(name string, key ...string) Ref { return Ref{Name: name, Key: key} }

// ToID names an actor by its id: this one and no later one of the same key.
func ToID(id string) Ref { return Ref{ID: id} }

// OrCreate returns r with the wish that the actor be made with input, nil for none, unless it exists.
// It panics if JSON cannot encode input.
func (r Ref) OrCreate(input any) Ref {
	r.Create = true
	if input != nil {
		b, err := json.Marshal(input)
		check(err)
		r.Input = b
	}
	return r
}

func (r Ref) document() []byte {
	o := object(nil).text("id", r.ID).text("name", r.Name).texts("key", r.Key).flag("create", r.Create)
	if len(r.Input) > 0 {
		b, err := json.Marshal(r.Input)
		check(err) // JSON that was encoded before
		o = o.raw("input", b)
	}
	return o.end()
}

// ActorInfo says who an actor is.
type ActorInfo = abi.ActorInfo

// Call calls an action of another actor at once and returns its result. It is not undone if the turn
// fails later. The error is a *Error if the action refused, or an *abi.Error, such as
// abi.CodeActorNotFound, or abi.CodeCallCycle if the other waits for this actor: then begin the call as
// a task, see [CallTask].
func Call[R any](c Context, to Ref, action string, args ...any) (r R, err error) {
	b, err := c.turnEnv().call(to, action, args)
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// Call is as the function [Call], for an action without a result.
func (c *env) Call(to Ref, action string, args ...any) error {
	_, err := c.call(to, action, args)
	return err
}

func (c *env) call(to Ref, action string, args []any) (result []byte, err error) {
	b, err := list(args)
	if err != nil {
		return nil, err
	}
	if b, err = c.host.Call(to.document(), action, b); err != nil {
		return nil, err
	}
	r, err := abi.ParseReply(b)
	if err != nil {
		return nil, err
	}
	return r.Result, failureOf(&r)
}

// failureOf returns why another actor or a server did not answer, nil if it did.
func failureOf(r *abi.Reply) error {
	switch r.Status {
	case abi.StatusOK, abi.StatusOpen:
		return nil
	case abi.StatusUser:
		e := UserError(r.Name, r.Message)
		if len(r.Metadata) > 0 {
			e.Metadata = json.RawMessage(r.Metadata)
		}
		return e
	case abi.StatusHost:
		return &abi.Error{Code: r.Code, Message: r.Message}
	case abi.StatusNoName:
		return &abi.Error{Code: abi.CodeActionNotFound}
	case abi.StatusHidden:
		return &abi.Error{Code: abi.CodeGuestInternal}
	}
	return fmt.Errorf("guest: an answer of status %d", r.Status)
}

// Send calls an action of another actor once the turn is durable: exactly once in effect, in the order
// of this actor's sends to that one, and without an answer.
func (c *env) Send(to Ref, action string, args ...any) error {
	b, err := list(args)
	if err != nil {
		return err
	}
	return c.host.Send(to.document(), action, b)
}

// Create makes an actor at once, with input, nil for none. It is not undone if the turn fails later.
// The error is abi.CodeActorExists if there is one.
func (c *env) Create(r Ref, input any) (*ActorInfo, error) {
	return c.create(&abi.ActorSpec{Name: r.Name, Key: r.Key}, input)
}

// GetOrCreate is as Create, but an actor that exists will do.
func (c *env) GetOrCreate(r Ref, input any) (*ActorInfo, error) {
	return c.create(&abi.ActorSpec{Name: r.Name, Key: r.Key, Get: true}, input)
}

func (c *env) create(s *abi.ActorSpec, input any) (*ActorInfo, error) {
	var in []byte
	if input != nil {
		var err error
		if in, err = json.Marshal(input); err != nil {
			return nil, err
		}
	}
	b, err := c.host.ActorCreate(specDocument(s), in)
	return decoded[ActorInfo](b, err == nil, err)
}

func specDocument(s *abi.ActorSpec) []byte {
	o := object(nil).must("name", s.Name).texts("key", s.Key).flag("get", s.Get).flag("child", s.Child)
	if s.Limits != nil {
		b, err := json.Marshal(s.Limits)
		check(err) // numbers and strings
		o = o.raw("limits", b)
	}
	return o.end()
}

// Find returns who an actor is, nil if there is none.
func (c *env) Find(r Ref) (*ActorInfo, error) {
	return decoded[ActorInfo](c.host.ActorFind(r.document()))
}

// DestroyActor ends another actor at once, with all it has, and reports whether there was one. It is
// not undone if the turn fails later.
func (c *env) DestroyActor(r Ref) (bool, error) {
	n, err := c.host.ActorDestroy(r.document())
	return n == 1, err
}

// decoded returns what an operation described, nil for none.
func decoded[T any](b []byte, ok bool, err error) (*T, error) {
	if err != nil || !ok {
		return nil, err
	}
	v := new(T)
	if err := unmarshal(b, v); err != nil {
		return nil, err
	}
	return v, nil
}
