package main

import (
	"errors"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func start(t *testing.T, jobs map[string]Job) *guesttest.Actor {
	t.Helper()
	o := guesttest.New(t, "orchestrator", guesttest.Options{Key: []string{"1"}})
	if r, err := o.Request(guest.Request{Method: "PUT", URL: "/modules/m", Body: []byte("wasm")}); err != nil || r.Status != 200 || len(o.Uploads()) != 1 {
		t.Fatalf("upload: %+v, %v", r, err)
	}
	o.MustCall(nil, "run", jobs, 60)
	return o
}

func verdicts(o *guesttest.Actor) map[string]Verdict {
	var got map[string]Verdict
	o.MustCall(&got, "report")
	return got
}

// Each end of a job has its verdict, and its child goes.
func TestVerdicts(t *testing.T) {
	for want, end := range map[string]any{
		"done":     "result",
		"gas":      &abi.Error{Code: abi.CodeChildEnded},
		"trapped":  &abi.Error{Code: abi.CodeActorTrapped},
		"egress":   &abi.Error{Code: abi.CodeEgressDenied},
		"lifetime": &abi.Error{Code: abi.CodeActorNotFound},
		"failed":   guest.UserError("no", "no"),
	} {
		o := start(t, map[string]Job{"a": {Module: "m", Action: "run"}})
		if err := o.Complete(o.Tasks()[0].ID, end); err != nil {
			t.Fatal(err)
		}
		if v := verdicts(o)["a"]; v.Verdict != want || !o.Others()[0].Destroyed || v.Usage == nil || len(o.Tasks()) != 0 {
			t.Errorf("%v: %+v, tasks %+v", end, v, o.Tasks())
		}
		if e := o.Events(); len(e) != 2 || e[1].Name != "finished" {
			t.Errorf("%v: events %v", end, e)
		}
	}
}

// A turn without gas is followed by another; the deadline ends them, and leaves what has come.
func TestDeadline(t *testing.T) {
	o := start(t, map[string]Job{"a": {Module: "m", Action: "run"}, "b": {Module: "m", Action: "run", Limits: Limits{Memory: 1 << 20}}})
	if l := o.Others()[1].Limits; l.Memory != 1<<20 || l.Gas == 0 || l.Lifetime != 120_000 || len(l.Egress) != 0 {
		t.Errorf("limits are %+v", l)
	}
	for range 3 {
		for _, task := range o.Tasks() {
			if task.Kind == "call" && task.To.ID == o.Others()[0].ID {
				if err := o.Complete(task.ID, &abi.Error{Code: abi.CodeGasExhausted}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, task := range o.Tasks() {
		if task.Kind == "call" && task.To.ID == o.Others()[1].ID {
			if err := o.Complete(task.ID, 42); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.Advance(61 * time.Second)
	if v := verdicts(o); v["a"].Verdict != "late" || v["b"].Verdict != "done" || string(v["b"].Result) != "42" || len(o.Tasks()) != 0 {
		t.Errorf("verdicts are %+v", v)
	}
	if err := o.Call(nil, "run", map[string]Job{"c": {}}, 1); !errors.Is(err, guest.UserError("invalid_run", "")) {
		t.Errorf("a second run: %v", err)
	}
}
