package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"

	"github.com/vivarium-run/vivarium/examples/wasm/workflow/flow"
)

// world is an order and the services that it calls.
type world struct {
	t        *testing.T
	order    *guesttest.Actor
	services map[string]*guesttest.Actor
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, services: map[string]*guesttest.Actor{}}
	for _, name := range []string{"warehouse", "bank", "carrier"} {
		w.services[name] = guesttest.New(t, "service", guesttest.Options{Key: []string{name}})
	}
	w.order = guesttest.New(t, "order", guesttest.Options{Input: Order{"lamp", "12 EUR"}})
	return w
}

// pump answers what the order calls, until it calls nothing more.
func (w *world) pump() {
	w.t.Helper()
	for {
		at := slices.IndexFunc(w.order.Tasks(), func(t guesttest.Task) bool { return t.Kind == "call" })
		if at < 0 {
			return
		}
		task := w.order.Tasks()[at]
		if err := w.order.Complete(task.ID, w.outcome(task)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// outcome lets the service do what it is called for.
func (w *world) outcome(task guesttest.Task) any {
	w.t.Helper()
	var args []json.RawMessage
	if err := json.Unmarshal(task.Args, &args); err != nil {
		w.t.Fatal(err)
	}
	v, err := w.services[task.To.Key[0]].Answer(task.To, task.Action, args)
	if err != nil {
		return err
	}
	return v
}

// pass lets time pass, and answers calls on the way.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	const step = time.Hour
	for ; d > 0; d -= step {
		w.order.Advance(min(step, d))
		w.pump()
	}
}

func (w *world) check(status flow.Status, effects string) {
	w.t.Helper()
	var s flow.State
	w.order.MustCall(&s, "status")
	var all []string
	for _, name := range []string{"warehouse", "bank", "carrier"} {
		var list []string
		w.services[name].MustCall(&list, "effects")
		all = append(all, list...)
	}
	if got := strings.Join(all, ", "); s.Status != status || got != effects {
		w.t.Errorf("%s (%s) with %q, want %s with %q", s.Status, s.Error, got, status, effects)
	}
}

func TestOrder(t *testing.T) {
	w := newWorld(t)
	w.pump()
	w.check(flow.Running, "lamp, 12 EUR")
	w.pass(3 * day)
	w.check(flow.Running, "lamp, 12 EUR")
	w.order.MustCall(nil, "signal", "address", "Main Street 1")
	w.pump()
	w.check(flow.Done, "lamp, 12 EUR, lamp to Main Street 1")
	if e := w.order.Events(); len(e) != 1 || e[0].Args[0] != "done" {
		t.Errorf("events %v", e)
	}
	if tasks := w.order.Tasks(); len(tasks) != 0 {
		t.Errorf("tasks are left: %+v", tasks)
	}
}

// An event may come before the workflow waits for it; one that nobody waits for any more is refused.
func TestSignal(t *testing.T) {
	w := newWorld(t)
	w.order.MustCall(nil, "signal", "address", "here")
	w.pump()
	w.pass(4 * day)
	w.check(flow.Done, "lamp, 12 EUR, lamp to here")
	for _, name := range []string{"address", "reserve", "anything"} {
		if err := w.order.Call(nil, "signal", name, "there"); !errors.Is(err, guest.UserError("not_waiting", "")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Sleep, a restart and lost answers change nothing. Each call is done by the service and its answer is
// lost, twice, before one comes through.
func TestExactlyOnce(t *testing.T) {
	w := newWorld(t)
	w.order.MustCall(nil, "signal", "address", "here")
	for range 100 {
		for _, task := range w.order.Tasks() {
			if task.Kind == "call" {
				w.outcome(task)
				w.outcome(task)
			}
		}
		if err := w.order.Restart(); err != nil {
			t.Fatal(err)
		}
		w.pump()
		if err := w.order.Sleep(); err != nil {
			t.Fatal(err)
		}
		w.order.Advance(time.Hour)
	}
	w.check(flow.Done, "lamp, 12 EUR, lamp to here")
}

// A service that is down is asked again later, and later again.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	w.services["bank"].MustCall(nil, "mood", "down")
	w.pump()
	start := w.order.Tasks()[0].Due
	for i, want := range []time.Duration{4 * time.Second, 16 * time.Second, 64 * time.Second} {
		due := w.order.Tasks()[0].Due
		w.order.Advance(time.Duration(1) << (2 * i) * time.Second)
		w.pump()
		if got := w.order.Tasks()[0].Due.Sub(due); got != want {
			t.Errorf("pause %d is %v, want %v", i+2, got, want)
		}
	}
	w.services["bank"].MustCall(nil, "mood", "fine")
	w.pass(2 * time.Minute)
	w.check(flow.Running, "lamp, 12 EUR")
	if start.IsZero() {
		t.Error("the first pause has no end")
	}
}

func TestCompensation(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(w *world)
		effects string // at the end
		reason  string
	}{
		{"refused", func(w *world) { w.services["bank"].MustCall(nil, "mood", "refusing"); w.pump() },
			"lamp, undo reserve", "charge: refused"},
		{"down for too long", func(w *world) {
			w.services["carrier"].MustCall(nil, "mood", "down")
			w.order.MustCall(nil, "signal", "address", "here")
			w.pump()
			w.pass(4 * day)
		}, "lamp, undo reserve, 12 EUR, undo charge", "ship: "},
		{"no answer from the customer", func(w *world) { w.pump(); w.pass(18 * day) },
			"lamp, undo reserve, 12 EUR, undo charge", "address: nothing came in time"},
		{"and the bank is down meanwhile", func(w *world) {
			w.pump()
			w.services["bank"].MustCall(nil, "mood", "down")
			w.pass(30 * day)
			w.check(flow.Undoing, "lamp, 12 EUR")
			w.services["bank"].MustCall(nil, "mood", "fine")
			w.pass(2 * time.Hour)
		}, "lamp, undo reserve, 12 EUR, undo charge", "address: nothing came in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.trouble(w)
			w.check(flow.Failed, tt.effects)
			var s flow.State
			if w.order.MustCall(&s, "status"); !strings.HasPrefix(s.Error, tt.reason) {
				t.Errorf("the reason is %q, want %q", s.Error, tt.reason)
			}
			if tasks := w.order.Tasks(); len(tasks) != 0 {
				t.Errorf("tasks are left: %+v", tasks)
			}
		})
	}
}

// A step that seemed to fail may have been done after all: it is undone, and what arrives late is refused.
func TestUnsureStep(t *testing.T) {
	w := newWorld(t)
	for len(w.order.Tasks()) > 0 && w.order.Tasks()[0].To.Key != nil && w.order.Tasks()[0].To.Key[0] == "warehouse" {
		w.pump1(nil)
	}
	charge := w.order.Tasks()[0]
	for range 5 {
		w.outcome(charge) // it is done, but
		w.pump1(errors.New("no answer"))
		w.order.Advance(5 * time.Minute)
	}
	w.pump()
	w.check(flow.Failed, "lamp, undo reserve, 12 EUR, undo charge")
	if err, ok := w.outcome(charge).(error); !ok || !errors.Is(err, guest.UserError("reverted", "")) {
		t.Errorf("a late call: %v", err)
	}
}

// pump1 ends the oldest task: with the outcome of its service, or with an error.
func (w *world) pump1(err error) {
	w.t.Helper()
	task := w.order.Tasks()[0]
	var outcome any = err
	if err == nil {
		outcome = w.outcome(task)
	}
	if err := w.order.Complete(task.ID, outcome); err != nil {
		w.t.Fatal(err)
	}
}
