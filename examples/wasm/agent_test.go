//go:build !wasip1

package wasm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// model is a server that answers as an OpenAI-compatible one, as the test tells it.
type model struct {
	*httptest.Server
	answer func(asked modelRequest, say func(text string), call func(index int, name, text string))
	keys   atomic.Int32 // requests without the key
}

type modelMessage struct {
	Role       string
	Content    string
	ToolCallID string `json:"tool_call_id"`
}

type modelRequest struct {
	Model    string
	Stream   bool
	Messages []modelMessage
	Tools    []struct{ Function struct{ Name string } }
	ctx      context.Context
}

// last returns the newest message.
func (r *modelRequest) last() modelMessage { return r.Messages[len(r.Messages)-1] }

// question returns the newest message of the user.
func (r *modelRequest) question() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return m.Content
		}
	}
	return ""
}

// round counts the answers to the newest question so far.
func (r *modelRequest) round() (n int) {
	for _, m := range slices.Backward(r.Messages) {
		switch m.Role {
		case "user":
			return n
		case "assistant":
			n++
		}
	}
	return n
}

func newModel(t *testing.T) *model {
	m := &model{}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := modelRequest{ctx: r.Context()}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.URL.Path != "/v1/chat/completions" || !asked.Stream || asked.Model != "small" {
		http.Error(w, "not a request", 400)
		return
	}
	if r.Header.Get("Authorization") != "Bearer s3cret" {
		m.keys.Add(1)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(delta any) {
		b, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": delta}}})
		fmt.Fprintf(w, "data: %s\n\n", b)
		w.(http.Flusher).Flush()
	}
	m.answer(asked, func(text string) { send(map[string]string{"content": text}) }, func(index int, name, text string) {
		args := fmt.Sprintf(`{"text":%q}`, text)
		for i, piece := range []string{args[:5], args[5:]} {
			call := map[string]any{"index": index, "function": map[string]string{"arguments": piece}}
			if i == 0 {
				call["id"], call["type"] = fmt.Sprintf("call-%d", index), "function"
				call["function"] = map[string]string{"name": name, "arguments": piece}
			}
			send(map[string]any{"tool_calls": []any{call}})
		}
	})
	io.WriteString(w, "data: {\"choices\":[],\"usage\":{\"total_tokens\":10}}\n\ndata: [DONE]\n\n")
}

// openAgent runs a host with the agent, which may reach the model. Its folder may be that of an earlier host.
func openAgent(t *testing.T, o actorstest.Options, m *model) (*actorstest.Stack, tenants.ActorID) {
	t.Helper()
	o.Config = func(c *actors.Config) {
		c.AllowLoopback = []string{strings.TrimPrefix(m.URL, "http://")}
		c.Secrets = func(_ tenants.ID, module, name, _ string) (string, error) {
			if module == "agent" && name == "MODEL_KEY" {
				return "s3cret", nil
			}
			return "", errors.New("there is no such secret")
		}
	}
	s := actorstest.Open(t, o)
	s.Upload(tenants.Default, "agent", "examples/wasm/agent")
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "agent", tenants.Grants{Egress: []string{m.URL}, Uploads: true}); err != nil {
		t.Fatal(err)
	}
	base, name, key := m.URL+"/v1", "small", "MODEL_KEY"
	if _, err := s.Registry.SetConfig(t.Context(), tenants.Default, "agent", map[string]*string{"base_url": &base, "model": &name, "key": &key}); err != nil {
		t.Fatal(err)
	}
	return s, s.Actor(tenants.Default, "agent", "a")
}

// chatOf returns a chat as "role:content" of each message.
func chatOf(t *testing.T, s *actorstest.Stack, id tenants.ActorID, chat string) []string {
	t.Helper()
	var list []modelMessage
	s.MustCall(id, &list, "history", chat)
	var texts []string
	for _, m := range list {
		texts = append(texts, m.Role+":"+m.Content)
	}
	return texts
}

// awaitAnswer waits until a chat ends with an answer.
func awaitAnswer(t *testing.T, s *actorstest.Stack, id tenants.ActorID, chat, want string) []string {
	t.Helper()
	var texts []string
	kvtest.Eventually(t, "the answer to "+chat, func() bool {
		texts = chatOf(t, s, id, chat)
		return texts[len(texts)-1] == "assistant:"+want
	})
	return texts
}

// ordersOf returns what the desk of a chat has done.
func ordersOf(t *testing.T, s *actorstest.Stack, chat string) (list []string) {
	t.Helper()
	s.MustCall(s.Actor(tenants.Default, "desk", chat), &list, "orders")
	return list
}

// A question takes rounds: notes, a search in them, another actor, a module that was uploaded.
func TestAgentUsesTools(t *testing.T) {
	m := newModel(t)
	var tools atomic.Int32
	m.answer = func(asked modelRequest, say func(string), call func(int, string, string)) {
		switch asked.round() {
		case 0:
			tools.Store(int32(len(asked.Tools)))
			say("I keep that.")
			call(0, "remember", "Bob likes tea")
			call(1, "remember", "Ann likes milk")
		case 1:
			call(0, "search", "bob")
			call(1, "order", "tea")
		case 2:
			call(0, "greeter", "Bob")
		case 3:
			say("Done, " + asked.last().Content)
		}
	}
	s, id := openAgent(t, actorstest.Options{}, m)
	skill := map[string]string{"name": "greeter", "description": "Greets.", "action": "greet"}
	s.MustCall(id, nil, "teach", skill, actorstest.Guest(t, "examples/wasm/extism-as"))
	s.MustCall(id, nil, "ask", "ann", "tea for Bob, please")
	got := awaitAnswer(t, s, id, "ann", "Done, Hello, Bob!")
	want := "user:tea for Bob, please|assistant:I keep that.|tool:kept|tool:kept|assistant:|tool:Bob likes tea|tool:order 1: tea|assistant:|tool:Hello, Bob!|assistant:Done, Hello, Bob!"
	if all := strings.Join(got, "|"); all != want || tools.Load() != 4 || m.keys.Load() != 0 {
		t.Errorf("the chat is %s\nwith %d tools and %d requests without the key", all, tools.Load(), m.keys.Load())
	}
	if list := ordersOf(t, s, "ann"); len(list) != 1 {
		t.Errorf("the orders are %q", list)
	}
}

// Ten users of one agent wait at the same time: no answer begins to end before all have begun.
func TestAgentAnswersTenAtOnce(t *testing.T) {
	const users = 10
	m := newModel(t)
	var begun, ended sync.WaitGroup
	begun.Add(users)
	ended.Add(users)
	m.answer = func(asked modelRequest, say func(string), call func(int, string, string)) {
		if asked.round() == 0 {
			say("let me see ")
			begun.Done()
			begun.Wait() // with answers one after the other the first would wait here for ever
			call(0, "order", asked.question())
			return
		}
		ended.Done()
		ended.Wait()
		say(asked.last().Content)
	}
	s, id := openAgent(t, actorstest.Options{}, m)
	for i := range users {
		s.MustCall(id, nil, "ask", fmt.Sprint("user", i), fmt.Sprint("item ", i)) // answered at once
	}
	for i := range users {
		awaitAnswer(t, s, id, fmt.Sprint("user", i), fmt.Sprintf("order 1: item %d", i))
	}
}

// A host that ends in the middle of an answer goes on with it at its next start; tools that have begun do
// not begin again.
func TestAgentSurvivesARestart(t *testing.T) {
	m := newModel(t)
	var asked [3]atomic.Int32
	said := make(chan struct{}, 1)
	m.answer = func(r modelRequest, say func(string), call func(int, string, string)) {
		round := r.round()
		first := asked[round].Add(1) == 1
		switch round {
		case 0:
			call(0, "order", "tea")
			call(1, "remember", "one")
		case 1:
			say("half ")
			if first {
				call(0, "order", "never")
				said <- struct{}{}
				<-r.ctx.Done() // the host ends here
				return
			}
			call(0, "order", "milk")
			call(1, "search", "one")
		case 2:
			say("both")
		}
	}
	dir := t.TempDir()
	s, id := openAgent(t, actorstest.Options{Dir: dir}, m)
	events, err := s.Host.FollowEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s.MustCall(id, nil, "ask", "ann", "tea and milk")
	<-said
	awaitToken(t, events, "half ")
	s.Close()
	s, id = openAgent(t, actorstest.Options{Dir: dir}, m)
	got := strings.Join(awaitAnswer(t, s, id, "ann", "both"), "|")
	if strings.Count(got, "half") != 1 || strings.Count(got, "kept") != 1 || strings.Count(got, "tool:one") != 1 {
		t.Errorf("the chat is %s", got)
	}
	if list := ordersOf(t, s, "ann"); !slices.Equal(list, []string{"tea", "milk"}) {
		t.Errorf("the orders are %q", list)
	}
	if a, b, c := asked[0].Load(), asked[1].Load(), asked[2].Load(); a != 1 || b != 2 || c != 1 {
		t.Errorf("the model was asked %d, %d and %d times", a, b, c)
	}
}

// Killed at each commit in turn, which is on disk then or is not, the agent goes on: the chat has each message
// once, and each tool has its effect once, in the agent and in another actor.
func TestAgentKilledAnywhere(t *testing.T) {
	m := newModel(t)
	m.answer = func(r modelRequest, say func(string), call func(int, string, string)) {
		switch r.round() {
		case 0:
			call(0, "order", "tea")
			call(1, "remember", r.question())
		case 1:
			say("now ")
			call(0, "order", "milk")
			call(1, "search", r.question())
		case 2:
			say("both")
		}
	}
	var gate *kvtest.Gate
	o := actorstest.Options{Dir: t.TempDir(), Store: func(inner kv.Store) kv.Store { gate = kvtest.NewGate(inner); return gate }}
	s, id := openAgent(t, o, m)
	// run brings a chat from wherever it is to its end, or to the death of the host.
	run := func(chat string) (texts []string, died bool) {
		asked := false
		kvtest.Eventually(t, "the end of "+chat, func() bool {
			if died = gate.Err() != nil; died {
				return true
			}
			var list []modelMessage
			out, err := s.Call(id, "history", chat)
			if err != nil || json.Unmarshal(out, &list) != nil {
				return false
			}
			if len(list) == 0 && !asked {
				_, err := s.Call(id, "ask", chat, "<"+chat+">")
				asked = err == nil
				return false
			}
			texts = nil
			for _, m := range list {
				texts = append(texts, m.Role+":"+m.Content)
			}
			return len(list) > 0 && texts[len(texts)-1] == "assistant:both"
		})
		return texts, died
	}
	kills := 0
	for n := 1; ; n++ {
		chat := fmt.Sprint("chat ", n)
		gate.Unknown(n, n%2 == 0)
		texts, died := run(chat)
		if died {
			kills++
			s.Close()
			s, id = openAgent(t, o, m)
			texts, died = run(chat)
		}
		slices.Sort(texts) // tools at once answer in any order
		want := []string{
			"assistant:", "assistant:both", "assistant:now ", "tool:<" + chat + ">", "tool:kept", "tool:order 1: tea", "tool:order 2: milk", "user:<" + chat + ">",
		}
		if died || !slices.Equal(texts, want) {
			t.Errorf("killed at commit %d the chat is %q", n, texts)
		}
		if list := ordersOf(t, s, chat); !slices.Equal(list, []string{"tea", "milk"}) {
			t.Errorf("killed at commit %d the orders are %q", n, list)
		}
		if n-kills > 1 { // the one before had fewer commits
			break
		}
	}
	if kills < 8 { // a chat alone has more commits than that
		t.Errorf("killed %d times only", kills)
	}
}

// awaitToken takes events until a token comes.
func awaitToken(t *testing.T, events <-chan actors.Event, text string) {
	t.Helper()
	for e := range events {
		var args []json.RawMessage
		if e.Name == "token" && json.Unmarshal(e.Args, &args) == nil && len(args) == 2 && string(args[1]) == fmt.Sprintf("%q", text) {
			return
		}
	}
	t.Fatalf("the events ended without %q", text)
}

// A client that comes in the middle of an answer gets what was said, then each token as it comes.
func TestAgentLateClient(t *testing.T) {
	m := newModel(t)
	next := make(chan string)
	m.answer = func(_ modelRequest, say func(string), _ func(int, string, string)) {
		for text := range next {
			say(text)
		}
	}
	s, id := openAgent(t, actorstest.Options{}, m)
	events, err := s.Host.FollowEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s.MustCall(id, nil, "ask", "ann", "why?")
	next <- "be"
	awaitToken(t, events, "be")
	page, err := s.Host.Request(t.Context(), id, actors.RawRequest{Head: abi.RequestHead{Method: "GET", URL: "/chats/ann"}})
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if page.Head.Header["content-type"][0] != "text/event-stream" {
		t.Errorf("the head is %+v", page.Head)
	}
	var got string
	until := func(want string) {
		t.Helper()
		for !strings.HasSuffix(got, want) {
			b, err := page.Next(t.Context())
			if err != nil {
				t.Fatalf("after %q: %v", got, err)
			}
			got += string(b)
		}
	}
	until("event: message\ndata: {\"role\":\"user\",\"content\":\"why?\"}\n\nevent: token\ndata: \"be\"\n\n")
	next <- "cau"
	until("event: token\ndata: \"cau\"\n\n") // while the model still speaks
	next <- "se"
	until("event: token\ndata: \"se\"\n\n")
	close(next)
	until("event: message\ndata: {\"role\":\"assistant\",\"content\":\"because\"}\n\n")
}
