package actors_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

var S = actorstest.S

// tick appends a dot to the KV item ticks, so that a run which had its effect twice is seen.
func tick() any {
	return do(S("kv_get", "ticks"), S("turn"), S("kv_put", "turn", "$LAST"), S("queue_send", "", "jobs", "1"))
}

// ticks returns how many messages the runs of tick have sent: each is handled in a turn of its own.
func (s *timed) ticks(id tenants.ActorID) int {
	s.t.Helper()
	return len(s.deliveries(id))
}

func TestScheduleOnce(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	due := s.Now().Add(10 * time.Second).UnixMilli()
	key := s.MustDo(id, S("schedule_set", spec{"after": 10_000, "action": "do"}, tick()))[0].B
	var got abi.Schedule
	s.decode(s.MustDo(id, S("schedule_get", key))[0].B, &got)
	if got.ID != key || got.Name != "" || got.Action != "do" || got.Next != due || !strings.Contains(string(got.Args), "queue_send") {
		t.Errorf("get gives %+v", got)
	}
	s.pass(9999 * time.Millisecond)
	s.MustDo(id, S("now"))
	if n := s.ticks(id); n != 0 {
		t.Fatalf("%d runs before it was due", n)
	}
	s.pass(time.Millisecond)
	s.eventually("the run", func() bool { return s.ticks(id) == 1 })
	var seen actorstest.Seen
	s.decode(s.get(id, "turn"), &seen)
	var fire abi.Fire
	s.decode(seen.Head, &fire)
	if want := (abi.Fire{ID: key, Kind: "once", Due: due, Run: 1}); fire != want {
		t.Errorf("the action was told %+v, want %+v", fire, want)
	}
	if seen.Kind != int(abi.KindAction) || seen.Name != "do" || seen.Caller != "" || seen.Sender != "" || seen.Origin != "" || seen.Request != 0 {
		t.Errorf("the action saw %+v", seen)
	}
	if list := s.schedules(id); len(list) != 0 {
		t.Errorf("it is still there: %+v", list)
	}
	runs := s.runs(id, key)
	if len(runs) != 1 || runs[0] != (abi.Run{ID: key, Due: due, At: due, Result: "ok"}) {
		t.Errorf("runs %+v", runs)
	}
	s.pass(time.Hour)
	s.MustDo(id, S("now"))
	if n := s.ticks(id); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// What a turn does to schedules it sees, and it is gone with the turn.
func TestScheduleOfItsOwnTurn(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	got := s.MustDo(id,
		S("schedule_set", spec{"every": 5000, "name": "a", "action": "nop"}, "[1]"),
		S("schedule_set", spec{"cron": "0 0 1 1 *", "name": "b", "action": "nop"}, ""),
		S("schedule_list"),
		S("schedule_cancel", "a"), S("schedule_cancel", "a"), S("schedule_cancel", "nobody"),
		S("schedule_get", "a"),
		S("schedule_set", spec{"at": 1, "name": "b", "action": "echo"}, "[2]"),
		S("schedule_get", "b"),
		S("schedule_list"))
	var before, after []abi.Schedule
	s.decode(got[2].B, &before)
	s.decode(got[9].B, &after)
	if len(before) != 2 || before[0].Every != 5000 || before[1].Cron != "0 0 1 1 *" || before[0].Args != nil {
		t.Errorf("list %s", got[2].B)
	}
	if got[3].N != 1 || got[4].N != 0 || got[5].N != 0 || got[6].N != abi.Absent {
		t.Errorf("cancel gives %v, then get %v", got[3:6], got[6])
	}
	if len(after) != 1 || after[0].Action != "echo" || after[0].Cron != "" || after[0].Next != s.Now().UnixMilli() {
		t.Errorf("list in the end %s", got[9].B)
	}
	if !strings.Contains(got[8].B, `"args":[2]`) {
		t.Errorf("get gives %s", got[8].B)
	}
	s.eventually("the past moment", func() bool { return len(s.schedules(id)) == 0 })

	if _, err := s.Do(id, S("schedule_set", spec{"after": 1, "action": "nop"}, ""), S("user", "no", "no")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	if list := s.schedules(id); len(list) != 0 {
		t.Errorf("a failed turn left %+v", list)
	}
}

// Setting a recurring schedule again, as actors do whenever they wake, does not put it off.
func TestScheduleSetAgainKeepsItsTime(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	set := func(sp spec) int64 {
		s.MustDo(id, S("schedule_set", sp, "[]"))
		return s.schedules(id)[0].Next - s.Now().UnixMilli()
	}
	every := spec{"every": 60_000, "name": "x", "action": "nop"}
	set(every)
	s.pass(50 * time.Second)
	if d := set(every); d != 10_000 {
		t.Errorf("due in %d ms, want 10000", d)
	}
	if d := set(spec{"every": 30_000, "name": "x", "action": "nop"}); d != 30_000 {
		t.Errorf("another interval: due in %d ms, want 30000", d)
	}
	if n := len(s.schedules(id)); n != 1 {
		t.Errorf("%d schedules", n)
	}
}

func TestScheduleRefused(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	const year = 366 * 24 * 3600 * 1000
	bad := []any{
		spec{}, spec{"action": "nop"}, spec{"action": "nobody", "after": 1}, spec{"action": "", "after": 1},
		spec{"action": "nop", "after": 1, "at": 1}, spec{"action": "nop", "every": 4999, "name": "a"}, spec{"action": "nop", "every": 0, "name": "a"},
		spec{"action": "nop", "every": -5000, "name": "a"}, spec{"action": "nop", "every": 5000}, spec{"action": "nop", "cron": "* * * * *"},
		spec{"action": "nop", "cron": "* * * *", "name": "a"}, spec{"action": "nop", "cron": "", "name": "a"}, spec{"action": "nop", "cron": "0 0 30 2 *", "name": "a"},
		spec{"action": "nop", "cron": "* * * * *", "name": "a", "timezone": "Mars/Base"}, spec{"action": "nop", "after": 1, "timezone": "Europe/Berlin"},
		spec{"action": "nop", "after": 101 * year}, spec{"action": "nop", "every": 101 * year, "name": "a"}, spec{"action": "nop", "at": int64(1) << 62},
		spec{"action": "nop", "after": int64(math.MaxInt64)}, spec{"action": "nop", "after": 1, "name": strings.Repeat("n", 257)},
		spec{"action": "nop", "after": 1, "typo": 1}, "", "[]", "null", `{"action":"nop","after":1} {}`, `{"action":"nop","after":1e300}`, `{"action":"nop","after":"1"}`, "\xff",
	}
	for _, b := range bad {
		got, err := s.Do(id, S("schedule_set", b, "[]"))
		if err != nil || got[0].N != -int64(abi.CodeInvalidSchedule) {
			t.Errorf("%v: %+v %v", b, got, err)
		}
	}
	for _, args := range []string{"1", "{}", "[", `"x"`, "[" + strings.Repeat(" ", 64<<10) + "]"} {
		if got, err := s.Do(id, S("schedule_set", spec{"action": "nop", "after": 1}, args)); err != nil || got[0].N != -int64(abi.CodeInvalidSchedule) {
			t.Errorf("arguments %.20q: %+v %v", args, got, err)
		}
	}
	good := []spec{
		{"action": "nop", "after": 99 * year}, {"action": "nop", "every": 99 * year, "name": "a"}, {"action": "nop", "cron": "0 0 29 2 *", "name": "b", "timezone": "Europe/Berlin"},
	}
	for _, g := range good {
		s.MustDo(id, S("schedule_set", g, ""))
	}
	for _, past := range []spec{{"action": "nop", "after": 0}, {"action": "nop", "after": -1 << 62}, {"action": "nop", "at": 0}, {"action": "nop", "at": -1 << 62}} {
		key := s.MustDo(id, S("schedule_set", past, ""))[0].B
		s.eventually("a moment that is past", func() bool { return s.results(id, key) == "ok" })
	}
}

// Nobody gets more than a thousand, however often it asks.
func TestScheduleLimit(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	steps := []actorstest.Step{S("schedule_set", spec{"every": 5000, "name": "named", "action": "nop"}, "")}
	for range 5000 {
		steps = append(steps, S("schedule_set", spec{"after": 1000, "action": "nop"}, ""))
	}
	for round := range 4 {
		got, err := s.Do(id, steps...)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		for _, o := range got {
			switch o.N {
			case -int64(abi.CodeTooManySchedules):
			default:
				made++
			}
		}
		if want := []int{1000, 1, 1, 1}[round]; made != want { // the named one is there already
			t.Errorf("round %d: %d were taken, want %d", round, made, want)
		}
	}
	if n := len(s.schedules(id)); n != 1000 {
		t.Errorf("%d schedules", n)
	}
	s.MustDo(id, S("schedule_cancel", "named"), S("schedule_set", spec{"after": 1000, "action": "nop"}, ""))
	s.pass(time.Second)
	s.eventually("all have run", func() bool { return len(s.schedules(id)) == 0 })
	s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "nop"}, ""))
}

// A recurring schedule keeps to its grid. Moments that were missed are one run.
func TestScheduleMissedMomentsAreOneRun(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			s := openTimed(t, "")
			id := s.Actor(tenants.Default, "script")
			s.MustDo(id, S("schedule_set", spec{"every": 10_000, "name": "e", "action": "do"}, tick()),
				S("schedule_set", spec{"cron": "*/5 * * * *", "name": "c", "action": "do"}, tick()),
				S("schedule_set", spec{"after": 1000, "action": "do"}, tick()))
			if restart {
				s.restart(time.Hour + 3*time.Second)
			} else {
				s.pass(time.Hour + 3*time.Second)
			}
			s.eventually("the runs", func() bool { return s.ticks(id) == 3 })
			for _, sc := range s.schedules(id) {
				want := map[string]int64{"e": 7000, "c": 297_000}[sc.Name]
				if d := sc.Next - s.Now().UnixMilli(); d != want {
					t.Errorf("%s is due in %d ms, want %d", sc.Name, d, want)
				}
			}
			if got := s.results(id, "e") + " " + s.results(id, "c"); got != "ok ok" {
				t.Errorf("runs: %s", got)
			}
			s.pass(7 * time.Second)
			s.eventually("the next run", func() bool { return s.ticks(id) == 4 })
		})
	}
}

// A failure is written down. A one-shot schedule is over, a recurring one goes on.
func TestScheduleFails(t *testing.T) {
	ends := map[string]struct {
		step actorstest.Step
		text string
	}{
		"user":   {S("user", "broken", "as planned"), "user/broken: as planned"},
		"hidden": {S("hidden", "secret"), "rivetkit/internal_error: An internal error occurred"},
		"trap":   {S("trap"), "actor/trapped: The actor's code failed"},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := openTimed(t, "")
			id := s.Actor(tenants.Default, "script")
			fails := do(S("kv_put", "left", "behind"), S("schedule_cancel", "e"), end.step)
			once := s.MustDo(id, S("schedule_set", spec{"after": 1, "action": "do"}, fails), S("schedule_set", spec{"every": 5000, "name": "e", "action": "do"}, fails))[0].B
			s.pass(5 * time.Second)
			s.eventually("both", func() bool { return s.results(id, once) == "error" && s.results(id, "e") == "error" })
			s.pass(5 * time.Second)
			s.eventually("again", func() bool { return s.results(id, "e") == "error error" })
			if r := s.runs(id, "e")[0]; r.Error != end.text {
				t.Errorf("error %q, want %q", r.Error, end.text)
			}
			list := s.schedules(id)
			if len(list) != 1 || list[0].Error != end.text || list[0].Runs != 2 {
				t.Errorf("schedules %+v", list)
			}
			if got := s.get(id, "left"); got != "" {
				t.Errorf("the failed action left %q", got)
			}
			s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "e", "action": "nop"}, ""))
			s.pass(5 * time.Second)
			s.eventually("a good run", func() bool { return s.results(id, "e") == "ok error error" })
			if got := s.schedules(id)[0].Error; got != "" {
				t.Errorf("after a good run the error is %q", got)
			}
		})
	}
}

// Runs do not overlap. Moments that come while the action runs are skipped, and that is written down.
func TestScheduleSkipsWhileItRuns(t *testing.T) {
	var s *timed
	s = openTimed(t, "", func(c *actors.Config) {
		c.OnLog = func(_ actors.Info, l actors.LogLine) {
			if l.Text == "long" {
				s.Advance(12 * time.Second)
			}
		}
	})
	id := s.Actor(tenants.Default, "script")
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "e", "action": "do"}, do(S("log", "long", 2))))
	start := s.Now().UnixMilli()
	s.pass(5 * time.Second)
	s.eventually("the run", func() bool { return s.results(id, "e") == "skipped ok" })
	if next := s.schedules(id)[0].Next - start; next != 20_000 {
		t.Errorf("the next run is at %d ms, want 20000", next)
	}
	if r := s.runs(id, "e")[0]; r.Due-start != 10_000 || r.At-start != 17_000 {
		t.Errorf("skipped %+v", r)
	}
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "e", "action": "do"}, do(S("log", "long", 2), S("user", "no", "no"))))
	s.pass(3 * time.Second)
	s.eventually("the failed run", func() bool { return s.results(id, "e") == "skipped error skipped ok" })
}

// The action of a schedule may cancel it, or set it anew: that is what stays.
func TestScheduleChangedByItsAction(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "cancels", "action": "do"}, do(S("schedule_cancel", "cancels"))),
		S("schedule_set", spec{"every": 5000, "name": "slower", "action": "do"}, do(S("schedule_set", spec{"every": 60_000, "name": "slower", "action": "nop"}, ""))),
		S("schedule_set", spec{"after": 5000, "name": "again", "action": "do"}, do(S("schedule_get", "again"), S("schedule_set", spec{"after": 5000, "name": "again", "action": "nop"}, ""))))
	s.pass(5 * time.Second)
	s.eventually("the runs", func() bool {
		return s.results(id, "cancels") == "ok" && s.results(id, "slower") == "ok" && s.results(id, "again") == "ok"
	})
	list := s.schedules(id)
	if len(list) != 2 || list[0].Name != "again" || list[0].Action != "nop" || list[1].Every != 60_000 || list[1].Next != s.Now().Add(time.Minute).UnixMilli() {
		t.Errorf("schedules %+v", list)
	}
}

// The last hundred runs of a schedule and the last thousand of an actor are kept.
func TestScheduleHistoryIsBounded(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "quiet", "action": "nop"}, ""))
	s.pass(5 * time.Second)
	s.eventually("a run", func() bool { return s.results(id, "quiet") == "ok" })
	s.MustDo(id, S("schedule_cancel", "quiet"))
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "busy", "action": "nop"}, ""))
	for n := 1; n <= 103; n++ {
		s.pass(5 * time.Second)
		s.eventually("a run", func() bool { return s.schedules(id)[0].Runs == n })
	}
	runs := s.runs(id, "busy")
	if len(runs) != abi.MaxRuns || runs[0].Due != s.Now().UnixMilli() || runs[99].Due != s.Now().Add(-99*5*time.Second).UnixMilli() {
		t.Errorf("%d runs, from %d to %d", len(runs), runs[len(runs)-1].Due, runs[0].Due)
	}
	if got := s.results(id, "quiet"); got != "ok" {
		t.Errorf("the busy one drove out the quiet one's: %q", got)
	}
	// Others, each with one run, drive out the oldest.
	steps := []actorstest.Step{}
	for range 899 {
		steps = append(steps, S("schedule_set", spec{"after": 0, "action": "nop"}, ""))
	}
	s.MustDo(id, steps...)
	s.eventually("all have run", func() bool { return len(s.schedules(id)) == 1 })
	if got := s.results(id, "quiet"); got != "ok" {
		t.Errorf("with a thousand runs the oldest is %q", got)
	}
	s.MustDo(id, S("schedule_set", spec{"after": 0, "action": "nop"}, ""))
	s.eventually("the oldest goes", func() bool { return s.results(id, "quiet") == "" })
	if n := len(s.runs(id, "busy")); n != 100 {
		t.Errorf("more than the oldest went: %d", n)
	}
}

// A commit that the store refuses is no run: the schedule is still due, and runs once it can.
func TestScheduleCommitRefused(t *testing.T) {
	for _, refusal := range []error{kv.ErrFenced, kv.ErrReadOnly} {
		t.Run(refusal.Error(), func(t *testing.T) {
			s := openTimed(t, "")
			id := s.Actor(tenants.Default, "script")
			once := s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "do"}, do(S("kv_put", "ran", "yes"))))[0].B
			s.gate.Refuse(1, refusal)
			s.gate.Refuse(2, refusal)
			before := s.gate.Commits()
			s.pass(time.Second)
			s.eventually("a try", func() bool { return s.gate.Commits() > before })
			for range 1000 {
				s.Host.Look() // it rests meanwhile
			}
			if n := s.gate.Commits(); n != before+1 {
				t.Errorf("%d tries in no time", n-before)
			}
			s.eventually("the run", func() bool { s.pass(restTime); return s.get(id, "ran") == "yes" })
			if n := s.gate.Commits() - before; n != 3 {
				t.Errorf("%d tries, want two refused ones and the run", n)
			}
			if got := s.results(id, once); got != "ok" {
				t.Errorf("runs: %s", got)
			}
		})
	}
}

// restTime is how long an actor rests after a refusal.
const restTime = time.Second

// The same for the commit that notes a failure: between the turn and it the host may end.
func TestScheduleSettlingRefused(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	once := s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "do"}, do(S("kv_put", "left", "behind"), S("user", "no", "no"))))[0].B
	s.gate.Refuse(1, kv.ErrFenced)
	before := s.gate.Commits()
	s.pass(time.Second)
	s.eventually("the refused commit", func() bool { return s.gate.Commits() == before+1 })
	s.restart(time.Hour)
	s.eventually("the failure", func() bool { return s.results(id, once) == "error" })
	if s.get(id, "left") != "" || len(s.schedules(id)) != 0 {
		t.Errorf("left %q, schedules %v", s.get(id, "left"), s.schedules(id))
	}
}

// The version may change between a schedule and its run, and go back.
func TestScheduleAcrossVersions(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.MustDo(id, S("schedule_set", spec{"every": 5000, "name": "e", "action": "do"}, do(S("self"), S("kv_put", "self", "$LAST"))))
	list := versions(actorstest.Guest(t, actorstest.ScriptGuest), 2)
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, list[1])
	s.pass(5 * time.Second)
	s.eventually("a run of version 2", func() bool { return strings.Contains(s.get(id, "self"), `"version":2`) })
}

// An action that is no more ends its schedules, with a note.
func TestScheduleOfAVanishedAction(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	once := s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "do"}, tick()), S("schedule_set", spec{"every": 5000, "name": "e", "action": "do"}, tick()))[0].B
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.Guest(t, "examples/wasm/extism-as")) // another actor of the name
	s.pass(5 * time.Second)
	s.eventually("they go", func() bool { return len(s.schedules(id)) == 0 })
	if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "script", 1); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{once, "e"} {
		if runs := s.runs(id, key); len(runs) != 1 || runs[0].Result != "error" || !strings.HasPrefix(runs[0].Error, "actor/action_not_found") {
			t.Errorf("runs %+v", runs)
		}
	}
}

// An actor without a version sleeps, and does what was due when it has one again.
func TestScheduleWithoutAVersion(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "events")
	once := s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "do"}, do(S("kv_put", "ran", "yes"))))[0].B
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true, Force: true}, actorstest.Guest(t, "examples/wasm/extism-as"))
	s.pass(time.Second)
	s.eventually("sleep", func() bool { awake, _ := s.Host.Awake(); return awake == 0 })
	for range 5 {
		s.pass(time.Second) // shorter than it rests
		if awake, _ := s.Host.Awake(); awake != 0 {
			t.Error("it is tried again at once")
		}
	}
	if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "script", 1); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Minute)
	s.eventually("the run", func() bool { return s.get(id, "ran") == "yes" })
	if got := s.results(id, once); got != "ok" {
		t.Errorf("runs: %s", got)
	}
}
