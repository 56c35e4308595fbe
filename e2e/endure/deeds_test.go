package endure

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What clients ask for while the host is about to be killed. Each leaves a word, and is asked for again with the
// same idempotency key when no answer came.

// members are the actors that the deeds are about.
const members = 6

func member(r *rand.Rand) string { return fmt.Sprint("member", r.Intn(members)) }

type act struct {
	name   string
	weight int
	do     func(m *mob, ctx context.Context, r *rand.Rand) error
}

var acts = []act{
	{"action", 10, (*mob).action},
	{"connection", 6, (*mob).byConnection},
	{"send", 8, (*mob).sends},
	{"schedule", 6, (*mob).schedules},
	{"queue", 5, (*mob).queues},
	{"queue message of a client", 5, (*mob).clientQueues},
	{"queue message, waited for", 3, (*mob).waitsForQueue},
	{"task", 4, (*mob).tasks},
	{"timer", 2, (*mob).timers},
	{"raw request", 3, (*mob).raw},
	{"creation", 4, (*mob).creates},
	{"creation by the first call", 4, (*mob).createsByCalling},
}

// script is a deed that is an action with a script, which begins by writing the word down, thrice: as a word of the
// log, as an item and as the state. They must agree.
func (m *mob) script(ctx context.Context, actor, word string, follows []place, steps ...actorstest.Step) error {
	l := m.ledger
	steps = append([]actorstest.Step{step("append", l.item("log"), word), step("kv_put", "newest", word), step("state_set", word)}, steps...)
	d := &deed{word: word, at: place{actor, l.item("log")}, follows: follows}
	d.again = func(ctx context.Context) (string, error) { return m.call(ctx, m.member(actor).Once(word), steps) }
	return l.do(ctx, d, d.again)
}

func (m *mob) call(ctx context.Context, to client.Caller, steps []actorstest.Step) (string, error) {
	out, err := client.Call[[]actorstest.Outcome](ctx, to, "do", steps)
	for i, o := range out {
		if o.Error != "" {
			return "", fmt.Errorf("step %s: %d %s", steps[i].Op, o.N, o.Error)
		}
	}
	return fmt.Sprint(out), err
}

func (m *mob) action(ctx context.Context, r *rand.Rand) error {
	word := m.ledger.word()
	return m.script(ctx, member(r), word, nil, step("broadcast", "word", fmt.Sprintf("[%q]", word)))
}

// byConnection calls over one of the connections that are open. There is no idempotency key on it.
func (m *mob) byConnection(ctx context.Context, r *rand.Rand) error {
	conn, actor := m.connection(r)
	if conn == nil {
		return nil
	}
	l := m.ledger
	d := &deed{word: l.word(), at: place{actor, l.item("log")}}
	steps := []actorstest.Step{step("append", l.item("log"), d.word), step("kv_put", "newest", d.word), step("state_set", d.word), step("broadcast", "word", fmt.Sprintf("[%q]", d.word))}
	return l.do(ctx, d, func(ctx context.Context) (string, error) { return m.call(ctx, conn, steps) })
}

func to(actor string) abi.Target { return abi.Target{Name: "hooked", Key: []string{actor}} }

// writes is a script that adds a word to an item.
func writes(item, word string) [][]actorstest.Step {
	return [][]actorstest.Step{{step("append", item, word)}}
}

func (m *mob) sends(ctx context.Context, r *rand.Rand) error {
	word, got, b, c := m.ledger.word(), m.ledger.item("got"), member(r), member(r)
	follows := []place{{b, got + "b"}, {c, got + "c"}}
	return m.script(ctx, member(r), word, follows, step("send", to(b), "do", writes(got+"b", word)), step("send", to(c), "do", writes(got+"c", word)))
}

func (m *mob) schedules(ctx context.Context, r *rand.Rand) error {
	word, ran, a := m.ledger.word(), m.ledger.item("ran"), member(r)
	return m.script(ctx, a, word, []place{{a, ran}}, step("schedule_set", abi.Schedule{Action: "do", After: 1 + r.Int63n(600)}, writes(ran, word)))
}

func (m *mob) queues(ctx context.Context, r *rand.Rand) error {
	word, b := m.ledger.word(), member(r)
	return m.script(ctx, member(r), word, []place{{b, queued}}, step("queue_send", to(b), "jobs", fmt.Sprintf("%q", word)))
}

// queued is the item of messages that were handled, tasked that of outcomes. Their turns know no round.
const queued, tasked = "queued", "tasked"

func (m *mob) clientQueues(ctx context.Context, r *rand.Rand) error {
	word, b := m.ledger.word(), member(r)
	d := &deed{word: word, at: place{b, queued}}
	d.again = func(ctx context.Context) (string, error) { return "", m.member(b).Once(word).Send(ctx, "jobs", word) }
	return m.ledger.do(ctx, d, d.again)
}

func (m *mob) waitsForQueue(ctx context.Context, r *rand.Rand) error {
	word, b := m.ledger.word(), member(r)
	d := &deed{word: word, at: place{b, queued}}
	return m.ledger.do(ctx, d, func(ctx context.Context) (string, error) {
		out, err := client.SendAndWait[[]actorstest.Outcome](ctx, m.member(b), "jobs", word, 0)
		return fmt.Sprint(out), err
	})
}

func (m *mob) tasks(ctx context.Context, r *rand.Rand) error {
	word, a := m.ledger.word(), member(r)
	return m.script(ctx, a, word, []place{{a, tasked}}, step("task_fetch", abi.FetchRequest{URL: m.outside.URL + "/" + word}, "", word))
}

func (m *mob) timers(ctx context.Context, r *rand.Rand) error {
	word, a := m.ledger.word(), member(r)
	return m.script(ctx, a, word, []place{{a, tasked}}, step("task_timer", r.Intn(400), word))
}

func (m *mob) raw(ctx context.Context, r *rand.Rand) error {
	word, a := m.ledger.word(), member(r)
	d := &deed{word: word, at: place{a, "raw"}}
	return m.ledger.do(ctx, d, func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, "POST", "http://actor/", strings.NewReader(word))
		if err != nil {
			return "", err
		}
		resp, err := m.member(a).RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if err := m.client.HostError(resp); err != nil {
			return "", err
		}
		b, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != 200 || string(b) != "ok") {
			err = fmt.Errorf("answered %d %.100q", resp.StatusCode, b)
		}
		return "", err
	})
}

// creates makes an actor whose creation writes the word down. Some are destroyed again, or destroy themselves.
func (m *mob) creates(ctx context.Context, r *rand.Rand) error {
	l, word := m.ledger, m.ledger.word()
	d := &deed{word: word, at: place{"new " + word, l.item("log")}}
	input := []actorstest.Step{step("append", l.item("log"), word), step("kv_put", "newest", word), step("state_set", word)}
	d.again = func(ctx context.Context) (string, error) {
		return m.client.GetOrCreate("script", "new "+word).WithInput(input).Resolve(ctx)
	}
	how := r.Intn(3)
	if err := l.do(ctx, d, d.again); err != nil || how == 0 {
		return err
	}
	l.ends(d, 1)
	var err error
	if how == 1 {
		err = ask(ctx, m.client, client.Request{Method: "DELETE", Path: "/actors/" + d.answer})
	} else {
		_, err = m.call(ctx, m.handle(d.at.actor), []actorstest.Step{step("destroy")})
	}
	if err == nil {
		l.ends(d, 2)
	}
	return err
}

// createsByCalling makes an actor by its first call: both turns write a word down, and the answer is that of the second.
func (m *mob) createsByCalling(ctx context.Context, _ *rand.Rand) error {
	l := m.ledger
	born, called := l.word(), l.word()
	writes := func(word string) []actorstest.Step {
		return []actorstest.Step{step("append", l.item("log"), word), step("kv_put", "newest", word), step("state_set", word)}
	}
	again := func(ctx context.Context) (string, error) { // of the host that runs then
		return m.call(ctx, m.client.GetOrCreate("script", "new "+born).WithInput(writes(born)).Once(called), writes(called))
	}
	at := place{"new " + born, l.item("log")}
	birth, call := &deed{word: born, at: at, again: again}, &deed{word: called, at: at, again: again}
	return l.do(ctx, birth, func(ctx context.Context) (string, error) {
		err := l.do(ctx, call, again)
		return call.answer, err
	})
}
