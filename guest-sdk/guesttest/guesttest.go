// Package guesttest runs a guest's actors as ordinary Go, for the guest's own unit tests.
//
//	a := guesttest.New(t, "counter", guesttest.Options{Input: Input{Start: 2}})
//	a.MustCall(&n, "increment", 3)
//
// It owns a host in memory with the semantics that an action can observe: typed arguments, state
// that is saved or rolled back, KV, events. It leaves out what only a real host has: metering, time
// limits, traps (a panic fails the test) and connections. Every call goes through the same envelope
// as in a host. Actors of one test run on its goroutine; tests with actors must not be parallel,
// because a guest has one thread of control.
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
	Now    time.Time         // the clock; zero means some fixed time
}

// Actor is an actor under test.
type Actor struct {
	Caller string // who makes the next calls

	tb   testing.TB
	name string
	host *memhost.Host
}

// ErrHidden is in the chain of the error of an action that failed with an error not meant for
// clients. The error's text has the action's.
var ErrHidden = errors.New("hidden error")

// ErrNoAction reports that the actor has no such action.
var ErrNoAction = errors.New("no such action")

// Event is an event that an actor broadcast.
type Event struct {
	Name string
	Args []any // as JSON decodes them
}

// latest is the actor whose state is in the guest's memory.
var latest *Actor

// New creates an actor of the registered name. It fails the test if Create returns an error.
func New(tb testing.TB, name string, o Options) *Actor {
	tb.Helper()
	a, err := Create(tb, name, o)
	if err != nil {
		tb.Fatalf("guesttest: create %s: %v", name, err)
	}
	return a
}

// Create creates an actor, or returns the error that its Create did, as [Actor.Call] would.
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
	a := &Actor{Caller: o.Caller, tb: tb, name: name, host: h}
	t := abi.Turn{Kind: abi.KindCreate, Actor: name}
	if o.Input != nil {
		b, err := json.Marshal(o.Input)
		if err != nil {
			return nil, err
		}
		t.Args = b
	}
	if err := a.run(&t, nil); err != nil {
		return nil, err
	}
	return a, nil
}

// Call calls an action and decodes its result into what result points to, if it is not nil. The
// error is a *guest.Error if the action refused, an *abi.Error if it passed on an error of an
// operation, [ErrNoAction], or wraps [ErrHidden].
func (a *Actor) Call(result any, action string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	b, err := json.Marshal(args)
	if err != nil {
		return err
	}
	return a.run(&abi.Turn{Kind: abi.KindAction, Actor: a.name, Name: action, Args: b}, result)
}

// MustCall is Call, but fails the test if there is an error.
func (a *Actor) MustCall(result any, action string, args ...any) {
	a.tb.Helper()
	if err := a.Call(result, action, args...); err != nil {
		a.tb.Fatalf("guesttest: %s %s: %v", a.name, action, err)
	}
}

func (a *Actor) run(t *abi.Turn, result any) error {
	t.Caller = a.Caller
	t.Reload = latest != a
	hostcall.Current, latest = a.host, a
	r, err := a.host.Run(t, func() error { hostcall.Turn(); return nil })
	if err != nil {
		return err
	}
	switch r.Status {
	case abi.StatusOK:
		if result == nil || len(r.Result) == 0 {
			return nil
		}
		return json.Unmarshal(r.Result, result)
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

// Forget drops the guest's memory of the actor's state, as sleep or a failed commit does: the next
// call reads it again.
func (a *Actor) Forget() { latest = nil }

// Advance moves the clock on.
func (a *Actor) Advance(d time.Duration) { a.host.Time = a.host.Time.Add(d) }

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
	a.tb.Helper()
	events := make([]Event, len(a.host.Events))
	for i, e := range a.host.Events {
		events[i].Name = e.Name
		if err := json.Unmarshal(e.Payload, &events[i].Args); err != nil {
			a.tb.Fatalf("guesttest: event %s: %v", e.Name, err)
		}
	}
	a.host.Events = nil
	return events
}

// Log returns what the actor logged, one line each.
func (a *Actor) Log() string {
	var b strings.Builder
	for _, l := range a.host.Lines {
		fmt.Fprintln(&b, l.Text)
	}
	return b.String()
}
