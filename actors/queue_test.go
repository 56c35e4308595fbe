package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// handle makes steps the handler of an actor's queues.
func (s *timed) handle(id tenants.ActorID, steps ...actorstest.Step) {
	s.t.Helper()
	s.MustDo(id, S("kv_put", "on/13", actorstest.Script(steps...)))
}

func (s *timed) send(id tenants.ActorID, m actors.Message) (actors.Completion, error) {
	if m.Queue == "" {
		m.Queue = "jobs"
	}
	return s.Host.Enqueue(context.Background(), id, m)
}

func (s *timed) mustSend(id tenants.ActorID, queue string, body any) {
	s.t.Helper()
	b, _ := json.Marshal(body)
	if _, err := s.send(id, actors.Message{Queue: queue, Body: b, Caller: "ann"}); err != nil {
		s.t.Fatal(err)
	}
}

// waiting returns the messages that the inspector shows.
func (s *timed) waiting(id tenants.ActorID) []actors.Queued {
	s.t.Helper()
	list, next, err := s.Host.ListQueue(s.t.Context(), id, nil, 1000)
	if err != nil || next != nil {
		s.t.Fatal(err, next)
	}
	return list
}

func (s *timed) dead(id tenants.ActorID) []abi.DeadLetter {
	s.t.Helper()
	list, more, err := s.Host.ListDead(s.t.Context(), id, "", 1000)
	if err != nil || more {
		s.t.Fatal(err, more)
	}
	return list
}

func messageHeads(t *testing.T, d actorstest.Seen) (list []abi.QueueMessage) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.Head), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// Messages are handled in the order in which they came, each in a turn of its own, from clients and from
// the actor itself.
func TestQueueOrder(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.gate.Hold() // so that several wait, and are read through deltas in flight
	var wg sync.WaitGroup
	for n := range 5 {
		posted := s.Host.Posted(id)
		wg.Go(func() { s.mustSend(id, "jobs", n) })
		s.eventually("it is posted", func() bool { return s.Host.Posted(id) > posted })
	}
	s.gate.Resume()
	wg.Wait()
	s.MustDo(id, S("queue_send", "", "jobs", "5"), S("queue_send", "", "jobs", "6"))
	s.eventually("all", func() bool { return len(s.deliveries(id)) == 7 })
	for i, d := range s.deliveries(id) {
		h := messageHeads(t, d)
		if d.Args != fmt.Sprintf("[%d]", i) || d.Name != "jobs" || len(h) != 1 || h[0].Attempt != 1 || h[0].Request != 0 || h[0].Sent != s.Now().UnixMilli() {
			t.Errorf("turn %d: %+v", i, d)
		}
		if sender, subject := "", "ann"; i < 5 && (h[0].Sender != sender || h[0].Subject != subject) || i >= 5 && (h[0].Sender != id.String() || h[0].Subject != "") {
			t.Errorf("turn %d came from %+v", i, h[0])
		}
	}
	if list := s.waiting(id); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
}

func TestQueueRefuses(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	for _, tt := range []struct {
		queue, body string
		code        abi.Code
	}{
		{"nobody", "1", abi.CodeQueueNotFound}, {"jobs", "{", abi.CodeInvalidRequest}, {"jobs", "", abi.CodeInvalidRequest}, {"jobs", "1 2", abi.CodeInvalidRequest},
		{"jobs", `"` + strings.Repeat("x", abi.MaxQueueMessage) + `"`, abi.CodeQueueMessageTooLarge},
	} {
		if _, err := s.send(id, actors.Message{Queue: tt.queue, Body: []byte(tt.body)}); abi.CodeOf(err) != tt.code {
			t.Errorf("%s %.10q: %v, want %v", tt.queue, tt.body, err, tt.code)
		}
	}
	got, err := s.Do(id, S("queue_send", "", "nobody", "1"), S("queue_send", "", "jobs", "{"), S("queue_send", "", "jobs", `"`+strings.Repeat("x", abi.MaxQueueMessage)+`"`))
	if err != nil || got[0].N != -int64(abi.CodeQueueNotFound) || got[1].N != -int64(abi.CodeInvalidArgument) || got[2].N != -int64(abi.CodeQueueMessageTooLarge) {
		t.Errorf("%+v %v", got, err)
	}
	largest := `"` + strings.Repeat("x", abi.MaxQueueMessage-2) + `"`
	if _, err := s.send(id, actors.Message{Body: []byte(largest)}); err != nil {
		t.Errorf("the largest message: %v", err)
	}
	if _, err := s.send(tenants.NewActorID(tenants.Default), actors.Message{Body: []byte("1")}); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("nobody's queue: %v", err)
	}
}

// A flood ends at the limit, and what was taken is handled in order.
func TestQueueFlood(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("kv_delete", "nothing"))
	steps := []actorstest.Step{}
	for n := range 3000 {
		steps = append(steps, S("queue_send", "", "batch", fmt.Sprint(n)))
	}
	got, err := s.Do(id, steps...)
	if err != nil {
		t.Fatal(err)
	}
	for n, o := range got {
		if full := o.N == -int64(abi.CodeQueueFull); full != (n >= abi.MaxQueueSize) {
			t.Fatalf("message %d: %+v", n, o)
		}
	}
	s.eventually("all are handled", func() bool { return len(s.waiting(id)) == 0 })
	next := 0
	for _, d := range s.deliveries(id) {
		var bodies []int
		s.decode(d.Args, &bodies)
		for _, b := range bodies {
			if b != next {
				t.Fatalf("message %d comes where %d should", b, next)
			}
			next++
		}
	}
	if next != abi.MaxQueueSize || len(s.deliveries(id)) > 150 {
		t.Errorf("%d messages in %d turns", next, len(s.deliveries(id)))
	}
}

// From outside the limit is the same.
func TestQueueFull(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "no", "not now"))
	steps := []actorstest.Step{}
	for range abi.MaxQueueSize {
		steps = append(steps, S("queue_send", "", "jobs", "1"))
	}
	s.MustDo(id, steps...)
	s.eventually("each has failed once", func() bool {
		return !slices.ContainsFunc(s.waiting(id), func(q actors.Queued) bool { return q.Attempts == 0 })
	})
	if _, err := s.send(id, actors.Message{Body: []byte("1")}); abi.CodeOf(err) != abi.CodeQueueFull || abi.AsError(err).Retry <= 0 {
		t.Errorf("a full queue: %v", err)
	}
}

// What the handler returns is the answer to a sender that waits.
func TestQueueCompletion(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	ask := func(queue, body string) string {
		t.Helper()
		c, err := s.send(id, actors.Message{Queue: queue, Body: []byte(body), Wait: true})
		if err != nil || c.TimedOut {
			t.Fatalf("%+v %v", c, err)
		}
		return string(c.Response)
	}
	if got := ask("jobs", "1"); got != "" {
		t.Errorf("no value came as %q", got)
	}
	s.handle(id, S("return", "$ARGS"))
	if got := ask("jobs", `{"a":1}`); got != `[{"a":1}]` {
		t.Errorf("got %s", got)
	}
	if got := ask("batch", `{"a":2}`); got != `{"a":2}` { // a list with an entry for each message
		t.Errorf("got %s", got)
	}
	s.handle(id, S("return", `"for all"`))
	if got := ask("batch", "3"); got != `"for all"` {
		t.Errorf("got %s", got)
	}
	h := messageHeads(t, s.deliveries(id)[0])
	if h[0].Request == 0 {
		t.Errorf("the handler was not told that somebody waits: %+v", h)
	}
}

// Many messages go to one turn, as many as the handler takes, and each sender gets its own answer.
func TestQueueBatch(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("return", "$ARGS"))
	s.gate.Hold()
	const n = 25
	var wg sync.WaitGroup
	for i := range n {
		posted := s.Host.Posted(id)
		wg.Go(func() {
			c, err := s.send(id, actors.Message{Queue: "batch", Body: fmt.Append(nil, i), Wait: true})
			if err != nil || string(c.Response) != fmt.Sprint(i) {
				t.Errorf("sender %d: %s %v", i, c.Response, err)
			}
		})
		s.eventually("it is posted", func() bool { return s.Host.Posted(id) > posted })
	}
	s.gate.Resume()
	wg.Wait()
	most := 0
	for _, d := range s.deliveries(id) {
		most = max(most, len(messageHeads(t, d)))
	}
	if most < 2 || most > 10 {
		t.Errorf("at most %d messages in a turn, want 2 to 10", most)
	}
}

// A sender waits only so long. That does not cancel the message.
func TestQueueTimesOut(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "no", "not now"))
	c, err := s.send(id, actors.Message{Body: []byte("1"), Wait: true, Timeout: 20 * time.Millisecond})
	if err != nil || !c.TimedOut {
		t.Fatalf("%+v %v", c, err)
	}
	s.eventually("one attempt", func() bool { list := s.waiting(id); return len(list) == 1 && list[0].Attempts == 1 })
	s.handle(id, S("kv_put", "done", "yes"))
	s.pass(time.Second)
	s.eventually("the second", func() bool { return s.get(id, "done") == "yes" && len(s.waiting(id)) == 0 })

	// A sender that has gone is not waited for.
	ctx, cancel := context.WithCancel(t.Context())
	s.handle(id, S("user", "no", "not now"))
	gone := make(chan error, 1)
	go func() {
		_, err := s.Host.Enqueue(ctx, id, actors.Message{Queue: "jobs", Body: []byte("2"), Wait: true})
		gone <- err
	}()
	s.eventually("its message", func() bool { return len(s.waiting(id)) == 1 })
	cancel()
	if err := <-gone; err == nil {
		t.Error("it got an answer")
	}
	if len(s.waiting(id)) != 1 {
		t.Error("its message went with it")
	}
}

// A sender waits through failures, and gets the outcome of a later attempt.
func TestQueueWaitsThroughFailures(t *testing.T) {
	for _, end := range []actorstest.Step{S("user", "no", "not now"), S("trap")} {
		t.Run(end.Op, func(t *testing.T) {
			s := openTimed(t, "")
			id := s.Actor(tenants.Default, "script")
			s.handle(id, end)
			answer := make(chan actors.Completion, 1)
			go func() {
				c, err := s.send(id, actors.Message{Body: []byte("1"), Wait: true})
				if err != nil {
					t.Error(err)
				}
				answer <- c
			}()
			s.eventually("one attempt", func() bool { list := s.waiting(id); return len(list) == 1 && list[0].Attempts == 1 })
			s.handle(id, S("return", `"at last"`))
			s.pass(time.Second)
			if c := <-answer; c.TimedOut || string(c.Response) != `"at last"` {
				t.Errorf("%+v", c)
			}
		})
	}
}

// A handler may leave the answer to a later turn: the message is done with, the sender goes on waiting.
func TestQueueLeftOpen(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("kv_put", "done", "yes"), S("open"))
	answer := make(chan actors.Completion, 1)
	go func() {
		c, err := s.send(id, actors.Message{Body: []byte("1"), Wait: true, Timeout: 300 * time.Millisecond})
		if err != nil {
			t.Error(err)
		}
		answer <- c
	}()
	s.eventually("the turn", func() bool { return s.get(id, "done") == "yes" })
	if n := len(s.waiting(id)); n != 0 {
		t.Errorf("%d messages wait", n)
	}
	if c := <-answer; !c.TimedOut {
		t.Errorf("nobody answered, and it got %+v", c)
	}
}

// Five attempts, further and further apart, then the dead letters. Who waits gets the last error.
func TestQueueGivesUp(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("kv_put", "left", "behind"), S("user", "poison", "no good"))
	failed := make(chan error, 1)
	go func() {
		_, err := s.send(id, actors.Message{Body: []byte(`{"n":1}`), Wait: true, Caller: "ann"})
		failed <- err
	}()
	for i, pause := range []time.Duration{1, 4, 16, 60} {
		s.eventually("an attempt", func() bool { list := s.waiting(id); return len(list) == 1 && list[0].Attempts == i+1 })
		q := s.waiting(id)[0]
		if q.Due-s.Now().UnixMilli() != int64(pause)*1000 || q.Error != "user/poison: no good" || string(q.Body) != `{"n":1}` || q.Queue != "jobs" || q.Subject != "ann" {
			t.Errorf("attempt %d: %+v", i+1, q)
		}
		s.pass(pause * time.Second)
	}
	if err := <-failed; abi.CodeOf(err) != abi.CodeUser || abi.AsError(err).PublicName() != "poison" {
		t.Errorf("the sender got %v", err)
	}
	letters := s.dead(id)
	if len(letters) != 1 || len(s.waiting(id)) != 0 || s.get(id, "left") != "" {
		t.Fatalf("dead %+v, waiting %+v", letters, s.waiting(id))
	}
	l := letters[0]
	if l.Kind != "queue" || l.Name != "jobs" || string(l.Body) != `{"n":1}` || l.Attempts != 5 || l.Error != "user/poison: no good" || l.At != s.Now().UnixMilli() {
		t.Errorf("letter %+v", l)
	}
	var seen []abi.DeadLetter
	s.decode(s.MustDo(id, S("dead_list", ""))[0].B, &seen)
	if len(seen) != 1 || seen[0].ID != l.ID {
		t.Errorf("the guest sees %+v", seen)
	}

	s.handle(id, S("return", "null"))
	if got := s.MustDo(id, S("dead_retry", l.ID), S("dead_retry", l.ID), S("dead_retry", "nobody"), S("dead_list", "")); got[0].N != 1 || got[1].N != 0 || got[2].N != 0 || got[3].B != "[]" {
		t.Errorf("retry gives %+v", got)
	}
	s.eventually("it is handled", func() bool { return len(s.deliveries(id)) == 1 })
	h := messageHeads(t, s.deliveries(id)[0])
	if d := s.deliveries(id)[0]; d.Args != `[{"n":1}]` || h[0].Attempt != 1 || h[0].Subject != "ann" {
		t.Errorf("it comes as %+v", d)
	}
}

// One that fails steps aside: those behind it go on. A batch that failed is tried again one by one.
func TestQueuePoison(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "poison", "in the batch"))
	steps := []actorstest.Step{}
	for n := range 10 {
		steps = append(steps, S("queue_send", "", "batch", fmt.Sprint(n)))
	}
	s.MustDo(id, steps...)
	s.eventually("the batch has failed", func() bool {
		list := s.waiting(id)
		return len(list) == 10 && !slices.ContainsFunc(list, func(q actors.Queued) bool { return q.Attempts != 1 })
	})
	s.handle(id, S("return", "null"))
	s.mustSend(id, "batch", "new")
	s.eventually("a new one goes ahead", func() bool { return len(s.deliveries(id)) == 1 })
	s.pass(time.Second)
	s.eventually("the others", func() bool { return len(s.deliveries(id)) == 11 })
	for i, d := range s.deliveries(id)[1:] {
		if h := messageHeads(t, d); d.Args != fmt.Sprintf("[%d]", i) || len(h) != 1 || h[0].Attempt != 2 {
			t.Errorf("turn %d: %s %+v", i, d.Args, h)
		}
	}
}

// The thousand newest dead letters are kept, and read in pages.
func TestDeadLettersAreBounded(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "no", "never"))
	total := 0
	for _, n := range []int{600, 405} {
		steps := []actorstest.Step{}
		for range n {
			steps = append(steps, S("queue_send", "", "batch", fmt.Sprint(total)))
			total++
		}
		s.MustDo(id, steps...)
		for attempt := 1; attempt < abi.MaxAttempts; attempt++ {
			s.eventually("an attempt", func() bool {
				return !slices.ContainsFunc(s.waiting(id), func(q actors.Queued) bool { return q.Attempts < attempt })
			})
			s.pass(time.Minute)
		}
		s.eventually("they die", func() bool { return len(s.waiting(id)) == 0 })
	}
	letters := s.dead(id)
	if len(letters) != abi.MaxDeadLetters {
		t.Fatalf("%d letters", len(letters))
	}
	first, _ := letters[0].Body.MarshalJSON()
	last, _ := letters[999].Body.MarshalJSON()
	if string(first) != "5" || string(last) != "1004" {
		t.Errorf("letters from %s to %s", first, last)
	}
	page, more, err := s.Host.ListDead(t.Context(), id, letters[9].ID, 10)
	if err != nil || !more || len(page) != 10 || page[0].ID != letters[10].ID {
		t.Errorf("a page: %d %v %v", len(page), more, err)
	}
	s.handle(id, S("return", "null"))
	if err := s.Host.RetryDead(t.Context(), id, letters[500].ID); err != nil {
		t.Error(err)
	}
	if err := s.Host.RetryDead(t.Context(), id, letters[500].ID); abi.CodeOf(err) != abi.CodeNotFound {
		t.Errorf("again: %v", err)
	}
	s.eventually("it is handled", func() bool { return len(s.waiting(id)) == 0 && len(s.dead(id)) == 999 })
}

// Messages, their attempts and dead letters survive the host, and a version that lacks the queue.
func TestQueueSurvives(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "no", "not now"))
	for n := range 3 {
		s.mustSend(id, "jobs", n)
	}
	s.eventually("attempts", func() bool {
		list := s.waiting(id)
		return len(list) == 3 && !slices.ContainsFunc(list, func(q actors.Queued) bool { return q.Attempts != 1 })
	})
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.Guest(t, "examples/wasm/extism-as"))
	s.restart(time.Second)
	s.eventually("attempts without a queue", func() bool {
		list := s.waiting(id)
		return len(list) == 3 && !slices.ContainsFunc(list, func(q actors.Queued) bool { return q.Attempts != 2 })
	})
	if q := s.waiting(id)[0]; !strings.HasPrefix(q.Error, "queue/not_found") {
		t.Errorf("error %q", q.Error)
	}
	if _, err := s.Registry.SetLive(t.Context(), tenants.Default, "script", 1); err != nil {
		t.Fatal(err)
	}
	s.handle(id, S("return", "null"))
	s.pass(4 * time.Second)
	s.eventually("they are handled", func() bool { return len(s.waiting(id)) == 0 })
	for i, d := range s.deliveries(id) {
		if d.Args != fmt.Sprintf("[%d]", i) || messageHeads(t, d)[0].Attempt != 3 {
			t.Errorf("turn %d: %+v", i, d)
		}
	}
}

// A refused commit is no attempt. The message is handled once in effect, and its sender waits on.
func TestQueueCommitRefused(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("return", "$ARGS"))
	before := s.gate.Commits()
	s.gate.Refuse(2, kv.ErrFenced) // the first is the message's own
	answer := make(chan actors.Completion, 1)
	go func() {
		c, err := s.send(id, actors.Message{Body: []byte("1"), Wait: true})
		if err != nil {
			t.Error(err)
		}
		answer <- c
	}()
	s.eventually("the message", func() bool { list := s.waiting(id); return len(list) == 1 && list[0].Attempts == 0 })
	s.eventually("it is handled", func() bool { s.pass(restTime); return len(s.deliveries(id)) == 1 })
	if c := <-answer; string(c.Response) != "[1]" {
		t.Errorf("the sender got %+v", c)
	}
	if d := s.deliveries(id); len(d) != 1 || messageHeads(t, d[0])[0].Attempt != 1 || s.gate.Commits() != before+3 {
		t.Errorf("turns %+v, %d commits", d, s.gate.Commits()-before)
	}
}

// The hook publish is asked before a client's message is taken.
func TestQueuePublishHook(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "hooked")
	if _, err := s.send(id, actors.Message{Body: []byte("1"), Caller: "ann"}); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is handled", func() bool { return strings.Contains(s.Kinds(id), "17/jobs 13/jobs") })
	for _, one := range s.Seen(id) {
		if one.Kind == 17 && (one.Caller != "ann" || one.Request == 0) {
			t.Errorf("the hook saw %+v", one)
		}
	}
	s.MustDo(id, S("kv_put", "on/17", actorstest.Script(S("user", "banned", "not you"))))
	if _, err := s.send(id, actors.Message{Body: []byte("1")}); abi.CodeOf(err) != abi.CodeUser || abi.AsError(err).PublicName() != "banned" {
		t.Errorf("refused: %v", err)
	}
	s.MustDo(id, S("kv_put", "on/17", actorstest.Script(S("open"))))
	if _, err := s.send(id, actors.Message{Body: []byte("2")}); err != nil {
		t.Errorf("a hook that leaves its answer open: %v", err)
	}
	s.MustDo(id, S("queue_send", "", "jobs", "3")) // it is not asked about the actor's own
	s.eventually("all are handled", func() bool { return len(s.deliveries(id)) == 3 })
}

// A host that stops does not wait for a message's handler, and tells its sender the truth.
func TestQueueDrain(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	s.handle(id, S("user", "no", "not now"))
	answer := make(chan actors.Completion, 1)
	go func() {
		c, err := s.send(id, actors.Message{Body: []byte("1"), Wait: true})
		if err != nil {
			t.Error(err)
		}
		answer <- c
	}()
	s.eventually("an attempt", func() bool { list := s.waiting(id); return len(list) == 1 && list[0].Attempts == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Host.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	if c := <-answer; !c.TimedOut {
		t.Errorf("the sender got %+v", c)
	}
}

// A handler that the host ends because it stops has not had its attempt.
func TestQueueStoppedHandler(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script")
	loop := []actorstest.Step{S("log", "begun", 2), S("loop")}
	s.handle(id, loop...)
	s.mustSend(id, "jobs", 1)
	s.eventually("the handler runs", func() bool { return strings.Contains(s.Log(id), "begun") })
	s.Close()
	s.open(s.Dir, func(c *actors.Config) { c.Now = func() time.Time { return s.Now().Add(-time.Hour) } }) // nothing is due
	if list := s.waiting(id); len(list) != 1 || list[0].Attempts != 0 {
		t.Errorf("waiting %+v", list)
	}
}

// Many clients, queues and schedules at once, with sleep between: each sender gets its own answer.
func TestHammerQueue(t *testing.T) {
	s := openTimed(t, "", func(c *actors.Config) { c.Now, c.IdleTime = time.Now, time.Millisecond })
	const actorsN, senders, each = 3, 8, 10
	var wg sync.WaitGroup
	for a := range actorsN {
		id := s.Actor(tenants.Default, "script", fmt.Sprint(a))
		s.handle(id, S("return", "$ARGS"))
		s.MustDo(id, S("schedule_set", spec{"after": 5, "action": "do"}, tick()))
		for w := range senders {
			wg.Go(func() {
				for n := range each {
					queue, body := "batch", fmt.Sprintf(`"%d-%d"`, w, n)
					want := body
					if n%2 == 0 {
						queue, want = "jobs", "["+body+"]"
					}
					c, err := s.send(id, actors.Message{Queue: queue, Body: []byte(body), Wait: true})
					if err != nil || string(c.Response) != want {
						t.Errorf("sender %d: %s %v, want %s", w, c.Response, err, want)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for a := range actorsN {
		id := s.Actor(tenants.Default, "script", fmt.Sprint(a))
		if n := len(s.dead(id)); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		s.eventually("nothing waits", func() bool { return len(s.waiting(id)) == 0 && len(s.schedules(id)) == 0 })
	}
}

// A handler that passes on that there is no such actor means another one: its own is still there, and goes on
// with the next message.
func TestQueueHandlerMissesAnotherActor(t *testing.T) {
	s := openTimed(t, "")
	id := s.Actor(tenants.Default, "script", "a")
	s.handle(id, S("call", target{Name: "script", Key: []string{"none"}}, "nop", "[]"), S("host", int(abi.CodeActorNotFound)))
	s.MustDo(id, S("queue_send", "", "jobs", "1"), S("queue_send", "", "jobs", "2"))
	s.eventually("an attempt at each", func() bool {
		list := s.waiting(id)
		return len(list) == 2 && list[0].Attempts == 1 && list[1].Attempts == 1
	})
	if list := s.waiting(id); !strings.Contains(list[0].Error, "not_found") {
		t.Errorf("the attempts failed with %q", list[0].Error)
	}
}

// An attempt that fails because another actor is in a bad way is an attempt all the same: the message does not
// come first for ever.
func TestQueueHandlerMeetsABrokenActor(t *testing.T) {
	s := openTimed(t, "")
	broken := s.Actor(tenants.Default, "hooked", "broken")
	s.MustDo(broken, S("kv_put", fmt.Sprintf("on/%d", abi.KindWake), actorstest.Script(S("trap"))), S("sleep"))
	s.eventually("the broken actor to be left alone", func() bool {
		_, err := s.Do(broken, S("kv_get", "x"))
		return abi.CodeOf(err) == abi.CodeCrashLoop
	})
	id := s.Actor(tenants.Default, "script", "a")
	s.handle(id, S("call", target{ID: broken.String()}, "nop", "[]"), S("host", int(abi.CodeCrashLoop)))
	s.MustDo(id, S("queue_send", "", "jobs", "1"), S("queue_send", "", "jobs", "2"))
	s.eventually("an attempt at each", func() bool {
		list := s.waiting(id)
		return len(list) == 2 && list[0].Attempts == 1 && list[1].Attempts == 1
	})
}

// Whoever else waits for an actor is not told that it is not there, because its guest says so of another one.
func TestActionMissesAnotherActor(t *testing.T) {
	s := openTimed(t, "")
	a := s.Actor(tenants.Default, "script", "a")
	s.gate.Hold()
	var wg sync.WaitGroup
	posted := s.Host.Posted(a)
	wg.Go(func() { s.MustDo(a, S("kv_put", "k", "v")) }) // what a calls waits for the commit of this
	s.eventually("a write", func() bool { return s.Host.Posted(a) > posted })
	wg.Go(func() {
		_, err := s.Do(a, S("call", target{Name: "script", Key: []string{"none"}}, "nop", "[]"), S("host", int(abi.CodeActorNotFound)))
		if abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("the action failed with %v", err)
		}
	})
	s.eventually("a call", func() bool { return s.Host.Posted(a) > posted+1 })
	wg.Go(func() { s.MustDo(a, S("kv_get", "k")) })
	s.eventually("a reader", func() bool { return s.Host.Posted(a) > posted+2 })
	s.gate.Resume()
	wg.Wait()
}
