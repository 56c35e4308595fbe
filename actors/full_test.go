package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// wantFull fails unless err is that of a full disk.
func wantFull(t *testing.T, what string, err error) {
	t.Helper()
	if abi.CodeOf(err) != abi.CodeStorageFull {
		t.Errorf("%s on a full disk: got %v, want %v", what, err, abi.CodeStorageFull)
	}
}

// untouched fails a test that reads it.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the upload was read")
	return 0, errors.New("not to be read")
}

// What must write is refused before it begins, what reads goes on, and there is no trace of it when the disk has
// space again.
func TestFullDisk(t *testing.T) {
	s := openTimed(t, "")
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, S("kv_put", "k", "1"))
	answer, err := once(s.Stack, a, "ada", "before", S("kv_put", "once", "1"))
	if err != nil {
		t.Fatal(err)
	}
	s.gate.Fill(true)
	before := s.gate.Commits()
	if err := s.Host.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	wantFull(t, "Writable", s.Host.Writable())

	if got := s.MustDo(a, S("kv_get", "k")); got[0].B != "1" {
		t.Errorf("a read: %+v", got)
	}
	if got := s.MustDo(a, S("call", to(b), "echo", "[1]")); !strings.HasSuffix(got[0].B, "[1]") {
		t.Errorf("a call that writes nothing: %+v", got)
	}
	if got, err := once(s.Stack, a, "ada", "before", S("kv_put", "once", "1")); got != answer || err != nil {
		t.Errorf("an answer that is recorded: %s, %v", got, err)
	}
	out, err := s.Do(a, S("kv_put", "k", "2"), S("kv_delete", "k"), S("remember", "n"))
	if err != nil || out[0].N != -int64(abi.CodeStorageFull) || out[1].N != -int64(abi.CodeStorageFull) {
		t.Errorf("a turn that handles the refusal: %+v, %v", out, err)
	}
	if log := s.Log(a); strings.Contains(log, "error") {
		t.Errorf("the log is:\n%s", log)
	}
	_, err = once(s.Stack, a, "ada", "new", S("remember", "m"))
	wantFull(t, "an action with a new idempotency key", err)
	_, err = s.send(a, actors.Message{Body: json.RawMessage("1")})
	wantFull(t, "a queue message", err)
	_, _, err = s.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "script", "new"), actors.CreateOptions{})
	wantFull(t, "a creation", err)
	_, _, _, err = s.Host.Upload(t.Context(), tenants.Default, untouched{t}, actors.UploadOptions{Module: "script"})
	wantFull(t, "an upload", err)
	_, err = s.Registry.CreateNamespace(t.Context(), "new", "")
	wantFull(t, "a namespace", err)
	_, err = s.Registry.SetConfig(t.Context(), tenants.Default, "script", map[string]*string{"k": nil})
	wantFull(t, "a config", err)
	wantFull(t, "another try of a dead letter", s.Host.RetryDead(t.Context(), a, "none"))
	if got := s.gate.Commits(); got != before {
		t.Errorf("%d commits were tried", got-before)
	}
	if err := s.Host.Destroy(t.Context(), b); err != nil {
		t.Errorf("destroy, which gives space back: %v", err)
	}

	s.gate.Fill(false)
	if got := s.MustDo(a, S("kv_get", "k"), S("kv_put", "k", "3"), S("remember", "m")); got[0].B != "1" || got[2].N != 1 {
		t.Errorf("after it: %+v, want the value of before, and no trace of the refused action", got)
	}
	s.Actor(tenants.Default, "script", "new")
}

// A delta that the store refuses because the disk has become full meanwhile leaves nothing either.
func TestDiskFillsDuringATurn(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	id := g.Actor(tenants.Default, "counter")
	g.MustCall(id, nil, "increment", 1)
	g.gate.Hold()
	first := g.start(id, "increment", 10)
	g.gate.AwaitHeld(t, 1)
	g.gate.Fill(true)
	second := g.start(id, "increment", 100)
	g.gate.Resume()
	g.want(first, 11)
	if o := <-second; abi.CodeOf(o.err) != abi.CodeStorageFull {
		t.Errorf("got %s, %v", o.out, o.err)
	}
	g.want(g.start(id, "get"), 11)
	g.gate.Fill(false)
	g.want(g.start(id, "increment", 1), 12)
}

// Due work waits while the disk is full, awake or asleep, and that is no attempt.
func TestDueWorkWaitsForSpace(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		t.Run(map[bool]string{false: "awake", true: "asleep"}[asleep], func(t *testing.T) {
			s := openTimed(t, "")
			id := s.Actor(tenants.Default, "script", "a")
			s.handle(id, S("trap"))
			s.mustSend(id, "jobs", "x")
			s.eventually("a failed attempt", func() bool { w := s.waiting(id); return len(w) == 1 && w[0].Attempts == 1 })
			s.handle(id, S("kv_put", "handled", "yes")) // the next attempt is due in a second
			schedule := s.MustDo(id, S("schedule_set", spec{"after": 1000, "action": "do"}, do(S("kv_put", "ran", "yes"))))[0].B
			s.gate.Fill(true)
			if asleep {
				if err := s.Host.Sleep(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			for range 20 {
				s.pass(time.Second)
				if got := s.MustDo(id, S("kv_get", "handled"), S("kv_get", "ran")); got[0].N != -1 || got[1].N != -1 {
					t.Fatalf("done on a full disk: %+v", got)
				}
			}
			if w := s.waiting(id); len(w) != 1 || w[0].Attempts != 1 {
				t.Errorf("messages: %+v, want one that was tried once", w)
			}
			s.gate.Fill(false)
			s.eventually("the work", func() bool {
				s.pass(time.Second)
				return s.get(id, "handled") == "yes" && s.get(id, "ran") == "yes"
			})
			if got := s.results(id, schedule); got != "ok" {
				t.Errorf("runs: %s", got)
			}
			if d := s.dead(id); len(d) != 0 {
				t.Errorf("dead letters: %+v", d)
			}
		})
	}
}

// A send and the outcome of a task wait, too, and take effect once.
func TestSendsAndTasksWaitForSpace(t *testing.T) {
	s := openTimed(t, "")
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.gate.Hold()
	turn := make(chan error, 1)
	go func() {
		_, err := s.Do(a, S("send", to(b), "do", do(S("kv_put", "came", "x"), S("remember", "n"))), S("task_timer", 0, "ctx"))
		turn <- err
	}()
	s.gate.AwaitHeld(t, 1)
	s.gate.Fill(true)
	s.gate.Resume()
	if err := <-turn; err != nil {
		t.Fatal(err)
	}
	for range 20 {
		s.pass(time.Second)
		if got := s.MustDo(b, S("kv_get", "came")); got[0].N != -1 || len(s.Seen(a)) != 1 {
			t.Fatalf("done on a full disk: %+v, %+v", got, s.Seen(a))
		}
	}
	s.gate.Fill(false)
	s.eventually("the send and the task", func() bool {
		s.pass(time.Second)
		return s.get(b, "came") == "x" && len(s.Seen(a)) == 2
	})
	s.eventually("both are over", func() bool { s.pass(time.Second); return rows(t, s.Stack, a)["g"] == 0 })
	if got := s.MustDo(b, S("remember", "n")); got[0].N != 2 {
		t.Errorf("the send was done %d times", got[0].N-1)
	}
	if d := append(s.dead(a), s.dead(b)...); len(d) != 0 {
		t.Errorf("dead letters: %+v", d)
	}
}

// The first wake after a restart is noted by the host; on a full disk the actor can be read nevertheless.
func TestWakeAfterARestartOnAFullDisk(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "hooked")
	s.MustDo(id, S("kv_put", "k", "1"))
	s.restart(time.Second)
	s.gate.Fill(true)
	if got := s.MustDo(id, S("kv_get", "k")); got[0].B != "1" {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Host.Call(context.Background(), id, actors.Request{Action: "nop"}); err != nil {
		t.Error(err)
	}
}

// A plain module knows no codes: the operation that is refused ends its turn.
func TestPlainModuleOnAFullDisk(t *testing.T) {
	g := openGated(t, "")
	g.Upload(tenants.Default, "plugin", extismAS)
	id := g.Actor(tenants.Default, "plugin")
	g.MustCall(id, nil, "count")
	g.gate.Fill(true)
	_, err := g.Call(id, "count")
	wantFull(t, "a var", err)
	g.gate.Fill(false)
	var n int
	if g.MustCall(id, &n, "count"); n != 2 {
		t.Errorf("the count is %d, want 2", n)
	}
}
