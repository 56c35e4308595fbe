package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

// says is a part of a stream that says text.
func says(text string) string {
	return fmt.Sprintf("data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
}

// calls is a part of a stream that calls a tool.
func calls(index int, name, text string) string {
	args := fmt.Sprintf(`{"text":%q}`, text)
	return fmt.Sprintf("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\",\"function\":{\"name\":%q,\"arguments\":%q}}]}}]}\n\n", index, index, name, args[:4]) +
		fmt.Sprintf("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":%q}}]}}]}\n\n", index, args[4:])
}

func first(body string) *guest.Response { return &guest.Response{Status: 200, Body: []byte(body)} }
func more(body string) *guest.Response  { return &guest.Response{Body: []byte(body)} }

func texts(t *testing.T, a *guesttest.Actor, chat string) string {
	t.Helper()
	var list []Message
	a.MustCall(&list, "history", chat)
	var s []string
	for _, m := range list {
		s = append(s, m.Role+":"+m.Content)
	}
	return strings.Join(s, "|")
}

// model returns the task of the model's answer, and what it was asked.
func model(t *testing.T, a *guesttest.Actor) (id string, asked []Message) {
	t.Helper()
	tasks := a.Tasks()
	if len(tasks) != 1 || tasks[0].Kind != "fetch" {
		t.Fatalf("tasks are %+v", tasks)
	}
	var body struct{ Messages []Message }
	if err := json.Unmarshal(tasks[0].Fetch.Body, &body); err != nil {
		t.Fatal(err)
	}
	return tasks[0].ID, body.Messages
}

func part(t *testing.T, a *guesttest.Actor, id string, r *guest.Response) {
	t.Helper()
	if err := a.Part(id, r); err != nil {
		t.Fatal(err)
	}
}

func complete(t *testing.T, a *guesttest.Actor, id string, outcome any) {
	t.Helper()
	if err := a.Complete(id, outcome); err != nil {
		t.Fatal(err)
	}
}

// Tokens come as they are, cut anywhere; the next question has the answer in its prompt.
func TestTokens(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{Config: map[string]string{"system": "be brief", "key": "KEY", "base_url": "http://model/v1", "model": "m"}})
	a.MustCall(nil, "ask", "ann", "why?")
	id, _ := model(t, a)
	if f := a.Tasks()[0].Fetch; f.URL != "http://model/v1/chat/completions" || f.Secrets["authorization"] != "Bearer {secret:KEY}" || !f.Stream {
		t.Errorf("the request is %+v", f)
	}
	if err := a.Call(nil, "ask", "ann", "and?"); !errors.Is(err, guest.UserError("busy", "")) {
		t.Errorf("a second question: %v", err)
	}
	all := says("be") + says("cause")
	part(t, a, id, first(all[:20]))
	part(t, a, id, more(all[20:len(all)-5]))
	complete(t, a, id, more(all[len(all)-5:]+"data: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\ndata: [DONE]\n\n"))
	if got := texts(t, a, "ann"); got != "user:why?|assistant:because" {
		t.Errorf("the chat is %s", got)
	}
	var tokens string
	for _, e := range a.Events() {
		if e.Name == "token" {
			tokens += e.Args[1].(string)
		}
	}
	if tokens != "because" {
		t.Errorf("the tokens are %q", tokens)
	}
	if chat := a.KV()["chat/ann"]; !strings.Contains(chat, `"spent":7`) || a.KV()["draft/ann"] != "" {
		t.Errorf("the items are %v", a.KV())
	}
	a.MustCall(nil, "ask", "ann", "really?")
	if _, asked := model(t, a); len(asked) != 4 || asked[0].Role != "system" || asked[3].Content != "really?" {
		t.Errorf("the prompt is %+v", asked)
	}
}

// The prompt begins with a question and fits; the newest question is always there.
func TestPromptIsTrimmed(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{Config: map[string]string{"context": "150"}})
	for i := range 4 {
		a.MustCall(nil, "ask", "ann", fmt.Sprint("question ", i))
		id, asked := model(t, a)
		if last := asked[len(asked)-1]; asked[0].Role != "user" || last.Content != fmt.Sprint("question ", i) || len(asked) > 5 {
			t.Errorf("prompt %d is %+v", i, asked)
		}
		complete(t, a, id, first(says(strings.Repeat("long ", 30))))
	}
	a.MustCall(nil, "ask", "ann", strings.Repeat("x", 4000))
	if _, asked := model(t, a); len(asked) != 1 {
		t.Errorf("the prompt of a long question has %d messages", len(asked))
	}
}

func TestBudget(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{Config: map[string]string{"budget": "10"}})
	a.MustCall(nil, "ask", "ann", "why?")
	id, _ := model(t, a)
	complete(t, a, id, first(calls(0, "search", "x")+"data: {\"usage\":{\"total_tokens\":11}}\n\n"))
	if len(a.Tasks()) != 0 {
		t.Error("the model is asked past the budget")
	}
	if err := a.Call(nil, "ask", "ann", "and?"); !errors.Is(err, guest.UserError("budget_spent", "")) {
		t.Errorf("a question past the budget: %v", err)
	}
}

// A restart in the middle of an answer begins it again, and the tools of an answer begin once.
func TestRestart(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	a.MustCall(nil, "ask", "ann", "why?")
	id, _ := model(t, a)
	part(t, a, id, first(says("let me see")+calls(0, "remember", "milk")))
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	a.Events()
	part(t, a, id, first(says("hm")))
	if e := a.Events(); len(e) != 2 || e[0].Name != "again" || e[1].Args[1] != "hm" {
		t.Errorf("the events are %v", e)
	}
	complete(t, a, id, more(calls(0, "remember", "milk")+calls(1, "search", "MILK")+calls(2, "fly", "x")))
	if got := texts(t, a, "ann"); got != "user:why?|assistant:hm|tool:kept|tool:milk|tool:error: there is no such tool" {
		t.Errorf("the chat is %s", got)
	}
}

// The model goes on when all tools have answered, and stops at last.
func TestRounds(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	a.MustCall(nil, "ask", "ann", "two, please")
	for range maxRounds {
		id, _ := model(t, a)
		complete(t, a, id, first(calls(0, "order", "tea")+calls(1, "order", "milk")))
		orders := a.Tasks()
		if len(orders) != 2 || orders[0].Action != "order" || string(orders[0].Args) != fmt.Sprintf(`[%q,"tea"]`, id+"/0") {
			t.Fatalf("tasks are %+v", orders)
		}
		complete(t, a, orders[1].ID, errors.New("the desk is closed"))
		complete(t, a, orders[0].ID, "order 1: tea")
	}
	if len(a.Tasks()) != 0 {
		t.Errorf("tasks are %+v", a.Tasks())
	}
	if e := a.Events(); e[len(e)-1].Name != "failed" {
		t.Errorf("the last event is %v", e[len(e)-1])
	}
}

func TestFailures(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	for _, outcome := range []any{&guest.Response{Status: 500, Body: []byte("broken")}, errors.New("no route"), first("data: {\"error\":{\"message\":\"overloaded\"}}\n\n")} {
		a.MustCall(nil, "ask", "ann", "why?")
		id, _ := model(t, a)
		a.Events()
		complete(t, a, id, outcome)
		if e := a.Events(); len(e) != 1 || e[0].Name != "failed" {
			t.Errorf("the events are %v", e)
		}
	}
	a.MustCall(nil, "ask", "ann", "why?")
	var stopped bool
	a.MustCall(&stopped, "stop", "ann")
	if !stopped || len(a.Tasks()) != 0 {
		t.Errorf("stopped = %v, tasks are %+v", stopped, a.Tasks())
	}
	a.MustCall(&stopped, "stop", "ann")
	if stopped {
		t.Error("what was stopped is stopped again")
	}
}

func TestDeskOrdersOnce(t *testing.T) {
	d := guesttest.New(t, "desk", guesttest.Options{})
	for _, want := range []string{"order 1: tea", "order 1: tea"} {
		var got string
		if d.MustCall(&got, "order", "k1", "tea"); got != want {
			t.Errorf("order = %q", got)
		}
	}
	var orders []string
	if d.MustCall(&orders, "orders"); len(orders) != 1 {
		t.Errorf("orders are %q", orders)
	}
}

// A reader gets the transcript, then what comes; one that goes is forgotten.
func TestReaders(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	early := a.BeginRequest(guest.Request{Method: "POST", URL: "/chats/ann", Body: []byte("why?")})
	id, _ := model(t, a)
	part(t, a, id, first(says("be")))
	late := a.BeginRequest(guest.Request{Method: "GET", URL: "/chats/ann"})
	complete(t, a, id, more(says("cause")))
	end := `event: message
data: {"role":"assistant","content":"because"}

`
	for p, want := range map[*guesttest.Pending]string{
		early: "event: token\ndata: \"be\"\n\nevent: token\ndata: \"cause\"\n\n" + end,
		late:  "event: token\ndata: \"be\"\n\nevent: token\ndata: \"cause\"\n\n" + end,
	} {
		want = "event: message\ndata: {\"role\":\"user\",\"content\":\"why?\"}\n\n" + want
		if r, err := p.Response(); !errors.Is(err, guesttest.ErrOpen) || string(r.Body) != want {
			t.Errorf("a reader has %q, %v", r.Body, err)
		}
	}
	if err := late.Gone(); err != nil {
		t.Fatal(err)
	}
	var s State
	if a.State(&s); len(s.Readers["ann"]) != 1 {
		t.Errorf("readers are %v", s.Readers)
	}
	if r, err := a.Request(guest.Request{Method: "GET", URL: "/x"}); err != nil || r.Status != 404 {
		t.Errorf("another page: %+v, %v", r, err)
	}
}

// A tool that was taught is a child with limits.
func TestTeach(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	for range 2 {
		a.MustCall(nil, "teach", Skill{Name: "greeter", Action: "greet", Description: "Greets."}, []byte("wasm"))
	}
	others := a.Others()
	if len(others) != 2 || !others[0].Destroyed || others[1].Limits.Gas == 0 || len(a.Uploads()) != 2 {
		t.Fatalf("children are %+v", others)
	}
	a.MustCall(nil, "ask", "ann", "greet bob")
	id, _ := model(t, a)
	complete(t, a, id, first(calls(0, "greeter", "bob")))
	if task := a.Tasks()[0]; task.To.ID != others[1].ID || task.Action != "greet" || string(task.Args) != `["bob"]` {
		t.Errorf("the task is %+v", task)
	}
}
