//go:build !wasip1

package wasm_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// order is what a workflow says of itself.
type order struct {
	Status, Error string
	Journal       []struct {
		Name    string
		Attempt int
		Done    bool
	}
}

// shop is a host with the workflow, whose process may be killed at a commit of its store.
type shop struct {
	*host
	gate *kvtest.Gate
}

func openShop(t *testing.T) *shop {
	s := &shop{host: &host{t: t, Clock: actorstest.NewClock()}}
	s.begin("")
	s.Upload(tenants.Default, "workflow", "examples/wasm/workflow")
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "workflow"}, actorstest.Guest(t, "examples/wasm/workflow/v2"))
	return s
}

func (s *shop) begin(dir string) {
	s.t.Helper()
	s.Stack = actorstest.Open(s.t, actorstest.Options{
		Dir:    dir,
		Config: func(c *actors.Config) { c.Now = s.Clock.Now },
		Store: func(inner kv.Store) kv.Store {
			s.gate = kvtest.NewGate(inner)
			return s.gate
		},
	})
}

// again starts the host on the data of the one that ended.
func (s *shop) again() {
	s.t.Helper()
	s.Close()
	s.begin(s.Dir)
}

// version makes a version of the workflow live.
func (s *shop) version(v int) {
	s.t.Helper()
	if _, err := s.Registry.SetLive(s.t.Context(), tenants.Default, "workflow", v); err != nil {
		s.t.Fatal(err)
	}
}

// place begins an order. That may be done again when nobody knows whether it was.
func (s *shop) place(item string) (tenants.ActorID, error) {
	input, err := json.Marshal(map[string]string{"item": item, "price": "price of " + item})
	if err != nil {
		return tenants.ActorID{}, err
	}
	info, _, err := s.Host.GetOrCreate(s.t.Context(), actorstest.Address(s.t, tenants.Default, "order", item), actors.CreateOptions{Input: input})
	return info.ID, err
}

// status is that of an order; err is that of a host that was killed.
func (s *shop) status(id tenants.ActorID) (o order, err error) {
	out, err := s.Call(id, "status")
	if err == nil {
		err = json.Unmarshal(out, &o)
	}
	return o, err
}

// until waits until an order is as it should be, and lets time pass if it has to do with time.
func (s *shop) until(id tenants.ActorID, pass time.Duration, what string, ok func(order) bool) (err error) {
	s.t.Helper()
	kvtest.Eventually(s.t, what, func() bool {
		if s.gate.Err() != nil {
			err = s.gate.Err()
			return true
		}
		s.pass(pass)
		o, failed := s.status(id)
		return failed == nil && ok(o)
	})
	return err
}

func at(step string) func(order) bool {
	return func(o order) bool { return len(o.Journal) > 0 && o.Journal[len(o.Journal)-1].Name == step }
}

func is(status string) func(order) bool { return func(o order) bool { return o.Status == status } }

// run brings an order from wherever it is to its end, or to the death of the host.
func (s *shop) run(item string) error {
	s.t.Helper()
	id, err := s.place(item)
	if err != nil {
		return err
	}
	if err := s.until(id, time.Hour, "the order waits", func(o order) bool { return at("address")(o) || len(o.Journal) > 4 || o.Status == "done" }); err != nil {
		return err
	}
	// Told twice, or when it was told before the host died, it says that it does not wait.
	if _, err := s.Call(id, "signal", "address", "home"); err != nil && !userError(err, "not_waiting") {
		return err
	}
	return s.until(id, 0, "the order is done", is("done"))
}

// effects are those of all services that an item is in.
func (s *shop) effects(item string) string {
	s.t.Helper()
	var list []string
	for _, name := range []string{"warehouse", "bank", "insurer", "carrier", "mail"} {
		for _, e := range get[[]string](s.host, s.actor("service", name), "effects") {
			if strings.Contains(e, item) {
				list = append(list, e)
			}
		}
	}
	return strings.Join(list, ", ")
}

// Killed at each commit in turn, before and after it is written, and sometimes with another version live when
// it comes back, the order has each effect exactly once.
func TestWorkflowKilledAnywhere(t *testing.T) {
	s := openShop(t)
	kills := 0
	for n := 1; ; n++ {
		died := 0
		for _, written := range []bool{false, true} {
			item := fmt.Sprintf("<lamp %d %v>", n, written)
			s.version(1)
			s.gate.Unknown(n, written)
			if s.run(item) != nil {
				died++
				s.again()
				if (n+died)%2 == 0 {
					s.version(2)
				}
				if err := s.run(item); err != nil {
					t.Fatalf("after the restart: %v", err)
				}
			}
			one := item + ", price of " + item + ", " + item + " to home"
			two := item + ", price of " + item + ", price of " + item + ", " + item + " to home, thanks, with receipt for price of " + item
			if got := s.effects(item); got != one && got != two {
				t.Errorf("killed at commit %d, written %v: the effects are %s", n, written, got)
			}
		}
		if kills += died; died == 0 {
			break
		}
	}
	if kills < 15 { // an order alone has more commits than that
		t.Errorf("killed %d times only", kills)
	}
}

// An order whose customer never answers is undone; a bank that is down for long only delays that, over restarts
// and with a new version. Nothing is done or undone twice.
func TestWorkflowUndone(t *testing.T) {
	s := openShop(t)
	id, err := s.place("lamp")
	if err != nil {
		t.Fatal(err)
	}
	wait := func(pass time.Duration, what string, ok func(order) bool) {
		t.Helper()
		if err := s.until(id, pass, what, ok); err != nil {
			t.Fatal(err)
		}
	}
	wait(time.Hour, "it waits for the address", at("address"))
	bank := s.actor("service", "bank")
	s.MustCall(bank, nil, "mood", "down")
	wait(10*24*time.Hour, "it is undone", is("undoing"))
	attempts := func(n int) func(order) bool {
		return func(o order) bool { return o.Status == "undoing" && o.Journal[1].Attempt >= n }
	}
	wait(time.Hour, "the bank was asked often", attempts(20)) // more often than a chain of calls is deep
	s.again()
	s.version(2)
	wait(time.Hour, "the bank was asked more often", attempts(25))
	if got, want := s.effects("lamp"), "lamp, price of lamp"; got != want {
		t.Errorf("while the bank is down the effects are %s, want %s", got, want)
	}
	s.MustCall(bank, nil, "mood", "fine")
	wait(time.Hour, "all is undone", is("failed"))
	if o, err := s.status(id); err != nil || o.Error != "address: nothing came in time" {
		t.Errorf("the order says %+v, %v", o, err)
	}
	for name, want := range map[string]string{"bank": `["price of lamp","undo charge"]`, "warehouse": `["lamp","undo reserve"]`, "carrier": `[]`} {
		if got, err := s.Call(s.actor("service", name), "effects"); err != nil || string(got) != want {
			t.Errorf("effects of the %s are %s, %v, want %s", name, got, err, want)
		}
	}
}

// A service that is down is asked again later, and what it refuses is not.
func TestWorkflowRetries(t *testing.T) {
	s := openShop(t)
	bank := s.actor("service", "bank")
	s.MustCall(bank, nil, "mood", "down")
	id, err := s.place("lamp")
	if err != nil {
		t.Fatal(err)
	}
	// Virtual time stands still: a pause ends when the test says so.
	for n, pause := range []time.Duration{0, time.Second, 4 * time.Second} {
		if pause > 0 {
			s.pass(pause)
		}
		err := s.until(id, 0, fmt.Sprintf("attempt %d has failed", n+1), func(o order) bool {
			return at("charge")(o) && o.Journal[1].Attempt == n+2
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.MustCall(bank, nil, "mood", "refusing")
	if err := s.until(id, time.Minute, "the order has failed", is("failed")); err != nil {
		t.Fatal(err)
	}
	if o, err := s.status(id); err != nil || o.Journal[1].Attempt > 5 || !strings.HasPrefix(o.Error, "charge: refused") {
		t.Errorf("the order says %+v, %v", o, err)
	}
	if got := s.effects("lamp"); got != "lamp" {
		t.Errorf("the effects are %s", got)
	}
}
