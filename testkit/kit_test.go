package testkit_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/testkit"
)

const (
	counter = "../examples/wasm/counter"
	full    = "../guest-sdk/testguests/full"
)

func TestCalls(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: counter})
	a, err := k.Create(map[string]int{"start": 40}, "counter", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if a.MustCall(&n, "increment", 2); n != 42 {
		t.Errorf("increment = %d", n)
	}
	if got, want := a.Events(), []testkit.Event{{Name: "count", Args: []any{42.0}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if got := a.Events(); len(got) != 0 {
		t.Errorf("again: events %v", got)
	}
	if err := a.Call(nil, "fail"); !testkit.IsUser(err, "refused") || testkit.IsUser(err, "other") {
		t.Errorf("fail: %v", err)
	}
	if err := a.Call(nil, "none"); abi.CodeOf(err) != abi.CodeActionNotFound || testkit.IsUser(err, "none") {
		t.Errorf("none: %v", err)
	}
	var state struct{ Count int }
	if a.State(&state); state.Count != 42 || len(a.KV()) != 0 {
		t.Errorf("state %+v, KV %v", state, a.KV())
	}
	if _, err := k.Create(nil, "counter", "a", "b"); abi.CodeOf(err) != abi.CodeActorExists {
		t.Errorf("created twice: %v", err)
	}
	if b := k.Actor("counter", "a", "b"); b.ID() != a.ID() {
		t.Error("another actor at the same address")
	}
	a.Destroy()
	if k.Find("counter", "a", "b") != nil {
		t.Error("a destroyed actor is found")
	}
	if err := a.Call(nil, "get"); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("a destroyed actor: %v", err)
	}
}

// State is what the actors of full keep.
type State struct{ Journal []string }

func journal(a *testkit.Actor) string {
	var s State
	a.State(&s)
	return strings.Join(s.Journal, ", ")
}

// lives is the journal without what connection hooks wrote around actions.
func lives(a *testkit.Actor) string {
	return strings.NewReplacer("before POST, connect request, ", "", "disconnect , ", "", ", disconnect ", "").Replace(journal(a))
}

func TestLives(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("guarded", "a")
	a.MustCall(nil, "note", "hello")
	a.Sleep()
	a.Sleep() // of one that sleeps
	a.MustCall(nil, "note", "back")
	k.Restart()
	a.MustCall(nil, "note", "again")
	k.Crash()
	before := k.Now()
	k.Outage(time.Hour)
	if d := k.Now().Sub(before); d != time.Hour {
		t.Errorf("the outage took %v", d)
	}
	a.MustCall(nil, "note", "late")
	want := "vars, wake create, hello, sleep, vars, wake sleep, back, sleep, vars, wake restart, again, vars, wake restart, late"
	if got := lives(a); got != want {
		t.Errorf("the journal is\n%s, want\n%s", got, want)
	}
	if a.Destroy(); !strings.Contains(a.Log(), "info log: destroy\n") {
		t.Errorf("the log is %q", a.Log())
	}
}

func TestDeploy(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full, Module: "m"})
	a := k.Actor("guarded", "a")
	a.MustCall(nil, "note", "one")
	wasm := append(testkit.Build(t, full), 0, 6, 4, 'n', 'o', 't', 'e', 2) // a custom section
	if n := k.Install("m", wasm); n != 2 {
		t.Errorf("version %d", n)
	}
	a.MustCall(nil, "note", "two")
	if got, want := lives(a), "vars, wake create, one, upgrade 1 to 2, vars, wake upgrade, two"; got != want {
		t.Errorf("the journal is %s, want %s", got, want)
	}
	if a.Version() != 2 {
		t.Errorf("the actor has version %d", a.Version())
	}
	if n := k.Deploy(full); n != 1 {
		t.Errorf("the old bytes are version %d", n)
	}
}

// Sends and tasks are done when the kit says so, timers when their time has come, each at its own.
func TestAdvance(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full, Now: time.Date(2031, 2, 3, 4, 5, 6, 7, time.UTC)})
	a, b := k.Actor("full", "a"), k.Actor("full", "b")
	a.MustCall(nil, "send", map[string]string{"id": b.ID()}, "note", []any{"sent"})
	if k.Settle(); journal(b) != "sent" {
		t.Errorf("the receiver has %q", journal(b))
	}
	for i, d := range []int{3000, 1000, 2000, 9000} {
		a.MustCall(nil, "startTimer", d, fmt.Sprint("timer ", i))
	}
	at := k.Now()
	k.Advance(8999 * time.Millisecond)
	if got, want := journal(a), "timer 1: 0 , timer 2: 0 , timer 0: 0 "; got != want {
		t.Errorf("the journal is %q, want %q", got, want)
	}
	k.Advance(time.Millisecond)
	if got := journal(a); !strings.HasSuffix(got, "timer 3: 0 ") {
		t.Errorf("the journal is %q", got)
	}
	if d := k.Now().Sub(at); d != 9*time.Second {
		t.Errorf("the clock moved by %v", d)
	}
}

func TestOpenRequests(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("full", "a")
	p := a.As("ann").Begin("keepOpen")
	k.Settle()
	a.MustCall(nil, "reply", "done")
	var got string
	if err := p.Result(&got); err != nil || got != "done" {
		t.Errorf("the answer is %q, %v", got, err)
	}
	var who []string
	if a.As("ann").MustCall(&who, "asker"); who[0] != "ann" || who[2] != "ann" {
		t.Errorf("the guest saw %q", who)
	}
	p = a.Begin("keepOpen")
	k.Settle()
	k.Crash()
	if err := p.Result(nil); err == nil {
		t.Error("a request was answered over a crash")
	}
}

// The guest reaches servers by their own names, and the test is all of them.
func TestFetch(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full, Egress: []string{"http://127.0.0.1", "other.example.com"}, Fetch: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%s is served", r.URL)
	}})
	a := k.Actor("full", "a")
	var got string
	if a.MustCall(&got, "fetch", "https://api.example.com/x?y=1"); got != "https://api.example.com/x?y=1 is served" {
		t.Errorf("the answer is %q", got)
	}
	// What the manifest does not ask for is refused, as anywhere.
	if err := a.Call(nil, "fetch", "https://other.example.com/"); abi.CodeOf(err) != abi.CodeEgressDenied {
		t.Errorf("another host: %v", err)
	}
	a.MustCall(nil, "startFetch", "https://api.example.com/gone", false, "task")
	k.Settle()
	if got := journal(a); !strings.HasPrefix(got, "task: 404 ") {
		t.Errorf("the journal is %q", got)
	}
}

func TestHTTP(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("full", "a")
	read := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.StatusCode, " ", string(b))
	}
	want := `200 {"agent":"kit","body":"hello","method":"POST","url":"/p/q?r=s"}`
	r := httptest.NewRequest("POST", "/p/q?r=s", strings.NewReader("hello"))
	r.Header.Set("User-Agent", "kit")
	if got := read(a.As("ann").Do(r)); got != want {
		t.Errorf("Do: %s, want %s", got, want)
	}
	if got := read(http.Get(a.URL() + "/x")); !strings.Contains(got, `"url":"/x"`) {
		t.Errorf("URL: %s", got)
	}
	if got := read(http.Get(k.URL() + "/actors/names")); !strings.Contains(got, `"guarded"`) {
		t.Errorf("the API: %s", got)
	}
}
