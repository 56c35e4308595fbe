// Package guesttest runs a guest's actors as ordinary Go, for the guest's own unit tests.
//
//	a := guesttest.New(t, "counter", guesttest.Options{Input: Input{Start: 2}})
//	a.MustCall(&n, "increment", 3)
//
// It owns a host in memory with the semantics that an action can observe: typed arguments, state
// that is saved or rolled back, KV, events, connections, schedules, queues, tasks. The test plays the
// world: clients with Connect and Socket, time with Advance, other actors and servers with OnCall,
// OnFetch and Complete. It leaves out what only a real host has: metering, time limits, traps (a panic
// fails the test). Every call goes through the same envelope as in a host. Actors of one test run on
// its goroutine; tests with actors must not be parallel, because a guest has one thread of control.
package guesttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Options say how an actor is made. The zero Options will do for most tests.
type Options struct {
	Key    []string          // the actor's key
	Input  any               // what it is created with, as JSON; nil means no input
	Config map[string]string // settings of the module
	Caller string            // who calls; empty means anonymous
	Sender string            // the actor that makes it; empty means a client
	Now    time.Time         // the clock; zero means some fixed time
}

// Actor is an actor under test.
type Actor struct {
	Caller string // who makes the next calls
	Sender string // the actor that makes the next calls; empty means a client
	Params any    // what Call says of itself to an actor with connection hooks

	// OnCall answers what the actor calls; OnFetch what it fetches inside a turn. Nil means that nobody
	// is there. An error is given as an action of the other side would return it.
	OnCall  func(to guest.Ref, action string, args []json.RawMessage) (any, error)
	OnFetch func(f guest.Fetch) (*guest.Response, error)

	tb       testing.TB
	name     string
	host     *memhost.Host
	manifest abi.ActorManifest
	asleep   bool
	gone     bool // destroyed
}

// ErrHidden is in the chain of the error of an action that failed with an error not meant for
// clients. The error's text has the action's.
var ErrHidden = errors.New("hidden error")

// ErrNoAction reports that the actor has no such action.
var ErrNoAction = errors.New("no such action")

// ErrOpen reports that the actor keeps a request open.
var ErrOpen = errors.New("the request is still open")

// Event is an event that an actor sent.
type Event struct {
	Name string
	Args []any // as JSON decodes them
}

// latest is the actor whose state is in the guest's memory.
var latest *Actor

// awake is, for each name, the actor whose Vars are in the guest's memory. Another one of the name
// that gets a turn is woken first, as if it had slept.
var awake = map[string]*Actor{}

// New creates an actor of the registered name. It fails the test if Create returns an error.
func New(tb testing.TB, name string, o Options) *Actor {
	tb.Helper()
	a, err := Create(tb, name, o)
	if err != nil {
		tb.Fatalf("guesttest: create %s: %v", name, err)
	}
	return a
}

// Create creates an actor and wakes it, or returns the error that its Create or its Wake did, as
// [Actor.Call] would.
func Create(tb testing.TB, name string, o Options) (*Actor, error) {
	tb.Helper()
	key := o.Key
	if key == nil {
		key = []string{}
	}
	h := memhost.New(abi.Self{ID: "test-" + name, Namespace: "test", Name: name, Key: key, Module: name, Version: 1, Region: "test"})
	h.Settings = o.Config
	if !o.Now.IsZero() {
		h.Time = o.Now
	}
	a := &Actor{Caller: o.Caller, tb: tb, name: name, host: h, manifest: manifest(h)[name]}
	h.OnCall, h.OnFetch = a.answerCall, a.answerFetch
	t := abi.Turn{Kind: abi.KindCreate, Caller: o.Caller, Sender: o.Sender}
	if o.Input != nil {
		b, err := json.Marshal(o.Input)
		if err != nil {
			return nil, err
		}
		t.Args = b
	}
	r, err := a.runOne(&t)
	if err != nil {
		return nil, err
	}
	if err := failure(&r); err != nil {
		return nil, err
	}
	if err := a.settle(); err != nil {
		return nil, err
	}
	return a, a.wake(abi.WakeCreate)
}

// manifest returns what the module says of its actors.
func manifest(h *memhost.Host) map[string]abi.ActorManifest {
	hostcall.Current = h
	hostcall.Manifest()
	var m abi.Manifest
	if err := json.Unmarshal(h.LastOutput(), &m); err != nil {
		panic(err) // the SDK wrote it
	}
	return m.Actors
}

// Call calls an action and decodes its result into what result points to, if it is not nil. The
// error is a *guest.Error if the action refused, an *abi.Error if it passed on an error of an
// operation, [ErrNoAction], [ErrOpen] if it answers later, or wraps [ErrHidden].
func (a *Actor) Call(result any, action string, args ...any) error {
	return a.Begin(action, args...).Result(result)
}

// MustCall is Call, but fails the test if there is an error.
func (a *Actor) MustCall(result any, action string, args ...any) {
	a.tb.Helper()
	if err := a.Call(result, action, args...); err != nil {
		a.tb.Fatalf("guesttest: %s %s: %v", a.name, action, err)
	}
}

// run gives one turn to the guest, then what follows from it.
func (a *Actor) run(t *abi.Turn) (abi.Reply, error) {
	if a.gone {
		return abi.Reply{}, &abi.Error{Code: abi.CodeActorNotFound}
	}
	if a.asleep || awake[a.name] != a {
		if err := a.wake(abi.WakeSleep); err != nil {
			return abi.Reply{}, err
		}
	}
	r, err := a.runOne(t)
	if err == nil && failure(&r) == nil {
		err = a.settle()
	}
	return r, err
}

// inTurn are the names of the actors that a turn of the test is in.
var inTurn = map[string]bool{}

func (a *Actor) runOne(t *abi.Turn) (abi.Reply, error) {
	if inTurn[a.name] {
		a.tb.Fatalf("guesttest: an actor %s is in a turn; the guest's memory serves one at a time", a.name)
	}
	inTurn[a.name] = true
	defer delete(inTurn, a.name)
	t.Actor, t.Reload = a.name, latest != a
	hostcall.Current, latest = a.host, a
	return a.host.Run(t, func() error { hostcall.Turn(); return nil })
}

// turn runs a turn that has no result.
func (a *Actor) turn(t *abi.Turn) error {
	r, err := a.run(t)
	if err != nil {
		return err
	}
	return failure(&r)
}

// hook runs a turn if the actor asks for it.
func (a *Actor) hook(h abi.Hook, t *abi.Turn) error {
	if !a.manifest.HasHook(h) {
		return nil
	}
	return a.turn(t)
}

// failure returns the error of a turn, nil if it did not fail.
func failure(r *abi.Reply) error {
	switch r.Status {
	case abi.StatusOK, abi.StatusOpen:
		return nil
	case abi.StatusUser:
		e := guest.UserError(r.Name, r.Message)
		if len(r.Metadata) > 0 {
			if err := json.Unmarshal(r.Metadata, &e.Metadata); err != nil {
				return err
			}
		}
		return e
	case abi.StatusHost:
		return &abi.Error{Code: r.Code, Message: r.Message}
	case abi.StatusNoName:
		return ErrNoAction
	}
	return fmt.Errorf("%w: %s", ErrHidden, r.Message)
}

// document encodes v as JSON.
func document(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("guesttest: %v", err))
	}
	return b
}

// arguments encodes a list of arguments.
func arguments(args []any) []byte {
	if args == nil {
		args = []any{}
	}
	return document(args)
}

// Forget drops the guest's memory of the actor's state, as a failed commit does: the next call reads
// it again.
func (a *Actor) Forget() { latest = nil }

// State decodes the saved state into what v points to.
func (a *Actor) State(v any) {
	a.tb.Helper()
	if err := json.Unmarshal(a.host.State, v); err != nil {
		a.tb.Fatalf("guesttest: state of %s: %v", a.name, err)
	}
}

// KV returns the actor's stored items, a copy that the caller owns.
func (a *Actor) KV() map[string]string {
	items := make(map[string]string, len(a.host.KV))
	for k, v := range a.host.KV {
		items[k] = string(v)
	}
	return items
}

// Events returns the events that were broadcast since the last call of it.
func (a *Actor) Events() []Event {
	events := make([]Event, len(a.host.Events))
	for i, e := range a.host.Events {
		events[i] = event(e.Name, e.Payload)
	}
	a.host.Events = nil
	return events
}

func event(name string, payload []byte) Event {
	e := Event{Name: name}
	if err := json.Unmarshal(payload, &e.Args); err != nil {
		panic(fmt.Sprintf("guesttest: event %s: %v", name, err)) // the SDK wrote it
	}
	return e
}

// Log returns what the actor logged, one line each.
func (a *Actor) Log() string {
	var b strings.Builder
	for _, l := range a.host.Lines {
		fmt.Fprintln(&b, l.Text)
	}
	return b.String()
}
