package actors_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// Turns are told by what the guest was asked and how that ended, hooks too, and by no name of a tenant's.
func TestStatsOfTurns(t *testing.T) {
	s := openScript(t, nil)
	before := s.Host.Stats()
	id := s.Actor(tenants.Default, "hooked")
	s.MustDo(id, step("kv_put", "a", "b"))
	if _, err := s.Do(id, step("user", "no", "luck")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	if _, err := s.Do(id, step("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	got := s.Host.Stats()
	for turn, want := range map[actors.Turn]uint64{
		{Kind: "create", Outcome: "ok"}: 1, {Kind: "action", Outcome: "ok"}: 2, {Kind: "action", Outcome: "user"}: 1,
		{Kind: "action", Outcome: "actor"}: 1, {Kind: "wake", Outcome: "ok"}: 2, {Kind: "sleep", Outcome: "ok"}: 1,
	} {
		if n := got.Turns[turn] - before.Turns[turn]; n != want {
			t.Errorf("%d turns of %v, want %d: %v", n, turn, want, got.Turns)
		}
	}
	if got.TurnTimes.Count()-before.TurnTimes.Count() < 8 || got.TurnTimes.Sum <= before.TurnTimes.Sum || got.Gas <= before.Gas {
		t.Errorf("the turns took nothing: %+v", got)
	}
	if got.Awake != 0 || got.Instances != 0 || got.MaxInstances != 1000 || got.Draining {
		t.Errorf("asleep: %+v", got)
	}
}

// A thousand actors with names of their own make no more rows than one.
func TestStatsHaveNoNamesOfTenants(t *testing.T) {
	s := openScript(t, nil)
	s.MustDo(s.Actor(tenants.Default, "script", "first"), step("kv_put", "a", "b"))
	before := s.Host.Stats()
	for i := range 100 {
		s.MustDo(s.Actor(tenants.Default, "script", "bomb", strings.Repeat("x", i+1)), step("kv_put", "a", "b"))
	}
	after := s.Host.Stats()
	if len(after.Turns) != len(before.Turns) || len(after.Uploads) != len(before.Uploads) || len(after.Fetches) != len(before.Fetches) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	action := actors.Turn{Kind: "action", Outcome: "ok"}
	if n := after.Turns[action] - before.Turns[action]; n != 100 {
		t.Errorf("%d actions, want 100", n)
	}
}

// Refusals, late schedules, uploads, lost lines and a stop are told.
func TestStatsOfTheRest(t *testing.T) {
	s := openScript(t, nil)
	uploads := maps.Clone(s.Host.Stats().Uploads)
	if uploads["new"] != 1 {
		t.Errorf("after one upload: %v", uploads)
	}
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	if _, _, _, err := s.Host.Upload(t.Context(), tenants.Default, strings.NewReader("no module"), actors.UploadOptions{Module: "bad"}); abi.CodeOf(err) != abi.CodeModuleMalformed {
		t.Fatal(err)
	}
	if got := s.Host.Stats().Uploads; got["new"] != 1 || got["same"] != 1 || got["module/malformed"] != 1 || len(got) != 3 {
		t.Errorf("after three uploads: %v", got)
	}
	id := s.Actor(tenants.Default, "script")
	s.MustDo(id, step("schedule_set", spec{"after": 1, "action": "nop"}, "[]"))
	kvtest.Eventually(t, "the schedule", func() bool { d := s.Host.Stats().ScheduleDelays; return d.Count() == 1 })
	if n := s.Host.Stats().Couriers; n != 0 {
		t.Errorf("%d couriers without a task", n)
	}
	if err := s.Host.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.Host.Stats().Draining {
		t.Error("a host that stops does not say so")
	}
}
