package actors_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// tasksSeen returns the turns of tasks that the guest saw.
func tasksSeen(s *actorstest.Stack, id tenants.ActorID) (list []actorstest.Seen) {
	for _, one := range s.Seen(id) {
		if one.Kind == int(abi.KindTask) {
			list = append(list, one)
		}
	}
	return list
}

func awaitTasks(t *testing.T, s *actorstest.Stack, id tenants.ActorID, n int) []actorstest.Seen {
	t.Helper()
	kvtest.Eventually(t, "turns of tasks", func() bool { return len(tasksSeen(s, id)) >= n })
	return tasksSeen(s, id)
}

func awaitNoTasks(t *testing.T, s *actorstest.Stack, id tenants.ActorID) {
	t.Helper()
	kvtest.Eventually(t, "the end of tasks", func() bool { n := rows(t, s, id); return n["g"] == 0 && n["T"] == 0 })
}

func head(t *testing.T, one actorstest.Seen) (k abi.Task) {
	t.Helper()
	if err := json.Unmarshal([]byte(one.Head), &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// A timer ends in a turn of its own when its moment has come, with its context and the open request.
func TestTimerTask(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("envelope", `"done"`), step("reply", -1, "$LAST"))
	p := openCall(t, s, id, t.Context(), "k", step("task_timer", 5000, "my context"))
	clock.Advance(4 * time.Second)
	s.Host.Look()
	s.MustDo(id, step("kv_get", "x"))
	if seen := tasksSeen(s, id); len(seen) != 0 {
		t.Fatalf("the timer ended early: %+v", seen)
	}
	clock.Advance(time.Second)
	s.Host.Look()
	if a := <-p.answer; a.err != nil || a.out != `"done"` {
		t.Errorf("the answer is %s, %v", a.out, a.err)
	}
	seen := awaitTasks(t, s, id, 1)
	if k := head(t, seen[0]); k.Kind != "timer" || k.Attempt != 1 || k.ID == "" || seen[0].Context != "my context" || int64(seen[0].Request) != p.id {
		t.Errorf("the guest saw %+v", seen[0])
	}
	awaitNoTasks(t, s, id)
}

// A task that is cancelled does nothing more, and one of a turn that fails never was.
func TestCancelTask(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script", "a")
	if _, err := s.Do(id, step("task_timer", 1, "never"), step("user", "no", "")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	got := s.MustDo(id, step("task_timer", 1000, "x"), step("task_cancel", "$LAST"), step("task_timer", 1000, "y"))
	if got[1].N != 1 {
		t.Errorf("cancelled %d", got[1].N)
	}
	if got := s.MustDo(id, step("task_cancel", got[2].B), step("task_cancel", got[2].B), step("task_cancel", "none")); got[0].N != 1 || got[1].N != 0 || got[2].N != 0 {
		t.Errorf("cancelled %+v", got)
	}
	clock.Advance(time.Minute)
	s.Host.Look()
	s.MustDo(id, step("kv_get", "x"))
	if seen := tasksSeen(s, id); len(seen) != 0 {
		t.Errorf("the guest saw %+v", seen)
	}
	awaitNoTasks(t, s, id)
}

func TestTaskLimits(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	for _, bad := range []actorstest.Step{
		step("task_timer", -2, ""), step("task_timer", 4_000_000_000_000, ""), step("task_timer", 1, strings.Repeat("x", abi.MaxTaskContext+1)),
		step("task_call", "{", "do", "[]", ""), step("task_call", to(id), "do", "{}", ""), step("task_call", `{"name":" "}`, "do", "[]", ""),
	} {
		if code := lastCode(t, s, id, bad); code != abi.CodeInvalidArgument {
			t.Errorf("%s %v: %v", bad.Op, bad.N, code)
		}
	}
	var steps []actorstest.Step
	for range abi.MaxTasks {
		steps = append(steps, step("task_timer", 1_000_000, ""))
	}
	first := s.MustDo(id, steps...)[0].B
	if code := lastCode(t, s, id, step("task_timer", 1, "")); code != abi.CodeTooManyTasks {
		t.Errorf("one more: %v", code)
	}
	s.MustDo(id, step("task_cancel", first), step("task_timer", 1_000_000, ""))
	if code := lastCode(t, s, id, step("task_timer", 1, "")); code != abi.CodeTooManyTasks {
		t.Errorf("one more than after one was cancelled: %v", code)
	}
}

// A call as a task: the one who began it may be called back, and the answer is a turn.
func TestCallTask(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	on(s, a, abi.KindTask, step("reply", -1, "$ARGS"))
	back := step("call", to(a), "do", do(step("kv_put", "back", "1")))
	p := openCall(t, s, a, t.Context(), "k", step("task_call", to(b), "do", do(back, step("result"), step("return", `"called"`)), "ctx"))
	if got := <-p.answer; got.err != nil || got.out != `"called"` {
		t.Fatalf("the answer is %s, %v", got.out, got.err)
	}
	if got := s.MustDo(a, step("kv_get", "back")); got[0].B != "1" {
		t.Error("the callee could not call back")
	}
	if k := head(t, awaitTasks(t, s, a, 1)[0]); k.Kind != "call" {
		t.Errorf("the guest saw %+v", k)
	}
	// The failure of a callee is an outcome, which can be passed on.
	p = openCall(t, s, a, t.Context(), "k2", step("task_call", target{Name: "script", Key: []string{"none"}}, "do", "[]", ""))
	if got := <-p.answer; abi.CodeOf(got.err) != abi.CodeActorNotFound {
		t.Errorf("the answer is %v", got.err)
	}
	p = openCall(t, s, a, t.Context(), "k3", step("task_call", target{Name: "script", Key: []string{"new"}, Create: true}, "echo", `["x"]`, ""))
	if got := <-p.answer; got.out != `["x"]` {
		t.Errorf("the answer is %s, %v", got.out, got.err)
	}
}

// Work on a task begins when the turn that began it is durable, and not at all if that is refused.
func TestTaskWaitsForItsCommit(t *testing.T) {
	var g *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { g = kvtest.NewGate(inner); return g }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	call := step("task_call", to(b), "nop", "[]", "")
	s.MustDo(b, step("kv_get", "x"))
	before := s.Host.Posted(b)
	g.Hold()
	turn := make(chan error, 1)
	go func() { _, err := s.Do(a, call); turn <- err }()
	g.AwaitHeld(t, 1)
	s.MustDo(b, step("kv_get", "x"))
	if got := s.Host.Posted(b); got != before+1 {
		t.Errorf("the callee was asked %d times before the commit", got-before-1)
	}
	g.Resume()
	if err := <-turn; err != nil {
		t.Fatal(err)
	}
	awaitTasks(t, s, a, 1)
	before = s.Host.Posted(b)
	g.Refuse(1, kv.ErrReadOnly)
	if _, err := s.Do(a, call); abi.CodeOf(err) != abi.CodeStorageFull {
		t.Fatal(err)
	}
	s.MustDo(a, step("kv_put", "x", "y"))
	awaitNoTasks(t, s, a)
	if got := s.Host.Posted(b); got != before {
		t.Error("a task of a refused turn was done")
	}
}

// A task whose turn fails is tried again with the outcome that is there, and given up in the end.
func TestFailedTaskTurns(t *testing.T) {
	clock := actorstest.NewClock()
	var hits atomic.Int32
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1) }), func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("kv_put", "never", "x"), step("trap"))
	s.MustDo(id, step("task_fetch", abi.FetchRequest{URL: url}, "body", "ctx"))
	for range abi.MaxAttempts {
		kvtest.Eventually(t, "an attempt", func() bool {
			clock.Advance(10 * time.Second)
			s.Host.Look()
			return rows(t, s, id)["g"] == 0 || strings.Count(s.Log(id), "trapped") > 0
		})
	}
	kvtest.Eventually(t, "the end", func() bool { clock.Advance(10 * time.Second); s.Host.Look(); return rows(t, s, id)["g"] == 0 })
	if n := hits.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
	if log := s.Log(id); strings.Count(log, "the guest trapped") != abi.MaxAttempts || !strings.Contains(log, "was given up") {
		t.Errorf("the log is:\n%s", log)
	}
	if got := s.MustDo(id, step("kv_get", "never")); got[0].N != -1 {
		t.Error("a failed turn left something")
	}
	awaitNoTasks(t, s, id)
}

// The end of a stream is kept like any other outcome when its turn fails. It holds no room that could be given back.
func TestFailedEndOfAStream(t *testing.T) {
	clock := actorstest.NewClock()
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("user", "no", ""))
	s.MustDo(id, step("task_fetch", abi.FetchRequest{URL: url, Stream: true}, "", ""))
	kvtest.Eventually(t, "the end", func() bool { clock.Advance(10 * time.Second); s.Host.Look(); return rows(t, s, id)["g"] == 0 })
	if log := s.Log(id); !strings.Contains(log, "was given up") {
		t.Errorf("the log is:\n%s", log)
	}
	awaitNoTasks(t, s, id)
}

// A turn that cancels a task and then fails has not cancelled it: its outcome is still there.
func TestFailedCancelKeepsTheOutcome(t *testing.T) {
	clock := actorstest.NewClock()
	var hits atomic.Int32
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1) }), func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("trap"))
	task := s.MustDo(id, step("task_fetch", abi.FetchRequest{URL: url}, "", ""))[0].B
	kvtest.Eventually(t, "a failed attempt", func() bool { return strings.Contains(s.Log(id), "trapped") })
	on(s, id, abi.KindTask)
	if _, err := s.Do(id, step("task_cancel", task), step("user", "no", "")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	clock.Advance(10 * time.Second)
	s.Host.Look()
	awaitNoTasks(t, s, id)
	if n := hits.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}
