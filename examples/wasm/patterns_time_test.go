//go:build !wasip1

package wasm_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

type ring struct {
	Text string
	Run  int
	At   time.Time
}

// Reminders ring at their moment, also when the actor slept and the host was away.
func TestReminder(t *testing.T) {
	h := open(t, "reminder")
	ann := h.actor("reminders", "ann") // it is 03:04:05 on 2 January 2030
	tea := get[string](h, ann, "remind", 4, "tea")
	never := get[string](h, ann, "remind", 3, "never")
	if !get[bool](h, ann, "cancel", never) || get[bool](h, ann, "cancel", never) {
		t.Error("a reminder is not cancelled once")
	}
	h.MustCall(ann, nil, "daily", "run", "07:30", "Europe/Berlin")
	if _, err := h.Call(ann, "daily", "run", "07:30", "Europe/Nowhere"); abi.CodeOf(err) != abi.CodeInvalidSchedule {
		t.Errorf("a wrong time zone: %v", err)
	}
	if _, err := h.Call(ann, "ring", "now"); !userError(err, "not_for_clients") {
		t.Errorf("a client rings: %v", err)
	}

	h.pass(3 * time.Minute)
	if list := get[[]abi.Schedule](h, ann, "list"); len(list) != 2 {
		t.Errorf("schedules %+v", list)
	}
	h.pass(time.Minute)
	rung := func(n int) []ring {
		t.Helper()
		kvtest.Eventually(t, fmt.Sprint(n, " reminders have rung"), func() bool { return len(get[[]ring](h, ann, "rung")) >= n })
		return get[[]ring](h, ann, "rung")
	}
	if r := rung(1); len(r) != 1 || r[0].Text != "tea" || r[0].Run != 1 {
		t.Errorf("rung %+v", r)
	}
	if runs := get[[]abi.Run](h, ann, "history", tea); len(runs) != 1 || runs[0].Result != "ok" {
		t.Errorf("history of the tea: %+v", runs)
	}
	h.restart(12 * time.Hour) // over half past seven
	if r := rung(2); len(r) != 2 || r[0].Text != "run" {
		t.Errorf("rung %+v", r)
	}
	h.pass(15*time.Hour + 22*time.Minute) // to 06:30 UTC of 3 January, and a little
	if r := rung(3); len(r) != 3 || r[0].Run != 2 {
		t.Errorf("rung %+v", r)
	}
	if runs := get[[]abi.Run](h, ann, "history", "run"); len(runs) != 2 || runs[0].Result != "ok" {
		t.Errorf("history of the run: %+v", runs)
	}
}

type receipt struct {
	Number  int
	Refused string
	Attempt int
}

// mail sends a letter and waits for its receipt.
func (h *host) mail(post tenants.ActorID, to, text string) (r receipt, err error) {
	body, err := json.Marshal(map[string]string{"to": to, "text": text})
	if err != nil {
		return r, err
	}
	c, err := h.Host.Enqueue(h.t.Context(), post, actors.Message{Queue: "letters", Body: body, Wait: true})
	if err != nil || c.TimedOut {
		return r, fmt.Errorf("timed out %v: %w", c.TimedOut, err)
	}
	return r, json.Unmarshal(c.Response, &r)
}

// A job that fails is tried again and holds up no other; in the end it lies with the dead, and is not lost.
func TestJobQueue(t *testing.T) {
	h := open(t, "jobs")
	post := h.actor("post")
	ann := h.actor("mailbox", "ann")
	if r, err := h.mail(post, "ann", "hello"); err != nil || r != (receipt{Number: 1, Attempt: 1}) {
		t.Errorf("receipt %+v, %v", r, err)
	}
	if r, err := h.mail(post, "ann", ""); err != nil || r.Refused == "" {
		t.Errorf("an empty letter: %+v, %v", r, err)
	}

	h.MustCall(post, nil, "write", []string{"bob", "ann", "eve"}, "to all")
	kvtest.Eventually(t, "the letter to ann has overtaken that to bob", func() bool { return get[int](h, ann, "letters") == 2 })
	h.actor("mailbox", "eve") // in time for the second attempt
	dead := func() []abi.DeadLetter { return get[[]abi.DeadLetter](h, post, "dead") }
	attempts := func() (n int) {
		list, _, err := h.Host.ListQueue(t.Context(), post, nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			n = max(n, m.Attempts)
		}
		return n
	}
	for i, wait := range []time.Duration{time.Second, 4 * time.Second, 16 * time.Second, time.Minute} {
		kvtest.Eventually(t, fmt.Sprint(i+1, " attempts"), func() bool { return attempts() == i+1 })
		if i == 2 {
			h.restart(wait) // attempts are not forgotten
		} else {
			h.pass(wait)
		}
	}
	kvtest.Eventually(t, "a dead letter", func() bool { return len(dead()) == 1 })
	if d := dead()[0]; d.Attempts != abi.MaxAttempts || d.Name != "letters" || string(d.Body) != `{"to":"bob","text":"to all"}` {
		t.Errorf("dead letter %+v", d)
	}
	if n := get[int](h, post, "delivered"); n != 3 {
		t.Errorf("%d letters are delivered, want 3", n)
	}

	bob := h.actor("mailbox", "bob")
	if n := get[int](h, post, "redrive"); n != 1 {
		t.Errorf("%d letters are driven again", n)
	}
	kvtest.Eventually(t, "bob has his letter", func() bool { return get[int](h, bob, "letters") == 1 })
	if n := len(dead()); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

// What has expired is not given out, and soon not stored either.
func TestCacheWithTTL(t *testing.T) {
	h := open(t, "cache")
	cache := h.actor("cache", "sessions")
	h.MustCall(cache, nil, "put", "ann", map[string]int{"cart": 3}, 90)
	h.MustCall(cache, nil, "put", "bob", "hello", 3600)
	value := func(key string) string {
		t.Helper()
		out, err := h.Call(cache, "get", key)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	items := func() int {
		list, _, err := h.Host.KVList(t.Context(), cache, nil, nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	h.pass(89 * time.Second)
	if v := value("ann"); v != `{"cart":3}` {
		t.Errorf("ann = %s", v)
	}
	h.pass(time.Second)
	if v := value("ann"); v != "null" {
		t.Errorf("after its time ann = %s", v)
	}
	kvtest.Eventually(t, "ann is swept", func() bool { return items() == 2 })
	h.restart(2 * time.Hour)
	kvtest.Eventually(t, "bob is swept, by an actor that woke by itself", func() bool { return items() == 0 })
	if list, _, err := h.Host.ListSchedules(t.Context(), cache, "", 10); err != nil || len(list) != 0 {
		t.Errorf("an empty cache has schedules %+v, %v", list, err)
	}
	if v := value("bob"); v != "null" {
		t.Errorf("bob = %s", v)
	}
}
