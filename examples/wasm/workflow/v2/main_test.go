package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"

	"github.com/vivarium-run/vivarium/examples/wasm/workflow/flow"
)

// An order that version 1 began goes on: done steps are not done again, new ones are done when it comes to
// them, and a step that version 1 had begun brings its outcome.
func TestGoesOn(t *testing.T) {
	step := func(name, result string) *flow.Step {
		return &flow.Step{Name: name, Attempt: 1, Done: true, Result: json.RawMessage(result), Do: &flow.Call{To: service("x")}}
	}
	input := json.RawMessage(`{"item":"lamp","price":"12 EUR"}`)
	before := []*flow.Step{step("reserve", `""`), step("charge", `""`), step("think", `null`)}
	wait := &flow.Step{Name: "address", Attempt: 1, Event: true, Timer: "gone"}
	tests := []struct {
		name  string
		state flow.State
		calls []string // to these services, begun by the upgrade
	}{
		{"waiting", flow.State{Status: flow.Running, Input: input, Journal: append(slices.Clone(before), wait)}, nil},
		{"about to ship", flow.State{Status: flow.Running, Input: input, Journal: append(slices.Clone(before), step("address", `"here"`))}, []string{"insurer"}},
		{"done", flow.State{Status: flow.Done, Input: input, Journal: append(slices.Clone(before), step("address", `"here"`), step("ship", `""`))}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := guesttest.New(t, "order", guesttest.Options{Input: Order{"lamp", "12 EUR"}})
			begun := len(a.Tasks())
			a.SetState(tt.state)
			if err := a.Upgrade(1, 2); err != nil {
				t.Fatal(err)
			}
			var calls []string
			for _, task := range a.Tasks()[begun:] {
				calls = append(calls, task.To.Key...)
			}
			if !slices.Equal(calls, tt.calls) {
				t.Errorf("calls %v, want %v", calls, tt.calls)
			}
		})
	}
}

func TestNewSteps(t *testing.T) {
	a := guesttest.New(t, "order", guesttest.Options{Input: Order{"lamp", "12 EUR"}})
	a.MustCall(nil, "signal", "address", "here")
	var got []string
	for range 10 {
		for _, task := range a.Tasks() {
			if task.Kind != "call" {
				continue
			}
			var args []string
			if err := json.Unmarshal(task.Args, &args); err != nil {
				t.Fatal(err)
			}
			got = append(got, args[1])
			if err := a.Complete(task.ID, "policy 7"); err != nil {
				t.Fatal(err)
			}
		}
		a.Advance(day)
	}
	want := []string{"lamp", "12 EUR", "12 EUR", "lamp to here", "thanks, with policy 7"}
	if !slices.Equal(got, want) {
		t.Errorf("calls with %q, want %q", got, want)
	}
}
