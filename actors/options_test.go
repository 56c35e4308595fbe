package actors_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// What an actor chooses for itself holds: its times, its sizes, its origins and its schemas.
func TestOptionsHold(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "bounds")
	send := func(m actors.Message) error {
		m.Queue = "jobs"
		_, err := s.Host.Enqueue(t.Context(), id, m)
		return err
	}
	text := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	want := func(what string, err error, code abi.Code, name string) {
		t.Helper()
		if e := abi.AsError(err); code == 0 && err != nil || code != 0 && (e == nil || e.Code != code || name != "" && e.PublicName() != name) {
			t.Errorf("%s: %v, want %v %s", what, err, code, name)
		}
	}
	_, err := s.Do(id, step("pause", 10_000))
	want("an action past actionTimeout", err, abi.CodeActionTimedOut, "")
	_, err = s.Do(id, step("pause", 10))
	want("an action within it", err, 0, "")

	on(s, id, abi.KindConnect, step("pause", 10_000))
	_, err = s.Host.Connect(t.Context(), id, actors.ConnectRequest{Kind: abi.ConnEvents}, &sink{})
	want("a connect hook past its time", err, abi.CodeActionTimedOut, "")
	_, err = s.Host.Connect(t.Context(), id, actors.ConnectRequest{Kind: abi.ConnEvents, Params: json.RawMessage("5")}, &sink{})
	want("params against their schema", err, abi.CodeUser, "invalid_params")

	on(s, id, abi.KindQueue, step("user", "busy", "not now"))
	want("a message at maxQueueMessageSize", send(actors.Message{Body: text(100)}), 0, "")
	want("one past it", send(actors.Message{Body: text(101)}), abi.CodeQueueMessageTooLarge, "")
	want("a body against its schema", send(actors.Message{Body: json.RawMessage("5")}), abi.CodeUser, "invalid_body")
	want("a page of another origin", send(actors.Message{Body: text(3), Origin: "https://evil.example"}), abi.CodeOriginDenied, "")
	want("the second of maxQueueSize", send(actors.Message{Body: text(3), Origin: "https://app.example"}), 0, "")
	want("the third", send(actors.Message{Body: text(3)}), abi.CodeQueueFull, "")

	spec := func(name string) abi.Schedule { return abi.Schedule{Name: name, Action: "nop", Every: 3_600_000} }
	got, err := s.Do(id, step("schedule_set", spec("a"), "[]"), step("schedule_set", spec("b"), "[]"), step("schedule_set", spec("c"), "[]"))
	if err != nil || got[1].N < 0 || got[2].N != -int64(abi.CodeTooManySchedules) {
		t.Errorf("maxSchedules: %+v, %v", got, err)
	}
	kvtest.Eventually(t, "sleep after sleepTimeout, far below the host's 30 s", func() bool { awake, _ := s.Host.Awake(); return awake == 0 })
}

// The hooks of an actor's life have the time that it gives them.
func TestTimesOfLifeHold(t *testing.T) {
	s := openScript(t, func(c *actors.Config) { c.IdleTime = 50 * time.Millisecond })
	restless := s.Actor(tenants.Default, "restless")
	s.MustDo(restless, step("kv_get", "x"))
	alone := func() {
		t.Helper()
		kvtest.Eventually(t, "all but the restless one to sleep", func() bool { awake, _ := s.Host.Awake(); return awake == 1 })
	}
	quick := func(what string, f func()) {
		t.Helper()
		start := time.Now()
		if f(); time.Since(start) > 20*time.Second {
			t.Errorf("%s took %v", what, time.Since(start))
		}
	}
	wakes := func(id tenants.ActorID) (list []abi.Wake) {
		for _, one := range s.Seen(id) {
			if one.Kind == int(abi.KindWake) {
				var w abi.Wake
				if err := json.Unmarshal([]byte(one.Head), &w); err != nil {
					t.Fatal(err)
				}
				list = append(list, w)
			}
		}
		return list
	}

	a := s.Actor(tenants.Default, "hasty", "a")
	on(s, a, abi.KindSleep, step("pause", 600_000))
	quick("a hook sleep that hangs", alone)
	s.MustDo(a, step("kv_get", "x"))
	alone()
	if w := wakes(a); len(w) < 2 || w[len(w)-1].Generation <= w[0].Generation {
		t.Errorf("the generation does not grow: %+v", w)
	}
	on(s, a, abi.KindDestroy, step("pause", 600_000))
	quick("a hook destroy that hangs", func() {
		if err := s.Host.Destroy(t.Context(), a); err != nil {
			t.Error(err)
		}
	})

	b := s.Actor(tenants.Default, "hasty", "b")
	on(s, b, abi.KindUpgrade, step("pause", 600_000))
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, 1))
	quick("a hook upgrade that hangs", func() { s.MustDo(b, step("kv_get", "x")) })
	if info, err := s.Host.Get(t.Context(), b); err != nil || info.Version != 1 || info.Kept != 2 {
		t.Errorf("after an upgrade that hangs: %+v, %v", info, err)
	}
	on(s, b, abi.KindWake, step("pause", 600_000))
	alone()
	quick("a hook wake that hangs", func() {
		if _, err := s.Do(b, step("kv_get", "x")); abi.CodeOf(err) != abi.CodeActionTimedOut {
			t.Errorf("a hook wake that hangs gives %v", err)
		}
	})
}

// A message with an idempotency key is there once.
func TestQueueIdempotency(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script")
	on(s, id, abi.KindQueue, step("kv_get", "n"), step("remember", "n"), step("return", `"done"`))
	send := func(key, body string) (actors.Completion, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return s.Host.Enqueue(ctx, id, actors.Message{Queue: "jobs", Body: json.RawMessage(body), Wait: true, Once: key})
	}
	first, err := send("k", "1")
	if err != nil || string(first.Response) != `"done"` {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := send("k", "1"); err != nil || again.TimedOut || again.Response != nil {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := send("k", "2"); abi.CodeOf(err) != abi.CodeIdempotencyMismatch {
		t.Errorf("another body: %v", err)
	}
	handled := 0
	for _, one := range s.Seen(id) {
		if one.Kind == int(abi.KindQueue) {
			handled++
		}
	}
	if handled != 1 {
		t.Errorf("the message was handled %d times", handled)
	}
}

// A hook of clients that traps again and again makes a crash loop, too.
func TestCrashLoopOfHooks(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "events")
	on(s, id, abi.KindConnect, step("trap"))
	kvtest.Eventually(t, "the actor to be left alone", func() bool {
		_, err := s.Host.Connect(t.Context(), id, actors.ConnectRequest{Kind: abi.ConnEvents}, &sink{})
		return abi.CodeOf(err) == abi.CodeCrashLoop
	})
	s.Host.ResetCrashes(id)
	if _, err := s.Call(id, "nop"); err != nil && abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Error(err)
	}
}
