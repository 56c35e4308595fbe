package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Actor is an actor and who talks to it. It stays valid over restarts of the host.
type Actor struct {
	k       *Kit
	id      tenants.ActorID
	name    string // for people
	subject string // of the client that calls; empty means anonymous
	params  []byte // that it says of itself
}

// Actor returns the actor at an address, made without input if there is none. It fails the test if that
// cannot be made.
func (k *Kit) Actor(name string, key ...string) *Actor {
	k.tb.Helper()
	info, _, err := k.stack.Host.GetOrCreate(k.tb.Context(), k.address(name, key), actors.CreateOptions{})
	if err != nil {
		k.tb.Fatalf("testkit: create %s: %v", title(name, key), err)
	}
	return k.actor(info)
}

// Create makes an actor with an input, which is encoded as JSON; nil means none. The error is what a client
// would get: abi.CodeActorExists if there is one at the address, or that of the guest's Create.
func (k *Kit) Create(input any, name string, key ...string) (*Actor, error) {
	k.tb.Helper()
	o := actors.CreateOptions{}
	if input != nil {
		o.Input = k.json(input)
	}
	info, err := k.stack.Host.Create(k.tb.Context(), k.address(name, key), o)
	if err != nil {
		return nil, err
	}
	return k.actor(info), nil
}

// Find returns the actor at an address, nil if there is none.
func (k *Kit) Find(name string, key ...string) *Actor {
	k.tb.Helper()
	info, err := k.stack.Host.Find(k.tb.Context(), k.address(name, key))
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return nil
	}
	k.must(err)
	return k.actor(info)
}

func (k *Kit) actor(i actors.Info) *Actor {
	return &Actor{k: k, id: i.ID, name: title(i.Address.Name, i.Address.Key.Components())}
}

func (k *Kit) address(name string, key []string) tenants.Address {
	k.tb.Helper()
	return actorstest.Address(k.tb, tenants.Default, name, key...)
}

func (k *Kit) json(v any) []byte {
	k.tb.Helper()
	b, err := json.Marshal(v)
	k.must(err)
	return b
}

// ID returns the actor's id, by which other actors may know it.
func (a *Actor) ID() string { return a.id.String() }

// As returns the same actor, called by a client with a verified subject.
func (a *Actor) As(subject string) *Actor {
	b := *a
	b.subject = subject
	return &b
}

// With returns the same actor, called by a client with params, for the connection hooks that run around an
// action.
func (a *Actor) With(params any) *Actor {
	a.k.tb.Helper()
	b := *a
	b.params = a.k.json(params)
	return &b
}

// Call runs an action and decodes its result into what result points to, if it is not nil. The turn is on disk
// when it returns. The error is what a client would get, an *abi.Error: see [IsUser] and abi.CodeOf.
func (a *Actor) Call(result any, action string, args ...any) error {
	a.k.tb.Helper()
	return a.Begin(action, args...).Result(result)
}

// MustCall is Call, but fails the test if there is an error.
func (a *Actor) MustCall(result any, action string, args ...any) {
	a.k.tb.Helper()
	if err := a.Call(result, action, args...); err != nil {
		a.k.tb.Fatalf("testkit: %s %s: %v", a.name, action, err)
	}
}

// IsUser reports whether an error is the guest's guest.UserError of a code.
func IsUser(err error, code string) bool {
	var e *abi.Error
	return errors.As(err, &e) && e.Code == abi.CodeUser && e.Name == code
}

// Pending is a call that may not have been answered yet.
type Pending struct {
	a    *Actor
	err  error
	wait func(context.Context) (actors.Reply, error)
}

// Begin is Call without the wait: it returns when the call is in the actor's mailbox.
func (a *Actor) Begin(action string, args ...any) *Pending {
	a.k.tb.Helper()
	if args == nil {
		args = []any{}
	}
	wait, err := a.k.stack.Host.Begin(a.k.tb.Context(), a.id, actors.Request{
		Action: action, Args: a.k.json(args), Caller: a.subject, Params: a.params,
		Head: func() abi.RequestHead { return head(http.MethodPost, "/gateway/"+a.ID()+"/action/"+action) },
	})
	return &Pending{a, err, wait}
}

// Result waits for the answer; it is as that of [Actor.Call]. It may be called once.
func (p *Pending) Result(result any) error {
	if p.err != nil {
		return p.err
	}
	r, err := p.wait(p.a.k.tb.Context())
	if err != nil {
		return err
	}
	return decode(r, result)
}

// head is that of a request of the kit's.
func head(method, url string) abi.RequestHead {
	return abi.RequestHead{Method: method, URL: url, Remote: "127.0.0.1"}
}

// decode stores an action's result in what result points to, if it is not nil.
func decode(r actors.Reply, result any) error {
	if result == nil {
		return nil
	}
	if r.Kind == actors.ReplyBytes {
		b, ok := result.(*[]byte)
		if !ok {
			return fmt.Errorf("testkit: the result is bytes; it fits a *[]byte")
		}
		*b = r.Bytes
		return nil
	}
	if len(r.Output) == 0 {
		r.Output = json.RawMessage("null") // no value leaves result as it is, or makes a pointer nil
	}
	return json.Unmarshal(r.Output, result)
}

// State decodes the state that is on disk into what v points to. An actor without a state, or whose module
// writes it in another codec than JSON, fails the test.
func (a *Actor) State(v any) {
	a.k.tb.Helper()
	codec, state, ok, err := a.k.stack.Host.State(a.k.tb.Context(), a.id)
	switch {
	case err != nil:
	case !ok:
		err = errors.New("it has none")
	case codec != abi.JSON:
		err = fmt.Errorf("it is in %s", codec)
	default:
		err = json.Unmarshal(state, v)
	}
	if err != nil {
		a.k.tb.Fatalf("testkit: state of %s: %v", a.name, err)
	}
}

// KV returns the items that are on disk.
func (a *Actor) KV() map[string]string {
	a.k.tb.Helper()
	items := map[string]string{}
	var after []byte
	for more := true; more; {
		list, m, err := a.k.stack.Host.KVList(a.k.tb.Context(), a.id, nil, after, 1000)
		if err != nil {
			a.k.tb.Fatalf("testkit: KV of %s: %v", a.name, err)
		}
		for _, it := range list {
			items[string(it.Key)] = string(it.Value)
			after = it.Key
		}
		more = m
	}
	return items
}

// Events returns the events that the actor has broadcast since the last call of it, each after its commit.
func (a *Actor) Events() []Event { return a.k.seen.take(a.id) }

// Log returns the actor's log, one line each: level, source and text. The test's own log has it, too.
func (a *Actor) Log() string { return a.k.seen.log(a.id) }

// Version returns the number of the version that wrote the actor's newest data.
func (a *Actor) Version() int {
	a.k.tb.Helper()
	info, err := a.k.stack.Host.Get(a.k.tb.Context(), a.id)
	if err != nil {
		a.k.tb.Fatalf("testkit: %s: %v", a.name, err)
	}
	return info.Version
}
