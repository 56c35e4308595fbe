package testkit_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/testkit"
)

type params map[string]any

func TestClients(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("guarded", "a")
	if _, err := a.Connect(params{"refuse": true}); !testkit.IsUser(err, "refused") {
		t.Errorf("an unwelcome client: %v", err)
	}
	ann, err := a.As("ann").Connect(params{"name": "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	bob, err := a.Connect(nil)
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if err := ann.Call(&id, "me"); err != nil || id != ann.ID() {
		t.Errorf("ann is %q, %v, want %q", id, err, ann.ID())
	}
	if err := bob.Subscribe("secret"); abi.CodeOf(err) != abi.CodeForbidden {
		t.Errorf("bob listens: %v", err)
	}
	for _, c := range []*testkit.Client{ann, bob} {
		if err := c.Subscribe("changed"); err != nil {
			t.Fatal(err)
		}
	}
	if err := ann.Subscribe("secret"); err != nil {
		t.Errorf("ann may not listen: %v", err)
	}
	a.Sleep() // connections outlive it
	ann.Events()
	a.MustCall(nil, "sendTo", ann.ID(), "psst")
	if got := fmt.Sprint(ann.Events()); !strings.Contains(got, "{note [psst]}") || !strings.Contains(got, "{changed [") {
		t.Errorf("ann got %s", got)
	}
	if err := bob.Unsubscribe("changed"); err != nil {
		t.Fatal(err)
	}
	bob.Events()
	if err := ann.Call(nil, "note", "x"); err != nil {
		t.Fatal(err)
	}
	if got := bob.Events(); len(got) != 0 {
		t.Errorf("bob got %v", got)
	}
	a.MustCall(nil, "disconnect", bob.ID(), "kicked")
	if got, want := bob.Gone(), (&testkit.Gone{Code: 1000, Reason: "kicked"}); !reflect.DeepEqual(got, want) {
		t.Errorf("bob has gone with %+v, want %+v", got, want)
	}
	if err := bob.Call(nil, "me"); err != testkit.ErrGone {
		t.Errorf("after it: %v", err)
	}
	k.Settle()
	ann.Close(1001, "home")
	if got := journal(a); !strings.Contains(got, "disconnect kicked, ") || !strings.HasSuffix(got, "disconnect home") || ann.Gone().Code != 1001 {
		t.Errorf("the journal is %s", got)
	}
	var names []string
	if a.As("ann").With(params{"name": "Ann"}).MustCall(&names, "asker"); names[0] != "ann" {
		t.Errorf("the guest saw %q", names)
	}
}

func TestSockets(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("guarded", "a")
	c, err := a.Socket("/s?x=1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendText("hi"); err != nil {
		t.Fatal(err)
	}
	if err := c.SendBytes([]byte{0, 255}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Frames(), []testkit.Frame{{Text: true, Data: []byte("echo hi")}, {Data: []byte{0, 255}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("frames %v, want %v", got, want)
	}
	if err := c.SendText("close"); err != nil {
		t.Fatal(err)
	}
	k.Settle()
	if got := journal(a); !strings.Contains(got, "open /s?x=1") || !strings.Contains(got, "close 3000") || c.Gone().Reason != "asked" {
		t.Errorf("the journal is %s, the socket went with %+v", got, c.Gone())
	}
}

// Connections end with the host, and nobody tells the guest.
func TestClientsEndWithTheHost(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: full})
	a := k.Actor("guarded", "a")
	c, err := a.Connect(nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Crash()
	if c.Gone() == nil {
		t.Error("the connection stands")
	}
	var list []any
	if a.MustCall(&list, "conns"); len(list) != 1 { // that of the call itself
		t.Errorf("connections %v", list)
	}
	before, _, ok := strings.Cut(journal(a), "wake restart")
	if !ok || !strings.Contains(before, "connect events") || strings.Contains(before, "disconnect") {
		t.Errorf("the journal is %s", journal(a))
	}
}
